//! A decision as JSON: every input, each rule's verdict, what binds, what would change it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::rules::said;
use super::stall::Stall;
use super::words::{Mood, between, binding, freeze, next, sentence, short, untaken};
use crate::domain::desired::ScalePolicy;
use crate::domain::name::{PoolName, RunnerName};
use crate::domain::text;
use crate::scaling::{Decision, DecisionInputs, Freeze, RuleResults};

/// What becomes of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecisionEffect<'a> {
    /// It is carried out.
    Applied,
    /// Nothing is written to the pool, for this reason.
    Frozen(&'a Freeze),
    /// The process that decides writes nothing: a dry run, or a look without a `watch`.
    NotWritten,
}

impl DecisionEffect<'_> {
    /// How the decision is told.
    pub fn mood(self) -> Mood {
        match self {
            Self::Applied => Mood::Does,
            Self::Frozen(_) | Self::NotWritten => Mood::Would,
        }
    }

    fn freeze(&self) -> Option<&Freeze> {
        match self {
            Self::Frozen(why) => Some(why),
            Self::Applied | Self::NotWritten => None,
        }
    }
}

/// The object of `/decisions` and of `status`. Seconds are whole. `stall` tells that GARM does not
/// follow the level.
pub fn json(
    pool: &PoolName,
    it: &Decision,
    fate: DecisionEffect<'_>,
    stall: Option<&Stall>,
) -> Value {
    let names = |all: &[RunnerName]| -> Vec<String> {
        all.iter().map(|it| text::escape(it.as_str()).to_string()).collect()
    };
    json!({
        "pool": pool.as_str(),
        "pool_id": text::escape(it.pool.as_str()),
        "at": it.at.to_string(),
        "direction": it.direction.word(),
        "reason": it.reason.word(),
        "short": short(it),
        "sentence": sentence(it, fate.mood()),
        "applied": fate == DecisionEffect::Applied,
        "level": it.level,
        "resting_level": it.resting_level,
        "start": it.rules.need,
        "retire": names(&it.retire),
        "remove": names(&it.remove),
        "dismiss": names(&it.dismiss),
        "suspects": names(&it.suspects),
        "frozen": fate.freeze().map(freeze),
        "not_followed": stall.map(Stall::json),
        "not_handed_out": (it.rules.hand_out.untaken > 0).then(|| untaken(it)),
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

/// What `/decisions` says beside the decisions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DecisionsDocument {
    /// Whose pools they are.
    pub fleet: String,
    /// Address of their GARM.
    pub garm: String,
    /// GARM's id of itself.
    pub controller_id: Option<String>,
    /// When the last turn was taken, on GARM's clock.
    pub at: Timestamp,
    /// Whether decisions are written where nothing is frozen: not in a dry run, not while pools
    /// are held.
    pub is_applied: bool,
    /// Declared pools that are not steered, and why.
    pub left_alone: Vec<(String, String)>,
}

impl DecisionsDocument {
    /// The page, with `pools` as objects of [`json`].
    pub fn value(&self, pools: &[Value]) -> Value {
        let left = self.left_alone.iter().map(|(pool, why)| json!({ "pool": pool, "why": why }));
        json!({
            "format_version": "1",
            "command": "watch",
            "version": env!("CARGO_PKG_VERSION"),
            "fleet": self.fleet,
            "garm": self.garm,
            "controller_id": self.controller_id,
            "at": self.at.to_string(),
            "applied": self.is_applied,
            "pools": pools,
            "left_alone": left.collect::<Vec<_>>(),
        })
    }
}

fn numbers(it: &RuleResults) -> Value {
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

fn inputs(it: &DecisionInputs, now: Timestamp) -> Value {
    let age = |at: Option<Timestamp>| at.map(|it| between(it, now).as_secs());
    let counts = &it.counts;
    json!({
        "policy": policy(&it.policy),
        "garm": {
            "max_runners": it.garm_max,
            "level": it.garm_level,
            "minimum_job_age_backoff_seconds": it.backoff.as_secs(),
        },
        "runners": {
            "active": counts.active,
            "idle": counts.idle,
            "suspect": counts.suspect,
            "booting": counts.booting,
            "retrying": counts.retrying,
            "failed": counts.failed,
            "leaving": counts.leaving,
            "ended": counts.ended,
            "live": counts.live,
            "counted_idle_by_garm": counts.garm_idle,
            "leaving_since": counts.leaving_since.map(|it| it.to_string()),
            "longest_idle_seconds": age(counts.oldest_idle),
        },
        "jobs": {
            "queued": it.queued,
            "oldest_wait_seconds": age(it.oldest_queued),
            "oldest_queued_at": it.oldest_queued.map(|it| it.to_string()),
            "oldest_stuck_at": it.exceptions.oldest_stuck.map(|it| it.to_string()),
            "fits": it.fits,
            "fits_older_than_delay": it.fits_waited,
            "stuck": it.exceptions.stuck,
            "stale": it.exceptions.stale,
            "forgotten": it.exceptions.forgotten,
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
