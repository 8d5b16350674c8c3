//! A GARM and a GitHub in a box: the tests' GARM, the demo, the sandbox.
//!
//! [`World`] is pure: virtual time, seeded chance, no tokio. Two doors lead in: [`memory`], on
//! tokio's clock (paused or not), and [`http`], in real time on loopback. It writes its JSON by its
//! own code and never uses the client's decoder: a misspelt key must not pass both.
//!
//! Decides what GARM would do. Where it and GARM disagree, GARM is right; every quirk cites the
//! section of GARM's facts that it comes from. Never decides anything for the program itself.

mod agenda;
mod auth;
mod base64;
mod body;
mod change;
mod config;
mod consume;
mod controller;
mod credentials;
mod dice;
mod endpoints;
mod entities;
mod entity;
mod faults;
mod genesis;
mod github;
mod hearing;
mod hooks;
pub mod http;
mod instance;
mod instances;
mod job;
mod json;
mod jsonb;
mod lab;
mod listener;
mod load;
mod log;
mod loops;
pub mod memory;
mod paths;
mod pool;
mod pools;
mod proxies;
mod query;
mod reap;
mod reply;
mod routes;
mod scale_sets;
mod settings;
mod show;
mod show_settings;
mod socket;
mod stream;
mod templates;
mod vms;
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
