//! Rewords the YAML parser's errors for users.

use serde_yaml::granit_parser as granit;

use super::error::YamlError;
use crate::config::diagnostic_code::Code;
use crate::config::node::{SourceSpan, saturating_u32};
use crate::domain::text::quote;

/// Converts an error that stops the parsing. `unclosed` is the innermost open bracket: the parser
/// reports the line where it could not continue, which may be far below.
pub(super) fn reworded(
    error: &granit::ScanError,
    text: &str,
    unclosed: Option<SourceSpan>,
) -> YamlError {
    use granit::ErrorKind as E;
    let at = point(error.marker(), text);
    match error.kind() {
        E::RecursionLimitExceeded => YamlError::too_deep(at),
        E::TabNotAllowed
        | E::TabInBlockIndentation
        | E::TabInIndentation
        | E::TabInPlainScalar
        | E::TabAtBlockScalarStart => {
            YamlError::new(Code::Tab, tab_near(at, text), "the line is indented with a tab")
                .help("indent with spaces: YAML does not allow tabs")
        }
        E::BomInsideDocument => {
            YamlError::new(Code::Syntax, at, "the text contains a byte order mark")
                .help("remove the invisible character U+FEFF")
        }
        kind => {
            let known = words(kind).or_else(|| unclosed.and(Some(IN_BRACKETS)));
            let context = unclosed.map(|bracket| (bracket, "opened here"));
            let found = match known {
                Some((message, help)) => YamlError::new(Code::Syntax, at, message).help(help),
                None => YamlError::new(Code::Syntax, at, quote(&kind.to_string())),
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
    let wide = text[start..].chars().next().filter(|c| *c != '\n' && *c != '\r');
    SourceSpan {
        start: saturating_u32(start),
        end: saturating_u32(start + wide.map_or(0, char::len_utf8)),
        line: saturating_u32(marker.line()),
        column: saturating_u32(marker.col() + 1),
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
                start: saturating_u32(offset + at),
                end: saturating_u32(offset + at + 1),
                line: near.line + saturating_u32(number),
                column: saturating_u32(at + 1),
            };
        }
        offset += line.len();
    }
    near
}
