//! What a series is: its name, kind, labels and help. The tables of all series are in
//! [`super::gauges`] and [`super::counters`]; alert rules and dashboard are tested against them.

use super::counters::{Counter, Timing};
use super::gauges::GAUGES;

/// The type of a series in Prometheus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricKind {
    Gauge,
    /// Starts at 0 with the process and only grows.
    Counter,
    /// The upper bounds of its buckets in seconds, ascending, without the infinite one.
    Histogram(&'static [f64]),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricDef {
    /// The full name, prefix included.
    pub name: &'static str,
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The text of its `# HELP` line.
    pub help: &'static str,
}

/// All series, in the order of `/metrics`.
pub fn all() -> impl Iterator<Item = &'static MetricDef> {
    GAUGES.iter().map(|gauge| &gauge.def).chain(Counter::ALL).chain(Timing::ALL)
}
