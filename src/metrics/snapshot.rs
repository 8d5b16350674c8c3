//! What the loop knows, as plain numbers: one picture of all pools, replaced whole.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::name::PoolName;
use crate::scaling::RunnerStateCounts;

/// One picture. A pool that is not in it has no series: neither gauges nor counters.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Every managed pool.
    pub pools: BTreeMap<PoolName, PoolGauges>,
    /// When the full read that this rests on was complete, on the clock that only goes forward:
    /// setting this machine's clock must not make an old observation young.
    pub read_at: Instant,
    /// The same moment as a date.
    pub reconciled_at: Timestamp,
    /// Seconds that GARM's clock is ahead of ours; absent while no answer bore a date.
    pub clock_skew_s: Option<f64>,
}

/// The numbers of one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolGauges {
    /// Runners that run a job.
    pub active: u32,
    /// Runners that wait for one.
    pub idle: u32,
    /// Jobs that wait for a runner, stale and stuck ones aside.
    pub queue_depth: u32,
    /// As declared.
    pub min_runners: u32,
    /// The smaller of declared and live.
    pub max_runners: u32,
    /// GARM's `min_idle_runners`; absent while the pool is not in GARM.
    pub level: Option<u32>,
    /// Every instance, by state.
    pub runners: RunnerStateCounts,
    /// Waiting jobs without an idle or booting runner.
    pub unserved_jobs: u32,
    /// Waiting jobs that fitting idle runners do not pick up.
    pub stuck_jobs: u32,
    /// Jobs that have waited longer than `stale_job_age`.
    pub stale_jobs: u32,
    /// Waiting jobs that GARM has forgotten.
    pub forgotten_jobs: u32,
    /// Age of the oldest waiting job, stuck ones included; zero when none waits.
    pub oldest_wait: Duration,
    /// Runners older than their pool's last change; absent where GARM counts no generations.
    pub outdated_runners: Option<u32>,
    /// The pool has fewer runners than `min_runners`.
    pub is_below_min: bool,
    /// Scaling up is suspended.
    pub is_circuit_open: bool,
    /// GARM does not create the runners that the level asks for.
    pub is_stalled: bool,
    /// The pool differs from its declaration; absent while nobody has compared.
    pub has_drift: Option<bool>,
    /// Rules of the policy that the pool breaks as it stands in GARM; absent while nobody has held
    /// it against them.
    pub policy_violations: Option<u32>,
}

/// What holds for the process and not for a pool. It changes apart from the picture: the event
/// stream is lost exactly when no new picture comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessGauges {
    /// Whether GARM's event stream is connected.
    pub is_stream_connected: Option<bool>,
    /// What the last negative probes proved; absent when they could not tell.
    pub is_mtls_enforced: Option<bool>,
    /// When the client certificate for GARM expires.
    pub client_cert_expires_at: Option<Timestamp>,
    /// When the first of the front's revocation lists ends.
    pub crl_ends_at: Option<Timestamp>,
    /// When the last signed statement about the audit log reached every place that is named.
    pub audit_anchored_at: Option<Timestamp>,
}
