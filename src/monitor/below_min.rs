//! Detects pools that stay below `min_runners`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::desired::ScalePolicy;
use crate::domain::duration;
use crate::domain::name::PoolId;
use crate::domain::pool::Pool;
use crate::scaling::{EntityIndex, FleetIndex, RunnerCounts};

/// How long a pool may stay below `min_runners`. A replacement is requested within seconds, and
/// booting runners count.
const BELOW_MAX: Duration = Duration::from_mins(5);

/// A pool that has stayed below its minimum for [`BELOW_MAX`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PoolBelowMin {
    pub(super) pool: PoolId,
    pub(super) evidence: String,
}

#[derive(Debug, Clone, Default)]
pub(super) struct BelowMinTracker {
    below: BTreeMap<PoolId, Episode>,
}

#[derive(Debug, Clone, Copy)]
struct Episode {
    since: Timestamp,
    is_told: bool,
}

impl BelowMinTracker {
    /// Restarts all measurements, because it is unknown what happened since the last check.
    pub(super) fn forget(&mut self) {
        self.below.clear();
    }

    /// Checks every pool at `now`. Returns the pools that have been below their minimum for
    /// [`BELOW_MAX`] without interruption; each pool is returned once until it recovers.
    pub(super) fn look(
        &mut self,
        fleet_index: &FleetIndex,
        open_circuits: &BTreeSet<PoolId>,
        now: Timestamp,
    ) -> Vec<PoolBelowMin> {
        let before = std::mem::take(&mut self.below);
        let mut found = Vec::new();
        let stocks = fleet_index.entities().values().flat_map(EntityIndex::pools);
        for stock in stocks.filter(|stock| !open_circuits.contains(stock.id())) {
            let (Some(policy), Some(pool)) = (stock.policy(), fleet_index.pools().get(stock.id()))
            else {
                continue;
            };
            let Some(lack) = Shortfall::of(pool, policy, stock.counts()) else { continue };
            let episode = before.get(stock.id()).copied();
            let mut episode = episode.unwrap_or(Episode { since: now, is_told: false });
            // If the clock was set back, the required time must not become longer.
            episode.since = episode.since.min(now);
            let lasted = Duration::try_from(now.duration_since(episode.since)).unwrap_or_default();
            if lasted >= BELOW_MAX && !episode.is_told {
                episode.is_told = true;
                found.push(PoolBelowMin { pool: pool.id.clone(), evidence: lack.sentence(lasted) });
            }
            self.below.insert(pool.id.clone(), episode);
        }
        found
    }
}

/// A pool below its minimum that has room for more runners.
struct Shortfall {
    has: u32,
    wants: u32,
    live: u32,
    max: u32,
}

impl Shortfall {
    /// The shortfall of a pool; `None` if there is none. In a pool that `watch` does not scale,
    /// GARM maintains only `min_idle_runners`.
    fn of(pool: &Pool, policy: &ScalePolicy, counts: &RunnerCounts) -> Option<Self> {
        let wants = match policy.autoscale {
            true => policy.min_runners,
            false => policy.min_runners.min(pool.spec.min_idle_runners),
        };
        let lack = Self {
            has: counts.active + counts.idle + counts.booting,
            wants,
            live: counts.live,
            max: policy.max_runners.min(pool.spec.max_runners),
        };
        (pool.spec.enabled && lack.has < lack.wants && lack.live < lack.max).then_some(lack)
    }

