//! The values of all gauges of the pools, replaced as a whole after each pass of the loop.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::name::PoolName;
use crate::scaling::RunnerStateCounts;

/// The values at one moment. A pool that is not in it has no series, neither gauges nor counters.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub pools: BTreeMap<PoolName, PoolGauges>,
    /// The end of the full read behind it, on the monotonic clock: setting the system clock must
    /// not make an old read look recent.
    pub read_at: Instant,
    /// The same moment on the system clock.
    pub reconciled_at: Timestamp,
    /// Seconds by which GARM's clock is ahead of ours; `None` while no response had a date.
    pub clock_skew_s: Option<f64>,
}

/// The gauges of one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolGauges {
    pub active: u32,
    pub idle: u32,
    /// Jobs that wait for a runner, without stale and stuck ones.
    pub queue_depth: u32,
    /// The declared value.
    pub min_runners: u32,
    /// The smaller of the declared value and GARM's.
    pub max_runners: u32,
    /// `min_idle_runners` in GARM; `None` while the pool is not in GARM.
    pub level: Option<u32>,
    pub runners: RunnerStateCounts,
    /// Waiting jobs without an idle or booting runner.
    pub unserved_jobs: u32,
    /// Waiting jobs that idle runners with their labels do not pick up.
    pub stuck_jobs: u32,
    /// Jobs that have waited longer than `stale_job_age`.
    pub stale_jobs: u32,
    /// Waiting jobs whose rows GARM has deleted.
    pub forgotten_jobs: u32,
    /// Age of the oldest waiting job, stuck ones included; zero if none waits.
    pub oldest_wait: Duration,
    /// Runners that are older than the last change of their pool; `None` if GARM has no
    /// generations.
    pub outdated_runners: Option<u32>,
    pub is_below_min: bool,
    /// The circuit breaker suspends scaling up.
    pub is_circuit_open: bool,
    /// GARM does not create the runners that the level asks for.
    pub is_stalled: bool,
    /// The pool differs from its declaration; `None` before the first comparison.
    pub has_drift: Option<bool>,
    /// Rules of the policy that the pool in GARM violates; `None` before the first check.
    pub policy_violations: Option<u32>,
}

/// The gauges of the process. They change independently of [`Snapshot`]: when the event stream is
/// lost, there may be no new snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessGauges {
    pub is_stream_connected: Option<bool>,
    /// The result of the last negative probes; `None` if it was inconclusive.
    pub is_mtls_enforced: Option<bool>,
    pub client_cert_expires_at: Option<Timestamp>,
    /// When the first revocation list in `garm.crls` expires.
    pub crl_ends_at: Option<Timestamp>,
    /// When the last signed statement about the audit log had reached every configured place.
    pub audit_anchored_at: Option<Timestamp>,
}
