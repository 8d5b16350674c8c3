//! The door to this machine: files, clock, signals, the audit file, systemd.
//!
//! Decides nothing about the fleet. No other room reads the wall clock or the environment.

pub mod anchor;
pub mod atomic_write;
pub mod audit_destination;
pub mod audit_file;
pub mod audit_sink;
pub mod boot_clock;
mod checkpoint;
pub mod clock;
#[cfg(test)]
mod crash;
mod disk;
pub mod files;
pub mod git;
mod log_end;
pub mod log_set;
mod log_source;
pub mod logs;
pub mod malloc_tuning;
mod rotation;
mod segment_archive;
pub mod segments;
pub mod self_check;
pub mod signals;
pub mod state_dir;
pub mod systemd;
mod walk;
