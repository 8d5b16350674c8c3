//! runnerctl: a fleet of self-hosted GitHub Actions runners, run by GARM, declared in YAML.
//!
//! A room imports only from floors below its own, never from another room on the same floor
//! (`tests/it/architecture.rs` checks this):
//!
//! | floor | rooms |
//! |---|---|
//! | command line | [`cli`] |
//! | execution | [`sim`], [`reconcile`], [`metrics`] |
//! | doors (I/O) | [`garm`], [`secrets`], [`notify`], [`lease_store`], [`host`] |
//! | presentation | [`render`] |
//! | audit | [`audit`] |
//! | events | [`event`] |
//! | monitoring | [`monitor`] |
//! | planning | [`plan`] |
//! | policy | [`policy`] |
//! | config, scaling, election | [`config`], [`scaling`], [`election`] |
//! | domain | [`domain`] |

pub mod audit;
pub mod cli;
pub mod config;
pub mod domain;
pub mod election;
pub mod event;
pub mod garm;
pub mod host;
pub mod lease_store;
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
