//! The lease record, and the requests to the store that holds it.

use jiff::Timestamp;

/// The record of who leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRecord {
    /// The id of the process that leads, different for each start of a process; empty if the lease was
    /// released.
    pub holder: String,
    /// Grows by at least one with each change of the holder.
    pub term: u64,
    /// The number of this write among the holder's, which tells its writes apart.
    pub number: u64,
    /// When the term began, on the holder's clock. Only shown.
    pub since: Timestamp,
    /// When this was written, on the holder's clock. Only shown.
    pub written_at: Timestamp,
    pub notes: LeaseNotes,
}

/// What a leader leaves for the next one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseNotes {
    /// The head of the leader's audit log, `SEQ:HASH`; absent without a record.
    pub audit_head: Option<String>,
    /// The firing alerts that have reached their receivers.
    pub alerts: Vec<FiredAlert>,
}

/// What a process has to say for the next leader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnNotes {
    /// See [`LeaseNotes::audit_head`].
    pub audit_head: Option<String>,
    /// See [`LeaseNotes::alerts`]; `None` leaves those in the record, which this process has not taken
    /// over yet.
    pub alerts: Option<Vec<FiredAlert>>,
}

/// An alert that the receivers have been told of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FiredAlert {
    pub rule: String,
    /// The pool; absent for the whole fleet.
    pub pool: Option<String>,
    pub since: Timestamp,
}

/// A record as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLease {
    pub record: LeaseRecord,
    /// The store's version of the record, which changes with each write.
    pub version: String,
}

/// A request to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseRequest {
    Read,
    /// Writes `record` if the store still has this version; `None`: if it has no record.
    Swap {
        expected: Option<String>,
        record: LeaseRecord,
    },
}

/// The outcome of a swap that the store has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwapResult {
    /// The record was written and has this version.
    Done(String),
    /// The store has another version, and nothing was written.
    Conflict,
}

/// A request that was not answered, or refused: one sentence, escaped. A swap may have been carried
/// out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreFault {
    pub message: String,
    /// What to do about it; may be empty.
    pub help: &'static str,
}

/// The answer of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseAnswer {
    Read(Result<Option<StoredLease>, StoreFault>),
    Swap(Result<SwapResult, StoreFault>),
}

/// The host and process in an id `HOST:PID:NONCE`.
pub fn shown_holder(id: &str) -> &str {
    id.rsplit_once(':').map_or(id, |parts| parts.0)
}
