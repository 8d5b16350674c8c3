//! The queued jobs for `status --jobs`, with the reason why each is not served yet.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::fleet_status::{FleetStatus, PoolStatus};
use super::set_jobs::set_job_rows;
use crate::domain::fleet::Fleet;
use crate::domain::job::Job;
use crate::domain::label::OwnerMark;
use crate::domain::name::PoolId;
use crate::domain::pool::Pool;
use crate::domain::text;
use crate::render::decision::{DecisionView, LACKED, NO_CAPACITY};
use crate::render::style::{NAME, QUIET, WARNING, paint};
use crate::render::table::{Cell, table};
use crate::render::words::{count, span};
use crate::scaling::{EvaluationClock, JobWait, QueuedJob, STUCK_AFTER};

/// The maximum number of jobs in the text; JSON has all.
const SHOWN_MAX: usize = 20;

/// Why a queued job is not served yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobReason {
    IdleRunner,
    NotHandedOut,
    Booting,
    Starting,
    Threshold,
    Target,
    LeftToGarm,
    PoolFull,
    CircuitOpen,
    Frozen,
    LevelNotFollowed,
    GivenUp,
    NotDecided,
    Stuck,
    Stale,
    PoolDisabled,
    Labels,
    NoPool,
}

impl JobReason {
    /// All reasons, in order of declaration.
    pub const ALL: [Self; 18] = [
        Self::IdleRunner,
        Self::NotHandedOut,
        Self::Booting,
        Self::Starting,
        Self::Threshold,
        Self::Target,
        Self::LeftToGarm,
        Self::PoolFull,
        Self::CircuitOpen,
        Self::Frozen,
        Self::LevelNotFollowed,
        Self::GivenUp,
        Self::NotDecided,
        Self::Stuck,
        Self::Stale,
        Self::PoolDisabled,
        Self::Labels,
        Self::NoPool,
    ];

    /// The word used in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::IdleRunner => "idle_runner",
            Self::NotHandedOut => "not_handed_out",
            Self::Booting => "booting",
            Self::Starting => "starting",
            Self::Threshold => "threshold",
            Self::Target => "target",
            Self::LeftToGarm => "left_to_garm",
            Self::PoolFull => "pool_full",
            Self::CircuitOpen => "circuit_open",
            Self::Frozen => "frozen",
            Self::LevelNotFollowed => "level_not_followed",
            Self::GivenUp => "given_up",
            Self::NotDecided => "not_decided",
            Self::Stuck => "stuck",
            Self::Stale => "stale",
            Self::PoolDisabled => "pool_disabled",
            Self::Labels => "labels",
            Self::NoPool => "no_pool",
        }
    }

    /// Whether a runner for the job is idle, booting or being started.
    fn is_served(self) -> bool {
        matches!(self, Self::IdleRunner | Self::Booting | Self::Starting)
    }
}

/// One queued job. Texts are escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedJobRow {
    /// GitHub's id of the job, `workflow_job_id` in GARM; GARM's id for a job of a scale set.
    pub id: i64,
    /// GitHub's id of the workflow run.
    pub run_id: i64,
    /// Its name in the workflow.
    pub name: String,
    /// The repository as `owner/name`.
    pub repository: String,
    pub labels: Vec<String>,
    /// The time since it was queued.
    pub age: Duration,
    /// The pool that the job is assigned to: its name, or `FLEET/POOL` for a pool of another fleet,
    /// or else GARM's id.
    pub pool: Option<String>,
    pub reason: JobReason,
    /// The reason in a sentence without a full stop.
    pub why: String,
    /// The pool that `why` is about.
    about: Option<String>,
}

impl QueuedJobRow {
    /// Whether the job is assigned to one of these pools, or `why` is about one of them.
    pub fn concerns(&self, pools: &[String]) -> bool {
        self.pool.iter().chain(&self.about).any(|pool| pools.contains(pool))
    }
}

/// The rows of `jobs`. `status` has the decisions about the pools.
pub fn job_rows(status: &FleetStatus, fleet: &Fleet, jobs: &[QueuedJob<'_>]) -> Vec<QueuedJobRow> {
    let pools = PoolLookup::new(status, fleet);
    let mut rows: Vec<QueuedJobRow> = jobs.iter().map(|queued| row(queued, &pools)).collect();
    rows.extend(set_job_rows(fleet, |id| pools.name(id)));
    rows.sort_by_key(|row| (Reverse(row.age), row.id));
    rows
}

/// The row of a job without its pool.
pub(super) fn bare_row(
    job: &Job,
    (reason, why): (JobReason, String),
    fleet: &Fleet,
) -> QueuedJobRow {
    QueuedJobRow {
        id: job.workflow_job_id,
        run_id: job.run_id,
        name: text::quote(&job.name),
        repository: text::quote(&job.repository),
        labels: job.labels.iter().map(text::quote).collect(),
        age: EvaluationClock::new(fleet.observed_at).age(job.created_at),
        pool: None,
        reason,
        why,
        about: None,
    }
}

/// The pools by GARM's id.
struct PoolLookup<'a> {
    ours: HashMap<&'a PoolId, &'a PoolStatus>,
    all: HashMap<&'a PoolId, &'a Pool>,
    fleet: &'a Fleet,
}

