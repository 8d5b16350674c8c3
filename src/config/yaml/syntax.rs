//! Rewords the parser's errors.

use serde_yaml::granit_parser as granit;

use super::{YamlError, flaw, small, too_deep};
use crate::config::diagnostic_code::Code;
use crate::config::node::SourceSpan;
use crate::domain::text::quote;

/// Converts an error that stops the parsing. `unclosed` is the innermost open bracket: the parser
/// blames the line where it lost track, which may be far below.
pub(super) fn flaw_of(
    error: &granit::ScanError,
    text: &str,
    unclosed: Option<SourceSpan>,
) -> YamlError {
    use granit::ErrorKind as E;
    let at = point(error.marker(), text);
    match error.kind() {
        E::RecursionLimitExceeded => too_deep(at),
        E::TabNotAllowed
        | E::TabInBlockIndentation
        | E::TabInIndentation
        | E::TabInPlainScalar
        | E::TabAtBlockScalarStart => {
            flaw(Code::Tab, tab_near(at, text), "the line is indented with a tab")
                .help("indent with spaces: YAML does not allow tabs")
        }
        E::BomInsideDocument => flaw(Code::Syntax, at, "the text contains a byte order mark")
            .help("remove the invisible character U+FEFF"),
        kind => {
            let known = words(kind).or_else(|| unclosed.and(Some(IN_BRACKETS)));
            let context = unclosed.map(|it| (it, "opened here"));
            let found = match known {
                Some((message, help)) => flaw(Code::Syntax, at, message).help(help),
                None => flaw(Code::Syntax, at, quote(&kind.to_string())),
            };
            YamlError { context, ..found }
        }
    }
}

const IN_BRACKETS: (&str, &str) =
    ("this is not allowed inside brackets", "close the bracket before it");

/// What is wrong and what to do, for common mistakes.
fn words(kind: &granit::ErrorKind) -> Option<(&'static str, &'static str)> {
    use granit::ErrorKind as E;
    Some(match kind {
        E::UnclosedQuotedScalar => ("the quote is never closed", "close it"),
        E::UnexpectedEofFlowSequence
        | E::UnexpectedEofFlowMapping
        | E::UnexpectedEofImplicitFlowMapping
        | E::UnclosedFlowCollection { .. } => ("the bracket is never closed", "close it"),
        E::MismatchedFlowCollectionEnd { .. } => {
            ("mismatched bracket", "close `[` with `]` and `{` with `}`")
        }
        E::MappingValueNotAllowed => {
            ("a second `:` on one line", "quote the text if the `:` belongs to it")
        }
        E::SimpleKeyExpected | E::ExpectedBlockMappingKey => (
            "`key: value` is expected here",
            "put a `:` and a space after the key, and indent it like the lines above",
        ),
        E::ExpectedBlockSequenceEntry => {
            ("`- ` is expected here", "indent it like the lines above")
        }
        E::InvalidIndentation => {
            ("the indentation differs from the lines above", "indent it like the lines above")
        }
        E::UnexpectedCharacter { .. } => {
            ("no value can begin with this character", "quote the text")
        }
        E::UnknownQuotedScalarEscape => {
            ("unknown escape in a double-quoted string", "write `\\\\` for a backslash")
        }
        _ => return None,
    })
}

fn point(marker: &granit::Marker, text: &str) -> SourceSpan {
    let start = marker.byte_offset().unwrap_or(0).min(text.len());
    let wide = text[start..].chars().next().filter(|it| *it != '\n' && *it != '\r');
    SourceSpan {
        start: small(start),
        end: small(start + wide.map_or(0, char::len_utf8)),
        line: small(marker.line()),
        column: small(marker.col() + 1),
    }
}

/// The first tab in the indentation of the line at `near` or of the next line: the parser points
/// somewhere near it.
fn tab_near(near: SourceSpan, text: &str) -> SourceSpan {
    let mut offset = text[..near.start as usize].rfind('\n').map_or(0, |at| at + 1);
    for (number, line) in text[offset..].split_inclusive('\n').take(2).enumerate() {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(at) = line[..indent].find('\t') {
            return SourceSpan {
                start: small(offset + at),
                end: small(offset + at + 1),
                line: near.line + small(number),
                column: small(at + 1),
            };
        }
        offset += line.len();
    }
    near
}
