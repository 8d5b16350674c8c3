//! The status page: collects the data of `/` and `/pools/NAME`, which `render::page` turns into
//! HTML.
//!
//! The loop only passes on values that it has anyway. Pages are rendered outside the loop, and a
//! lock is held only to copy the value behind it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::alerting::Alerting;
use super::audit_feed::AuditFeed;
use super::compliance::ComplianceReport;
use super::decisions_page::{DecisionsPage, WatchedFleet};
use super::drift::DriftDetector;
use super::leadership::{self, Leadership};
use super::recent::{EntryTopic, RecentEntries};
use super::startup::DaemonParts;
use crate::cli::log::LogLine;
use crate::domain::name::{GarmName, PoolName};
use crate::domain::poison::IgnorePoison;
use crate::metrics::{
    DecisionsRenderer, HtmlPage, PageRequest, PageSource, ReloadResult, Snapshot,
};
use crate::monitor::compliance::{AuditLogState, Requirement, RequirementAnswer};
use crate::monitor::{PoolGauges, QueueSample, QueueTrend, QueueTrends};
use crate::reconcile::leadership::LeadershipState;
use crate::reconcile::watch::{LoopSnapshot, Writes};
use crate::render::page::{
    self, FleetPage, GarmOverview, HealthCheck, PageAlert, PageFrame, PageObservation,
    PoolOverview, PoolPage, SECURITY_POLICY, Tone,
};
use crate::render::words::{count, span};
use tracing::Level;

/// The last decisions. Replaced as a whole after each pass of the loop.
type LastDecisions = Arc<Mutex<Arc<DecisionsPage>>>;

type LeadershipStates = tokio::sync::watch::Receiver<LeadershipState>;

/// The sources of the pages.
pub(super) struct StatusPages {
    pub(super) origin: WatchedFleet,
    /// The name of the GARM in the fleet file; absent without `garms`.
    garm: Option<GarmName>,
    writes: Writes,
    decisions: LastDecisions,
    alerting: Arc<Alerting>,
    records: AuditFeed,
    compliance: Arc<ComplianceReport>,
    drifts: DriftDetector,
    /// Absent without `watch.leader`.
    leadership: Option<LeadershipStates>,
    pub(super) history: PageHistory,
}

/// Recent actions, problems and queues, kept for the pages.
pub(super) struct PageHistory {
    began: Instant,
    trends: Mutex<QueueTrends>,
    actions: Mutex<RecentEntries>,
    problems: Mutex<RecentEntries>,
}

impl PageHistory {
    /// An empty history.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            trends: Mutex::new(QueueTrends::new(Duration::ZERO)),
            actions: Mutex::default(),
            problems: Mutex::default(),
        }
    }

    fn minute(&self) -> u64 {
        self.began.elapsed().as_secs() / 60
    }

    /// Samples the queues after a pass of the loop.
    pub(super) fn evaluated(&self, loop_snapshot: &LoopSnapshot<'_>, snapshot: &Snapshot) {
        if loop_snapshot.read_age > loop_snapshot.stale_after {
            return;
        }
        let samples = snapshot.pools.iter().map(|(name, gauges)| {
            let oldest_wait_s = u32::try_from(gauges.oldest_wait.as_secs()).unwrap_or(u32::MAX);
            (name, QueueSample { depth: gauges.queue_depth, oldest_wait_s })
        });
        let mut trends = self.trends.lock().ignoring_poison();
        trends.current_for(loop_snapshot.stale_after);
        trends.note(self.minute(), samples);
    }

    /// Drops the entries of pools that do not exist.
    pub(super) fn keep(&self, snapshot: &LoopSnapshot<'_>) {
        let exists = |name: &PoolName| {
            snapshot.managed.contains_key(name) || snapshot.unmanaged.contains_key(name)
        };
        self.actions.lock().ignoring_poison().keep(exists);
        self.problems.lock().ignoring_poison().keep(exists);
    }

    /// Adds the result of a write.
    pub(super) fn acted(&self, line: &LogLine) {
        self.actions.lock().ignoring_poison().note(line, EntryTopic::Other);
    }

    /// Adds the beginning or the end of a problem; an end only after a beginning.
    pub(super) fn problem(&self, line: &LogLine, topic: EntryTopic) {
        let mut problems = self.problems.lock().ignoring_poison();
        if line.level <= Level::WARN || !problems.is_empty() {
            problems.note(line, topic);
        }
    }

    fn trends(&self) -> BTreeMap<PoolName, QueueTrend> {
        let trends = self.trends.lock().ignoring_poison().clone();
        trends.at(self.minute())
    }
}