impl<'a> PoolLookup<'a> {
    fn new(status: &'a FleetStatus, fleet: &'a Fleet) -> Self {
        let ours = status.pools.iter().filter_map(|pool| Some((pool.pool_id.as_ref()?, pool)));
        let all = fleet.pools.iter().map(|pool| (&pool.id, pool));
        Self { ours: ours.collect(), all: all.collect(), fleet }
    }

    fn name(&self, id: &PoolId) -> String {
        if let Some(pool) = self.ours.get(id) {
            return text::quote(&pool.name);
        }
        let mark = self.all.get(id).and_then(|pool| pool.spec.labels.marks().into_iter().next());
        let owner = |mark: OwnerMark| format!("{}/{}", mark.fleet(), mark.pool());
        text::quote(&mark.map_or_else(|| id.to_string(), owner))
    }
}

fn row(queued: &QueuedJob<'_>, pools: &PoolLookup<'_>) -> QueuedJobRow {
    let pool = queued.pool.as_ref().map(|id| pools.name(id));
    let (reason, why) = why(queued, pools);
    let about = match &queued.wait {
        JobWait::Stuck(id) | JobWait::Disabled(id) | JobWait::Unlabelled { closest: id, .. } => {
            Some(pools.name(id))
        }
        JobWait::Idle { .. }
        | JobWait::Booting
        | JobWait::NoRunner { .. }
        | JobWait::Stale(_)
        | JobWait::NoPool => None,
    };
    QueuedJobRow { pool, about, ..bare_row(queued.job, (reason, why), pools.fleet) }
}

fn why(queued: &QueuedJob<'_>, pools: &PoolLookup<'_>) -> (JobReason, String) {
    let code = |id: &PoolId| text::code(pools.name(id));
    match &queued.wait {
        JobWait::Idle { since } => {
            let beside = EvaluationClock::new(pools.fleet.observed_at).age(*since);
            if beside < STUCK_AFTER {
                return (JobReason::IdleRunner, "an idle runner is about to take it".into());
            }
            let beside = span(beside);
            let why = format!("beside an idle runner for {beside}: GitHub does not hand it out");
            (JobReason::NotHandedOut, why)
        }
        JobWait::Booting => (JobReason::Booting, "a runner for it is booting".into()),
        JobWait::NoRunner { older, older_unserved, room } => {
            let pool = queued.pool.as_ref().and_then(|id| pools.ours.get(id));
            match pool.and_then(|pool| pool.decision.as_ref()) {
                Some(decision) => no_runner(decision, (*older, *older_unserved)),
                None => left_to_garm(*room, pools.fleet),
            }
        }
        JobWait::Stuck(pool) => {
            let why =
                format!("stuck: idle runners of {} start other jobs, not this one", code(pool));
            (JobReason::Stuck, why)
        }
        JobWait::Stale(age) => {
            let why = format!("stale: queued for longer than `stale_job_age` ({})", span(*age));
            (JobReason::Stale, why)
        }
        JobWait::Disabled(pool) => (
            JobReason::PoolDisabled,
            format!("only {} has its labels, and is disabled", code(pool)),
        ),
        JobWait::Unlabelled { closest, missing } => {
            let lacked = text::list(missing.iter().map(text::code), text::LISTED_MAX);
            let why = format!("no pool has all its labels; {} lacks {lacked}", code(closest));
            (JobReason::Labels, why)
        }
        JobWait::NoPool => {
            (JobReason::NoPool, "its organization, repository or enterprise has no pool".into())
        }
    }
}

/// The reason for a job of a pool that is not scaled.
fn left_to_garm(room: u32, fleet: &Fleet) -> (JobReason, String) {
    if room == 0 {
        return (JobReason::PoolFull, "the pool has `max_runners` runners".into());
    }
    let backoff = span(fleet.controller.backoff);
    let why = format!("runnerctl does not scale the pool; GARM starts a runner after {backoff}");
    (JobReason::LeftToGarm, why)
}

