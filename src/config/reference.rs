//! References to secrets. A value in such a place may be the secret itself, so nothing of it is
//! ever shown or quoted.

use super::address;
use super::diagnostic_code::Code;
use super::file_reporter::FileReporter;
use super::invalid_value::{InvalidValue, MessageSubject};
use super::node::{Meaning, Node, NodeKind};
use super::text_rules;
use super::value::Value;
use crate::domain::secret::SecretRef;

/// How text that is not a reference is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NonReference {
    /// It is refused, since it is probably the secret itself.
    Refused,
    /// It may be a URL.
    MayBeUrl,
}

/// The forms of a reference, for messages.
pub(super) const FORMS: &str =
    "`env:NAME`, `file:PATH`, `vault:PATH#FIELD` or `exec:COMMAND ARGUMENT…`";

/// Parses a reference from the command line. Errors say what is wrong but never quote the text,
/// which may be the secret.
pub fn parse_reference(text: &str) -> Result<SecretRef, String> {
    match one(text, NonReference::Refused, MessageSubject::Phrase("the key")) {
        Ok(Value::Reference(reference)) => Ok(reference),
        Ok(_) => Err(format!("write {FORMS}")),
        Err(invalid) => Err(format!("{}: write {FORMS}", invalid.message)),
    }
}

pub(super) fn read(
    reporter: &mut FileReporter<'_>,
    node: &Node<'_>,
    subject: MessageSubject<'_>,
    text: NonReference,
) -> Value {
    let read = match &node.value().kind {
        NodeKind::Scalar(scalar) => match scalar.meaning() {
            Meaning::Text(written) => one(written, text, subject),
            Meaning::Null => {
                Err(InvalidValue::new(Code::WrongType, format!("{subject} has no value"))
                    .help(format!("{subject} takes a reference: {FORMS}")))
            }
            Meaning::Bool(_) | Meaning::Int(_) | Meaning::Float(_) => Err(literal(subject)),
        },
        NodeKind::Map(pairs) => {
            // Keys may also be part of a secret, except our own key `exec`.
            reporter.hide(node);
            match pairs.as_slice() {
                [(key, words)] if key.text == "exec" => command(words, subject),
                _ => Err(wrong(subject)),
            }
        }
        NodeKind::List(_) => Err(wrong(subject)),
        NodeKind::Shared(_) | NodeKind::Broken => return Value::Broken,
    };
    read.unwrap_or_else(|invalid| reporter.refuse(node, invalid))
}

fn wrong(subject: MessageSubject<'_>) -> InvalidValue {
    InvalidValue::new(Code::WrongType, format!("{subject} takes a reference to a secret"))
        .help(format!("use {FORMS}; a command with spaces as `exec: [COMMAND, ARGUMENT]`"))
}

fn literal(subject: MessageSubject<'_>) -> InvalidValue {
    InvalidValue::new(
        Code::LiteralSecret,
        format!("{subject} must be a reference to the secret, not the secret itself"),
    )
    .help(format!("use a reference: {FORMS}"))
}

