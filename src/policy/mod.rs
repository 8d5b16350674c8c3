//! Policy: what pools may request (DESIGN §7). Checks pools and returns violations, each of which
//! is about one field of one pool.
//!
//! Pools are checked as they will be in GARM, with defaults and complete `extra_specs`. Never reads
//! a file or decides what follows from a violation. Of the pools that are not declared, only the
//! sum of their runners is known here. [`kit`] generates the runner kit, and decides which pools
//! cannot have it.

mod join;
mod judge;
pub mod kit;
mod networks;

pub use join::joined;
pub use judge::{UndeclaredPools, Violation, judge, judge_live, most_runners};