/// The reason for a job whose pool has no runner for it, from the decision about the pool.
fn no_runner(decision: &DecisionView, (older, older_unserved): (u32, u32)) -> (JobReason, String) {
    let value = &decision.value;
    let result = |key: &str| value["results"][key].as_u64().unwrap_or(0);
    let limit = |name: &str| {
        let limit = &value["limited_by"];
        limit["name"].as_str().filter(|limited| *limited == name)?;
        limit["value"].as_str().map(text::quote)
    };
    if let Some(frozen) = &decision.frozen {
        return (JobReason::Frozen, format!("nothing is written to the pool: {frozen}"));
    }
    if decision.stall.is_some() {
        let why = "GARM does not create the runners that it is asked for";
        return (JobReason::LevelNotFollowed, why.into());
    }
    if u64::from(older) < result("given_up_jobs") {
        let why = "given up: for 10m no idle runner has started it; such jobs share one runner";
        return (JobReason::GivenUp, why.into());
    }
    if let Some(limit) = limit("circuit") {
        let why = if limit == LACKED { NO_CAPACITY } else { "its runners keep failing" };
        let why = format!("the circuit breaker of the pool is open: {why}");
        return (JobReason::CircuitOpen, why);
    }
    let reason = value["reason"].as_str().unwrap_or_default();
    let for_floor = if reason == "floor" { result("floor") } else { 0 };
    if u64::from(older_unserved) < result("runners_needed").max(for_floor) {
        let is_applied = value["applied"] == true;
        let verb = if is_applied { "is being started" } else { "would be started by `watch`" };
        return (JobReason::Starting, format!("a runner for it {verb}"));
    }
    if let Some(max) = limit("max_runners") {
        return (JobReason::PoolFull, format!("the pool has its `max_runners` of {max}"));
    }
    let target = value["inputs"]["policy"]["scale_up_target"].as_u64().unwrap_or(0);
    match reason {
        "native_backoff" => {
            let backoff = limit("minimum_job_age_backoff").unwrap_or_default();
            (JobReason::LeftToGarm, format!("GARM starts a runner for it after {backoff}"))
        }
        "target" | "pressure" if target > 0 => {
            (JobReason::Target, format!("`scale_up_target` lets {target} jobs wait"))
        }
        "threshold" | "late" => (JobReason::Threshold, threshold(decision)),
        _ => (JobReason::NotDecided, "the pool's last decision does not cover it yet".into()),
    }
}

/// `waits for more than 5 jobs for 30s, or a job older than 2m`.
fn threshold(decision: &DecisionView) -> String {
    let policy = &decision.value["inputs"]["policy"];
    let seconds = |key: &str| Some(span(Duration::from_secs(policy[key].as_u64()?)));
    let jobs = policy["scale_up_threshold"].as_u64().unwrap_or(0);
    let jobs = count(usize::try_from(jobs).unwrap_or(usize::MAX), "job");
    let delay = seconds("scale_up_delay_seconds").unwrap_or_default();
    let late = seconds("max_queue_wait_seconds")
        .map_or_else(String::new, |wait| format!(", or until it is {wait} old"));
    format!("waits for more than {jobs} for {delay}{late}")
}

/// The table, oldest job first.
pub(super) fn table_of_jobs(jobs: &[QueuedJobRow], unlisted: u32, width: usize) -> String {
    let unlisted = match unlisted {
        0 => String::new(),
        some => {
            let jobs = count(some as usize, "job");
            let text =
                format!("{jobs} assigned to scale sets by GitHub, without a row in GARM yet");
            format!("{}\n", paint(QUIET, text))
        }
    };
    if jobs.is_empty() && unlisted.is_empty() {
        return format!("{}\n", paint(QUIET, "GARM knows of no queued job"));
    }
    if jobs.is_empty() {
        return unlisted;
    }
    let header = ["JOB", "AGE", "REPOSITORY", "LABELS", "POOL", "WHY IT WAITS"];
    let header = header.into_iter().map(|title| Cell::text(title).styled(QUIET)).collect();
    let shown = jobs.iter().take(SHOWN_MAX).map(cells).collect();
    let mut text = table(header, shown, width);
    if let Some(rest @ 1..) = jobs.len().checked_sub(SHOWN_MAX) {
        let more = format!("and {rest} more; `-o json` has all");
        text.push_str(&format!("{}\n", paint(QUIET, more)));
    }
    text + &unlisted
}

fn cells(job: &QueuedJobRow) -> Vec<Cell> {
    let why = Cell::text(job.why.clone());
    vec![
        Cell::number(job.id.to_string()),
        Cell::number(span(job.age)),
        Cell::text(job.repository.clone()).wrapped_at('/'),
        Cell::text(job.labels.join(", ")),
        match &job.pool {
            Some(pool) => Cell::text(pool.clone()).styled(NAME),
            None => Cell::text("none").styled(WARNING),
        },
        if job.reason.is_served() { why } else { why.styled(WARNING) },
    ]
}

/// One element of `jobs` in `status -o json`.
#[derive(Serialize, JsonSchema)]
pub(super) struct JobJson<'a> {
    id: i64,
    run_id: i64,
    name: &'a str,
    repository: &'a str,
    labels: &'a [String],
    age_seconds: u64,
    pool: Option<&'a str>,
    reason: &'static str,
    why: &'a str,
}

pub(super) fn json(job: &QueuedJobRow) -> JobJson<'_> {
    JobJson {
        id: job.id,
        run_id: job.run_id,
        name: &job.name,
        repository: &job.repository,
        labels: &job.labels,
        age_seconds: job.age.as_secs(),
        pool: job.pool.as_deref(),
        reason: job.reason.word(),
        why: &job.why,
    }
}
