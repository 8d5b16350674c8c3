//! What limits a decision, and what would change it.

use super::circuit::{LACKED, lacks_capacity};
use super::occupancy::{limit, limiting_group};
use super::words::{clock, count_of, jobs, number};
use crate::render::words::span;
use crate::scaling::{Decision, Direction, Reason};

/// The setting or rule that limits a decision, as `limited_by` in `/decisions` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionLimit {
    /// A field of the pool, a setting of GARM, `circuit`, or the rule in words.
    pub name: &'static str,
    pub value: String,
}

/// What limits the decision; `None` if nothing does.
pub fn binding(decision: &Decision) -> Option<DecisionLimit> {
    let policy = &decision.inputs.policy;
    let bound = |name, value: String| Some(DecisionLimit { name, value });
    match decision.reason {
        Reason::Pressure | Reason::Late if decision.rules.need < decision.rules.wanted => {
            room_limit(decision)
        }
        Reason::Pressure
        | Reason::Late
        | Reason::HandOutProbe
        | Reason::BootProbe
        | Reason::NotHandedOut => None,
        Reason::MaxRunners | Reason::Group => room_limit(decision),
        Reason::Floor => floor_setting(decision),
        Reason::Probe | Reason::CircuitOpen if lacks_capacity(decision) => {
            bound("circuit", LACKED.to_owned())
        }
        Reason::Probe | Reason::CircuitOpen => {
            bound("circuit", count_of(decision.rules.circuit.failures, "failure"))
        }
        Reason::NativeBackoff => bound("minimum_job_age_backoff", span(decision.inputs.backoff)),
        Reason::Target => bound("scale_up_target", policy.scale_up_target.to_string()),
        Reason::Threshold if decision.inputs.fits > policy.scale_up_threshold => {
            bound("scale_up_delay", span(policy.scale_up_delay))
        }
        Reason::Threshold => bound("scale_up_threshold", policy.scale_up_threshold.to_string()),
        Reason::Hold => bound("scale_down_delay", span(policy.scale_down_delay)),
        Reason::Idle if decision.rules.surplus > number(decision.retire.len()) => {
            bound("a quarter at a time, at most 5", decision.retire.len().to_string())
        }
        Reason::Deleting
        | Reason::Assigned
        | Reason::Unassigned
        | Reason::Idle
        | Reason::Served
        | Reason::Failed
        | Reason::Suspect
        | Reason::Steady => None,
    }
}

/// What would change the decision: an event, and if known the earliest time. A phrase without a
/// full stop.
pub fn next(decision: &Decision) -> String {
    let policy = &decision.inputs.policy;
    let news = match decision.reason {
        Reason::Threshold => {
            let late =
                policy.max_queue_wait.map(|wait| format!(", or a job older than {}", span(wait)));
            format!(
                "more than {} for {}{}",
                jobs(policy.scale_up_threshold),
                span(policy.scale_up_delay),
                late.unwrap_or_default()
            )
        }
        Reason::MaxRunners => "a runner that ends, or a larger `max_runners`".into(),
        Reason::Group => "a runner of the group that ends, or a larger limit of the group".into(),
        Reason::Deleting => "a row in deletion that disappears, or the new runners' rows".into(),
        Reason::Assigned => "the new runners' rows in GARM".into(),
        Reason::Unassigned => "GitHub, which assigns or ends the job".into(),
        Reason::CircuitOpen | Reason::Probe if lacks_capacity(decision) => {
            "a VM that the provider creates".into()
        }
        Reason::CircuitOpen | Reason::Probe => "a runner that becomes idle".into(),
        Reason::Hold => "a job, or the end of the hold".into(),
        Reason::NativeBackoff => "a larger `controller.minimum_job_age_backoff`, or time".into(),
        Reason::Target => "more waiting jobs, or a job that is late".into(),
        Reason::NotHandedOut => "a job that starts, or time: one more runner is tried then".into(),
        Reason::HandOutProbe if decision.direction == Direction::Down => "the removal".into(),
        Reason::HandOutProbe
        | Reason::BootProbe
        | Reason::Pressure
        | Reason::Late
        | Reason::Floor => "the new runners' rows in GARM".into(),
        Reason::Served => "a job beyond those, or a runner that fails".into(),
        Reason::Idle | Reason::Failed | Reason::Suspect => "the removal".into(),
        Reason::Steady => "a job".into(),
    };
    match decision.until {
        Some(until) => format!("{news}; by time alone not before {}", clock(until)),
        None => news,
    }
}

/// The limit that leaves no more room: the pool's own, or its part of its group's.
fn room_limit(decision: &Decision) -> Option<DecisionLimit> {
    let (name, value) = match limiting_group(decision) {
        Some(group) => ("group", group.name.as_str().to_owned()),
        None => ("max_runners", limit(decision).to_string()),
    };
    Some(DecisionLimit { name, value })
}

fn floor_setting(decision: &Decision) -> Option<DecisionLimit> {
    let policy = &decision.inputs.policy;
    let (name, value) = if policy.min_idle_runners >= decision.rules.floor {
        ("min_idle_runners", policy.min_idle_runners)
    } else {
        ("min_runners", policy.min_runners)
    };
    Some(DecisionLimit { name, value: value.to_string() })
}
