//! Checks a YAML tree against the tables of keys and reports every invalid value where it stands.

use std::fmt;

use super::diagnostic_code::Code;
use super::diagnostics::{Diagnostic, Diagnostics, FileSpan};
use super::keys::{Constraint, KeySpec, Presence, Shape};
use super::node::{MapKey, Node, NodeKind, Scalar};
use super::tables::{DEFAULTS, POOL};
use super::text::is_word;
use super::value::{LocatedValue, Mapping, Value};
use super::{constraints, extra_specs, reference, scalar, suggest};
use crate::domain::field::{FieldKind, field};
use crate::domain::text::quote;

/// The most keys that a hint lists.
const LISTED_MAX: usize = 12;

/// What a message is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum MessageSubject<'a> {
    /// The value of a key.
    Key(&'a str),
    /// An entry of a list.
    EntryOf(&'a str),
    File(&'a str),
}

impl fmt::Display for MessageSubject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "`{}`", quote(key)),
            Self::EntryOf(key) => write!(f, "an entry of `{}`", quote(key)),
            Self::File(word) => f.write_str(word),
        }
    }
}

/// Decodes the nodes of one file.
pub(super) struct Decoder<'d> {
    pub(super) diagnostics: &'d mut Diagnostics,
    pub(super) file: usize,
}

