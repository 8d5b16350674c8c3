//! Jobs beside idle runners that GitHub does not hand to them: how many there are, when one more
//! runner is tried, and for which of them nothing is held any more.
//!
//! Where no job of a pool starts at all, nobody can tell an idle runner that is not connected from
//! a GitHub that is down, a runner group that is shut, or a job that is long over because its
//! webhook was lost. One new runner tells: if it takes a job past the others, they are suspect; if
//! it does not, the jobs are not to be had.

use std::time::Duration;

use jiff::Timestamp;

use super::circuit_breaker::RunnerProbe;
use super::deadline::EvaluationClock;
use super::job_starts::SIDE;
use super::pool_index::PoolIndex;

/// The longest wait between two probes.
const PROBE_MAX: Duration = Duration::from_mins(30);

/// `max_queue_wait`, for a probe, where it is off.
const PATIENCE: Duration = Duration::from_mins(2);

/// A job that a runner made after it has been idle beside for so long is not to be had: all such
/// jobs of a pool together hold one runner. GARM gives queued jobs up after as long (GARM.md §d).
pub const GIVE_UP: Duration = Duration::from_mins(10);

/// What is known of the jobs of one pool that idle runners do not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandOutState {
    /// Queued jobs that have waited beside an idle runner for a minute or more.
    pub untaken: u32,
    /// Since when the first of them has.
    pub since: Option<Timestamp>,
    /// Queued jobs that together hold one runner: all but the youngest of them ask for none.
    pub given_up: u32,
    /// Whether one more runner than the jobs need is to be tried now.
    pub probe: RunnerProbe,
}

/// The jobs that are looked at, each by when it was created.
pub(super) struct WaitingJobs<'a> {
    /// Given to the pool, oldest first.
    pub(super) jobs: &'a [Timestamp],
    /// The oldest of those that are stuck beside it.
    pub(super) oldest_stuck: Option<Timestamp>,
    /// How long a job may wait for a runner to be started.
    pub(super) max_queue_wait: Option<Duration>,
}

impl HandOutState {
    /// Looks at one pool at `moment`; `given_up` is what [`given_up`] says. `newest` is the creation
    /// of its youngest runner as far as it was seen before; the second value is that of now, for as
    /// long as jobs wait in vain.
    pub(super) fn look(
        stock: &PoolIndex,
        waits: &WaitingJobs<'_>,
        (given_up, newest): (u32, Option<Timestamp>),
        moment: &mut EvaluationClock,
    ) -> (Self, Option<Timestamp>) {
        let mut seen = Self { untaken: 0, since: None, given_up, probe: RunnerProbe::No };
        if stock.census.idle == 0 || (waits.jobs.is_empty() && waits.oldest_stuck.is_none()) {
            return (seen, None);
        }
        let mut idle: Vec<Timestamp> =
            stock.idle_units(moment.now()).map(|it| it.1.since).collect();
        idle.sort_unstable();
        let pairs = idle.iter().zip(waits.jobs).map(|(runner, job)| *runner.max(job));
        let mut beside: Vec<Timestamp> = pairs.collect();
        beside.truncate(moment.count_passed(&beside, SIDE));
        seen.untaken = u32::try_from(beside.len()).unwrap_or(u32::MAX);
        seen.since = beside.first().copied();
        let Some(since) = waits.first_in_vain(idle[0], moment) else { return (seen, None) };
        let created = stock.units.iter().map(|it| it.created_at).max();
        let newest = newest.max(created);
        seen.probe = probe(stock, (since, newest), moment);
        (seen, newest)
    }
}

impl WaitingJobs<'_> {
    /// Since when the first job that has lost its patience has stood beside the runner that is
    /// idle since `idle`.
    fn first_in_vain(&self, idle: Timestamp, moment: &mut EvaluationClock) -> Option<Timestamp> {
        let patience = self.max_queue_wait.unwrap_or(PATIENCE);
        let oldest = self.jobs.first().copied().into_iter().chain(self.oldest_stuck).min()?;
        moment.passed(oldest, patience).then(|| oldest.max(idle))
    }
}

/// Whether a runner is to be tried: a minute after the jobs and an idle runner came together and
/// the last job started, when none is on its way, and after that in ever longer steps: each as
/// long as the time from then to the youngest runner's creation.
///
/// All of it is in GARM's rows, so that two watchers, and one that starts anew, do the same.
fn probe(
    stock: &PoolIndex,
    (since, newest): (Timestamp, Option<Timestamp>),
    moment: &mut EvaluationClock,
) -> RunnerProbe {
    let quiet_since = stock.starts.latest.map_or(since, |it| it.max(since));
    if stock.census.booting > 0 || !moment.passed(quiet_since, SIDE) {
        return RunnerProbe::No;
    }
    let is_due = newest.is_none_or(|newest| {
        let step = EvaluationClock::new(newest).age(since).clamp(SIDE, PROBE_MAX);
        moment.passed(newest, step)
    });
    if is_due { RunnerProbe::Now } else { RunnerProbe::No }
}

/// The jobs of a pool that are given up, until one of the pool starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GivenUpJobs {
    /// Those created by then.
    created_by: Timestamp,
    /// When they were found; a later start in the pool proves them wrong.
    at: Timestamp,
}

/// How many of the jobs, from the oldest, are given up: they are older than an idle runner that has
/// stood beside them for [`GIVE_UP`] while no job of the pool started, or they were given up before.
/// That runner may have been let go by then, and the jobs are none the better for it.
pub(super) fn given_up(
    stock: &PoolIndex,
    jobs: &[Timestamp],
    before: Option<GivenUpJobs>,
    moment: &mut EvaluationClock,
) -> (u32, Option<GivenUpJobs>) {
    let has_started_since = |at: Timestamp| stock.starts.latest.is_some_and(|it| it > at);
    let before = before.filter(|it| !has_started_since(it.at));
    let mut made = None;
    if !jobs.is_empty() {
        for (unit, idle) in stock.idle_units(moment.now()) {
            if !has_started_since(idle.since) && moment.passed(idle.since, GIVE_UP) {
                made = made.max(Some(unit.created_at));
            }
        }
    }
    let older = made.map_or(0, |made| jobs.partition_point(|it| *it <= made));
    let found = moment.count_passed(&jobs[..older], GIVE_UP).checked_sub(1).map(|it| jobs[it]);
    let Some(created_by) = found.max(before.map(|it| it.created_by)) else { return (0, None) };
    let count = jobs.partition_point(|it| *it <= created_by);
    let at = before.filter(|it| it.created_by == created_by).map_or(moment.now(), |it| it.at);
    let kept = (count > 0).then_some(GivenUpJobs { created_by, at });
    (u32::try_from(count).unwrap_or(u32::MAX), kept)
}
