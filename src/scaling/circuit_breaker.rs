//! The circuit breaker of one pool: a provider that fails is not asked again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::deadline::{EvaluationClock, earlier, later};
use crate::domain::backoff::Backoff;
use crate::domain::name::RunnerName;

/// So many failures open the circuit …
pub const FAILURES: usize = 3;

/// … within this time, with no runner becoming idle in between.
pub const WINDOW: Duration = Duration::from_mins(10);

/// First and longest wait between two probes.
pub const PROBE: (Duration, Duration) = (Duration::from_mins(1), Duration::from_mins(30));

/// What is remembered of a pool's failures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CircuitBreaker {
    /// When each failed runner was first seen to have failed.
    failed_at: BTreeMap<RunnerName, Timestamp>,
    /// The failures of the last [`WINDOW`] since a runner became idle, oldest first. One runner is
    /// one failure, though it may boot and fail several times: GARM tries a create six times.
    failures: Vec<(Timestamp, RunnerName)>,
    /// How many runners had become idle.
    arrivals: u64,
    open: Option<OpenCircuit>,
}

/// An open circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenCircuit {
    /// Since when.
    pub since: Timestamp,
    /// When the next probe is due.
    pub probe_at: Timestamp,
    /// How many probes have got a row that boots.
    pub probes: u32,
}

/// How the circuit stands, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitStatus {
    /// The open circuit; absent while it is closed.
    pub open: Option<OpenCircuit>,
    /// Failures that count towards opening it.
    pub failures: u32,
    /// Whether a probe is to be started now.
    pub probe: RunnerProbe,
    /// Failed runners that have been kept long enough to be looked at, by name.
    pub remove: Vec<RunnerName>,
}

/// Whether a pulse of one runner tries the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunnerProbe {
    /// Yes.
    Now,
    /// The circuit is closed, the probe is not due, or one is on its way.
    No,
}

/// What the circuit is judged by.
pub(super) struct CircuitInputs<'a> {
    /// The names of the failed runners.
    pub(super) failed: Vec<&'a RunnerName>,
    /// How many runners have become idle so far.
    pub(super) arrivals: u64,
    /// How many are booting.
    pub(super) booting: u32,
    /// `failed_runner_grace`
    pub(super) grace: Duration,
}

impl CircuitBreaker {
    /// The circuit at `moment`, after what it was. A failure is one runner; a runner that becomes
    /// idle forgives all of them and closes the circuit.
    pub(super) fn next(
        mut self,
        sight: &CircuitInputs<'_>,
        moment: &mut EvaluationClock,
    ) -> (CircuitStatus, Self) {
        let now = moment.now();
        self.note_failures(&sight.failed, now);
        if sight.arrivals != self.arrivals {
            self.arrivals = sight.arrivals;
            self.failures.clear();
            self.open = None;
        }
        let window = earlier(now, WINDOW);
        self.failures.retain_mut(|it| {
            it.0 = it.0.min(now);
            it.0 > window
        });
        if let Some(first) = self.failures.first() {
            moment.passed(first.0, WINDOW);
        }
        if self.open.is_none() && self.failures.len() >= FAILURES {
            self.open = Some(OpenCircuit { since: now, probe_at: later(now, PROBE.0), probes: 0 });
        }
        let probe = self.probe(sight.booting, moment);
        let remove = self.due(sight.grace, moment);
        let failures = u32::try_from(self.failures.len()).unwrap_or(u32::MAX);
        (CircuitStatus { open: self.open, failures, probe, remove }, self)
    }

    /// Whether it is open, as it was judged last.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the next probe is due.
    pub(super) fn is_probe_due(&self, moment: &mut EvaluationClock) -> bool {
        self.open.is_some_and(|it| moment.reached(it.probe_at))
    }

    fn note_failures(&mut self, failed: &[&RunnerName], now: Timestamp) {
        if failed.is_empty() && self.failed_at.is_empty() {
            return;
        }
        let before = std::mem::take(&mut self.failed_at);
        for name in failed {
            let at = before.get(*name).map_or(now, |it| (*it).min(now));
            if !before.contains_key(*name) && !self.failures.iter().any(|it| it.1 == **name) {
                self.failures.push((now, (*name).clone()));
            }
            self.failed_at.insert((*name).clone(), at);
        }
    }

    /// A probe is due until a row boots; then the next one is twice as far away.
    fn probe(&mut self, booting: u32, moment: &mut EvaluationClock) -> RunnerProbe {
        let Some(open) = &mut self.open else { return RunnerProbe::No };
        // A clock that was set back must not put the probe off for longer than the longest wait.
        open.probe_at = open.probe_at.min(later(moment.now(), PROBE.1));
        if !moment.reached(open.probe_at) {
            return RunnerProbe::No;
        }
        if booting == 0 {
            return RunnerProbe::Now;
        }
        open.probes += 1;
        let wait = Backoff::new(PROBE.0, PROBE.1).delay(open.probes);
        open.probe_at = later(moment.now(), wait);
        moment.reached(open.probe_at);
        RunnerProbe::No
    }

    fn due(&self, grace: Duration, moment: &mut EvaluationClock) -> Vec<RunnerName> {
        let due = self.failed_at.iter().filter(|it| moment.passed(*it.1, grace));
        due.map(|it| it.0.clone()).collect()
    }
}
