//! The options of the audit sink, and the events that it reports.

use std::time::Duration;

use crate::audit::{Damage, Entry, Head, RecordKind};

/// What the sink reports, on its own thread or on the thread that requests a record.
#[derive(Debug)]
pub enum SinkEvent<'a> {
    /// A record is about to be written.
    Requested(&'a Entry),
    /// The log continues in a new file. Contains the head at which the previous file ended.
    Rotated(&'a Head),
    /// The file was not closed or not archived, for this reason. Records are written all the same.
    NotRotated(&'a str),
    /// Records that were written earlier have been changed.
    Altered(&'a Damage),
    /// A record of this kind has been written.
    Written(RecordKind),
    /// A record was lost, for this reason.
    Lost(&'a str),
    /// The file cannot be written, for this reason.
    Unwritable(&'a str),
    /// The file can be written again. A gap record gives the number of lost records, unless it is 0.
    WritableAgain { lost: u64 },
}

/// A callback for the events of the sink. Must not block for long.
pub type SinkListener = Box<dyn Fn(&SinkEvent<'_>) + Send + Sync>;

/// Makes records only when the queue has room, so that a large number takes little memory.
pub trait RecordBacklog: Send + Sync {
    /// Passes the next records to `queue`. Records about the same matter that are queued by others
    /// must come after them.
    fn next(&self, queue: &mut dyn FnMut(&[Entry]));

    /// The number of records that are still to be made, or more.
    fn remaining(&self) -> usize;
}

/// What happens to a write to GARM whose record cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordPolicy {
    /// The write is sent, and the record is lost.
    BestEffort,
    /// The write is not sent (`watch.audit_required`).
    Required,
}

/// The limits of the sink.
#[derive(Debug, Clone, Copy)]
pub struct SinkOptions {
    /// What happens to a write whose record cannot be written.
    pub rule: RecordPolicy,
    /// How long a write waits for its record.
    pub patience: Duration,
    /// The pause before the next attempt to write to a file that could not be written.
    pub retry: Duration,
    /// The size of the queue, in bytes, from which
    /// [`AuditSink::has_room`](super::AuditSink::has_room) is `false`.
    pub waiting_max: usize,
}

impl SinkOptions {
    /// The options of `watch`. Another process holds the lock for the duration of one `fsync`,
    /// which is much shorter than the patience of 2 s.
    pub fn usual(rule: RecordPolicy) -> Self {
        Self {
            rule,
            patience: Duration::from_secs(2),
            retry: Duration::from_secs(1),
            waiting_max: 32 << 20,
        }
    }
}
