//! Whose pool is whose: what the reserved labels say to one fleet.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::index::Index;
use crate::domain::fleet::Fleet;
use crate::domain::label::Mark;
use crate::domain::name::{FleetName, PoolId, PoolName};
use crate::domain::pool::Pool;

/// The pools that bear one name of the fleet, each list oldest first.
#[derive(Debug, Default)]
pub(super) struct Claims<'a> {
    /// In force: `runnerctl=<fleet>/<name>` and no other reserved label.
    pub(super) owned: Vec<&'a Pool>,
    /// Retired: `runnerctl-old=<fleet>/<name>` and no other reserved label.
    pub(super) retired: Vec<&'a Pool>,
    /// In force by one label, and something else by another.
    pub(super) torn: Vec<&'a Pool>,
    /// Retired by one label, and something else by another.
    pub(super) torn_retired: Vec<&'a Pool>,
}

/// Every pool of GARM, sorted by its reserved labels.
#[derive(Debug, Default)]
pub(super) struct Owners<'a> {
    /// This fleet's pools.
    pub(super) named: BTreeMap<PoolName, Claims<'a>>,
    /// Pools with a label of this fleet that names no pool; never touched.
    pub(super) nameless: Vec<&'a Pool>,
    /// How many pools bear no label of this fleet.
    pub(super) unowned: usize,
    /// The other fleets whose labels are in GARM.
    pub(super) others: BTreeSet<String>,
}

/// The order of twins: the earlier pool keeps the name. GARM lists in this order, too; the id
/// decides between equal times, so that every run decides alike.
pub fn age(pool: &Pool) -> (Timestamp, &PoolId) {
    (pool.created_at, &pool.id)
}

impl<'a> Owners<'a> {
    /// Sorts the pools of `fleet` as `name` sees them.
    pub(super) fn new(fleet: &'a Fleet, name: &FleetName) -> Self {
        let mut owners = Self::default();
        let mut pools: Vec<&Pool> = fleet.pools.iter().collect();
        pools.sort_by(|a, b| age(a).cmp(&age(b)));
        for pool in pools {
            owners.add(pool, name.as_str());
        }
        owners
    }

    fn add(&mut self, pool: &'a Pool, fleet: &str) {
        let marks = pool.spec.labels.marks();
        let foreign = marks.iter().map(Mark::fleet).filter(|it| *it != fleet);
        self.others.extend(foreign.map(str::to_owned));
        let ours: Vec<&Mark> = marks.iter().filter(|it| it.fleet() == fleet).collect();
        if ours.is_empty() {
            self.unowned += 1;
            return;
        }
        let named: Vec<(PoolName, &Mark)> = ours
            .iter()
            .filter_map(|it| PoolName::new(it.pool()).ok().map(|name| (name, *it)))
            .collect();
        if named.is_empty() {
            self.nameless.push(pool);
        }
        let is_torn = marks.len() > 1;
        for (name, mark) in named {
            let claims = self.named.entry(name).or_default();
            let list = match (mark, is_torn) {
                (Mark::Owned { .. }, false) => &mut claims.owned,
                (Mark::Owned { .. }, true) => &mut claims.torn,
                (Mark::Retired { .. }, false) => &mut claims.retired,
                (Mark::Retired { .. }, true) => &mut claims.torn_retired,
            };
            list.push(pool);
        }
    }

    /// How many of the fleet's names stand on a pool in force.
    pub(super) fn in_force(&self) -> usize {
        self.named.values().filter(|it| !it.owned.is_empty() || !it.torn.is_empty()).count()
    }

    /// The claims on one name.
    pub(super) fn of(&self, name: &PoolName) -> Option<&Claims<'a>> {
        self.named.get(name)
    }
}

/// Whether every pool but the oldest is disabled, empty and at level 0: a create that another run
/// is in the middle of, or was stopped in.
pub(super) fn are_in_flight(twins: &[&Pool], index: &Index<'_>) -> bool {
    twins.iter().skip(1).all(|it| {
        !it.spec.enabled && it.spec.min_idle_runners == 0 && index.counts(&it.id).live == 0
    })
}

/// Whether a create of this fleet is in flight: twins of which the later is disabled, empty and
/// at level 0. The caller reads again for 10 s before it believes a plan made from such a fleet.
pub fn create_in_flight(fleet: &Fleet, name: &FleetName) -> bool {
    let owners = Owners::new(fleet, name);
    let mut twins = owners.named.values().map(|it| &it.owned).filter(|it| it.len() > 1).peekable();
    if twins.peek().is_none() {
        return false;
    }
    let index = Index::new(fleet);
    twins.any(|it| are_in_flight(it, &index))
}
