//! A decision of the scaler in words and as JSON: what it does now, why, what stands in the way
//! and what would change it. `status`, `/decisions`, the log and the audit say it the same way.

mod json;
mod rules;
mod words;

pub use json::{json, report};
pub use words::{Binding, binding, freeze, next, sentence, short, untaken};

#[cfg(test)]
mod tests;
