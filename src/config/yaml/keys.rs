//! Checks the keys of a mapping.

use std::borrow::Cow;
use std::collections::HashMap;

use super::error::YamlError;
use crate::config::diagnostic_code::Code;
use crate::config::node::{MapKey, Meaning, Node, NodeKind, SourceSpan};
use crate::config::text::{is_word, named};
use crate::domain::text::quote;

/// What a mapping expects next.
pub(super) enum MappingState<'a> {
    Key,
    Value(MapKey<'a>),
    /// The value of a refused key.
    Dropped,
}

/// Checks a key. Refused keys are reported and their values dropped.
pub(super) fn take_key<'a>(
    node: &Node<'a>,
    seen: &mut HashMap<Cow<'a, str>, SourceSpan>,
    errors: &mut Vec<YamlError>,
) -> MappingState<'a> {
    let span = node.span;
    let scalar = match &node.value().kind {
        NodeKind::Scalar(scalar) => scalar,
        NodeKind::Broken => return MappingState::Dropped,
        NodeKind::List(_) | NodeKind::Map(_) | NodeKind::Shared(_) => {
            errors.push(YamlError::new(
                Code::KeyNotText,
                span,
                "a key must be text, not a list or a mapping",
            ));
            return MappingState::Dropped;
        }
    };
    let Meaning::Text(_) = scalar.meaning() else {
        let found = if is_word(&scalar.text) {
            let text = quote(&scalar.text);
            YamlError::new(
                Code::KeyNotText,
                span,
                format!("a key must be text, but `{text}` is not"),
            )
            .help(format!("write `\"{text}\"`"))
        } else {
            YamlError::new(Code::KeyNotText, span, "a key must be text")
                .help("quote it to make it text")
        };
        errors.push(found);
        return MappingState::Dropped;
    };
    if scalar.is_plain && scalar.text == "<<" {
        let found = YamlError::new(
            Code::MergeKey,
            span,
            "merge keys (`<<`) are not supported: YAML 1.2 does not have them",
        )
        .help("put what pools have in common into `defaults` in the fleet file");
        errors.push(found);
        return MappingState::Dropped;
    }
    if let Some(first) = seen.get(&scalar.text) {
        let message = format!("{} is used twice", named(&scalar.text, "key"));
        errors.push(YamlError {
            context: Some((*first, "first here")),
            ..YamlError::new(Code::DuplicateKey, span, message).help("remove one of them")
        });
        return MappingState::Dropped;
    }
    seen.insert(scalar.text.clone(), span);
    MappingState::Value(MapKey { text: scalar.text.clone(), span })
}
