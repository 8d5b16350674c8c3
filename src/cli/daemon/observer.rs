//! Observes the loop and passes what it reports to the metrics, the log, the alerts, the status
//! page and the audit file.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tracing::{Level, trace};

use super::alerting::AlertInputs;
use super::audit_feed::{AuditFeed, ViolationChange};
use super::backoff_warnings::BackoffWarnings;
use super::compliance::ComplianceReport;
use super::decisions_page::DecisionsPage;
use super::drift::{DriftDetector, ReportedDrift};
use super::gauges::{self, Outdated, ReadCounts};
use super::guardrails::{Guardrails, ViolationChanges};
use super::log_lines::{self, EntityNames};
use super::pool_log::PoolLog;
use super::read_failures::ReadFailures;
use super::recent::EntryTopic;
use super::runner_faults::RunnerFaults;
use super::status_page::StatusPages;
use super::timings::{TimedEvent, Timings};
use crate::cli::log::{LogFields, LogLine};
use crate::cli::policies::PolicySet;
use crate::domain::fleet::{Controller, Fleet};
use crate::domain::name::{PoolId, PoolName};
use crate::domain::poison::IgnorePoison;
use crate::garm::GarmClient;
use crate::metrics::{Counter, MetricsState, Timing};
use crate::monitor::IsolationFinding;
use crate::reconcile::watch::{
    Incident, LoopSnapshot, ManagedPool, Observer, StreamStatus, WriteAction, WriteOutcome,
    WriteReport, Writes,
};
use crate::render::decision::{Mood, freeze, sentence};
use crate::scaling::{Decision, Direction, Freeze, RowChange, RunnerTransition};

/// Receives the reports of the loop.
pub(super) struct LoopObserver {
    client: Arc<GarmClient>,
    metrics: Arc<MetricsState>,
    records: AuditFeed,
    /// The values of the alert rules.
    alert_inputs: Arc<AlertInputs>,
    /// Compares the pools with their files.
    drifts: DriftDetector,
    controllers: watch::Sender<Option<Controller>>,
    policies: watch::Receiver<PolicySet>,
    compliance: Arc<ComplianceReport>,
    /// The data of the status page and of `/decisions`.
    pages: Arc<StatusPages>,
    /// Notified after each full read, successful or not: the first one makes the service ready, and
    /// each one triggers a check of the files.
    pub(super) read_done: Arc<Notify>,
    state: Mutex<ObserverState>,
}

/// State that is kept between calls.
#[derive(Default)]
struct ObserverState {
    timings: Timings,
    outdated: Outdated,
    guardrails: Guardrails,
    pool_log: PoolLog,
    read_failures: ReadFailures,
    runner_faults: RunnerFaults,
    entities: EntityNames,
    /// The loss of the event stream was logged.
    is_stream_lost: bool,
    drifting: ReportedDrift,
    names: BTreeMap<PoolId, PoolName>,
    backoff_warnings: BackoffWarnings,
    /// The last logged remarks about rows that could not be read.
    remarks: Vec<String>,
    is_ready: bool,
}

/// The destinations of the reports.
pub(super) struct ObserverOutputs {
    /// Has the remarks about rows that could not be read.
    pub(super) client: Arc<GarmClient>,
    pub(super) metrics: Arc<MetricsState>,
    pub(super) records: AuditFeed,
    pub(super) alert_inputs: Arc<AlertInputs>,
    pub(super) drifts: DriftDetector,
    /// Receives GARM's settings, for the probes of its URLs.
    pub(super) controllers: watch::Sender<Option<Controller>>,
    pub(super) policies: watch::Receiver<PolicySet>,
    pub(super) compliance: Arc<ComplianceReport>,
    pub(super) pages: Arc<StatusPages>,
}

