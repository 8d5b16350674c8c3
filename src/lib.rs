//! runnerctl: a fleet of self-hosted GitHub Actions runners, run by GARM, declared in YAML.
//!
//! The map. A floor imports only from floors below it, and rooms of one floor never from one
//! another (`tests/it/architecture.rs` holds the walls):
//!
//! | floor | rooms |
//! |---|---|
//! | cli | [`cli`] |
//! | machines | [`sim`], [`reconcile`], [`metrics`] |
//! | doors | [`garm`], [`secrets`], [`notify`], [`host`] |
//! | words | [`render`] |
//! | records | [`audit`] |
//! | what happened | [`event`] |
//! | watching over | [`monitor`] |
//! | steps | [`plan`] |
//! | guardrails | [`policy`] |
//! | reading and scaling | [`config`], [`scaling`] |
//! | nouns | [`domain`] |

pub mod audit;
pub mod cli;
pub mod config;
pub mod domain;
pub mod event;
pub mod garm;
pub mod host;
pub mod metrics;
pub mod monitor;
pub mod notify;
pub mod plan;
pub mod policy;
pub mod reconcile;
pub mod render;
pub mod scaling;
pub mod secrets;
pub mod sim;
