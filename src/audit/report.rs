//! The result of checking a log.

use super::chain::Head;

/// The number of gaps and of unfinished writes that are listed; the others are only counted.
pub const GAPS_MAX: usize = 1_000;

/// A gap that a record of the log reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The sequence number of the gap record.
    pub seq: u64,
    /// The `time` of the record.
    pub time: String,
    /// The `detail` of the record: what is missing.
    pub detail: String,
}

/// A write to GARM whose outcome is not recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedWrite {
    /// The sequence number of the intent.
    pub seq: u64,
    /// The `time` of the intent.
    pub time: String,
    /// The intended action: `delete runner default-w1uv`.
    pub what: String,
}

/// The first bad record, or the records that are missing at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainBreak {
    /// The name of the file.
    pub file: String,
    /// The line, from 1; 0 if records are missing after the last line.
    pub line: usize,
    /// The sequence number that was expected there.
    pub seq: u64,
    /// What is wrong, as a sentence without a full stop.
    pub reason: String,
}

/// Whether the records have HMACs, and whether these were checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HmacStatus {
    /// No record has an HMAC.
    #[default]
    Absent,
    /// At least one record has an HMAC, but no key was given.
    Unchecked,
    /// Every record has a valid HMAC, or a later record with one covers it.
    Checked,
}

/// What the given anchors prove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Anchored {
    /// The number of anchors that confirm a record of these files.
    pub statements: u64,
    /// The number of anchors about records before the first one of these files.
    pub earlier: u64,
    /// The last confirmed record and the time of its anchor. This record and all before it are
    /// unchanged since then.
    pub last: Option<(u64, String)>,
}

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of intact records before the break, or of all records.
    pub records: u64,
    /// The sequence number of the first record; more than 1 if older files are archived elsewhere.
    pub first: Option<u64>,
    /// The last intact record.
    pub head: Option<Head>,
    /// The first [`GAPS_MAX`] gaps that the log reports.
    pub gaps: Vec<Gap>,
    /// The number of all gaps.
    pub gap_count: u64,
    /// The sequence numbers of the gaps that have not ended.
    pub open_gaps: Vec<u64>,
    /// The number of lost records that the gaps report.
    pub lost: u64,
    /// The first [`GAPS_MAX`] writes whose outcome is not recorded.
    pub unfinished: Vec<UnfinishedWrite>,
    /// The number of all writes whose outcome is not recorded.
    pub unfinished_count: u64,
    /// Whether the records have HMACs, and whether these were checked.
    pub macs: HmacStatus,
    /// What the anchors prove; absent if none were given.
    pub anchored: Option<Anchored>,
    /// The first bad record, or the records that are missing at the end.
    pub broken: Option<ChainBreak>,
}
