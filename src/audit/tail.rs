//! How a file ends: the last record that can be continued, and what stands torn behind it.

use std::ops::Range;

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::chain::{Head, RECORD_MAX, Record, START, open};
use super::entry::hex;
use super::keys::{Keys, Signer};

/// The last sound record of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRecord {
    /// Its place in the chain.
    pub head: Head,
    /// Who signs what follows it.
    pub signer: Signer,
    /// When it was written, and on which machine.
    pub written: Option<(Timestamp, String)>,
    /// Where its line begins and ends (before the newline), in the bytes that were read.
    pub line: Range<usize>,
}

impl LastRecord {
    /// Before the first record.
    pub fn start() -> Self {
        Self { head: Head::start(), signer: Signer::Unsigned, written: None, line: 0..0 }
    }

    fn of(record: &Record<'_>, keys: &Keys, line: Range<usize>) -> Self {
        let host = record.members["actor"]["host"].as_str().unwrap_or_default().to_owned();
        let time = record.members["time"].as_str().and_then(|it| it.parse().ok());
        Self {
            head: record.head.clone(),
            signer: keys.signer_after(record),
            written: time.map(|it| (it, host)),
            line,
        }
    }
}

/// How a file ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// It is empty.
    Empty,
    /// A sound record ends it; its newline may be missing.
    Sound {
        /// That record.
        last: LastRecord,
        /// Whether the newline is there.
        ending: Ending,
    },
    /// Something else ends it, after this record.
    Torn {
        /// The last sound record; absent when the file has none.
        last: Option<LastRecord>,
        /// The bytes behind it, the newline before them and the one at their end aside.
        bytes: Vec<u8>,
        /// Whether a newline ends that.
        ending: Ending,
    },
    /// No record in what was read: this is not an audit file.
    Foreign,
}

impl Tail {
    /// The last sound record, if there is one.
    pub fn last(&self) -> Option<&LastRecord> {
        match self {
            Self::Sound { last, .. } => Some(last),
            Self::Torn { last, .. } => last.as_ref(),
            Self::Empty | Self::Foreign => None,
        }
    }

    /// The same, when the next record goes into another file: there is no line to be ended.
    #[must_use]
    pub fn in_new_file(self) -> Self {
        let ending = Ending::Newline;
        match self {
            Self::Sound { last, .. } => Self::Sound { last, ending },
            Self::Torn { last, bytes, .. } => Self::Torn { last, bytes, ending },
            Self::Empty | Self::Foreign => self,
        }
    }
}

/// How the last line of a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    Newline,
    /// Without one: the next record must bring it.
    Cut,
}

impl Ending {
    /// What must be written before the next record.
    pub fn repair(self) -> &'static str {
        match self {
            Self::Newline => "",
            Self::Cut => "\n",
        }
    }
}

/// Bytes that are no record: those of a write that was cut off, line by line.
#[derive(Debug, Clone, Default)]
pub struct Torn {
    sum: Sha256,
    length: u64,
    has_zeros: bool,
    is_begun: bool,
}

impl PartialEq for Torn {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for Torn {}

impl Torn {
    /// These bytes, newlines included.
    pub fn of(bytes: &[u8]) -> Self {
        let mut torn = Self::default();
        torn.add_line(bytes);
        torn
    }

    /// One line more.
    pub(super) fn add_line(&mut self, line: &[u8]) {
        if self.is_begun {
            self.add(b"\n");
        }
        self.is_begun = true;
        self.add(line);
    }

    /// More of the line that was added last.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
        self.length += bytes.len() as u64;
        self.has_zeros |= bytes.contains(&0);
    }

    /// Whether a disk that lost power may have left a hole in them: then what is written behind
    /// the hole does not continue what is before it.
    pub(super) fn has_zeros(&self) -> bool {
        self.has_zeros
    }

    /// Their number and digest, as the gap record about them has it.
    pub fn digest(&self) -> Value {
        json!({ "bytes": self.length, "sha256": hex(&self.sum.clone().finalize()) })
    }

    /// Whether a record is the gap record about exactly these bytes.
    pub(super) fn is_told_by(&self, record: &Record<'_>) -> bool {
        record.members["kind"] == "gap" && record.members["before"] == self.digest()
    }
}

/// Whether bytes are the whole of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// All of it.
    Yes,
    /// Its end only, from anywhere in a line on.
    No,
}

/// Reads the end of a file from its last bytes.
pub fn read_tail(bytes: &[u8], is_whole: Whole, keys: &Keys) -> Tail {
    if bytes.is_empty() {
        return Tail::Empty;
    }
    let (text, ending) = match bytes.strip_suffix(b"\n") {
        Some(text) => (text, Ending::Newline),
        None => (bytes, Ending::Cut),
    };
    let found = match text.contains(&0) {
        // What was read may begin within a hole: then nothing before it is known.
        true if is_whole == Whole::No => after_holes(text, keys).or_else(|| last_sound(text, keys)),
        true => after_holes(text, keys),
        false => last_sound(text, keys),
    };
    match found {
        Some(last) if last.line.end == text.len() => Tail::Sound { last, ending },
        Some(last) => {
            let bytes = text[last.line.end + 1..].to_vec();
            Tail::Torn { last: Some(last), bytes, ending }
        }
        // The very first write, cut off: what is there is the beginning of a record, or zeros.
        None if is_whole == Whole::Yes && !text.is_empty() && is_begun(text) => {
            Tail::Torn { last: None, bytes: text.to_vec(), ending }
        }
        None => Tail::Foreign,
    }
}

/// The last sound record.
fn last_sound(text: &[u8], keys: &Keys) -> Option<LastRecord> {
    let mut end = text.len();
    loop {
        let start = text[..end].iter().rposition(|it| *it == b'\n').map_or(0, |at| at + 1);
        if let Ok(record) = open(&text[start..end]) {
            return Some(LastRecord::of(&record, keys, start..end));
        }
        end = start.checked_sub(1)?;
    }
}

/// The last sound record before a hole that no record tells of: what stands behind a hole was
/// written by the call that the power cut off, and it continues records that are not there.
fn after_holes(text: &[u8], keys: &Keys) -> Option<LastRecord> {
    let mut found: Option<LastRecord> = None;
    let mut torn: Option<Torn> = None;
    let mut start = 0;
    for line in text.split(|it| *it == b'\n') {
        let record = open(line).ok();
        let is_taken = |record: &Record<'_>| match (&torn, &found) {
            (None, _) => true,
            (Some(torn), _) if torn.is_told_by(record) || !torn.has_zeros() => true,
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
    let line = text.split(|it| matches!(it, 0 | b'\n')).next().unwrap_or_default();
    let length = line.len().min(START.len());
    let is_one_line = !text.contains(&b'\n') && text.len() <= RECORD_MAX;
    (is_one_line || text.contains(&0)) && line[..length] == START.as_bytes()[..length]
}
