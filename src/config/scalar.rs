//! Scalars: text, words, flags, names, paths.

use super::address;
use super::decode::{Decoder, Subject};
use super::diagnostic_code::Code;
use super::diagnostics::{At, Draft};
use super::keys::Setting;
use super::node::{Kind as NodeKind, Meaning, Node, Scalar};
use super::value::Value;
use super::{number, text_rules, time};
use crate::domain::field::{Kind, TEXT_MAX, UNMANAGED};
use crate::domain::label::Labels;
use crate::domain::name::FleetName;
use crate::domain::text::quote;

/// Words that YAML 1.1 reads as a truth value and YAML 1.2 as text.
const OLD_FLAGS: &[&str] = &["y", "n", "yes", "no", "on", "off"];

/// Why a scalar does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Misfit {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    fn draft(self, at: At) -> Draft {
        let draft = Draft::error(self.code, at, self.message);
        match self.help {
            Some(help) => draft.help(help),
            None => draft,
        }
    }
}

/// A scalar of a pool field.
pub(super) fn field(
    d: &mut Decoder<'_>,
    node: &Node<'_>,
    kind: Kind,
    subject: Subject<'_>,
) -> Value {
    let Some(scalar) = scalar(d, node, subject, &text_rules::wanted(kind)) else {
        return Value::Broken;
    };
    d.show(scalar);
    let at = d.at(node.span);
    if let Err(misfit) = text_rules::no_placeholder(&scalar.text, subject) {
        return refuse(d, node, misfit);
    }
    let read = match kind {
        Kind::Count { min, max } => number::read(scalar, (min.into(), max.into()), subject),
        Kind::Flag => flag(scalar, subject),
        Kind::FlagOrUnmanaged => flag_or_unmanaged(scalar, subject),
        Kind::Duration { min_s, whole_minutes } => {
            let rule = time::Rule { min_s, whole_minutes, ..time::Rule::PLAIN };
            time::read(scalar, rule, subject)
        }
        Kind::DurationOrOff => {
            time::read(scalar, time::Rule { may_be_off: true, ..time::Rule::PLAIN }, subject)
        }
        Kind::Name
        | Kind::Text { .. }
        | Kind::TextOrNone { .. }
        | Kind::Prefix
        | Kind::Account
        | Kind::Repository
        | Kind::Choice(_) => text(d, scalar, at, subject).and_then(|text| {
            text_rules::judge(text, kind, subject).map(|()| Value::Text(text.to_owned()))
        }),
        Kind::Labels | Kind::Map => Ok(Value::Broken),
    };
    settle(d, node, read)
}

/// A scalar that only the fleet file has.
pub(super) fn setting(
    d: &mut Decoder<'_>,
    node: &Node<'_>,
    setting: Setting,
    subject: Subject<'_>,
) -> Value {
    let Some(scalar) = scalar(d, node, subject, text_rules::wanted_setting(setting)) else {
        return Value::Broken;
    };
    // A URL may carry a password, which `address` refuses; it must not be shown either.
    if !scalar.text.contains('@') {
        d.show(scalar);
    }
    let at = d.at(node.span);
    if let Err(misfit) = text_rules::no_placeholder(&scalar.text, subject) {
        return refuse(d, node, misfit);
    }
    let read = match setting {
        Setting::Id => number::read(scalar, (1, i64::MAX as u64), subject),
        Setting::Backoff => time::read(scalar, time::Rule::BACKOFF, subject),
        Setting::FleetName
        | Setting::GarmUrl
        | Setting::Url
        | Setting::Listen
        | Setting::HostPort
        | Setting::Entry
        | Setting::Path => {
            text(d, scalar, at, subject).and_then(|text| written_setting(text, setting, subject))
        }
    };
    settle(d, node, read)
}

fn written_setting(text: &str, setting: Setting, subject: Subject<'_>) -> Result<Value, Misfit> {
    match setting {
        Setting::FleetName => FleetName::new(text)
            .map(|it| Value::Text(it.to_string()))
            .map_err(|why| text_rules::misnamed(why, text)),
        Setting::GarmUrl => address::url(text, address::Plain::Loopback).map(Value::Text),
        Setting::Url => address::url(text, address::Plain::Anywhere).map(Value::Text),
        Setting::HostPort => address::host_port(text).map(Value::HostPort),
        Setting::Listen => address::listen(text).map(Value::Listen),
        Setting::Path => text_rules::path(text, subject).map(|()| Value::Text(text.to_owned())),
        Setting::Entry => {
            text_rules::entry(text, TEXT_MAX, subject).map(|()| Value::Text(text.to_owned()))
        }
        Setting::Id | Setting::Backoff => {
            text_rules::plain_text(text, TEXT_MAX, subject).map(|()| Value::Text(text.to_owned()))
        }
    }
}

/// A list of labels.
pub(super) fn labels(d: &mut Decoder<'_>, node: &Node<'_>, subject: Subject<'_>) -> Value {
    let NodeKind::List(items) = &node.value().kind else {
        let at = d.at(node.span);
        match &node.value().kind {
            NodeKind::Scalar(scalar) if matches!(scalar.meaning(), Meaning::Text(_)) => {
                d.show(scalar);
                let help = format!("write `[{}]`", quote(&scalar.text));
                let message = format!("{subject} takes a list, not text");
                d.report(Draft::error(Code::WrongType, at, message).help(help));
            }
            _ => d.wrong_type(node, subject, "a list of labels"),
        }
        return Value::Broken;
    };
    let mut labels = Labels::new();
    let mut is_whole = true;
    for item in items {
        match label(d, item) {
            Some(label) => labels.insert(label),
            None => is_whole = false,
        }
    }
    if is_whole { Value::Labels(labels) } else { Value::Broken }
}

