//! The circuit breaker of one pool, which stops creating runners while the provider keeps failing or
//! has no quota or capacity left.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::deadline::{EvaluationClock, earlier, later};
use super::pool_index::PoolIndex;
use crate::domain::backoff::Backoff;
use crate::domain::name::RunnerName;

/// This many failures open the circuit, if they fall within [`WINDOW`].
pub const FAILURES: usize = 3;

/// The time within which failures are counted; a runner that becomes idle resets the count.
pub const WINDOW: Duration = Duration::from_mins(10);

/// The shortest and the longest wait between two probes. The first probes come soon: a provider has
/// often recovered within a minute, and GARM by itself would try again for the next job.
pub const PROBE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_mins(30));

/// The failure history of one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CircuitBreaker {
    /// When each failed runner was first seen to have failed.
    failed_at: BTreeMap<RunnerName, Timestamp>,
    /// The failures within [`WINDOW`] since a runner last became idle, oldest first. Each runner
    /// counts once, although it may boot and fail several times: GARM tries a create six times.
    failures: Vec<(Timestamp, RunnerName)>,
    /// How many runners had become idle at the last evaluation.
    arrivals: u64,
    /// How many runners had gone at the last evaluation.
    departures: u64,
    /// When GARM wrote the latest known row of a runner that lacks quota or capacity.
    capacity_lacked_at: Option<Timestamp>,
    open: Option<OpenCircuit>,
}

/// Why a circuit is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitCause {
    /// [`FAILURES`] runners have failed.
    Failures,
    /// The provider has no quota or capacity left. One such failure is enough: more of them would
    /// show nothing new, and the jobs wait.
    NoCapacity,
}

/// The state of an open circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenCircuit {
    pub cause: CircuitCause,
    /// Since when the circuit is open.
    pub since: Timestamp,
    /// When the next probe is due.
    pub probe_at: Timestamp,
    /// How many probes have led to a booting runner.
    pub probes: u32,
}

/// The state of the circuit and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitStatus {
    /// The open circuit; absent while it is closed.
    pub open: Option<OpenCircuit>,
    /// The failures that count towards opening the circuit.
    pub failures: u32,
    /// Whether a probe is to be started now.
    pub probe: RunnerProbe,
    /// Failed runners whose `failed_runner_grace` is over, by name.
    pub remove: Vec<RunnerName>,
}

/// Whether to start a runner to test whether the provider works, or whether GitHub hands out jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunnerProbe {
    /// A probe is to be started now.
    Now,
    /// No probe is due, or a runner is booting already.
    No,
}

/// The inputs that determine the state of the circuit.
pub(super) struct CircuitInputs<'a> {
    pub(super) pool: &'a PoolIndex,
    /// The names of the failed runners.
    pub(super) failed: Vec<&'a RunnerName>,
    /// How many runners are booting, without `retried`.
    pub(super) booting: u32,
    /// The runners that GARM tries to create again after the provider had no quota or capacity. Its
    /// attempts do what a probe would.
    pub(super) retried: u32,
    /// The pool's `failed_runner_grace`, after which a failed runner is removed.
    pub(super) grace: Duration,
}

impl CircuitBreaker {
    /// Updates the circuit. Each failed runner is one failure; a runner that becomes idle clears
    /// all failures and closes the circuit. If that is open for lack of quota or capacity, the next
    /// VM closes it.
    pub(super) fn next(
        mut self,
        sight: &CircuitInputs<'_>,
        clock: &mut EvaluationClock,
    ) -> (CircuitStatus, Self) {
        let now = clock.now();
        self.note_failures(&sight.failed, now);
        let lacked_at = sight.pool.capacity_lacked_at().max(self.capacity_lacked_at);
        let lacks_capacity = lacked_at > self.capacity_lacked_at;
        self.capacity_lacked_at = lacked_at;
        if self.is_over(sight.pool) {
            self.failures.clear();
            self.open = None;
        }
        let window = earlier(now, WINDOW);
        self.failures.retain_mut(|failure| {
            failure.0 = failure.0.min(now);
            failure.0 > window
        });
        if let Some(first) = self.failures.first() {
            clock.passed(first.0, WINDOW);
        }
        if self.open.is_none() && self.failures.len() >= FAILURES {
            self.open(CircuitCause::Failures, now);
        }
        if lacks_capacity {
            self.open(CircuitCause::NoCapacity, now);
        }
        self.note_departures(sight.pool, now);
        let probe = self.probe((sight.booting, sight.retried), clock);
        let remove = self.due(sight.grace, clock);
        let failures = u32::try_from(self.failures.len()).unwrap_or(u32::MAX);
        (CircuitStatus { open: self.open, failures, probe, remove }, self)
    }

