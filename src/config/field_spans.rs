//! The locations of a pool's fields.

use std::collections::{BTreeMap, HashMap};

use super::diagnostics::FileSpan;
use super::value::{Mapping, Value};

/// The locations of one pool's fields.
#[derive(Debug, Clone)]
pub(super) struct FieldSpans {
    pub(super) name: FileSpan,
    pub(super) values: HashMap<&'static str, FileSpan>,
    /// The locations of the keys of its `extra_specs`, by top-level key.
    pub(super) specs: BTreeMap<String, FileSpan>,
}

impl FieldSpans {
    pub(super) fn of(name: FileSpan, mapping: &Mapping) -> Self {
        let values = mapping.iter().map(|(key, item)| (key, item.at)).collect();
        Self { name, values, specs: keys_of_specs(mapping) }
    }
}

/// The locations of the top-level keys of `extra_specs`.
pub(super) fn keys_of_specs(mapping: &Mapping) -> BTreeMap<String, FileSpan> {
    match mapping.value("extra_specs") {
        Some(Value::Specs(_, keys)) => keys.clone(),
        Some(_) | None => BTreeMap::new(),
    }
}
