//! Quotes external text in Markdown. It appears only in code spans, which it cannot end.

use crate::domain::text::escape;

/// A code span that its text cannot end: its fence is longer than any run of backticks in it.
pub(super) fn span(text: &str) -> String {
    let safe = escape(text);
    let longest = safe.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    match (safe.is_empty(), longest) {
        (true, _) => "` `".to_owned(),
        (false, 0) => format!("{fence}{safe}{fence}"),
        (false, _) => format!("{fence} {safe} {fence}"),
    }
}

/// A sentence with quoted parts in backticks. If anything outside the quoted parts could be
/// Markdown, the whole sentence becomes one code span.
pub(super) fn sentence(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let is_plain =
        |text: &str| !text.contains(['@', '<', '>', '[', ']', '*', '_', '#', '|', '~', '&', '\\']);
    let is_ours = parts.len() % 2 == 1 && parts.iter().step_by(2).all(|part| is_plain(part));
    let is_whole = parts.iter().skip(1).step_by(2).all(|part| !part.is_empty());
    if is_ours && is_whole && escape(text) == text { text.to_owned() } else { span(text) }
}
