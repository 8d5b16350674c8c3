//! runnerctl: a fleet of self-hosted GitHub Actions runners, run by GARM, declared in YAML.
//!
//! The map. A floor imports only from floors below it, and rooms of one floor never from one
//! another (`tests/it/architecture.rs` holds the walls):
//!
//! | floor | rooms |
//! |---|---|
//! | cli | [`cli`] |
//! | machines | [`sim`], [`engine`], [`telemetry`] |
//! | doors | [`garm`], [`secrets`], [`notify`], [`host`] |
//! | words | [`view`] |
//! | records | [`audit`] |
//! | what happened | [`event`] |
//! | watching over | [`watchdog`] |
//! | steps | [`plan`] |
//! | guardrails | [`policy`] |
//! | reading and scaling | [`manifest`], [`scale`] |
//! | nouns | [`domain`] |

pub mod audit;
pub mod cli;
pub mod domain;
pub mod engine;
pub mod event;
pub mod garm;
pub mod host;
pub mod manifest;
pub mod notify;
pub mod plan;
pub mod policy;
pub mod scale;
pub mod secrets;
pub mod sim;
pub mod telemetry;
pub mod view;
pub mod watchdog;