impl LoopObserver {
    pub(super) fn new(outputs: ObserverOutputs) -> Self {
        let ObserverOutputs { client, metrics, records, alert_inputs, drifts, .. } = outputs;
        let (controllers, policies) = (outputs.controllers, outputs.policies);
        let (compliance, pages) = (outputs.compliance, outputs.pages);
        let state = Mutex::default();
        let read_done = Arc::new(Notify::new());
        Self {
            client,
            metrics,
            records,
            alert_inputs,
            drifts,
            controllers,
            policies,
            compliance,
            pages,
            read_done,
            state,
        }
    }

    fn state(&self) -> MutexGuard<'_, ObserverState> {
        self.state.lock().ignoring_poison()
    }

    fn time(&self, state: &ObserverState, took: Vec<TimedEvent>) {
        for took in took {
            let (id, span, timing): (_, _, fn(PoolName) -> Timing) = match took {
                TimedEvent::Queue(id, span) => (id, span, |pool| Timing::JobQueue { pool }),
                TimedEvent::Startup(id, span) => (id, span, |pool| Timing::RunnerStartup { pool }),
            };
            if let Some(pool) = state.names.get(&id) {
                self.metrics.observe(timing(pool.clone()), span);
            }
        }
    }

    fn tell_remarks(&self, state: &mut ObserverState) {
        let remarks = self.client.remarks();
        for remark in remarks.iter().filter(|remark| !state.remarks.contains(remark)) {
            LogLine::warn("read", remark.clone()).emit();
        }
        state.remarks = remarks;
    }

    fn tell_violations(&self, news: &ViolationChanges) {
        for violation in &news.begun {
            let text = format!("the pool in GARM violates the policy: {}", violation.message);
            let line = LogLine::warn("policy", text).of(&violation.pool);
            let fields = LogFields::Policy { field: violation.field };
            line.help(violation.help.clone()).with(&fields).emit();
            self.records.violation(violation, ViolationChange::Begins);
        }
        for violation in &news.ended {
            let text =
                format!("the pool in GARM no longer violates the policy: {}", violation.message);
            LogLine::info("policy", text).of(&violation.pool).emit();
            self.records.violation(violation, ViolationChange::Ends);
        }
    }

    fn explain(&self, loop_snapshot: &LoopSnapshot<'_>) {
        let controller = self.controllers.borrow().as_ref().map(|controller| controller.id.clone());
        self.pages.decided(DecisionsPage::of(&self.pages.origin, controller, loop_snapshot));
    }

    /// Logs what has happened since the last lines, at the end of the loop.
    pub(super) fn end(&self) {
        self.state().pool_log.end().iter().for_each(LogLine::emit);
    }

    fn log_problem(&self, line: &LogLine, topic: EntryTopic) {
        self.pages.history.problem(line, topic);
        line.emit();
    }
}

impl Observer for LoopObserver {
    fn runner_changed(&self, transition: &RunnerTransition<'_>) {
        let mut state = self.state();
        let times = state.timings.runner_changed(transition);
        self.time(&state, times);
        state.pool_log.runner_changed(transition);
        let ObserverState { runner_faults, names, .. } = &mut *state;
        if let Some(line) = runner_faults.runner_changed(transition, names) {
            self.log_problem(&line, EntryTopic::Other);
        }
    }

    fn read(&self, fleet: &Fleet, took: Duration) {
        let mut state = self.state();
        self.metrics.observe(Timing::Reconcile, took);
        self.tell_remarks(&mut state);
        state.timings.read(fleet);
        state.outdated = gauges::outdated(fleet);
        let news = state.guardrails.read(&self.policies.borrow(), &self.pages.origin.fleet, fleet);
        self.compliance.networks(state.guardrails.in_wrong_networks());
        self.tell_violations(&news);
        state.read_failures.end();
        for line in state.runner_faults.read(fleet, &self.pages.origin.fleet) {
            self.log_problem(&line, EntryTopic::Other);
        }
        for entity in &fleet.entities {
            state.entities.insert(entity.key.clone(), entity.name.clone());
        }
        self.records.read(fleet);
        self.compliance.recording(self.records.recording());
        self.controllers.send_if_modified(|known| {
            let is_news = known.as_ref() != Some(&fleet.controller);
            if is_news {
                *known = Some(fleet.controller.clone());
            }
            is_news
        });
        self.read_done.notify_one();
    }

