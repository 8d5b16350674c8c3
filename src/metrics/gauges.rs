//! The table of all gauges: their names, help texts and how they are read. Names: DESIGN §6; the
//! first three are required by R5.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::metric_def::{MetricDef, MetricKind};
use super::snapshot::{ProcessGauges, ReloadResult, Snapshot};
use crate::domain::name::PoolName;
use crate::monitor::PoolGauges;
use crate::scaling::GroupUsage;

pub(super) struct Gauge {
    pub(super) def: MetricDef,
    read: GaugeReader,
}

/// How a gauge is read. `None` stands for an unknown value, which is omitted.
enum GaugeReader {
    Pool(fn(&PoolGauges) -> Option<f64>),
    /// One value per group of pools.
    Group(fn(&GroupUsage) -> f64),
    /// One value per pool and state of a runner.
    RunnerStates,
    /// One value per GARM.
    Garm(fn(&GarmFacts<'_>) -> Option<f64>),
    /// Whether it is ready; known before the first full read, too.
    Ready,
    /// One value per GARM, from the election; known before the first full read, too.
    Election(fn(&ProcessGauges) -> Option<f64>),
    /// One value for the process.
    Process(fn(&GarmFacts<'_>) -> Option<f64>),
    /// Always 1, with the version as a label; present before the first full read, too.
    BuildInfo,
}

/// The state of a GARM from which gauges are read.
pub(super) struct GarmFacts<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// Time since the full read of `snapshot`.
    pub(super) age: Duration,
    pub(super) process: &'a ProcessGauges,
    pub(super) config: ReloadResult,
}

const fn pool(
    name: &'static str,
    read: fn(&PoolGauges) -> Option<f64>,
    help: &'static str,
) -> Gauge {
    gauge(name, &["pool"], GaugeReader::Pool(read), help)
}

const fn garm(
    name: &'static str,
    read: fn(&GarmFacts<'_>) -> Option<f64>,
    help: &'static str,
) -> Gauge {
    gauge(name, &[], GaugeReader::Garm(read), help)
}

const fn election(
    name: &'static str,
    read: fn(&ProcessGauges) -> Option<f64>,
    help: &'static str,
) -> Gauge {
    gauge(name, &[], GaugeReader::Election(read), help)
}

const fn gauge(
    name: &'static str,
    labels: &'static [&'static str],
    read: GaugeReader,
    help: &'static str,
) -> Gauge {
    Gauge { def: MetricDef { name, kind: MetricKind::Gauge, labels, help }, read }
}

/// All gauges, in the order of `/metrics`. A boolean gauge is 1 or 0.
pub(super) const GAUGES: &[Gauge] = &[
    pool("runner_active", |pool| number(pool.active), "Number of runners currently executing jobs"),
    pool("runner_idle", |pool| number(pool.idle), "Number of runners waiting for jobs"),
    // R5 speaks of queued workflows; GitHub queues the jobs of a workflow.
    pool(
        "queue_depth",
        |pool| number(pool.queue_depth),
        "Number of workflows waiting for a runner",
    ),
    gauge(
        "runnerctl_build_info",
        &["version"],
        GaugeReader::BuildInfo,
        "Version of the running program, always 1",
    ),
    pool(
        "runnerctl_pool_min_runners",
        |pool| number(pool.min_runners),
        "Least number of runners of the pool, busy ones included, as declared",
    ),
    pool(
        "runnerctl_pool_max_runners",
        |pool| number(pool.max_runners),
        "Greatest number of runners of the pool, the smaller of declared and live",
    ),
    pool(
        "runnerctl_pool_level",
        |pool| pool.level.and_then(number),
        "Number of runners that GARM is told to keep idle",
    ),
    gauge(
        "runnerctl_pool_runners",
        &["pool", "state"],
        GaugeReader::RunnerStates,
        "Number of runners by state",
    ),
    pool(
        "runnerctl_pool_unserved_jobs",
        |pool| number(pool.unserved_jobs),
        "Number of waiting jobs for which no runner is idle or booting",
    ),
    pool(
        "runnerctl_pool_stuck_jobs",
        |pool| number(pool.stuck_jobs),
        "Number of waiting jobs that fitting idle runners do not pick up, not in queue_depth",
    ),
    pool(
        "runnerctl_pool_stale_jobs",
        |pool| number(pool.stale_jobs),
        "Number of jobs waiting longer than stale_job_age, not in queue_depth",
    ),
    // These jobs are also part of the queue depth.
    pool(
        "runnerctl_pool_forgotten_jobs",
        |pool| number(pool.forgotten_jobs),
        "Number of waiting jobs that GARM has forgotten and runners are still kept for",
    ),
    pool(
        "runnerctl_pool_oldest_queued_job_age_seconds",
        |pool| Some(pool.oldest_wait.as_secs_f64()),
        "Time since the oldest waiting job was queued, stuck ones included, 0 when none waits",
    ),
    pool(
        "runnerctl_pool_outdated_runners",
        |pool| pool.outdated_runners.and_then(number),
        "Number of runners that were made before the last change of their pool",
    ),
    pool(
        "runnerctl_pool_below_min",
        |pool| number(pool.is_below_min),
        "Whether the pool has fewer runners than min_runners (1) or not (0)",
    ),
    pool(
        "runnerctl_circuit_open",
        |pool| number(pool.is_circuit_open),
        "Whether scaling up is suspended (1) or not (0): runners keep failing, or the provider has no quota or capacity left",
    ),
    pool(
        "runnerctl_level_not_followed",
        |pool| number(pool.is_stalled),
        "Whether GARM creates none of the runners that the level of the pool asks for (1) or not (0)",
    ),
    pool(
        "runnerctl_config_drift",
        |pool| pool.has_drift.and_then(number),
        "Whether the pool in GARM differs from the declared one (1) or not (0)",
    ),
    pool(
        "runnerctl_pool_policy_violations",
        |pool| pool.policy_violations.and_then(number),
        "Number of rules of the policy that the pool in GARM breaks",
    ),
    gauge(
        "runnerctl_group_runners",
        &["group"],
        GaugeReader::Group(|group| group.runners.into()),
        "Number of runners of the pools of a group, with several GARMs of those in this one",
    ),
    gauge(
        "runnerctl_group_max_runners",
        &["group"],
        GaugeReader::Group(|group| group.max_runners.into()),
        "Greatest number of runners of all pools of a group together, in all GARMs, as declared",
    ),
    gauge(
        "runnerctl_config_last_reload_successful",
        &[],
        GaugeReader::Process(|facts| number(facts.config == ReloadResult::Applied)),
        "Whether the files as they were read last are in force (1) or an older state of them (0)",
    ),
    gauge(
        "runnerctl_ready",
        &[],
        GaugeReader::Ready,
        "Whether GARM was read recently and decisions are written (1) or not (0), as /readyz says",
    ),
    garm(
        "runnerctl_last_successful_reconcile_timestamp_seconds",
        |facts| seconds(facts.snapshot.reconciled_at),
        "Unix time of the last full read of GARM that was decided on",
    ),
    garm(
        "runnerctl_observation_age_seconds",
        |facts| number(facts.age.as_secs_f64()),
        "Time since the last full read of GARM",
    ),
    garm(
        "runnerctl_resync_interval_seconds",
        |facts| number(facts.snapshot.read_interval.as_secs_f64()),
        "Present time between two full reads of GARM, which grows with their duration",
    ),
    garm(
        "runnerctl_event_stream_connected",
        |facts| facts.process.is_stream_connected.and_then(number),
        "Whether the event stream of GARM is connected (1) or not (0)",
    ),
    garm(
        "runnerctl_clock_skew_seconds",
        |facts| facts.snapshot.clock_skew_s,
        "How far the clock of GARM is ahead of this one",
    ),
    garm(
        "runnerctl_mtls_enforced",
        |facts| facts.process.is_mtls_enforced.and_then(number),
        "Whether GARM was last proven to refuse runners without a client certificate (1) or not (0)",
    ),
    garm(
        "runnerctl_tls_client_cert_expiry_timestamp_seconds",
        |facts| facts.process.client_cert_expires_at.and_then(seconds),
        "Unix time at which the client certificate for GARM expires",
    ),
    garm(
        "runnerctl_tls_crl_expiry_timestamp_seconds",
        |facts| facts.process.crl_ends_at.and_then(seconds),
        "Unix time at which the first of the revocation lists of `garm.crls` ends",
    ),
    garm(
        "runnerctl_audit_anchored_timestamp_seconds",
        |facts| facts.process.audit_anchored_at.and_then(seconds),
        "Unix time of the last signed statement about the audit log that reached every place",
    ),
    election(
        "runnerctl_leader",
        |process| process.is_leader.and_then(number),
        "Whether this process leads (1) or is a standby (0)",
    ),
    election(
        "runnerctl_leader_term",
        // A term is far below 2^53, up to which a float is exact.
        |process| process.leader_term.map(|term| Duration::from_secs(term).as_secs_f64()),
        "Term of the leader as this process last read it",
    ),
];

/// Whether `/readyz` says that a GARM is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    NotReady,
}

/// One value of a gauge, with the values of its labels.
pub(super) type GaugeSample = (Vec<String>, f64);

impl Gauge {
    /// Whether the process has one value, however many GARMs there are.
    pub(super) fn is_of_process(&self) -> bool {
        match self.read {
            GaugeReader::Process(_) | GaugeReader::BuildInfo => true,
            GaugeReader::Pool(_)
            | GaugeReader::Group(_)
            | GaugeReader::RunnerStates
            | GaugeReader::Garm(_)
            | GaugeReader::Election(_)
            | GaugeReader::Ready => false,
        }
    }

    /// The current values; empty if no value is known. `facts` is absent before the first full read.
    pub(super) fn samples(
        &self,
        facts: Option<&GarmFacts<'_>>,
        (process, readiness): (&ProcessGauges, Readiness),
    ) -> Vec<GaugeSample> {
        let single = |value: Option<f64>| value.map(|value| (Vec::new(), value));
        match (&self.read, facts) {
            (GaugeReader::BuildInfo, _) => vec![(vec![env!("CARGO_PKG_VERSION").to_owned()], 1.0)],
            (GaugeReader::Ready, _) => {
                single(number(readiness == Readiness::Ready)).into_iter().collect()
            }
            (GaugeReader::Election(read), _) => single(read(process)).into_iter().collect(),
            (_, None) => Vec::new(),
            (GaugeReader::Pool(read), Some(facts)) => by_pool(*read, &facts.snapshot.pools),
            (GaugeReader::Group(read), Some(facts)) => {
                let groups = facts.snapshot.groups.iter();
                groups.map(|(name, usage)| (vec![name.as_str().to_owned()], read(usage))).collect()
            }
            (GaugeReader::RunnerStates, Some(facts)) => by_state(&facts.snapshot.pools),
            (GaugeReader::Garm(read) | GaugeReader::Process(read), Some(facts)) => {
                single(read(facts)).into_iter().collect()
            }
        }
    }
}

fn by_pool(
    read: fn(&PoolGauges) -> Option<f64>,
    pools: &BTreeMap<PoolName, PoolGauges>,
) -> Vec<GaugeSample> {
    let sample = |(name, pool): (&PoolName, _)| Some((vec![name.as_str().to_owned()], read(pool)?));
    pools.iter().filter_map(sample).collect()
}

fn by_state(pools: &BTreeMap<PoolName, PoolGauges>) -> Vec<GaugeSample> {
    let mut samples = Vec::new();
    for (name, pool) in pools {
        for (state, n) in pool.runners.by_state() {
            samples.push((vec![name.as_str().to_owned(), state.to_owned()], n.into()));
        }
    }
    samples
}

fn seconds(time: Timestamp) -> Option<f64> {
    Some(time.as_duration().as_secs_f64())
}

fn number(value: impl Into<f64>) -> Option<f64> {
    Some(value.into())
}
