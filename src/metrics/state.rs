//! The current metrics of one GARM. Its loop writes them; HTTP requests read them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::counters::{Counter, MetricTotals, Timing};
use super::exposition::{self, GarmValues};
use super::gauges::Readiness;
use super::snapshot::{ProcessGauges, ReloadResult, Snapshot};
use crate::domain::name::{GarmName, PoolName};
use crate::domain::poison::IgnorePoison;
use crate::render::page::GarmOverview;
use crate::render::words;

/// Renders `/decisions`. Called for each request and outside the loop, so that the loop only has to
/// store its decisions.
pub type DecisionsRenderer = Arc<dyn Fn() -> Value + Send + Sync>;

/// Renders the status page. Called for each request, outside the loop; returns `None` if `watch` is
/// ending.
pub type PageRenderer = Arc<dyn Fn(&PageSource, &PageRequest) -> Option<HtmlPage> + Send + Sync>;

/// Summarizes the status page of a GARM in one row of the page of all GARMs; returns `None` if
/// `watch` is ending.
pub type OverviewRenderer = Arc<dyn Fn(&PageSource) -> Option<GarmOverview> + Send + Sync>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The pool; `None` for the page of the GARM.
    pub pool: Option<String>,
    /// Whether the browser reloads the page.
    pub is_refreshed: bool,
}

/// A consistent copy of the state from which a page is rendered.
#[derive(Debug, Clone)]
pub struct PageSource {
    /// The last snapshot; `None` before the first full read.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The age of its full read.
    pub read_age: Option<Duration>,
    /// Whether that age is within [`Snapshot::stale_after`].
    pub is_current: bool,
    pub process: ProcessGauges,
    /// Why nothing is written to GARM or to a part of it, one sentence per reason.
    pub frozen: Vec<String>,
    pub config: ReloadResult,
    pub health: Result<(), String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtmlPage {
    /// `false` if the page says that the pool does not exist.
    pub is_found: bool,
    pub html: String,
    pub security_policy: &'static str,
}

/// The limits beyond which the process is not healthy. It is not ready if the last full read is
/// stale ([`Snapshot::stale_after`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthLimits {
    /// The maximum time between two passes of the loop of a healthy process.
    pub turn: Duration,
}

impl HealthLimits {
    /// The limits for a loop that reads GARM every `resync` or less often. It makes a pass at least
    /// every ten seconds, even if requests to GARM are slow.
    pub fn of(resync: Duration) -> Self {
        Self { turn: (resync * 2).max(Duration::from_secs(120)) }
    }
}

/// The last values that the loop wrote. Writing never waits for a reader.
pub struct MetricsState {
    limits: HealthLimits,
    now: Mutex<CurrentState>,
    /// A separate lock, because collecting thousands of series takes a few milliseconds, which may
    /// delay counting but not the other methods.
    tallies: Mutex<MetricTotals>,
}

struct CurrentState {
    snapshot: Option<Arc<Snapshot>>,
    process: ProcessGauges,
    frozen: Vec<String>,
    config: ReloadResult,
    turned_at: Instant,
    explain: Option<DecisionsRenderer>,
    pages: Option<PageRenderer>,
    overview: Option<OverviewRenderer>,
    /// Why no loop runs; absent while one does.
    stopped: Option<String>,
}

impl MetricsState {
    /// Starts without values. The first pass of the loop must follow within [`HealthLimits::turn`].
    pub fn new(limits: HealthLimits) -> Self {
        let now = CurrentState {
            snapshot: None,
            process: ProcessGauges::default(),
            frozen: Vec::new(),
            config: ReloadResult::Applied,
            turned_at: Instant::now(),
            explain: None,
            pages: None,
            overview: None,
            stopped: None,
        };
        Self { limits, now: Mutex::new(now), tallies: Mutex::default() }
    }

    /// Replaces the snapshot. Drops the counters of pools that are not in it.
    pub fn publish(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        self.now().snapshot = Some(Arc::clone(&snapshot));
        self.tallies().keep(|pool| snapshot.pools.contains_key(pool));
    }

    /// Changes the gauges of the process.
    pub fn process(&self, change: impl FnOnce(&mut ProcessGauges)) {
        change(&mut self.now().process);
    }

    /// Sets why nothing is written to GARM, or to a part of it, one sentence each; empty if nothing
    /// is frozen.
    pub fn frozen(&self, reasons: Vec<String>) {
        self.now().frozen = reasons;
    }

    /// Sets the result of the last reload of the files.
    pub fn config(&self, config: ReloadResult) {
        self.now().config = config;
    }

    /// Records a pass of the loop.
    pub fn turned(&self) {
        self.now().turned_at = Instant::now();
    }

    /// Sets the renderer of `/decisions`.
    pub fn explain(&self, explain: DecisionsRenderer) {
        self.now().explain = Some(explain);
    }

    /// Sets the renderers of the status page and of its row on the page of all GARMs.
    pub fn pages(&self, pages: PageRenderer, overview: OverviewRenderer) {
        let mut now = self.now();
        (now.pages, now.overview) = (Some(pages), Some(overview));
    }

