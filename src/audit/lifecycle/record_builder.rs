//! The wording of the records.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::entry::{Actor, By, Cause, Entry, Kind, Owner, Seen, Sight, Subject};
use super::runner_history::{RecordedState, RunnerHistory};
use super::transitions::act;
use super::{COMMAND, EventTime};
use crate::domain::name::{FleetName, RunnerName};
use crate::domain::pool::Pool;
use crate::domain::runner::Runner;
use crate::domain::text::{count, quote};

/// Writes entries: who, for which fleet.
#[derive(Debug)]
pub(super) struct RecordBuilder {
    actor: Actor,
    pub(super) fleet: FleetName,
}

/// A runner or a pool, and whose it is.
#[derive(Debug)]
pub(super) struct OwnedSubject(pub(super) Subject, pub(super) Owner);

/// A span of time, as far as its ends are known.
pub(super) type Span = (Option<Timestamp>, Option<Timestamp>);

impl RecordBuilder {
    pub(super) fn new(actor: Actor, fleet: FleetName) -> Self {
        Self { actor, fleet }
    }

    /// Whether a pool bears this fleet's mark.
    pub(super) fn owner(&self, pool: &Pool) -> Owner {
        if pool.is_owned_by(&self.fleet) { Owner::Ours } else { Owner::Others }
    }

    /// A runner has gone on from one stage to another.
    pub(super) fn runner(
        &self,
        moment: EventTime,
        subject: OwnedSubject,
        seen: (By, Sight),
        (before, stage, runner): (
            Option<(&RecordedState, &RunnerHistory)>,
            &RecordedState,
            &Runner,
        ),
    ) -> Entry {
        let mut after = shown(stage);
        after["garm_time"] = json!(runner.updated_at.to_string());
        add(&mut after, "provider_id", stage.provider_id.as_deref().map(quote));
        add(&mut after, "provider_fault", runner.provider_fault.as_deref().map(quote));
        if stage.has_shell {
            after["shell"] = json!(true);
        }
        if let Some((_, life)) = before {
            add(&mut after, "conclusion", ending(life));
        }
        Entry {
            before: before.map(|(it, _)| shown(it)),
            after: Some(after),
            ..self.event(moment, act(stage), subject, seen)
        }
    }

    /// A runner is seen for the first time.
    pub(super) fn first(
        &self,
        moment: EventTime,
        subject: OwnedSubject,
        seen: (By, Sight),
        (stage, runner, is_start): (&RecordedState, &Runner, bool),
    ) -> Entry {
        let mut entry = self.runner(moment, subject, seen, (None, stage, runner));
        if let Some(after) = &mut entry.after {
            after["created_at"] = json!(runner.created_at.to_string());
        }
        entry.act = if is_start { "runner found" } else { "runner created" }.to_owned();
        entry
    }

    /// GARM lists it no more.
    pub(super) fn gone(
        &self,
        moment: EventTime,
        subject: OwnedSubject,
        seen: (By, Sight),
        life: &RunnerHistory,
    ) -> Entry {
        let mut before = shown(&life.stage);
        add(&mut before, "last_job", life.job);
        add(&mut before, "conclusion", ending(life));
        Entry { before: Some(before), ..self.event(moment, "runner gone", subject, seen) }
    }

    /// Something has happened in the fleet.
    pub(super) fn event(
        &self,
        moment: EventTime,
        act: &str,
        subject: OwnedSubject,
        (by, sight): (By, Sight),
    ) -> Entry {
        let OwnedSubject(subject, owner) = subject;
        let owner = Some(owner).filter(|_| subject != Subject::Controller);
        let seen = Seen { by, owner, source: moment.source, sight };
        Entry { seen: Some(seen), subject, ..self.entry(moment.now, Kind::Event, act) }
    }

    /// Something has happened to the log.
    pub(super) fn log(&self, now: Timestamp, act: &str, after: Value) -> Entry {
        let after = Some(after).filter(|it| !it.is_null());
        Entry { after, ..self.entry(now, Kind::Event, act) }
    }

    /// A span of time in which something may have happened unseen; without an end it is open.
    pub(super) fn gap(&self, now: Timestamp, act: &str, span: Span, detail: String) -> Entry {
        Entry { after: Some(times(span)), detail, ..self.entry(now, Kind::Gap, act) }
    }

    /// GARM has dropped events.
    pub(super) fn missed(&self, now: Timestamp, span: Span, rows: usize) -> Entry {
        let detail = format!(
            "no event came of {} that a read had shown: runners may have come and gone unseen",
            count(rows, "change")
        );
        self.gap(now, "events missed", span, detail)
    }

    /// A job names a runner that nothing has shown.
    pub(super) fn unseen(&self, now: Timestamp, name: &RunnerName, job: i64) -> Entry {
        let detail = format!("job {job} names a runner that neither event nor read has shown");
        Entry {
            after: Some(json!({ "runner": quote(name.as_str()), "job": job })),
            ..self.gap(now, "runner unseen", (None, None), detail)
        }
    }

    fn entry(&self, now: Timestamp, kind: Kind, act: &str) -> Entry {
        let cause = Cause {
            command: COMMAND.into(),
            fleet: Some(self.fleet.to_string()),
            ..Cause::default()
        };
        Entry {
            time: now,
            actor: self.actor.clone(),
            kind,
            act: act.to_owned(),
            subject: Subject::Log,
            before: None,
            after: None,
            cause,
            seen: None,
            intent: None,
            verdict: None,
            detail: String::new(),
        }
    }
}

/// `{"from": …, "until": …}`; `null` is an end that is not known, or not yet.
pub(super) fn times((from, until): Span) -> Value {
    let time = |it: Option<Timestamp>| it.map(|it| it.to_string());
    json!({ "from": time(from), "until": time(until) })
}

fn shown(stage: &RecordedState) -> Value {
    let mut value = json!({
        "status": quote(stage.status.word()),
        "runner_status": quote(stage.runner_status.word()),
    });
    add(&mut value, "job", stage.job);
    value
}

fn ending(life: &RunnerHistory) -> Option<String> {
    Some(quote(&life.conclusion)).filter(|it| !it.is_empty())
}

fn add(value: &mut Value, key: &str, member: Option<impl Into<Value>>) {
    if let Some(member) = member {
        value[key] = member.into();
    }
}
