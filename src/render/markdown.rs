//! Text from outside in Markdown: it stands in code spans only, and cannot end them.

use crate::domain::text::escape;

/// A code span that its own text cannot end: its fence is longer than any run of backticks inside.
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

/// A sentence: our own words, and what is quoted between backticks. Should anything
/// stand outside of them that Markdown could read, the whole becomes one code span.
pub(super) fn sentence(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let is_plain =
        |it: &str| !it.contains(['@', '<', '>', '[', ']', '*', '_', '#', '|', '~', '&', '\\']);
    let is_ours = parts.len() % 2 == 1 && parts.iter().step_by(2).all(|it| is_plain(it));
    let is_whole = parts.iter().skip(1).step_by(2).all(|it| !it.is_empty());
    if is_ours && is_whole && escape(text) == text { text.to_owned() } else { span(text) }
}
