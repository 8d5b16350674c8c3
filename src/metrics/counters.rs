//! The tables of all counters and histograms, and their values since the start of the process.

use std::collections::BTreeMap;
use std::time::Duration;

use super::metric_def::{MetricDef, MetricKind};
use crate::domain::name::PoolName;

/// A label value from a fixed set, so that the number of series does not grow with the number of
/// runners or jobs, or with texts from GARM.
type LabelWord = &'static str;

/// Declares an enum with one variant per metric, from rows of the form
/// `Variant { label: Type, … } = kind("name", "help");`. A value of the enum is one time series: a
/// metric with a value for each label.
macro_rules! series {
    (
        $(#[$doc:meta])*
        $group:ident {
            $($variant:ident $({ $($label:ident: $type:ty),+ })? =
                $kind:ident($name:literal, $help:literal $(, $bounds:expr)?);)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $group {
            $(#[doc = $help] $variant $({ $($label: $type),+ })?,)+
        }

        impl $group {
            /// The definitions of all metrics, in the order of `/metrics`.
            pub(super) const ALL: &'static [MetricDef] = &[
                $($kind($name, &[$($(stringify!($label)),+)?], $help $(, $bounds)?)),+
            ];

            pub(super) fn series(&self) -> &'static MetricDef {
                match self {
                    $(Self::$variant { .. } => const {
                        &$kind($name, &[$($(stringify!($label)),+)?], $help $(, $bounds)?)
                    },)+
                }
            }

            /// The values of the labels, in the order of [`MetricDef::labels`].
            fn labels(&self) -> Vec<&dyn LabelValue> {
                match self {
                    $(Self::$variant $({ $($label),+ })? => {
                        vec![$($($label as &dyn LabelValue),+)?]
                    })+
                }
            }

            pub(super) fn values(&self) -> Vec<String> {
                self.labels().iter().map(|label| label.text()).collect()
            }

            /// The pool that the series is about, if any.
            pub(super) fn pool(&self) -> Option<&PoolName> {
                self.labels().into_iter().find_map(|label| label.pool())
            }
        }
    };
}

series! {
    /// A counter with the values of its labels. A counter without labels is exposed from the start,
    /// with the value 0.
    Counter {
        ScalingDecision { pool: PoolName, direction: LabelWord, reason: LabelWord } =
            counter("runnerctl_scaling_decisions_total",
                "Number of decisions to change a pool, by direction and reason");
        ScalingAction { pool: PoolName, direction: LabelWord, outcome: LabelWord } =
            counter("runnerctl_scaling_actions_total",
                "Number of writes to GARM that scale a pool, by direction and outcome");
        ScaledownRefused { pool: PoolName, reason: LabelWord } =
            counter("runnerctl_scaledown_refused_total",
                "Number of removals of idle runners that were refused, by reason");
        LevelResent =
            counter("runnerctl_level_resent_total",
                "Number of levels sent again because GARM did not act on them");
        Rescue { pool: PoolName } =
            counter("runnerctl_rescues_total",
                "Number of times that a stalled scale set was rescued by a change of its level");
        ReconcileError =
            counter("runnerctl_reconcile_errors_total", "Number of full reads of GARM that failed");
        GarmRequest { method: LabelWord, code: Option<u16> } =
            counter("runnerctl_garm_requests_total",
                "Number of requests to GARM by method and status, none for no answer");
        AuditRecord { kind: LabelWord } =
            counter("runnerctl_audit_records_total", "Number of audit records written, by kind");
        AuditGap =
            counter("runnerctl_audit_gaps_total",
                "Number of gaps in the audit log, each of them recorded");
        AuditWriteError =
            counter("runnerctl_audit_write_errors_total",
                "Number of audit records that could not be written");
        AuditBreak =
            counter("runnerctl_audit_breaks_total",
                "Number of times that records of the audit log were found cut, changed or deleted");
        AuditAnchor { place: LabelWord, outcome: LabelWord } =
            counter("runnerctl_audit_anchors_total",
                "Number of signed statements about the audit log, by place and outcome");
        EphemeralViolation { reason: LabelWord } =
            counter("runnerctl_ephemeral_violations_total",
                "Number of findings against the rule of one job per runner, by reason");
        AlertDelivery { receiver: String, outcome: LabelWord } =
            counter("runnerctl_alert_deliveries_total",
                "Number of attempts to deliver alerts, by receiver and outcome");
    }
}

series! {
    /// A histogram of durations with the values of its labels.
    Timing {
        JobQueue { pool: PoolName } =
            histogram("runnerctl_job_queue_duration_seconds",
                "Time that jobs waited from queued to started",
                &[10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0]);
        RunnerStartup { pool: PoolName } =
            histogram("runnerctl_runner_startup_duration_seconds",
                "Time from the creation of runners until they were idle",
                &[10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0]);
        Reconcile =
            histogram("runnerctl_reconcile_duration_seconds",
                "Time for a full read of GARM and the decisions on it",
                &[0.025, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0]);
        GarmRequest { method: LabelWord } =
            histogram("runnerctl_garm_request_duration_seconds",
                "Time for a request to GARM, its answer included",
                &[0.005, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0]);
    }
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricDef {
    MetricDef { name, kind: MetricKind::Counter, labels, help }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    bounds: &'static [f64],
) -> MetricDef {
    MetricDef { name, kind: MetricKind::Histogram(bounds), labels, help }
}

trait LabelValue {
    fn text(&self) -> String;

    fn pool(&self) -> Option<&PoolName> {
        None
    }
}

impl LabelValue for PoolName {
    fn text(&self) -> String {
        self.as_str().to_owned()
    }

    fn pool(&self) -> Option<&PoolName> {
        Some(self)
    }
}

impl LabelValue for LabelWord {
    fn text(&self) -> String {
        (*self).to_owned()
    }
}

impl LabelValue for String {
    fn text(&self) -> String {
        self.clone()
    }
}

impl LabelValue for Option<u16> {
    fn text(&self) -> String {
        self.map_or_else(|| "none".to_owned(), |number| number.to_string())
    }
}

impl Timing {
    fn bounds(&self) -> &'static [f64] {
        match self.series().kind {
            MetricKind::Histogram(bounds) => bounds,
            MetricKind::Gauge | MetricKind::Counter => &[],
        }
    }
}

/// The number of observations in each bucket, their total number and their sum.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Histogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    pub(super) count: u64,
    pub(super) sum_s: f64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len()], count: 0, sum_s: 0.0 }
    }

    fn observe(&mut self, seconds: f64) {
        // A value on a bound belongs to that bucket. Values above the last bound are only in
        // `count`.
        if let Some(at) = self.bounds.iter().position(|bound| seconds <= *bound) {
            self.counts[at] += 1;
        }
        self.count += 1;
        self.sum_s += seconds;
    }

    /// Each bound with the number of observations that do not exceed it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let mut sum = 0;
        self.bounds.iter().zip(&self.counts).map(move |(bound, count)| {
            sum += count;
            (*bound, sum)
        })
    }
}

