//! The door to this machine: files, clock, signals, the audit file, systemd.
//!
//! Decides nothing about the fleet. The only room that reads a clock or the environment.

pub mod anchor;
pub mod book;
pub mod clock;
#[cfg(test)]
mod crash;
pub mod diary;
mod disk;
pub mod files;
pub mod heap;
pub mod ledger;
pub mod logs;
mod mark;
pub mod own;
pub mod replace;
mod rotation;
pub mod signals;
mod standing;
pub mod state;
pub mod systemd;
mod walk;
