//! All series. They are declared in [`super::gauges`] and [`super::counters`]; tests compare the
//! alert rules and the dashboard with them.

use super::counters::{Counter, Timing};
use super::gauges::GAUGES;
pub use super::metric_def::{MetricDef, MetricKind};

/// All series, in the order of `/metrics`.
pub fn all() -> impl Iterator<Item = &'static MetricDef> {
    GAUGES.iter().map(|gauge| &gauge.def).chain(Counter::ALL).chain(Timing::ALL)
}
