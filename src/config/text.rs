//! The text of one file, and which parts of it may be shown.
//!
//! **Invariant:** of a file that could be parsed, an excerpt contains only keys that are words
//! ([`is_word`]), punctuation and the values that the decoder has marked as safe
//! ([`FileText::show`]). Everything else is masked, and comments are cut off. Nothing is shown of a
//! fleet file or policy file that could not be parsed. Lines of such a pool file are shown only if
//! it begins with `pools`, and neither they nor earlier lines have an unknown key or `extra_specs`.

use std::ops::Range;

use super::node::{SourceSpan, Token};
use super::problem::{Annotation, Excerpt, Location, Position, Role};
use crate::domain::field::{FieldKind, field};
use crate::domain::text::escape;

/// Replaces a value that is not shown.
const MASK: &str = "***";

/// Lines further apart than this get separate excerpts.
const GAP_MAX: u32 = 4;

/// How many bytes of a long line are shown on each side of an annotation.
const REACH: usize = 120;

/// The longest range of one annotation, in bytes of the file.
const MARK_MAX: usize = 60;

/// Whether a file could be parsed, and which kind of file it is if not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParseState {
    /// Parsed: every scalar is known.
    Parsed,
    /// A pool file that is not valid YAML.
    BrokenPoolFile,
    /// A fleet file that is not valid YAML.
    BrokenFleetFile,
    /// A policy file that is not valid YAML.
    BrokenPolicyFile,
}

#[derive(Debug, Clone)]
pub(super) struct FileText {
    path: String,
    text: String,
    /// The start of each line.
    lines: Vec<u32>,
    tokens: Vec<Token>,
    shown: Vec<bool>,
    knowledge: ParseState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Highlight {
    pub(super) span: SourceSpan,
    pub(super) label: String,
    pub(super) role: Role,
}

impl FileText {
    pub(super) fn new(path: &str, text: &str, tokens: Vec<Token>, knowledge: ParseState) -> Self {
        // The tokens of a broken file are incomplete, so its lines decide what may be shown.
        let tokens = if knowledge == ParseState::Parsed { tokens } else { Vec::new() };
        let word =
            |token: &Token| text.get(token.start as usize..token.end as usize).unwrap_or_default();
        let shown =
            tokens.iter().map(|token| token.is_key && is_word(unquoted(word(token)))).collect();
        let lines = line_starts(text);
        Self { path: path.to_owned(), text: text.to_owned(), lines, tokens, shown, knowledge }
    }

    /// Marks the value of a token as safe to show.
    pub(super) fn show(&mut self, token: usize) {
        self.shown[token] = true;
    }

