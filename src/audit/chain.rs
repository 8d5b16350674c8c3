//! The chain: sealing an entry, opening a line.

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::entry::{Entry, Kind, hex};
use super::keys::Key;
use crate::domain::text;

/// Longest line, in bytes: [`super::entry`] bounds every part so that none comes near.
pub const RECORD_MAX: usize = 64 * 1024;

pub(super) const START: &str = r#"{"v":1,"seq":"#;
/// `,"hash":"` + 64 digits + `"}`
const HASH_LEN: usize = 9 + 64 + 2;
/// `,"mac":"` + 64 digits + `"`
const MAC_LEN: usize = 8 + 64 + 1;

/// A place in the chain: the last record that is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Head {
    /// Its sequence number; the first record has 1.
    pub seq: u64,
    /// Its hash, 64 hexadecimal digits.
    pub hash: String,
}

impl Head {
    /// Before the first record.
    pub fn start() -> Self {
        Self { seq: 0, hash: "0".repeat(64) }
    }

    /// Reads `SEQ:HASH`, as it is logged.
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, hash) = text.split_once(':')?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|it| it.is_ascii_hexdigit());
        Some(Self { seq: seq.parse().ok()?, hash: hash.to_ascii_lowercase() }).filter(|_| is_hash)
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// An entry in its final words, before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// What kind of record.
    pub kind: Kind,
    /// When, on this machine's clock.
    pub time: Timestamp,
    /// The members of the JSON object, without the braces.
    members: String,
}

impl From<&Entry> for Draft {
    fn from(entry: &Entry) -> Self {
        let object = Value::Object(entry.members()).to_string();
        // It still means the same, and does nothing to the terminal that shows the file.
        let object = text::escape_json(&object);
        let members = object.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
        let members = members.expect("the JSON of an object stands in braces").to_owned();
        Self { kind: entry.kind, time: entry.time, members }
    }
}

impl Draft {
    /// How much memory it takes, and about how long its line is, in bytes.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.members.len()
    }

    /// Ties it to the record before it: the line, with its newline, and the new head.
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

/// Ties an entry to the record before it: the line, with its newline, and the new head.
pub fn seal(entry: &Entry, previous: &Head, key: Option<&Key>) -> (String, Head) {
    Draft::from(entry).seal(previous, key)
}

/// A line that has been opened and is sound by itself. Whether its HMAC is good only the keys tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// Its place.
    pub head: Head,
    /// Hash of the record before.
    pub previous: String,
    /// The whole of it.
    pub members: Value,
    /// What its HMAC is made of, and the HMAC.
    pub(super) signed: Option<(&'a str, &'a str)>,
}

/// Why a line is not a sound record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFlaw {
    /// It is not a whole record: a write was cut off, or it never was one.
    Torn,
    /// It has the form of a record, and its hash is not that of its bytes.
    Altered,
}

/// Opens one line (without its newline).
pub fn open(line: &[u8]) -> Result<Record<'_>, RecordFlaw> {
    // No record has a zero byte. A disk that lost power leaves them where a write was not carried
    // out.
    let text =
        std::str::from_utf8(line).ok().filter(|it| !it.contains('\0')).ok_or(RecordFlaw::Torn)?;
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

/// What is hashed, and the hash that stands behind it; nothing when the line has not the form of
/// a record.
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
    /// Whether it comes right after that one.
    pub(super) fn continues(&self, head: &Head) -> bool {
        self.head.seq == head.seq + 1 && self.previous == head.hash
    }
}
