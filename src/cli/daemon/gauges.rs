//! Turns what the loop observes into the gauges of `/metrics`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::drift::{DifferingFields, DriftDetector};
use super::missing_pools::unsteered;
use super::pool_queue::{PoolQueue, queues};
use crate::domain::fleet::Fleet;
use crate::domain::name::{PoolId, PoolName};
use crate::metrics::{PoolGauges, Snapshot};
use crate::reconcile::watch::{LoopSnapshot, ManagedPool};
use crate::scaling::{Decision, EntityIndex, EvaluationClock, PoolIndex};

/// The number of outdated runners of each pool at the last full read. Pools without a generation,
/// which older releases of GARM do not count, are left out.
pub(super) type Outdated = HashMap<PoolId, u32>;

/// Counts the outdated runners of each pool.
pub(super) fn outdated(fleet: &Fleet) -> Outdated {
    let generations: HashMap<&PoolId, Option<u64>> =
        fleet.pools.iter().map(|pool| (&pool.id, pool.generation)).collect();
    let counted = generations.iter().filter(|entry| entry.1.is_some());
    let mut outdated: Outdated = counted.map(|(id, _)| ((*id).clone(), 0)).collect();
    for runner in &fleet.runners {
        let Some(pool) = &runner.pool else { continue };
        let generation = generations.get(pool).copied().flatten();
        if runner.is_outdated(generation)
            && let Some(count) = outdated.get_mut(pool)
        {
            *count += 1;
        }
    }
    outdated
}

/// The numbers that come from the last full read.
#[derive(Clone, Copy)]
pub(super) struct ReadCounts<'a> {
    pub(super) outdated: &'a Outdated,
    /// The fields in which pools differ from their files.
    pub(super) drifts: &'a HashMap<&'a PoolName, DifferingFields>,
    /// The number of policy violations of each pool.
    pub(super) violated: &'a BTreeMap<PoolName, u32>,
}

/// The gauges of every declared pool.
pub(super) fn snapshot(
    loop_snapshot: &LoopSnapshot<'_>,
    read_counts: ReadCounts<'_>,
    drifts: &DriftDetector,
) -> Snapshot {
    let queues = queues(loop_snapshot);
    let pool_indexes: HashMap<&PoolId, &PoolIndex> = loop_snapshot
        .fleet_index
        .entities()
        .values()
        .flat_map(EntityIndex::pools)
        .map(|pool| (pool.id(), pool))
        .collect();
    let gauges = |(name, managed): (&PoolName, &ManagedPool)| {
        let pool_index = pool_indexes.get(&managed.id)?;
        let seen = PoolObservation {
            pool_index,
            queue: queues.get(&managed.id).copied().unwrap_or_default(),
            decision: loop_snapshot.decisions.get(&managed.id).map(AsRef::as_ref),
            now: loop_snapshot.now,
        };
        let outdated_runners = read_counts.outdated.get(&managed.id).copied();
        let gauges = PoolGauges {
            outdated_runners,
            has_drift: read_counts.drifts.get(name).map(|fields| !fields.is_empty()),
            is_stalled: loop_snapshot.stalls.contains_key(&managed.id),
            policy_violations: read_counts.violated.get(name).copied(),
            ..pool(&seen)
        };
        Some((name.clone(), gauges))
    };
    let steered = loop_snapshot.managed.iter().filter_map(gauges);
    Snapshot {
        pools: steered.chain(unsteered(loop_snapshot, &queues, drifts)).collect(),
        groups: loop_snapshot.fleet_index.group_usage(),
        read_at: Instant::now().checked_sub(loop_snapshot.read_age).unwrap_or_else(Instant::now),
        reconciled_at: loop_snapshot.read_at,
        read_interval: loop_snapshot.read_interval,
        stale_after: loop_snapshot.stale_after,
        clock_skew_s: Some(-loop_snapshot.skew.as_secs_f64()),
    }
}

/// The state that the gauges of one pool are computed from.
struct PoolObservation<'a> {
    pool_index: &'a PoolIndex,
    queue: PoolQueue,
    decision: Option<&'a Decision>,
    now: Timestamp,
}

