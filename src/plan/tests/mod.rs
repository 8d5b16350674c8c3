//! The table of steps, row by row; then the properties.

pub(crate) mod build;
mod properties;
mod rows;
