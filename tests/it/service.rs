//! `runnerctl watch` as a process, against `runnerctl sandbox` as another.

mod alerts;
mod demo;
mod disk;
mod end;
mod guardrails;
mod mtls;
mod pages;
mod records;
mod reload;
mod rotation;
pub(crate) mod stage;
mod start;
mod status;
mod threads;