fn pool(seen: &PoolObservation<'_>) -> PoolGauges {
    let (pool_index, queue) = (seen.pool_index, seen.queue);
    let counts = pool_index.counts();
    let min_runners = pool_index.policy().map_or(0, |policy| policy.min_runners);
    let serving = counts.active + counts.idle + counts.booting;
    PoolGauges {
        active: counts.active,
        idle: counts.idle,
        queue_depth: queue.depth,
        min_runners,
        max_runners: pool_index.max_runners(),
        level: Some(pool_index.garm_level()),
        runners: pool_index.states(seen.now),
        unserved_jobs: queue.depth.saturating_sub(counts.supply()),
        stuck_jobs: queue.exceptions.stuck,
        stale_jobs: queue.exceptions.stale,
        forgotten_jobs: queue.exceptions.forgotten,
        oldest_wait: queue
            .oldest()
            .map_or(Duration::ZERO, |since| EvaluationClock::new(seen.now).age(since)),
        outdated_runners: None,
        is_below_min: serving < min_runners,
        is_circuit_open: seen
            .decision
            .is_some_and(|decision| decision.rules.circuit.open.is_some()),
        is_stalled: false,
        has_drift: None,
        policy_violations: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::Job;
    use crate::domain::runner::Runner;
    use crate::reconcile::watch::{StreamStatus, Writes, decisions};
    use crate::scaling::testing::{at, entity, fleet, job, policy, pool, runner};
    use crate::scaling::{FleetIndex, RunnerStateCounts, ScalingState, evaluate_fleet};

    fn managed(names: &[&str]) -> BTreeMap<PoolName, ManagedPool> {
        let one = |name: &&str| {
            let managed = ManagedPool { id: PoolId::new(*name), entity: entity("acme") };
            (PoolName::new(name).unwrap(), managed)
        };
        names.iter().map(one).collect()
    }

    /// The gauges of a pool that GARM leaves alone and of one that is scaled.
    fn seen(runners: Vec<Runner>, jobs: Vec<Job>) -> Snapshot {
        let mut off = pool("off", &["off"]);
        off.spec.enabled = false;
        let mut ours = pool("default", &["x"]);
        ours.generation = Some(1);
        let fleet = fleet(0, vec![ours, off], runners, jobs);
        let outdated = outdated(&fleet);
        let policies = ["default", "off"].map(|id| (PoolId::new(id), policy())).into();
        let mut fleet_index = FleetIndex::new(fleet, policies);
        let (_, memory) = evaluate_fleet(&mut fleet_index, ScalingState::new(), at(0));
        let loop_snapshot = LoopSnapshot {
            now: at(0),
            skew: jiff::SignedDuration::from_secs(2),
            fleet_index: &fleet_index,
            memory: &memory,
            decisions: &decisions(&memory),
            managed: &managed(&["default", "off", "gone"]),
            unmanaged: &BTreeMap::new(),
            freeze: None,
            applied: Writes::Sent,
            stopped: &BTreeMap::new(),
            read_at: at(-1),
            read_age: Duration::from_secs(1),
            read_interval: Duration::from_secs(30),
            stale_after: Duration::from_mins(1),
            stream: StreamStatus::Up,
            stalls: &BTreeMap::new(),
            watched: &crate::monitor::IsolationSummary::default(),
        };
        let (drifts, violated) = (HashMap::new(), BTreeMap::new());
        let read_counts = ReadCounts { outdated: &outdated, drifts: &drifts, violated: &violated };
        snapshot(&loop_snapshot, read_counts, &DriftDetector::none())
    }

    #[test]
    fn every_pool_in_garm_has_gauges_whether_scaled_or_not() {
        let busy = Runner { job: Some(1_009), ..runner("default", "a", "running/active", -60) };
        let runners = vec![
            busy,
            runner("default", "b", "running/idle", -9),
            runner("default", "c", "pending_create/pending", -1),
            runner("off", "d", "running/idle", -9),
        ];
        let jobs = (1..=4).map(|id| job(id, &["x"], -40)).chain([job(5, &["x"], -90_000)]);
        let seen = seen(runners, jobs.collect());
        let default = PoolGauges {
            active: 1,
            idle: 1,
            queue_depth: 4,
            min_runners: 2,
            max_runners: 20,
            level: Some(0),
            runners: RunnerStateCounts {
                pending: 1,
                idle: 1,
                active: 1,
                ..RunnerStateCounts::default()
            },
            unserved_jobs: 2,
            stale_jobs: 1,
            oldest_wait: Duration::from_secs(40),
            outdated_runners: Some(3),
            ..PoolGauges::default()
        };
        let off = PoolGauges {
            idle: 1,
            min_runners: 2,
            max_runners: 20,
            level: Some(0),
            runners: RunnerStateCounts { idle: 1, ..RunnerStateCounts::default() },
            outdated_runners: Some(0),
            is_below_min: true,
            ..PoolGauges::default()
        };
        let name = |name: &str| PoolName::new(name).unwrap();
        assert_eq!(seen.pools, [(name("default"), default), (name("off"), off)].into());
        assert_eq!((seen.reconciled_at, seen.clock_skew_s), (at(-1), Some(-2.0)));
    }
}
