//! Every queued job of a fleet: the pool that it is assigned to, and what serves it there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use super::entity_index::EntityIndex;
use super::evaluate::evaluate_fleet;
use super::one_shot::{self, ScaledPool};
use super::pool_index::PoolIndex;
use super::state::ScalingState;
use crate::domain::entity::EntityKey;
use crate::domain::fleet::Fleet;
use crate::domain::job::{Job, JobStatus};
use crate::domain::name::{PoolId, PoolKind};

/// A queued job and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedJob<'a> {
    /// The job as it is in GARM.
    pub job: &'a Job,
    /// The pool that it is assigned to; absent for a job that no pool serves.
    pub pool: Option<PoolId>,
    pub wait: JobWait,
}

/// What a queued job waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobWait {
    /// There is an idle runner for it.
    Idle {
        /// Since when both the job and the runner have been there.
        since: Timestamp,
    },
    /// There is a booting runner for it.
    Booting,
    /// Its pool has no runner for it.
    NoRunner {
        /// The number of older jobs of the pool, with or without a runner.
        older: u32,
        /// The number of older jobs of the pool that have no runner either.
        older_unserved: u32,
        /// How many more runners the pool may have.
        room: u32,
    },
    /// It has waited in vain beside idle runners of this pool, which started other jobs.
    Stuck(PoolId),
    /// It has been queued for longer than this `stale_job_age`.
    Stale(Duration),
    /// This pool has its labels and is disabled.
    Disabled(PoolId),
    /// No pool of its entity has all of its labels.
    Unlabelled {
        /// The pool that has most of them.
        closest: PoolId,
        /// Those that this pool lacks.
        missing: Vec<String>,
    },
    /// Its organization, repository or enterprise has no pool.
    NoPool,
}

