//! Checks that printed text has no effect on its reader: a terminal, GitHub Actions or GitHub.

use crate::cli::bench::Said;

/// A text of an attacker: escape sequences and changes of the reading order for a terminal,
/// commands for GitHub Actions, mentions and markup for GitHub and chats, and the end of a
/// quotation.
pub(super) const PAYLOAD: &str = "x\u{1b}[2J\u{1b}]8;;http://evil\u{7}\u{9b}31m\u{202e}\r\n::error::pwned\n::set-output name=a::b\n\
     ::add-mask::a\n##[error]pwned`\u{200b}`` @everyone <!channel> <img src=x> [a](http://evil) | x";

/// Asserts that the text has no control characters except line feeds, and no characters that change
/// the reading order or are invisible.
#[track_caller]
pub(super) fn moves_no_cursor(what: &str, text: &str) {
    let bad = text.chars().find(|&c| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    });
    assert_eq!(bad, None, "{what}: {text:?}");
}

/// Asserts that the text has no workflow commands except annotations. On GitHub Actions, a line
/// that begins with `::` or contains `##[` is a command, unless it is between
/// `::stop-commands::TOKEN` and `::TOKEN::`.
#[track_caller]
pub(super) fn gives_no_command(what: &str, text: &str) {
    let mut token: Option<String> = None;
    for line in text.lines() {
        let start = line.trim_start();
        if let Some(word) = &token {
            if start == format!("::{word}::") {
                token = None;
            }
            continue;
        }
        if let Some(word) = start.strip_prefix("::stop-commands::") {
            token = Some(word.to_owned());
            continue;
        }
        // The whole line is a single command then.
        let is_ours = ["::error file=", "::warning file="].iter().any(|it| start.starts_with(it));
        let is_command = start.starts_with("::") || line.contains("##[");
        assert!(is_ours || !is_command, "{what}: a command {line:?} in\n{text}");
    }
    assert_eq!(token, None, "{what}: the commands stay stopped after\n{text}");
}

/// Asserts that text outside code spans contains no mentions, links or markup.
#[track_caller]
pub(super) fn mentions_no_user(what: &str, markdown: &str) {
    for line in markdown.lines() {
        let outside = without_code(line);
        for bad in ["@everyone", "<!", "<img", "](", "http://evil"] {
            assert!(!outside.contains(bad), "{what}: `{bad}` outside of code: {line}");
        }
    }
}

/// A line without its code spans. In CommonMark, a code span ends at the next run of backticks of
/// the same length.
fn without_code(line: &str) -> String {
    let mut rest = line;
    let mut outside = String::new();
    while let Some(at) = rest.find('`') {
        outside.push_str(&rest[..at]);
        let opened = &rest[at..];
        let fence = opened.len() - opened.trim_start_matches('`').len();
        let inside = &opened[fence..];
        match end_of_span(inside, fence) {
            Some(end) => rest = &inside[end..],
            None => {
                outside.push_str(&opened[..fence]);
                rest = inside;
            }
        }
    }
    outside + rest
}

fn end_of_span(text: &str, fence: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = text[at..].find('`') {
        let start = at + found;
        let run = text[start..].len() - text[start..].trim_start_matches('`').len();
        if run == fence {
            return Some(start + run);
        }
        at = start + run;
    }
    None
}

/// Asserts all of these for the whole output of a command on GitHub Actions.
#[track_caller]
pub(super) fn is_harmless(what: &str, said: &Said) {
    for (stream, text) in [("stdout", &said.out), ("stderr", &said.err)] {
        let what = format!("{what}, {stream}");
        moves_no_cursor(&what, text);
        gives_no_command(&what, text);
    }
}

#[test]
#[should_panic(expected = "a command")]
fn a_command_outside_of_the_guard_is_seen() {
    gives_no_command("", "::stop-commands::x\n::error::y\n::x::\n::error::y\n");
}

#[test]
fn code_spans_are_left_out_and_what_stands_beside_them_is_not() {
    assert_eq!(without_code("a `b` c `` d`e `` f ` g"), "a  c  f ` g");
}