    fn heard(&self, change: &RowChange) {
        self.records.changed(change);
    }

    fn changed(&self, change: &RowChange, _now: Timestamp) {
        if let RowChange::Job(job) = change {
            self.state().timings.see_job(job);
        }
    }

    fn evaluated(&self, loop_snapshot: &LoopSnapshot<'_>) {
        let mut state = self.state();
        let names = || loop_snapshot.managed.iter().map(|(name, pool)| (&pool.id, name));
        if !state.names.iter().eq(names()) {
            state.names = names().map(|(id, name)| (id.clone(), name.clone())).collect();
            state.runner_faults.keep(|pool| loop_snapshot.managed.contains_key(pool));
            state.drifting.keep(|pool| loop_snapshot.managed.contains_key(pool));
            self.pages.history.keep(loop_snapshot);
        }
        self.metrics.frozen(frozen(loop_snapshot, &state.entities));
        let is_connected = Some(loop_snapshot.stream == StreamStatus::Up);
        self.metrics.process(|process| process.is_stream_connected = is_connected);
        let row = |(name, pool): (_, &ManagedPool)| {
            Some((name, loop_snapshot.fleet_index.pools().get(&pool.id)?))
        };
        let drifts = self.drifts.look(loop_snapshot.managed.iter().filter_map(row));
        for line in state.drifting.look(&drifts) {
            line.emit();
        }
        let (outdated, violated) = (&state.outdated, &state.guardrails.counts);
        let read_counts = ReadCounts { outdated, drifts: &drifts, violated };
        let snapshot = gauges::snapshot(loop_snapshot, read_counts, &self.drifts);
        self.alert_inputs.take(&snapshot);
        self.pages.history.evaluated(loop_snapshot, &snapshot);
        self.metrics.publish(snapshot);
        self.explain(loop_snapshot);
        self.compliance.watched(loop_snapshot.watched);
        self.compliance.recording(self.records.recording());
        if !state.is_ready {
            state.is_ready = true;
            self.metrics.explain(self.pages.decisions_renderer());
        }
        log_decisions(loop_snapshot);
        let ObserverState { backoff_warnings, pool_log, names, .. } = &mut *state;
        let warnings = backoff_warnings.check(loop_snapshot, names);
        for line in warnings.into_iter().chain(pool_log.evaluated(loop_snapshot)) {
            line.emit();
        }
    }

    fn decided(&self, pool: &PoolName, decision: &Decision, applied: Writes) {
        if decision.direction != Direction::Stay {
            self.metrics.count(Counter::ScalingDecision {
                pool: pool.clone(),
                direction: decision.direction.word(),
                reason: decision.reason.word(),
            });
        }
        log_lines::decided(pool, decision, applied).emit();
    }

