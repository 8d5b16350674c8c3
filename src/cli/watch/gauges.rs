//! What the loop sees → the numbers of `/metrics`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::fleet::Fleet;
use crate::domain::name::{PoolId, PoolName};
use crate::engine::watch::{Managed, Sight};
use crate::scale::{Decision, Moment, Site, SiteMemory, Stock, Tally};
use crate::telemetry::{PoolGauges, RunnerCounts, Snapshot};

/// Runners that were made before their pool was last changed, by pool, from the last full read;
/// only for pools whose GARM counts generations.
pub(super) type Outdated = HashMap<PoolId, u32>;

/// Counts them.
pub(super) fn outdated(fleet: &Fleet) -> Outdated {
    let generations: HashMap<&PoolId, Option<u64>> =
        fleet.pools.iter().map(|it| (&it.id, it.generation)).collect();
    let counted = generations.iter().filter(|it| it.1.is_some());
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

/// The picture of every managed pool.
pub(super) fn snapshot(sight: &Sight<'_>, outdated: &Outdated) -> Snapshot {
    let decisions = sight.decisions();
    let queues = queues(sight);
    let stocks: HashMap<&PoolId, &Stock> =
        sight.picture.sites().values().flat_map(Site::stocks).map(|it| (it.id(), it)).collect();
    let gauges = |(name, managed): (&PoolName, &Managed)| {
        let stock = stocks.get(&managed.id)?;
        let seen = Seen {
            stock,
            queue: queues.get(&managed.id).copied().unwrap_or_default(),
            decision: decisions.get(&managed.id).copied(),
            now: sight.now,
        };
        let outdated_runners = outdated.get(&managed.id).copied();
        Some((name.clone(), PoolGauges { outdated_runners, ..pool(&seen) }))
    };
    Snapshot {
        pools: sight.managed.iter().filter_map(gauges).collect(),
        read_at: Instant::now().checked_sub(sight.read_age).unwrap_or_else(Instant::now),
        reconciled_at: sight.read_at,
        clock_skew_s: Some(-sight.skew.as_secs_f64()),
    }
}

/// Jobs that wait for a pool.
#[derive(Debug, Clone, Copy, Default)]
struct Queue {
    depth: u32,
    oldest: Option<Timestamp>,
    tally: Tally,
}

/// One pool, ready to be counted.
struct Seen<'a> {
    stock: &'a Stock,
    queue: Queue,
    decision: Option<&'a Decision>,
    now: Timestamp,
}

fn queues<'a>(sight: &Sight<'a>) -> BTreeMap<&'a PoolId, Queue> {
    let waiting = sight.memory.values().flat_map(SiteMemory::waiting);
    let queue = |(id, jobs, tally): (&'a PoolId, &[Timestamp], Tally)| {
        let depth = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        (id, Queue { depth, oldest: jobs.first().copied(), tally })
    };
    waiting.map(queue).collect()
}

fn pool(seen: &Seen<'_>) -> PoolGauges {
    let (stock, queue) = (seen.stock, seen.queue);
    let census = stock.census();
    let min_runners = stock.policy().map_or(0, |it| it.min_runners);
    let serving = census.active + census.idle + census.booting;
    let states = stock.states(seen.now);
    PoolGauges {
        active: census.active,
        idle: census.idle,
        queue_depth: queue.depth,
        min_runners,
        max_runners: stock.max_runners(),
        level: Some(stock.garm_level()),
        runners: RunnerCounts {
            pending: states.pending,
            creating: states.creating,
            installing: states.installing,
            idle: states.idle,
            active: states.active,
            failed: states.failed,
            deleting: states.deleting,
        },
        unserved_jobs: queue.depth.saturating_sub(census.idle + census.booting),
        stuck_jobs: queue.tally.stuck,
        stale_jobs: queue.tally.stale,
        forgotten_jobs: queue.tally.forgotten,
        oldest_wait: queue.oldest.map_or(Duration::ZERO, |it| Moment::new(seen.now).age(it)),
        outdated_runners: None,
        is_below_min: serving < min_runners,
        is_circuit_open: seen.decision.is_some_and(|it| it.rules.circuit.open.is_some()),
        has_drift: None,
    }
}
