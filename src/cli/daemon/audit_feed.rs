//! The audit file while the loop runs: the life of every runner that GARM lists, beside the writes
//! of the loop. A thread writes. While more waits for it than may be held in memory, events are not
//! taken in: a gap says so, and the next full read brings what they would have told.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;

use super::alerting::AlertInputs;
use super::anchoring::AnchorSchedule;
use super::audit_listener::AuditListener;
use super::mtls_schedule::MtlsRound;
use crate::audit::lifecycle::{LastSign, Lifecycle, Stream, shows_watching};
use crate::audit::{Cause, Entry, Head, Keys, Kind, Subject};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::log::LogLine;
use crate::domain::fleet::Fleet;
use crate::domain::name::FleetName;
use crate::domain::poison::IgnorePoison;
use crate::host::audit_destination::AuditDestination;
use crate::host::audit_sink::{AuditSink, RecordPolicy, SinkEvent, SinkOptions};
use crate::host::clock::Clock;
use crate::host::{logs, state_dir};
use crate::metrics::MetricsState;
use crate::monitor::IsolationFinding;
use crate::monitor::compliance::Recording;
use crate::policy::Violation;
use crate::reconcile::watch::{Incident, WatchCommand};
use crate::render::words::count;
use crate::scaling::RowChange;

/// How often the head of the chain is said, so that a copy of the log can be held against the file.
const HEAD_EVERY: Duration = Duration::from_mins(5);

/// How soon it is looked for again before there is a record.
const HEAD_WAIT: Duration = Duration::from_secs(1);

/// Ends of renamed files that may wait to be anchored.
const ROTATIONS_MAX: usize = 8;

/// How much of the end of the file is searched for the last sign of a `watch`, in bytes.
const TAIL_MAX: usize = 256 << 10;

/// How long what waits may take to be written at the end.
const LAST_PATIENCE: Duration = Duration::from_millis(1_200);

/// How long the last statement may take.
const ANCHOR_PATIENCE: Duration = Duration::from_millis(600);

/// Where the life of the runners goes in. Cheap to clone; never blocks.
#[derive(Clone)]
pub(super) struct AuditFeed(Option<Arc<AuditFeedState>>);

struct AuditFeedState {
    lifecycle: Arc<Mutex<Lifecycle>>,
    sink: Arc<AuditSink>,
    /// Events have not been taken in since the last one that was.
    has_skipped: AtomicBool,
}

/// What the task beside needs.
pub(super) struct AuditHeadTask {
    sink: Arc<AuditSink>,
    /// Where files ended that were renamed.
    ended: mpsc::Receiver<Head>,
    pub(super) anchor: Option<AnchorSchedule>,
}

/// What records tell and are told.
pub(super) struct AuditFeedContext<'a> {
    pub(super) fleet: &'a FleetName,
    pub(super) metrics: Arc<MetricsState>,
    pub(super) facts: Arc<AlertInputs>,
    pub(super) rule: RecordPolicy,
    /// Where the loop is held while nothing can be recorded.
    pub(super) orders: mpsc::Sender<WatchCommand>,
}

