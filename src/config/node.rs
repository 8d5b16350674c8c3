//! A YAML document as a tree in which each node knows its location.

use std::borrow::Cow;
use std::rc::Rc;

use crate::domain::text::quote;

/// A byte range of a file, and the line and column (in characters) of its start, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct SourceSpan {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// The deepest nesting of lists and mappings, with aliases followed.
pub(super) const NESTING_MAX: usize = 64;

/// The byte range of a scalar, including quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) is_key: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    /// Its location; for an alias, that of the alias.
    pub(super) span: SourceSpan,
    pub(super) kind: NodeKind<'a>,
}

#[derive(Debug, Clone)]
pub(super) enum NodeKind<'a> {
    Scalar(Scalar<'a>),
    List(Vec<Node<'a>>),
    /// Keys are strings and unique; others have been reported and dropped.
    Map(Vec<(MapKey<'a>, Node<'a>)>),
    /// An anchored value, at the anchor or at an alias.
    Shared(Rc<Node<'a>>),
    /// Invalid; the problem has been reported.
    Broken,
}

#[derive(Debug, Clone)]
pub(super) struct MapKey<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) span: SourceSpan,
}

/// A scalar as written.
#[derive(Debug, Clone)]
pub(super) struct Scalar<'a> {
    pub(super) text: Cow<'a, str>,
    /// Whether it is neither quoted nor a block scalar.
    pub(super) is_plain: bool,
    pub(super) tag: Option<CoreTag>,
    /// Its index among the tokens of the file.
    pub(super) token: usize,
}

/// YAML's core tags for scalars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CoreTag {
    Text,
    Int,
    Float,
    Bool,
    Null,
}

/// The value of a scalar according to the core schema of YAML 1.2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Meaning<'n> {
    Null,
    Bool(bool),
    /// The digits as written.
    Int(&'n str),
    Float(&'n str),
    Text(&'n str),
}

impl<'a> Node<'a> {
    /// The value itself, with aliases followed.
    pub(super) fn value(&self) -> &Node<'a> {
        match &self.kind {
            NodeKind::Shared(target) => target.value(),
            NodeKind::Scalar(_) | NodeKind::List(_) | NodeKind::Map(_) | NodeKind::Broken => self,
        }
    }

    /// A word for its type, for messages.
    pub(super) fn word(&self) -> &'static str {
        match &self.value().kind {
            NodeKind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => "nothing",
                Meaning::Bool(_) => "`true` or `false`",
                Meaning::Int(_) | Meaning::Float(_) => "a number",
                Meaning::Text(_) => "text",
            },
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a mapping",
            NodeKind::Shared(_) | NodeKind::Broken => "a broken value",
        }
    }

    /// The end of its last scalar, without following aliases.
    pub(super) fn end(&self) -> u32 {
        match &self.kind {
            NodeKind::Scalar(_) | NodeKind::Broken => self.span.end,
            NodeKind::List(items) => items.iter().map(Node::end).max().unwrap_or(self.span.end),
            NodeKind::Map(pairs) => {
                pairs.iter().map(|(_, value)| value.end()).max().unwrap_or(self.span.end)
            }
            NodeKind::Shared(target) if target.span == self.span => target.end(),
            NodeKind::Shared(_) => self.span.end,
        }
    }

    /// Whether it is null or empty.
    pub(super) fn is_null(&self) -> bool {
        match &self.value().kind {
            NodeKind::Scalar(scalar) => scalar.meaning() == Meaning::Null,
            NodeKind::List(_) | NodeKind::Map(_) | NodeKind::Shared(_) | NodeKind::Broken => false,
        }
    }
}

impl Scalar<'_> {
    pub(super) fn meaning(&self) -> Meaning<'_> {
        match self.tag {
            Some(CoreTag::Text) => Meaning::Text(&self.text),
            None if !self.is_plain => Meaning::Text(&self.text),
            None | Some(CoreTag::Int | CoreTag::Float | CoreTag::Bool | CoreTag::Null) => {
                plain(&self.text)
            }
        }
    }

    /// The text as written, with quotes unless it is plain.
    pub(super) fn written(&self) -> String {
        let text = quote(&self.text);
        if self.is_plain { text } else { format!("\"{text}\"") }
    }

    /// Whether the text matches its tag.
    pub(super) fn fits_its_tag(&self) -> bool {
        let Some(tag) = self.tag else { return true };
        match (tag, self.meaning()) {
            (CoreTag::Text, _)
            | (CoreTag::Int, Meaning::Int(_))
            | (CoreTag::Float, Meaning::Float(_) | Meaning::Int(_))
            | (CoreTag::Bool, Meaning::Bool(_))
            | (CoreTag::Null, Meaning::Null) => true,
            (CoreTag::Int | CoreTag::Float | CoreTag::Bool | CoreTag::Null, _) => false,
        }
    }
}

/// A size or an offset as `u32`, which is wide enough for all files that are read
/// ([`super::source::FILE_MAX`]).
pub(super) fn saturating_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Resolves a plain scalar by the core schema of YAML 1.2.2, §10.3.2.
fn plain(text: &str) -> Meaning<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Bool(true),
        "false" | "False" | "FALSE" => Meaning::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Meaning::Float(text),
        _ if !text.starts_with(|c: char| matches!(c, '+' | '-' | '.' | '0'..='9')) => {
            Meaning::Text(text)
        }
        _ if is_int(text) => Meaning::Int(text),
        _ if is_float(text) => Meaning::Float(text),
        _ => Meaning::Text(text),
    }
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_int(text: &str) -> bool {
    let radix = |prefix: &str, radix: u32| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)))
    };
    all_digits(unsigned(text)) || radix("0o", 8) || radix("0x", 16)
}

fn is_float(text: &str) -> bool {
    let text = unsigned(text);
    if matches!(text, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let mantissa_fits = match mantissa.split_once('.') {
        None => all_digits(mantissa),
        Some(("", fraction)) => all_digits(fraction),
        Some((whole, fraction)) => {
            all_digits(whole) && (fraction.is_empty() || all_digits(fraction))
        }
    };
    mantissa_fits && exponent.is_none_or(|exponent| all_digits(unsigned(exponent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for text in ["", "~", "null", "NULL"] {
            assert_eq!(plain(text), Meaning::Null, "{text}");
        }
        for text in ["0", "17", "-3", "+5", "017", "0x1F", "0o17"] {
            assert_eq!(plain(text), Meaning::Int(text), "{text}");
        }
        for text in ["1.", "1.20", ".5", "1e3", "-1.5E+7", ".inf", "-.Inf", ".NaN"] {
            assert_eq!(plain(text), Meaning::Float(text), "{text}");
        }
        for text in [
            "no", "yes", "on", "off", "y", "1_000", "30s", "0x", "0b1", "1:30", "e5", ".", "1e",
            "+", "-.nan", "0xg",
        ] {
            assert_eq!(plain(text), Meaning::Text(text), "{text}");
        }
        assert_eq!((plain("TRUE"), plain("false")), (Meaning::Bool(true), Meaning::Bool(false)));
    }
}
