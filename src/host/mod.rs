//! The door to this machine: files, clock, signals, the audit file, systemd.
//!
//! Decides nothing about the fleet. The only room that reads a clock or the environment.

pub mod clock;
#[cfg(test)]
mod crash;
pub mod diary;
mod disk;
pub mod files;
pub mod heap;
pub mod ledger;
pub mod logs;
pub mod replace;
mod rotation;
pub mod signals;
pub mod state;
pub mod systemd;
mod walk;
