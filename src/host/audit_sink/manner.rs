//! How a diary is kept, and what it tells.

use std::time::Duration;

use crate::audit::{Damage, Entry, Head, Kind};

/// What a diary tells while it is kept. Told from the thread that writes, or from the one that asks.
#[derive(Debug)]
pub enum Kept<'a> {
    /// This is about to be written.
    Asked(&'a Entry),
    /// The file is a new one: where the one before ended.
    Rotated(&'a Head),
    /// What stood in the file was changed.
    Damaged(&'a Damage),
    /// A record of this kind stands in the file.
    Written(Kind),
    /// One does not, and why.
    Lost(&'a str),
    /// The file cannot be written, and why.
    Stuck(&'a str),
    /// It can be written again, and all that was lost is told of.
    Free,
}

/// Hears what becomes of records.
pub type Ear = Box<dyn Fn(&Kept<'_>) + Send + Sync>;

/// What a write does whose record cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It is sent all the same; the record is lost.
    GoOn,
    /// It is not sent (`watch.audit_required`).
    Required,
}

/// How a diary is kept.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// What a write does whose record cannot be written.
    pub rule: Rule,
    /// How long it waits for its record.
    pub patience: Duration,
    /// Between two tries to write to a file that cannot be written.
    pub retry: Duration,
    /// How much may wait to be written, in bytes.
    pub waiting_max: usize,
}

impl Manner {
    /// Other processes hold the file for the time of one `fsync`: two seconds are many of those.
    pub fn usual(rule: Rule) -> Self {
        Self {
            rule,
            patience: Duration::from_secs(2),
            retry: Duration::from_secs(1),
            waiting_max: 32 << 20,
        }
    }
}
