//! The integration tests, in one binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod apply;
mod architecture;
mod attacks;
mod audit;
mod browser;
mod cli;
mod config;
mod conformance;
mod deploy;
mod documents;
mod fuzzed;
mod garm;
mod garm_http;
mod generated;
mod leader;
mod metrics;
mod monitor;
mod notify;
mod plan;
mod policy;
mod printed;
mod prometheus;
mod secrets;
mod service;
mod sim;
mod soak;
mod specification;
mod support;
mod validate;
mod watch;
