//! The door to this machine: files, clock, signals.

pub mod files;
