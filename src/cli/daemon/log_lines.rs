//! The log lines for the reports of the loop.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::Level;

use crate::cli::log::{LogFields, LogLine};
use crate::domain::entity::EntityKey;
use crate::domain::name::{PoolName, RunnerName};
use crate::domain::text::{code, quote, said};
use crate::garm;
use crate::monitor::IsolationFinding;
use crate::reconcile::watch::{
    Incident, UnresolvedReason, WriteAction, WriteOutcome, WriteReport, Writes,
};
use crate::render::decision::{self, Mood};
use crate::render::words::{count, span};
use crate::scaling::{Decision, Direction, Freeze, Reason};

/// The level of the log line of a decision: a warning, information, or a detail.
pub(super) fn decision_level(decision: &Decision) -> Level {
    match (decision.direction, decision.reason) {
        (Direction::Up | Direction::Down, _) => Level::INFO,
        (Direction::Stay, Reason::CircuitOpen | Reason::NotHandedOut) => Level::WARN,
        (Direction::Stay, Reason::MaxRunners | Reason::Group | Reason::NativeBackoff) => {
            Level::INFO
        }
        (Direction::Stay, _) => Level::DEBUG,
    }
}

/// The line of a decision that differs from the previous one. It adds detail to the pool's own
/// line.
pub(in crate::cli) fn decided(pool: &PoolName, decision: &Decision, applied: Writes) -> LogLine {
    let mood = match applied {
        Writes::Sent => Mood::Does,
        Writes::Withheld => Mood::Would,
    };
    LogLine::new(Level::DEBUG, "decision", decision::sentence(decision, mood)).of(pool).with(
        &LogFields::Decision {
            direction: decision.direction.word(),
            reason: decision.reason.word(),
            pool_level: decision.level,
            applied: applied == Writes::Sent,
        },
    )
}

/// The line of a write and its outcome.
pub(super) fn acted(act: &WriteReport) -> LogLine {
    let level = match &act.outcome {
        Ok(WriteOutcome::Done) | Ok(WriteOutcome::Refused) => Level::INFO,
        Ok(WriteOutcome::AlreadyDone) => Level::DEBUG,
        Err(_) => Level::WARN,
    };
    let (text, runner) = match &act.action {
        WriteAction::Raise { from, to } | WriteAction::Lower { from, to } => {
            (moved(*from, *to, &act.outcome), None)
        }
        WriteAction::Resend { level } => (resent(*level, &act.outcome), None),
        WriteAction::Rescue { level, missing } => (rescued(*level, *missing, &act.outcome), None),
        WriteAction::Limit { from, to, group } => {
            (limited((*from, *to), group.as_str(), &act.outcome), None)
        }
        WriteAction::Retire { runner } => {
            (going("idle runner", runner, "", &act.outcome), Some(runner))
        }
        WriteAction::Remove { runner, fault } => {
            // GARM clears the message at each new attempt, so a missing one means nothing.
            let why = fault
                .as_deref()
                .map_or_else(String::new, |fault| format!("; its provider says: {}", said(fault)));
            (going("failed runner", runner, &why, &act.outcome), Some(runner))
        }
        WriteAction::Dismiss { runner } => {
            (going("suspect runner", runner, "", &act.outcome), Some(runner))
        }
        WriteAction::Clear { runner } => (
            going("runner", runner, ": it was still there after its job", &act.outcome),
            Some(runner),
        ),
    };
    LogLine::new(level, "action", text).of(&act.pool).with(&LogFields::Action {
        action: act.action.word(),
        outcome: outcome(&act.outcome),
        reason: act.reason.map(Reason::word),
        runner: runner.map(|name| quote(name.as_str())),
    })
}

fn moved(from: u32, to: u32, end: &Result<WriteOutcome, String>) -> String {
    let verb = if to > from { "raised" } else { "lowered" };
    match end {
        Ok(WriteOutcome::Done) => format!("level {verb} from {from} to {to}"),
        Ok(WriteOutcome::AlreadyDone) => format!("level is {to} already"),
        Ok(WriteOutcome::Refused) => format!("level is not {verb} now: the pool is busy"),
        Err(why) => format!("level could not be {verb} to {to}: {why}"),
    }
}

fn limited((from, to): (u32, u32), group: &str, end: &Result<WriteOutcome, String>) -> String {
    let verb = if to > from { "raised" } else { "lowered" };
    match end {
        Ok(WriteOutcome::Done) => {
            format!("`max_runners` in GARM {verb} from {from} to {to} for group {}", code(group))
        }
        Ok(WriteOutcome::AlreadyDone) => format!("`max_runners` in GARM stays {from}"),
        Ok(WriteOutcome::Refused) => format!("`max_runners` in GARM is not {verb} now"),
        Err(why) => format!("`max_runners` in GARM could not be {verb} to {to}: {why}"),
    }
}

