//! Observes the loop and passes what it reports to the metrics, the log, the alerts and the audit
//! file.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tracing::trace;

use super::alerting::AlertInputs;
use super::audit_feed::{AuditFeed, ViolationChange};
use super::compliance::ComplianceReport;
use super::decisions_page::{DecisionsPage, WatchedFleet};
use super::drift::{DriftDetector, ReportedDrift};
use super::gauges::{self, Outdated, ReadCounts};
use super::guardrails::{Guardrails, ViolationChanges};
use super::log_lines;
use super::log_throttle::{LogThrottle, ThrottleMode};
use super::timings::{TimedEvent, Timings};
use super::undeletable::UndeletableRunners;
use crate::cli::log::LogLine;
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
use crate::render::status::{impatience, left_to_garm};
use crate::scaling::{Decision, Direction, EntityIndex, RowChange};

/// Whom the loop's words reach.
pub(super) struct LoopObserver {
    origin: WatchedFleet,
    writes: Writes,
    client: Arc<GarmClient>,
    metrics: Arc<MetricsState>,
    records: AuditFeed,
    /// What the alert rules are held against.
    facts: Arc<AlertInputs>,
    /// What the pools are held against.
    drifts: DriftDetector,
    controllers: watch::Sender<Option<Controller>>,
    policies: watch::Receiver<PolicySet>,
    verdicts: Arc<ComplianceReport>,
    /// The data of the page `/decisions`.
    kept: Arc<Mutex<DecisionsPage>>,
    /// A full read has succeeded or failed: the first one makes the service ready, each is the
    /// moment to look whether the files have changed.
    pub(super) looked: Arc<Notify>,
    state: Mutex<ObserverState>,
}

/// What is remembered from one call to the next.
#[derive(Default)]
struct ObserverState {
    timings: Timings,
    outdated: Outdated,
    guardrails: Guardrails,
    repeats: LogThrottle,
    leaving: UndeletableRunners,
    drifting: ReportedDrift,
    names: BTreeMap<PoolId, PoolName>,
    /// The last words about GARM's own backoff.
    impatience: Option<String>,
    /// What could not be read of GARM's lists, as it was said last.
    remarks: Vec<String>,
    /// The last warning about pools that only GARM scales, and its time.
    left_to_garm: Option<(String, Timestamp)>,
    is_ready: bool,
}

/// What a reporter writes to.
pub(super) struct ObserverOutputs {
    /// Knows what could not be read of GARM's lists.
    pub(super) client: Arc<GarmClient>,
    pub(super) metrics: Arc<MetricsState>,
    pub(super) records: AuditFeed,
    pub(super) facts: Arc<AlertInputs>,
    pub(super) drifts: DriftDetector,
    /// GARM's settings as they were read last, for the probes of its URLs.
    pub(super) controllers: watch::Sender<Option<Controller>>,
    pub(super) policies: watch::Receiver<PolicySet>,
    pub(super) verdicts: Arc<ComplianceReport>,
}

/// Whose loop is heard, and how it is told.
pub(super) struct ObserverSettings {
    pub(super) origin: WatchedFleet,
    pub(super) writes: Writes,
    pub(super) volume: ThrottleMode,
}

