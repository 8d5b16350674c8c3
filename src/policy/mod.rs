//! Guardrails: what a pool may ask for (DESIGN §7). Declared pools → violations, each about one
//! field of one pool.
//!
//! Judges a pool as it will stand in GARM: defaults merged, `extra_specs` whole. Never reads a file,
//! never decides what becomes of a violation. What GARM still has of pools that are not declared
//! comes in as a number. The kit that runners get, and which pools cannot have it, is [`kit`].

mod join;
mod judge;
pub mod kit;
mod networks;

pub use join::joined;
pub use judge::{UndeclaredPools, Violation, judge, judge_live};
