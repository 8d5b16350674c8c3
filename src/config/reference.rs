//! References to secrets. What stands here may be the secret itself: nothing of it is ever shown
//! or quoted.

use super::address;
use super::decode::{Decoder, MessageSubject};
use super::diagnostic_code::Code;
use super::node::{Meaning, Node, NodeKind};
use super::scalar::{InvalidValue, refuse};
use super::text_rules;
use super::value::Value;
use crate::domain::secret::SecretRef;

/// What becomes of text that is no reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NonReference {
    /// It is taken for the secret.
    Refused,
    /// It may be a URL.
    MayBeUrl,
}

/// The forms of a reference, for people.
pub(super) const FORMS: &str =
    "`env:NAME`, `file:PATH`, `vault:PATH#FIELD` or `exec:COMMAND ARGUMENT…`";

/// Reads a reference as the command line has it. Errors with what is wrong, and never with the
/// text, which may be the secret.
pub fn parse_reference(text: &str) -> Result<SecretRef, String> {
    match one(text, NonReference::Refused, MessageSubject::File("the key")) {
        Ok(Value::Reference(reference)) => Ok(reference),
        Ok(_) => Err(format!("write {FORMS}")),
        Err(invalid) => Err(format!("{}: write {FORMS}", invalid.message)),
    }
}

/// Reads a reference.
pub(super) fn read(
    d: &mut Decoder<'_>,
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
            // Keys may be part of a secret, too, but for the one that is ours.
            d.hide(node);
            match pairs.as_slice() {
                [(key, words)] if key.text == "exec" => command(words, subject),
                _ => Err(wrong(subject)),
            }
        }
        NodeKind::List(_) => Err(wrong(subject)),
        NodeKind::Shared(_) | NodeKind::Broken => return Value::Broken,
    };
    read.unwrap_or_else(|invalid| refuse(d, node, invalid))
}

fn wrong(subject: MessageSubject<'_>) -> InvalidValue {
    InvalidValue::new(Code::WrongType, format!("{subject} takes a reference to a secret"))
        .help(format!("{FORMS}; a command with blanks in it as `exec: [COMMAND, ARGUMENT]`"))
}

fn literal(subject: MessageSubject<'_>) -> InvalidValue {
    InvalidValue::new(Code::LiteralSecret, format!("{subject} is the secret itself"))
        .help(format!("write a reference to it: {FORMS}"))
}

fn one(text: &str, rule: NonReference, subject: MessageSubject<'_>) -> Result<Value, InvalidValue> {
    let incomplete = |what: &str, help: &str| {
        Err(InvalidValue::new(Code::BadReference, format!("{subject}: {what}")).help(help))
    };
    let reference = match text.split_once(':') {
        Some(("env", name)) if is_variable(name) => SecretRef::Env(name.to_owned()),
        Some(("env", _)) => {
            return incomplete(
                "`env:` is followed by no name of an environment variable",
                "letters, digits and `_`, such as `env:GARM_PASSWORD`",
            );
        }
        Some(("file", path)) if is_clean(path) => {
            text_rules::no_placeholder(path, subject)?;
            text_rules::expanded(path, subject)?;
            SecretRef::File(path.to_owned())
        }
        Some(("file", _)) => {
            return incomplete("`file:` is followed by no path", "such as `file:garm.password`");
        }
        Some(("vault", rest)) => match rest.split_once('#') {
            Some((path, field)) if is_vault_path(path) && is_clean(field) => {
                text_rules::no_placeholder(rest, subject)?;
                SecretRef::Vault { path: path.to_owned(), field: field.to_owned() }
            }
            Some(_) | None => {
                return incomplete(
                    "`vault:` is followed by no `PATH#FIELD`",
                    "mount and path, then the field, such as `vault:secret/garm#password`",
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
                    .help("let the workflow set a variable from its secret, and write `env:NAME`")
            })?;
            return Err(literal(subject));
        }
    };
    Ok(Value::Reference(reference))
}

/// `exec:` with a list, or with text to be split at blanks.
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
                let message = format!("{subject}: every argument of `exec` is text");
                return Err(
                    InvalidValue::new(Code::BadReference, message).help("put it into quotes")
                );
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
        None => Err(invalid("`exec:` is followed by no command")),
        Some(program) if program.is_empty() => Err(invalid("the command of `exec:` is empty")),
        Some(_) if words.iter().any(|it| it.contains('\0')) => {
            Err(invalid("the command of `exec:` has a zero character"))
        }
        Some(_) => Ok(SecretRef::Exec(words)),
    }
}

fn is_variable(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Neither empty nor with control characters or blanks at its ends.
fn is_clean(text: &str) -> bool {
    let has_blank_end = text.starts_with(' ') || text.ends_with(' ');
    !text.is_empty() && !has_blank_end && !text.chars().any(char::is_control)
}

/// Mount and path, without empty parts and without ways up.
fn is_vault_path(path: &str) -> bool {
    is_clean(path)
        && path.contains('/')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !path.contains(['?', '#', '%'])
}