impl AuditFeed {
    /// Records into the file of `book`; returns the book that the loop's writes go to, and the work
    /// of the task. Nothing is recorded where the book is no file.
    pub(super) fn open(
        book: AuditDestination,
        desk: AuditFeedContext<'_>,
    ) -> Result<(Self, AuditDestination, Option<AuditHeadTask>), Failure> {
        let AuditDestination::File(audit_file) = book else { return Ok((Self(None), book, None)) };
        let actor = state_dir::actor();
        let lifecycle = Arc::new(Mutex::new(Lifecycle::new(actor, desk.fleet.clone())));
        let cause = Cause {
            command: "watch".into(),
            fleet: Some(desk.fleet.to_string()),
            ..Cause::default()
        };
        let last = last_sign(audit_file.path(), &audit_file.writer().keys, desk.fleet);
        let options = SinkOptions::usual(desk.rule);
        let (ends, ended) = mpsc::channel(ROTATIONS_MAX);
        let ear = AuditListener::new(desk, Arc::clone(&lifecycle), ends);
        let ear = Box::new(move |it: &SinkEvent<'_>| ear.hear(it));
        let sink = AuditSink::start(audit_file, cause, options, ear).map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot start the thread of the audit file: {error}"),
            )
        })?;
        let sink = Arc::new(sink);
        let has_skipped = AtomicBool::new(false);
        let inner = AuditFeedState { lifecycle, sink: Arc::clone(&sink), has_skipped };
        inner.tell(|it, now| it.begin(last, now));
        let work = AuditHeadTask { sink: Arc::clone(&sink), ended, anchor: None };
        Ok((Self(Some(Arc::new(inner))), AuditDestination::Sink(sink), Some(work)))
    }

    pub(super) fn read(&self, fleet: &Fleet) {
        if self.has_room() {
            self.tell(|it, now| it.read(fleet, now));
        }
    }

    pub(super) fn changed(&self, change: &RowChange) {
        if self.has_room() {
            self.tell(|it, now| it.changed(change, now));
        } else if let Some(inner) = &self.0 {
            inner.has_skipped.store(true, Ordering::Relaxed);
        }
    }

    /// Whether more may wait to be written. The next full read makes up for what is passed over.
    fn has_room(&self) -> bool {
        self.0.as_ref().is_none_or(|it| it.sink.has_room())
    }

    /// How the recording stands; absent where nothing is recorded.
    pub(super) fn standing(&self) -> Option<Recording> {
        let inner = self.0.as_ref()?;
        let has_open_gap = inner.lifecycle.lock().ignoring_poison().has_open_gap();
        let sink = &inner.sink;
        Some(Recording { has_open_gap, missing: sink.missing(), is_altered: sink.is_altered() })
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
            | Incident::LeaseExpired(_)
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
    pub(super) fn found(&self, finding: &IsolationFinding) {
        let Some(inner) = &self.0 else { return };
        let entry = inner.finding(finding);
        inner.tell(|_, _| vec![entry]);
    }

    /// The probes of mTLS have another word.
    pub(super) fn proven(&self, shown: &MtlsRound) {
        let Some(inner) = &self.0 else { return };
        let act = format!("mtls {}", shown.word.word());
        let entry = inner.event(act, Subject::Controller, shown.sentence.clone());
        inner.tell(|_, _| vec![entry]);
    }

    /// A pool has begun to break the policy as it stands in GARM, or does so no more.
    pub(super) fn violation(&self, it: &Violation, turn: ViolationChange) {
        let Some(inner) = &self.0 else { return };
        let act = match turn {
            ViolationChange::Begins => "policy violation",
            ViolationChange::Ends => "policy violation over",
        };
        let subject = Subject::Pool { name: it.pool.clone(), id: None };
        let entry = inner.event(act.to_owned(), subject, it.message.clone());
        inner.tell(|_, _| vec![entry]);
    }

    /// Records the end of `watch`.
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
pub(super) enum ViolationChange {
    Begins,
    Ends,
}

impl AuditFeedState {
    /// What was found, as a record; its time is this machine's, as that of every record.
    fn event(&self, act: String, subject: Subject, detail: String) -> Entry {
        Entry {
            time: Clock::Real.now(),
            actor: state_dir::actor(),
            kind: Kind::Event,
            act,
            subject,
            before: None,
            after: None,
            cause: self.sink.cause().clone(),
            seen: None,
            intent: None,
            verdict: None,
            detail,
        }
    }

    /// A finding as a record.
    fn finding(&self, it: &IsolationFinding) -> Entry {
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
        let mut lifecycle = self.lifecycle.lock().ignoring_poison();
        if self.has_skipped.swap(false, Ordering::Relaxed) {
            self.sink.enqueue(&lifecycle.stream(&Stream::Overflow, now));
        }
        let entries = of(&mut lifecycle, now);
        if !entries.is_empty() {
            self.sink.enqueue(&entries);
        }
    }
}

impl AuditHeadTask {
    /// Says and anchors the head from time to time, until `stop`; then lets all be written that
    /// waits.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = self.beat() => {}
            () = stop.cancelled() => {}
        }
        let left = self.sink.close(LAST_PATIENCE).await;
        if left > 0 {
            let text = format!("{} could not be written in time", count(left, "audit record"));
            let help = "the next `watch` tells of the time as a gap";
            LogLine::error("audit", text).help(help).emit();
        }
        self.say_head();
        // What is not delivered by then is not: the next `watch` states where the log stands.
        let _ = tokio::time::timeout(ANCHOR_PATIENCE, self.state(self.sink.head())).await;
    }

    async fn beat(&mut self) {
        let mut beat = interval_at(Instant::now() + HEAD_EVERY, HEAD_EVERY);
        let mut anchor_at = Instant::now();
        loop {
            tokio::select! {
                _ = beat.tick() => self.say_head(),
                Some(ended) = self.ended.recv() => {
                    self.state(Some(ended)).await;
                }
                () = sleep_until(anchor_at), if self.anchor.is_some() => {
                    anchor_at = Instant::now() + self.state(self.sink.head()).await;
                }
            }
        }
    }

    /// States this head outside of the machine, where that is asked for; brings when to do so again.
    async fn state(&mut self, head: Option<Head>) -> Duration {
        match (&mut self.anchor, head) {
            (Some(anchor), Some(head)) => anchor.state(&head).await,
            // There is no record yet.
            (Some(_), None) => HEAD_WAIT,
            (None, _) => HEAD_EVERY,
        }
    }

    fn say_head(&self) {
        if let Some(head) = self.sink.head() {
            stands_at(&head).emit();
        }
    }
}

/// For a copy of the log to be held against the file: `audit verify --head`.
fn stands_at(head: &Head) -> LogLine {
    LogLine::info("audit", format!("the audit log stands at {head}"))
}

/// The last record that shows this fleet being watched, and that the keys vouch for.
fn last_sign(path: &Path, keys: &Keys, fleet: &FleetName) -> LastSign {
    let is_sign = |it: &serde_json::Value| shows_watching(it, fleet);
    match logs::last_time(path, TAIL_MAX, keys, is_sign) {
        logs::SearchResult::At(time) => LastSign::At(time),
        logs::SearchResult::Nothing => LastSign::Unknown,
        logs::SearchResult::Empty => LastSign::None,
    }
}
