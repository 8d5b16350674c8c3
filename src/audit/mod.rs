//! Audit records and the hash chain that ties them together (R11).
//!
//! Decides what a record says, how it is sealed and whether a file of them is whole. Never opens a
//! file, takes a lock or reads a clock: `host::ledger` does.
//!
//! A record is one line of JSON. **Invariant:** its `hash` is the SHA-256 of the bytes of its own
//! line before `,"hash":`, which contain the hash of the record before; so no byte of a file can
//! change, and no record leave it, without a break at that place. What is missing at the end only
//! a remembered head shows.

mod chain;
mod entry;
pub mod fields;
pub mod lifecycle;
mod verify;

pub use chain::{
    Ending, Flaw, Head, Key, RECORD_MAX, Record, Tail, Whole, open, read_tail, seal, torn_entry,
};
pub use entry::{
    Actor, By, Cause, Entry, Kind, Owner, Seen, Sight, Source, Subject, Verdict, shrink,
};
pub use verify::{Break, Check, File, GAPS_MAX, Gap, Line, Macs, Next, Report, first_seq, verify};
