//! Jobs that wait beside idle runners because GitHub does not hand them out: how many there are,
//! when one more runner is tried as a probe, and which jobs are given up.
//!
//! If no job of a pool starts at all, the cause may be an idle runner that is not connected, an
//! outage of GitHub, a runner group that excludes the job, or a job that is long over because its
//! webhook was lost. One new runner shows which: if it takes a job, the older runners are suspect;
//! if it does not, the jobs cannot be run here.

use std::time::Duration;

use jiff::Timestamp;

use super::circuit_breaker::RunnerProbe;
use super::deadline::EvaluationClock;
use super::job_starts::STUCK_AFTER;
use super::pool_index::PoolIndex;

/// How long jobs and an idle runner must have been present together, without a start, before the
/// first probe, and the shortest wait between two probes. GitHub hands out jobs within seconds.
const PROBE_MIN: Duration = Duration::from_secs(15);

/// The longest wait between two probes.
const PROBE_MAX: Duration = Duration::from_mins(30);

/// The first probe starts one runner for each job that has waited for `max_queue_wait`, but no more
/// than this: GARM by itself starts one for every job. Later probes start one runner each.
const PROBES: usize = 3;

/// Replaces `max_queue_wait` in the rule for probes where it is not set.
const PATIENCE: Duration = Duration::from_mins(2);

/// A job cannot be run here if a runner that is younger than the job has been idle beside it for
/// this time. All such jobs of a pool together keep one runner. GARM gives up queued jobs after the
/// same time (GARM.md §d).
pub const GIVE_UP: Duration = Duration::from_mins(10);

/// The jobs of one pool that GitHub does not hand to idle runners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandOutState {
    /// Queued jobs that have waited beside an idle runner for a minute or more.
    pub untaken: u32,
    /// Since when the first of these jobs has waited there.
    pub since: Option<Timestamp>,
    /// Queued jobs that together keep one runner: all but the youngest of them ask for none.
    pub given_up: u32,
    /// Whether to try more runners than the jobs need.
    pub probe: RunnerProbe,
    /// How many runners to try.
    pub tried: u32,
}

/// Jobs that wait in vain, remembered for as long as they do. Without it, each idle runner that is
/// released would restart the intervals between probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProbeHistory {
    /// Since when a job has waited beside an idle runner, the same one or others, with no start.
    since: Timestamp,
    /// When the youngest runner of the pool was created.
    newest: Option<Timestamp>,
}

impl ProbeHistory {
    /// The history, unless a job of the pool has started since.
    fn unbroken(self, pool: &PoolIndex) -> Option<Self> {
        pool.starts.latest.is_none_or(|start| start <= self.since).then_some(self)
    }
}

/// The waiting jobs of a pool, each by its creation time.
pub(super) struct WaitingJobs<'a> {
    /// The jobs assigned to the pool, oldest first.
    pub(super) jobs: &'a [Timestamp],
    /// The oldest of the jobs that are stuck for the pool.
    pub(super) oldest_stuck: Option<Timestamp>,
    /// How long a job may wait before a runner is started for it.
    pub(super) max_queue_wait: Option<Duration>,
}

impl HandOutState {
    /// Evaluates one pool; `given_up` is the result of [`given_up`]. The second result is the
    /// history for the next evaluation.
    pub(super) fn look(
        pool: &PoolIndex,
        waits: &WaitingJobs<'_>,
        (given_up, history): (u32, Option<ProbeHistory>),
        clock: &mut EvaluationClock,
    ) -> (Self, Option<ProbeHistory>) {
        let mut seen = Self { untaken: 0, since: None, given_up, probe: RunnerProbe::No, tried: 0 };
        if waits.jobs.is_empty() && waits.oldest_stuck.is_none() {
            return (seen, None);
        }
        let history = history.and_then(|history| history.unbroken(pool));
        let mut idle: Vec<Timestamp> =
            pool.idle_runners(clock.now()).map(|(_, idle)| idle.since).collect();
        idle.sort_unstable();
        let Some(first_idle) = idle.first().copied() else { return (seen, history) };
        let pairs = idle.iter().zip(waits.jobs).map(|(runner, job)| *runner.max(job));
        let mut beside: Vec<Timestamp> = pairs.collect();
        beside.truncate(clock.count_passed(&beside, STUCK_AFTER));
        seen.untaken = u32::try_from(beside.len()).unwrap_or(u32::MAX);
        seen.since = beside.first().copied();
        let beside_since = history.map_or(first_idle, |history| history.since.min(first_idle));
        let Some(since) = waits.first_in_vain(beside_since, clock) else { return (seen, None) };
        let created = pool.runners.iter().map(|runner| runner.created_at).max();
        let newest = history.and_then(|history| history.newest).max(created);
        seen.probe = probe(pool, (since, newest), clock);
        seen.tried = match seen.probe {
            RunnerProbe::Now if newest.is_none_or(|newest| newest <= since) => {
                waits.in_vain(idle.len(), clock)
            }
            RunnerProbe::Now => 1,
            RunnerProbe::No => 0,
        };
        (seen, Some(ProbeHistory { since, newest }))
    }
}

