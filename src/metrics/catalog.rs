//! Every series there is, one row each: name, kind, help. The rest of the project, the rules and
//! the dashboard are held against this table. Source: DESIGN §6; the first three are R5's, to the
//! letter.

/// What a series is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricKind {
    /// Goes up and down.
    Gauge,
    /// Only grows; begins anew with the process.
    Counter,
    /// Counts by size; the upper bounds of its buckets, in seconds, without the infinite one.
    Histogram(&'static [f64]),
}

/// One series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricDef {
    /// Its name, prefix included.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The text of its `# HELP` line.
    pub help: &'static str,
}

const POOL: &[&str] = &["pool"];

const fn gauge(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricDef {
    MetricDef { name, kind: MetricKind::Gauge, labels, help }
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> MetricDef {
    MetricDef { name, kind: MetricKind::Counter, labels, help }
}

/// R5.
pub const RUNNER_ACTIVE: MetricDef =
    gauge("runner_active", POOL, "Number of runners currently executing jobs");
/// R5.
pub const RUNNER_IDLE: MetricDef = gauge("runner_idle", POOL, "Number of runners waiting for jobs");
/// R5. A queued workflow of the specification is a queued workflow job.
pub const QUEUE_DEPTH: MetricDef =
    gauge("queue_depth", POOL, "Number of workflows waiting for a runner");

/// Which version runs; always 1.
pub const BUILD_INFO: MetricDef =
    gauge("runnerctl_build_info", &["version"], "Version of the running program, always 1");
/// From YAML.
pub const POOL_MIN_RUNNERS: MetricDef = gauge(
    "runnerctl_pool_min_runners",
    POOL,
    "Least number of runners of the pool, busy ones included, as declared",
);
/// The smaller of YAML's and GARM's.
pub const POOL_MAX_RUNNERS: MetricDef = gauge(
    "runnerctl_pool_max_runners",
    POOL,
    "Greatest number of runners of the pool, the smaller of declared and live",
);
/// GARM's `min_idle_runners`.
pub const POOL_LEVEL: MetricDef =
    gauge("runnerctl_pool_level", POOL, "Number of runners that GARM is told to keep idle");
/// Every instance is in exactly one state.
pub const POOL_RUNNERS: MetricDef =
    gauge("runnerctl_pool_runners", &["pool", "state"], "Number of runners by state");
/// `queued − idle − booting`, at least 0.
pub const POOL_UNSERVED_JOBS: MetricDef = gauge(
    "runnerctl_pool_unserved_jobs",
    POOL,
    "Number of waiting jobs for which no runner is idle or booting",
);
/// Shown apart from the queue.
pub const POOL_STUCK_JOBS: MetricDef = gauge(
    "runnerctl_pool_stuck_jobs",
    POOL,
    "Number of waiting jobs that fitting idle runners do not pick up, not in queue_depth",
);
/// Shown apart from the queue.
pub const POOL_STALE_JOBS: MetricDef = gauge(
    "runnerctl_pool_stale_jobs",
    POOL,
    "Number of jobs waiting longer than stale_job_age, not in queue_depth",
);
/// Served and counted in the queue, too.
pub const POOL_FORGOTTEN_JOBS: MetricDef = gauge(
    "runnerctl_pool_forgotten_jobs",
    POOL,
    "Number of waiting jobs that GARM has forgotten and runners are still kept for",
);
/// 0 when nothing waits. Stuck jobs included: they are served worst.
pub const POOL_OLDEST_QUEUED_JOB_AGE: MetricDef = gauge(
    "runnerctl_pool_oldest_queued_job_age_seconds",
    POOL,
    "Time since the oldest waiting job was queued, stuck ones included, 0 when none waits",
);
/// Only where GARM reports generations.
pub const POOL_OUTDATED_RUNNERS: MetricDef = gauge(
    "runnerctl_pool_outdated_runners",
    POOL,
    "Number of runners that were made before the last change of their pool",
);
/// 1 or 0.
pub const POOL_BELOW_MIN: MetricDef = gauge(
    "runnerctl_pool_below_min",
    POOL,
    "Whether the pool has fewer runners than min_runners (1) or not (0)",
);
/// 1 or 0.
pub const CIRCUIT_OPEN: MetricDef = gauge(
    "runnerctl_circuit_open",
    POOL,
    "Whether scaling up is suspended because runners keep failing (1) or not (0)",
);
/// 1 or 0.
pub const LEVEL_NOT_FOLLOWED: MetricDef = gauge(
    "runnerctl_level_not_followed",
    POOL,
    "Whether GARM creates none of the runners that the level of the pool asks for (1) or not (0)",
);
/// 1 or 0.
pub const CONFIG_DRIFT: MetricDef = gauge(
    "runnerctl_config_drift",
    POOL,
    "Whether the pool in GARM differs from the declared one (1) or not (0)",
);
/// Of the pool as it stands in GARM, whoever made it so.
pub const POLICY_VIOLATIONS: MetricDef = gauge(
    "runnerctl_pool_policy_violations",
    POOL,
    "Number of rules of the policy that the pool in GARM breaks",
);
/// Of the files as they were read last.
pub const CONFIG_RELOADED: MetricDef = gauge(
    "runnerctl_config_last_reload_successful",
    &[],
    "Whether the files as they were read last are in force (1) or an older state of them (0)",
);
/// Seconds since 1970.
pub const LAST_RECONCILE: MetricDef = gauge(
    "runnerctl_last_successful_reconcile_timestamp_seconds",
    &[],
    "Unix time of the last full read of GARM that was decided on",
);
/// Measured when asked, so it grows while frozen.
pub const OBSERVATION_AGE: MetricDef =
    gauge("runnerctl_observation_age_seconds", &[], "Time since the last full read of GARM");
/// 1 or 0.
pub const EVENT_STREAM_CONNECTED: MetricDef = gauge(
    "runnerctl_event_stream_connected",
    &[],
    "Whether the event stream of GARM is connected (1) or not (0)",
);
/// GARM's clock less this machine's.
pub const CLOCK_SKEW: MetricDef =
    gauge("runnerctl_clock_skew_seconds", &[], "How far the clock of GARM is ahead of this one");
/// 1 or 0; absent while nobody can tell.
pub const MTLS_ENFORCED: MetricDef = gauge(
    "runnerctl_mtls_enforced",
    &[],
    "Whether GARM was last proven to refuse runners without a client certificate (1) or not (0)",
);
/// Seconds since 1970.
pub const TLS_CLIENT_CERT_EXPIRY: MetricDef = gauge(
    "runnerctl_tls_client_cert_expiry_timestamp_seconds",
    &[],
    "Unix time at which the client certificate for GARM expires",
);

/// Seconds since 1970.
pub const TLS_CRL_EXPIRY: MetricDef = gauge(
    "runnerctl_tls_crl_expiry_timestamp_seconds",
    &[],
    "Unix time at which the first of the revocation lists of `garm.crls` ends",
);

/// Seconds since 1970.
pub const AUDIT_ANCHORED: MetricDef = gauge(
    "runnerctl_audit_anchored_timestamp_seconds",
    &[],
    "Unix time of the last signed statement about the audit log that reached every place",
);

/// By direction and reason.
pub const SCALING_DECISIONS: MetricDef = counter(
    "runnerctl_scaling_decisions_total",
    &["pool", "direction", "reason"],
    "Number of decisions to change a pool, by direction and reason",
);
/// By direction and outcome.
pub const SCALING_ACTIONS: MetricDef = counter(
    "runnerctl_scaling_actions_total",
    &["pool", "direction", "outcome"],
    "Number of writes to GARM that scale a pool, by direction and outcome",
);
/// By reason.
pub const SCALEDOWN_REFUSED: MetricDef = counter(
    "runnerctl_scaledown_refused_total",
    &["pool", "reason"],
    "Number of removals of idle runners that were refused, by reason",
);
/// Heals GARM's cache.
pub const LEVEL_RESENT: MetricDef = counter(
    "runnerctl_level_resent_total",
    &[],
    "Number of levels sent again because GARM did not act on them",
);
/// Of the loop.
pub const RECONCILE_ERRORS: MetricDef =
    counter("runnerctl_reconcile_errors_total", &[], "Number of full reads of GARM that failed");
/// By HTTP method and status; `none` when no answer came.
pub const GARM_REQUESTS: MetricDef = counter(
    "runnerctl_garm_requests_total",
    &["method", "code"],
    "Number of requests to GARM by method and status, none for no answer",
);
/// By kind of record.
pub const AUDIT_RECORDS: MetricDef =
    counter("runnerctl_audit_records_total", &["kind"], "Number of audit records written, by kind");
/// Gap records.
pub const AUDIT_GAPS: MetricDef = counter(
    "runnerctl_audit_gaps_total",
    &[],
    "Number of gaps in the audit log, each of them recorded",
);
/// Failed appends.
pub const AUDIT_WRITE_ERRORS: MetricDef = counter(
    "runnerctl_audit_write_errors_total",
    &[],
    "Number of audit records that could not be written",
);
/// Changes of what stood there.
pub const AUDIT_BREAKS: MetricDef = counter(
    "runnerctl_audit_breaks_total",
    &[],
    "Number of times that records of the audit log were found cut, changed or deleted",
);
/// One per statement and place.
pub const AUDIT_ANCHORS: MetricDef = counter(
    "runnerctl_audit_anchors_total",
    &["place", "outcome"],
    "Number of signed statements about the audit log, by place and outcome",
);
/// Findings of the isolation auditor.
pub const EPHEMERAL_VIOLATIONS: MetricDef = counter(
    "runnerctl_ephemeral_violations_total",
    &["reason"],
    "Number of findings against the rule of one job per runner, by reason",
);
/// One per message and attempt.
pub const ALERT_DELIVERIES: MetricDef = counter(
    "runnerctl_alert_deliveries_total",
    &["receiver", "outcome"],
    "Number of attempts to deliver alerts, by receiver and outcome",
);

/// From queued to started.
pub const JOB_QUEUE_DURATION: MetricDef = MetricDef {
    name: "runnerctl_job_queue_duration_seconds",
    kind: MetricKind::Histogram(&[10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0]),
    labels: POOL,
    help: "Time that jobs waited from queued to started",
};
/// From created to first idle.
pub const RUNNER_STARTUP_DURATION: MetricDef = MetricDef {
    name: "runnerctl_runner_startup_duration_seconds",
    kind: MetricKind::Histogram(&[10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0]),
    labels: POOL,
    help: "Time from the creation of runners until they were idle",
};
/// One full read with its decisions.
pub const RECONCILE_DURATION: MetricDef = MetricDef {
    name: "runnerctl_reconcile_duration_seconds",
    kind: MetricKind::Histogram(&[0.025, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0]),
    labels: &[],
    help: "Time for a full read of GARM and the decisions on it",
};
/// One request, its answer read whole.
pub const GARM_REQUEST_DURATION: MetricDef = MetricDef {
    name: "runnerctl_garm_request_duration_seconds",
    kind: MetricKind::Histogram(&[0.005, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0]),
    labels: &["method"],
    help: "Time for a request to GARM, its answer included",
};

/// Every series, in the order of `/metrics`.
pub const ALL: [MetricDef; 45] = [
    RUNNER_ACTIVE,
    RUNNER_IDLE,
    QUEUE_DEPTH,
    BUILD_INFO,
    POOL_MIN_RUNNERS,
    POOL_MAX_RUNNERS,
    POOL_LEVEL,
    POOL_RUNNERS,
    POOL_UNSERVED_JOBS,
    POOL_STUCK_JOBS,
    POOL_STALE_JOBS,
    POOL_FORGOTTEN_JOBS,
    POOL_OLDEST_QUEUED_JOB_AGE,
    POOL_OUTDATED_RUNNERS,
    POOL_BELOW_MIN,
    CIRCUIT_OPEN,
    LEVEL_NOT_FOLLOWED,
    CONFIG_DRIFT,
    POLICY_VIOLATIONS,
    CONFIG_RELOADED,
    LAST_RECONCILE,
    OBSERVATION_AGE,
    EVENT_STREAM_CONNECTED,
    CLOCK_SKEW,
    MTLS_ENFORCED,
    TLS_CLIENT_CERT_EXPIRY,
    TLS_CRL_EXPIRY,
    AUDIT_ANCHORED,
    SCALING_DECISIONS,
    SCALING_ACTIONS,
    SCALEDOWN_REFUSED,
    LEVEL_RESENT,
    RECONCILE_ERRORS,
    GARM_REQUESTS,
    AUDIT_RECORDS,
    AUDIT_GAPS,
    AUDIT_WRITE_ERRORS,
    AUDIT_BREAKS,
    AUDIT_ANCHORS,
    EPHEMERAL_VIOLATIONS,
    ALERT_DELIVERIES,
    JOB_QUEUE_DURATION,
    RUNNER_STARTUP_DURATION,
    RECONCILE_DURATION,
    GARM_REQUEST_DURATION,
];
