//! The life of every runner, as records: fed with full reads, events and our own writes.
//!
//! Decides what happened, who did it and what may have happened unseen. Never decides about the
//! fleet. Events are hints: they come late, twice, in the wrong order or not at all. An older row
//! is recorded once and marked late, a duplicate is not recorded; what a read shows and no event
//! told is recorded and marked reconstructed; what cannot be known is a gap record.
//!
//! **Invariant:** for each state that a runner passes through there is a record of it, or a
//! reconstructed record that spans it, or a gap record of its time.

mod coverage;
mod record_builder;
mod runner_history;
mod settings;
mod transitions;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::entry::{Actor, By, Entry, Kind, Sight, Source, Subject, Verdict};
use crate::domain::fleet::Fleet;
use crate::domain::job::{Job, JobStatus};
use crate::domain::name::{FleetName, RunnerName};
use crate::domain::runner::Runner;
use crate::scaling::RowChange;
use coverage::{Coverage, STARTED};
pub use coverage::{LastSign, Stream};
use record_builder::RecordBuilder;
use runner_history::{DeleteRequest, RecordOrder, RecordedState, RunnerHistory};
use settings::Settings;

/// The command that stands in the cause of these records.
const COMMAND: &str = "watch";

/// How many runners that are gone are kept in mind, for events that come late; those of the last
/// two full reads always are.
const PAST_MAX: usize = 4_096;

/// Names that jobs tell of and no read has shown. More are not told one by one.
const UNSEEN_MAX: usize = 1_024;

/// Our own writes whose effect has not been seen.
const CLAIMS_MAX: usize = 10_000;

/// How long a write of ours explains what is seen.
const CLAIM_AGE: SignedDuration = SignedDuration::from_mins(10);

/// How long after a read an event that tells the same may still come.
const EVENT_PATIENCE: SignedDuration = SignedDuration::from_secs(5);

/// What is known of all runners, pools and of GARM itself, for the next record.
///
/// Its memory grows with what GARM lists, and with nothing else. `now` is this machine's clock
/// throughout; GARM's own times stand inside the records.
#[derive(Debug)]
pub struct Lifecycle {
    builder: RecordBuilder,
    runners: HashMap<String, RunnerHistory>,
    past: HashMap<String, GoneRunner>,
    /// Of runners and past ones.
    names: HashMap<RunnerName, String>,
    settings: Settings,
    watch: Coverage,
    /// Runners that we have asked GARM to delete.
    claims: BTreeMap<RunnerName, Timestamp>,
    /// What a read has shown before an event: when it did.
    awaited: HashMap<String, Timestamp>,
    /// Runners that jobs name and nothing has shown, with the job.
    heard: BTreeMap<RunnerName, i64>,
    told: BTreeSet<RunnerName>,
}

/// A runner that is gone.
#[derive(Debug)]
struct GoneRunner {
    life: RunnerHistory,
    /// The number of the read before which it went.
    read: u64,
    /// Reads since that list it all the same.
    echoes: u8,
}

/// How something came to be known, and when.
#[derive(Debug, Clone, Copy)]
struct EventTime {
    source: Source,
    now: Timestamp,
}

/// What a `watch` says of the log before it has seen anything of the fleet.
const BLIND: [&str; 7] = [
    STARTED,
    "torn",
    "records lost",
    "clock set back",
    "audit key added",
    "audit key changed",
    "audit file writable again",
];

/// Whether a record shows that this fleet was watched when it was written: the gap at the next
/// start begins at the last such one.
pub fn shows_watching(members: &Value, fleet: &FleetName) -> bool {
    let (cause, act) = (&members["cause"], members["act"].as_str().unwrap_or_default());
    cause["command"] == COMMAND && cause["fleet"] == fleet.as_str() && !BLIND.contains(&act)
}