fn resent(level: u32, end: &Result<WriteOutcome, String>) -> String {
    match end {
        Ok(WriteOutcome::Done) => {
            format!("level {level} sent again, because GARM does not follow it")
        }
        Ok(WriteOutcome::AlreadyDone) => {
            format!("level {level} is still set, but GARM does not follow it")
        }
        Ok(WriteOutcome::Refused) => {
            format!("level {level} is not sent again now: the pool is busy")
        }
        Err(why) => {
            format!("level {level}, which GARM does not follow, could not be sent again: {why}")
        }
    }
}

/// The text for a rescue of a scale set.
fn rescued(level: u32, missing: u32, end: &Result<WriteOutcome, String>) -> String {
    let lacking = match missing {
        1 => "a runner that its own rule asks for".to_owned(),
        n => format!("{n} runners that its own rule asks for"),
    };
    match end {
        Ok(WriteOutcome::Done) => {
            format!(
                "rescue: level {level} changed and set back, because GARM has not created {lacking}"
            )
        }
        Ok(WriteOutcome::AlreadyDone) => format!("no rescue: GARM has now created {lacking}"),
        Ok(WriteOutcome::Refused) => "no rescue now: the scale set is busy".to_owned(),
        Err(why) => format!("rescue failed, and GARM has not created {lacking}: {why}"),
    }
}

/// The text for the deletion of a runner. `why` is appended unchanged.
fn going(kind: &str, runner: &RunnerName, why: &str, end: &Result<WriteOutcome, String>) -> String {
    let runner = code(runner.as_str());
    match end {
        Ok(WriteOutcome::Done) => format!("{kind} {runner} is being deleted{why}"),
        Ok(WriteOutcome::AlreadyDone) => format!("{kind} {runner} was already being deleted{why}"),
        Ok(WriteOutcome::Refused) => {
            format!(
                "{kind} {runner} stays: GARM refuses to delete a runner that is busy or being created{why}"
            )
        }
        Err(error) => format!("{kind} {runner} could not be deleted: {error}{why}"),
    }
}

/// Whether the pool's own line covers the write: it has changed the level or removed a runner.
pub(super) fn is_covered(act: &WriteReport) -> bool {
    act.outcome == Ok(WriteOutcome::Done)
        && match act.action {
            WriteAction::Raise { .. }
            | WriteAction::Lower { .. }
            | WriteAction::Retire { .. }
            | WriteAction::Remove { .. }
            | WriteAction::Dismiss { .. } => true,
            WriteAction::Resend { .. }
            | WriteAction::Rescue { .. }
            | WriteAction::Limit { .. }
            | WriteAction::Clear { .. } => false,
        }
}

/// The value of the label `outcome` of `runnerctl_scaling_actions_total`.
pub(super) fn outcome(outcome: &Result<WriteOutcome, String>) -> &'static str {
    outcome.as_ref().map_or("failed", |outcome| outcome.word())
}

/// The line of a finding of the isolation auditor.
pub(in crate::cli) fn found(finding: &IsolationFinding) -> LogLine {
    let text = match &finding.runner {
        Some(runner) => format!("runner {}: {}", code(runner.as_str()), finding.evidence),
        None => finding.evidence.clone(),
    };
    LogLine::warn("finding", text).of(&finding.pool).with(&LogFields::Finding {
        finding: finding.kind.word(),
        runner: finding.runner.as_ref().map(|name| quote(name.as_str())),
    })
}

/// The names of entities, such as `acme`.
pub(in crate::cli) type EntityNames = BTreeMap<EntityKey, String>;

/// The line of an incident or of its end.
pub(in crate::cli) fn incident(incident: &Incident, names: &EntityNames) -> LogLine {
    let line = |level, text: String| LogLine::new(level, "trouble", text);
    match incident {
        Incident::ReadFailed { error, failures, again_in } => unread(error, *failures, *again_in),
        Incident::ReadAgain { failures } => {
            let times = count(*failures as usize, "failure");
            line(Level::INFO, format!("GARM can be read again after {times}"))
        }
        Incident::Frozen { entity, why } => {
            let text = format!("nothing is written {}: {}", scope(entity, names), decision::freeze(why));
            line(Level::ERROR, text)
        }
        Incident::Thawed { entity: Some(entity), .. } => {
            line(Level::INFO, format!("GARM's worker for {} runs again", named(entity, names)))
        }
        Incident::Thawed { entity: None, was, still } => {
            line(Level::INFO, thawed(was, still, names))
        }
        Incident::StreamLost(why) => {
            let text = format!("GARM's event stream is lost, full reads continue: {}", quote(why));
            line(Level::WARN, text)
        }
        Incident::StreamUp => line(Level::INFO, "connected to GARM's event stream".into()),
        Incident::Overflow => line(
            Level::INFO,
            "GARM sends more events than are accepted at once: dropping some and reading the fleet again"
                .into(),
        ),
        Incident::Skewed(skew) => skewed(skew.unsigned_abs()),
        Incident::InStep => line(Level::INFO, "this machine's clock and GARM's agree again".into()),
        Incident::LeaseExpired(pool) => line(
            Level::WARN,
            "no read has succeeded for 10s while its level is raised: the level is lowered as soon as \
             GARM accepts a write"
                .into(),
        )
        .of(pool),
        Incident::NotFollowed { pool, stall } => line(Level::WARN, stall.sentence()).of(pool),
        Incident::Followed(pool) => {
            line(Level::INFO, "GARM has as many runners again as the level asks for".into())
                .of(pool)
        }
        Incident::Unmanaged { pool, why } => unmanaged(pool, why),
        Incident::Managed(pool) => line(Level::INFO, "is scaled now".into()).of(pool),
        Incident::RunnerSuspect { pool, runner, grace } => suspect(pool, runner, *grace),
        Incident::HistoryUnread { runner, error } => {
            let text = format!("the history of {} cannot be read: {error}", code(runner.as_str()));
            line(Level::DEBUG, text)
        }
    }
}