impl Decoder<'_> {
    pub(super) fn at(&self, span: super::node::SourceSpan) -> FileSpan {
        FileSpan { file: self.file, span }
    }

    /// Marks a scalar as safe to show.
    pub(super) fn show(&mut self, scalar: &Scalar<'_>) {
        self.diagnostics.file(self.file).show(scalar.token);
    }

    /// Hides a value and everything in it, including keys.
    pub(super) fn hide(&mut self, node: &Node<'_>) {
        self.diagnostics.file(self.file).hide(node.span.start, node.end());
    }

    pub(super) fn report(&mut self, draft: Diagnostic) {
        self.diagnostics.report(draft);
    }

    /// Decodes one value according to its shape.
    pub(super) fn decode(
        &mut self,
        node: &Node<'_>,
        shape: &Shape,
        subject: MessageSubject<'_>,
    ) -> LocatedValue {
        let at = self.at(node.span);
        if matches!(node.value().kind, NodeKind::Broken) {
            return LocatedValue { at, value: Value::Broken };
        }
        let value = match shape {
            Shape::Field(FieldKind::Labels) => scalar::labels(self, node, subject),
            Shape::Field(FieldKind::Map) => extra_specs::read(self, node, subject),
            Shape::Field(kind) => scalar::field(self, node, *kind, subject),
            Shape::List(of, at_least) => self.list(node, of, *at_least, subject),
            Shape::Mapping(entries, tie) => self.record_value(node, entries, *tie, subject),
            Shape::Pool => self.record_value(
                node,
                &POOL,
                Constraint::OneEntity,
                MessageSubject::File("a pool"),
            ),
            Shape::Defaults => self.record_value(node, &DEFAULTS, Constraint::OneEntity, subject),
            Shape::Named(of, fixed) => self.named(node, of, fixed, subject),
            Shape::Reference => {
                reference::read(self, node, subject, reference::NonReference::Refused)
            }
            Shape::UrlOrReference => {
                reference::read(self, node, subject, reference::NonReference::MayBeUrl)
            }
            Shape::Setting(setting) => scalar::setting(self, node, *setting, subject),
        };
        LocatedValue { at, value }
    }

    fn record_value(
        &mut self,
        node: &Node<'_>,
        entries: &[KeySpec],
        tie: Constraint,
        subject: MessageSubject<'_>,
    ) -> Value {
        let Some(record) = self.record(node, entries, subject) else { return Value::Broken };
        constraints::check(self, &record, tie, self.at(record.first_key().unwrap_or(node.span)));
        Value::Mapping(record)
    }

    /// Decodes a mapping with fixed keys. Returns `None` only if it is not a mapping.
    pub(super) fn record(
        &mut self,
        node: &Node<'_>,
        entries: &[KeySpec],
        subject: MessageSubject<'_>,
    ) -> Option<Mapping> {
        let pairs = self.pairs(node, entries, subject)?;
        let mut record = Mapping::default();
        for (key, value) in pairs {
            match entries.iter().find(|it| it.key == key.text) {
                Some(entry) => {
                    let item = self.decode(value, &entry.shape, MessageSubject::Key(entry.key));
                    record.insert(entry.key, self.at(key.span), item);
                }
                None => {
                    record.insert_unknown(&key.text);
                    self.hide(value);
                    self.show_slip(key, value, entries);
                    self.unknown(key, entries, subject);
                }
            }
        }
        for entry in entries.iter().filter(|it| it.need == Presence::Required) {
            if !record.has(entry.key)
                && !pairs.iter().any(|(key, _)| is_meant(&key.text, entry.key))
            {
                let at = self.at(pairs.first().map_or(node.span, |(key, _)| key.span));
                let message = format!("{subject} is missing `{}`", entry.key);
                self.report(
                    Diagnostic::error(Code::MissingKey, at, message)
                        .help(format!("`{}`: {}", entry.key, entry.help)),
                );
            }
        }
        Some(record)
    }

    /// Decodes a mapping from names to values.
    fn named(
        &mut self,
        node: &Node<'_>,
        of: &Shape,
        fixed: &[KeySpec],
        subject: MessageSubject<'_>,
    ) -> Value {
        let Some(pairs) = self.pairs(node, &[], subject) else { return Value::Broken };
        let mut named = Vec::new();
        let mut record = Mapping::default();
        for (key, value) in pairs {
            let at = self.at(key.span);
            if let Some(entry) = fixed.iter().find(|it| it.key == key.text) {
                let item = self.decode(value, &entry.shape, MessageSubject::Key(entry.key));
                record.insert(entry.key, at, item);
            } else if scalar::name_fits(self, &key.text, at) {
                let item = self.decode(value, of, MessageSubject::Key(&key.text));
                named.push((key.text.to_string(), at, item));
            }
        }
        Value::Named(named, record)
    }

    fn list(
        &mut self,
        node: &Node<'_>,
        of: &Shape,
        at_least: usize,
        subject: MessageSubject<'_>,
    ) -> Value {
        let NodeKind::List(items) = &node.value().kind else {
            let wanted = if matches!(of, Shape::Pool) {
                "a list with each pool after a `-`, or `[]`"
            } else {
                "a list"
            };
            self.wrong_type(node, subject, wanted);
            return Value::Broken;
        };
        if items.len() < at_least {
            let at = self.at(node.span);
            let message = format!("{subject} is an empty list");
            self.report(Diagnostic::error(Code::WrongType, at, message).help("remove the key"));
        }
        let key = match subject {
            MessageSubject::Key(key) | MessageSubject::EntryOf(key) | MessageSubject::File(key) => {
                key
            }
        };
        Value::List(
            items.iter().map(|it| self.decode(it, of, MessageSubject::EntryOf(key))).collect(),
        )
    }

    /// The pairs of a mapping; reports any other value.
    fn pairs<'n, 'a>(
        &mut self,
        node: &'n Node<'a>,
        entries: &[KeySpec],
        subject: MessageSubject<'_>,
    ) -> Option<&'n [(MapKey<'a>, Node<'a>)]> {
        match &node.value().kind {
            NodeKind::Map(pairs) => Some(pairs),
            NodeKind::Broken => None,
            NodeKind::Scalar(_) | NodeKind::List(_) | NodeKind::Shared(_) => {
                let keys: Vec<String> =
                    entries.iter().take(3).map(|it| format!("`{}`", it.key)).collect();
                let wanted = match keys.as_slice() {
                    [] => "a mapping".to_owned(),
                    some => format!("a mapping with keys such as {}", some.join(", ")),
                };
                self.wrong_type(node, subject, &wanted);
                None
            }
        }
    }

    /// Reports a value of the wrong type. Never quotes the value.
    pub(super) fn wrong_type(
        &mut self,
        node: &Node<'_>,
        subject: MessageSubject<'_>,
        wanted: &str,
    ) {
        let at = self.at(node.span);
        let draft = if node.is_null() {
            if let NodeKind::Scalar(scalar) = &node.value().kind {
                self.show(scalar);
            }
            Diagnostic::error(Code::WrongType, at, format!("{subject} has no value"))
                .help(format!("{subject} takes {wanted}"))
        } else {
            let message = format!("{subject} takes {wanted}, not {}", node.word());
            Diagnostic::error(Code::WrongType, at, message)
        };
        self.report(draft);
    }

    /// The value of an unknown key may be a secret, unless the key is clearly a misspelt pool field
    /// that takes a harmless scalar.
    fn show_slip(&mut self, key: &MapKey<'_>, value: &Node<'_>, entries: &[KeySpec]) {
        let keys: Vec<&str> = entries.iter().map(|it| it.key).collect();
        let meant = suggest::near(&key.text, &keys).and_then(field);
        let is_harmless =
            meant.is_some_and(|it| !matches!(it.kind, FieldKind::Map | FieldKind::Labels));
        // Not through an alias: its target is shown or hidden where it is written.
        if let NodeKind::Scalar(scalar) = &value.kind
            && is_harmless
            && scalar.is_plain
        {
            self.show(scalar);
        }
    }

    fn unknown(&mut self, key: &MapKey<'_>, entries: &[KeySpec], subject: MessageSubject<'_>) {
        let at = self.at(key.span);
        let name = quote(&key.text);
        if let Some(hint) = suggest::elsewhere(&key.text, entries) {
            let message = format!("`{name}` does not belong in {subject}");
            self.report(Diagnostic::error(Code::WrongPlace, at, message).help(hint));
            return;
        }
        let keys: Vec<&str> = entries.iter().map(|it| it.key).collect();
        let help = match suggest::near(&key.text, &keys) {
            Some(near) => format!("did you mean `{near}`?"),
            None if keys.len() > LISTED_MAX => "`runnerctl schema` lists the keys".to_owned(),
            None => format!("the valid keys are {}", suggest::listed(&keys)),
        };
        let message = if is_word(&key.text) {
            format!("unknown key `{name}` in {subject}")
        } else {
            format!("unknown key in {subject}; it is not shown, since it does not look like a word")
        };
        self.report(Diagnostic::error(Code::UnknownKey, at, message).help(help));
    }
}

/// Whether an unknown key is so similar to a missing one that one report is enough.
fn is_meant(written: &str, key: &str) -> bool {
    suggest::near(written, &[key]).is_some()
}