impl LoopObserver {
    pub(super) fn new(profile: ObserverSettings, outlets: ObserverOutputs) -> Self {
        let ObserverSettings { origin, writes, volume } = profile;
        let ObserverOutputs { client, metrics, records, facts, drifts, .. } = outlets;
        let (controllers, policies) = (outlets.controllers, outlets.policies);
        let verdicts = outlets.verdicts;
        let kept = Arc::new(Mutex::new(DecisionsPage::default()));
        let state = ObserverState { repeats: LogThrottle::new(volume), ..ObserverState::default() };
        let state = Mutex::new(state);
        let looked = Arc::new(Notify::new());
        Self {
            origin,
            writes,
            client,
            metrics,
            records,
            facts,
            drifts,
            controllers,
            policies,
            verdicts,
            kept,
            looked,
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
        for remark in remarks.iter().filter(|it| !state.remarks.contains(it)) {
            LogLine::warn("read", remark.clone()).emit();
        }
        state.remarks = remarks;
    }

    /// Loud, once, and again when it changes: whose hands scaling is in.
    fn warn_of_impatience(&self, state: &mut ObserverState, sight: &LoopSnapshot<'_>) {
        let sites = sight.fleet_index.entities().values();
        let stocks = sites.flat_map(EntityIndex::pools).filter(|it| it.is_scaled());
        let delays = stocks.filter_map(|it| Some(it.policy()?.scale_up_delay));
        let said = impatience(sight.fleet_index.backoff(), delays);
        if said == state.impatience {
            return;
        }
        match &said {
            Some(text) => LogLine::warn("backoff", text.clone()).help(
                "set `controller: { minimum_job_age_backoff: 5m }` in the fleet file and apply it",
            ).emit(),
            None => LogLine::info("backoff",
                "GARM leaves scaling to the policies of the pools",
            ).emit(),
        }
        state.impatience = said;
    }

    /// Warns of pools that only GARM's long backoff serves: on a change and every hour.
    fn warn_of_slow_pools(&self, state: &mut ObserverState, sight: &LoopSnapshot<'_>) {
        const AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);
        let pools = sight.fleet_index.pools();
        let unscaled =
            sight.fleet_index.entities().values().flat_map(EntityIndex::pools).filter_map(|it| {
                let policy = it.policy().filter(|it| !it.autoscale)?;
                let is_enabled = pools.get(it.id()).is_some_and(|it| it.spec.enabled);
                let name = state.names.get(it.id()).filter(|_| is_enabled)?;
                Some((name.as_str(), policy.scale_up_delay))
            });
        let said = left_to_garm(sight.fleet_index.backoff(), unscaled);
        let is_news = match (&said, &state.left_to_garm) {
            (Some(said), Some((before, at))) => {
                said != before || sight.now.duration_since(*at) >= AGAIN
            }
            (said, before) => said.is_some() != before.is_some(),
        };
        if !is_news {
            return;
        }
        let line = match &said {
            Some(text) => LogLine::warn("backoff", text.clone()).help(
                "turn `autoscale` on for them, or lower `controller.minimum_job_age_backoff`",
            ),
            None => LogLine::info("backoff", "no pool is left to GARM's backoff any more"),
        };
        line.emit();
        state.left_to_garm = said.map(|it| (it, sight.now));
    }

    fn tell_violations(&self, news: &ViolationChanges) {
        for it in &news.begun {
            let text = format!("breaks the policy as it stands in GARM: {}", it.message);
            let line = LogLine::warn("policy", text).of(&it.pool);
            line.help(it.help.clone()).with(json!({ "field": it.field })).emit();
            self.records.violation(it, ViolationChange::Begins);
        }
        for it in &news.ended {
            let text = format!("breaks the policy no more: {}", it.message);
            LogLine::info("policy", text).of(&it.pool).emit();
            self.records.violation(it, ViolationChange::Ends);
        }
    }

    fn explain(&self, sight: &LoopSnapshot<'_>) {
        let controller = self.controllers.borrow().as_ref().map(|it| it.id.clone());
        let kept = DecisionsPage::of(&self.origin, controller, sight);
        *self.kept.lock().ignoring_poison() = kept;
    }
}

impl Observer for LoopObserver {
    fn read(&self, fleet: &Fleet, took: Duration) {
        let mut state = self.state();
        self.metrics.observe(Timing::Reconcile, took);
        self.tell_remarks(&mut state);
        let times = state.timings.read(fleet);
        self.time(&state, times);
        state.outdated = gauges::outdated(fleet);
        let news = state.guardrails.read(&self.policies.borrow(), &self.origin.fleet, fleet);
        self.verdicts.networks(state.guardrails.in_wrong_networks());
        self.tell_violations(&news);
        for line in state.leaving.read(fleet, &self.origin.fleet) {
            line.emit();
        }
        self.records.read(fleet);
        self.controllers.send_if_modified(|it| {
            let is_news = it.as_ref() != Some(&fleet.controller);
            if is_news {
                *it = Some(fleet.controller.clone());
            }
            is_news
        });
        self.looked.notify_one();
    }

    fn heard(&self, change: &RowChange) {
        self.records.changed(change);
    }

    fn changed(&self, change: &RowChange, _now: Timestamp) {
        let mut state = self.state();
        let times = state.timings.changed(change);
        self.time(&state, times);
        let ObserverState { leaving, names, .. } = &mut *state;
        if let Some(line) = leaving.changed(change, names) {
            line.emit();
        }
    }

