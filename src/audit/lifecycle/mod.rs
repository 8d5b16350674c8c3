//! Records the life of every runner from full reads, events and this process's own writes.
//!
//! Decides what happened, what caused it and what may have happened unobserved. Never decides about
//! the fleet. Events may come late, twice, in the wrong order or not at all. An older row is
//! recorded once and marked late, a duplicate is not recorded, a change that only a read shows is
//! marked reconstructed, and a time in which changes may have been missed gets a gap record.
//!
//! **Invariant:** each state that a runner passes through has a record, or a reconstructed record
//! that spans it, or a gap record for its time.

mod coverage;
mod first_sight;
mod record_builder;
mod runner_history;
mod settings;
mod transitions;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::entry::{Actor, Entry, Fidelity, Initiator, RecordKind, Source, Subject, Verdict};
use crate::domain::fleet::Fleet;
use crate::domain::job::{Job, JobStatus};
use crate::domain::name::{FleetName, RunnerName};
use crate::domain::runner::Runner;
use crate::scaling::RowChange;
use coverage::{Coverage, STARTED};
pub use coverage::{LastSign, StreamChange};
use first_sight::Unrecorded;
use record_builder::{RecordBuilder, RowFacts};
use runner_history::{DeleteRequest, RecordOrder, RecordedState, RunnerHistory};
use settings::Settings;

/// The `command` in the cause of these records.
const COMMAND: &str = "watch";

/// The number of deleted runners that are remembered for late events. Those of the last two full
/// reads are remembered even beyond this number.
const PAST_MAX: usize = 4_096;

/// The number of runners that only a job names and that get a gap record each.
const UNSEEN_MAX: usize = 1_024;

/// The number of this process's deletions that are remembered until they take effect.
const DELETIONS_MAX: usize = 10_000;

/// How long a write of this process explains an observed change.
const WRITE_MEMORY: SignedDuration = SignedDuration::from_mins(10);

/// How long after a read the event about the same change may still arrive.
const EVENT_PATIENCE: SignedDuration = SignedDuration::from_secs(5);

/// The known state of all runners, all pools and GARM's own settings.
///
/// Its memory grows only with what GARM lists. `now` is always this machine's clock; GARM's own
/// times are inside the records.
#[derive(Debug)]
pub struct Lifecycle {
    builder: RecordBuilder,
    runners: HashMap<String, RunnerHistory>,
    gone: HashMap<String, GoneRunner>,
    /// The ids of present and deleted runners by name.
    ids: HashMap<RunnerName, String>,
    settings: Settings,
    coverage: Coverage,
    /// When we asked GARM to delete a runner.
    deletions: BTreeMap<RunnerName, Timestamp>,
    /// When a read showed a change whose event has not arrived yet, by the runner's id.
    awaited: HashMap<String, Timestamp>,
    /// Runners that have not been observed, with the job that names them.
    unobserved: BTreeMap<RunnerName, i64>,
    /// The unobserved runners that have a gap record already.
    reported: BTreeSet<RunnerName>,
    unrecorded: Unrecorded,
}

/// A runner that GARM no longer lists.
#[derive(Debug)]
struct GoneRunner {
    history: RunnerHistory,
    /// The number of full reads before the runner was gone.
    read: u64,
    /// The number of later reads that still list it.
    echoes: u8,
}

/// When a change became known, and what revealed it.
#[derive(Debug, Clone, Copy)]
struct EventTime {
    source: Source,
    now: Timestamp,
}

/// The records that `watch` may write before it has observed anything of the fleet.
const BEFORE_FIRST_READ: [&str; 7] = [
    STARTED,
    "torn",
    "records lost",
    "clock set back",
    "audit key added",
    "audit key changed",
    "audit file writable again",
];

