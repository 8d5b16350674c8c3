//! The domain types: pool, runner, job, label, duration, fleet, and the rules that GARM counts by.
//!
//! Decides what a valid value is (a name, a duration, an owner mark) and refuses anything else.
//! Never reads a clock, a file or a socket, and derives no serde: the YAML format lives in
//! `config`, GARM's JSON in `garm::wire`.
//! [`poison`] is here only because every room above takes locks.

pub mod address;
pub mod backoff;
pub mod capacity_fault;
pub mod credential;
pub mod desired;
pub mod duration;
pub mod entity;
pub mod field;
pub mod field_kind;
pub mod fleet;
pub mod glob;
pub mod job;
pub mod label;
pub mod name;
pub mod owners;
pub mod poison;
pub mod pool;
pub mod price;
pub mod proof;
pub mod redact;
pub mod runner;
pub mod secret;
pub mod stored_field;
pub mod text;