impl Lifecycle {
    /// Nothing is known yet. `actor` is who writes, `fleet` whose pools are ours.
    pub fn new(actor: Actor, fleet: FleetName) -> Self {
        Self {
            builder: RecordBuilder::new(actor, fleet),
            runners: HashMap::new(),
            past: HashMap::new(),
            names: HashMap::new(),
            settings: Settings::default(),
            watch: Coverage::default(),
            claims: BTreeMap::new(),
            awaited: HashMap::new(),
            heard: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }

    /// The watching begins: the time from the last record of it to the first full read is a gap,
    /// which that read tells of.
    pub fn begin(&mut self, last: LastSign, now: Timestamp) -> Vec<Entry> {
        self.watch.begin(last, &self.builder, now)
    }

    /// The watching ends as it should.
    pub fn end(&mut self, now: Timestamp) -> Vec<Entry> {
        vec![self.builder.log(now, "watch stopped", Value::Null)]
    }

    /// Whether the log tells of a gap that has not ended.
    pub fn has_open_gap(&self) -> bool {
        self.watch.has_open_gap()
    }

    /// The stream of events has come, gone, or lost some.
    pub fn stream(&mut self, stream: &Stream<'_>, now: Timestamp) -> Vec<Entry> {
        self.watch.hear(stream, &self.builder, now)
    }

    /// A write of ours, as it is recorded: the intent before it is sent, the outcome after.
    pub fn wrote(&mut self, entry: &Entry) {
        let is_off = matches!(entry.verdict, Some(Verdict::Refused | Verdict::Ignored));
        match (&entry.subject, entry.kind) {
            (Subject::Runner { name, .. }, Kind::Intent) if self.claims.len() < CLAIMS_MAX => {
                self.claims.insert(name.clone(), entry.time);
            }
            (Subject::Runner { name, .. }, Kind::Outcome) if is_off => {
                self.claims.remove(name);
            }
            (_, Kind::Intent) => self.settings.asked(entry),
            (_, Kind::Outcome | Kind::Event | Kind::Gap) => {}
        }
    }

    /// A full read: what it shows and no event has told, what is gone, what stayed unknown.
    pub fn read(&mut self, fleet: &Fleet, now: Timestamp) -> Vec<Entry> {
        let moment = EventTime { source: Source::Resync, now };
        let mut entries = self.missed(now);
        self.settings.read(fleet, &self.builder, moment, &mut entries);
        for job in &fleet.jobs {
            self.see_job(job);
        }
        for runner in &fleet.runners {
            self.see_runner(runner, moment, &mut entries);
        }
        self.lose_unlisted(fleet, moment, &mut entries);
        self.tell_unseen(now, &mut entries);
        entries.extend(self.watch.read(&self.builder, now));
        self.forget(now);
        entries
    }

    /// An event, also one that shows nothing new: that it came is something to know.
    pub fn changed(&mut self, change: &RowChange, now: Timestamp) -> Vec<Entry> {
        let moment = EventTime { source: Source::Event, now };
        let mut entries = Vec::new();
        self.watch.heard(now);
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
            // A job's row goes with its runner, or long after it.
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
        let stage = RecordedState::of(runner);
        let claim = DeleteRequest::of(self.claims.get(&runner.name));
        if let Some(past) = self.past.get_mut(&runner.id) {
            // Whatever it says was before the end.
            if past.life.place(runner.updated_at, &stage) != RecordOrder::KnownPool {
                let seen = (By::Garm, Sight::Late);
                let subject = self.settings.subject(&runner.id, &past.life);
                entries.push(self.builder.runner(moment, subject, seen, (None, &stage, runner)));
            }
            return;
        }
        let Some(life) = self.runners.get_mut(&runner.id) else {
            return self.meet(runner, &stage, moment, entries);
        };
        let place = life.place(runner.updated_at, &stage);
        let subject = self.settings.subject(&runner.id, life);
        match place {
            RecordOrder::KnownPool => {}
            RecordOrder::Late => {
                let seen = (By::Garm, Sight::Late);
                entries.push(self.builder.runner(moment, subject, seen, (None, &stage, runner)));
            }
            RecordOrder::Next => {
                let (before, by) = life.enter(stage.clone(), runner, claim);
                let sight = match moment.source {
                    Source::Event if transitions::follows(&before, &stage) => Sight::Whole,
                    Source::Event | Source::Resync => Sight::Reconstructed,
                };
                let change = (Some((&before, &*life)), &stage, runner);
                entries.push(self.builder.runner(moment, subject, (by, sight), change));
                self.awaits(&runner.id, moment);
            }
        }
    }

    /// The first time that a runner is seen.
    fn meet(
        &mut self,
        runner: &Runner,
        stage: &RecordedState,
        moment: EventTime,
        entries: &mut Vec<Entry>,
    ) {
        let life = RunnerHistory::new(runner, stage);
        let subject = self.settings.subject(&runner.id, &life);
        let is_start = moment.source == Source::Resync && !self.watch.has_read();
        // Nobody but GARM can create one: there is no such call.
        let (by, sight) = match (is_start, stage.is_first()) {
            (true, _) => (By::Unknown, Sight::Reconstructed),
            (false, true) if moment.source == Source::Event => (By::Garm, Sight::Whole),
            (false, _) => (By::Garm, Sight::Reconstructed),
        };
        entries.push(self.builder.first(moment, subject, (by, sight), (stage, runner, is_start)));
        self.names.insert(runner.name.clone(), runner.id.clone());
        self.runners.insert(runner.id.clone(), life);
        if !is_start {
            self.awaits(&runner.id, moment);
        }
    }

    /// A read lists a runner that an event said is gone, as it was before: GARM is slow. What it
    /// lists twice, or in another state, is there.
    fn is_echo(&mut self, runner: &Runner) -> bool {
        let Some(past) = self.past.get_mut(&runner.id) else { return false };
        past.echoes += 1;
        if past.echoes < 2 && runner.updated_at <= past.life.updated_at {
            return true;
        }
        self.past.remove(&runner.id);
        false
    }

    fn lose_runner(&mut self, id: &str, moment: EventTime, entries: &mut Vec<Entry>) {
        if moment.source == Source::Event {
            self.awaited.remove(id);
        }
        let Some(mut life) = self.runners.remove(id) else { return };
        let claim = DeleteRequest::of(self.claims.remove(&life.name).as_ref());
        let by = life.leave(claim);
        let sight = match moment.source {
            Source::Event if life.stage.is_last() => Sight::Whole,
            Source::Event | Source::Resync => Sight::Reconstructed,
        };
        let subject = self.settings.subject(id, &life);
        entries.push(self.builder.gone(moment, subject, (by, sight), &life));
        self.past.insert(id.to_owned(), GoneRunner { life, read: self.watch.reads(), echoes: 0 });
        self.awaits(id, moment);
    }

    fn lose_unlisted(&mut self, fleet: &Fleet, moment: EventTime, entries: &mut Vec<Entry>) {
        let listed: BTreeSet<&str> = fleet.runners.iter().map(|it| it.id.as_str()).collect();
        let mut lost: Vec<String> =
            self.runners.keys().filter(|it| !listed.contains(it.as_str())).cloned().collect();
        lost.sort();
        for id in lost {
            self.lose_runner(&id, moment, entries);
        }
    }

    fn see_job(&mut self, job: &Job) {
        let Some(name) = &job.runner else { return };
        match self.names.get(name) {
            Some(id) => {
                let past = self.past.get_mut(id).map(|it| &mut it.life);
                if let Some(life) = self.runners.get_mut(id).or(past) {
                    life.job = Some(job.workflow_job_id);
                    if job.status == JobStatus::Completed {
                        life.conclusion.clone_from(&job.conclusion);
                    }
                }
            }
            None if self.heard.len() < UNSEEN_MAX && !self.told.contains(name) => {
                self.heard.insert(name.clone(), job.workflow_job_id);
            }
            None => {}
        }
    }

    /// An event of what this read has shown should still come, or has been lost.
    fn awaits(&mut self, id: &str, moment: EventTime) {
        if moment.source == Source::Resync && self.watch.is_whole() {
            self.awaited.insert(id.to_owned(), moment.now);
        }
    }

    /// Events of what an earlier read has shown never came: GARM has dropped them without a word,
    /// and others with them.
    fn missed(&mut self, now: Timestamp) -> Vec<Entry> {
        if !self.watch.is_whole() {
            self.awaited.clear();
        }
        let is_due = |since: &Timestamp| now.duration_since(*since) >= EVENT_PATIENCE;
        let due: Vec<Timestamp> = self.awaited.values().copied().filter(is_due).collect();
        self.awaited.retain(|_, since| !is_due(since));
        let Some(until) = due.iter().max() else { return Vec::new() };
        let from = due.iter().min().and_then(|it| self.watch.read_before(*it));
        vec![self.builder.missed(now, (from, Some(*until)), due.len())]
    }

    /// A job names a runner that neither event nor read has shown: it came and went.
    fn tell_unseen(&mut self, now: Timestamp, entries: &mut Vec<Entry>) {
        let heard = std::mem::take(&mut self.heard);
        for (name, job) in heard {
            if self.names.contains_key(&name) {
                continue;
            }
            // Before the first read nothing was watched: the gap at the start says so.
            if self.watch.has_read() {
                entries.push(self.builder.unseen(now, &name, job));
            }
            if self.told.len() >= UNSEEN_MAX {
                self.told.clear();
            }
            self.told.insert(name);
        }
    }

    /// Lets go of what no event can concern any more.
    fn forget(&mut self, now: Timestamp) {
        let reads = self.watch.reads();
        let mut old: Vec<(u64, String)> = self
            .past
            .iter()
            .filter(|(_, it)| it.read + 2 < reads)
            .map(|(id, it)| (it.read, id.clone()))
            .collect();
        let excess = self.past.len().saturating_sub(PAST_MAX);
        old.sort();
        for (_, id) in old.into_iter().take(excess) {
            if let Some(past) = self.past.remove(&id) {
                self.names.remove(&past.life.name);
            }
        }
        let runners = &self.runners;
        let names = &self.names;
        self.claims.retain(|name, since| {
            let is_there = names.get(name).is_some_and(|it| runners.contains_key(it));
            is_there || now.duration_since(*since) < CLAIM_AGE
        });
        self.settings.forget(now);
    }
}

#[cfg(test)]
mod tests;
