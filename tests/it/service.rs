//! `runnerctl watch` as a process, against `runnerctl sandbox` as another.

mod alerts;
mod demo;
mod end;
mod mtls;
mod pages;
mod reload;
mod stage;
mod start;
