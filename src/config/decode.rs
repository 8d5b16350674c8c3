//! Checks a YAML tree against the tables of keys and reports every invalid value at its location.

use super::diagnostic_code::Code;
use super::diagnostics::Diagnostic;
use super::file_reporter::FileReporter;
use super::invalid_value::MessageSubject;
use super::keys::{Constraint, KeySpec, Presence, Shape};
use super::node::{MapKey, Node, NodeKind};
use super::reference::NonReference;
use super::tables::{DEFAULTS, POOL};
use super::text::is_word;
use super::value::{LocatedValue, Mapping, Value};
use super::{constraints, extra_specs, reference, scalar, suggest, text_rules};
use crate::domain::field::{FieldKind, field};
use crate::domain::name::GarmName;
use crate::domain::text::quote;

/// The most keys that a hint lists.
const LISTED_MAX: usize = 12;

/// Decodes one value according to its shape.
pub(super) fn decode(
    reporter: &mut FileReporter<'_>,
    node: &Node<'_>,
    shape: &Shape,
    subject: MessageSubject<'_>,
) -> LocatedValue {
    let at = reporter.at(node.span);
    if matches!(node.value().kind, NodeKind::Broken) {
        return LocatedValue { at, value: Value::Broken };
    }
    let value = match shape {
        Shape::Field(FieldKind::Labels) => scalar::labels(reporter, node, subject),
        Shape::Field(FieldKind::Map) => extra_specs::read(reporter, node, subject),
        Shape::Field(kind) => scalar::field(reporter, node, *kind, subject),
        Shape::List(of, at_least) => list(reporter, node, of, *at_least, subject),
        Shape::Mapping(entries, constraint) => {
            constrained_mapping(reporter, node, entries, *constraint, subject)
        }
        Shape::Pool => constrained_mapping(
            reporter,
            node,
            &POOL,
            Constraint::OneEntity,
            MessageSubject::Phrase("a pool"),
        ),
        Shape::Defaults => {
            constrained_mapping(reporter, node, &DEFAULTS, Constraint::OneEntity, subject)
        }
        Shape::Named(of, fixed) => named(reporter, node, of, fixed, subject),
        Shape::NamedGarms(of) => named_garms(reporter, node, of, subject),
        Shape::Reference => reference::read(reporter, node, subject, NonReference::Refused),
        Shape::UrlOrReference => reference::read(reporter, node, subject, NonReference::MayBeUrl),
        Shape::Setting(setting) => scalar::setting(reporter, node, *setting, subject),
    };
    LocatedValue { at, value }
}

fn constrained_mapping(
    reporter: &mut FileReporter<'_>,
    node: &Node<'_>,
    entries: &[KeySpec],
    constraint: Constraint,
    subject: MessageSubject<'_>,
) -> Value {
    let Some(mapping) = mapping(reporter, node, entries, subject) else { return Value::Broken };
    let at = reporter.at(mapping.first_key().unwrap_or(node.span));
    constraints::check(reporter.diagnostics, &mapping, constraint, at);
    Value::Mapping(mapping)
}

/// Decodes a mapping with fixed keys. Returns `None` only if it is not a mapping.
pub(super) fn mapping(
    reporter: &mut FileReporter<'_>,
    node: &Node<'_>,
    entries: &[KeySpec],
    subject: MessageSubject<'_>,
) -> Option<Mapping> {
    let pairs = pairs(reporter, node, entries, subject)?;
    let mut mapping = Mapping::default();
    for (key, value) in pairs {
        match entries.iter().find(|entry| entry.key == key.text) {
            Some(entry) => {
                let item = decode(reporter, value, &entry.shape, MessageSubject::Key(entry.key));
                mapping.insert(entry.key, reporter.at(key.span), item);
            }
            None => {
                mapping.insert_unknown(&key.text);
                reporter.hide(value);
                show_slip(reporter, key, value, entries);
                unknown(reporter, key, entries, subject);
            }
        }
    }
    let is_required = |entry: &&KeySpec| match entry.need {
        Presence::Required => true,
        Presence::RequiredWithout(other) => !mapping.has(other),
        Presence::Optional | Presence::Default(_) | Presence::Later => false,
    };
    for entry in entries.iter().filter(is_required) {
        if !mapping.has(entry.key) && !pairs.iter().any(|(key, _)| is_meant(&key.text, entry.key)) {
            let at = reporter.at(pairs.first().map_or(node.span, |(key, _)| key.span));
            let message = format!("{subject} is missing `{}`", entry.key);
            reporter.report(
                Diagnostic::error(Code::MissingKey, at, message)
                    .help(format!("`{}`: {}", entry.key, entry.help)),
            );
        }
    }
    Some(mapping)
}

