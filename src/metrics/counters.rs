//! What is counted and timed. The words of labels are fixed texts, so that no series can grow
//! with runners, jobs or what GARM says.

use std::collections::BTreeMap;
use std::time::Duration;

use super::catalog::{self, MetricDef, MetricKind};
use crate::domain::name::PoolName;

/// One counter with its labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// A decision to change a pool.
    ScalingDecision {
        /// Which pool.
        pool: PoolName,
        /// `up` or `down`.
        direction: &'static str,
        /// The rule that decided.
        reason: &'static str,
    },
    /// A write that scales a pool.
    ScalingAction {
        /// Which pool.
        pool: PoolName,
        /// `up` or `down`.
        direction: &'static str,
        /// What became of it.
        outcome: &'static str,
    },
    /// An idle runner was not removed.
    ScaledownRefused {
        /// Which pool.
        pool: PoolName,
        /// Why.
        reason: &'static str,
    },
    /// A level was sent again.
    LevelResent,
    /// A full read failed.
    ReconcileError,
    /// A request to GARM.
    GarmRequest {
        /// HTTP method.
        method: &'static str,
        /// HTTP status; absent when no answer came.
        code: Option<u16>,
    },
    /// An audit record was written.
    AuditRecord {
        /// Its kind.
        kind: &'static str,
    },
    /// A gap was recorded.
    AuditGap,
    /// An audit record could not be written.
    AuditWriteError,
    /// What stood in the audit log was changed.
    AuditBreak,
    /// A signed statement about the audit log was sent.
    AuditAnchor {
        /// `file` or `webhook`.
        place: &'static str,
        /// What became of it.
        outcome: &'static str,
    },
    /// A finding of the isolation auditor.
    EphemeralViolation {
        /// Which of its rules.
        reason: &'static str,
    },
    /// An attempt to deliver alerts.
    AlertDelivery {
        /// The receiver's name in the fleet file.
        receiver: String,
        /// What became of it.
        outcome: &'static str,
    },
}

impl Counter {
    /// The counters that have no labels: they stand at 0 from the start, so that their first
    /// increase can be seen as one.
    pub(super) const PLAIN: [Self; 5] = [
        Self::LevelResent,
        Self::ReconcileError,
        Self::AuditGap,
        Self::AuditWriteError,
        Self::AuditBreak,
    ];

    pub(super) fn series(&self) -> &'static MetricDef {
        match self {
            Self::ScalingDecision { .. } => &catalog::SCALING_DECISIONS,
            Self::ScalingAction { .. } => &catalog::SCALING_ACTIONS,
            Self::ScaledownRefused { .. } => &catalog::SCALEDOWN_REFUSED,
            Self::LevelResent => &catalog::LEVEL_RESENT,
            Self::ReconcileError => &catalog::RECONCILE_ERRORS,
            Self::GarmRequest { .. } => &catalog::GARM_REQUESTS,
            Self::AuditRecord { .. } => &catalog::AUDIT_RECORDS,
            Self::AuditGap => &catalog::AUDIT_GAPS,
            Self::AuditWriteError => &catalog::AUDIT_WRITE_ERRORS,
            Self::AuditBreak => &catalog::AUDIT_BREAKS,
            Self::AuditAnchor { .. } => &catalog::AUDIT_ANCHORS,
            Self::EphemeralViolation { .. } => &catalog::EPHEMERAL_VIOLATIONS,
            Self::AlertDelivery { .. } => &catalog::ALERT_DELIVERIES,
        }
    }

    pub(super) fn pool(&self) -> Option<&PoolName> {
        match self {
            Self::ScalingDecision { pool, .. }
            | Self::ScalingAction { pool, .. }
            | Self::ScaledownRefused { pool, .. } => Some(pool),
            Self::LevelResent
            | Self::ReconcileError
            | Self::GarmRequest { .. }
            | Self::AuditRecord { .. }
            | Self::AuditGap
            | Self::AuditWriteError
            | Self::AuditBreak
            | Self::AuditAnchor { .. }
            | Self::EphemeralViolation { .. }
            | Self::AlertDelivery { .. } => None,
        }
    }

    /// The values of its labels, in the order of [`MetricDef::labels`].
    pub(super) fn values(&self) -> Vec<String> {
        let own = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect();
        match self {
            Self::ScalingDecision { pool, direction, reason } => {
                own(&[pool.as_str(), direction, reason])
            }
            Self::ScalingAction { pool, direction, outcome } => {
                own(&[pool.as_str(), direction, outcome])
            }
            Self::ScaledownRefused { pool, reason } => own(&[pool.as_str(), reason]),
            Self::LevelResent
            | Self::ReconcileError
            | Self::AuditGap
            | Self::AuditWriteError
            | Self::AuditBreak => Vec::new(),
            Self::AuditAnchor { place, outcome } => own(&[place, outcome]),
            Self::GarmRequest { method, code } => {
                vec![(*method).to_owned(), code.map_or("none".into(), |it| it.to_string())]
            }
            Self::AuditRecord { kind } => own(&[kind]),
            Self::EphemeralViolation { reason } => own(&[reason]),
            Self::AlertDelivery { receiver, outcome } => own(&[receiver, outcome]),
        }
    }
}

