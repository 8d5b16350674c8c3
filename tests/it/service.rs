//! `runnerctl watch` as a process, against a `runnerctl sandbox` process.

mod alerts;
mod demo;
mod disk;
mod end;
pub(crate) mod fleet_of_garms;
mod garms;
mod groups;
mod guardrails;
mod health;
mod mtls;
mod pages;
mod records;
mod reload;
mod rotation;
mod shown;
pub(crate) mod stage;
mod start;
mod status;
mod status_page;
mod threads;
