//! The log lines for what the loop reports.

use std::time::Duration;

use serde_json::json;
use tracing::Level;

use crate::cli::log::LogLine;
use crate::domain::entity::EntityKey;
use crate::domain::name::{PoolName, RunnerName};
use crate::domain::text::{code, quote, said};
use crate::garm;
use crate::monitor::IsolationFinding;
use crate::reconcile::watch::{
    Incident, UnresolvedReason, WriteAction, WriteOutcome, WriteReport, Writes,
};
use crate::render::decision::{self, Mood};
use crate::render::progress;
use crate::render::words::{count, span};
use crate::scaling::{Decision, Direction, Freeze, Reason};

/// A decision that differs from the one before. One that is not written weighs little, but where
/// deciding is all that there is (a dry run, [`Writes::Withheld`]).
pub(in crate::cli) fn decided(pool: &PoolName, it: &Decision, applied: Writes) -> LogLine {
    let level = match (it.direction, it.reason) {
        (Direction::Up | Direction::Down, _) => Level::INFO,
        (Direction::Stay, Reason::CircuitOpen | Reason::NotHandedOut) => Level::WARN,
        (Direction::Stay, Reason::MaxRunners | Reason::NativeBackoff) => Level::INFO,
        (Direction::Stay, _) => Level::DEBUG,
    };
    let mood = match applied {
        Writes::Sent => Mood::Does,
        Writes::Withheld => Mood::Would,
    };
    LogLine::new(level, "decision", decision::sentence(it, mood)).of(pool).with(json!({
        "direction": it.direction.word(),
        "reason": it.reason.word(),
        "pool_level": it.level,
        "applied": applied == Writes::Sent,
    }))
}

/// A write and what came of it.
pub(super) fn acted(act: &WriteReport) -> LogLine {
    let level = match &act.outcome {
        Ok(WriteOutcome::Done) | Ok(WriteOutcome::Refused) => Level::INFO,
        Ok(WriteOutcome::AlreadyDone) => Level::DEBUG,
        Err(_) => Level::WARN,
    };
    let (text, runner) = match &act.action {
        WriteAction::Raise { from, to } | WriteAction::Lower { from, to } => {
            (moved((*from, *to), 1, &act.outcome), None)
        }
        WriteAction::Resend { level } => (resent(*level, &act.outcome), None),
        WriteAction::Retire { runner } => {
            (going("idle runner", runner, "", &act.outcome), Some(runner))
        }
        WriteAction::Remove { runner, fault } => {
            let why = format!("; {}", why(fault));
            (going("failed runner", runner, &why, &act.outcome), Some(runner))
        }
        WriteAction::Dismiss { runner } => {
            (going("suspect runner", runner, "", &act.outcome), Some(runner))
        }
        WriteAction::Clear { runner } => {
            (going("runner", runner, ": it lived on after its job", &act.outcome), Some(runner))
        }
    };
    LogLine::new(level, "action", text).of(&act.pool).with(json!({
        "action": act.action.word(),
        "outcome": outcome(&act.outcome),
        "reason": act.reason.map(Reason::word),
        "runner": runner.map(|it| quote(it.as_str())),
    }))
}

/// That the level was moved, by so many writes together, or was not.
pub(super) fn moved(
    (from, to): (u32, u32),
    writes: u32,
    end: &Result<WriteOutcome, String>,
) -> String {
    let verb = if to > from { "raised" } else { "lowered" };
    match end {
        Ok(WriteOutcome::Done) if writes > 1 => {
            format!("level {verb} from {from} to {to} by {writes} writes")
        }
        Ok(WriteOutcome::Done) => format!("level {verb} from {from} to {to}"),
        Ok(WriteOutcome::AlreadyDone) => format!("level is {to} already"),
        Ok(WriteOutcome::Refused) => format!("level is not {verb} now: the pool is busy"),
        Err(why) => format!("level could not be {verb} from {from} to {to}: {why}"),
    }
}

fn resent(level: u32, end: &Result<WriteOutcome, String>) -> String {
    match end {
        Ok(WriteOutcome::Done) => format!("level {level} sent again: GARM does not follow it"),
        Ok(WriteOutcome::AlreadyDone) => format!("level {level} stands: GARM does not follow it"),
        Ok(WriteOutcome::Refused) => {
            format!("level {level} is not sent again now: the pool is busy")
        }
        Err(why) => {
            format!("level {level}, which GARM does not follow, could not be sent again: {why}")
        }
    }
}

/// That GARM deletes a runner, or does not. `why` is set behind it as it stands.
fn going(kind: &str, runner: &RunnerName, why: &str, end: &Result<WriteOutcome, String>) -> String {
    let runner = code(runner.as_str());
    match end {
        Ok(WriteOutcome::Done) => format!("{kind} {runner} is being deleted{why}"),
        Ok(WriteOutcome::AlreadyDone) => format!("{kind} {runner} was on its way out already{why}"),
        Ok(WriteOutcome::Refused) => {
            format!("{kind} {runner} stays: GARM lets none go that is busy or being created{why}")
        }
        Err(error) => format!("{kind} {runner} could not be deleted: {error}{why}"),
    }
}