fn one(text: &str, rule: NonReference, subject: MessageSubject<'_>) -> Result<Value, InvalidValue> {
    let incomplete = |what: &str, help: &str| {
        Err(InvalidValue::new(Code::BadReference, format!("{subject}: {what}")).help(help))
    };
    let reference = match text.split_once(':') {
        Some(("env", name)) if is_variable(name) => SecretRef::Env(name.to_owned()),
        Some(("env", _)) => {
            return incomplete(
                "`env:` must be followed by the name of an environment variable",
                "use letters, digits and `_`, such as `env:GARM_PASSWORD`",
            );
        }
        Some(("file", path)) if is_clean(path) => {
            text_rules::no_placeholder(path, subject)?;
            text_rules::expanded(path, subject)?;
            SecretRef::File(path.to_owned())
        }
        Some(("file", _)) => {
            return incomplete(
                "`file:` must be followed by a path",
                "such as `file:garm.password`",
            );
        }
        Some(("vault", rest)) => match rest.split_once('#') {
            Some((path, field)) if is_vault_path(path) && is_clean(field) => {
                text_rules::no_placeholder(rest, subject)?;
                SecretRef::Vault { path: path.to_owned(), field: field.to_owned() }
            }
            Some(_) | None => {
                return incomplete(
                    "`vault:` must be followed by `PATH#FIELD`",
                    "write the mount and the path, then the field, such as `vault:secret/garm#password`",
                );
            }
        },
        Some(("exec", line)) => words(line.split_ascii_whitespace(), subject)?,
        Some(("http" | "https", _)) if rule == NonReference::MayBeUrl => {
            text_rules::no_placeholder(text, subject)?;
            return address::url_with_secret(text).map(|()| Value::Text(text.to_owned()));
        }
        Some(_) | None if rule == NonReference::MayBeUrl => {
            let message = format!("{subject} takes a URL, or a reference to one");
            return Err(InvalidValue::new(Code::Url, message).help(FORMS));
        }
        Some(_) | None => {
            text_rules::no_placeholder(text, subject).map_err(|invalid| {
                invalid
                    .help("set an environment variable from the secret in the workflow, and use `env:NAME`")
            })?;
            return Err(literal(subject));
        }
    };
    Ok(Value::Reference(reference))
}

/// `exec:` with a list of words, or with text that is split at spaces.
fn command(node: &Node<'_>, subject: MessageSubject<'_>) -> Result<Value, InvalidValue> {
    fn text<'n>(node: &'n Node<'_>) -> Option<&'n str> {
        match &node.value().kind {
            NodeKind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Text(text) => Some(text),
                Meaning::Null | Meaning::Bool(_) | Meaning::Int(_) | Meaning::Float(_) => None,
            },
            NodeKind::List(_) | NodeKind::Map(_) | NodeKind::Shared(_) | NodeKind::Broken => None,
        }
    }
    let reference = match &node.value().kind {
        NodeKind::List(items) => {
            let Some(list) = items.iter().map(text).collect::<Option<Vec<&str>>>() else {
                let message = format!("{subject}: every argument of `exec` must be text");
                return Err(InvalidValue::new(Code::BadReference, message).help("quote it"));
            };
            words(list.into_iter(), subject)?
        }
        NodeKind::Scalar(_) | NodeKind::Map(_) | NodeKind::Shared(_) | NodeKind::Broken => {
            words(text(node).unwrap_or("").split_ascii_whitespace(), subject)?
        }
    };
    Ok(Value::Reference(reference))
}

fn words<'w>(
    words: impl Iterator<Item = &'w str>,
    subject: MessageSubject<'_>,
) -> Result<SecretRef, InvalidValue> {
    let words: Vec<String> = words.map(str::to_owned).collect();
    let invalid = |what: &str| InvalidValue::new(Code::BadReference, format!("{subject}: {what}"));
    match words.first() {
        None => Err(invalid("`exec:` must be followed by a command")),
        Some(program) if program.is_empty() => Err(invalid("the command of `exec:` is empty")),
        Some(_) if words.iter().any(|word| word.contains('\0')) => {
            Err(invalid("the command of `exec:` contains a NUL character"))
        }
        Some(_) => Ok(SecretRef::Exec(words)),
    }
}

fn is_variable(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether the text is not empty and has no control characters, nor spaces at its ends.
fn is_clean(text: &str) -> bool {
    let has_blank_end = text.starts_with(' ') || text.ends_with(' ');
    !text.is_empty() && !has_blank_end && !text.chars().any(char::is_control)
}

/// Whether the text has a mount and a path, without empty parts and without `..`.
fn is_vault_path(path: &str) -> bool {
    is_clean(path)
        && path.contains('/')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !path.contains(['?', '#', '%'])
}
