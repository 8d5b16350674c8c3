//! The current metrics. The loop writes them; HTTP requests read them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::counters::{Counter, MetricTotals, Timing};
use super::exposition;
use super::gauges::ProcessFacts;
use super::snapshot::{ProcessGauges, ReloadResult, Snapshot};
use crate::domain::poison::IgnorePoison;
use crate::render::words;

/// Renders `/decisions`. Called for each request and outside the loop, so that the loop only has to
/// store its decisions.
pub type DecisionsRenderer = Arc<dyn Fn() -> Value + Send + Sync>;

/// Renders the status page. Called for each request, outside the loop; returns `None` if `watch` is
/// ending.
pub type PageRenderer = Arc<dyn Fn(&PageSource, &PageRequest) -> Option<HtmlPage> + Send + Sync>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The pool; `None` for the page of the fleet.
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
    /// Whether that age is within [`HealthLimits::fresh`].
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

/// The limits beyond which the process is not healthy or not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthLimits {
    /// The maximum time between two passes of the loop of a healthy process.
    pub turn: Duration,
    /// The maximum age of the last full read of a ready process; decisions need one at least as
    /// recent.
    pub fresh: Duration,
}

impl HealthLimits {
    /// The limits for a loop that reads GARM every `resync`. The loop freezes if the last read is
    /// older than twice that interval. It makes a pass at least that often, even if requests to
    /// GARM are slow.
    pub fn of(resync: Duration) -> Self {
        Self { turn: (resync * 2).max(Duration::from_secs(120)), fresh: resync * 2 }
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

    /// Sets the renderer of the status page.
    pub fn pages(&self, pages: PageRenderer) {
        self.now().pages = Some(pages);
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

    /// Renders `/metrics`. Takes several milliseconds for a thousand pools, too long for an async
    /// task.
    pub fn metrics_page(&self) -> String {
        let (snapshot, process, config) = {
            let now = self.now();
            (now.snapshot.clone(), now.process, now.config)
        };
        let no_pools = BTreeMap::new();
        let pools = snapshot.as_ref().map_or(&no_pools, |snapshot| &snapshot.pools);
        let counted = exposition::counted(&self.tallies(), pools);
        let facts = snapshot.as_deref().map(|snapshot| ProcessFacts {
            snapshot,
            age: snapshot.read_at.elapsed(),
            process: &process,
            config,
        });
        exposition::page(facts.as_ref(), counted)
    }

    /// Renders `/decisions`; `None` before the first decision.
    pub fn decisions_page(&self) -> Option<Value> {
        let explain = self.now().explain.clone();
        explain.map(|render| render())
    }

    /// Renders a status page; `None` while `watch` starts or stops. Takes several milliseconds for
    /// a thousand pools, too long for an async task.
    pub fn html_page(&self, request: &PageRequest) -> Option<HtmlPage> {
        let health = self.health();
        let (source, pages) = {
            let now = self.now();
            let read_age = now.snapshot.as_ref().map(|snapshot| snapshot.read_at.elapsed());
            let source = PageSource {
                snapshot: now.snapshot.clone(),
                read_age,
                is_current: read_age.is_some_and(|age| age <= self.limits.fresh),
                process: now.process,
                frozen: now.frozen.clone(),
                config: now.config,
                health,
            };
            (source, now.pages.clone()?)
        };
        pages(&source, request)
    }

    /// Errors with the reason if the last pass of the loop was too long ago.
    pub fn health(&self) -> Result<(), String> {
        let waited = self.now().turned_at.elapsed();
        if waited <= self.limits.turn {
            return Ok(());
        }
        Err(format!("the loop has made no pass for {}", words::span(waited)))
    }

    /// Errors with all reasons why decisions are not made or not written.
    pub fn readiness(&self) -> Result<(), Vec<String>> {
        let now = self.now();
        let mut reasons = now.frozen.clone();
        match now.snapshot.as_ref().map(|snapshot| snapshot.read_at.elapsed()) {
            None => reasons.push("GARM has not been read yet".to_owned()),
            Some(age) if age > self.limits.fresh => {
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
