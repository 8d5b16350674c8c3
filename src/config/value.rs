//! Decoded values: checked against the tables, but not yet interpreted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Map;

use super::diagnostics::FileSpan;
use super::node::SourceSpan;
use super::settings::HostPort;
use crate::domain::label::Labels;
use crate::domain::price::Price;
use crate::domain::secret::SecretRef;

/// A value and its location.
#[derive(Debug, Clone)]
pub(super) struct LocatedValue {
    pub(super) at: FileSpan,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    Price(Price),
    Flag(bool),
    Duration(Duration),
    /// The word `off` in place of a duration.
    Off,
    /// The word `unmanaged` in place of a flag.
    Unmanaged,
    Reference(SecretRef),
    HostPort(HostPort),
    Listen(SocketAddr),
    Labels(Labels),
    /// `extra_specs`, and the locations of its top-level keys. Top-level nulls are kept: they
    /// remove keys of the defaults.
    Specs(Map<String, serde_json::Value>, BTreeMap<String, FileSpan>),
    List(Vec<LocatedValue>),
    Mapping(Mapping),
    /// Names with their locations and values, and the fixed keys among them.
    Named(Vec<(String, FileSpan, LocatedValue)>, Mapping),
    /// Invalid; the problem has been reported.
    Broken,
}

impl Value {
    pub(super) fn price(&self) -> Option<Price> {
        match self {
            Self::Price(price) => Some(*price),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
struct MappingEntry {
    key: &'static str,
    key_at: FileSpan,
    item: LocatedValue,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Mapping {
    /// In the alphabetical order of the keys. They are few, so each search goes through them.
    entries: Vec<MappingEntry>,
    /// Unknown keys, which have been reported.
    unknown_keys: Vec<String>,
}

impl Mapping {
    pub(super) fn insert(&mut self, key: &'static str, key_at: FileSpan, item: LocatedValue) {
        let entry = MappingEntry { key, key_at, item };
        match self.entries.binary_search_by_key(&key, |entry| entry.key) {
            Ok(at) => self.entries[at] = entry,
            Err(at) => self.entries.insert(at, entry),
        }
    }

    fn entry(&self, key: &str) -> Option<&MappingEntry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub(super) fn insert_unknown(&mut self, key: &str) {
        self.unknown_keys.push(key.to_owned());
    }

    pub(super) fn unknown_keys(&self) -> &[String] {
        &self.unknown_keys
    }

    /// Whether the key is present, valid or not.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    pub(super) fn get(&self, key: &str) -> Option<&LocatedValue> {
        self.entry(key).map(|entry| &entry.item)
    }

    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.get(key).map(|located| &located.value)
    }

    /// The location of the key itself.
    pub(super) fn key_at(&self, key: &str) -> Option<FileSpan> {
        self.entry(key).map(|entry| entry.key_at)
    }

    /// The location of the first known key.
    pub(super) fn first_key(&self) -> Option<SourceSpan> {
        self.entries.iter().map(|entry| entry.key_at.span).min()
    }

    /// All values with their keys, in the order of the keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &LocatedValue)> {
        self.entries.iter().map(|entry| (entry.key, &entry.item))
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        match self.value(key)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    pub(super) fn duration(&self, key: &str) -> Option<Duration> {
        match self.value(key)? {
            Value::Duration(duration) => Some(*duration),
            _ => None,
        }
    }

    pub(super) fn reference(&self, key: &str) -> Option<SecretRef> {
        match self.value(key)? {
            Value::Reference(reference) => Some(reference.clone()),
            _ => None,
        }
    }

    pub(super) fn mapping(&self, key: &str) -> Option<&Mapping> {
        match self.value(key)? {
            Value::Mapping(mapping) => Some(mapping),
            _ => None,
        }
    }

    pub(super) fn list(&self, key: &str) -> Option<&[LocatedValue]> {
        match self.value(key)? {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        Some(self.list(key)?.iter().filter_map(LocatedValue::text).map(str::to_owned).collect())
    }
}

impl LocatedValue {
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}
