//! All series. Their tables are in [`super::gauges`] and [`super::counters`]; alert rules and
//! dashboard are tested against them.

use super::counters::{Counter, Timing};
use super::gauges::GAUGES;
pub use super::metric_def::{MetricDef, MetricKind};

/// All series, in the order of `/metrics`.
pub fn all() -> impl Iterator<Item = &'static MetricDef> {
    GAUGES.iter().map(|gauge| &gauge.def).chain(Counter::ALL).chain(Timing::ALL)
}