    fn evaluated(&self, sight: &LoopSnapshot<'_>) {
        let mut state = self.state();
        let names = || sight.managed.iter().map(|(name, it)| (&it.id, name));
        if !state.names.iter().eq(names()) {
            state.names = names().map(|(id, name)| (id.clone(), name.clone())).collect();
            state.repeats.keep(|it| sight.managed.contains_key(it));
            state.drifting.keep(|it| sight.managed.contains_key(it));
        }
        self.metrics.frozen(frozen(sight));
        let is_connected = Some(sight.stream == StreamStatus::Up);
        self.metrics.process(|it| it.is_stream_connected = is_connected);
        let row =
            |(name, it): (_, &ManagedPool)| Some((name, sight.fleet_index.pools().get(&it.id)?));
        let drifts = self.drifts.look(sight.managed.iter().filter_map(row));
        for line in state.drifting.look(&drifts) {
            line.emit();
        }
        let (outdated, violated) = (&state.outdated, &state.guardrails.counts);
        let beside = ReadCounts { outdated, drifts: &drifts, violated };
        let snapshot = gauges::snapshot(sight, beside, &self.drifts);
        self.facts.take(&snapshot);
        self.metrics.publish(snapshot);
        self.explain(sight);
        self.verdicts.watched(sight.watched);
        self.verdicts.recording(self.records.standing());
        if !state.is_ready {
            state.is_ready = true;
            let kept = Arc::clone(&self.kept);
            // The board outlives the log, which the verdicts write to.
            let verdicts = Arc::downgrade(&self.verdicts);
            self.metrics.explain(Arc::new(move || -> Value {
                // Cloned, so that rendering the page does not hold the lock.
                let kept = kept.lock().ignoring_poison().clone();
                let mut page = kept.value();
                if let Some(verdicts) = verdicts.upgrade() {
                    page["requirements"] = verdicts.json();
                }
                page
            }));
        }
        log_decisions(sight);
        self.warn_of_impatience(&mut state, sight);
        self.warn_of_slow_pools(&mut state, sight);
        for line in state.repeats.overdue(sight.now) {
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
        let repeats = &mut self.state().repeats;
        let line = match (applied, self.writes) {
            (Writes::Sent, _) | (_, Writes::Withheld) => repeats.decided(pool, decision, applied),
            (Writes::Withheld, Writes::Sent) => repeats.withheld(pool, decision),
        };
        line.emit();
    }

    fn acted(&self, act: &WriteReport) {
        let outcome = log_lines::outcome(&act.outcome);
        let direction = match act.action {
            WriteAction::Raise { .. } => Some(Direction::Up),
            WriteAction::Lower { .. }
            | WriteAction::Retire { .. }
            | WriteAction::Remove { .. }
            | WriteAction::Dismiss { .. } => Some(Direction::Down),
            WriteAction::Resend { .. } | WriteAction::Clear { .. } => None,
        };
        if let Some(direction) = direction {
            let (pool, direction) = (act.pool.clone(), direction.word());
            self.metrics.count(Counter::ScalingAction { pool, direction, outcome });
        } else if act.outcome == Ok(WriteOutcome::Done)
            && matches!(act.action, WriteAction::Resend { .. })
        {
            self.metrics.count(Counter::LevelResent);
        }
        if act.outcome == Ok(WriteOutcome::Refused) {
            let pool = act.pool.clone();
            self.metrics.count(Counter::ScaledownRefused { pool, reason: "busy" });
        }
        self.state().repeats.acted(act).emit();
    }

    fn found(&self, finding: &IsolationFinding) {
        self.metrics.count(Counter::EphemeralViolation { reason: finding.kind.word() });
        self.facts.note_violation(finding.at);
        self.records.found(finding);
        log_lines::found(finding).emit();
    }

    fn beat(&self) {
        self.metrics.turned();
    }

    fn trouble(&self, incident: &Incident) {
        if let Incident::ReadFailed { .. } = incident {
            self.metrics.count(Counter::ReconcileError);
            self.looked.notify_one();
        }
        if let Incident::StreamLost(_) | Incident::StreamUp = incident {
            let is_connected = Some(matches!(incident, Incident::StreamUp));
            self.metrics.process(|it| it.is_stream_connected = is_connected);
        }
        self.records.trouble(incident);
        log_lines::incident(incident).emit();
    }
}

/// Logs the decision of each pool, also where it is the same as before (`-vvv`).
fn log_decisions(sight: &LoopSnapshot<'_>) {
    if !tracing::enabled!(tracing::Level::TRACE) {
        return;
    }
    let decisions = sight.decisions();
    for (pool, managed) in sight.managed {
        if let Some(it) = decisions.get(&managed.id) {
            let text = sentence(it, Mood::Would);
            trace!(event = "evaluation", pool = pool.as_str(), pool_level = it.level, "{text}");
        }
    }
}

/// Why nothing is written, one sentence for each part of the fleet.
fn frozen(sight: &LoopSnapshot<'_>) -> Vec<String> {
    let stopped = sight.stopped.iter().map(|(entity, why)| {
        format!("{} {}: {}", entity.kind.word(), entity.id.as_str(), freeze(why))
    });
    sight.freeze.map(freeze).into_iter().chain(stopped).collect()
}