/// A provider's words about a failure.
fn why(fault: &Option<String>) -> String {
    fault.as_deref().map_or_else(
        || "its provider does not say why".to_owned(),
        |it| format!("its provider says: {}", said(it)),
    )
}

/// A runner that GARM does not get deleted.
pub(super) fn undeletable(runner: &RunnerName, fault: &str, pool: &PoolName) -> LogLine {
    LogLine::warn("trouble", progress::undeletable(runner, fault)).of(pool)
}

/// The value of the label `outcome` of `runnerctl_scaling_actions_total`.
pub(super) fn outcome(outcome: &Result<WriteOutcome, String>) -> &'static str {
    outcome.as_ref().map_or("failed", |it| it.word())
}

/// What the isolation auditor has found.
pub(in crate::cli) fn found(it: &IsolationFinding) -> LogLine {
    let text = match &it.runner {
        Some(runner) => format!("runner {}: {}", code(runner.as_str()), it.evidence),
        None => it.evidence.clone(),
    };
    LogLine::warn("finding", text).of(&it.pool).with(json!({
        "finding": it.kind.word(),
        "runner": it.runner.as_ref().map(|it| quote(it.as_str())),
    }))
}

/// Something that is not as it should be, or is so again.
pub(in crate::cli) fn incident(it: &Incident) -> LogLine {
    let line = |level, text: String| LogLine::new(level, "trouble", text);
    match it {
        Incident::ReadFailed { error, failures, again_in } => unread(error, *failures, *again_in),
        Incident::ReadAgain { failures } => {
            let times = count(*failures as usize, "failure");
            line(Level::INFO, format!("GARM is read again after {times}"))
        }
        Incident::Frozen { entity, why } => {
            let text = format!("nothing is written {}: {}", scope(entity), decision::freeze(why));
            line(Level::ERROR, text)
        }
        Incident::Thawed { entity: Some(it), .. } => {
            line(Level::INFO, format!("GARM's worker for {} runs again", named(it)))
        }
        Incident::Thawed { entity: None, was, still } => line(Level::INFO, thawed(was, still)),
        Incident::StreamLost(why) => {
            let text = format!("GARM's event stream is lost, full reads go on: {}", quote(why));
            line(Level::WARN, text)
        }
        Incident::StreamUp => line(Level::INFO, "listening to GARM's events".into()),
        Incident::Overflow => line(
            Level::INFO,
            "events came faster than they were taken: the fleet is read anew".into(),
        ),
        Incident::Skewed(skew) => skewed(skew.unsigned_abs()),
        Incident::InStep => line(Level::INFO, "this machine's clock and GARM's agree again".into()),
        Incident::LeaseExpired(pool) => line(
            Level::WARN,
            "no read has succeeded for 10s while its level is raised: it is lowered as soon as \
             GARM takes a write"
                .into(),
        )
        .of(pool),
        Incident::NotFollowed { pool, stall } => line(Level::WARN, stall.sentence()).of(pool),
        Incident::Followed(pool) => {
            line(Level::INFO, "GARM has as many runners again as its level asks for".into())
                .of(pool)
        }
        Incident::Unmanaged { pool, why } => unmanaged(pool, why),
        Incident::Managed(pool) => line(Level::INFO, "is steered now".into()).of(pool),
        Incident::RunnerFailed { pool, runner, fault } => {
            let text = format!("runner {} has failed: {}", code(runner.as_str()), why(fault));
            line(Level::WARN, text).of(pool)
        }
        Incident::RunnerSuspect { pool, runner, grace } => suspect(pool, runner, *grace),
        Incident::HistoryUnread { runner, error } => {
            let text = format!("the history of {} cannot be read: {error}", code(runner.as_str()));
            line(Level::DEBUG, text)
        }
    }
}

fn suspect(pool: &PoolName, runner: &RunnerName, grace: Duration) -> LogLine {
    let text = format!(
        "runner {} is suspect: it is idle by GARM's row, and a younger runner took a job that had \
         waited beside it; it is not connected to GitHub, or it is busy and a webhook was lost. It is \
         removed after {}, or when its place is needed, if GitHub agrees, unless it takes a job",
        code(runner.as_str()),
        span(grace)
    );
    LogLine::warn("trouble", text).of(pool)
}

/// A full read has failed.
fn unread(error: &garm::GarmError, failures: u32, again_in: Duration) -> LogLine {
    let row = match failures {
        0 | 1 => String::new(),
        several => format!(" ({several} times in a row)"),
    };
    let again_in = span(again_in);
    let text = format!("GARM cannot be read{row}: {error}; the next try is in {again_in}");
    let line = LogLine::error("trouble", text);
    error.help.as_ref().map_or(line.clone(), |help| line.help(help.clone()))
}

