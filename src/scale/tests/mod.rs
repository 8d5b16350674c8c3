//! Each rule with the numbers of its text; then what holds for every sight.

mod circuit;
mod pressure;

mod runners;
mod scene;

mod waiting;