/// Whether a record shows that `watch` observed this fleet when it was written. The gap at the next
/// start begins with the last such record.
pub fn shows_watching(members: &Value, fleet: &FleetName) -> bool {
    let (cause, act) = (&members["cause"], members["act"].as_str().unwrap_or_default());
    cause["command"] == COMMAND
        && cause["fleet"] == fleet.as_str()
        && !BEFORE_FIRST_READ.contains(&act)
}

impl Lifecycle {
    /// Creates an empty lifecycle. Pools with the mark of `fleet` are recorded as owned.
    pub fn new(actor: Actor, fleet: FleetName) -> Self {
        Self {
            builder: RecordBuilder::new(actor, fleet),
            runners: HashMap::new(),
            gone: HashMap::new(),
            ids: HashMap::new(),
            settings: Settings::default(),
            coverage: Coverage::default(),
            deletions: BTreeMap::new(),
            awaited: HashMap::new(),
            unobserved: BTreeMap::new(),
            reported: BTreeSet::new(),
            unrecorded: Unrecorded::default(),
        }
    }

    /// Records the start of `watch`. The time from the last record of an earlier `watch` to the
    /// first full read is a gap, which [`Self::read`] records.
    pub fn begin(&mut self, last: LastSign, now: Timestamp) -> Vec<Entry> {
        self.coverage.begin(last, &self.builder, now)
    }

    /// Records an orderly end of `watch`.
    pub fn end(&mut self, now: Timestamp) -> Vec<Entry> {
        vec![self.builder.log(now, "watch stopped", Value::Null)]
    }

    /// Whether the log reports a gap that has not ended.
    pub fn has_open_gap(&self) -> bool {
        self.coverage.has_open_gap()
    }

    /// Records that the event stream was connected or lost, or has lost events.
    pub fn stream(&mut self, stream: &StreamChange<'_>, now: Timestamp) -> Vec<Entry> {
        self.coverage.hear(stream, &self.builder, now)
    }

    /// Remembers an intent before its write is sent, and takes its outcome, to explain changes.
    pub fn wrote(&mut self, entry: &Entry) {
        let is_without_effect = matches!(entry.verdict, Some(Verdict::Refused | Verdict::Ignored));
        match (&entry.subject, entry.kind) {
            (Subject::Runner { name, .. }, RecordKind::Intent)
                if self.deletions.len() < DELETIONS_MAX =>
            {
                self.deletions.insert(name.clone(), entry.time);
            }
            (Subject::Runner { name, .. }, RecordKind::Outcome) if is_without_effect => {
                self.deletions.remove(name);
            }
            (_, RecordKind::Intent) => self.settings.asked(entry),
            (_, RecordKind::Outcome | RecordKind::Event | RecordKind::Gap) => {}
        }
    }

    /// Records what a full read shows: changes that no event has reported, runners that are gone,
    /// and gaps. If it shows many runners for the first time, [`Self::next_unrecorded`] makes the
    /// rest of their records.
    pub fn read(&mut self, fleet: &Fleet, now: Timestamp) -> Vec<Entry> {
        let moment = EventTime { source: Source::Resync, now };
        self.unrecorded.begin();
        let mut entries = self.report_missed_events(now);
        self.settings.read(fleet, &self.builder, moment, &mut entries);
        for job in &fleet.jobs {
            self.see_job(job);
        }
        for runner in &fleet.runners {
            self.see_runner(runner, moment, &mut entries);
        }
        self.lose_unlisted(fleet, moment, &mut entries);
        self.report_unobserved(now, &mut entries);
        entries.extend(self.coverage.read(&self.builder, now));
        self.forget(now);
        entries
    }

