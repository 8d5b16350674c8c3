//! What the loop is told: how to run at its start, and orders while it runs.

use std::time::Duration;

use super::managed_pools::DeclaredPools;

/// How the loop runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopSettings {
    /// Between two full reads: `watch.resync`.
    pub resync: Duration,
    /// How long it runs.
    pub course: RunMode,
    /// Whether it writes.
    pub writes: Writes,
}

/// How long the loop runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMode {
    /// Until it is told to stop.
    Steady,
    /// One read, one decision, its writes; then until the pulses it raised have ended, at most a
    /// minute (`--once`).
    Once,
    /// One read; every level above its floor is lowered to it (`--release`).
    Release,
}

/// Whether the loop writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// It does.
    Sent,
    /// It decides and writes nothing (`--dry-run`): it also asks no more of GARM than in a quiet
    /// fleet.
    Withheld,
}

/// An order to a loop that runs.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchCommand {
    /// Other pools, or other policies.
    Reload(DeclaredPools),
    /// Read the whole fleet now.
    ReadNow,
    /// Write no more until [`WatchCommand::Go`]; why, in a few words.
    Hold(HoldReason, String),
    /// Write again, as far as this one is concerned.
    Go(HoldReason),
    /// Finish the write in flight, end all pulses, keep what is held, leave within 10 s.
    Stop,
}

/// What keeps the loop from writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HoldReason {
    /// Client certificates are not proven to be enforced: all pulses end; levels only fall, and
    /// nothing else is written.
    Unproven,
    /// Writes cannot be recorded (`watch.audit_required`): nothing is written at all.
    Unrecorded,
}
