//! A simulated GARM and GitHub, for tests, `demo` and `sandbox`.
//!
//! [`World`] is pure: virtual time, seeded randomness, no tokio. It is reached through
//! [`in_memory`], on tokio's clock (paused or not), or [`http`], in real time on loopback. It
//! writes JSON with its own code and never uses the client's decoder, so that a misspelt key cannot
//! pass on both sides.
//!
//! It decides what GARM would do and nothing for the program itself. Where it and GARM disagree,
//! GARM is right; each quirk cites the section of GARM.md that it comes from.

mod auth;
mod body;
mod cleanup;
mod config;
mod control_api;
mod controller;
mod credentials;
mod endpoints;
mod entities;
mod entity;
mod event_subscriber;
mod faults;
mod github;
pub mod http;
pub mod in_memory;
mod initial_load;
mod instance;
mod instances;
mod job;
mod jobs_loop;
mod json;
mod jsonb;
mod log;
mod loops;
mod paths;
mod pool;
mod pool_update;
mod pools;
mod proxies;
mod query;
mod reply;
mod rest_view;
mod rng;
mod routes;
mod row_key;
mod scale_set;
mod scale_set_jobs;
mod scale_set_service;
mod scale_set_update;
mod scale_set_view;
mod scale_set_worker;
mod scale_sets;
mod scheduler;
mod seed;
mod settings;
mod settings_view;
mod shared_world;
mod stream;
mod templates;
mod vms;
mod webhooks;
mod websocket;
mod world;

pub use config::{
    Forge, GarmDatabase, GarmVariant, GarmVersion, Knobs, PAT, ProviderKnobs, SetupState, SimConfig,
};
pub use faults::{Fault, FaultRule, Faults};
pub use github::JobBatch;
pub use initial_load::InitialLoad;
pub use log::{LogEntry, LogEvent};
pub use reply::ApiReply;
pub use routes::ApiRequest;
pub use stream::GarmEvent;
pub use world::{Exchange, World};
