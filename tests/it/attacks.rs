//! Attacks that unit tests do not cover. `docs/security.md` lists all attacks.

mod consent;
mod hostile_garm;
mod marks;
mod pull_request;
mod reading;
mod recipe;
mod records;
mod secrets;
