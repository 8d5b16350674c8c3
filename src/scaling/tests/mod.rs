//! Each rule with the numbers of its text; then what holds for every sight.

mod circuit;
mod pressure;
mod properties;

mod routing;
mod runners;
mod scene;
mod some;
mod suspects;

mod waiting;
