//! The board between the loop and those who ask: the loop writes, everyone reads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::counters::{Counter, Timing, Totals};
use super::exposition;
use super::gauges::ProcessFacts;
use super::snapshot::{ProcessGauges, Snapshot};
use crate::domain::poison::IgnorePoison;
use crate::render::words;

/// Makes `/decisions`. Called when somebody asks, outside the loop, so that the loop pays only
/// for keeping what it decided.
pub type DecisionsRenderer = Arc<dyn Fn() -> Value + Send + Sync>;

/// When the process is no longer healthy, and no longer ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthLimits {
    /// Longest time between two turns of the loop.
    pub turn: Duration,
    /// Greatest age of an observation on which decisions are made.
    pub fresh: Duration,
}

impl HealthLimits {
    /// A loop that reads GARM every `resync`: it freezes when no read is younger than twice that,
    /// and turns at least as often, whatever a request to GARM takes.
    pub fn of(resync: Duration) -> Self {
        Self { turn: (resync * 2).max(Duration::from_secs(120)), fresh: resync * 2 }
    }
}

/// What the loop has last written. Every method is short; none waits for a reader.
pub struct MetricsState {
    limits: HealthLimits,
    now: Mutex<CurrentState>,
    /// Apart from `now`: making thousands of series of them takes a few milliseconds, and only
    /// counting may have to wait for that.
    tallies: Mutex<Totals>,
}

/// What became of the files when they were last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadResult {
    /// They are in force.
    Applied,
    /// They cannot be used: an older state of them is in force.
    Rejected,
}

/// What holds at the moment.
struct CurrentState {
    snapshot: Option<Arc<Snapshot>>,
    process: ProcessGauges,
    frozen: Vec<String>,
    config: ReloadResult,
    turned_at: Instant,
    explain: Option<DecisionsRenderer>,
}

impl MetricsState {
    /// An empty board; the loop counts as turning from here.
    pub fn new(limits: HealthLimits) -> Self {
        let now = CurrentState {
            snapshot: None,
            process: ProcessGauges::default(),
            frozen: Vec::new(),
            config: ReloadResult::Applied,
            turned_at: Instant::now(),
            explain: None,
        };
        Self { limits, now: Mutex::new(now), tallies: Mutex::default() }
    }

    /// Replaces the picture. What was counted of pools that are not in it is forgotten.
    pub fn publish(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        self.now().snapshot = Some(Arc::clone(&snapshot));
        self.tallies().keep(|pool| snapshot.pools.contains_key(pool));
    }

    /// Changes what holds for the process.
    pub fn process(&self, change: impl FnOnce(&mut ProcessGauges)) {
        change(&mut self.now().process);
    }

    /// Why nothing is written to GARM, or to a part of it, one sentence each; empty: all is well.
    pub fn frozen(&self, reasons: Vec<String>) {
        self.now().frozen = reasons;
    }

    /// What became of the files when they were last read.
    pub fn config(&self, config: ReloadResult) {
        self.now().config = config;
    }

    /// The loop has turned.
    pub fn turned(&self) {
        self.now().turned_at = Instant::now();
    }

    /// How `/decisions` is made from now on.
    pub fn explain(&self, explain: DecisionsRenderer) {
        self.now().explain = Some(explain);
    }

    /// Counts one.
    pub fn count(&self, counter: Counter) {
        self.tallies().add(counter, 1);
    }

    /// Shows counters at 0 before anything is counted. For counters that belong to no pool and
    /// whose first increase must raise an alert: Prometheus sees none in a series that begins at 1.
    pub fn declare(&self, counters: impl IntoIterator<Item = Counter>) {
        let mut tallies = self.tallies();
        counters.into_iter().for_each(|it| tallies.add(it, 0));
    }

    /// Times one.
    pub fn observe(&self, timing: Timing, took: Duration) {
        self.tallies().observe(timing, took);
    }

    /// The page `/metrics`. Takes milliseconds for a thousand pools: not for an async task.
    pub fn metrics_page(&self) -> String {
        let (snapshot, process, config) = {
            let now = self.now();
            (now.snapshot.clone(), now.process, now.config)
        };
        let no_pools = BTreeMap::new();
        let pools = snapshot.as_ref().map_or(&no_pools, |it| &it.pools);
        let counted = exposition::counted(&self.tallies(), pools);
        let facts = snapshot.as_deref().map(|snapshot| ProcessFacts {
            snapshot,
            age: snapshot.read_at.elapsed(),
            process: &process,
            config,
        });
        exposition::page(facts.as_ref(), counted)
    }

    /// The page `/decisions`; absent before the first decision.
    pub fn decisions_page(&self) -> Option<Value> {
        let explain = self.now().explain.clone();
        explain.map(|it| it())
    }

    /// Whether the loop turns; otherwise what is wrong.
    pub fn health(&self) -> Result<(), String> {
        let waited = self.now().turned_at.elapsed();
        if waited <= self.limits.turn {
            return Ok(());
        }
        Err(format!("the loop has not turned for {}", words::span(waited)))
    }

    /// Whether decisions are made; otherwise everything that is in the way.
    pub fn readiness(&self) -> Result<(), Vec<String>> {
        let now = self.now();
        let mut reasons = now.frozen.clone();
        match now.snapshot.as_ref().map(|it| it.read_at.elapsed()) {
            None => reasons.push("GARM has not been read yet".to_owned()),
            Some(age) if age > self.limits.fresh => {
                reasons.push(format!("GARM was last read {} ago", words::span(age)));
            }
            Some(_) => {}
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    // A panic of a reader leaves whole values behind, and metrics must outlive it.
    fn now(&self) -> MutexGuard<'_, CurrentState> {
        self.now.lock().ignoring_poison()
    }

    fn tallies(&self) -> MutexGuard<'_, Totals> {
        self.tallies.lock().ignoring_poison()
    }
}