fn skewed(by: Duration) -> LogLine {
    let text =
        format!("this machine's clock and GARM's are {} apart; ages are taken on GARM's", span(by));
    LogLine::warn("trouble", text).help("set the clocks by NTP")
}

fn unmanaged(pool: &PoolName, why: &UnresolvedReason) -> LogLine {
    LogLine::warn("trouble", format!("left alone: {}", why.sentence())).of(pool)
}

/// `to any pool`, or to those of one entity.
fn scope(entity: &Option<EntityKey>) -> String {
    match entity {
        None => "to any pool".into(),
        Some(it) => format!("to the pools of {}", named(it)),
    }
}

/// That what had frozen everything is over, and which pools are frozen all the same.
fn thawed(was: &Freeze, still: &[EntityKey]) -> String {
    let over = match was {
        Freeze::Unproven(_) => "mTLS is proven to be enforced",
        Freeze::Unrecorded(_) => "writes can be recorded",
        Freeze::Stale(_)
        | Freeze::Unread
        | Freeze::Unreachable
        | Freeze::Refused
        | Freeze::ManagerStopped(_) => "GARM can be read again",
    };
    if still.is_empty() {
        return format!("{over}: no longer frozen");
    }
    let still: Vec<String> = still.iter().map(named).collect();
    format!("{over}: no longer frozen, but for the pools of {}", still.join(", "))
}

fn named(entity: &EntityKey) -> String {
    format!("{} {}", entity.kind.word(), code(entity.id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entity::EntityKind;
    use crate::domain::name::{EntityId, PoolId};

    fn told(action: WriteAction, outcome: Result<WriteOutcome, String>) -> String {
        let (pool, pool_id) = (PoolName::new("web").unwrap(), PoolId::new("1"));
        let at = jiff::Timestamp::UNIX_EPOCH;
        acted(&WriteReport { at, pool, pool_id, action, reason: None, outcome }).text
    }

    #[test]
    fn what_a_provider_says_stands_as_it_was_said() {
        let runner = || RunnerName::new("r-1");
        let fault = "image ami-1 was removed and its quota lowered; sent again, then raised";
        let remove = || WriteAction::Remove { runner: runner(), fault: Some(fault.into()) };
        let failed = || Err("it was removed by hand".into());
        assert_eq!(
            [
                told(remove(), Ok(WriteOutcome::Done)),
                told(remove(), failed()),
                told(remove(), Ok(WriteOutcome::Refused)),
                told(WriteAction::Retire { runner: runner() }, failed()),
                told(WriteAction::Clear { runner: runner() }, Ok(WriteOutcome::AlreadyDone)),
            ],
            [
                &format!("failed runner `r-1` is being deleted; its provider says: {fault}"),
                &format!(
                    "failed runner `r-1` could not be deleted: it was removed by hand; its \
                     provider says: {fault}"
                ),
                &format!(
                    "failed runner `r-1` stays: GARM lets none go that is busy or being created; \
                     its provider says: {fault}"
                ),
                "idle runner `r-1` could not be deleted: it was removed by hand",
                "runner `r-1` was on its way out already: it lived on after its job",
            ]
        );
    }

    #[test]
    fn a_level_is_told_as_it_was_written_or_not() {
        let raise = || WriteAction::Raise { from: 0, to: 5 };
        let failed = || Err("level raised by hand".into());
        assert_eq!(
            [
                told(raise(), Ok(WriteOutcome::Done)),
                told(raise(), failed()),
                told(WriteAction::Lower { from: 5, to: 0 }, Ok(WriteOutcome::AlreadyDone)),
                told(WriteAction::Resend { level: 3 }, failed()),
            ],
            [
                "level raised from 0 to 5",
                "level could not be raised from 0 to 5: level raised by hand",
                "level is 0 already",
                "level 3, which GARM does not follow, could not be sent again: level raised by \
                 hand",
            ]
        );
    }

    #[test]
    fn the_end_of_a_freeze_says_what_is_so_and_no_more() {
        let entity = |id: &str| EntityKey { kind: EntityKind::Organization, id: EntityId::new(id) };
        let over = |entity, was, still| incident(&Incident::Thawed { entity, was, still }).text;
        let stopped = || Freeze::ManagerStopped("bad credentials".into());
        assert_eq!(
            [
                over(None, Freeze::Unreachable, vec![]),
                over(None, Freeze::Refused, vec![entity("o-1")]),
                over(None, Freeze::Unproven("mTLS is not enforced".into()), vec![]),
                over(Some(entity("o-1")), stopped(), vec![]),
            ],
            [
                "GARM can be read again: no longer frozen",
                "GARM can be read again: no longer frozen, but for the pools of organization \
                 `o-1`",
                "mTLS is proven to be enforced: no longer frozen",
                "GARM's worker for organization `o-1` runs again",
            ]
        );
    }
}
