//! Splits a JSON list into its rows as the bytes arrive. It only finds where each row ends; whether
//! a row is valid JSON is checked when it is decoded.

use super::{DecodeError, no_list};

/// Longest row, in bytes: a pool's `extra_specs` contain scripts and certificates.
const ROW_MAX: usize = 1 << 20;

/// Deepest nesting within a row; the decoder gives up at 128.
const DEPTH_MAX: u32 = 100;

/// Largest object around a list, in bytes without the list.
const AROUND_MAX: usize = 1 << 20;

/// How much is kept of a document that is not a list, to describe it.
const OTHER_MAX: usize = 8 << 10;

/// How much is kept of a row that is too long.
const BEGINNING: usize = 4 << 10;

/// A row of the list, undecoded.
#[derive(Debug, Clone, Copy)]
pub(super) enum RawRow<'a> {
    Whole(&'a [u8]),
    /// Nested more deeply than [`DEPTH_MAX`].
    TooDeep(&'a [u8]),
    /// The beginning of a row that is too long.
    TooLong(&'a [u8]),
}

/// The position of the next byte in the document.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SplitterState {
    Start,
    /// In the object that contains the list.
    Object,
    Rows,
    /// After the end of the document.
    End,
    Other,
}

pub(super) struct RowSplitter {
    /// The key of the list, if an object contains it.
    key: Option<&'static str>,
    spot: SplitterState,
    scan: JsonScan,
    /// The beginning of the current row.
    row: Vec<u8>,
    is_long: bool,
    rows: usize,
    /// The object with an empty list in place of the list, or a document that is not a list.
    head: Vec<u8>,
    /// The last string at the top level of the object, and whether it is our key.
    word: Vec<u8>,
    is_key: bool,
    taken: usize,
}

impl RowSplitter {
    /// The document is the list, or `null` for an empty one.
    pub(super) fn list() -> Self {
        Self {
            key: None,
            spot: SplitterState::Start,
            scan: JsonScan::default(),
            row: Vec::new(),
            is_long: false,
            rows: 0,
            head: Vec::new(),
            word: Vec::new(),
            is_key: false,
            taken: 0,
        }
    }

    /// The document is an object with the list under this key.
    pub(super) fn below(key: &'static str) -> Self {
        Self { key: Some(key), ..Self::list() }
    }

    /// How many bytes have arrived.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Takes the next bytes and passes on each row that ends in them.
    pub(super) fn take(
        &mut self,
        mut bytes: &[u8],
        row: &mut dyn FnMut(RawRow<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        self.taken += bytes.len();
        while let Some(&first) = bytes.first() {
            let used = match self.spot {
                SplitterState::Start => self.start(first),
                SplitterState::Object => self.object(bytes)?,
                SplitterState::Rows => self.rows(bytes, row)?,
                SplitterState::End if first.is_ascii_whitespace() => 1,
                SplitterState::End => {
                    return Err(DecodeError("trailing data after the response".into()));
                }
                SplitterState::Other => self.other(bytes)?,
            };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// Ends the document and returns what is around the list.
    pub(super) fn finish(self) -> Result<Vec<u8>, DecodeError> {
        match self.spot {
            SplitterState::Start => Err(DecodeError("an empty response".into())),
            SplitterState::End => Ok(self.head),
            SplitterState::Rows => {
                Err(DecodeError(format!("JSON that breaks off after {} entries", self.rows)))
            }
            SplitterState::Object => Err(DecodeError("JSON that breaks off".into())),
            SplitterState::Other if self.key.is_none() && self.head.trim_ascii() == b"null" => {
                Ok(Vec::new())
            }
            // The caller decodes the object and reports what this is instead.
            SplitterState::Other if self.key.is_some() => Ok(self.head),
            SplitterState::Other => Err(no_list(&self.head)),
        }
    }

    fn start(&mut self, first: u8) -> usize {
        match (first, self.key) {
            (b' ' | b'\t' | b'\r' | b'\n', _) => return 1,
            (b'[', None) => self.spot = SplitterState::Rows,
            (b'{', Some(_)) => {
                self.head.push(first);
                self.spot = SplitterState::Object;
                self.scan.depth = 1;
            }
            (_, _) => {
                self.spot = SplitterState::Other;
                return 0;
            }
        }
        1
    }

    fn other(&mut self, bytes: &[u8]) -> Result<usize, DecodeError> {
        self.head.extend_from_slice(bytes);
        if self.head.len() > OTHER_MAX {
            return Err(match self.head.first() {
                Some(b'{') => DecodeError("an object where a list is expected".into()),
                _ => no_list(&self.head),
            });
        }
        Ok(bytes.len())
    }

    /// Reads the object up to the list or the end of the bytes.
    fn object(&mut self, bytes: &[u8]) -> Result<usize, DecodeError> {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.scan.is_text {
                self.scan.text(byte);
                if self.scan.is_text && self.scan.depth == 1 && self.word.len() < BEGINNING {
                    self.word.push(byte);
                }
            } else {
                match (byte, self.scan.depth) {
                    (b'"', 1) => self.word.clear(),
                    (b':', 1) => self.is_key = self.key.map(str::as_bytes) == Some(&self.word),
                    (b',', 1) => self.is_key = false,
                    (b'[', 1) if self.is_key => {
                        self.head.extend_from_slice(b"[]");
                        self.is_key = false;
                        self.spot = SplitterState::Rows;
                        self.scan = JsonScan::default();
                        return Ok(at + 1);
                    }
                    (_, _) => {}
                }
                self.scan.other(byte);
            }
            self.head.push(byte);
            if self.head.len() > AROUND_MAX {
                return Err(DecodeError(format!("an object of more than {AROUND_MAX} bytes")));
            }
            if self.scan.depth == 0 {
                self.spot = SplitterState::End;
                return Ok(at + 1);
            }
        }
        Ok(bytes.len())
    }

    /// Reads a row up to its end or the end of the bytes.
    fn rows(
        &mut self,
        bytes: &[u8],
        row: &mut dyn FnMut(RawRow<'_>) -> Result<(), DecodeError>,
    ) -> Result<usize, DecodeError> {
        let Some(end) = self.scan.end_of_row(bytes) else {
            self.keep(bytes);
            return Ok(bytes.len());
        };
        let is_last = match bytes[end] {
            b',' => false,
            b']' => true,
            _ => return Err(self.broken()),
        };
        let whole = if self.row.is_empty() && !self.is_long {
            &bytes[..end]
        } else {
            self.keep(&bytes[..end]);
            &self.row
        };
        let is_blank = whole.trim_ascii().is_empty();
        if is_blank && !(is_last && self.rows == 0) {
            return Err(self.broken());
        }
        if !is_blank {
            self.rows += 1;
            let is_long = self.is_long || whole.len() > ROW_MAX;
            row(match (is_long, self.scan.deepest > DEPTH_MAX) {
                (true, _) => RawRow::TooLong(&whole[..whole.len().min(BEGINNING)]),
                (false, true) => RawRow::TooDeep(whole),
                (false, false) => RawRow::Whole(whole),
            })?;
        }
        self.row.clear();
        self.is_long = false;
        self.scan = JsonScan::default();
        if is_last {
            self.after_list();
        }
        Ok(end + 1)
    }

    fn after_list(&mut self) {
        if self.key.is_none() {
            self.spot = SplitterState::End;
        } else {
            self.spot = SplitterState::Object;
            self.scan.depth = 1;
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = if self.is_long { 0 } else { ROW_MAX - self.row.len() };
        if bytes.len() > room {
            self.is_long = true;
            self.row.extend_from_slice(&bytes[..room.min(BEGINNING)]);
            self.row.truncate(BEGINNING);
            self.row.shrink_to_fit();
        } else {
            self.row.extend_from_slice(bytes);
        }
    }

    fn broken(&self) -> DecodeError {
        DecodeError(format!("not JSON: after {} entries of the list", self.rows))
    }
}

/// The nesting depth, and whether inside a string.
#[derive(Default)]
struct JsonScan {
    depth: u32,
    deepest: u32,
    is_text: bool,
    is_escaped: bool,
}

impl JsonScan {
    /// The position of the comma or bracket that ends the row, if it has arrived.
    fn end_of_row(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.is_text {
                if !self.is_escaped {
                    at += quote_or_backslash(&bytes[at..])?;
                }
                self.text(bytes[at]);
            } else {
                match bytes[at] {
                    b',' | b']' | b'}' if self.depth == 0 => return Some(at),
                    byte => self.other(byte),
                }
            }
            at += 1;
        }
        None
    }

    fn text(&mut self, byte: u8) {
        match (self.is_escaped, byte) {
            (true, _) => self.is_escaped = false,
            (false, b'\\') => self.is_escaped = true,
            (false, b'"') => self.is_text = false,
            (false, _) => {}
        }
    }

    fn other(&mut self, byte: u8) {
        match byte {
            b'"' => self.is_text = true,
            b'{' | b'[' => {
                self.depth = self.depth.saturating_add(1);
                self.deepest = self.deepest.max(self.depth);
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

/// The position of the first quote or backslash. Eight bytes at a time: strings are too short for
/// a call of a vectorized search to pay.
fn quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The lowest bit that is set belongs to the first zero byte; higher ones may be wrong.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found =
            zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let is_end = |byte: &u8| matches!(byte, b'"' | b'\\');
    rest.iter().position(is_end).map(|at| words.len() * 8 + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_quote_or_backslash_is_found_anywhere() {
        let other = [0x00, 0x01, b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff];
        for len in 0..40 {
            let plain: Vec<u8> = other.iter().copied().cycle().take(len).collect();
            assert_eq!(quote_or_backslash(&plain), None, "{len}");
            for at in 0..len {
                for end in [b'"', b'\\'] {
                    let mut bytes = plain.clone();
                    bytes[at] = end;
                    assert_eq!(quote_or_backslash(&bytes), Some(at), "{at} of {len}");
                    bytes[at + 1..].fill(b'"');
                    assert_eq!(quote_or_backslash(&bytes), Some(at), "{at} of {len}");
                }
            }
        }
    }

    /// Checks the rows and what is around them, with the bytes arriving in various pieces.
    fn check(key: Option<&'static str>, text: &str, expected: Result<(&[&str], &str), &str>) {
        for size in [1, 2, 3, 7, 1 << 20] {
            let mut splitter = key.map_or_else(RowSplitter::list, RowSplitter::below);
            let mut rows = Vec::new();
            let mut take = |piece: RawRow<'_>| {
                let (RawRow::Whole(it) | RawRow::TooDeep(it) | RawRow::TooLong(it)) = piece;
                rows.push(String::from_utf8_lossy(it).trim().to_owned());
                Ok(())
            };
            let taken =
                text.as_bytes().chunks(size).try_for_each(|chunk| splitter.take(chunk, &mut take));
            let got = taken.and_then(|()| splitter.finish());
            let got = got.map(|head| String::from_utf8(head).unwrap()).map_err(|error| error.0);
            let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
            match expected {
                Ok((all, head)) => {
                    assert_eq!((rows.as_slice(), got.as_deref()), (all, Ok(head)), "{text} {size}");
                }
                Err(why) => assert_eq!(got.as_deref(), Err(&why.to_owned()), "{text} {size}"),
            }
        }
    }

    #[test]
    fn a_list_is_split_at_its_own_commas() {
        check(None, "[]", Ok((&[], "")));
        check(None, " null\n", Ok((&[], "")));
        check(
            None,
            "[ 1 , \"a,]\\\"\" ,[2,[3]], {\"a\":[4,5]}]\n",
            Ok((&["1", "\"a,]\\\"\"", "[2,[3]]", "{\"a\":[4,5]}"], "")),
        );
        check(None, "[\"\\\\\",2]", Ok((&["\"\\\\\"", "2"], "")));
    }

    #[test]
    fn the_list_in_an_object_is_split_and_the_rest_is_returned() {
        let rows: &[&str] = &["1", "{\"pool\":[2]}"];
        check(
            Some("pool"),
            r#"{"a":{"pool":[7]},"b":"pool","pool":[1,{"pool":[2]}],"c":["pool"]}"#,
            Ok((rows, r#"{"a":{"pool":[7]},"b":"pool","pool":[],"c":["pool"]}"#)),
        );
        check(Some("pool"), r#"{"pool":null}"#, Ok((&[], r#"{"pool":null}"#)));
        check(Some("pool"), "7", Ok((&[], "7")));
    }

    #[test]
    fn a_document_that_is_not_a_list_or_breaks_off_is_an_error() {
        check(None, " ", Err("an empty response"));
        check(None, "[1,", Err("JSON that breaks off after 1 entries"));
        check(None, "[1,]", Err("not JSON: after 1 entries of the list"));
        check(None, "[,1]", Err("not JSON: after 0 entries of the list"));
        check(None, "[1}", Err("not JSON: after 0 entries of the list"));
        check(None, "[1]x", Err("trailing data after the response"));
        check(None, "<html>", Err("not JSON: expected value at line 1 column 1"));
        check(Some("pool"), "{\"pool\":[1]", Err("JSON that breaks off"));
    }

    #[test]
    fn a_row_that_is_too_long_or_too_deep_does_not_affect_the_others() {
        let long = format!("[1,\"{}\",2]", "x".repeat(3 << 20));
        let deep = format!("[1,{}{},2]", "[".repeat(101), "]".repeat(101));
        for (text, mark) in [(long, "long"), (deep, "deep")] {
            for size in [1000, 4 << 20] {
                let mut splitter = RowSplitter::list();
                let mut seen = Vec::new();
                let mut take = |piece: RawRow<'_>| {
                    seen.push(match piece {
                        RawRow::Whole(_) => "whole",
                        RawRow::TooDeep(_) => "deep",
                        RawRow::TooLong(it) => {
                            if it.len() == BEGINNING {
                                "long"
                            } else {
                                "?"
                            }
                        }
                    });
                    Ok(())
                };
                for chunk in text.as_bytes().chunks(size) {
                    splitter.take(chunk, &mut take).unwrap();
                    assert!(splitter.row.capacity() <= 2 * ROW_MAX);
                }
                assert_eq!(seen, ["whole", mark, "whole"]);
            }
        }
    }
}
