//! Snapshots of pools from one read and without remembered state, for `plan` and `status`.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use super::entity_index::ScalePolicies;
use super::fleet_index::FleetIndex;
use super::pool_index::PoolIndex;
use super::route::{RoutingContext, route};
use super::state::{EntityState, ScalingState};
use crate::domain::desired::ScalePolicy;
use crate::domain::fleet::Fleet;
use crate::domain::name::PoolId;
use crate::domain::pool::Pool;

/// A pool of this fleet and its scaling policy.
#[derive(Debug, Clone, Copy)]
pub struct ScaledPool<'a> {
    /// The pool as it is in GARM.
    pub pool: &'a Pool,
    /// Its scaling policy, from its file.
    pub policy: &'a ScalePolicy,
}

/// The state of a pool at one moment. All counts except `queue_depth` are numbers of runners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSnapshot {
    /// GARM's id of the pool.
    pub pool: PoolId,
    /// Runners that are running a job.
    pub active: u32,
    /// Runners that are waiting for a job.
    pub idle: u32,
    /// Runners that are idle according to their rows while younger ones take the jobs.
    pub suspect: u32,
    /// Runners that are pending, being created or installing.
    pub booting: u32,
    /// Runners that have failed or hang.
    pub failed: u32,
    /// Runners that are being deleted, including those whose job is over.
    pub leaving: u32,
    /// Since when the first of `leaving` has been leaving, as far as its row shows.
    pub leaving_since: Option<Timestamp>,
    /// All runners of the pool.
    pub live: u32,
    /// Jobs that wait for this pool.
    pub queue_depth: u32,
    /// How long the oldest of these jobs has waited.
    pub oldest_wait: Option<Duration>,
    /// The level below which the pool must not fall: DESIGN §5, `floor`.
    pub floor: u32,
}

impl PoolSnapshot {
    /// The snapshot of a pool without runners and jobs.
    pub fn empty(pool: PoolId) -> Self {
        Self {
            pool,
            active: 0,
            idle: 0,
            suspect: 0,
            booting: 0,
            failed: 0,
            leaving: 0,
            leaving_since: None,
            live: 0,
            queue_depth: 0,
            oldest_wait: None,
            floor: 0,
        }
    }
}

