//! Audit records and the hash chain that ties them together (R11).
//!
//! Decides what a record says, how it is sealed and whether a file of them is whole. Never opens a
//! file, takes a lock or reads a clock: `host::audit_file` does.
//!
//! A record is one line of JSON. **Invariant:** its `hash` is the SHA-256 of the bytes of its own
//! line before `,"hash":`, which contain the hash of the record before; so no byte of a file can
//! change, and no record leave it, without a break at that place. What is missing at the end only
//! a remembered head or a signed statement about one shows.

pub mod anchor;
mod chain;
mod check;
mod entry;
mod hmac_check;
mod keys;
pub mod lifecycle;
mod note;
mod pending;
pub mod pool_fields;
mod report;
mod tail;
mod verify;

pub use chain::{Draft, Head, RECORD_MAX, Record, RecordFlaw, open, seal};
pub use check::{Check, Line, ReadOn};
pub use entry::{
    Actor, By, Cause, Entry, Kind, Owner, Seen, Sight, Source, Subject, Verdict, shrink,
};
pub use keys::{KEY_MIN, Key, KeyError, KeyId, Keys, ShortKey, Signer};
pub use note::{Damage, DamageKind, LogNote};
pub use report::{Anchored, Break, GAPS_MAX, Gap, Macs, Report, Unfinished};
pub use tail::{Ending, LastRecord, Tail, Torn, Whole, read_tail};
pub use verify::{Demands, File, first_seq, verify};

#[cfg(test)]
mod tests;
