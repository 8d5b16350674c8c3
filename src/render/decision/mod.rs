//! A decision of the scaler in words and as JSON: what it does now, why, what stands in the way
//! and what would change it. `status`, `/decisions`, the log and the audit say it the same way.

mod json;
mod occupancy;
mod rules;
mod stall;
mod view;
mod words;

pub use json::{DecisionEffect, DecisionsDocument, json};
pub use occupancy::{Occupancy, occupied};
pub use stall::Stall;
pub use view::DecisionView;
pub use words::{Binding, Mood, binding, freeze, next, sentence, short};

#[cfg(test)]
mod tests;
