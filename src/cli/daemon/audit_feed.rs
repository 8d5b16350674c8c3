//! Records the life of every runner that GARM lists, and the writes of the loop, in the audit file.
//!
//! A thread writes the file. While its queue is full, changes are skipped: a gap record marks the
//! period, and the next full read records the states that the skipped changes led to.

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
use super::audit_backlog::FirstSights;
use super::audit_listener::AuditListener;
use super::mtls_schedule::MtlsRound;
use crate::audit::lifecycle::{LastSign, Lifecycle, StreamChange, shows_watching};
use crate::audit::{Cause, Entry, Head, Keys, RecordKind, Subject};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::log::LogLine;
use crate::domain::fleet::Fleet;
use crate::domain::name::FleetName;
use crate::domain::poison::IgnorePoison;
use crate::election::shown_holder;
use crate::host::audit_destination::AuditDestination;
use crate::host::audit_sink::{AuditSink, RecordPolicy, SinkEvent, SinkOptions};
use crate::host::clock::Clock;
use crate::host::{logs, state_dir};
use crate::metrics::MetricsState;
use crate::monitor::IsolationFinding;
use crate::monitor::compliance::AuditLogState;
use crate::policy::Violation;
use crate::reconcile::leadership::{Fence, LedTerm};
use crate::reconcile::watch::{Incident, WatchCommand};
use crate::render::words::count;
use crate::scaling::RowChange;

/// Interval at which the head of the chain is logged, so that a copy of the log can be compared
/// with the file.
const HEAD_EVERY: Duration = Duration::from_mins(5);

/// Interval at which a file without a record is checked for a head to anchor.
const HEAD_WAIT: Duration = Duration::from_secs(1);

/// The largest number of heads of rotated files that may wait to be anchored.
const ROTATIONS_MAX: usize = 8;

/// How much of the end of the file is searched for the last record of a `watch`, in bytes.
const TAIL_MAX: usize = 256 << 10;

/// How long the queued records may take to be written at the end.
const LAST_PATIENCE: Duration = Duration::from_millis(1_200);

/// How long the delivery of the last statement may take.
const ANCHOR_PATIENCE: Duration = Duration::from_millis(600);

/// Records what the loop observes. Cheap to clone; never blocks.
#[derive(Clone)]
pub(super) struct AuditFeed(Option<Arc<AuditFeedState>>);

struct AuditFeedState {
    lifecycle: Arc<Mutex<Lifecycle>>,
    sink: Arc<AuditSink>,
    /// Changes have been skipped since the last record.
    has_skipped: AtomicBool,
    /// Absent without `watch.leader`.
    fence: Option<Fence>,
}

/// Logs and anchors the head of the audit log until the service stops.
pub(super) struct AuditHeadTask {
    sink: Arc<AuditSink>,
    rotated_heads: mpsc::Receiver<Head>,
    pub(super) anchor: Option<AnchorSchedule>,
}

/// What the listener of the audit file passes events to.
pub(super) struct AuditFeedContext {
    pub(super) metrics: Arc<MetricsState>,
    pub(super) alert_inputs: Arc<AlertInputs>,
    pub(super) record_policy: RecordPolicy,
    /// Holds the loop while records are required and cannot be written.
    pub(super) commands: mpsc::Sender<WatchCommand>,
    /// Knows the term of the records; absent without `watch.leader`.
    pub(super) fence: Option<Fence>,
}

