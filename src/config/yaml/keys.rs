//! What a key of a mapping may be.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{Flaw, flaw};
use crate::config::diagnostic_code::Code;
use crate::config::node::{Key, Kind, Meaning, Node, Span};
use crate::config::text::{is_word, named};
use crate::domain::text::quote;

/// What a mapping waits for.
pub(super) enum Next<'a> {
    Key,
    Value(Key<'a>),
    /// The value of a key that was refused.
    Dropped,
}

/// Judges a key. Refused ones are reported; their values are dropped.
pub(super) fn take_key<'a>(
    node: &Node<'a>,
    seen: &mut HashMap<Cow<'a, str>, Span>,
    flaws: &mut Vec<Flaw>,
) -> Next<'a> {
    let span = node.span;
    let scalar = match &node.value().kind {
        Kind::Scalar(scalar) => scalar,
        Kind::Broken => return Next::Dropped,
        Kind::List(_) | Kind::Map(_) | Kind::Shared(_) => {
            flaws.push(flaw(Code::KeyNotText, span, "a key is text, not a list or a mapping"));
            return Next::Dropped;
        }
    };
    let Meaning::Text(_) = scalar.meaning() else {
        let found = if is_word(&scalar.text) {
            let text = quote(&scalar.text);
            flaw(Code::KeyNotText, span, format!("a key is text, and `{text}` is not"))
                .help(format!("write it as `\"{text}\"`"))
        } else {
            flaw(Code::KeyNotText, span, "a key is text, and this is not")
                .help("put it into quotes to make it text")
        };
        flaws.push(found);
        return Next::Dropped;
    };
    if scalar.is_plain && scalar.text == "<<" {
        let found = flaw(Code::MergeKey, span, "`<<` merges nothing: YAML 1.2 has no merge keys")
            .help("what pools have in common stands in `defaults` of the fleet file");
        flaws.push(found);
        return Next::Dropped;
    }
    if let Some(first) = seen.get(&scalar.text) {
        let message = format!("{} stands twice", named(&scalar.text, "key"));
        flaws.push(Flaw {
            context: Some((*first, "first here")),
            ..flaw(Code::DuplicateKey, span, message).help("keep one of them")
        });
        return Next::Dropped;
    }
    seen.insert(scalar.text.clone(), span);
    Next::Value(Key { text: scalar.text.clone(), span })
}
