//! Everything that changes GARM: `apply`, which carries out a plan, and `watch`, which scales. Owns
//! every sleep.
//!
//! [`read_fleet`] reads GARM into a fleet, and [`apply`] carries out a plan. Neither decides what
//! to do: the only choice that a plan leaves open is what happens if GARM has changed since it was
//! read, and then nothing is done. [`leadership`] says which of several `watch` may write. Only
//! [`writer`] calls methods of the client that write.

pub mod apply;
pub mod audit_trail;
mod context;
mod create;
mod duplicate_pools;
mod idle;
pub mod leadership;
mod level_rule;
pub mod options;
mod preconditions;
pub mod read_fleet;
mod reread;
mod retire;
mod rotate;
mod step;
mod step_end;
pub mod watch;
mod write_outcome;
pub mod writer;