/// The values of all counters and histograms since the start of the process.
#[derive(Debug, Default)]
pub(super) struct MetricTotals {
    pub(super) counters: BTreeMap<Counter, u64>,
    pub(super) histograms: BTreeMap<Timing, Histogram>,
}

impl MetricTotals {
    pub(super) fn add(&mut self, counter: Counter, n: u64) {
        *self.counters.entry(counter).or_insert(0) += n;
    }

    pub(super) fn observe(&mut self, timing: Timing, took: Duration) {
        let bounds = timing.bounds();
        let histogram = self.histograms.entry(timing).or_insert_with(|| Histogram::new(bounds));
        histogram.observe(took.as_secs_f64());
    }

    /// Drops the series of pools for which `is_kept` is `false`.
    pub(super) fn keep(&mut self, is_kept: impl Fn(&PoolName) -> bool) {
        self.counters.retain(|counter, _| counter.pool().is_none_or(&is_kept));
        self.histograms.retain(|timing, _| timing.pool().is_none_or(&is_kept));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_counts_in_its_bucket_and_one_above_all_only_in_the_total() {
        let mut histogram = Histogram::new(&[1.0, 5.0]);
        for seconds in [0.5, 1.0, 1.5, 99.0] {
            histogram.observe(seconds);
        }
        let buckets: Vec<(f64, u64)> = histogram.cumulative().collect();
        assert_eq!(buckets, [(1.0, 2), (5.0, 3)]);
        assert_eq!((histogram.count, histogram.sum_s), (4, 102.0));
    }
}
