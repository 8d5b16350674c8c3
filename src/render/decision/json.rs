//! One decision as JSON: all its inputs, the verdict of each rule, what limits it, and what would
//! change it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::binding::{binding, next};
use super::rules::{RuleVerdict, rule_verdicts};
use super::stall::{Stall, StallJson};
use super::words::{Mood, between, freeze, sentence, short, untaken};
use crate::domain::desired::ScalePolicy;
use crate::domain::name::{PoolName, RunnerName};
use crate::domain::price::Price;
use crate::domain::text;
use crate::render::document;
use crate::scaling::{
    Decision, DecisionInputs, Direction, Freeze, Reason, RuleResults, RunnerCounts,
};

/// Whether a decision is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecisionEffect<'a> {
    Applied,
    /// Not applied: nothing is written to the pool, for this reason.
    Frozen(&'a Freeze),
    /// Not applied: the process that decides writes nothing, because it is a dry run or a `status`.
    NotWritten,
}

impl DecisionEffect<'_> {
    /// The form of the verbs in the sentence about the decision.
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

/// One decision, in `/decisions` and in `status`. Seconds are whole. `docs/glossary.md` defines
/// every key.
#[derive(Serialize, JsonSchema)]
pub(in crate::render) struct DecisionJson<'a> {
    pool: &'a str,
    pool_id: String,
    #[schemars(extend("format" = "date-time"))]
    at: String,
    #[schemars(extend("enum" = Direction::ALL.map(Direction::word)))]
    direction: &'static str,
    #[schemars(extend("enum" = Reason::ALL.map(Reason::word)))]
    reason: &'static str,
    short: String,
    sentence: String,
    applied: bool,
    level: u32,
    resting_level: u32,
    runners_to_start: u32,
    scale_down: Vec<String>,
    remove_failed: Vec<String>,
    remove_suspect: Vec<String>,
    suspect_runners: Vec<String>,
    frozen: Option<String>,
    level_not_followed: Option<StallJson<'a>>,
    jobs_not_handed_out: Option<String>,
    limited_by: Option<LimitJson>,
    #[schemars(extend("format" = "date-time"))]
    earliest_change_at: Option<String>,
    next_change: String,
    rules: Vec<RuleJson>,
    results: ResultsJson,
    /// Absent for a pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    scale_set: Option<ScaleSetJson>,
    /// Absent for a pool that is in no group.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<GroupJson>,
    inputs: InputsJson,
}

#[derive(Serialize, JsonSchema)]
struct GroupJson {
    name: String,
    /// Of all its pools, in all GARMs.
    max_runners: u32,
    /// The GARMs of its pools. Absent if there is only one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    garms: Vec<String>,
    share: Option<u32>,
    idle_given_up: u32,
}

#[derive(Serialize, JsonSchema)]
struct ScaleSetJson {
    assigned_jobs: u32,
    unassigned_jobs: u32,
    start_for_unassigned_job: bool,
    deleting_covered: u32,
    runners_not_created: u32,
}

#[derive(Serialize, JsonSchema)]
struct LimitJson {
    name: &'static str,
    value: String,
}

#[derive(Serialize, JsonSchema)]
struct RuleJson {
    rule: &'static str,
    verdict: &'static str,
    explanation: String,
}

#[derive(Serialize, JsonSchema)]
struct ResultsJson {
    jobs_not_handed_out: u32,
    given_up_jobs: u32,
    jobs_asking: u32,
    late_jobs: u32,
    jobs_scaled_for: u32,
    jobs_beside_idle_runner: u32,
    pickups_expected: u32,
    unserved_jobs: u32,
    runners_wanted: u32,
    room: u32,
    runners_needed: u32,
    floor: u32,
    failed_or_suspect: u32,
    suspect: u32,
    idle_above_floor: u32,
    scale_down_candidates: u32,
    idle_held: u32,
}