impl StatusPages {
    /// Collects the sources from the parts of the service, and registers the pages with the
    /// listener.
    pub(super) fn open(parts: &DaemonParts) -> Arc<Self> {
        let pages = Arc::new(Self {
            origin: WatchedFleet {
                fleet: parts.setup.file.fleet.clone(),
                garm: parts.client.address(),
            },
            garm: parts.setup.garm.clone(),
            writes: parts.settings.writes,
            decisions: LastDecisions::default(),
            alerting: Arc::clone(&parts.alerting),
            records: parts.records.clone(),
            compliance: Arc::clone(&parts.compliance),
            drifts: parts.drifts.clone(),
            leadership: parts.leadership.as_ref().map(Leadership::states),
            history: PageHistory::new(),
        });
        // The listener outlives the audit file and the alerts, which must end with the loop.
        let (weak, weaker) = (Arc::downgrade(&pages), Arc::downgrade(&pages));
        parts.metrics.pages(
            Arc::new(move |source, request| Some(weak.upgrade()?.page(source, request))),
            Arc::new(move |source| Some(weaker.upgrade()?.overview(source))),
        );
        pages
    }

    pub(super) fn decided(&self, decisions: DecisionsPage) {
        *self.decisions.lock().ignoring_poison() = Arc::new(decisions);
    }

    pub(super) fn decisions_renderer(&self) -> DecisionsRenderer {
        let decisions = Arc::clone(&self.decisions);
        // The listener outlives the log, which the report writes to.
        let compliance = Arc::downgrade(&self.compliance);
        let leadership = self.leadership.clone();
        Arc::new(move || {
            let last = Arc::clone(&decisions.lock().ignoring_poison());
            let leader = leadership.as_ref().map(|states| leadership::view(&states.borrow()));
            let compliance = compliance.upgrade().map(|compliance| compliance.report());
            last.value(compliance.as_deref(), leader.as_ref())
        })
    }

    pub(super) fn page(&self, source: &PageSource, request: &PageRequest) -> HtmlPage {
        let alerts = self.alerting.firing();
        let decisions = Arc::clone(&self.decisions.lock().ignoring_poison());
        let found = |html| HtmlPage { is_found: true, html, security_policy: &SECURITY_POLICY };
        let Some(wanted) = &request.pool else {
            let fleet = self.fleet(source, request, (&alerts, &decisions));
            return found(page::fleet(&fleet));
        };
        let frame = self.frame(source, request, &alerts);
        let no_pools = BTreeMap::new();
        let pools = source.snapshot.as_ref().map_or(&no_pools, |snapshot| &snapshot.pools);
        let of_name = PoolName::new(wanted).ok();
        let known: Option<(&PoolName, &PoolGauges)> =
            of_name.and_then(|name| pools.get_key_value(&name));
        let Some((name, gauges)) = known else {
            let html = page::missing_pool(&frame, wanted, pools.keys().map(PoolName::as_str));
            return HtmlPage { is_found: false, ..found(html) };
        };
        let declared = self.drifts.with(|_, desired| desired.get(name).cloned());
        found(page::pool(&PoolPage {
            frame,
            pool: PoolOverview {
                name: name.as_str(),
                gauges,
                trend: self.history.trends().remove(name).unwrap_or_default(),
                scaling: decisions.scaling(name),
                alerts: rules_of(&alerts, name),
            },
            declared: declared.as_ref(),
            actions: self.history.actions.lock().ignoring_poison().of(Some(name)),
            problems: self.history.problems.lock().ignoring_poison().of(Some(name)),
        }))
    }

    /// The row of this GARM on the page of all GARMs.
    fn overview(&self, source: &PageSource) -> GarmOverview {
        let alerts = self.alerting.firing();
        let decisions = Arc::clone(&self.decisions.lock().ignoring_poison());
        let request = PageRequest { pool: None, is_refreshed: true };
        page::overview(&self.fleet(source, &request, (&alerts, &decisions)))
    }

