//! `watch`: the scaling loop (DESIGN §5).
//!
//! Owns the index of the fleet, the scaling state, every read, every write (through the
//! [`writer`](super::writer)) and every sleep. It knows nothing of metrics, alerts or files: it
//! reports to an [`Observer`] and receives [`WatchCommand`]s.
//!
//! A state machine without I/O turns inputs into reads and writes. The driver performs them and
//! sleeps until the next deadline.

mod act;
mod clock;
mod command;
mod driver;
mod due_writes;
mod evaluation;
mod explained;
mod first_decisions;
mod group_exchange;
mod group_seat;
mod input;
mod level_lease;
mod level_release;
mod machine;
mod managed_pools;
mod observe;
mod observer;
mod pool_controller;
mod release;
mod report_throttle;
mod rescue;
mod resync_schedule;
mod scale_down;
mod stale_cache;
mod stalls;
mod write_freeze;

pub use crate::reconcile::write_outcome::WriteOutcome;
pub use command::{HoldReason, LoopSettings, RunMode, WatchCommand, Writes};
pub use driver::{LoopIo, WatchEnd, watch};
pub use first_decisions::{first_assignments, first_decisions};
pub use group_seat::{GroupSeat, Rivals, SharedGroups};
pub use managed_pools::{
    DeclaredPools, DeclaredScaling, ManagedPool, ResolvedPools, UnresolvedReason,
};
pub use observer::{
    Incident, LoopSnapshot, Observer, StreamStatus, WriteAction, WriteReport, decisions,
};
