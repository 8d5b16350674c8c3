//! The records that wait for the writer thread.

use std::collections::VecDeque;
use std::time::Instant;

use jiff::Timestamp;

use super::archiving::ArchivePlan;
use super::batch::UrgentRecord;
use crate::audit::{Draft, Head};

/// The records that wait to be written, and how the last attempts ended.
#[derive(Default)]
pub(super) struct SinkQueue {
    /// Records that writes wait for.
    pub(super) urgent: VecDeque<UrgentRecord>,
    pub(super) others: VecDeque<Draft>,
    /// The size of `others` in bytes.
    pub(super) bytes: usize,
    pub(super) missing: MissingRecords,
    pub(super) failure: Option<WriteFailure>,
    pub(super) is_closing: bool,
    /// Whether records that this process had written were found changed or missing.
    pub(super) is_altered: bool,
    /// Whether the last attempt before the end failed.
    pub(super) is_over: bool,
    pub(super) head: Option<Head>,
    pub(super) archive: ArchivePlan,
}

/// Records that were lost since the last gap record.
#[derive(Default)]
pub(super) struct MissingRecords {
    pub(super) count: u64,
    pub(super) since: Option<Timestamp>,
}

/// Why the file cannot be written at the moment.
pub(super) struct WriteFailure {
    pub(super) why: String,
    pub(super) since: Instant,
    pub(super) retry_at: Instant,
    /// Whether it has lasted long enough to be reported.
    pub(super) is_reported: bool,
}

impl SinkQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.others.is_empty() && self.missing.count == 0
    }

    /// Whether the file has been reported as unwritable.
    pub(super) fn is_stuck(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.is_reported)
    }
}