    /// The page of this GARM.
    fn fleet<'a>(
        &'a self,
        source: &'a PageSource,
        request: &PageRequest,
        (alerts, decisions): (&'a [PageAlert], &'a DecisionsPage),
    ) -> FleetPage<'a> {
        let mut trends = self.history.trends();
        let mut overview = |(name, gauges): (&'a PoolName, &'a PoolGauges)| PoolOverview {
            name: name.as_str(),
            gauges,
            trend: trends.remove(name).unwrap_or_default(),
            scaling: decisions.scaling(name),
            alerts: rules_of(alerts, name),
        };
        let pools = source.snapshot.iter().flat_map(|snapshot| &snapshot.pools);
        FleetPage {
            frame: self.frame(source, request, alerts),
            pools: pools.map(&mut overview).collect(),
            actions: self.history.actions.lock().ignoring_poison().of(None),
            problems: self.history.problems.lock().ignoring_poison().of(None),
        }
    }

    fn frame<'a>(
        &'a self,
        source: &'a PageSource,
        request: &PageRequest,
        alerts: &'a [PageAlert],
    ) -> PageFrame<'a> {
        let read = source.snapshot.as_ref().zip(source.read_age);
        PageFrame {
            fleet: self.origin.fleet.as_str(),
            garm_name: self.garm.as_ref().map(GarmName::as_str),
            garm: &self.origin.garm,
            observation: read.map(|(snapshot, age)| PageObservation {
                at: snapshot.reconciled_at,
                age,
                is_current: source.is_current,
            }),
            loop_stopped: source.health.as_ref().err().map(String::as_str),
            frozen: &source.frozen,
            is_dry_run: self.writes == Writes::Withheld,
            checks: self.checks(source),
            alerts,
            is_refreshed: request.is_refreshed,
        }
    }

    fn checks(&self, source: &PageSource) -> Vec<HealthCheck> {
        let failure = self.history.problems.lock().ignoring_poison().read_failure();
        let failure =
            failure.filter(|failure| source.read_age.is_none_or(|read| failure.age < read));
        let garm = match (failure, source.read_age) {
            (Some(failure), _) if source.is_current => (Tone::Warning, failure.text),
            (Some(failure), _) => (Tone::Bad, failure.text),
            (None, None) => (Tone::Bad, "not read yet".into()),
            (None, Some(age)) if !source.is_current => {
                (Tone::Bad, format!("last read {} ago", span(age)))
            }
            (None, Some(age)) => (Tone::Good, format!("read {} ago", span(age))),
        };
        let events = match source.process.is_stream_connected {
            None => (Tone::Quiet, "not connected yet"),
            Some(true) => (Tone::Good, "connected"),
            Some(false) => (Tone::Warning, "not connected: only full reads show changes"),
        };
        let files = match source.config {
            ReloadResult::Applied => (Tone::Good, "in force"),
            ReloadResult::Rejected => {
                (Tone::Warning, "have errors: the previous files stay in force")
            }
        };
        let check = |name, (tone, text)| HealthCheck { name, tone, text };
        let owned = |(tone, text): (Tone, &str)| (tone, text.to_owned());
        let leader =
            self.leadership.as_ref().map(|states| check("Leader", leader(&states.borrow())));
        let checks = vec![
            check("GARM", garm),
            check("Events", owned(events)),
            check("Audit log", self.audit()),
            check("mTLS", self.mtls()),
            check("Files", owned(files)),
        ];
        checks.into_iter().chain(leader).collect()
    }

    fn audit(&self) -> (Tone, String) {
        match (self.records.recording(), self.writes) {
            (None, Writes::Withheld) => (Tone::Quiet, "off: a dry run records nothing".into()),
            (None, Writes::Sent) => (Tone::Quiet, "off".into()),
            (Some(AuditLogState { is_altered: true, .. }), _) => (
                Tone::Bad,
                "records were changed or are missing: `runnerctl audit verify` names them".into(),
            ),
            (Some(AuditLogState { missing: missing @ 1.., .. }), _) => {
                let missing = usize::try_from(missing).unwrap_or(usize::MAX);
                (Tone::Bad, format!("{} could not be written", count(missing, "record")))
            }
            (Some(AuditLogState { is_unwritable: true, .. }), _) => {
                (Tone::Bad, "the audit file cannot be written at the moment".into())
            }
            (Some(AuditLogState { has_open_gap: true, .. }), _) => {
                (Tone::Warning, "a gap is open: current events are not fully recorded".into())
            }
            (Some(_), _) => (Tone::Good, "every write and every runner is recorded".into()),
        }
    }

    fn mtls(&self) -> (Tone, String) {
        let Some(verdict) = self.compliance.verdict(Requirement::R10) else {
            return (Tone::Quiet, "cannot tell".into());
        };
        let tone = match verdict.answer {
            RequirementAnswer::Met => Tone::Good,
            RequirementAnswer::NotMet if verdict.is_warning() => Tone::Warning,
            RequirementAnswer::NotMet | RequirementAnswer::CannotTell => Tone::Quiet,
        };
        (tone, verdict.evidence)
    }
}

fn leader(state: &LeadershipState) -> (Tone, String) {
    let tone = match (&state.leading, &state.leader, &state.fault) {
        (_, _, Some(_)) | (None, None, None) => Tone::Bad,
        (Some(_), _, None) => Tone::Good,
        (None, Some(_), None) => Tone::Quiet,
    };
    let fault = state.fault.as_ref().map(|fault| format!("; {fault}")).unwrap_or_default();
    (tone, format!("{}{fault}", leadership::view(state).sentence()))
}

/// The rules whose alerts are firing for a pool.
fn rules_of<'a>(alerts: &'a [PageAlert], pool: &PoolName) -> Vec<&'a str> {
    let of_pool = alerts.iter().filter(|alert| alert.transition.pool.as_ref() == Some(pool));
    of_pool.map(|alert| alert.transition.rule.as_str()).collect()
}
