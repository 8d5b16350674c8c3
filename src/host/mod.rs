//! The door to this machine: files, clock, signals.