    fn acted(&self, act: &WriteReport) {
        let outcome = log_lines::outcome(&act.outcome);
        let direction = match act.action {
            WriteAction::Raise { .. } => Some(Direction::Up),
            WriteAction::Limit { from, to, .. } if to > from => Some(Direction::Up),
            WriteAction::Lower { .. }
            | WriteAction::Limit { .. }
            | WriteAction::Retire { .. }
            | WriteAction::Remove { .. }
            | WriteAction::Dismiss { .. } => Some(Direction::Down),
            WriteAction::Resend { .. } | WriteAction::Rescue { .. } | WriteAction::Clear { .. } => {
                None
            }
        };
        if let Some(direction) = direction {
            let (pool, direction) = (act.pool.clone(), direction.word());
            self.metrics.count(Counter::ScalingAction { pool, direction, outcome });
        } else if act.outcome == Ok(WriteOutcome::Done)
            && matches!(act.action, WriteAction::Resend { .. })
        {
            self.metrics.count(Counter::LevelResent);
        } else if act.outcome == Ok(WriteOutcome::Done)
            && matches!(act.action, WriteAction::Rescue { .. })
        {
            self.metrics.count(Counter::Rescue { pool: act.pool.clone() });
            self.alert_inputs.note_rescue(&act.pool, act.at);
        }
        if act.outcome == Ok(WriteOutcome::Refused) {
            let pool = act.pool.clone();
            self.metrics.count(Counter::ScaledownRefused { pool, reason: "busy" });
        }
        let line = log_lines::acted(act);
        self.pages.history.acted(&line);
        let mut state = self.state();
        state.pool_log.acted(act);
        if let WriteAction::Remove { runner, .. } = &act.action {
            let fault = state.runner_faults.removed(&act.pool, runner, act.at);
            fault.iter().for_each(|line| self.log_problem(line, EntryTopic::Other));
        }
        let level = if log_lines::is_covered(act) { Level::DEBUG } else { line.level };
        LogLine { level, ..line }.emit();
    }

    fn found(&self, finding: &IsolationFinding) {
        self.metrics.count(Counter::EphemeralViolation { reason: finding.kind.word() });
        self.alert_inputs.note_violation(finding.at);
        self.records.found(finding);
        self.log_problem(&log_lines::found(finding), EntryTopic::Other);
    }

    fn beat(&self) {
        self.metrics.turned();
        // An idle fleet is not evaluated, but the audit file is written all the same.
        self.compliance.recording(self.records.recording());
    }

    fn trouble(&self, incident: &Incident) {
        let mut topic = EntryTopic::Other;
        if let Incident::ReadFailed { .. } = incident {
            topic = EntryTopic::ReadFailure;
            self.metrics.count(Counter::ReconcileError);
            self.read_done.notify_one();
        }
        let mut state = self.state();
        let was_lost = state.is_stream_lost;
        if let Incident::StreamLost(_) | Incident::StreamUp = incident {
            let is_connected = matches!(incident, Incident::StreamUp);
            self.metrics.process(|process| process.is_stream_connected = Some(is_connected));
            state.is_stream_lost = !is_connected;
        }
        self.records.trouble(incident);
        let line = log_lines::incident(incident, &state.entities);
        self.pages.history.problem(&line, topic);
        let is_due = if let Incident::ReadFailed { error, .. } = incident {
            state.read_failures.is_due(error)
        } else {
            !was_lost || !matches!(incident, Incident::StreamLost(_))
        };
        LogLine { level: if is_due { line.level } else { Level::DEBUG }, ..line }.emit();
    }
}

/// Logs the decision of each pool, including unchanged ones (`-vvv`).
fn log_decisions(loop_snapshot: &LoopSnapshot<'_>) {
    if !tracing::enabled!(Level::TRACE) {
        return;
    }
    for (pool, managed) in loop_snapshot.managed {
        if let Some(decision) = loop_snapshot.decisions.get(&managed.id) {
            let text = sentence(decision, Mood::Would);
            trace!(
                event = "evaluation",
                pool = pool.as_str(),
                pool_level = decision.level,
                "{text}"
            );
        }
    }
}

/// The reasons why nothing is written, one sentence for the fleet and one for each stopped entity. A
/// standby is as ready as a leader.
fn frozen(loop_snapshot: &LoopSnapshot<'_>, names: &EntityNames) -> Vec<String> {
    let stopped = loop_snapshot
        .stopped
        .iter()
        .map(|(entity, why)| format!("{}: {}", log_lines::named(entity, names), freeze(why)));
    let frozen = loop_snapshot.freeze.filter(|why| !matches!(why, Freeze::Standby(_)));
    frozen.map(freeze).into_iter().chain(stopped).collect()
}
