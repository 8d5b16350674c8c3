//! The manifest of a log: one record for each segment that was closed, and for each that was deleted.
//!
//! Its records have the form of audit records and a chain of their own, so that they are sealed,
//! continued and checked like those of the log.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::chain::{Head, Record};
use super::entry::Entry;
use super::note::{LOST, LogNote};

/// The number of lost records that a line reports, without a check of its hash.
pub fn lost_records(line: &[u8]) -> u64 {
    // Only lines that may be such a gap record are decoded.
    let act = format!("\"act\":\"{LOST}\"");
    if !line.windows(act.len()).take(ACT_WITHIN).any(|part| part == act.as_bytes()) {
        return 0;
    }
    let members: Value = serde_json::from_slice(line).unwrap_or_default();
    let is_lost = members["kind"] == "gap" && members["act"] == LOST;
    if is_lost { members["after"]["records"].as_u64().unwrap_or(1) } else { 0 }
}

/// How many bytes of a line precede its `act` at most: the members of a record are sorted, so only
/// `v`, `seq` and `prev` do.
const ACT_WITHIN: usize = 256;

/// The `act` of the record about a closed segment.
const CLOSED: &str = "segment closed";

/// The `act` of the record about a segment that `watch.audit_rotate.keep` has deleted.
const DELETED: &str = "segment deleted";

/// A part of a log that is compressed and never written again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The name of the compressed file, in the folder of the log.
    pub name: String,
    /// The head that its first record continues.
    pub before: Head,
    /// Its last record.
    pub head: Head,
    /// The `time` of its first and of its last record.
    pub span: (String, String),
    /// The number of records that could not be written, according to its gap records.
    pub lost: u64,
    /// The number of bytes before compression.
    pub bytes: u64,
    /// The number of bytes of the compressed file.
    pub size: u64,
    /// The SHA-256 of the compressed file, in hexadecimal.
    pub sha256: String,
}

impl Segment {
    /// The sequence number of its first record.
    pub fn first(&self) -> u64 {
        self.before.seq + 1
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "first": self.first(),
            "last": self.head.seq,
            "prev": self.before.hash,
            "hash": self.head.hash,
            "from": self.span.0,
            "until": self.span.1,
            "lost_records": self.lost,
            "bytes": self.bytes,
            "compressed_bytes": self.size,
            "sha256": self.sha256,
        })
    }

    fn of(value: &Value) -> Option<Self> {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let number = |key: &str| value[key].as_u64();
        let before = Head { seq: number("first")?.checked_sub(1)?, hash: text("prev")? };
        Some(Self {
            name: text("name").filter(|name| !name.contains('/'))?,
            before,
            head: Head { seq: number("last")?, hash: text("hash")? },
            span: (text("from")?, text("until")?),
            lost: number("lost_records")?,
            bytes: number("bytes")?,
            size: number("compressed_bytes")?,
            sha256: text("sha256")?,
        })
    }
}

impl LogNote {
    /// The record about a segment that was closed and compressed.
    pub fn segment_closed(&self, segment: &Segment) -> Entry {
        Entry { after: Some(segment.json()), ..self.event(CLOSED, "") }
    }

    /// The record about a segment that is about to be deleted, because there are newer ones enough.
    pub fn segment_deleted(&self, segment: &Segment) -> Entry {
        Entry { before: Some(segment.json()), ..self.event(DELETED, "") }
    }
}

/// The segments of a log, as the records of its manifest describe them. Its memory grows with the
/// number of segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SegmentManifest {
    /// The existing segments, by the number of their first record.
    segments: BTreeMap<u64, Segment>,
    /// The last of the deleted segments.
    deleted: Option<Segment>,
}

impl SegmentManifest {
    /// Takes the next record. Errors if it is about a segment and cannot be understood.
    pub fn take(&mut self, record: &Record<'_>) -> Result<(), String> {
        let members = &record.members;
        let unclear = || "it does not describe a segment".to_owned();
        match members["act"].as_str() {
            Some(CLOSED) => {
                let segment = Segment::of(&members["after"]).ok_or_else(unclear)?;
                self.segments.insert(segment.first(), segment);
            }
            Some(DELETED) => {
                let segment = Segment::of(&members["before"]).ok_or_else(unclear)?;
                self.segments.remove(&segment.first());
                let is_later = |known: &Segment| known.head.seq < segment.head.seq;
                if self.deleted.as_ref().is_none_or(is_later) {
                    self.deleted = Some(segment);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The existing segments, in the order of their records.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.values()
    }

    /// The existing segment whose compressed file has this name.
    pub fn named(&self, name: &str) -> Option<&Segment> {
        self.segments.values().find(|segment| segment.name == name)
    }

    /// The last deleted segment; the log begins after it.
    pub fn deleted(&self) -> Option<&Segment> {
        self.deleted.as_ref()
    }

    /// The number of lost records of all existing segments.
    pub fn lost(&self) -> u64 {
        self.segments.values().map(|segment| segment.lost).sum()
    }

    /// The last record of all segments, deleted ones included.
    pub fn head(&self) -> Option<&Head> {
        let last = self.segments.values().next_back().or(self.deleted.as_ref());
        last.map(|segment| &segment.head)
    }
}
