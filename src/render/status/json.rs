//! The board as JSON.

use serde_json::{Value, json};

use super::Detail;
use super::fleet_status::{DecisionSource, FleetStatus, PoolStatus};
use super::runners::RunnerRow;
use crate::domain::name::PoolId;

/// The fields of `status`' document. Seconds are whole.
pub fn json(status: &FleetStatus, detail: Detail) -> Value {
    json!({
        "fleet": status.fleet,
        "controller_id": status.controller_id,
        "observed_at": status.observed_at.to_string(),
        "watch": status.source.as_ref().map(source),
        "pools": status.pools.iter().map(|it| pool(it, detail)).collect::<Vec<_>>(),
    })
}

/// Where the decisions come from.
fn source(it: &DecisionSource) -> Value {
    let (is_running, why, at, is_applied) = match it {
        DecisionSource::Watch { at, is_applied, .. } => {
            (Some(true), None, Some(at), Some(is_applied))
        }
        DecisionSource::NotRunning { .. } => (Some(false), None, None, None),
        DecisionSource::Unknown { why, .. } => (None, Some(why), None, None),
    };
    json!({
        "address": it.address(),
        "running": is_running,
        "why": why,
        "at": at.map(ToString::to_string),
        "applied": is_applied,
    })
}

fn pool(line: &PoolStatus, detail: Detail) -> Value {
    let snapshot = &line.snapshot;
    let mut pool = json!({
        "name": line.name,
        "pool_id": line.pool_id.as_ref().map(PoolId::as_str),
        "standing": line.standing.word(),
        "enabled": line.enabled,
        "active": snapshot.active,
        "idle": snapshot.idle,
        "booting": snapshot.booting,
        "failed": snapshot.failed,
        "suspect": snapshot.suspect,
        "min_runners": line.min_runners,
        "max_runners": line.max_runners,
        "level": line.level,
        "queue_depth": snapshot.queue_depth,
        "oldest_wait_seconds": snapshot.oldest_wait.map(|it| it.as_secs()),
        "stuck_jobs": line.decision.as_ref().map(|it| it.stuck),
        "decision": line.decision.as_ref().map(|it| &it.value),
        "remarks": line.remarks.iter().map(|it| it.text.as_str()).collect::<Vec<_>>(),
    });
    if detail == Detail::Runners {
        pool["runners"] = line.runners.iter().map(runner).collect();
    }
    pool
}

fn runner(runner: &RunnerRow) -> Value {
    json!({
        "name": runner.name,
        "does": runner.class.word(),
        "status": runner.status,
        "runner_status": runner.runner_status,
        "age_seconds": runner.age.as_secs(),
        "job": runner.job,
        "outdated": runner.is_outdated,
        "fault": runner.fault,
    })
}
