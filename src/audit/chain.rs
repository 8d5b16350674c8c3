//! The hash chain: seals an entry into a line, and parses a line.

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::entry::{Entry, RecordKind, hex};
use super::key::Key;
use crate::domain::text;

/// The longest line, in bytes. [`super::entry`] bounds every part, so that no record comes near it.
pub const RECORD_MAX: usize = 64 * 1024;

pub(super) const START: &str = r#"{"v":1,"seq":"#;
/// `,"hash":"` + 64 digits + `"}`
const HASH_LEN: usize = 9 + 64 + 2;
/// `,"mac":"` + 64 digits + `"`
const MAC_LEN: usize = 8 + 64 + 1;

/// A position in the chain, given by the last record before it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// The sequence number of the record. The first record has 1; 0 stands for the start of the
    /// log.
    pub seq: u64,
    /// The hash of the record, 64 hexadecimal digits.
    pub hash: String,
}

impl Head {
    /// The position before the first record.
    pub fn start() -> Self {
        Self { seq: 0, hash: "0".repeat(64) }
    }

    /// Parses `SEQ:HASH`, the form in which heads are logged.
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, hash) = text.split_once(':')?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(Self { seq: seq.parse().ok()?, hash: hash.to_ascii_lowercase() }).filter(|_| is_hash)
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// The JSON of an entry, before it has a position in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The kind of the record.
    pub kind: RecordKind,
    /// The time on this machine's clock.
    pub time: Timestamp,
    /// The members of the JSON object, without the braces.
    members: String,
}

impl From<&Entry> for Draft {
    fn from(entry: &Entry) -> Self {
        let object = Value::Object(entry.members()).to_string();
        // Without escapes, control characters in a value could reach the terminal that shows the
        // file.
        let object = text::escape_json(&object);
        let members = object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let members = members.expect("the JSON of an object is enclosed in braces").to_owned();
        Self { kind: entry.kind, time: entry.time, members }
    }
}

impl Draft {
    /// The memory that the draft uses, in bytes; its line has about the same length.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.members.len()
    }

    /// Links the draft to the previous record. Returns the line, with its newline, and the new head.
    pub fn seal(&self, previous: &Head, key: Option<&Key>) -> (String, Head) {
        let seq = previous.seq + 1;
        let mut line = format!(r#"{START}{seq},"prev":"{}",{}"#, previous.hash, self.members);
        if let Some(key) = key {
            let mac = key.mac(&line);
            line.push_str(&format!(r#","mac":"{mac}""#));
        }
        let hash = hex(&Sha256::digest(line.as_bytes()));
        line.push_str(&format!(",\"hash\":\"{hash}\"}}\n"));
        (line, Head { seq, hash })
    }
}

/// Links an entry to the previous record. Returns the line, with its newline, and the new head.
pub fn seal(entry: &Entry, previous: &Head, key: Option<&Key>) -> (String, Head) {
    Draft::from(entry).seal(previous, key)
}

/// A line with a correct hash. [`Keys`](super::Keys) checks its HMAC.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// Its sequence number and hash.
    pub head: Head,
    /// The hash of the previous record.
    pub previous: String,
    /// The JSON object, with the members of the chain.
    pub members: Value,
    /// The signed bytes and their HMAC; absent if the record has no HMAC.
    pub(super) signed: Option<(&'a str, &'a str)>,
}

/// Why a line is not an intact record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFlaw {
    /// The line is not a complete record: its write was interrupted, or it was never a record.
    Torn,
    /// The line has the form of a record, but its hash does not match its bytes.
    Altered,
}

/// Parses one line, without its newline, and checks its hash.
pub fn open(line: &[u8]) -> Result<Record<'_>, RecordFlaw> {
    // No record contains a zero byte. A disk that lost power leaves zeros where a write was not
    // completed.
    let text = std::str::from_utf8(line).ok().filter(|text| !text.contains('\0'));
    let text = text.ok_or(RecordFlaw::Torn)?;
    let (body, hash) = split_hash(text).ok_or(RecordFlaw::Torn)?;
    if hex(&Sha256::digest(body.as_bytes())) != hash {
        return Err(RecordFlaw::Altered);
    }
    let members: Value = serde_json::from_str(text).map_err(|_| RecordFlaw::Altered)?;
    let seq = members["seq"].as_u64().ok_or(RecordFlaw::Altered)?;
    let previous = members["prev"].as_str().ok_or(RecordFlaw::Altered)?.to_owned();
    let head = Head { seq, hash: hash.to_owned() };
    Ok(Record { head, previous, members, signed: split_mac(body) })
}

/// The hashed bytes and the hash after them; `None` if the line does not have the form of a record.
fn split_hash(line: &str) -> Option<(&str, &str)> {
    if !line.starts_with(START) {
        return None;
    }
    let (body, tail) = line.split_at_checked(line.len().checked_sub(HASH_LEN)?)?;
    let hash = tail.strip_prefix(r#","hash":""#)?.strip_suffix("\"}")?;
    Some((body, hash))
}

fn split_mac(body: &str) -> Option<(&str, &str)> {
    let (signed, tail) = body.split_at_checked(body.len().checked_sub(MAC_LEN)?)?;
    let mac = tail.strip_prefix(r#","mac":""#)?.strip_suffix('"')?;
    Some((signed, mac))
}

impl Record<'_> {
    /// Whether this record directly follows `head`.
    pub(super) fn continues(&self, head: &Head) -> bool {
        self.head.seq == head.seq + 1 && self.previous == head.hash
    }
}
