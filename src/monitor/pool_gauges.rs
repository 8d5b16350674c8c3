//! The gauges of a pool, for metrics, alerts and the status page.

use std::time::Duration;

use crate::scaling::RunnerStateCounts;

/// The gauges of one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolGauges {
    pub active: u32,
    pub idle: u32,
    /// The number of queued jobs, without stale and stuck ones.
    pub queue_depth: u32,
    pub min_runners: u32,
    /// The smaller of the declared value and GARM's.
    pub max_runners: u32,
    /// `min_idle_runners` in GARM; `None` while the pool is not in GARM.
    pub level: Option<u32>,
    pub runners: RunnerStateCounts,
    /// Waiting jobs without an idle or booting runner.
    pub unserved_jobs: u32,
    /// Waiting jobs that idle runners with matching labels do not pick up.
    pub stuck_jobs: u32,
    /// Jobs that have waited for longer than `stale_job_age`.
    pub stale_jobs: u32,
    /// Waiting jobs whose rows GARM has deleted.
    pub forgotten_jobs: u32,
    /// Age of the oldest waiting job, stuck ones included; zero if none waits.
    pub oldest_wait: Duration,
    /// Runners that are older than the last change of their pool; `None` if GARM does not report
    /// generations.
    pub outdated_runners: Option<u32>,
    pub is_below_min: bool,
    /// Whether the circuit breaker suspends scaling up.
    pub is_circuit_open: bool,
    /// Whether GARM fails to create the runners that the level asks for.
    pub is_stalled: bool,
    /// Whether the pool differs from its declaration; `None` before the first comparison.
    pub has_drift: Option<bool>,
    /// The number of policy rules that the pool in GARM violates; `None` before the first check.
    pub policy_violations: Option<u32>,
}