    /// Whether a runner has shown that the failures are over.
    fn is_over(&mut self, pool: &PoolIndex) -> bool {
        let has_arrived = pool.arrivals != self.arrivals;
        self.arrivals = pool.arrivals;
        match self.no_capacity_since() {
            Some(since) => pool.has_capacity_after(since, self.capacity_lacked_at),
            None => has_arrived,
        }
    }

    /// Opens the circuit, or changes why it is open.
    fn open(&mut self, cause: CircuitCause, now: Timestamp) {
        match &mut self.open {
            Some(open) => open.cause = cause,
            None => {
                let probe_at = later(now, PROBE.0);
                self.open = Some(OpenCircuit { cause, since: now, probe_at, probes: 0 });
            }
        }
    }

    /// Since when the circuit is open for lack of quota or capacity.
    pub(super) fn no_capacity_since(&self) -> Option<Timestamp> {
        let open = self.open.filter(|open| open.cause == CircuitCause::NoCapacity);
        open.map(|open| open.since)
    }

    /// Whether the circuit was open at the last evaluation.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the next probe is due.
    pub(super) fn is_probe_due(&self, clock: &mut EvaluationClock) -> bool {
        self.open.is_some_and(|open| clock.reached(open.probe_at))
    }

    fn note_failures(&mut self, failed: &[&RunnerName], now: Timestamp) {
        if failed.is_empty() && self.failed_at.is_empty() {
            return;
        }
        let before = std::mem::take(&mut self.failed_at);
        for name in failed {
            let at = before.get(*name).map_or(now, |time| (*time).min(now));
            if !before.contains_key(*name)
                && !self.failures.iter().any(|failure| failure.1 == **name)
            {
                self.failures.push((now, (*name).clone()));
            }
            self.failed_at.insert((*name).clone(), at);
        }
    }

    /// A VM of the pool that is gone has probably left its quota or capacity: a probe is due.
    fn note_departures(&mut self, pool: &PoolIndex, now: Timestamp) {
        let is_new = pool.departures != self.departures;
        self.departures = pool.departures;
        if let Some(open) =
            self.open.as_mut().filter(|open| is_new && open.cause == CircuitCause::NoCapacity)
        {
            open.probe_at = open.probe_at.min(now);
        }
    }

    /// A probe stays due until a runner boots; the wait for the next one is twice as long.
    fn probe(
        &mut self,
        (booting, retried): (u32, u32),
        clock: &mut EvaluationClock,
    ) -> RunnerProbe {
        let Some(open) = &mut self.open else { return RunnerProbe::No };
        // A clock that was set back must not postpone the probe by more than the longest wait.
        open.probe_at = open.probe_at.min(later(clock.now(), PROBE.1));
        if !clock.reached(open.probe_at) {
            return RunnerProbe::No;
        }
        match (booting, retried) {
            (0, 0) => return RunnerProbe::Now,
            (0, 1..) => return RunnerProbe::No,
            (1.., _) => {}
        }
        open.probes += 1;
        let wait = Backoff::new(PROBE.0, PROBE.1).delay(open.probes);
        open.probe_at = later(clock.now(), wait);
        clock.reached(open.probe_at);
        RunnerProbe::No
    }

    fn due(&self, grace: Duration, clock: &mut EvaluationClock) -> Vec<RunnerName> {
        let due = self.failed_at.iter().filter(|entry| clock.passed(*entry.1, grace));
        due.map(|entry| entry.0.clone()).collect()
    }
}
