//! Builds the audit entries about runners, pools, GARM's settings and gaps.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::entry::{
    Actor, Cause, Entry, EventObservation, Fidelity, Initiator, PoolOwner, RecordKind, Subject,
};
use super::first_sight::FirstSight;
use super::runner_history::{RecordedState, RunnerHistory};
use super::transitions::act;
use super::{COMMAND, EventTime};
use crate::domain::name::{FleetName, RunnerName};
use crate::domain::pool::Pool;
use crate::domain::runner::Runner;
use crate::domain::text::{count, quote};

/// Builds entries with the actor and the fleet of this process.
#[derive(Debug)]
pub(super) struct RecordBuilder {
    actor: Actor,
    pub(super) fleet: FleetName,
}

/// A runner or a pool, and its owner.
#[derive(Debug)]
pub(super) struct OwnedSubject(pub(super) Subject, pub(super) PoolOwner);

/// The facts of a runner's row that are recorded besides its state.
#[derive(Debug)]
pub(super) struct RowFacts {
    pub(super) updated_at: Timestamp,
    pub(super) provider_fault: Option<String>,
}

impl RowFacts {
    pub(super) fn of(runner: &Runner) -> Self {
        Self { updated_at: runner.updated_at, provider_fault: runner.provider_fault.clone() }
    }
}

/// A span of time. The start is absent if it is unknown, the end if the span has not ended.
pub(super) type Span = (Option<Timestamp>, Option<Timestamp>);

impl RecordBuilder {
    pub(super) fn new(actor: Actor, fleet: FleetName) -> Self {
        Self { actor, fleet }
    }

    /// Decides by the mark whether a pool belongs to this fleet.
    pub(super) fn owner(&self, pool: &Pool) -> PoolOwner {
        if pool.is_owned_by(&self.fleet) { PoolOwner::Ours } else { PoolOwner::Others }
    }

    /// The entry about a change of a runner's state.
    pub(super) fn runner(
        &self,
        moment: EventTime,
        subject: OwnedSubject,
        seen: (Initiator, Fidelity),
        (before, stage, row): (Option<(&RecordedState, &RunnerHistory)>, &RecordedState, &RowFacts),
    ) -> Entry {
        let mut after = shown(stage);
        after["garm_time"] = json!(row.updated_at.to_string());
        add(&mut after, "provider_id", stage.provider_id.as_deref().map(quote));
        add(&mut after, "provider_fault", row.provider_fault.as_deref().map(quote));
        if stage.has_shell {
            after["shell"] = json!(true);
        }
        if let Some((_, life)) = before {
            add(&mut after, "conclusion", conclusion(life));
        }
        Entry {
            before: before.map(|(state, _)| shown(state)),
            after: Some(after),
            ..self.event(moment, act(stage), subject, seen)
        }
    }

    /// The entry about a runner that is observed for the first time.
    pub(super) fn first(
        &self,
        subject: OwnedSubject,
        stage: &RecordedState,
        sight: &FirstSight,
    ) -> Entry {
        let mut entry = self.runner(sight.moment, subject, sight.seen, (None, stage, &sight.row));
        if let Some(after) = &mut entry.after {
            after["created_at"] = json!(sight.created_at.to_string());
        }
        entry.act = if sight.is_start { "runner found" } else { "runner created" }.to_owned();
        entry
    }

    /// The entry about a runner that GARM no longer lists.
    pub(super) fn gone(
        &self,
        moment: EventTime,
        subject: OwnedSubject,
        seen: (Initiator, Fidelity),
        life: &RunnerHistory,
    ) -> Entry {
        let mut before = shown(&life.stage);
        add(&mut before, "last_job", life.job);
        add(&mut before, "conclusion", conclusion(life));
        Entry { before: Some(before), ..self.event(moment, "runner gone", subject, seen) }
    }

    /// An entry about a change in GARM.
    pub(super) fn event(
        &self,
        moment: EventTime,
        act: &str,
        subject: OwnedSubject,
        (by, sight): (Initiator, Fidelity),
    ) -> Entry {
        let OwnedSubject(subject, owner) = subject;
        let owner = Some(owner).filter(|_| subject != Subject::Controller);
        let seen = EventObservation { by, owner, source: moment.source, sight };
        Entry { seen: Some(seen), subject, ..self.entry(moment.now, RecordKind::Event, act) }
    }

    /// An entry about the log itself.
    pub(super) fn log(&self, now: Timestamp, act: &str, after: Value) -> Entry {
        let after = Some(after).filter(|value| !value.is_null());
        Entry { after, ..self.entry(now, RecordKind::Event, act) }
    }

    /// A gap record: changes may have been missed in this span of time. A span without an end is
    /// still open.
    pub(super) fn gap(&self, now: Timestamp, act: &str, span: Span, detail: String) -> Entry {
        Entry { after: Some(times(span)), detail, ..self.entry(now, RecordKind::Gap, act) }
    }

    /// The gap record about `rows` changes whose events GARM dropped.
    pub(super) fn missed(&self, now: Timestamp, span: Span, rows: usize) -> Entry {
        let detail = format!(
            "no event came about {} that a read had shown: runners may have come and gone unobserved",
            count(rows, "change")
        );
        self.gap(now, "events missed", span, detail)
    }

    /// The gap record about a runner that is named by a job but was never observed.
    pub(super) fn unseen(&self, now: Timestamp, name: &RunnerName, job: i64) -> Entry {
        let detail = format!("job {job} names a runner that neither an event nor a read has shown");
        Entry {
            after: Some(json!({ "runner": quote(name.as_str()), "job": job })),
            ..self.gap(now, "runner unseen", (None, None), detail)
        }
    }

    fn entry(&self, now: Timestamp, kind: RecordKind, act: &str) -> Entry {
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

/// `{"from": …, "until": …}`, with `null` for an unknown start and for an end that has not been
/// reached.
pub(super) fn times((from, until): Span) -> Value {
    let time = |end: Option<Timestamp>| end.map(|time| time.to_string());
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

fn conclusion(life: &RunnerHistory) -> Option<String> {
    Some(quote(&life.conclusion)).filter(|text| !text.is_empty())
}

fn add(value: &mut Value, key: &str, member: Option<impl Into<Value>>) {
    if let Some(member) = member {
        value[key] = member.into();
    }
}