fn label(d: &mut Decoder<'_>, node: &Node<'_>) -> Option<String> {
    let subject = Subject::EntryOf("labels");
    let scalar = scalar(d, node, subject, "text")?;
    d.show(scalar);
    let at = d.at(node.span);
    let read = text(d, scalar, at, subject).and_then(|text| {
        text_rules::no_placeholder(text, subject)?;
        text_rules::label(text, subject)?;
        Ok(text.to_owned())
    });
    match read {
        Ok(label) => Some(label),
        Err(misfit) => {
            refuse(d, node, misfit);
            None
        }
    }
}

/// Whether a name that stands as a key fits; reports it otherwise.
pub(super) fn name_fits(d: &mut Decoder<'_>, name: &str, at: At) -> bool {
    match text_rules::plain_text(name, TEXT_MAX, Subject::File("a name")) {
        Ok(()) => true,
        Err(misfit) => {
            d.report(misfit.draft(at));
            false
        }
    }
}

/// The scalar, or a report that there is none.
fn scalar<'n, 'a>(
    d: &mut Decoder<'_>,
    node: &'n Node<'a>,
    subject: Subject<'_>,
    wanted: &str,
) -> Option<&'n Scalar<'a>> {
    match &node.value().kind {
        NodeKind::Scalar(scalar) if !node.is_null() => Some(scalar),
        NodeKind::Broken => None,
        NodeKind::Scalar(_) | NodeKind::List(_) | NodeKind::Map(_) | NodeKind::Shared(_) => {
            d.wrong_type(node, subject, wanted);
            None
        }
    }
}

/// The text of a scalar that is text to YAML, with a warning where only YAML 1.2 thinks so.
fn text<'s>(
    d: &mut Decoder<'_>,
    scalar: &'s Scalar<'_>,
    at: At,
    subject: Subject<'_>,
) -> Result<&'s str, Misfit> {
    match scalar.meaning() {
        Meaning::Text(text) => {
            if scalar.is_plain && OLD_FLAGS.contains(&text.to_lowercase().as_str()) {
                let message = format!("`{text}` is text here, and a truth value to YAML 1.1 tools");
                let draft = Draft::warning(Code::AmbiguousText, at, message);
                d.report(draft.help(format!("write `\"{text}\"`")));
            }
            Ok(text)
        }
        Meaning::Null => Err(Misfit::new(Code::WrongType, format!("{subject} has no value"))),
        Meaning::Bool(_) | Meaning::Int(_) | Meaning::Float(_) => {
            let message = format!("{subject} takes text, and `{}` is not", quote(&scalar.text));
            let help = format!("write `\"{}\"`", quote(&scalar.text));
            Err(Misfit::new(Code::WrongType, message).help(help))
        }
    }
}

fn flag(scalar: &Scalar<'_>, subject: Subject<'_>) -> Result<Value, Misfit> {
    if let Meaning::Bool(flag) = scalar.meaning() {
        return Ok(Value::Flag(flag));
    }
    let message = format!("{subject} takes `true` or `false`, not `{}`", written(scalar));
    let misfit = Misfit::new(Code::WrongType, message);
    Err(match scalar.text.to_lowercase().as_str() {
        "true" | "false" => misfit.help("take the quotes away"),
        "yes" | "on" | "y" | "1" => misfit.help("write `true`"),
        "no" | "off" | "n" | "0" => misfit.help("write `false`"),
        _ => misfit,
    })
}

fn flag_or_unmanaged(scalar: &Scalar<'_>, subject: Subject<'_>) -> Result<Value, Misfit> {
    match scalar.meaning() {
        Meaning::Text(UNMANAGED) => Ok(Value::Unmanaged),
        Meaning::Text(_)
        | Meaning::Null
        | Meaning::Bool(_)
        | Meaning::Int(_)
        | Meaning::Float(_) => flag(scalar, subject).map_err(|misfit| match misfit.help {
            Some(_) => misfit,
            None => misfit.help(format!("or `{UNMANAGED}`, which leaves it as it is in GARM")),
        }),
    }
}

/// A scalar as it stands in the file, as far as its quotes matter.
pub(super) fn written(scalar: &Scalar<'_>) -> String {
    let text = quote(&scalar.text);
    if scalar.is_plain { text } else { format!("\"{text}\"") }
}

fn settle(d: &mut Decoder<'_>, node: &Node<'_>, read: Result<Value, Misfit>) -> Value {
    read.unwrap_or_else(|misfit| refuse(d, node, misfit))
}

/// Reports a misfit where the value is used, and where an alias takes it from.
pub(super) fn refuse(d: &mut Decoder<'_>, node: &Node<'_>, misfit: Misfit) -> Value {
    let mut draft = misfit.draft(d.at(node.span));
    if node.value().span != node.span {
        draft = draft.context(d.at(node.value().span), "the value comes from here");
    }
    d.report(draft);
    Value::Broken
}
