//! A GARM and a GitHub in a box: the tests' GARM, the demo, the sandbox.
//!
//! [`World`] is pure: virtual time, seeded chance, no tokio. Two doors lead in: [`memory`], on
//! tokio's clock (paused or not), and [`http`], in real time on loopback. It writes its JSON by its
//! own code and never uses the client's decoder: a misspelt key must not pass both.
//!
//! Decides what GARM would do. Where it and GARM disagree, GARM is right; every quirk cites the
//! section of GARM's facts that it comes from. Never decides anything for the program itself.

mod auth;
mod base64;
mod body;
mod change;
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
mod instance;
mod instances;
mod job;
mod jobs_loop;
mod json;
mod jsonb;
mod listener;
mod load;
mod log;
mod loops;
mod paths;
mod pool;
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
mod show_settings;
mod socket;
mod stream;
mod templates;
mod vms;
mod webhooks;
mod world;

pub use config::{Config, Database, Flavour, Knobs, PAT, ProviderKnobs, Setup, Version};
pub use faults::{Fault, Faults, Rule};
pub use github::{HandOut, Order};
pub use load::Load;
pub use log::{Entry, What};
pub use reply::Reply;
pub use routes::Request;
pub use stream::Event;
pub use world::{Exchange, World};