/// The index of one read, with the policies of `managed`.
pub(super) fn index(fleet: &Fleet, managed: &[ScaledPool<'_>]) -> FleetIndex {
    let policies: ScalePolicies =
        managed.iter().map(|scaled| (scaled.pool.id.clone(), scaled.policy.clone())).collect();
    FleetIndex::of_one_read(fleet, policies)
}

/// The state of each of `managed`, in the given order, for the fleet at `fleet.observed_at`. Jobs
/// are assigned without any remembered state.
pub fn snapshot(fleet: &Fleet, managed: &[ScaledPool<'_>]) -> Vec<PoolSnapshot> {
    let mut fleet_index = index(fleet, managed);
    let mut state = ScalingState::new();
    let mut seen = HashMap::new();
    glance_at(&mut fleet_index, &mut state, &mut seen, fleet);
    if state.values().any(EntityState::has_shared_jobs) {
        glance_at(&mut fleet_index, &mut state, &mut seen, fleet);
    }
    let of = |scaled: &ScaledPool<'_>| {
        seen.get(&scaled.pool.id).cloned().unwrap_or_else(|| absent(*scaled))
    };
    managed.iter().map(of).collect()
}

/// Assigns the jobs of every entity, and takes a snapshot of each managed pool. An entity sees what
/// the entities after it take of shared jobs only in a second run.
fn glance_at(
    fleet_index: &mut FleetIndex,
    state: &mut ScalingState,
    seen: &mut HashMap<PoolId, PoolSnapshot>,
    fleet: &Fleet,
) {
    for (entity, index) in fleet_index.entities_mut() {
        let before = state.remove(entity).unwrap_or_default();
        let around = RoutingContext { backoff: fleet.controller.backoff, others: state };
        let (routing, after) = route(index, before, around, fleet.observed_at);
        state.insert(entity.clone(), after);
        let clock = EvaluationClock::new(fleet.observed_at);
        for (place, pool) in index.pools.iter().enumerate() {
            if let Some(policy) = &pool.policy {
                let jobs = routing.jobs(place);
                let oldest_wait = jobs.first().map(|created_at| clock.age(*created_at));
                let snapshot = look(pool, policy, (jobs.len(), oldest_wait));
                seen.insert(pool.id().clone(), snapshot);
            }
        }
    }
}

fn look(pool: &PoolIndex, policy: &ScalePolicy, jobs: (usize, Option<Duration>)) -> PoolSnapshot {
    let counts = &pool.counts;
    let queue_depth = u32::try_from(jobs.0).unwrap_or(u32::MAX);
    PoolSnapshot {
        pool: pool.id().clone(),
        active: counts.active,
        idle: counts.idle,
        suspect: counts.suspect,
        booting: counts.booting,
        failed: counts.failed,
        leaving: counts.leaving + counts.ended,
        leaving_since: counts.leaving_since,
        live: counts.live,
        queue_depth,
        oldest_wait: jobs.1,
        floor: pool.floor(policy, queue_depth.min(counts.idle)),
    }
}

/// The snapshot of a pool that GARM does not list.
fn absent(scaled: ScaledPool<'_>) -> PoolSnapshot {
    look(&PoolIndex::new(scaled.pool, Some(scaled.policy)), scaled.policy, (0, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::JobStatus;
    use crate::domain::name::RunnerName;
    use crate::domain::runner::Runner;
    use crate::scaling::testing::{at, entity, fleet, job, policy, pool, runner, secs};

    fn nothing(pool: &str) -> PoolSnapshot {
        PoolSnapshot { floor: 2, ..PoolSnapshot::empty(PoolId::new(pool)) }
    }

    /// The depth of each pool's queue, with the specification's policy for each pool.
    fn depths(fleet: &Fleet) -> Vec<(String, u32)> {
        let policy = policy();
        let managed: Vec<_> =
            fleet.pools.iter().map(|pool| ScaledPool { pool, policy: &policy }).collect();
        let depth = |snapshot: PoolSnapshot| (snapshot.pool.to_string(), snapshot.queue_depth);
        snapshot(fleet, &managed).into_iter().map(depth).collect()
    }

    fn expect(fleet: &Fleet, expected: &[(&str, u32)]) {
        let expected: Vec<_> = expected.iter().map(|entry| (entry.0.to_owned(), entry.1)).collect();
        assert_eq!(depths(fleet), expected);
    }

    #[test]
    fn a_pool_without_runners_and_jobs_has_its_floor_and_nothing_else() {
        let fleet = fleet(0, vec![pool("a", &["x"])], vec![], vec![]);
        let managed = ScaledPool { pool: &fleet.pools[0], policy: &policy() };
        assert_eq!(snapshot(&fleet, &[managed]), [nothing("a")]);
    }

    #[test]
    fn a_pool_that_garm_does_not_list_is_empty() {
        let gone = pool("gone", &["x"]);
        let managed = ScaledPool { pool: &gone, policy: &policy() };
        assert_eq!(snapshot(&fleet(0, vec![], vec![], vec![]), &[managed]), [nothing("gone")]);
    }

    #[test]
    fn every_runner_is_one_thing_and_jobs_about_to_be_picked_up_lower_the_floor() {
        let runners = [
            ("a1", "running/active", 0),
            ("i1", "running/idle", 0),
            ("i2", "running/idle", 0),
            ("b1", "pending_create/pending", 0),
            ("b2", "running/installing", -599),
            ("e1", "error/pending", -74),
            ("f1", "running/failed", 0),
            ("f2", "error/pending", -75),
            ("f3", "running/pending", -600),
            ("l1", "pending_delete/idle", 0),
            ("l2", "deleting/terminated", 0),
            ("t1", "running/terminated", 0),
        ];
        let runners = runners.map(|(name, state, since)| {
            // GARM has just written the row of a create that it retries.
            Runner { updated_at: at(since.max(-9)), ..runner("a", name, state, since) }
        });
        let fleet = fleet(0, vec![pool("a", &["x"])], runners.to_vec(), vec![job(1, &["X"], -40)]);
        let policy = ScalePolicy { min_runners: 4, ..policy() };
        let seen = snapshot(&fleet, &[ScaledPool { pool: &fleet.pools[0], policy: &policy }]);
        let expected = PoolSnapshot {
            active: 1,
            idle: 2,
            booting: 3,
            failed: 3,
            leaving: 3,
            leaving_since: Some(at(0)),
            live: 12,
            queue_depth: 1,
            oldest_wait: Some(secs(40)),
            floor: 2,
            ..nothing("a")
        };
        assert_eq!(seen, [expected]);
    }

    #[test]
    fn glances_come_in_the_order_asked_for() {
        let pools = vec![pool("b", &["x"]), pool("a", &["x"]), pool("c", &["x"])];
        let names: Vec<_> = depths(&fleet(0, pools, vec![], vec![]));
        assert_eq!(names, [("b".into(), 0), ("a".into(), 0), ("c".into(), 0)]);
    }

    #[test]
    fn a_job_goes_to_a_pool_with_a_runner_before_one_with_room() {
        let pools = vec![pool("a", &["x"]), pool("b", &["x"])];
        let runners = vec![runner("b", "b1", "running/idle", 0)];
        let jobs = vec![job(1, &["x"], 0), job(2, &["x"], 0)];
        expect(&fleet(0, pools, runners, jobs), &[("a", 1), ("b", 1)]);
    }

    #[test]
    fn a_pool_of_higher_priority_is_filled_first() {
        let (a, mut b) = (pool("a", &["x"]), pool("b", &["x"]));
        b.spec.priority = 1;
        b.spec.max_runners = 2;
        let jobs = vec![job(1, &["x"], 0), job(2, &["x"], 0), job(3, &["x"], 0)];
        expect(&fleet(0, vec![a, b], vec![], jobs), &[("a", 1), ("b", 2)]);
    }

    #[test]
    fn a_job_without_room_anywhere_waits_for_the_first_fitting_pool() {
        let (mut a, mut b) = (pool("a", &["x"]), pool("b", &["x", "y"]));
        a.spec.max_runners = 1;
        b.spec.max_runners = 1;
        let jobs = (1..=4).map(|id| job(id, &["x"], 0)).chain([job(5, &["y"], 0)]).collect();
        expect(&fleet(0, vec![a, b], vec![], jobs), &[("a", 3), ("b", 2)]);
    }

    #[test]
    fn a_pool_of_another_owner_takes_jobs_but_is_not_reported() {
        let pools = vec![pool("a", &["x"]), pool("b", &["x"])];
        let runners = vec![runner("b", "b1", "running/idle", 0)];
        let fleet = fleet(0, pools, runners, vec![job(1, &["x"], 0)]);
        let policy = policy();
        let seen = snapshot(&fleet, &[ScaledPool { pool: &fleet.pools[0], policy: &policy }]);
        assert_eq!(seen, [nothing("a")]);
    }

    #[test]
    fn disabled_pools_other_entities_and_missing_labels_get_no_job() {
        let (mut off, mut far) = (pool("off", &["x"]), pool("far", &["x"]));
        off.spec.enabled = false;
        far.entity = entity("other");
        let pools = vec![off, far, pool("near", &["y"])];
        let jobs = vec![job(1, &["x"], 0)];
        expect(&fleet(0, pools, vec![], jobs), &[("off", 0), ("far", 0), ("near", 0)]);
    }

    #[test]
    fn a_job_counts_until_the_row_of_a_runner_says_that_it_has_it() {
        let pools = || vec![pool("a", &["x"])];
        let begun = |runner: Option<&str>, since: i64| {
            let mut job = job(1, &["x"], -60);
            job.status = JobStatus::InProgress;
            job.runner = runner.map(RunnerName::new);
            job.updated_at = at(since);
            vec![job]
        };
        let mut carrier = runner("a", "a1", "running/active", -60);
        carrier.job = Some(1_001);
        expect(&fleet(0, pools(), vec![], begun(None, -4)), &[("a", 1)]);
        expect(&fleet(0, pools(), vec![], begun(None, -5)), &[("a", 0)]);
        expect(&fleet(0, pools(), vec![], begun(Some("a1"), -1)), &[("a", 0)]);
        expect(&fleet(0, pools(), vec![carrier.clone()], begun(None, -1)), &[("a", 0)]);
        expect(&fleet(0, pools(), vec![carrier], vec![job(1, &["x"], -60)]), &[("a", 0)]);
    }

    #[test]
    fn a_stale_job_is_not_counted() {
        let jobs = vec![job(1, &["x"], -86_400), job(2, &["x"], -86_399)];
        expect(&fleet(0, vec![pool("a", &["x"])], vec![], jobs), &[("a", 1)]);
    }
}