impl AuditFeed {
    /// Starts the thread that writes the audit file. Returns the feed, the destination of the
    /// loop's own records, and the task that reports and anchors the head. Without an audit file
    /// the feed drops what it is given, and there is no task. Fails (1) if the thread cannot be
    /// started.
    pub(super) fn open(
        destination: AuditDestination,
        fleet: &FleetName,
        context: AuditFeedContext,
    ) -> Result<(Self, AuditDestination, Option<AuditHeadTask>), Failure> {
        let AuditDestination::File(audit_file) = destination else {
            return Ok((Self(None), destination, None));
        };
        let lifecycle = Arc::new(Mutex::new(Lifecycle::new(state_dir::actor(), fleet.clone())));
        let cause =
            Cause { command: "watch".into(), fleet: Some(fleet.to_string()), ..Cause::default() };
        let last = last_sign(audit_file.path(), &audit_file.writer().keys, fleet);
        let options = SinkOptions::usual(context.record_policy);
        let (rotated_heads, received_heads) = mpsc::channel(ROTATIONS_MAX);
        let listener = AuditListener {
            lifecycle: Arc::clone(&lifecycle),
            metrics: context.metrics,
            alert_inputs: context.alert_inputs,
            record_policy: context.record_policy,
            commands: context.commands,
            rotated_heads,
        };
        // The listener runs on the thread of the sink.
        let span = tracing::Span::current();
        let listener = Box::new(move |event: &SinkEvent<'_>| {
            span.in_scope(|| listener.on_event(event));
        });
        let (first_sights, fence) = (Arc::clone(&lifecycle), context.fence.clone());
        let backlog = Box::new(FirstSights { lifecycle: first_sights, fence });
        let started = AuditSink::start(audit_file, cause, options, listener, Some(backlog));
        let sink = started.map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot start the thread that writes the audit file: {error}"),
            )
        })?;
        let sink = Arc::new(sink);
        let has_skipped = AtomicBool::new(false);
        let fence = context.fence;
        let state = AuditFeedState { lifecycle, sink: Arc::clone(&sink), has_skipped, fence };
        state.record(|lifecycle, now| lifecycle.begin(last, now));
        let task =
            AuditHeadTask { sink: Arc::clone(&sink), rotated_heads: received_heads, anchor: None };
        Ok((Self(Some(Arc::new(state))), AuditDestination::Sink(sink), Some(task)))
    }

    pub(super) fn read(&self, fleet: &Fleet) {
        if self.has_room() {
            self.record(|lifecycle, now| lifecycle.read(fleet, now));
        }
    }

    pub(super) fn changed(&self, change: &RowChange) {
        if self.has_room() {
            self.record(|lifecycle, now| lifecycle.changed(change, now));
        } else if let Some(state) = &self.0 {
            state.has_skipped.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the queue of the writing thread has room for more.
    fn has_room(&self) -> bool {
        self.0.as_ref().is_none_or(|state| state.sink.has_room())
    }

    /// The state of the recording; absent without an audit file.
    pub(super) fn recording(&self) -> Option<AuditLogState> {
        let state = self.0.as_ref()?;
        let has_open_gap = state.lifecycle.lock().ignoring_poison().has_open_gap()
            || state.has_skipped.load(Ordering::Relaxed);
        let sink = &state.sink;
        Some(AuditLogState {
            has_open_gap,
            missing: sink.missing(),
            unrecorded: state.lifecycle.lock().ignoring_poison().unrecorded() as u64,
            is_unwritable: sink.is_unwritable(),
            is_altered: sink.is_altered(),
        })
    }

    pub(super) fn trouble(&self, incident: &Incident) {
        let stream = match incident {
            Incident::StreamUp => StreamChange::Connected,
            Incident::StreamLost(why) => StreamChange::Lost(why),
            Incident::Overflow => StreamChange::Overflow,
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
            | Incident::RunnerSuspect { .. }
            | Incident::HistoryUnread { .. } => return,
        };
        self.record(|lifecycle, now| lifecycle.stream(&stream, now));
    }

    /// Records a finding of the isolation auditor.
    pub(super) fn found(&self, finding: &IsolationFinding) {
        let Some(state) = &self.0 else { return };
        let entry = state.finding(finding);
        state.record(|_, _| vec![entry]);
    }

    /// Records a changed result of the mTLS probes.
    pub(super) fn proven(&self, shown: &MtlsRound) {
        let Some(state) = &self.0 else { return };
        let act = format!("mtls {}", shown.word.word());
        let entry = state.event(act, Subject::Controller, shown.sentence.clone());
        state.record(|_, _| vec![entry]);
    }

    /// Records that a pool in GARM has begun or ceased to violate the policy.
    pub(super) fn violation(&self, violation: &Violation, change: ViolationChange) {
        let Some(state) = &self.0 else { return };
        let act = match change {
            ViolationChange::Begins => "policy violation",
            ViolationChange::Ends => "policy violation over",
        };
        let subject = Subject::Pool { name: violation.pool.clone(), id: None };
        let entry = state.event(act.to_owned(), subject, violation.message.clone());
        state.record(|_, _| vec![entry]);
    }

    /// Records that this process leads, with the head of the previous leader's audit log.
    pub(super) fn term_began(&self, leading: &LedTerm) {
        let Some(state) = &self.0 else { return };
        let previous = leading.previous.as_ref().map(|record| {
            json!({
                "term": record.term,
                // A lease that was released has none.
                "holder": Some(shown_holder(&record.holder)).filter(|holder| !holder.is_empty()),
                "audit_head": record.notes.audit_head,
            })
        });
        let after = Some(json!({ "term": leading.term }));
        let entry = state.event("term began".into(), Subject::Controller, String::new());
        state.record(|_, _| vec![Entry { before: previous, after, ..entry }]);
    }

    /// The last record that is known to be in the file.
    pub(super) fn head(&self) -> Option<Head> {
        self.0.as_ref()?.sink.head()
    }

    /// Records the end of `watch`.
    pub(super) fn end(self) {
        self.record(Lifecycle::end);
    }

    fn record(&self, of: impl FnOnce(&mut Lifecycle, Timestamp) -> Vec<Entry>) {
        if let Some(state) = &self.0 {
            state.record(of);
        }
    }
}

/// Whether a violation begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ViolationChange {
    Begins,
    Ends,
}