/// Decodes a mapping from names to values.
fn named(
    reporter: &mut FileReporter<'_>,
    node: &Node<'_>,
    of: &Shape,
    fixed: &[KeySpec],
    subject: MessageSubject<'_>,
) -> Value {
    let Some(pairs) = pairs(reporter, node, &[], subject) else { return Value::Broken };
    let mut named = Vec::new();
    let mut mapping = Mapping::default();
    for (key, value) in pairs {
        let at = reporter.at(key.span);
        if let Some(entry) = fixed.iter().find(|entry| entry.key == key.text) {
            let item = decode(reporter, value, &entry.shape, MessageSubject::Key(entry.key));
            mapping.insert(entry.key, at, item);
        } else if scalar::name_fits(reporter, &key.text, at) {
            let item = decode(reporter, value, of, MessageSubject::Key(&key.text));
            named.push((key.text.to_string(), at, item));
        }
    }
    Value::Named(named, mapping)
}

/// Decodes a mapping from names of GARMs to values, which must have an entry.
fn named_garms(
    reporter: &mut FileReporter<'_>,
    node: &Node<'_>,
    of: &Shape,
    subject: MessageSubject<'_>,
) -> Value {
    let Some(pairs) = pairs(reporter, node, &[], subject) else { return Value::Broken };
    if pairs.is_empty() {
        let diagnostic = Diagnostic::error(
            Code::WrongType,
            reporter.at(node.span),
            format!("{subject} is empty"),
        );
        reporter.report(diagnostic.help("name a GARM, or remove the key"));
        return Value::Broken;
    }
    let mut named = Vec::new();
    for (key, value) in pairs {
        let at = reporter.at(key.span);
        if let Err(why) = GarmName::new(&key.text) {
            reporter.report(text_rules::misnamed(why, &key.text).error_at(at));
            continue;
        }
        let item = decode(reporter, value, of, MessageSubject::Key(&key.text));
        named.push((key.text.to_string(), at, item));
    }
    Value::Named(named, Mapping::default())
}

fn list(
    reporter: &mut FileReporter<'_>,
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
        reporter.wrong_type(node, subject, wanted);
        return Value::Broken;
    };
    if items.len() < at_least {
        let at = reporter.at(node.span);
        let message = format!("{subject} is an empty list");
        reporter.report(Diagnostic::error(Code::WrongType, at, message).help("remove the key"));
    }
    let key = match subject {
        MessageSubject::Key(key) | MessageSubject::EntryOf(key) | MessageSubject::Phrase(key) => {
            key
        }
    };
    Value::List(
        items.iter().map(|item| decode(reporter, item, of, MessageSubject::EntryOf(key))).collect(),
    )
}

/// The pairs of a mapping; reports any other value.
fn pairs<'n, 'a>(
    reporter: &mut FileReporter<'_>,
    node: &'n Node<'a>,
    entries: &[KeySpec],
    subject: MessageSubject<'_>,
) -> Option<&'n [(MapKey<'a>, Node<'a>)]> {
    match &node.value().kind {
        NodeKind::Map(pairs) => Some(pairs),
        NodeKind::Broken => None,
        NodeKind::Scalar(_) | NodeKind::List(_) | NodeKind::Shared(_) => {
            let keys: Vec<String> =
                entries.iter().take(3).map(|entry| format!("`{}`", entry.key)).collect();
            let wanted = match keys.as_slice() {
                [] => "a mapping".to_owned(),
                some => format!("a mapping with keys such as {}", some.join(", ")),
            };
            reporter.wrong_type(node, subject, &wanted);
            None
        }
    }
}

/// The value of an unknown key may be a secret, unless the key is clearly a misspelt pool field
/// that takes a harmless scalar.
fn show_slip(
    reporter: &mut FileReporter<'_>,
    key: &MapKey<'_>,
    value: &Node<'_>,
    entries: &[KeySpec],
) {
    let keys: Vec<&str> = entries.iter().map(|entry| entry.key).collect();
    let meant = suggest::near(&key.text, &keys).and_then(field);
    let is_harmless =
        meant.is_some_and(|field| !matches!(field.kind, FieldKind::Map | FieldKind::Labels));
    // Not through an alias: its target is shown or hidden where it is written.
    if let NodeKind::Scalar(scalar) = &value.kind
        && is_harmless
        && scalar.is_plain
    {
        reporter.show(scalar);
    }
}

fn unknown(
    reporter: &mut FileReporter<'_>,
    key: &MapKey<'_>,
    entries: &[KeySpec],
    subject: MessageSubject<'_>,
) {
    let at = reporter.at(key.span);
    let name = quote(&key.text);
    if let Some(hint) = suggest::elsewhere(&key.text, entries) {
        let message = format!("`{name}` does not belong in {subject}");
        reporter.report(Diagnostic::error(Code::WrongPlace, at, message).help(hint));
        return;
    }
    let keys: Vec<&str> = entries.iter().map(|entry| entry.key).collect();
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
    reporter.report(Diagnostic::error(Code::UnknownKey, at, message).help(help));
}

/// Whether an unknown key is so similar to a missing one that one report is enough.
fn is_meant(written: &str, key: &str) -> bool {
    suggest::near(written, &[key]).is_some()
}
