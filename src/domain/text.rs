//! Escaping and shortening of untrusted text for terminals, logs and comments, and small phrases.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Display;

/// The longest text that is quoted in full, in characters; the rest becomes `…`.
pub const QUOTE_MAX: usize = 200;

/// Escapes control and bidirectional characters, so that nothing quoted from YAML or GARM can move
/// the cursor, recolor the line or change its reading order. Everything else stays.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// [`escape`], cut at [`QUOTE_MAX`] characters.
pub fn quote(text: &str) -> String {
    let safe = escape(text);
    match safe.char_indices().nth(QUOTE_MAX) {
        None => safe.into_owned(),
        Some((at, _)) => format!("{}…", &safe[..at]),
    }
}

/// The innermost cause of an error, quoted. It says what happened; the outer causes only say where.
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    quote(&cause.to_string())
}

/// The longest output of a program that is kept in full, in characters.
const SAID_MAX: usize = 600;

/// How many characters of longer output are kept from its beginning; the rest comes from its end.
const SAID_HEAD: usize = 200;

/// [`escape`] of the output of a program, on one line and limited in length. It is cut in the
/// middle, because the error is usually at the end, after the call chain.
pub fn said(words: &str) -> String {
    let safe = escape(words.trim());
    let count = safe.chars().count();
    if count <= SAID_MAX {
        return safe.into_owned();
    }
    let head: String = safe.chars().take(SAID_HEAD).collect();
    let tail: String = safe.chars().skip(count - (SAID_MAX - SAID_HEAD)).collect();
    format!("{head}…{tail}")
}

/// The largest number of names that a sentence lists, unless its place needs another.
pub const LISTED_MAX: usize = 5;

/// Items as a phrase: `a`, `a and b`, `a, b and c`. Of more than `max` items it lists the first
/// and counts the rest: `a, b and 3 more`.
pub fn list(items: impl IntoIterator<Item = impl Display>, max: usize) -> String {
    let mut items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    let rest = items.len().saturating_sub(max);
    items.truncate(max);
    list_and_more(items, rest)
}

/// [`list`] of items that leave out `rest` more.
pub fn list_and_more(mut items: Vec<String>, rest: usize) -> String {
    if rest > 0 {
        items.push(format!("{rest} more"));
    }
    match items.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Writes the characters that [`escape`] escapes as `\uXXXX` in a JSON document, so that it means
/// the same but cannot affect the terminal or editor that shows it. Such characters occur only
/// inside the strings of a document; its line breaks stay.
pub fn escape_json(document: &str) -> Cow<'_, str> {
    let is_escaped = |c: char| is_unsafe(c) && c != '\n';
    if !document.chars().any(is_escaped) {
        return Cow::Borrowed(document);
    }
    let mut safe = String::with_capacity(document.len() + 16);
    for c in document.chars() {
        if is_escaped(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// [`quote`] in backticks, for use in a sentence. A backtick inside becomes `'`, so that untrusted
/// text cannot end its own quotation, even where the sentence becomes Markdown.
pub fn code(text: impl AsRef<str>) -> String {
    format!("`{}`", quote(text.as_ref()).replace('`', "'"))
}

/// `1 runner`, `2 runners`; the plural is `one` with an `s`.
pub fn count(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// Controls (C0, DEL, C1), the bidirectional controls, zero-width characters, line and paragraph
/// separators, the byte order mark and tag characters.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_borrowed_and_unchanged() {
        assert!(matches!(escape("ubuntu:24.04 é日本"), Cow::Borrowed("ubuntu:24.04 é日本")));
    }

    #[test]
    fn terminal_and_bidirectional_controls_are_escaped() {
        assert_eq!(escape("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(escape("a\nb\tc\r"), "a\\nb\\tc\\r");
        assert_eq!(escape("x\u{202e}y\u{2066}z\u{9b}"), "x\\u{202e}y\\u{2066}z\\u{9b}");
    }

    #[test]
    fn an_escaped_document_means_the_same() {
        let document = "{\n  \"a\": \"x\u{202e}\u{e0001}\u{9b}y\"\n}";
        let safe = escape_json(document);
        assert_eq!(safe, "{\n  \"a\": \"x\\u202e\\udb40\\udc01\\u009by\"\n}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&safe), read(document));
    }

    #[test]
    fn quoted_text_cannot_end_its_quotation() {
        assert_eq!(code("a`@all\n`b"), "`a'@all\\n'b`");
        assert_eq!((count(1, "job"), count(0, "job")), ("1 job".into(), "0 jobs".into()));
    }

    #[test]
    fn a_list_ends_with_its_last_item_or_the_number_of_those_left_out() {
        let listed: Vec<String> =
            (0..5).map(|n| list(["a", "b", "c", "d"].iter().take(n), 2)).collect();
        assert_eq!(listed, ["", "a", "a and b", "a, b and 1 more", "a, b and 2 more"]);
        assert_eq!(list(["a", "b", "c"], 3), "a, b and c");
    }

    #[test]
    fn the_end_of_long_output_is_kept() {
        assert_eq!(said(" line 1\nline 2\u{1b}[2J\n"), "line 1\\nline 2\\u{1b}[2J");
        let long = said(&format!("{}: no such image", "é".repeat(5_000)));
        assert_eq!(long.chars().count(), SAID_MAX + 1);
        assert!(long.starts_with("ééé") && long.ends_with("é: no such image"), "{long}");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let cut = quote(&"é".repeat(500));
        assert_eq!(cut.chars().count(), QUOTE_MAX + 1);
        assert!(cut.ends_with('…'));
    }
}
