//! The audit file while the loop runs: the life of every runner that GARM lists, beside the writes
//! of the loop. A task writes; what does not fit into its queue becomes a gap in the file.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};

use super::alerting::Facts;
use super::journal::{Journal, Line, Weight};
use super::proving::Shown;
use crate::audit::lifecycle::{Last, Lifecycle, Stream, shows_watching};
use crate::audit::{Cause, Entry, Head, Kind, Subject};
use crate::domain::fleet::Fleet;
use crate::domain::name::FleetName;
use crate::engine::watch::Incident;
use crate::host::clock::Clock;
use crate::host::diary::{Diary, Kept};
use crate::host::ledger::{Book, Ledger, LedgerError};
use crate::host::state;
use crate::policy::Violation;
use crate::scale::Change;
use crate::telemetry::{Board, Counter};
use crate::watchdog::Finding;

/// Records that may wait to be written: a burst of a large fleet.
const WAITING_MAX: usize = 16_384;

/// Records that are brought to the disk at once, each of which may wait for this many others.
const BATCH_MAX: usize = 256;

/// How often the head of the chain is said, so that a copy of the log can hold it against the file.
const HEAD_EVERY: Duration = Duration::from_mins(5);

/// How much of the end of the file is searched for the last sign of a `watch`, in bytes.
const TAIL_MAX: usize = 256 << 10;

/// Between two tries to write to a file that another process holds for the time of one record.
const LOCK_WAIT: Duration = Duration::from_millis(20);

/// Where the life of the runners goes in. Cheap to clone; never blocks.
#[derive(Clone)]
pub(super) struct Records(Option<Arc<Inner>>);

struct Inner {
    lifecycle: Arc<Mutex<Lifecycle>>,
    queue: mpsc::Sender<Entry>,
    diary: Arc<Diary>,
}

/// What the task needs.
pub(super) struct Work {
    queue: mpsc::Receiver<Entry>,
    diary: Arc<Diary>,
    journal: Journal,
}

/// What records tell and are told.
pub(super) struct Desk<'a> {
    pub(super) fleet: &'a FleetName,
    pub(super) board: Arc<Board>,
    pub(super) journal: Journal,
    pub(super) facts: Arc<Facts>,
}

impl Records {
    /// Records into the file of `book`; brings the book that the loop's writes go to, and the work
    /// of the task. Nothing is recorded where the book is no file.
    pub(super) fn open(book: Book, desk: Desk<'_>) -> (Self, Book, Option<Work>) {
        let Book::File(ledger) = book else { return (Self(None), book, None) };
        let actor = state::actor();
        let lifecycle = Arc::new(Mutex::new(Lifecycle::new(actor, desk.fleet.clone())));
        let cause = Cause {
            command: "watch".into(),
            fleet: Some(desk.fleet.to_string()),
            ..Cause::default()
        };
        let last = last_sign(ledger.path(), desk.fleet);
        let ear = ear(&desk, Arc::clone(&lifecycle));
        let diary = Arc::new(Diary::new(ledger, cause, Box::new(ear)));
        let (queue, taken) = mpsc::channel(WAITING_MAX);
        let inner = Inner { lifecycle, queue, diary: Arc::clone(&diary) };
        inner.tell(|it, now| it.begin(last, now));
        let work = Work { queue: taken, diary: Arc::clone(&diary), journal: desk.journal };
        (Self(Some(Arc::new(inner))), Book::Diary(diary), Some(work))
    }

    pub(super) fn read(&self, fleet: &Fleet) {
        self.tell(|it, now| it.read(fleet, now));
    }

    pub(super) fn changed(&self, change: &Change) {
        self.tell(|it, now| it.changed(change, now));
    }

    pub(super) fn trouble(&self, incident: &Incident) {
        let stream = match incident {
            Incident::StreamUp => Stream::Connected,
            Incident::StreamLost(why) => Stream::Lost(why),
            Incident::Overflow => Stream::Overflow,
            Incident::ReadFailed { .. }
            | Incident::ReadAgain { .. }
            | Incident::Frozen { .. }
            | Incident::Thawed { .. }
            | Incident::Skewed(_)
            | Incident::InStep
            | Incident::LeashSlack(_)
            | Incident::NotFollowed { .. }
            | Incident::Followed(_)
            | Incident::Unmanaged { .. }
            | Incident::Managed(_)
            | Incident::RunnerFailed { .. }
            | Incident::RunnerSuspect { .. }
            | Incident::HistoryUnread { .. } => return,
        };
        self.tell(|it, now| it.stream(&stream, now));
    }

    /// The isolation auditor has found something.
    pub(super) fn found(&self, finding: &Finding) {
        let Some(inner) = &self.0 else { return };
        let entry = inner.finding(finding);
        inner.tell(|_, _| vec![entry]);
    }

    /// The probes of mTLS have another word.
    pub(super) fn proven(&self, shown: &Shown) {
        let Some(inner) = &self.0 else { return };
        let act = format!("mtls {}", shown.word.word());
        let entry = inner.event(act, Subject::Controller, shown.sentence.clone());
        inner.tell(|_, _| vec![entry]);
    }

    /// A pool has begun to break the policy as it stands in GARM, or does so no more.
    pub(super) fn violation(&self, it: &Violation, turn: Turn) {
        let Some(inner) = &self.0 else { return };
        let act = match turn {
            Turn::Begins => "policy violation",
            Turn::Ends => "policy violation over",
        };
        let subject = Subject::Pool { name: it.pool.clone(), id: None };
        let entry = inner.event(act.to_owned(), subject, it.message.clone());
        inner.tell(|_, _| vec![entry]);
    }