    fn sentence(&self, lasted: Duration) -> String {
        let Self { has, wants, live, max } = self;
        let lasted = duration::format(lasted);
        format!(
            "for {lasted}, {has} of at least {wants} runners have been active, idle or booting, \
             although only {live} of at most {max} exist and the circuit breaker is closed"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::runner::Runner;
    use crate::scaling::ScalePolicies;
    use crate::scaling::testing::{at, fleet, policy, pool, runner};

    fn fleet_index(
        pool: &Pool,
        policy: &ScalePolicy,
        runners: Vec<Runner>,
        now: i64,
    ) -> FleetIndex {
        let policies = ScalePolicies::from([(pool.id.clone(), policy.clone())]);
        FleetIndex::new(fleet(now, vec![pool.clone()], runners, vec![]), policies)
    }

    /// Checks the number of findings if nothing changes for ten minutes, with an evaluation every
    /// 30 s.
    #[track_caller]
    fn check(pool: &Pool, policy: &ScalePolicy, states: &[&str], expected: usize) {
        let mut floors = BelowMinTracker::default();
        let mut found = 0;
        for step in 0..=20 {
            let now = step * 30;
            let runners = states.iter().enumerate();
            // The rows stay equally old, so that only the time differs.
            let runners = runners.map(|(i, it)| runner("p", &format!("r{i}"), it, now - 5));
            let fleet_index = fleet_index(pool, policy, runners.collect(), now);
            found += floors.look(&fleet_index, &BTreeSet::new(), at(now)).len();
        }
        assert_eq!(found, expected, "{states:?}");
    }

    #[test]
    fn a_pool_is_below_its_minimum_only_if_it_has_room() {
        let some = || pool("p", &["x"]);
        check(&some(), &policy(), &[], 1);
        check(&some(), &policy(), &["running/idle"], 1);
        check(&some(), &policy(), &["running/idle", "running/failed"], 1);
        check(&some(), &policy(), &["running/active", "deleting/terminated"], 1);
        check(&some(), &policy(), &["running/idle", "running/active"], 0);
        check(&some(), &policy(), &["running/idle", "creating/pending"], 0);
        check(&some(), &policy(), &["running/idle", "error/pending"], 0);
    }

    #[test]
    fn a_full_an_unscaled_and_a_disabled_pool_are_no_finding() {
        let mut full = pool("p", &["x"]);
        full.spec.max_runners = 1;
        check(&full, &policy(), &["running/idle"], 0);
        let mut off = pool("p", &["x"]);
        off.spec.enabled = false;
        check(&off, &policy(), &[], 0);
        check(&pool("p", &["x"]), &ScalePolicy { min_runners: 0, ..policy() }, &[], 0);
        let by_hand = || ScalePolicy { autoscale: false, ..policy() };
        check(&pool("p", &["x"]), &by_hand(), &[], 0);
        let mut level = pool("p", &["x"]);
        level.spec.min_idle_runners = 1;
        check(&level, &by_hand(), &[], 1);
    }

    #[test]
    fn time_below_is_measured_without_interruption_and_reported_once() {
        let mut floors = BelowMinTracker::default();
        let mut look = |now: i64, states: &[&str], open: &[&str]| {
            let runners = states.iter().map(|state| runner("p", "r", state, now - 5)).collect();
            let policy = ScalePolicy { min_runners: 1, ..policy() };
            let fleet_index = fleet_index(&pool("p", &["x"]), &policy, runners, now);
            let open = open.iter().map(|pool| PoolId::new(*pool)).collect();
            floors.look(&fleet_index, &open, at(now))
        };
        assert_eq!(look(0, &[], &[]), []);
        assert_eq!(look(299, &["creating/pending"], &[]), []);
        assert_eq!(look(300, &[], &[]), []);
        assert_eq!(look(599, &[], &["p"]), []);
        assert_eq!(look(600, &[], &[]), []);
        assert_eq!(look(899, &[], &[]), []);
        let evidence = "for 5m, 0 of at least 1 runners have been active, idle or booting, although \
                        only 0 of at most 20 exist and the circuit breaker is closed";
        let expected = PoolBelowMin { pool: PoolId::new("p"), evidence: evidence.into() };
        assert_eq!(look(900, &[], &[]), [expected]);
        assert_eq!(look(1_000, &[], &[]), []);
        assert_eq!(look(1_010, &["running/idle"], &[]), []);
        assert_eq!(look(1_020, &[], &[]), []);
        assert_eq!(look(1_320, &[], &[]).len(), 1);
    }
}