/// Every queued job at `fleet.observed_at`, oldest first. Jobs are assigned as in
/// [`forecast`](super::forecast). Jobs of scale sets and those that a runner already has are left
/// out.
pub fn queued_jobs<'a>(fleet: &'a Fleet, managed: &[ScaledPool<'_>]) -> Vec<QueuedJob<'a>> {
    let mut index = one_shot::index(fleet, managed);
    let now = fleet.observed_at;
    let (_, state) = evaluate_fleet(&mut index, ScalingState::new(), now);
    let mut assigned = assigned(index.entities(), &state, now);
    let carried: HashSet<i64> = fleet.runners.iter().filter_map(|runner| runner.job).collect();
    let is_queued = |job: &&Job| {
        job.status == JobStatus::Queued
            && !job.is_of_scale_set()
            && !carried.contains(&job.workflow_job_id)
    };
    let mut jobs: Vec<QueuedJob<'a>> = (fleet.jobs.iter().filter(is_queued))
        .map(|job| match assigned.remove(&job.id) {
            Some((pool, wait)) => QueuedJob { job, pool: Some(pool), wait },
            None => QueuedJob { job, pool: None, wait: unassigned(job, index.entities(), now) },
        })
        .collect();
    jobs.sort_by_key(|queued| (queued.job.created_at, queued.job.id));
    jobs
}

type AssignedTo = HashMap<i64, (PoolId, JobWait)>;

/// The pool of each assigned job, by GARM's id of the job.
fn assigned(
    entities: &BTreeMap<EntityKey, EntityIndex>,
    state: &ScalingState,
    now: Timestamp,
) -> AssignedTo {
    let mut assigned = AssignedTo::new();
    for (entity, index) in entities {
        let mut supplies: Vec<Supply> =
            index.pools.iter().map(|pool| Supply::of(pool, now)).collect();
        for (created_at, id, place) in state.get(entity).into_iter().flat_map(|state| &state.former)
        {
            let place = *place as usize;
            let wait = supplies[place].next(*created_at);
            assigned.insert(*id, (index.pools[place].id().clone(), wait));
        }
    }
    assigned
}

/// The runners of one pool that are still free for its jobs, which come oldest first.
struct Supply {
    /// Since when each idle runner has been idle, in ascending order.
    idle: std::vec::IntoIter<Timestamp>,
    booting: u32,
    room: u32,
    jobs: u32,
    unserved: u32,
}

impl Supply {
    fn of(pool: &PoolIndex, now: Timestamp) -> Self {
        let mut idle: Vec<Timestamp> = pool.idle_runners(now).map(|entry| entry.1.since).collect();
        idle.sort_unstable();
        Self {
            idle: idle.into_iter(),
            booting: pool.counts.supply().saturating_sub(pool.counts.idle),
            room: pool.room(),
            jobs: 0,
            unserved: 0,
        }
    }

    fn next(&mut self, created_at: Timestamp) -> JobWait {
        let older = self.jobs;
        self.jobs += 1;
        if let Some(idle_since) = self.idle.next() {
            return JobWait::Idle { since: idle_since.max(created_at) };
        }
        if let Some(booting) = self.booting.checked_sub(1) {
            self.booting = booting;
            return JobWait::Booting;
        }
        let older_unserved = self.unserved;
        self.unserved += 1;
        JobWait::NoRunner { older, older_unserved, room: self.room }
    }
}

/// Why no pool serves the job. If the job names several entities, the one that comes closest to
/// serving it counts.
fn unassigned(job: &Job, entities: &BTreeMap<EntityKey, EntityIndex>, now: Timestamp) -> JobWait {
    let rank = |wait: &JobWait| match wait {
        JobWait::Unlabelled { missing, .. } => missing.len(),
        _ => 0,
    };
    let waits = job.entities.iter().filter_map(|entity| refusal(job, entities.get(entity)?, now));
    waits.min_by_key(rank).unwrap_or(JobWait::NoPool)
}

/// Why no pool of the entity serves the job; none if it has no pool.
fn refusal(job: &Job, index: &EntityIndex, now: Timestamp) -> Option<JobWait> {
    let covers = |pool: &&PoolIndex| pool.place.labels.covers(&job.labels);
    let pools = || index.pools.iter().filter(|pool| pool.kind == PoolKind::Pool);
    let mut fits = pools().filter(|pool| pool.is_enabled).filter(covers).peekable();
    if let Some(first) = fits.peek() {
        let age = EvaluationClock::new(now).age(job.created_at);
        let stale_job_age = first.stale_job_age();
        return Some(match fits.find(|pool| age < pool.stale_job_age()) {
            Some(pool) => JobWait::Stuck(pool.id().clone()),
            None => JobWait::Stale(stale_job_age),
        });
    }
    if let Some(disabled) = pools().find(covers) {
        return Some(JobWait::Disabled(disabled.id().clone()));
    }
    let missing = |pool: &PoolIndex| -> Vec<String> {
        let lacks = |label: &&str| !pool.place.labels.contains(label);
        job.labels.iter().filter(lacks).map(str::to_owned).collect()
    };
    let closest = pools().map(|pool| (missing(pool), pool));
    let (missing, closest) =
        closest.min_by_key(|(missing, pool)| (missing.len(), pool.policy.is_none()))?;
    Some(JobWait::Unlabelled { closest: closest.id().clone(), missing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pool::Pool;
    use crate::domain::runner::Runner;
    use crate::scaling::testing::{at, entity, fleet, job, policy, pool, runner, secs};

    /// The waits of all jobs at second 0, each with its job and its pool.
    #[track_caller]
    fn expect(
        (pools, runners, jobs): (Vec<Pool>, Vec<Runner>, Vec<Job>),
        expected: &[(i64, Option<&str>, JobWait)],
    ) {
        let fleet = fleet(0, pools, runners, jobs);
        let policy = policy();
        let managed: Vec<_> =
            fleet.pools.iter().map(|pool| ScaledPool { pool, policy: &policy }).collect();
        let seen: Vec<_> = queued_jobs(&fleet, &managed)
            .into_iter()
            .map(|queued| (queued.job.id, queued.pool, queued.wait))
            .collect();
        let expected: Vec<_> = (expected.iter())
            .map(|(id, pool, wait)| (*id, pool.map(PoolId::new), wait.clone()))
            .collect();
        assert_eq!(seen, expected);
    }

    fn id(name: &str) -> PoolId {
        PoolId::new(name)
    }

    #[test]
    fn the_oldest_jobs_have_the_idle_runners_the_next_the_booting_ones() {
        let mut small = pool("a", &["x"]);
        small.spec.max_runners = 3;
        let runners =
            vec![runner("a", "a1", "running/idle", -9), runner("a", "a2", "running/installing", 0)];
        let jobs =
            vec![job(4, &["x"], -1), job(3, &["x"], -2), job(2, &["x"], -30), job(1, &["x"], -40)];
        let no_runner =
            |older, older_unserved| JobWait::NoRunner { older, older_unserved, room: 1 };
        expect(
            (vec![small], runners, jobs),
            &[
                (1, Some("a"), JobWait::Idle { since: at(-9) }),
                (2, Some("a"), JobWait::Booting),
                (3, Some("a"), no_runner(2, 0)),
                (4, Some("a"), no_runner(3, 1)),
            ],
        );
    }

    #[test]
    fn a_job_that_no_pool_serves_says_what_is_missing() {
        let (mut off, near) = (pool("off", &["x", "gpu"]), pool("near", &["x", "linux"]));
        off.spec.enabled = false;
        let mut elsewhere = job(4, &["x"], -1);
        elsewhere.entities = vec![entity("other")];
        let jobs = vec![
            job(1, &["x"], -86_400),
            job(2, &["X", "GPU"], -3),
            job(3, &["x", "Linux", "arm64"], -2),
            elsewhere,
        ];
        expect(
            (vec![off, near], vec![], jobs),
            &[
                (1, None, JobWait::Stale(secs(86_400))),
                (2, None, JobWait::Disabled(id("off"))),
                (
                    3,
                    None,
                    JobWait::Unlabelled { closest: id("near"), missing: vec!["arm64".into()] },
                ),
                (4, None, JobWait::NoPool),
            ],
        );
    }

    #[test]
    fn a_job_that_was_overtaken_beside_an_idle_runner_is_stuck() {
        let idle = runner("a", "a1", "running/idle", -300);
        let mut busy = runner("a", "a2", "running/active", -200);
        (busy.job, busy.updated_at) = (Some(1_002), at(-90));
        let mut taken = job(2, &["x"], -100);
        (taken.status, taken.runner, taken.updated_at) =
            (JobStatus::InProgress, Some(busy.name.clone()), at(-90));
        let jobs = vec![job(1, &["x"], -280), taken];
        expect(
            (vec![pool("a", &["x"])], vec![idle, busy], jobs),
            &[(1, None, JobWait::Stuck(id("a")))],
        );
    }

    #[test]
    fn jobs_of_scale_sets_and_jobs_on_a_runner_are_left_out() {
        let mut of_scale_set = job(1, &["x"], -5);
        of_scale_set.scale_set_job = Some("5a1c".into());
        let mut carrier = runner("a", "a1", "running/active", -60);
        carrier.job = Some(1_002);
        let jobs = vec![of_scale_set, job(2, &["x"], -5)];
        expect((vec![pool("a", &["x"])], vec![carrier], jobs), &[]);
    }

    #[test]
    fn a_job_of_two_entities_is_listed_once_where_it_is_served() {
        let mut far = pool("far", &["x"]);
        far.entity = entity("other");
        let mut shared = job(1, &["x"], -5);
        shared.entities.push(entity("other"));
        let idle = runner("far", "far-1", "running/idle", -60);
        expect(
            (vec![pool("near", &["y"]), far], vec![idle], vec![shared]),
            &[(1, Some("far"), JobWait::Idle { since: at(-5) })],
        );
    }
}
