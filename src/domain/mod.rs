//! The nouns: pool, runner, job, label, duration, fleet, and what GARM counts.
//!
//! Decides what a value *is* (a name, a duration, an owner's mark) and refuses what is not one.
//! Never reads a clock, a file or a socket, and derives no serde: YAML's shapes live in
//! `manifest`, GARM's JSON in `garm::wire`.

pub mod address;
pub mod backoff;
pub mod credential;
pub(crate) mod der;
pub mod desired;
pub mod duration;
pub mod entity;
pub mod field;
pub mod fleet;
pub mod glob;
pub mod job;
pub mod label;
pub mod name;
pub mod owners;
pub mod pool;
pub mod proof;
pub mod redact;
pub mod runner;
pub mod secret;
pub mod text;
