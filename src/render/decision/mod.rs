//! A scaling decision as text and JSON: what is done now, why, what limits it, and what would
//! change it. `status`, `/decisions`, the log and the audit log share these texts.

mod binding;
mod circuit;
mod decisions_document;
mod interval;
mod json;
mod occupancy;
mod rules;
mod scale_set;
mod stall;
mod view;
mod words;

pub use binding::{DecisionLimit, binding, next};
pub use circuit::{LACKED, NO_CAPACITY};
pub use decisions_document::{DecisionsDocument, schema, several_decisions};
pub use interval::{PoolInterval, interval};
pub(super) use json::DecisionJson;
pub use json::{DecisionEffect, json};
pub use occupancy::{Occupancy, occupied};
pub use rules::{RuleVerdict, rule_verdicts};
pub use stall::Stall;
pub use view::DecisionView;
pub use words::{Mood, freeze, sentence, short};

#[cfg(test)]
mod tests;
