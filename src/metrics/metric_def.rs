//! What a series is: its name, kind, labels and help.

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
