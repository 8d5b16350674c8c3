//! The end of an audit file: the last record that can be continued, and the torn bytes after it.

use std::ops::Range;

use jiff::Timestamp;

use super::chain::{Head, RECORD_MAX, Record, START, open};
use super::keys::{Keys, Signer};
use super::torn::Torn;

/// The last intact record of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRecord {
    /// Its sequence number and hash.
    pub head: Head,
    /// The signer of the next record.
    pub signer: Signer,
    /// The time when it was written, and the name of the machine.
    pub written: Option<(Timestamp, String)>,
    /// The range of its line, without the newline, in the bytes that were read.
    pub line: Range<usize>,
}

impl LastRecord {
    /// The position before the first record.
    pub fn start() -> Self {
        Self { head: Head::start(), signer: Signer::Unsigned, written: None, line: 0..0 }
    }

    fn of(record: &Record<'_>, keys: &Keys, line: Range<usize>) -> Self {
        let host = record.members["actor"]["host"].as_str().unwrap_or_default().to_owned();
        let time = record.members["time"].as_str().and_then(|time| time.parse().ok());
        Self {
            head: record.head.clone(),
            signer: keys.signer_after(record),
            written: time.map(|time| (time, host)),
            line,
        }
    }
}

/// How a file ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    Empty,
    /// The file ends with an intact record, with or without its newline.
    Sound {
        /// The record at the end.
        last: LastRecord,
        /// Whether a newline ends the file.
        ending: FinalNewline,
    },
    /// The file ends with bytes that are not a record.
    Torn {
        /// The last intact record; absent if the file has none.
        last: Option<LastRecord>,
        /// The bytes after it, without the newlines before and after them.
        bytes: Vec<u8>,
        /// Whether a newline ends the file.
        ending: FinalNewline,
    },
    /// The bytes contain no record: this is not an audit file.
    Foreign,
}

impl Tail {
    /// The last intact record, if there is one.
    pub fn last(&self) -> Option<&LastRecord> {
        match self {
            Self::Sound { last, .. } => Some(last),
            Self::Torn { last, .. } => last.as_ref(),
            Self::Empty | Self::Foreign => None,
        }
    }

    /// The same tail if the next record goes to a new file, where no newline is missing.
    #[must_use]
    pub fn in_new_file(self) -> Self {
        let ending = FinalNewline::Present;
        match self {
            Self::Sound { last, .. } => Self::Sound { last, ending },
            Self::Torn { last, bytes, .. } => Self::Torn { last, bytes, ending },
            Self::Empty | Self::Foreign => self,
        }
    }
}

/// Whether a newline ends the last line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinalNewline {
    Present,
    /// The newline is missing, and must be written before the next record.
    Missing,
}

impl FinalNewline {
    /// The text to write before the next record.
    pub fn repair(self) -> &'static str {
        match self {
            Self::Present => "",
            Self::Missing => "\n",
        }
    }
}

/// Which part of a file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TailScope {
    /// The whole file.
    WholeFile,
    /// Only its end, which may begin within a line.
    EndOfFile,
}

/// Finds the last intact record and the torn bytes after it in the last bytes of a file.
pub fn read_tail(bytes: &[u8], scope: TailScope, keys: &Keys) -> Tail {
    if bytes.is_empty() {
        return Tail::Empty;
    }
    let (text, ending) = match bytes.strip_suffix(b"\n") {
        Some(text) => (text, FinalNewline::Present),
        None => (bytes, FinalNewline::Missing),
    };
    let found = match text.contains(&0) {
        // The bytes may begin within a hole, so that no record before the hole was read.
        true if scope == TailScope::EndOfFile => {
            after_holes(text, keys).or_else(|| last_sound(text, keys))
        }
        true => after_holes(text, keys),
        false => last_sound(text, keys),
    };
    match found {
        Some(last) if last.line.end == text.len() => Tail::Sound { last, ending },
        Some(last) => {
            let bytes = text[last.line.end + 1..].to_vec();
            Tail::Torn { last: Some(last), bytes, ending }
        }
        // The first write to the file was interrupted: the bytes begin like a record, or are zeros.
        None if scope == TailScope::WholeFile && !text.is_empty() && is_begun(text) => {
            Tail::Torn { last: None, bytes: text.to_vec(), ending }
        }
        None => Tail::Foreign,
    }
}

/// Finds the last intact record.
fn last_sound(text: &[u8], keys: &Keys) -> Option<LastRecord> {
    let mut end = text.len();
    loop {
        let start = text[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if let Ok(record) = open(&text[start..end]) {
            return Some(LastRecord::of(&record, keys, start..end));
        }
        end = start.checked_sub(1)?;
    }
}

/// Finds the last intact record before a hole that no gap record reports. The bytes after a hole
/// were written by the call that the power failure interrupted, and continue records that are lost.
fn after_holes(text: &[u8], keys: &Keys) -> Option<LastRecord> {
    let mut found: Option<LastRecord> = None;
    let mut torn: Option<Torn> = None;
    let mut start = 0;
    for line in text.split(|byte| *byte == b'\n') {
        let record = open(line).ok();
        let is_taken = |record: &Record<'_>| match (&torn, &found) {
            (None, _) => true,
            (Some(torn), _) if torn.is_reported_by(record) || !torn.has_zeros() => true,
            (Some(_), Some(found)) => record.continues(&found.head),
            (Some(_), None) => false,
        };
        match record.filter(is_taken) {
            Some(record) => {
                found = Some(LastRecord::of(&record, keys, start..start + line.len()));
                torn = None;
            }
            None => torn.get_or_insert_default().add_line(line),
        }
        start += line.len() + 1;
    }
    found
}

fn is_begun(text: &[u8]) -> bool {
    let line = text.split(|byte| matches!(byte, 0 | b'\n')).next().unwrap_or_default();
    let length = line.len().min(START.len());
    let is_one_line = !text.contains(&b'\n') && text.len() <= RECORD_MAX;
    (is_one_line || text.contains(&0)) && line[..length] == START.as_bytes()[..length]
}
