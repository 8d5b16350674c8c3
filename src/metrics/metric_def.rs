//! The definition of a metric.

/// The type of a metric in Prometheus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricKind {
    Gauge,
    /// Starts at 0 with the process and only grows.
    Counter,
    /// Has the upper bounds of its buckets in seconds, ascending, without the infinite one.
    Histogram(&'static [f64]),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricDef {
    /// The full name, including the prefix.
    pub name: &'static str,
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The text of its `# HELP` line.
    pub help: &'static str,
}