impl WaitingJobs<'_> {
    /// Since when the first job past its `max_queue_wait` has waited beside idle runners, if at
    /// least one runner has been idle at all times since `idle`.
    fn first_in_vain(&self, idle: Timestamp, clock: &mut EvaluationClock) -> Option<Timestamp> {
        let patience = self.patience();
        let oldest = self.jobs.first().copied().into_iter().chain(self.oldest_stuck).min()?;
        clock.passed(oldest, patience).then(|| oldest.max(idle))
    }

    /// How many runners the first probe starts if this many are idle.
    fn in_vain(&self, idle: usize, clock: &mut EvaluationClock) -> u32 {
        let late = clock.count_passed(self.jobs, self.patience());
        u32::try_from(late.min(idle).clamp(1, PROBES)).unwrap_or(1)
    }

    fn patience(&self) -> Duration {
        self.max_queue_wait.unwrap_or(PATIENCE)
    }
}

/// Whether to try more runners: [`PROBE_MIN`] after both the jobs and an idle runner were there and
/// after the last job started, if no runner is booting; then at growing intervals, each as long as
/// the time from that moment to the creation of the youngest runner.
///
/// All of this is in GARM's rows, so that two watchers, and one that has just started, act alike.
fn probe(
    pool: &PoolIndex,
    (since, newest): (Timestamp, Option<Timestamp>),
    clock: &mut EvaluationClock,
) -> RunnerProbe {
    let quiet_since = pool.starts.latest.map_or(since, |latest| latest.max(since));
    if pool.counts.coming() > 0 || !clock.passed(quiet_since, PROBE_MIN) {
        return RunnerProbe::No;
    }
    let is_due = newest.is_none_or(|newest| {
        let step = EvaluationClock::new(newest).age(since).clamp(PROBE_MIN, PROBE_MAX);
        clock.passed(newest, step)
    });
    if is_due { RunnerProbe::Now } else { RunnerProbe::No }
}

/// The jobs of a pool that are given up, until a job of the pool starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GivenUpJobs {
    /// Jobs created at or before this time are given up.
    created_by: Timestamp,
    /// When the jobs were given up; a later start in the pool revokes it.
    at: Timestamp,
}

/// How many of the jobs, counted from the oldest, are given up: they have been beside idle runners
/// for [`GIVE_UP`] while no job of the pool started, and a runner that is younger than they are has
/// been idle for [`STUCK_AFTER`]; or they were given up before. They stay given up even if that
/// runner has been removed since.
pub(super) fn given_up(
    pool: &PoolIndex,
    jobs: &[Timestamp],
    (before, history): (Option<GivenUpJobs>, Option<ProbeHistory>),
    clock: &mut EvaluationClock,
) -> (u32, Option<GivenUpJobs>) {
    let has_started_since = |at: Timestamp| pool.starts.latest.is_some_and(|latest| latest > at);
    let before = before.filter(|given_up| !has_started_since(given_up.at));
    let history = history.and_then(|history| history.unbroken(pool));
    let mut made = None;
    if !jobs.is_empty() {
        let now = clock.now();
        let idle = || pool.idle_runners(now);
        let since =
            idle().map(|(_, idle)| idle.since).chain(history.map(|history| history.since)).min();
        if since.is_some_and(|since| !has_started_since(since) && clock.passed(since, GIVE_UP)) {
            made = idle()
                .filter(|(_, idle)| clock.passed(idle.since, STUCK_AFTER))
                .map(|(runner, _)| runner.created_at)
                .max();
        }
    }
    let older = made.map_or(0, |made| jobs.partition_point(|created_at| *created_at <= made));
    let found = clock.count_passed(&jobs[..older], GIVE_UP).checked_sub(1).map(|index| jobs[index]);
    let Some(created_by) = found.max(before.map(|given_up| given_up.created_by)) else {
        return (0, None);
    };
    let count = jobs.partition_point(|created_at| *created_at <= created_by);
    let at = before
        .filter(|given_up| given_up.created_by == created_by)
        .map_or(clock.now(), |given_up| given_up.at);
    let kept = (count > 0).then_some(GivenUpJobs { created_by, at });
    (u32::try_from(count).unwrap_or(u32::MAX), kept)
}
