//! Assigns each waiting job of an entity to one pool.

use std::time::Duration;

use jiff::Timestamp;

use super::assignment::{AssignedJobs, Assignment};
use super::capacity::capacities;
use super::deadline::EvaluationClock;
use super::entity_index::EntityIndex;
use super::queue::{QueueDeadline, WaitingJob};
use super::routing::{Eligibility, JobExceptions, Routing, TimesByRow};
use super::state::{EntityState, NO_POOL, ScalingState};
use super::stuck_jobs;

/// The context in which an entity is evaluated.
#[derive(Debug, Clone, Copy)]
pub struct RoutingContext<'a> {
    /// GARM's `minimum_job_age_backoff`, which delays GARM's own scaling.
    pub backoff: Duration,
    /// The state of the other entities: a job may wait in several.
    pub others: &'a ScalingState,
}

/// Assigns each waiting job to one pool, oldest job first. First every idle or booting runner takes
/// one job: a job stays in its former pool if that has a free runner, otherwise it goes to the
/// first pool in order. The rest go to their former pool if it has room, otherwise to the first
/// pool with room; pools that only GARM's backoff serves and those with an open circuit come last.
/// What remains goes to the first pool that fits. No job is counted twice.
pub fn route(
    index: &mut EntityIndex,
    mut state: EntityState,
    around: RoutingContext<'_>,
    now: Timestamp,
) -> (Routing, EntityState) {
    let mut clock = EvaluationClock::new(now);
    index.look(&mut clock);
    state.align(index);
    stuck_jobs::mark(index, &mut state.stuck, &mut clock);
    let by_group = by_group(index);
    let eligibilities = eligibilities(index, &state, &mut clock);
    let mut exceptions_by_pool = exceptions_by_pool(index, &eligibilities, &by_group);
    for (stuck, exceptions) in state.stuck.iter_mut().zip(&exceptions_by_pool) {
        if exceptions.stuck == 0 {
            stuck.clear();
        }
    }
    let former = former_places(index, &state);
    let capacities = capacities(index, &state.pools, around.backoff, &mut clock);
    let assigned =
        Assignment::new(index, &eligibilities, &capacities, around.others).all(&former, &mut clock);
    let AssignedJobs { places, shared_jobs, roomless, forced } = assigned;
    state.shared_jobs = shared_jobs;
    for (job, place) in index.queue.waiting.iter().zip(&places) {
        if *place != NO_POOL && matches!(job.deadline, QueueDeadline::Forgotten(_)) {
            exceptions_by_pool[*place as usize].forgotten += 1;
        }
    }
    state.former.clear();
    let assigned = index.queue.waiting.iter().zip(&places).filter(|entry| *entry.1 != NO_POOL);
    state.former.extend(assigned.map(|(job, place)| (job.created_at, job.id, *place)));
    let of_sets = jobs_of_sets(index, &eligibilities, &mut exceptions_by_pool, &mut clock);
    let routed = state.former.iter().map(|entry| (entry.2, entry.0));
    let by_pool = TimesByRow::new(index.pools.len(), routed.chain(of_sets.iter().copied()));
    let until = clock.next();
    let routing =
        Routing { by_pool, by_group, eligibilities, exceptions_by_pool, roomless, forced, until };
    (routing, state)
}

/// The jobs that wait for each scale set, by pool index: GitHub has assigned them, so they are not
/// routed. Adds the stale ones to the exceptions.
fn jobs_of_sets(
    index: &EntityIndex,
    eligibilities: &[Eligibility],
    exceptions_by_pool: &mut [JobExceptions],
    clock: &mut EvaluationClock,
) -> Vec<(u32, Timestamp)> {
    let mut jobs = Vec::new();
    for (place, pool) in (0_u32..).zip(&index.pools) {
        let Some(set) = &pool.set else { continue };
        let stale_by = eligibilities[place as usize].stale_by;
        exceptions_by_pool[place as usize].stale = set.stale(stale_by);
        set.note_stale(stale_by, pool.stale_job_age(), clock);
        let waiting = set.waiting(pool.running_jobs(clock), stale_by);
        jobs.extend(waiting.into_iter().map(|created_at| (place, created_at)));
    }
    jobs
}

/// For each waiting job the index of its former pool, or [`NO_POOL`]. Both lists are in the same
/// order, so one pass finds all.
fn former_places(index: &EntityIndex, state: &EntityState) -> Vec<u32> {
    let mut former = state.former.iter().peekable();
    let find = |job: &WaitingJob| {
        while former.next_if(|entry| (entry.0, entry.1) < job.rank()).is_some() {}
        former.next_if(|entry| (entry.0, entry.1) == job.rank()).map_or(NO_POOL, |entry| entry.2)
    };
    index.queue.waiting.iter().map(find).collect()
}

fn by_group(index: &EntityIndex) -> TimesByRow {
    let jobs = index.queue.waiting.iter().map(|job| (job.group, job.created_at));
    TimesByRow::new(index.queue.groups.len(), jobs)
}

fn eligibilities(
    index: &EntityIndex,
    state: &EntityState,
    clock: &mut EvaluationClock,
) -> Vec<Eligibility> {
    let waiting = &index.queue.waiting;
    let mut known: Vec<(Duration, Timestamp)> = Vec::new();
    let mut eligibilities = Vec::with_capacity(index.pools.len());
    for (pool, stuck) in index.pools.iter().zip(&state.stuck) {
        let age = pool.stale_job_age();
        let found = known.iter().find(|entry| entry.0 == age).map(|entry| entry.1);
        let stale_by = found.unwrap_or_else(|| {
            let stale_by = super::deadline::earlier(clock.now(), age);
            let fresh = waiting.partition_point(|job| job.created_at <= stale_by);
            if let Some(next) = waiting.get(fresh) {
                clock.passed(next.created_at, age);
            }
            known.push((age, stale_by));
            stale_by
        });
        let stuck_before = stuck.created_before().unwrap_or(Timestamp::MIN);
        eligibilities.push(Eligibility { stale_by, stuck_before });
    }
    eligibilities
}

/// Counts the jobs that fit each pool and that it does not serve.
fn exceptions_by_pool(
    index: &EntityIndex,
    eligibilities: &[Eligibility],
    by_group: &TimesByRow,
) -> Vec<JobExceptions> {
    let oldest = index.queue.waiting.first().map(|job| job.created_at);
    let count = |(eligibility, groups): (&Eligibility, &Vec<u32>)| {
        let mut exceptions = JobExceptions::default();
        if oldest.is_none_or(|created_at| eligibility.admits(created_at)) {
            return exceptions;
        }
        for group in groups {
            let jobs = by_group.part(*group as usize);
            let stale = jobs.partition_point(|created_at| *created_at <= eligibility.stale_by);
            let stuck = jobs
                .partition_point(|created_at| *created_at < eligibility.stuck_before)
                .saturating_sub(stale);
            exceptions.stale += u32::try_from(stale).unwrap_or(u32::MAX);
            exceptions.stuck += u32::try_from(stuck).unwrap_or(u32::MAX);
            if stuck > 0 {
                let oldest = jobs[stale];
                exceptions.oldest_stuck =
                    Some(exceptions.oldest_stuck.map_or(oldest, |known| known.min(oldest)));
            }
        }
        exceptions
    };
    eligibilities.iter().zip(&index.groups_of).map(count).collect()
}
