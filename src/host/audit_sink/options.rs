//! The options of the audit sink, and the events that it reports.

use std::time::Duration;

use crate::audit::{Damage, Entry, Head, Kind};

/// What the sink reports, from its own thread or from the thread that asks for a record.
#[derive(Debug)]
pub enum SinkEvent<'a> {
    /// A record is about to be written.
    Requested(&'a Entry),
    /// The log continues in a new file; the head at which the previous file ended.
    Rotated(&'a Head),
    /// Records that were written earlier have been changed.
    Altered(&'a Damage),
    /// A record of this kind has been written.
    Written(Kind),
    /// A record was lost, and why.
    Lost(&'a str),
    /// The file cannot be written, and why.
    Unwritable(&'a str),
    /// The file can be written again, and a gap record counts what was lost.
    WritableAgain,
}

/// A callback for the events of the sink.
pub type SinkListener = Box<dyn Fn(&SinkEvent<'_>) + Send + Sync>;

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
    /// The pause between two attempts to write to a file that could not be written.
    pub retry: Duration,
    /// How many bytes of records may wait in memory.
    pub waiting_max: usize,
}

impl SinkOptions {
    /// The options of `watch`. Another process holds the lock for the time of one `fsync`; two
    /// seconds are many of those.
    pub fn usual(rule: RecordPolicy) -> Self {
        Self {
            rule,
            patience: Duration::from_secs(2),
            retry: Duration::from_secs(1),
            waiting_max: 32 << 20,
        }
    }
}
