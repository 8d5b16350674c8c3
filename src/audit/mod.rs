//! Audit records and the hash chain that links them (R11).
//!
//! Decides what a record says, how it is sealed and whether a log is complete and unaltered. Never
//! opens a file, takes a lock or reads a clock; `host::audit_file` does.
//!
//! A record is one line of JSON. **Invariant:** its `hash` is the SHA-256 of the bytes of its own
//! line before `,"hash":`, and those bytes contain the hash of the previous record. Changing a byte
//! or removing a record therefore breaks the chain at that place. Only a remembered head, or a
//! signed statement about one, reveals that records are missing at the end.

pub mod anchor;
mod chain;
mod check;
mod entry;
mod hmac_check;
mod key;
mod keys;
pub mod lifecycle;
mod manifest;
mod note;
mod pending;
pub mod pool_fields;
mod report;
mod select;
mod tail;
mod torn;
mod verify;

pub use chain::{Draft, Head, RECORD_MAX, Record, RecordFlaw, open, seal};
pub use check::{Check, CheckCriteria, FileLine, ReadOn};
pub use entry::{
    Actor, Cause, Entry, EventObservation, Fidelity, Initiator, PoolOwner, RecordKind, Source,
    Subject, Verdict, shrink,
};
pub use key::{KEY_MIN, Key, KeyId, ShortKey};
pub use keys::{KeyError, Keys, Signer};
pub use manifest::{Segment, SegmentManifest, lost_records};
pub use note::{Damage, DamageKind, LogNote};
pub use report::{Anchored, ChainBreak, GAPS_MAX, Gap, HmacStatus, Report, UnfinishedWrite};
pub use select::{BrokenLines, RecordFilter, Selected, SelectedKind, Selection};
pub use tail::{FinalNewline, LastRecord, Tail, TailScope, read_tail};
pub use torn::Torn;
pub use verify::{NamedFile, first_seq, verify};

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
