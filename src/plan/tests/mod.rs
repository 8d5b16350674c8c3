//! The table of steps, row by row, and properties of every plan.

mod backoff;
pub(crate) mod build;
mod claims;
mod credentials;
mod fields;
mod justified;
mod kit;
mod levels;
mod model;
mod properties;
mod replaces;
mod rows;
mod scale_sets;
pub(crate) mod some;
