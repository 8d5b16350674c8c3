//! Decodes scalars: text, words, flags, names, paths.

use super::address;
use super::diagnostic_code::Code;
use super::diagnostics::{Diagnostic, FileSpan};
use super::file_reporter::FileReporter;
use super::invalid_value::{InvalidValue, MessageSubject};
use super::keys::SettingKind;
use super::node::{Meaning, Node, NodeKind, Scalar};
use super::value::Value;
use super::{number, text_rules, time};
use crate::domain::address::PlainHttp;
use crate::domain::field::{FieldKind, TEXT_MAX, UNMANAGED};
use crate::domain::label::Labels;
use crate::domain::name::FleetName;
use crate::domain::text::quote;

/// Words that are booleans in YAML 1.1 and text in YAML 1.2.
const OLD_FLAGS: &[&str] = &["y", "n", "yes", "no", "on", "off"];

/// Decodes the scalar of a pool field.
pub(super) fn field(
    reporter: &mut FileReporter<'_>,
    node: &Node<'_>,
    kind: FieldKind,
    subject: MessageSubject<'_>,
) -> Value {
    let Some(scalar) = scalar(reporter, node, subject, &text_rules::wanted(kind)) else {
        return Value::Broken;
    };
    reporter.show(scalar);
    let at = reporter.at(node.span);
    if let Err(invalid) = text_rules::no_placeholder(&scalar.text, subject) {
        return reporter.refuse(node, invalid);
    }
    let read = match kind {
        FieldKind::Count { min, max } => number::read(scalar, (min.into(), max.into()), subject),
        FieldKind::Price => number::price(scalar, subject),
        FieldKind::Flag => flag(scalar, subject),
        FieldKind::FlagOrUnmanaged => flag_or_unmanaged(scalar, subject),
        FieldKind::Duration { min_s, whole_minutes } => {
            let rule = time::DurationRule { min_s, whole_minutes, ..time::DurationRule::PLAIN };
            time::read(scalar, rule, subject)
        }
        FieldKind::DurationOrOff => time::read(
            scalar,
            time::DurationRule { may_be_off: true, ..time::DurationRule::PLAIN },
            subject,
        ),
        FieldKind::Name
        | FieldKind::GarmName
        | FieldKind::Text { .. }
        | FieldKind::TextOrNone { .. }
        | FieldKind::Prefix
        | FieldKind::Account
        | FieldKind::Repository
        | FieldKind::Choice(_) => text(reporter, scalar, at, subject).and_then(|text| {
            text_rules::judge(text, kind, subject).map(|()| Value::Text(text.to_owned()))
        }),
        FieldKind::Labels | FieldKind::Map => Ok(Value::Broken),
    };
    read.unwrap_or_else(|invalid| reporter.refuse(node, invalid))
}

/// Decodes a scalar that only the fleet file has.
pub(super) fn setting(
    reporter: &mut FileReporter<'_>,
    node: &Node<'_>,
    setting: SettingKind,
    subject: MessageSubject<'_>,
) -> Value {
    let Some(scalar) = scalar(reporter, node, subject, text_rules::wanted_setting(setting)) else {
        return Value::Broken;
    };
    // A URL may contain a password, which `address` refuses and which must not be shown either.
    if !scalar.text.contains('@') {
        reporter.show(scalar);
    }
    let at = reporter.at(node.span);
    if let Err(invalid) = text_rules::no_placeholder(&scalar.text, subject) {
        return reporter.refuse(node, invalid);
    }
    let read = match setting {
        SettingKind::Id => number::read(scalar, (1, i64::MAX as u64), subject),
        SettingKind::Backoff => time::read(scalar, time::DurationRule::BACKOFF, subject),
        SettingKind::FleetName
        | SettingKind::LeaseName
        | SettingKind::EncryptedUrl
        | SettingKind::Url
        | SettingKind::Listen
        | SettingKind::HostPort
        | SettingKind::Entry
        | SettingKind::Path => text(reporter, scalar, at, subject)
            .and_then(|text| written_setting(text, setting, subject)),
    };
    read.unwrap_or_else(|invalid| reporter.refuse(node, invalid))
}

fn written_setting(
    text: &str,
    setting: SettingKind,
    subject: MessageSubject<'_>,
) -> Result<Value, InvalidValue> {
    match setting {
        SettingKind::FleetName => FleetName::new(text)
            .map(|name| Value::Text(name.to_string()))
            .map_err(|why| text_rules::misnamed(why, text)),
        SettingKind::LeaseName => {
            text_rules::lease_name(text, subject).map(|()| Value::Text(text.to_owned()))
        }
        SettingKind::EncryptedUrl => address::url(text, PlainHttp::LoopbackOnly).map(Value::Text),
        SettingKind::Url => address::url(text, PlainHttp::Anywhere).map(Value::Text),
        SettingKind::HostPort => address::host_port(text).map(Value::HostPort),
        SettingKind::Listen => address::listen(text).map(Value::Listen),
        SettingKind::Path => text_rules::path(text, subject).map(|()| Value::Text(text.to_owned())),
        SettingKind::Entry => {
            text_rules::entry(text, TEXT_MAX, subject).map(|()| Value::Text(text.to_owned()))
        }
        SettingKind::Id | SettingKind::Backoff => {
            text_rules::plain_text(text, TEXT_MAX, subject).map(|()| Value::Text(text.to_owned()))
        }
    }
}

