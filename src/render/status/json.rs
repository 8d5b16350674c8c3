//! The document of `status -o json`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::StatusDetail;
use super::fleet_status::{DecisionSource, FleetStatus, PoolStanding, PoolStatus};
use super::groups::GroupStatus;
use super::jobs::{self, JobJson};
use super::runners::RunnerRow;
use crate::domain::name::PoolId;
use crate::domain::name::PoolKind;
use crate::render::decision::DecisionJson;
use crate::render::document;
use crate::render::leadership::LeadershipJson;
use crate::scaling::LifeState;

/// The fields of the document of `status` besides `format_version` and `command`. Seconds are
/// whole.
#[derive(Serialize, JsonSchema)]
struct StatusJson<'a> {
    fleet: &'a str,
    controller_id: &'a str,
    #[schemars(extend("format" = "date-time"))]
    observed_at: String,
    watch: Option<WatchJson<'a>>,
    pools: Vec<PoolJson<'a>>,
    /// The groups that share a limit. Absent if the fleet file has none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<GroupUseJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<Vec<JobJson<'a>>>,
    /// The number of jobs that wait for scale sets of the fleet and of which GARM has no row, so that
    /// they are not in `jobs`; only with `--jobs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    unlisted_jobs: Option<u32>,
}

/// The source of the decisions.
#[derive(Default, Serialize, JsonSchema)]
struct WatchJson<'a> {
    address: &'a str,
    /// Null if unknown.
    running: Option<bool>,
    why: Option<&'a str>,
    #[schemars(extend("format" = "date-time"))]
    at: Option<String>,
    applied: Option<bool>,
    /// Who leads; only with `watch.leader`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LeadershipJson")]
    leader: Option<&'a LeadershipJson>,
}

/// A group and how much of its limit is used.
#[derive(Serialize, JsonSchema)]
struct GroupUseJson<'a> {
    name: &'a str,
    max_runners: u32,
    /// All runners of its pools in this GARM.
    runners: u32,
    /// Its pools in this GARM.
    pools: &'a [String],
    /// The GARMs of its pools. Absent if there is only one.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    garms: &'a [String],
}

#[derive(Serialize, JsonSchema)]
struct PoolJson<'a> {
    name: &'a str,
    #[schemars(extend("enum" = PoolKind::ALL.map(PoolKind::word)))]
    kind: &'static str,
    pool_id: Option<&'a str>,
    #[schemars(extend("enum" = PoolStanding::ALL.map(PoolStanding::word)))]
    standing: &'static str,
    enabled: bool,
    active: u32,
    idle: u32,
    /// The sum of the states `pending`, `creating` and `installing`.
    booting: u32,
    failed: u32,
    suspect: u32,
    min_runners: u32,
    max_runners: u32,
    level: Option<u32>,
    queue_depth: u32,
    oldest_wait_seconds: Option<u64>,
    stuck_jobs: Option<u32>,
    /// The object of this pool in `/decisions`.
    #[schemars(with = "Option<DecisionJson<'a>>")]
    decision: Option<&'a Value>,
    remarks: Vec<&'a str>,
    /// Only with `--runners`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<RunnerJson<'a>>")]
    runners: Option<Vec<RunnerJson<'a>>>,
}

#[derive(Serialize, JsonSchema)]
struct RunnerJson<'a> {
    name: &'a str,
    #[schemars(extend("enum" = LifeState::ALL.map(LifeState::word)))]
    state: &'static str,
    status: &'a str,
    runner_status: &'a str,
    age_seconds: u64,
    job: Option<&'a str>,
    outdated: bool,
    fault: Option<&'a str>,
}

/// The fields of `status`' document.
pub fn json(status: &FleetStatus, detail: StatusDetail) -> Value {
    document::value(&StatusJson {
        fleet: &status.fleet,
        controller_id: &status.controller_id,
        observed_at: status.observed_at.to_string(),
        watch: status.source.as_ref().map(source),
        pools: status.pools.iter().map(|line| pool(line, detail)).collect(),
        groups: status.groups.iter().map(group).collect(),
        jobs: status.jobs.as_ref().map(|jobs| jobs.iter().map(jobs::json).collect()),
        unlisted_jobs: status.jobs.as_ref().map(|_| status.unlisted_jobs()),
    })
}

pub fn schema() -> Value {
    document::schema::<StatusJson<'_>>("status", Some("status"))
}

fn source(source: &DecisionSource) -> WatchJson<'_> {
    let unknown = WatchJson { address: source.address(), ..WatchJson::default() };
    match source {
        DecisionSource::Watch { at, is_applied, leader, .. } => WatchJson {
            running: Some(true),
            at: Some(at.to_string()),
            applied: Some(*is_applied),
            leader: leader.as_ref(),
            ..unknown
        },
        DecisionSource::NotRunning { .. } => WatchJson { running: Some(false), ..unknown },
        DecisionSource::Unknown { why, .. } => WatchJson { why: Some(why), ..unknown },
    }
}

fn group(group: &GroupStatus) -> GroupUseJson<'_> {
    GroupUseJson {
        name: &group.name,
        max_runners: group.max_runners,
        runners: group.runners,
        pools: &group.pools,
        garms: &group.garms,
    }
}

fn pool(pool: &PoolStatus, detail: StatusDetail) -> PoolJson<'_> {
    let snapshot = &pool.snapshot;
    PoolJson {
        name: &pool.name,
        kind: pool.kind.word(),
        pool_id: pool.pool_id.as_ref().map(PoolId::as_str),
        standing: pool.standing.word(),
        enabled: pool.enabled,
        active: snapshot.active,
        idle: snapshot.idle,
        booting: snapshot.booting,
        failed: snapshot.failed,
        suspect: snapshot.suspect,
        min_runners: pool.min_runners,
        max_runners: pool.max_runners,
        level: pool.level,
        queue_depth: snapshot.queue_depth,
        oldest_wait_seconds: snapshot.oldest_wait.map(|wait| wait.as_secs()),
        stuck_jobs: pool.decision.as_ref().map(|decision| decision.stuck),
        decision: pool.decision.as_ref().map(|decision| &*decision.value),
        remarks: pool.remarks.iter().map(|remark| remark.text.as_str()).collect(),
        runners: (detail == StatusDetail::Runners)
            .then(|| pool.runners.iter().map(runner).collect()),
    }
}

fn runner(runner: &RunnerRow) -> RunnerJson<'_> {
    RunnerJson {
        name: &runner.name,
        state: runner.state.word(),
        status: &runner.status,
        runner_status: &runner.runner_status,
        age_seconds: runner.age.as_secs(),
        job: runner.job.as_deref(),
        outdated: runner.is_outdated,
        fault: runner.fault.as_deref(),
    }
}
