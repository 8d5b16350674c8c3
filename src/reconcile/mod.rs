//! Observe, act (the one writer), apply, watch. Owns every sleep.
//!
//! [`observe`] reads GARM into a fleet; [`apply`] carries a plan out. Neither decides what is to
//! be done: a plan leaves no choice open but what to do when GARM is not any more as it was read,
//! and then the answer is to leave it alone. Only [`act`] calls a method of the client that writes.

pub mod apply;
pub mod audit_trail;
mod context;
mod create;
mod duplicate_pools;
mod idle;
mod preconditions;
pub mod read_fleet;
mod reread;
mod retire;
mod rotate;
mod step;
pub mod watch;
mod write_outcome;
pub mod writer;