/// Decodes a list of labels.
pub(super) fn labels(
    reporter: &mut FileReporter<'_>,
    node: &Node<'_>,
    subject: MessageSubject<'_>,
) -> Value {
    let NodeKind::List(items) = &node.value().kind else {
        let at = reporter.at(node.span);
        match &node.value().kind {
            NodeKind::Scalar(scalar) if matches!(scalar.meaning(), Meaning::Text(_)) => {
                reporter.show(scalar);
                let help = format!("write `[{}]`", quote(&scalar.text));
                let message = format!("{subject} takes a list, not text");
                reporter.report(Diagnostic::error(Code::WrongType, at, message).help(help));
            }
            _ => reporter.wrong_type(node, subject, "a list of labels"),
        }
        return Value::Broken;
    };
    let mut labels = Labels::new();
    let mut is_whole = true;
    for item in items {
        match label(reporter, item) {
            Some(label) => labels.insert(label),
            None => is_whole = false,
        }
    }
    if is_whole { Value::Labels(labels) } else { Value::Broken }
}

fn label(reporter: &mut FileReporter<'_>, node: &Node<'_>) -> Option<String> {
    let subject = MessageSubject::EntryOf("labels");
    let scalar = scalar(reporter, node, subject, "text")?;
    reporter.show(scalar);
    let at = reporter.at(node.span);
    let read = text(reporter, scalar, at, subject).and_then(|text| {
        text_rules::no_placeholder(text, subject)?;
        text_rules::label(text, subject)?;
        Ok(text.to_owned())
    });
    match read {
        Ok(label) => Some(label),
        Err(invalid) => {
            reporter.refuse(node, invalid);
            None
        }
    }
}

/// Whether a name used as a key is valid; reports it otherwise.
pub(super) fn name_fits(reporter: &mut FileReporter<'_>, name: &str, at: FileSpan) -> bool {
    match text_rules::plain_text(name, TEXT_MAX, MessageSubject::Phrase("a name")) {
        Ok(()) => true,
        Err(invalid) => {
            reporter.report(invalid.error_at(at));
            false
        }
    }
}

/// The scalar of a node; reports any other value.
fn scalar<'n, 'a>(
    reporter: &mut FileReporter<'_>,
    node: &'n Node<'a>,
    subject: MessageSubject<'_>,
    wanted: &str,
) -> Option<&'n Scalar<'a>> {
    match &node.value().kind {
        NodeKind::Scalar(scalar) if !node.is_null() => Some(scalar),
        NodeKind::Broken => None,
        NodeKind::Scalar(_) | NodeKind::List(_) | NodeKind::Map(_) | NodeKind::Shared(_) => {
            reporter.wrong_type(node, subject, wanted);
            None
        }
    }
}

/// The text of a scalar that is text in YAML, with a warning if it is text only in YAML 1.2.
fn text<'s>(
    reporter: &mut FileReporter<'_>,
    scalar: &'s Scalar<'_>,
    at: FileSpan,
    subject: MessageSubject<'_>,
) -> Result<&'s str, InvalidValue> {
    match scalar.meaning() {
        Meaning::Text(text) => {
            if scalar.is_plain && OLD_FLAGS.contains(&text.to_lowercase().as_str()) {
                let message = format!("`{text}` is text here, but a boolean for YAML 1.1 tools");
                let diagnostic = Diagnostic::warning(Code::AmbiguousText, at, message);
                reporter.report(diagnostic.help(format!("write `\"{text}\"`")));
            }
            Ok(text)
        }
        Meaning::Null => Err(InvalidValue::new(Code::WrongType, format!("{subject} has no value"))),
        Meaning::Bool(_) | Meaning::Int(_) | Meaning::Float(_) => {
            let message = format!("{subject} takes text, not `{}`", quote(&scalar.text));
            let help = format!("write `\"{}\"`", quote(&scalar.text));
            Err(InvalidValue::new(Code::WrongType, message).help(help))
        }
    }
}

fn flag(scalar: &Scalar<'_>, subject: MessageSubject<'_>) -> Result<Value, InvalidValue> {
    if let Meaning::Bool(flag) = scalar.meaning() {
        return Ok(Value::Flag(flag));
    }
    let message = format!("{subject} takes `true` or `false`, not `{}`", scalar.written());
    let invalid = InvalidValue::new(Code::WrongType, message);
    Err(match scalar.text.to_lowercase().as_str() {
        "true" | "false" => invalid.help("remove the quotes"),
        "yes" | "on" | "y" | "1" => invalid.help("write `true`"),
        "no" | "off" | "n" | "0" => invalid.help("write `false`"),
        _ => invalid,
    })
}

fn flag_or_unmanaged(
    scalar: &Scalar<'_>,
    subject: MessageSubject<'_>,
) -> Result<Value, InvalidValue> {
    match scalar.meaning() {
        Meaning::Text(UNMANAGED) => Ok(Value::Unmanaged),
        Meaning::Text(_)
        | Meaning::Null
        | Meaning::Bool(_)
        | Meaning::Int(_)
        | Meaning::Float(_) => flag(scalar, subject).map_err(|invalid| match invalid.help {
            Some(_) => invalid,
            None => invalid.help(format!("`{UNMANAGED}` leaves it as it is in GARM")),
        }),
    }
}
