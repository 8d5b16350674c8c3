//! The settings of the loop at its start, and the commands to a running loop.

use std::time::Duration;

use super::managed_pools::DeclaredPools;

/// The settings of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopSettings {
    /// The shortest time between two full reads: `watch.resync`.
    pub resync: Duration,
    /// When the loop ends by itself.
    pub course: RunMode,
    /// Whether the loop writes to GARM.
    pub writes: Writes,
}

/// When the loop ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMode {
    /// It runs until it receives a stop command.
    Steady,
    /// One read, one decision and its writes. The loop then stays until the levels that it raised
    /// are lowered again, for at most a minute (`--once`).
    Once,
    /// One read; every level above its floor is lowered to the floor (`--release`).
    Release,
}

/// Whether the loop writes to GARM, in general or at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// Decisions are written to GARM.
    Sent,
    /// Decisions are made but not written (`--dry-run`, or a freeze). With `--dry-run` the loop
    /// sends GARM no more requests than it does in an idle fleet.
    Withheld,
}

/// A command to a running loop.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchCommand {
    /// Use this set of pools and policies.
    Reload(DeclaredPools),
    /// Read the whole fleet immediately.
    ReadNow,
    /// Stop writing until [`WatchCommand::Go`], for a reason in a few words.
    Hold(HoldReason, String),
    /// Lift the hold that has this reason.
    Go(HoldReason),
    /// Finish the write in flight, lower all raised levels to their resting levels, and end within
    /// 6 s.
    Stop,
}

/// Why the loop is held from writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HoldReason {
    /// Another process leads (`watch.leader`), or none does: nothing is written, not even at the end,
    /// and no requests are made that only serve writing.
    Standby,
    /// Enforcement of client certificates is not proven: raised levels are lowered, and nothing
    /// else is written.
    Unproven,
    /// Writes cannot be recorded (`watch.audit_required`): nothing is written at all.
    Unrecorded,
}