fn suspect(pool: &PoolName, runner: &RunnerName, grace: Duration) -> LogLine {
    let text = format!(
        "runner {} is suspect: GARM reports it as idle, but a younger runner took a job that had \
         waited beside it. It is not connected to GitHub, or it is busy and a webhook was lost. It is \
         removed after {}, or earlier if its place is needed, unless it takes a job",
        code(runner.as_str()),
        span(grace)
    );
    LogLine::warn("trouble", text).of(pool)
}

/// The line of a failed full read.
fn unread(error: &garm::GarmError, failures: u32, again_in: Duration) -> LogLine {
    let row = match failures {
        0 | 1 => String::new(),
        several => format!(" ({several} failures in a row)"),
    };
    let again_in = span(again_in);
    let text = format!("GARM cannot be read{row}: {error}; next attempt in {again_in}");
    let line = LogLine::error("trouble", text);
    error.help.as_ref().map_or(line.clone(), |help| line.help(help.clone()))
}

fn skewed(by: Duration) -> LogLine {
    let text = format!(
        "this machine's clock and GARM's differ by {}; ages are computed on GARM's clock",
        span(by)
    );
    LogLine::warn("trouble", text).help("synchronize both clocks with NTP")
}

fn unmanaged(pool: &PoolName, why: &UnresolvedReason) -> LogLine {
    LogLine::warn("trouble", format!("not scaled: {}", why.sentence())).of(pool)
}

/// `to any pool`, or the pools of one entity.
fn scope(entity: &Option<EntityKey>, names: &EntityNames) -> String {
    match entity {
        None => "to any pool".into(),
        Some(entity) => format!("to the pools of {}", named(entity, names)),
    }
}

/// The text for the end of a freeze of the whole fleet, and for the pools that stay frozen.
fn thawed(was: &Freeze, still: &[EntityKey], names: &EntityNames) -> String {
    let over = match was {
        Freeze::Unproven(_) => "mTLS is proven to be enforced",
        Freeze::Unrecorded(_) => "writes can be recorded",
        Freeze::Standby(_) => "this `watch` leads",
        Freeze::Stale(_)
        | Freeze::Unread
        | Freeze::Unreachable
        | Freeze::Refused
        | Freeze::ManagerStopped(_) => "GARM can be read again",
    };
    if still.is_empty() {
        return format!("{over}: no longer frozen");
    }
    let still: Vec<String> = still.iter().map(|entity| named(entity, names)).collect();
    format!("{over}: no longer frozen, except for the pools of {}", still.join(", "))
}

/// The kind and the name of an entity; its id if the name is not known.
pub(super) fn named(entity: &EntityKey, names: &EntityNames) -> String {
    let name = names.get(entity).map_or(entity.id.as_str(), String::as_str);
    format!("{} {}", entity.kind.word(), code(name))
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
    fn the_message_of_a_provider_is_logged_unchanged() {
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
                    "failed runner `r-1` stays: GARM refuses to delete a runner that is busy or \
                     being created; its provider says: {fault}"
                ),
                "idle runner `r-1` could not be deleted: it was removed by hand",
                "runner `r-1` was already being deleted: it was still there after its job",
            ]
        );
    }

    #[test]
    fn level_lines_show_whether_the_level_was_written() {
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
                "level could not be raised to 5: level raised by hand",
                "level is 0 already",
                "level 3, which GARM does not follow, could not be sent again: level raised by \
                 hand",
            ]
        );
    }

    #[test]
    fn the_end_of_a_freeze_names_what_is_over_and_what_stays_frozen() {
        let entity = |id: &str| EntityKey { kind: EntityKind::Organization, id: EntityId::new(id) };
        let names = [(entity("o-1"), "acme".to_owned())].into();
        let over =
            |entity, was, still| incident(&Incident::Thawed { entity, was, still }, &names).text;
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
                "GARM can be read again: no longer frozen, except for the pools of organization \
                 `acme`",
                "mTLS is proven to be enforced: no longer frozen",
                "GARM's worker for organization `acme` runs again",
            ]
        );
    }
}
