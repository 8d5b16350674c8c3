//! A metrics state in which every event has occurred once, for tests that read the page.

use std::collections::BTreeMap;
use std::time::Duration;

use runnerctl::domain::name::{GroupName, PoolName};
use runnerctl::metrics::{
    Counter, HealthLimits, MetricsState, PoolGauges, ProcessGauges, Snapshot, Timing,
};
use runnerctl::notify::DeliveryOutcome;
use runnerctl::scaling::{GroupUsage, RunnerStateCounts};
use tokio::time::Instant;

pub(crate) fn pool(name: &str) -> PoolName {
    PoolName::new(name).unwrap()
}

pub(crate) fn metrics() -> MetricsState {
    MetricsState::new(HealthLimits::of(Duration::from_secs(30)))
}

/// The pool in the example of R5: 5 active, 2 idle, 3 waiting.
pub(crate) fn default_pool() -> PoolGauges {
    PoolGauges {
        active: 5,
        idle: 2,
        queue_depth: 3,
        min_runners: 2,
        max_runners: 20,
        level: Some(4),
        runners: RunnerStateCounts {
            pending: 1,
            creating: 1,
            installing: 2,
            idle: 2,
            suspect: 1,
            active: 5,
            failed: 1,
            deleting: 1,
        },
        unserved_jobs: 1,
        stuck_jobs: 1,
        stale_jobs: 2,
        forgotten_jobs: 1,
        oldest_wait: Duration::from_millis(42_500),
        outdated_runners: Some(3),
        is_below_min: false,
        is_circuit_open: true,
        is_stalled: true,
        has_drift: Some(true),
        policy_violations: Some(2),
    }
}

/// A snapshot of these pools, read just now.
pub(crate) fn snapshot(pools: impl IntoIterator<Item = (PoolName, PoolGauges)>) -> Snapshot {
    Snapshot {
        pools: pools.into_iter().collect::<BTreeMap<_, _>>(),
        groups: [(GroupName::new("rack-1"), GroupUsage { runners: 31, max_runners: 40 })].into(),
        read_at: Instant::now(),
        reconciled_at: "2026-11-25T10:00:00.5Z".parse().unwrap(),
        read_interval: Duration::from_secs(30),
        stale_after: Duration::from_mins(1),
        clock_skew_s: Some(-0.25),
    }
}

/// Publishes two pools: that of the specification, and one with only unknown values. Every gauge
/// has a value.
pub(crate) fn publish(metrics: &MetricsState) {
    metrics.publish(snapshot([
        (pool("default"), default_pool()),
        (pool("quiet"), PoolGauges::default()),
    ]));
    metrics.process(|it| {
        *it = ProcessGauges {
            is_stream_connected: Some(true),
            is_mtls_enforced: Some(false),
            client_cert_expires_at: Some("2027-01-01T00:00:00Z".parse().unwrap()),
            crl_ends_at: Some("2026-12-08T00:00:00Z".parse().unwrap()),
            audit_anchored_at: Some("2026-11-25T09:59:00Z".parse().unwrap()),
            is_leader: Some(true),
            leader_term: Some(7),
        };
    });
}

/// Counts every counter and every histogram at least once.
pub(crate) fn count(metrics: &MetricsState) {
    let default = || pool("default");
    for counter in [
        Counter::ScalingDecision { pool: default(), direction: "up", reason: "pressure" },
        Counter::ScalingDecision { pool: default(), direction: "down", reason: "idle" },
        Counter::ScalingAction { pool: default(), direction: "up", outcome: "done" },
        Counter::ScaledownRefused { pool: default(), reason: "busy" },
        Counter::LevelResent,
        Counter::Rescue { pool: default() },
        Counter::ReconcileError,
        Counter::GarmRequest { method: "GET", code: Some(200) },
        Counter::GarmRequest { method: "GET", code: Some(200) },
        Counter::GarmRequest { method: "PUT", code: None },
        Counter::AuditRecord { kind: "lifecycle" },
        Counter::AuditGap,
        Counter::AuditBreak,
        Counter::AuditAnchor { place: "file", outcome: "delivered" },
        Counter::AuditWriteError,
        Counter::EphemeralViolation { reason: "second_job" },
        Counter::AlertDelivery {
            receiver: "oncall".into(),
            outcome: DeliveryOutcome::Delivered.word(),
        },
    ] {
        metrics.count(counter);
    }
    for seconds in [1, 10, 45, 4_000] {
        metrics.observe(Timing::JobQueue { pool: default() }, Duration::from_secs(seconds));
    }
    metrics.observe(Timing::RunnerStartup { pool: default() }, Duration::from_secs(31));
    metrics.observe(Timing::Reconcile, Duration::from_millis(140));
    metrics.observe(Timing::GarmRequest { method: "GET" }, Duration::from_millis(3));
}
