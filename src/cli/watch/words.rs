//! What the loop tells, as lines of the log.

use std::time::Duration;

use serde_json::json;

use super::journal::{Line, Weight};
use crate::domain::entity::EntityKey;
use crate::domain::name::{PoolName, RunnerName};
use crate::domain::text::{code, quote};
use crate::engine::watch::{Act, ActEnd, Deed, Incident, Unmanaged};
use crate::scale::{Decision, Direction, Reason};
use crate::view::decision;
use crate::view::words::{count, span};
use crate::watchdog::Finding;

/// A decision that differs from the one before.
pub(in crate::cli) fn decided(pool: &PoolName, it: &Decision) -> Line {
    let weight = match (it.direction, it.reason) {
        (Direction::Up | Direction::Down, _) => Weight::Note,
        (Direction::Stay, Reason::CircuitOpen | Reason::NotHandedOut) => Weight::Warning,
        (Direction::Stay, Reason::MaxRunners | Reason::NativeBackoff) => Weight::Note,
        (Direction::Stay, _) => Weight::Detail,
    };
    Line::new(weight, "decision", decision::sentence(it)).of(pool).with(json!({
        "direction": it.direction.word(),
        "reason": it.reason.word(),
        "level": it.level,
    }))
}

/// A write and what came of it.
pub(super) fn acted(act: &Act) -> Line {
    let (deed, runner) = match &act.deed {
        Deed::Raise { from, to } => (format!("level raised from {from} to {to}"), None),
        Deed::Lower { from, to } => (format!("level lowered from {from} to {to}"), None),
        Deed::Resend { level } => {
            (format!("level {level} sent again: GARM does not follow it"), None)
        }
        Deed::Retire { runner } => {
            (format!("idle runner {} removed", code(runner.as_str())), Some(runner))
        }
        Deed::Remove { runner, fault } => (
            format!("failed runner {} removed; {}", code(runner.as_str()), why(fault)),
            Some(runner),
        ),
        Deed::Dismiss { runner } => {
            (format!("suspect runner {} removed", code(runner.as_str())), Some(runner))
        }
        Deed::Clear { runner } => (
            format!("runner {} removed: it lived on after its job", code(runner.as_str())),
            Some(runner),
        ),
    };
    let (weight, text) = match &act.end {
        ActEnd::Done => (Weight::Note, deed),
        ActEnd::Already => (Weight::Detail, format!("{deed}: it was so already")),
        ActEnd::Busy => (Weight::Note, format!("{}: not now, it is busy", without(&deed))),
        ActEnd::Failed(why) => (Weight::Warning, format!("{}: failed: {why}", without(&deed))),
    };
    Line::new(weight, "action", text).of(&act.pool).with(json!({
        "action": word(&act.deed),
        "outcome": outcome(&act.end),
        "reason": act.reason.map(Reason::word),
        "runner": runner.map(|it| quote(it.as_str())),
    }))
}

/// A provider's words about a failure.
fn why(fault: &Option<String>) -> String {
    fault.as_deref().map_or_else(
        || "its provider does not say why".to_owned(),
        |it| format!("its provider says: {}", quote(it.trim())),
    )
}

/// The deed as something that was to be done: `level raised …` → `level to be raised …`.
fn without(deed: &str) -> String {
    deed.replacen(" raised", " to be raised", 1)
        .replacen(" lowered", " to be lowered", 1)
        .replacen(" removed", " to be removed", 1)
        .replacen(" sent again", " to be sent again", 1)
}

/// The word of a deed, for programs.
pub(super) fn word(deed: &Deed) -> &'static str {
    match deed {
        Deed::Raise { .. } => "raise",
        Deed::Lower { .. } => "lower",
        Deed::Resend { .. } => "resend",
        Deed::Retire { .. } => "retire",
        Deed::Remove { .. } => "remove",
        Deed::Dismiss { .. } => "dismiss",
        Deed::Clear { .. } => "clear",
    }
}

/// The word of `runnerctl_scaling_actions_total{outcome}`.
pub(super) fn outcome(end: &ActEnd) -> &'static str {
    match end {
        ActEnd::Done => "done",
        ActEnd::Already => "already",
        ActEnd::Busy => "busy",
        ActEnd::Failed(_) => "failed",
    }
}

