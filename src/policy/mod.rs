//! Policy: what pools may request (DESIGN §7). Checks pools and returns violations, each about one
//! field of one pool.
//!
//! Checks a pool as it will be in GARM: with defaults merged and complete `extra_specs`. Never
//! reads a file and never decides what follows from a violation. The runners of pools that are not
//! declared are passed in as a number. [`kit`] is the kit for runners, and decides which pools
//! cannot have it.

mod join;
mod judge;
pub mod kit;
mod networks;

pub use join::joined;
pub use judge::{UndeclaredPools, Violation, judge, judge_live};
