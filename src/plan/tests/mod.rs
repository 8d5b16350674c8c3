//! The table of steps, row by row; then the properties.

pub(super) mod build;
mod properties;
mod rows;