/// One histogram with its labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timing {
    /// How long a job waited before it started.
    JobQueue {
        /// The pool that ran it.
        pool: PoolName,
    },
    /// How long a runner took from created to idle.
    RunnerStartup {
        /// Its pool.
        pool: PoolName,
    },
    /// How long a full read and its decisions took.
    Reconcile,
    /// How long a request to GARM took.
    GarmRequest {
        /// HTTP method.
        method: &'static str,
    },
}

impl Timing {
    pub(super) fn series(&self) -> &'static MetricDef {
        match self {
            Self::JobQueue { .. } => &catalog::JOB_QUEUE_DURATION,
            Self::RunnerStartup { .. } => &catalog::RUNNER_STARTUP_DURATION,
            Self::Reconcile => &catalog::RECONCILE_DURATION,
            Self::GarmRequest { .. } => &catalog::GARM_REQUEST_DURATION,
        }
    }

    pub(super) fn pool(&self) -> Option<&PoolName> {
        match self {
            Self::JobQueue { pool } | Self::RunnerStartup { pool } => Some(pool),
            Self::Reconcile | Self::GarmRequest { .. } => None,
        }
    }

    pub(super) fn values(&self) -> Vec<String> {
        match self {
            Self::JobQueue { pool } | Self::RunnerStartup { pool } => {
                vec![pool.as_str().to_owned()]
            }
            Self::Reconcile => Vec::new(),
            Self::GarmRequest { method } => vec![(*method).to_owned()],
        }
    }

    fn bounds(&self) -> &'static [f64] {
        match self.series().kind {
            MetricKind::Histogram(bounds) => bounds,
            MetricKind::Gauge | MetricKind::Counter => &[],
        }
    }
}

/// How many observations fell into each bucket.
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
        // Buckets hold what is at most their bound; above the last only `count` knows it.
        if let Some(at) = self.bounds.iter().position(|it| seconds <= *it) {
            self.counts[at] += 1;
        }
        self.count += 1;
        self.sum_s += seconds;
    }

    /// Each bound with the number of observations up to it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let mut sum = 0;
        self.bounds.iter().zip(&self.counts).map(move |(bound, count)| {
            sum += count;
            (*bound, sum)
        })
    }
}

/// Everything counted since the process began.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) counters: BTreeMap<Counter, u64>,
    pub(super) histograms: BTreeMap<Timing, Histogram>,
}

impl Totals {
    pub(super) fn new() -> Self {
        let mut tallies = Self::default();
        for counter in Counter::PLAIN {
            tallies.add(counter, 0);
        }
        tallies
    }

    pub(super) fn add(&mut self, counter: Counter, n: u64) {
        *self.counters.entry(counter).or_insert(0) += n;
    }

    pub(super) fn observe(&mut self, timing: Timing, took: Duration) {
        let bounds = timing.bounds();
        let histogram = self.histograms.entry(timing).or_insert_with(|| Histogram::new(bounds));
        histogram.observe(took.as_secs_f64());
    }

    /// Forgets what was counted of other pools.
    pub(super) fn keep(&mut self, is_kept: impl Fn(&PoolName) -> bool) {
        self.counters.retain(|it, _| it.pool().is_none_or(&is_kept));
        self.histograms.retain(|it, _| it.pool().is_none_or(&is_kept));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_on_a_bound_counts_below_it_and_one_above_all_only_in_the_sum() {
        let mut histogram = Histogram::new(&[1.0, 5.0]);
        for seconds in [0.5, 1.0, 1.5, 99.0] {
            histogram.observe(seconds);
        }
        let buckets: Vec<(f64, u64)> = histogram.cumulative().collect();
        assert_eq!(buckets, [(1.0, 2), (5.0, 3)]);
        assert_eq!((histogram.count, histogram.sum_s), (4, 102.0));
    }
}
