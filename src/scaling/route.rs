//! Gives each waiting job of an entity to one pool.

use std::time::Duration;

use jiff::Timestamp;

use super::assignment::Assignment;
use super::deadline::EvaluationClock;
use super::entity_index::EntityIndex;
use super::queue::{QueueDeadline, WaitingJob};
use super::share::shares;
use super::state::{EntityState, NO_POOL, ScalingState};
use super::stuck_jobs;

/// Every waiting job of one entity, given to a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routing {
    /// When the jobs of each pool were created, oldest first.
    by_pool: TimesByRow,
    /// The same by set of labels, whatever pool they were given to.
    by_group: TimesByRow,
    /// For each pool the jobs that it does not serve although its labels fit.
    bars: Vec<Eligibility>,
    tallies: Vec<JobExceptions>,
    /// When the jobs would be given out differently by age alone.
    until: Option<Timestamp>,
}

/// Which jobs a pool does not serve: those that are stale for it, and those stuck beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Eligibility {
    /// Created by then: stale.
    pub(super) stale_by: Timestamp,
    /// Created before this: stuck.
    pub(super) stuck_before: Timestamp,
}

impl Eligibility {
    /// Whether a job created at this time is served.
    pub(super) fn lets(&self, created_at: Timestamp) -> bool {
        self.stale_by < created_at && self.stuck_before <= created_at
    }
}

/// Jobs of one pool that are shown apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobExceptions {
    /// Fit, but have waited beside an idle runner in vain: not given to this pool.
    pub stuck: u32,
    /// Fit, but are older than `stale_job_age`: not given to this pool.
    pub stale: u32,
    /// Given to this pool although GARM has forgotten them.
    pub forgotten: u32,
    /// When the oldest of `stuck` was created.
    pub oldest_stuck: Option<Timestamp>,
}

/// What is around an entity.
#[derive(Debug, Clone, Copy)]
pub struct RoutingContext<'a> {
    /// GARM's `minimum_job_age_backoff`.
    pub backoff: Duration,
    /// What is remembered of the other entities: a job may wait for several.
    pub others: &'a ScalingState,
}

/// Gives each waiting job to one pool, oldest first. First every idle or booting runner takes one:
/// the job's former pool if it has one free, else the first in order. Then the rest: the former
/// pool if it has room, else the first with room, pools that only GARM's backoff serves and those
/// whose circuit is open last; else the first that fits. No job is counted twice.
pub fn route(
    site: &mut EntityIndex,
    mut memory: EntityState,
    around: RoutingContext<'_>,
    now: Timestamp,
) -> (Routing, EntityState) {
    let mut moment = EvaluationClock::new(now);
    site.look(&mut moment);
    memory.align(site);
    stuck_jobs::mark(site, &mut memory.stuck, &mut moment);
    let by_group = by_group(site);
    let bars = bars(site, &memory, &mut moment);
    let mut tallies = tallies(site, &bars, &by_group);
    for (stuck, tally) in memory.stuck.iter_mut().zip(&tallies) {
        if tally.stuck == 0 {
            stuck.clear();
        }
    }
    let former = former_places(site, &memory);
    let shares = shares(site, &memory.pools, around.backoff, &mut moment);
    let dealt = Assignment::new(site, &bars, &shares, around.others).all(&former, &mut moment);
    let (places, held) = (dealt.places, dealt.held);
    memory.held = held;
    for (job, place) in site.queue.waiting.iter().zip(&places) {
        if *place != NO_POOL && matches!(job.term, QueueDeadline::Forgotten(_)) {
            tallies[*place as usize].forgotten += 1;
        }
    }
    memory.former.clear();
    let dealt = site.queue.waiting.iter().zip(&places).filter(|it| *it.1 != NO_POOL);
    memory.former.extend(dealt.map(|(job, place)| (job.created_at, job.id, *place)));
    let by_pool = TimesByRow::new(site.stocks.len(), memory.former.iter().map(|it| (it.2, it.0)));
    (Routing { by_pool, by_group, bars, tallies, until: moment.next() }, memory)
}

impl Routing {
    /// When the jobs given to the pool at this place of the routing order were created, oldest
    /// first.
    pub fn jobs(&self, place: usize) -> &[Timestamp] {
        self.by_pool.part(place)
    }

    /// The jobs of this pool that are shown apart.
    pub fn tally(&self, place: usize) -> JobExceptions {
        self.tallies[place]
    }