    /// Records what an event shows. An event that shows nothing new is still evidence that the
    /// stream works.
    pub fn changed(&mut self, change: &RowChange, now: Timestamp) -> Vec<Entry> {
        let moment = EventTime { source: Source::Event, now };
        let mut entries = Vec::new();
        self.coverage.heard(now);
        match change {
            RowChange::Runner(runner) => self.see_runner(runner, moment, &mut entries),
            RowChange::RunnerGone(id) => self.lose_runner(id, moment, &mut entries),
            RowChange::Job(job) => self.see_job(job),
            RowChange::Pool(pool) => {
                self.settings.see_pool(pool, &self.builder, moment, &mut entries);
            }
            RowChange::PoolGone(id) => {
                self.settings.lose_pool(id, &self.builder, moment, &mut entries);
            }
            // GARM deletes a job's row together with its runner, or long after it.
            RowChange::JobGone(_) => {}
        }
        entries
    }

    fn see_runner(&mut self, runner: &Runner, moment: EventTime, entries: &mut Vec<Entry>) {
        match moment.source {
            Source::Event => {
                self.awaited.remove(&runner.id);
            }
            Source::Resync if self.is_echo(runner) => return,
            Source::Resync => {}
        }
        let (stage, row) = (RecordedState::of(runner), RowFacts::of(runner));
        let request = DeleteRequest::of(self.deletions.get(&runner.name));
        if let Some(gone) = self.gone.get_mut(&runner.id) {
            // The row is older than the deletion of the runner.
            if gone.history.place(runner.updated_at, &stage) != RecordOrder::Known {
                let seen = (Initiator::Garm, Fidelity::Late);
                let subject = self.settings.subject(&runner.id, &gone.history);
                entries.push(self.builder.runner(moment, subject, seen, (None, &stage, &row)));
            }
            return;
        }
        let Some(life) = self.runners.get_mut(&runner.id) else {
            return self.see_first(runner, &stage, moment, entries);
        };
        let place = life.place(runner.updated_at, &stage);
        if place != RecordOrder::Known {
            self.record_first(&runner.id, entries);
        }
        let Some(life) = self.runners.get_mut(&runner.id) else { return };
        let subject = self.settings.subject(&runner.id, life);
        match place {
            RecordOrder::Known => {}
            RecordOrder::Late => {
                let seen = (Initiator::Garm, Fidelity::Late);
                entries.push(self.builder.runner(moment, subject, seen, (None, &stage, &row)));
            }
            RecordOrder::Next => {
                let (before, by) = life.enter(stage.clone(), runner, request);
                let sight = match moment.source {
                    Source::Event if transitions::follows(&before, &stage) => Fidelity::Exact,
                    Source::Event | Source::Resync => Fidelity::Reconstructed,
                };
                let change = (Some((&before, &*life)), &stage, &row);
                entries.push(self.builder.runner(moment, subject, (by, sight), change));
                self.await_event(&runner.id, moment);
            }
        }
    }

    /// Whether a read lists a runner that an event has reported as gone, in its old state: the list
    /// may be older than the event. A runner that is listed twice, or in a newer state, exists.
    fn is_echo(&mut self, runner: &Runner) -> bool {
        let Some(gone) = self.gone.get_mut(&runner.id) else { return false };
        gone.echoes += 1;
        if gone.echoes < 2 && runner.updated_at <= gone.history.updated_at {
            return true;
        }
        self.gone.remove(&runner.id);
        false
    }

    fn lose_runner(&mut self, id: &str, moment: EventTime, entries: &mut Vec<Entry>) {
        if moment.source == Source::Event {
            self.awaited.remove(id);
        }
        self.record_first(id, entries);
        let Some(mut life) = self.runners.remove(id) else { return };
        let request = DeleteRequest::of(self.deletions.remove(&life.name).as_ref());
        let by = life.leave(request);
        let sight = match moment.source {
            Source::Event if life.stage.is_last() => Fidelity::Exact,
            Source::Event | Source::Resync => Fidelity::Reconstructed,
        };
        let subject = self.settings.subject(id, &life);
        entries.push(self.builder.gone(moment, subject, (by, sight), &life));
        let gone = GoneRunner { history: life, read: self.coverage.reads(), echoes: 0 };
        self.gone.insert(id.to_owned(), gone);
        self.await_event(id, moment);
    }