/// What the isolation auditor has found.
pub(in crate::cli) fn found(it: &Finding) -> Line {
    let text = match &it.runner {
        Some(runner) => format!("runner {}: {}", code(runner.as_str()), it.evidence),
        None => it.evidence.clone(),
    };
    Line::new(Weight::Warning, "finding", text).of(&it.pool).with(json!({
        "finding": it.kind.word(),
        "runner": it.runner.as_ref().map(|it| quote(it.as_str())),
    }))
}

/// Something that is not as it should be, or is so again.
pub(in crate::cli) fn incident(it: &Incident) -> Line {
    let line = |weight, text: String| Line::new(weight, "trouble", text);
    match it {
        Incident::ReadFailed { error, failures, again_in } => {
            let row =
                if *failures > 1 { format!(" ({failures} times in a row)") } else { "".into() };
            let text = format!(
                "GARM cannot be read{row}: {error}; the next try is in {}",
                span(*again_in)
            );
            let line = line(Weight::Error, text);
            error.help.as_ref().map_or(line.clone(), |help| line.help(help.clone()))
        }
        Incident::ReadAgain { failures } => {
            let times = count(*failures as usize, "failure");
            line(Weight::Note, format!("GARM is read again after {times}"))
        }
        Incident::Frozen { entity, why } => {
            let text = format!("nothing is written {}: {}", scope(entity), decision::freeze(why));
            line(Weight::Error, text)
        }
        Incident::Thawed { entity } => {
            line(Weight::Note, format!("writing again {}", scope(entity)))
        }
        Incident::StreamLost(why) => {
            let text = format!("GARM's event stream is lost, full reads go on: {}", quote(why));
            line(Weight::Warning, text)
        }
        Incident::StreamUp => line(Weight::Note, "listening to GARM's events".into()),
        Incident::Overflow => line(
            Weight::Note,
            "events came faster than they were taken: the fleet is read anew".into(),
        ),
        Incident::Skewed(skew) => {
            let text = format!(
                "this machine's clock and GARM's are {} apart; ages are taken on GARM's",
                span(skew.unsigned_abs())
            );
            line(Weight::Warning, text).help("set the clocks by NTP")
        }
        Incident::InStep => {
            line(Weight::Note, "this machine's clock and GARM's agree again".into())
        }
        Incident::LeashSlack(pool) => line(
            Weight::Warning,
            "no read has succeeded for 10s while its level is raised: the next write lowers it"
                .into(),
        )
        .of(pool),
        Incident::Unmanaged { pool, why } => unmanaged(pool, why),
        Incident::Managed(pool) => line(Weight::Note, "is steered now".into()).of(pool),
        Incident::RunnerFailed { pool, runner, fault } => {
            let text = format!("runner {} has failed: {}", code(runner.as_str()), why(fault));
            line(Weight::Warning, text).of(pool)
        }
        Incident::RunnerSuspect { pool, runner, grace } => suspect(pool, runner, *grace),
        Incident::HistoryUnread { runner, error } => {
            let text = format!("the history of {} cannot be read: {error}", code(runner.as_str()));
            line(Weight::Detail, text)
        }
    }
}

fn suspect(pool: &PoolName, runner: &RunnerName, grace: Duration) -> Line {
    let text = format!(
        "runner {} is suspect: it is idle by GARM's row, and a younger runner took a job that had \
         waited beside it; it is not connected to GitHub, or it is busy and a webhook was lost. It is \
         removed after {}, if GitHub agrees, unless it takes a job",
        code(runner.as_str()),
        span(grace)
    );
    Line::new(Weight::Warning, "trouble", text).of(pool)
}

fn unmanaged(pool: &PoolName, why: &Unmanaged) -> Line {
    Line::new(Weight::Warning, "trouble", format!("left alone: {}", why.sentence())).of(pool)
}

/// `to any pool`, or to those of one entity.
fn scope(entity: &Option<EntityKey>) -> String {
    match entity {
        None => "to any pool".into(),
        Some(it) => {
            format!("to the pools of {} {}", it.kind.word(), code(it.id.as_str()))
        }
    }
}
