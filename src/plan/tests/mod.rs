//! The table of steps, row by row; then the properties.

mod build;
mod properties;
mod rows;
