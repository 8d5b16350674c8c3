//! Text from outside, made fit for a terminal, a log or a comment.

use std::borrow::Cow;

/// Longest text quoted whole; the rest is replaced by `…`. In characters.
pub const QUOTE_MAX: usize = 200;

/// Escapes control and bidirectional characters, so that nothing quoted from YAML or GARM can
/// move the cursor, recolour the line or change its reading order. Everything else stays.
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

/// Longest words of a program that are kept whole, in characters.
const SAID_MAX: usize = 600;

/// So many characters of longer words are kept from their beginning; the rest is their end.
const SAID_HEAD: usize = 200;

/// [`escape`] of what a program has said, on one line and bounded: cut in the middle, because what
/// went wrong mostly stands at the end, behind who called whom.
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

/// The first `most` of the names, and how many more there are.
pub fn few(names: &[String], most: usize) -> String {
    match names.len().checked_sub(most) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..most].join(", ")),
    }
}

/// A JSON document with the same characters as [`escape`] spelt as `\uXXXX`: it still means the
/// same, and does nothing to the terminal or editor that shows it. Such characters stand only
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

/// [`quote`] between backticks, fit for a sentence: a backtick inside becomes `'`, so that a text
/// from outside never ends its own quotation, also where the sentence becomes Markdown.
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
    fn terminal_and_bidirectional_controls_are_spelt_out() {
        assert_eq!(escape("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(escape("a\nb\tc\r"), "a\\nb\\tc\\r");
        assert_eq!(escape("x\u{202e}y\u{2066}z\u{9b}"), "x\\u{202e}y\\u{2066}z\\u{9b}");
    }

    #[test]
    fn a_document_means_the_same_with_its_characters_spelt_out() {
        let document = "{\n  \"a\": \"x\u{202e}\u{e0001}\u{9b}y\"\n}";
        let safe = escape_json(document);
        assert_eq!(safe, "{\n  \"a\": \"x\\u202e\\udb40\\udc01\\u009by\"\n}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&safe), read(document));
    }

    #[test]
    fn a_quotation_cannot_be_ended_from_inside() {
        assert_eq!(code("a`@all\n`b"), "`a'@all\\n'b`");
        assert_eq!((count(1, "job"), count(0, "job")), ("1 job".into(), "0 jobs".into()));
    }

    #[test]
    fn of_long_words_the_end_is_kept() {
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
