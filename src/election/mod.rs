//! Elects the one process that writes, through a lease record that all candidates share. With several
//! leases, one for each GARM, the processes share them out ([`Membership`], [`Share`]).
//!
//! Decides which request to the store is due, and until when this process may write. Never sends a
//! request and reads no clock: times are durations on this process's own monotonic clock, which also
//! runs while the machine is suspended. No two processes compare their clocks.
//!
//! **Invariant:** of all processes, at most one may write at any time, as long as the store compares
//! and swaps atomically and no clock runs more than 1.5 times as fast as another. A holder may write
//! for [`WRITE_FOR`] after it has *sent* its last successful renewal. Another process takes the lease
//! only from a version that it has seen unchanged for [`DURATION`]; that version was written by the last
//! successful renewal, which was therefore sent before.

mod machine;
mod members;
mod record;
mod share;

pub use machine::{
    DURATION, Election, Grant, LINGER, READ_EVERY, RENEW_EVERY, RETRY, Taking, WRITE_FOR,
};
pub use members::{
    BEAT_EVERY, Member, MembersAnswer, MembersRecord, MembersRequest, Membership, StoredMembers,
};
pub use record::{
    FiredAlert, LeaseAnswer, LeaseNotes, LeaseRecord, LeaseRequest, OwnNotes, StoreFault,
    StoredLease, SwapResult, shown_holder,
};
pub use share::{GRACE, JoinedLeases, LeaseOwner, Share, join};

#[cfg(test)]
mod share_tests;
#[cfg(test)]
mod tests;