impl AuditFeedState {
    /// A record of the kind `event`. Its time is this machine's, as in every record.
    fn event(&self, act: String, subject: Subject, detail: String) -> Entry {
        Entry {
            time: Clock::Real.now(),
            actor: state_dir::actor(),
            kind: RecordKind::Event,
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

    /// The record of a finding, with GARM's time of it.
    fn finding(&self, finding: &IsolationFinding) -> Entry {
        let (pool, pool_id) = (finding.pool.clone(), finding.pool_id.clone());
        let subject = match &finding.runner {
            Some(name) => Subject::Runner { name: name.clone(), pool, pool_id },
            None => Subject::Pool { name: pool, id: Some(pool_id) },
        };
        let act = format!("finding {}", finding.kind.word());
        let after = Some(json!({ "garm_time": finding.at.to_string() }));
        Entry { after, ..self.event(act, subject, finding.evidence.clone()) }
    }

    fn record(&self, of: impl FnOnce(&mut Lifecycle, Timestamp) -> Vec<Entry>) {
        let now = Clock::Real.now();
        let mut lifecycle = self.lifecycle.lock().ignoring_poison();
        if self.has_skipped.swap(false, Ordering::Relaxed) {
            self.sink.enqueue(&lifecycle.stream(&StreamChange::Overflow, now));
        }
        let mut entries = of(&mut lifecycle, now);
        let term = self.fence.as_ref().and_then(Fence::term);
        entries.iter_mut().for_each(|entry| entry.cause.term = term);
        if !entries.is_empty() {
            self.sink.enqueue(&entries);
        }
    }
}

impl AuditHeadTask {
    /// Logs and anchors the head at intervals until `stop`; then waits for the queued records to be
    /// written, and logs and anchors the last head.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = self.repeat() => {}
            () = stop.cancelled() => {}
        }
        let left = self.sink.close(LAST_PATIENCE).await;
        if left > 0 {
            let text =
                format!("{} could not be written before the end", count(left, "audit record"));
            let help = "the next `watch` records the period as a gap";
            LogLine::error("audit", text).help(help).emit();
        }
        self.log_head();
        // A statement that is not delivered by then is dropped: the next `watch` makes a new one.
        let _ = tokio::time::timeout(ANCHOR_PATIENCE, self.anchor(self.sink.head())).await;
    }

    async fn repeat(&mut self) {
        let mut beat = interval_at(Instant::now() + HEAD_EVERY, HEAD_EVERY);
        let mut anchor_at = Instant::now();
        loop {
            tokio::select! {
                _ = beat.tick() => self.log_head(),
                Some(head) = self.rotated_heads.recv() => {
                    self.anchor(Some(head)).await;
                }
                () = sleep_until(anchor_at), if self.anchor.is_some() => {
                    anchor_at = Instant::now() + self.anchor(self.sink.head()).await;
                }
            }
        }
    }

    /// Anchors this head if the fleet file asks for it. Returns the time until the next statement.
    async fn anchor(&mut self, head: Option<Head>) -> Duration {
        match (&mut self.anchor, head) {
            (Some(anchor), Some(head)) => anchor.state(&head).await,
            // The file has no record yet.
            (Some(_), None) => HEAD_WAIT,
            (None, _) => HEAD_EVERY,
        }
    }

    fn log_head(&self) {
        if let Some(head) = self.sink.head() {
            // For `audit verify --head`, which compares this line with the file.
            LogLine::info("audit", format!("the audit log stands at {head}")).emit();
        }
    }
}

/// The last record of a `watch` of this fleet that verifies with the keys.
fn last_sign(path: &Path, keys: &Keys, fleet: &FleetName) -> LastSign {
    let is_sign = |record: &serde_json::Value| shows_watching(record, fleet);
    match logs::last_time(path, TAIL_MAX, keys, is_sign) {
        logs::SearchResult::At(time) => LastSign::At(time),
        logs::SearchResult::Nothing => LastSign::Unknown,
        logs::SearchResult::Empty => LastSign::None,
    }
}