    fn lose_unlisted(&mut self, fleet: &Fleet, moment: EventTime, entries: &mut Vec<Entry>) {
        let listed: BTreeSet<&str> =
            fleet.runners.iter().map(|runner| runner.id.as_str()).collect();
        let mut lost: Vec<String> =
            self.runners.keys().filter(|id| !listed.contains(id.as_str())).cloned().collect();
        lost.sort();
        for id in lost {
            self.lose_runner(&id, moment, entries);
        }
    }

    fn see_job(&mut self, job: &Job) {
        let Some(name) = &job.runner else { return };
        match self.ids.get(name) {
            Some(id) => {
                let gone = self.gone.get_mut(id).map(|gone| &mut gone.history);
                if let Some(life) = self.runners.get_mut(id).or(gone) {
                    life.job = Some(job.workflow_job_id);
                    if job.status == JobStatus::Completed {
                        life.conclusion.clone_from(&job.conclusion);
                    }
                }
            }
            None if self.unobserved.len() < UNSEEN_MAX && !self.reported.contains(name) => {
                self.unobserved.insert(name.clone(), job.workflow_job_id);
            }
            None => {}
        }
    }

    /// Expects the event about a change that a read showed first.
    fn await_event(&mut self, id: &str, moment: EventTime) {
        if moment.source == Source::Resync && self.coverage.is_whole() {
            self.awaited.insert(id.to_owned(), moment.now);
        }
    }

    /// Reports a gap if the events about changes that an earlier read showed have not arrived: GARM
    /// dropped them silently, and possibly others.
    fn report_missed_events(&mut self, now: Timestamp) -> Vec<Entry> {
        if !self.coverage.is_whole() {
            self.awaited.clear();
        }
        let is_due = |since: &Timestamp| now.duration_since(*since) >= EVENT_PATIENCE;
        let due: Vec<Timestamp> = self.awaited.values().copied().filter(is_due).collect();
        self.awaited.retain(|_, since| !is_due(since));
        let Some(until) = due.iter().max() else { return Vec::new() };
        let from = due.iter().min().and_then(|since| self.coverage.read_before(*since));
        vec![self.builder.missed(now, (from, Some(*until)), due.len())]
    }

    /// Reports runners that are named by a job but were shown neither by an event nor by a read.
    fn report_unobserved(&mut self, now: Timestamp, entries: &mut Vec<Entry>) {
        for (name, job) in std::mem::take(&mut self.unobserved) {
            if self.ids.contains_key(&name) {
                continue;
            }
            // The time before the first read is covered by the gap record of that read.
            if self.coverage.has_read() {
                entries.push(self.builder.unseen(now, &name, job));
            }
            if self.reported.len() >= UNSEEN_MAX {
                self.reported.clear();
            }
            self.reported.insert(name);
        }
    }

    /// Drops the runners, deletions and writes that no later event can refer to.
    fn forget(&mut self, now: Timestamp) {
        let reads = self.coverage.reads();
        let mut old: Vec<(u64, String)> = self
            .gone
            .iter()
            .filter(|(_, gone)| gone.read + 2 < reads)
            .map(|(id, gone)| (gone.read, id.clone()))
            .collect();
        let excess = self.gone.len().saturating_sub(PAST_MAX);
        old.sort();
        for (_, id) in old.into_iter().take(excess) {
            if let Some(gone) = self.gone.remove(&id) {
                self.ids.remove(&gone.history.name);
            }
        }
        let runners = &self.runners;
        let ids = &self.ids;
        self.deletions.retain(|name, since| {
            let is_there = ids.get(name).is_some_and(|id| runners.contains_key(id));
            is_there || now.duration_since(*since) < WRITE_MEMORY
        });
        self.settings.forget(now);
    }
}

#[cfg(test)]
mod tests;