    /// When the jobs would be given out differently by age alone.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// When the jobs were created that the pool could run, wherever they were given: for each set
    /// of labels, oldest first.
    pub(super) fn fits<'a>(
        &'a self,
        site: &'a EntityIndex,
        place: usize,
    ) -> impl Iterator<Item = &'a [Timestamp]> {
        let bar = self.bars[place];
        site.groups_of[place].iter().map(move |group| {
            let jobs = self.by_group.part(*group as usize);
            &jobs[jobs.partition_point(|it| !bar.lets(*it))..]
        })
    }

    /// Whether the pool at this place was given the same jobs before.
    pub(super) fn is_same_for(&self, place: usize, before: &Self) -> bool {
        self.bars[place].stuck_before == before.bars[place].stuck_before
            && self.tallies[place] == before.tallies[place]
            && self.jobs(place) == before.jobs(place)
    }

    /// For each group whether other jobs than before wait in it.
    pub(super) fn groups_that_differ(&self, before: &Self) -> Vec<bool> {
        let rows = 0..self.by_group.begins.len() - 1;
        rows.map(|it| self.by_group.part(it) != before.by_group.part(it)).collect()
    }
}

/// For each waiting job the place of its former pool, or [`NO_POOL`]: both rows are in the same
/// order, so one walk finds them all.
fn former_places(site: &EntityIndex, memory: &EntityState) -> Vec<u32> {
    let mut former = memory.former.iter().peekable();
    let find = |job: &WaitingJob| {
        while former.next_if(|it| (it.0, it.1) < job.rank()).is_some() {}
        former.next_if(|it| (it.0, it.1) == job.rank()).map_or(NO_POOL, |it| it.2)
    };
    site.queue.waiting.iter().map(find).collect()
}

fn by_group(site: &EntityIndex) -> TimesByRow {
    let jobs = site.queue.waiting.iter().map(|it| (it.group, it.created_at));
    TimesByRow::new(site.queue.groups.len(), jobs)
}

fn bars(
    site: &EntityIndex,
    memory: &EntityState,
    moment: &mut EvaluationClock,
) -> Vec<Eligibility> {
    let waiting = &site.queue.waiting;
    let mut known: Vec<(Duration, Timestamp)> = Vec::new();
    let mut bars = Vec::with_capacity(site.stocks.len());
    for (stock, stuck) in site.stocks.iter().zip(&memory.stuck) {
        let age = stock.stale_job_age();
        let found = known.iter().find(|it| it.0 == age).map(|it| it.1);
        let stale_by = found.unwrap_or_else(|| {
            let stale_by = super::deadline::earlier(moment.now(), age);
            let fresh = waiting.partition_point(|it| it.created_at <= stale_by);
            if let Some(next) = waiting.get(fresh) {
                moment.passed(next.created_at, age);
            }
            known.push((age, stale_by));
            stale_by
        });
        let stuck_before = stuck.created_before().unwrap_or(Timestamp::MIN);
        bars.push(Eligibility { stale_by, stuck_before });
    }
    bars
}

/// Counts the jobs that fit each pool and that it does not serve.
fn tallies(site: &EntityIndex, bars: &[Eligibility], by_group: &TimesByRow) -> Vec<JobExceptions> {
    let oldest = site.queue.waiting.first().map(|it| it.created_at);
    let count = |(bar, groups): (&Eligibility, &Vec<u32>)| {
        let mut tally = JobExceptions::default();
        if oldest.is_none_or(|it| bar.lets(it)) {
            return tally;
        }
        for group in groups {
            let jobs = by_group.part(*group as usize);
            let stale = jobs.partition_point(|it| *it <= bar.stale_by);
            let stuck = jobs.partition_point(|it| *it < bar.stuck_before).saturating_sub(stale);
            tally.stale += u32::try_from(stale).unwrap_or(u32::MAX);
            tally.stuck += u32::try_from(stuck).unwrap_or(u32::MAX);
            if stuck > 0 {
                let oldest = jobs[stale];
                tally.oldest_stuck = Some(tally.oldest_stuck.map_or(oldest, |it| it.min(oldest)));
            }
        }
        tally
    };
    bars.iter().zip(&site.groups_of).map(count).collect()
}

/// Times in rows, all rows in one piece of memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct TimesByRow {
    /// Where each row begins; one more than there are rows.
    begins: Vec<u32>,
    times: Vec<Timestamp>,
}

impl TimesByRow {
    /// Sorts times into rows, keeping their order within each.
    fn new(rows: usize, times: impl Iterator<Item = (u32, Timestamp)> + Clone) -> Self {
        let mut begins = vec![0_u32; rows + 1];
        for (row, _) in times.clone() {
            begins[row as usize + 1] += 1;
        }
        for at in 1..begins.len() {
            begins[at] += begins[at - 1];
        }
        let mut ends = begins.clone();
        let mut sorted = vec![Timestamp::UNIX_EPOCH; begins[rows] as usize];
        for (row, time) in times {
            let end = &mut ends[row as usize];
            sorted[*end as usize] = time;
            *end += 1;
        }
        Self { begins, times: sorted }
    }

    /// One row; one that is not there is empty.
    fn part(&self, row: usize) -> &[Timestamp] {
        match self.begins.get(row..row + 2) {
            Some(ends) => &self.times[ends[0] as usize..ends[1] as usize],
            None => &[],
        }
    }
}