#[derive(Serialize, JsonSchema)]
struct InputsJson {
    policy: PolicyJson,
    garm: GarmJson,
    runners: RunnersJson,
    jobs: JobsJson,
}

#[derive(Serialize, JsonSchema)]
struct PolicyJson {
    min_runners: u32,
    max_runners: u32,
    min_idle_runners: u32,
    scale_up_threshold: u32,
    scale_up_delay_seconds: u64,
    scale_up_target: u32,
    scale_down_delay_seconds: u64,
    max_queue_wait_seconds: Option<u64>,
    boot_grace_seconds: u64,
    failed_runner_grace_seconds: u64,
    stale_job_age_seconds: u64,
    price: Option<f64>,
}

#[derive(Serialize, JsonSchema)]
struct GarmJson {
    max_runners: u32,
    level: u32,
    minimum_job_age_backoff_seconds: u64,
}

#[derive(Serialize, JsonSchema)]
struct RunnersJson {
    active: u32,
    idle: u32,
    suspect: u32,
    /// The sum of the states `pending`, `creating` and `installing`.
    booting: u32,
    /// Those of `booting` whose creation GARM tries again.
    create_retried: u32,
    failed: u32,
    deleting: u32,
    /// Those of `deleting` whose job is over.
    job_ended: u32,
    live: u32,
    counted_idle_by_garm: u32,
    #[schemars(extend("format" = "date-time"))]
    deleting_since: Option<String>,
    longest_idle_seconds: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct JobsJson {
    queued: u32,
    oldest_wait_seconds: Option<u64>,
    #[schemars(extend("format" = "date-time"))]
    oldest_queued_at: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    oldest_stuck_at: Option<String>,
    fitting: u32,
    fitting_older_than_delay: u32,
    stuck: u32,
    stale: u32,
    forgotten: u32,
}

/// The object of one pool in `/decisions`. `stall` is set if GARM does not follow the level.
pub fn json(
    pool: &PoolName,
    decision: &Decision,
    fate: DecisionEffect<'_>,
    stall: Option<&Stall>,
) -> Value {
    let names = |all: &[RunnerName]| -> Vec<String> {
        all.iter().map(|name| text::escape(name.as_str()).to_string()).collect()
    };
    let rule = |verdict: RuleVerdict| RuleJson {
        rule: verdict.rule,
        verdict: verdict.verdict,
        explanation: verdict.says,
    };
    document::value(&DecisionJson {
        pool: pool.as_str(),
        pool_id: text::escape(decision.pool.as_str()).into_owned(),
        at: decision.at.to_string(),
        direction: decision.direction.word(),
        reason: decision.reason.word(),
        short: short(decision),
        sentence: sentence(decision, fate.mood()),
        applied: fate == DecisionEffect::Applied,
        level: decision.level,
        resting_level: decision.resting_level,
        runners_to_start: decision.rules.need,
        scale_down: names(&decision.retire),
        remove_failed: names(&decision.remove),
        remove_suspect: names(&decision.dismiss),
        suspect_runners: names(&decision.suspects),
        frozen: fate.freeze().map(freeze),
        level_not_followed: stall.map(Stall::json),
        jobs_not_handed_out: (decision.rules.hand_out.untaken > 0).then(|| untaken(decision)),
        limited_by: binding(decision)
            .map(|binding| LimitJson { name: binding.name, value: binding.value }),
        earliest_change_at: decision.until.map(|at| at.to_string()),
        next_change: next(decision),
        rules: rule_verdicts(decision).into_iter().map(rule).collect(),
        results: results(&decision.rules),
        scale_set: decision.scale_set.map(|set| ScaleSetJson {
            assigned_jobs: set.assigned,
            unassigned_jobs: set.unassigned,
            start_for_unassigned_job: set.pulse,
            deleting_covered: set.leaving,
            runners_not_created: set.missing,
        }),
        group: group(&decision.inputs),
        inputs: inputs(&decision.inputs, decision.at),
    })
}

fn group(inputs: &DecisionInputs) -> Option<GroupJson> {
    let group = inputs.policy.group.as_ref()?;
    Some(GroupJson {
        name: group.name.as_str().to_owned(),
        max_runners: group.max_runners,
        garms: group.garms.iter().map(ToString::to_string).collect(),
        share: inputs.share.map(|share| share.max),
        idle_given_up: inputs.share.map_or(0, |share| share.shed),
    })
}

fn results(rules: &RuleResults) -> ResultsJson {
    ResultsJson {
        jobs_not_handed_out: rules.hand_out.untaken,
        given_up_jobs: rules.hand_out.given_up,
        jobs_asking: rules.asking,
        late_jobs: rules.late,
        jobs_scaled_for: rules.ours,
        jobs_beside_idle_runner: rules.covered,
        pickups_expected: rules.starting,
        unserved_jobs: rules.unserved,
        runners_wanted: rules.wanted,
        room: rules.room,
        runners_needed: rules.need,
        floor: rules.floor,
        failed_or_suspect: rules.dead,
        suspect: rules.dead_idle,
        idle_above_floor: rules.surplus,
        scale_down_candidates: rules.due,
        idle_held: rules.keep,
    }
}

fn inputs(inputs: &DecisionInputs, now: Timestamp) -> InputsJson {
    InputsJson {
        policy: policy(&inputs.policy),
        garm: GarmJson {
            max_runners: inputs.garm_max,
            level: inputs.garm_level,
            minimum_job_age_backoff_seconds: inputs.backoff.as_secs(),
        },
        runners: runners(&inputs.counts, now),
        jobs: jobs(inputs, now),
    }
}

fn runners(counts: &RunnerCounts, now: Timestamp) -> RunnersJson {
    RunnersJson {
        active: counts.active,
        idle: counts.idle,
        suspect: counts.suspect,
        booting: counts.booting,
        create_retried: counts.retrying,
        failed: counts.failed,
        deleting: counts.leaving + counts.ended,
        job_ended: counts.ended,
        live: counts.live,
        counted_idle_by_garm: counts.garm_idle,
        deleting_since: counts.leaving_since.map(|at| at.to_string()),
        longest_idle_seconds: age(counts.oldest_idle, now),
    }
}

fn jobs(inputs: &DecisionInputs, now: Timestamp) -> JobsJson {
    JobsJson {
        queued: inputs.queued,
        oldest_wait_seconds: age(inputs.oldest_queued, now),
        oldest_queued_at: inputs.oldest_queued.map(|at| at.to_string()),
        oldest_stuck_at: inputs.exceptions.oldest_stuck.map(|at| at.to_string()),
        fitting: inputs.fits,
        fitting_older_than_delay: inputs.fits_waited,
        stuck: inputs.exceptions.stuck,
        stale: inputs.exceptions.stale,
        forgotten: inputs.exceptions.forgotten,
    }
}

fn age(at: Option<Timestamp>, now: Timestamp) -> Option<u64> {
    at.map(|at| between(at, now).as_secs())
}

fn policy(policy: &ScalePolicy) -> PolicyJson {
    PolicyJson {
        min_runners: policy.min_runners,
        max_runners: policy.max_runners,
        min_idle_runners: policy.min_idle_runners,
        scale_up_threshold: policy.scale_up_threshold,
        scale_up_delay_seconds: policy.scale_up_delay.as_secs(),
        scale_up_target: policy.scale_up_target,
        scale_down_delay_seconds: policy.scale_down_delay.as_secs(),
        max_queue_wait_seconds: policy.max_queue_wait.map(|wait| wait.as_secs()),
        boot_grace_seconds: policy.boot_grace.as_secs(),
        failed_runner_grace_seconds: policy.failed_runner_grace.as_secs(),
        stale_job_age_seconds: policy.stale_job_age.as_secs(),
        price: policy.price.map(Price::per_hour),
    }
}