    /// A loop begins. The first pass of it must follow within [`HealthLimits::turn`].
    pub fn begin(&self) {
        let mut now = self.now();
        (now.stopped, now.turned_at) = (None, Instant::now());
    }

    /// The loop has ended, or cannot begin, for this reason; another one will begin later.
    pub fn stop(&self, why: String) {
        let mut now = self.now();
        (now.stopped, now.pages, now.overview, now.explain) = (Some(why), None, None, None);
    }

    pub fn count(&self, counter: Counter) {
        self.tallies().add(counter, 1);
    }

    /// Exposes counters with the value 0 before anything is counted. Required for counters without
    /// a pool whose first increase must raise an alert: Prometheus sees no increase in a series
    /// that begins at 1.
    pub fn declare(&self, counters: impl IntoIterator<Item = Counter>) {
        let mut tallies = self.tallies();
        counters.into_iter().for_each(|counter| tallies.add(counter, 0));
    }

    pub fn observe(&self, timing: Timing, took: Duration) {
        self.tallies().observe(timing, took);
    }

    /// Renders `/metrics` of this GARM alone. Takes several milliseconds for a thousand pools, too
    /// long for an async task.
    pub fn metrics_page(&self) -> String {
        exposition::page(vec![self.values(None)])
    }

    /// The values of all series, with this value of the label `garm`.
    pub(super) fn values(&self, garm: Option<GarmName>) -> GarmValues {
        let readiness =
            if self.readiness().is_ok() { Readiness::Ready } else { Readiness::NotReady };
        let (snapshot, process, config) = {
            let now = self.now();
            (now.snapshot.clone(), now.process, now.config)
        };
        let no_pools = BTreeMap::new();
        let pools = snapshot.as_ref().map_or(&no_pools, |snapshot| &snapshot.pools);
        let counted = exposition::counted(&self.tallies(), pools, garm.as_ref());
        GarmValues { garm, snapshot, process, config, readiness, counted }
    }

    /// Whether the last snapshot has a pool of this name.
    pub(super) fn has_pool(&self, pool: &PoolName) -> bool {
        self.now().snapshot.as_ref().is_some_and(|snapshot| snapshot.pools.contains_key(pool))
    }

    /// Renders `/decisions`; `None` before the first decision.
    pub fn decisions_page(&self) -> Option<Value> {
        let explain = self.now().explain.clone();
        explain.map(|render| render())
    }

    /// Renders a status page; `None` while `watch` starts or stops. Takes several milliseconds for
    /// a thousand pools, too long for an async task.
    pub fn html_page(&self, request: &PageRequest) -> Option<HtmlPage> {
        let pages = self.now().pages.clone()?;
        pages(&self.source(), request)
    }

    /// The row on the page of all GARMs, or why no loop runs.
    pub(super) fn overview(&self) -> Result<GarmOverview, String> {
        let (overview, stopped) = {
            let now = self.now();
            (now.overview.clone(), now.stopped.clone())
        };
        let row = overview.and_then(|overview| overview(&self.source()));
        row.ok_or_else(|| stopped.unwrap_or_else(|| "`watch` is starting or ending".to_owned()))
    }

    fn source(&self) -> PageSource {
        let health = self.health();
        let now = self.now();
        let read_age = now.snapshot.as_ref().map(|snapshot| snapshot.read_at.elapsed());
        let stale_after = now.snapshot.as_ref().map(|snapshot| snapshot.stale_after);
        PageSource {
            snapshot: now.snapshot.clone(),
            read_age,
            is_current: read_age.zip(stale_after).is_some_and(|(age, limit)| age <= limit),
            process: now.process,
            frozen: now.frozen.clone(),
            config: now.config,
            health,
        }
    }

    /// Errors with the reason if the last pass of a running loop was too long ago.
    pub fn health(&self) -> Result<(), String> {
        let (waited, is_stopped) = {
            let now = self.now();
            (now.turned_at.elapsed(), now.stopped.is_some())
        };
        if is_stopped || waited <= self.limits.turn {
            return Ok(());
        }
        Err(format!("the loop has made no pass for {}", words::span(waited)))
    }

    /// Errors with all reasons why decisions are not made or not written.
    pub fn readiness(&self) -> Result<(), Vec<String>> {
        let now = self.now();
        if let Some(why) = &now.stopped {
            return Err(vec![why.clone()]);
        }
        let mut reasons = now.frozen.clone();
        let read = now.snapshot.as_ref().map(|known| (known.read_at.elapsed(), known.stale_after));
        match read {
            None => reasons.push("GARM has not been read yet".to_owned()),
            Some((age, stale_after)) if age > stale_after => {
                reasons.push(format!("GARM was last read {} ago", words::span(age)));
            }
            Some(_) => {}
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    // A poisoned lock is used: the values are complete even after a panic, and metrics must stay
    // available.
    fn now(&self) -> MutexGuard<'_, CurrentState> {
        self.now.lock().ignoring_poison()
    }

    fn tallies(&self) -> MutexGuard<'_, MetricTotals> {
        self.tallies.lock().ignoring_poison()
    }
}