    /// The watching ends. The task ends with the last clone of this.
    pub(super) fn end(self) {
        self.tell(Lifecycle::end);
    }

    fn tell(&self, of: impl FnOnce(&mut Lifecycle, Timestamp) -> Vec<Entry>) {
        if let Some(inner) = &self.0 {
            inner.tell(of);
        }
    }
}

/// Whether something begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Begins,
    Ends,
}

impl Inner {
    /// What was found, as a record; its time is this machine's, as that of every record.
    fn event(&self, act: String, subject: Subject, detail: String) -> Entry {
        Entry {
            time: Clock::Real.now(),
            actor: state::actor(),
            kind: Kind::Event,
            act,
            subject,
            before: None,
            after: None,
            cause: self.diary.cause().clone(),
            seen: None,
            intent: None,
            verdict: None,
            detail,
        }
    }

    /// A finding as a record.
    fn finding(&self, it: &Finding) -> Entry {
        let (pool, pool_id) = (it.pool.clone(), it.pool_id.clone());
        let subject = match &it.runner {
            Some(name) => Subject::Runner { name: name.clone(), pool, pool_id },
            None => Subject::Pool { name: pool, id: Some(pool_id) },
        };
        let act = format!("finding {}", it.kind.word());
        let after = Some(json!({ "garm_time": it.at.to_string() }));
        Entry { after, ..self.event(act, subject, it.evidence.clone()) }
    }

    fn tell(&self, of: impl FnOnce(&mut Lifecycle, Timestamp) -> Vec<Entry>) {
        let now = Clock::Real.now();
        let entries = of(&mut held(&self.lifecycle), now);
        let mut lost = 0;
        for entry in entries {
            lost += u64::from(self.queue.try_send(entry).is_err());
        }
        if lost > 0 {
            self.diary.miss(lost, now);
        }
    }
}

/// Counts what becomes of records, and lets the life of the runners know of our own writes.
fn ear(
    desk: &Desk<'_>,
    lifecycle: Arc<Mutex<Lifecycle>>,
) -> impl Fn(&Kept<'_>) + Send + Sync + use<> {
    let (board, journal, facts) =
        (Arc::clone(&desk.board), desk.journal.clone(), Arc::clone(&desk.facts));
    let was_lost = std::sync::atomic::AtomicBool::new(false);
    move |it| match it {
        Kept::Asked(entry) => match entry.kind {
            Kind::Intent | Kind::Outcome => held(&lifecycle).wrote(entry),
            Kind::Event | Kind::Gap => {}
        },
        Kept::Rotated(ended) => {
            let text =
                format!("the audit log goes on in a new file; the one before ends at {ended}");
            journal.say(Line::new(Weight::Note, "audit", text));
        }
        Kept::Written(entry) => {
            board.count(Counter::AuditRecord { kind: entry.kind.word() });
            if entry.kind == Kind::Gap {
                board.count(Counter::AuditGap);
                facts.note_gap(entry.time);
            }
            if was_lost.swap(false, std::sync::atomic::Ordering::Relaxed) {
                let text = "the audit file can be written again; the gap is on record";
                journal.say(Line::new(Weight::Note, "audit", text));
            }
        }
        Kept::Lost(error) => {
            board.count(Counter::AuditWriteError);
            if !was_lost.swap(true, std::sync::atomic::Ordering::Relaxed) {
                let text = format!("{error}: scaling goes on without a record");
                journal.say(Line::new(Weight::Error, "audit", text));
            }
        }
    }
}

impl Work {
    /// Writes until every clone of the records is gone and nothing waits any more.
    pub(super) async fn run(mut self) {
        let mut beat = interval_at(Instant::now() + HEAD_EVERY, HEAD_EVERY);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                count = self.queue.recv_many(&mut batch, BATCH_MAX) => match count {
                    0 => break,
                    _ => self.write(std::mem::take(&mut batch)).await,
                },
                _ = beat.tick() => self.say_head(),
            }
        }
        self.say_head();
    }

    async fn write(&self, entries: Vec<Entry>) {
        let entries = Arc::new(entries);
        loop {
            let (diary, written) = (Arc::clone(&self.diary), Arc::clone(&entries));
            match tokio::task::spawn_blocking(move || diary.append_all(&written)).await {
                Ok(Err(LedgerError::Locked(_))) => tokio::time::sleep(LOCK_WAIT).await,
                // Whatever else can go wrong the diary has counted and said.
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn say_head(&self) {
        if let Some(head) = self.diary.head() {
            self.journal.say(stands_at(&head));
        }
    }
}

/// For whoever holds a copy of the log against the file: `audit verify --head`.
fn stands_at(head: &Head) -> Line {
    Line::new(Weight::Note, "audit", format!("the audit log stands at {head}"))
}

/// The last record that shows this fleet being watched.
fn last_sign(path: &Path, fleet: &FleetName) -> Last {
    let text = Ledger::end_of(path, TAIL_MAX);
    let mut lines = text.lines().rev().filter_map(|it| serde_json::from_str::<Value>(it).ok());
    let found = lines.find(|it| shows_watching(it, fleet));
    match found.and_then(|it| it["time"].as_str()?.parse().ok()) {
        Some(time) => Last::At(time),
        None if text.is_empty() => Last::None,
        None => Last::Unknown,
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
