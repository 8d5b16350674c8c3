//! A decision as JSON: every input, each rule's verdict, what binds, what would change it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::rules::said;
use super::words::{between, binding, freeze, next, sentence};
use crate::domain::desired::ScalePolicy;
use crate::domain::name::{PoolName, RunnerName};
use crate::domain::text;
use crate::scale::{Decision, Freeze, Inputs, Rules};

/// The object of `/decisions` and of `status`. Seconds are whole.
pub fn json(pool: &PoolName, it: &Decision, frozen: Option<&Freeze>) -> Value {
    let names = |all: &[RunnerName]| -> Vec<String> {
        all.iter().map(|it| text::escape(it.as_str()).to_string()).collect()
    };
    json!({
        "pool": pool.as_str(),
        "pool_id": text::escape(it.pool.as_str()),
        "at": it.at.to_string(),
        "direction": it.direction.word(),
        "reason": it.reason.word(),
        "sentence": sentence(it),
        "level": it.level,
        "resting_level": it.resting_level,
        "start": it.rules.need,
        "retire": names(&it.retire),
        "remove": names(&it.remove),
        "dismiss": names(&it.dismiss),
        "suspects": names(&it.suspects),
        "frozen": frozen.map(freeze),
        "binding": binding(it).map(|it| json!({ "name": it.name, "value": it.value })),
        "until": it.until.map(|it| it.to_string()),
        "next": next(it),
        "rules": said(it)
            .iter()
            .map(|it| json!({ "rule": it.rule, "verdict": it.verdict, "says": it.says }))
            .collect::<Vec<_>>(),
        "numbers": numbers(&it.rules),
        "inputs": inputs(&it.inputs, it.at),
    })
}

/// What `/decisions` answers: `pools` are objects of [`json`], `left_alone` pairs of a declared
/// pool and why it is not steered.
pub fn report(
    fleet: &str,
    at: Timestamp,
    pools: &[Value],
    left_alone: &[(String, String)],
) -> Value {
    let left: Vec<Value> =
        left_alone.iter().map(|(pool, why)| json!({ "pool": pool, "why": why })).collect();
    json!({
        "format_version": "1",
        "command": "watch",
        "fleet": fleet,
        "at": at.to_string(),
        "pools": pools,
        "left_alone": left,
    })
}

fn numbers(it: &Rules) -> Value {
    json!({
        "untaken": it.hand_out.untaken,
        "given_up": it.hand_out.given_up,
        "asking": it.asking,
        "late": it.late,
        "ours": it.ours,
        "covered": it.covered,
        "starting": it.starting,
        "unserved": it.unserved,
        "wanted": it.wanted,
        "room": it.room,
        "need": it.need,
        "floor": it.floor,
        "dead": it.dead,
        "dead_idle": it.dead_idle,
        "surplus": it.surplus,
        "due": it.due,
        "keep": it.keep,
    })
}

fn inputs(it: &Inputs, now: Timestamp) -> Value {
    let age = |at: Option<Timestamp>| at.map(|it| between(it, now).as_secs());
    let census = &it.census;
    json!({
        "policy": policy(&it.policy),
        "garm": {
            "max_runners": it.garm_max,
            "level": it.garm_level,
            "minimum_job_age_backoff_seconds": it.backoff.as_secs(),
        },
        "runners": {
            "active": census.active,
            "idle": census.idle,
            "suspect": census.suspect,
            "booting": census.booting,
            "retrying": census.retrying,
            "failed": census.failed,
            "leaving": census.leaving,
            "ended": census.ended,
            "live": census.live,
            "counted_idle_by_garm": census.garm_idle,
            "longest_idle_seconds": age(census.oldest_idle),
        },
        "jobs": {
            "queued": it.queued,
            "oldest_wait_seconds": age(it.oldest_queued),
            "fits": it.fits,
            "fits_older_than_delay": it.fits_waited,
            "stuck": it.tally.stuck,
            "stale": it.tally.stale,
            "forgotten": it.tally.forgotten,
        },
    })
}

fn policy(it: &ScalePolicy) -> Value {
    json!({
        "min_runners": it.min_runners,
        "max_runners": it.max_runners,
        "min_idle_runners": it.min_idle_runners,
        "scale_up_threshold": it.scale_up_threshold,
        "scale_up_delay_seconds": it.scale_up_delay.as_secs(),
        "scale_up_target": it.scale_up_target,
        "scale_down_delay_seconds": it.scale_down_delay.as_secs(),
        "max_queue_wait_seconds": it.max_queue_wait.map(|it| it.as_secs()),
        "boot_grace_seconds": it.boot_grace.as_secs(),
        "failed_runner_grace_seconds": it.failed_runner_grace.as_secs(),
        "stale_job_age_seconds": it.stale_job_age.as_secs(),
    })
}