    /// Hides all tokens between two offsets again, including keys.
    pub(super) fn hide(&mut self, start: u32, end: u32) {
        let first = self.tokens.partition_point(|token| token.start < start);
        for (token, shown) in self.tokens[first..].iter().zip(&mut self.shown[first..]) {
            if token.start >= end {
                break;
            }
            *shown = false;
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn place(&self, span: SourceSpan) -> Location {
        let spot = Position { line: span.line, column: span.column };
        Location { file: self.path.clone(), spot: Some(spot) }
    }

    /// Excerpts with these spans annotated, all in this file: one for each group of nearby lines,
    /// in the order of the spans.
    pub(super) fn excerpts(&self, spots: &[Highlight]) -> Vec<Excerpt> {
        let last = spots.iter().map(|spot| spot.span.line).max().unwrap_or(0);
        if !self.may_show(last) {
            return Vec::new();
        }
        let mut groups: Vec<Vec<&Highlight>> = Vec::new();
        for spot in spots {
            let near = |other: &&Highlight| other.span.line.abs_diff(spot.span.line) <= GAP_MAX;
            match groups.iter_mut().find(|group| group.iter().any(near)) {
                Some(group) => group.push(spot),
                None => groups.push(vec![spot]),
            }
        }
        groups.iter().map(|group| self.excerpt(group)).collect()
    }

    fn excerpt(&self, spots: &[&Highlight]) -> Excerpt {
        let line = |spot: &&Highlight| spot.span.line;
        let first_line = spots.iter().map(line).min().unwrap_or(1);
        let last_line = spots.iter().map(line).max().unwrap_or(1);
        let mut excerpt = Excerpt {
            place: self.place(spots[0].span),
            first_line,
            text: String::new(),
            marks: Vec::new(),
        };
        for number in first_line..=last_line {
            if number > first_line {
                excerpt.text.push('\n');
            }
            let here: Vec<&Highlight> =
                spots.iter().copied().filter(|spot| spot.span.line == number).collect();
            self.line(&mut excerpt, self.bytes_of(number), &here);
        }
        excerpt
    }

    /// The byte range of a line, without its line break.
    fn bytes_of(&self, line: u32) -> Range<usize> {
        let at =
            |index: usize| self.lines.get(index).map_or(self.text.len(), |start| *start as usize);
        let index = (line as usize).saturating_sub(1);
        let (start, end) = (at(index), at(index + 1));
        start..start + self.text[start..end].trim_end_matches(['\n', '\r']).len()
    }

    /// Adds one line to an excerpt, with its annotations.
    fn line(&self, excerpt: &mut Excerpt, bytes: Range<usize>, spots: &[&Highlight]) {
        let window = self.window(bytes, spots);
        let mut marks: Vec<Option<Range<usize>>> = vec![None; spots.len()];
        for piece in self.pieces(&window) {
            let from = excerpt.text.len();
            excerpt.text.push_str(&piece.shown);
            for (spot, mark) in spots.iter().zip(&mut marks) {
                let start = spot.span.start as usize;
                let end = (spot.span.end as usize).min(start + MARK_MAX).max(start + 1);
                if piece.start < end && start < piece.end {
                    let (a, b) = piece.within(start, end);
                    let begun = mark.as_ref().map_or(from + a, |mark| mark.start);
                    *mark = Some(begun..from + b);
                }
            }
        }
        let line_end = excerpt.text.len();
        for (spot, mark) in spots.iter().zip(marks) {
            let Range { start, end } = mark.unwrap_or(line_end..line_end);
            let label = spot.label.clone();
            excerpt.marks.push(Annotation { start, end, label, role: spot.role });
        }
    }

    /// The part of a line that is shown: all of it, or the part around the first annotation.
    fn window(&self, line: Range<usize>, spots: &[&Highlight]) -> Range<usize> {
        if line.len() <= 2 * REACH {
            return line;
        }
        let middle = spots.first().map_or(line.start, |spot| spot.span.start as usize);
        let near = |at: usize| {
            let mut at = at.clamp(line.start, line.end);
            while !self.text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        near(middle.saturating_sub(REACH))..near(middle + REACH)
    }

    /// Splits a part of a line into pieces that are shown and pieces that are masked.
    fn pieces(&self, bytes: &Range<usize>) -> Vec<ExcerptPiece> {
        let mut pieces = Vec::new();
        let mut at = bytes.start;
        let first = self.tokens.partition_point(|token| (token.end as usize) <= bytes.start);
        for (index, token) in self.tokens.iter().enumerate().skip(first) {
            let start = (token.start as usize).clamp(at, bytes.end);
            let end = (token.end as usize).clamp(start, bytes.end);
            if token.start as usize >= bytes.end {
                break;
            }
            self.gap(at..start, &mut pieces);
            if self.shown[index] {
                push_plain(&self.text, start..end, &mut pieces);
            } else {
                self.masked(start..end, &mut pieces);
            }
            at = end;
        }
        self.gap(at..bytes.end, &mut pieces);
        pieces
    }

    /// Adds the text between two scalars: punctuation is shown, comments are not.
    fn gap(&self, bytes: Range<usize>, pieces: &mut Vec<ExcerptPiece>) {
        let text = &self.text[bytes.clone()];
        let before = self.text[..bytes.start].chars().next_back();
        let mut previous = before.unwrap_or('\n');
        let comment = text.char_indices().find_map(|(at, c)| {
            let begins = c == '#' && previous.is_whitespace();
            previous = c;
            begins.then_some(at)
        });
        let visible = match comment {
            Some(at) => text[..at].trim_end().len(),
            None => text.len(),
        };
        let bytes = bytes.start..bytes.start + visible;
        // A broken file has no scalars: its lines have been checked by their keys.
        if self.knowledge != ParseState::Parsed {
            return push_plain(&self.text, bytes, pieces);
        }
        let ends = |c: char| c.is_whitespace() || "[]{},".contains(c);
        let mut at = bytes.start;
        for sign in self.text[bytes.clone()].split_inclusive(ends) {
            let end = at + sign.len();
            if is_sign(sign.trim_end_matches(ends)) {
                push_plain(&self.text, at..end, pieces);
            } else {
                self.masked(at..end, pieces);
            }
            at = end;
        }
    }

    /// Adds a hidden scalar, keeping its indentation.
    fn masked(&self, bytes: Range<usize>, pieces: &mut Vec<ExcerptPiece>) {
        let text = &self.text[bytes.clone()];
        let indent = text.len() - text.trim_start().len();
        let inner = bytes.start + indent..bytes.start + text.trim_end().len().max(indent);
        push_plain(&self.text, bytes.start..inner.start, pieces);
        if !inner.is_empty() {
            pieces.push(ExcerptPiece {
                start: inner.start,
                end: inner.end,
                shown: MASK.to_owned(),
            });
        }
    }

    fn may_show(&self, line: u32) -> bool {
        match self.knowledge {
            ParseState::Parsed => true,
            ParseState::BrokenFleetFile | ParseState::BrokenPolicyFile => false,
            ParseState::BrokenPoolFile => {
                have_only_plain_keys((1..=line).map(|number| &self.text[self.bytes_of(number)]))
            }
        }
    }
}

/// The most characters and digits of a word.
const WORD_MAX: usize = 40;
const WORD_DIGITS_MAX: usize = 3;

/// Text of at most this many characters cannot hold a secret: `~`, `<<`, `1.5`.
const SHORT_MAX: usize = 4;

/// Whether a key looks like a word. A line of a file that is not YAML may be mistaken for a key,
/// and hashes, tokens and the like must not be shown.
pub(super) fn is_word(key: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_short = key.chars().count() <= SHORT_MAX;
    is_short
        || key.len() <= WORD_MAX
            && key.chars().all(is_part)
            && key.chars().filter(char::is_ascii_digit).count() <= WORD_DIGITS_MAX
}

/// Such as "the alias `x`", or "an alias" if its name does not look like a word.
pub(super) fn named(text: &str, what: &str) -> String {
    match what.starts_with('a') {
        _ if is_word(text) => format!("the {what} `{}`", escape(text)),
        true => format!("an {what}"),
        false => format!("a {what}"),
    }
}

/// Whether text between two scalars is punctuation, or an anchor, alias or tag that consists of
/// words.
fn is_sign(text: &str) -> bool {
    let inner = text.trim_start_matches(['*', '&', '!', '<', '%']).trim_end_matches('>');
    inner.split(['!', ':', '/']).all(is_word)
}

fn unquoted(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}

/// Whether all keys in these lines have harmless values, as far as that can be told without
/// parsing. After the first bracket, any word before a colon may be a key.
fn have_only_plain_keys<'t>(lines: impl Iterator<Item = &'t str>) -> bool {
    let mut in_brackets = false;
    let mut has_begun = false;
    for line in lines {
        let code = match line.split_once(" #") {
            Some((code, _)) if !code.contains(['"', '\'']) => code,
            Some(_) | None => line,
        };
        let code = if code.starts_with(['#', '%']) || code.trim_end() == "---" { "" } else { code };
        let first = code.trim_start_matches(|c: char| c.is_whitespace() || "{\"'".contains(c));
        if !has_begun && !first.is_empty() {
            has_begun = true;
            if !first.starts_with("pools") {
                return false;
            }
        }
        in_brackets |= code.contains(['{', '[']);
        let keys = code.match_indices(':').map(|(at, _)| word_before(&code[..at]));
        let most = if in_brackets { usize::MAX } else { 1 };
        if !keys.take(most).all(is_plain_key) {
            return false;
        }
    }
    true
}

fn word_before(text: &str) -> &str {
    let text = text.trim_end_matches(['"', '\'', ' ', '\t']);
    let start = text.char_indices().rev().take_while(|(_, c)| c.is_alphanumeric() || *c == '_');
    &text[start.last().map_or(text.len(), |start| start.0)..]
}

/// Whether the key is `pools`, or a pool field other than the one that may hold secrets.
fn is_plain_key(key: &str) -> bool {
    key == "pools" || field(key).is_some_and(|field| field.kind != FieldKind::Map)
}

/// The start of each line, by YAML's line breaks.
fn line_starts(text: &str) -> Vec<u32> {
    let bytes = text.as_bytes();
    let ends = bytes.iter().enumerate().filter(|(at, byte)| {
        **byte == b'\n' || (**byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
    });
    std::iter::once(0)
        .chain(ends.map(|(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX)))
        .collect()
}

/// A part of a line, and the text that is shown for it.
struct ExcerptPiece {
    start: usize,
    end: usize,
    shown: String,
}

/// Adds text that is shown. Each escaped character becomes a piece of its own, so that in all other
/// pieces the shown bytes equal those of the file.
fn push_plain(text: &str, bytes: Range<usize>, pieces: &mut Vec<ExcerptPiece>) {
    let mut start = bytes.start;
    let mut push = |start: usize, end: usize| {
        if start < end {
            pieces.push(ExcerptPiece { start, end, shown: escape(&text[start..end]).into_owned() });
        }
    };
    for (offset, c) in text[bytes.clone()].char_indices() {
        let at = bytes.start + offset;
        let end = at + c.len_utf8();
        if escape(&text[at..end]).len() != c.len_utf8() {
            push(start, at);
            push(at, end);
            start = end;
        }
    }
    push(start, bytes.end);
}

impl ExcerptPiece {
    /// The range of the shown text for the file's bytes `start..end`: exact, or the whole piece if
    /// it was escaped or masked.
    fn within(&self, start: usize, end: usize) -> (usize, usize) {
        if self.shown.len() != self.end - self.start {
            return (0, self.shown.len());
        }
        let boundary = |mut at: usize| {
            while !self.shown.is_char_boundary(at) {
                at += 1;
            }
            at
        };
        let end = end.min(self.end) - self.start;
        (boundary(start.saturating_sub(self.start)), boundary(end))
    }
}
