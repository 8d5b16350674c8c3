//! `watch`: the scaling loop (DESIGN §5).
//!
//! Owns the picture of the fleet, what scaling remembers, every read, every write (through
//! [`act`](super::act)) and every sleep. It knows no board, no alert and no file: it tells an
//! [`Observer`], and takes [`WatchCommand`]s.
//!
//! What it does is decided by a state machine without I/O, which turns what has come in at a
//! moment into what is to be done; a driver does that, and sleeps until the next moment.

mod act;
mod clock;
mod command;
mod driver;
mod evaluation;
mod explained;
mod first_decisions;
mod full_read;
mod input;
mod level_lease;
mod machine;
mod managed_pools;
mod observe;
mod observer;
mod pool_controller;
mod release;
mod resync_schedule;
mod scale_down;
mod stale_cache;
mod stalls;
mod write_freeze;

pub use command::{HoldReason, LoopSettings, RunMode, WatchCommand, Writes};
pub use driver::{LoopIo, WatchEnd, watch};
pub use first_decisions::first_decisions;
pub use managed_pools::{
    DeclaredPools, DeclaredScaling, ManagedPool, ResolvedPools, UnresolvedReason,
};
pub use observer::{
    ActEnd, Applied, Deed, EventStream, Incident, LoopSnapshot, Observer, WriteReport,
};
