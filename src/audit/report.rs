//! What a check of a log has found.

use super::chain::Head;

/// Gaps and unfinished writes that are listed; more are counted.
pub const GAPS_MAX: usize = 1_000;

/// A gap that the log itself tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Sequence number of the gap record.
    pub seq: u64,
    /// When it was written, as it stands there.
    pub time: String,
    /// What is missing, in the record's words.
    pub detail: String,
}

/// A write to GARM whose outcome is not on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Sequence number of the intent.
    pub seq: u64,
    /// When it was written, as it stands there.
    pub time: String,
    /// What was to be done: `delete runner default-w1uv`.
    pub what: String,
}

/// The first bad record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// In which file.
    pub file: String,
    /// In which line, from 1; 0 when it is what is missing behind the last one.
    pub line: usize,
    /// The sequence number that was due there.
    pub seq: u64,
    /// What is wrong, one sentence without full stop.
    pub reason: String,
}

/// What became of the HMACs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Macs {
    /// No record has one.
    #[default]
    Absent,
    /// Some have, and there was no key to check them with.
    Unchecked,
    /// Every record is vouched for by one that is good.
    Checked,
}

/// What signed statements outside the log prove of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Anchored {
    /// How many of them tell of a record that is here, as it stands here.
    pub statements: u64,
    /// How many tell of records before the first one here.
    pub earlier: u64,
    /// The last record that one tells of, and when it was signed: it and all before it are proven
    /// to be as they were then.
    pub last: Option<(u64, String)>,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Sound records, up to the break if there is one.
    pub records: u64,
    /// Sequence number of the first record; more than 1 when older files are archived elsewhere.
    pub first: Option<u64>,
    /// The last sound record.
    pub head: Option<Head>,
    /// The gaps that the log tells of, the first [`GAPS_MAX`].
    pub gaps: Vec<Gap>,
    /// All of them.
    pub gap_count: u64,
    /// Sequence numbers of gaps that have not ended.
    pub open_gaps: Vec<u64>,
    /// Records that could not be written, as the gaps tell.
    pub lost: u64,
    /// Writes whose outcome is not on record, the first [`GAPS_MAX`].
    pub unfinished: Vec<Unfinished>,
    /// All of them.
    pub unfinished_count: u64,
    /// What became of the HMACs.
    pub macs: Macs,
    /// What statements outside the log prove; absent when none was brought.
    pub anchored: Option<Anchored>,
    /// The first bad record, or what is missing at the end.
    pub broken: Option<Break>,
}
