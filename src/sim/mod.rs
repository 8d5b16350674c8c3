//! A GARM and a GitHub in a box: the tests' GARM, the demo, the sandbox.
//!
//! [`World`] is pure: virtual time, seeded chance, no tokio. Two doors lead in: [`memory`], on
//! tokio's clock (paused or not), and [`http`], in real time on loopback. It writes its JSON by its
//! own code and never uses the client's decoder: a misspelt key must not pass both.
//!
//! Decides what GARM would do. Where it and GARM disagree, GARM is right; every quirk cites the
//! section of GARM's facts that it comes from. Never decides anything for the program itself.

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
mod in_memory_stream;
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
mod scale_sets;
mod scheduler;
mod seed;
mod settings;
mod settings_view;
mod stream;
mod templates;
mod vms;
mod webhooks;
mod websocket;
mod world;

pub use config::{
    GarmDatabase, GarmVariant, GarmVersion, Knobs, PAT, ProviderKnobs, SetupState, SimConfig,
};
pub use faults::{Fault, FaultRule, Faults};
pub use github::JobBatch;
pub use initial_load::InitialLoad;
pub use log::{LogEntry, LogEvent};
pub use reply::ApiReply;
pub use routes::ApiRequest;
pub use stream::GarmEvent;
pub use world::{Exchange, World};
