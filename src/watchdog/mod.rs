//! What watches over the fleet while it works: the isolation auditor, the alert rules, and the
//! report on the requirements.
//!
//! Decides whether something that was seen is a finding, whether an alert fires, whether a
//! requirement is met. Never asks GARM, never sends anything, never reads a clock: observations
//! and times come in, findings and transitions go out as data.

pub mod finding;
mod floors;
pub mod isolation;
mod track;
mod vms;

pub use finding::{Finding, Kind, Remedy};
pub use isolation::{Auditor, Watched};
