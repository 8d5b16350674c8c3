//! Which pool in GARM a name of the fleet refers to. `plan`, `apply`, `status` and `watch` share
//! this decision.
//!
//! GARM does not enforce uniqueness (GARM.md §b): an interrupted create, or two runs at once, can
//! leave several pools with the same label. A pool is *unused* if it is as a create leaves it
//! before its last write: disabled, at level 0 and without runners. The pool in force is the one in
//! use, or the oldest if none is in use. Every other unused pool is left over from a create,
//! whichever is older. Two pools in use, or one pool with two reserved labels, are never resolved
//! by a guess.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::desired::PoolSettings;
use super::label::OwnerMark;
use super::name::{FleetName, PoolId, PoolKind, PoolName};
use super::pool::Pool;

/// The pools with one name of the fleet, each list oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims<'a> {
    /// `runnerctl=<fleet>/<name>` and no other reserved label.
    pub owned: Vec<&'a Pool>,
    /// `runnerctl-new=<fleet>/<name>` and no other reserved label.
    pub replacements: Vec<&'a Pool>,
    /// `runnerctl-old=<fleet>/<name>` and no other reserved label.
    pub retired: Vec<&'a Pool>,
    /// `runnerctl=<fleet>/<name>` and another reserved label.
    pub conflicting: Vec<&'a Pool>,
    /// One of the other two labels and another reserved one.
    pub conflicting_others: Vec<&'a Pool>,
}

/// What a name of the fleet refers to.
#[derive(Debug, Clone, PartialEq)]
pub enum NameResolution<'a> {
    /// No pool is in force under this name.
    NoPool,
    Pool {
        pool: &'a Pool,
        /// Unused pools with the same label, oldest first; they are left over from a create.
        leftovers: Vec<&'a Pool>,
    },
    /// The pool with this label has another reserved label as well.
    Conflicting(&'a Pool),
    /// Several pools with this label are in use.
    SeveralInUse(Vec<&'a Pool>),
}

/// All pools in GARM, grouped by their reserved labels.
#[derive(Debug, Default)]
pub struct Owners<'a> {
    /// This fleet's pools, by name.
    pub named: BTreeMap<PoolName, Claims<'a>>,
    /// Pools with a label of this fleet that contains no valid pool name; never changed.
    pub nameless: Vec<&'a Pool>,
    /// Pools without a label of this fleet, oldest first: unmanaged, or of another fleet.
    pub unowned: Vec<&'a Pool>,
    /// The other fleets that have pools in GARM.
    pub others: BTreeSet<String>,
}

pub fn is_switched_off(pool: &Pool) -> bool {
    !pool.spec.enabled && pool.spec.min_idle_runners == 0
}

/// Sort key for the age of a pool. GARM lists pools in this order, too; the id breaks ties, so that
/// every run gives the same order.
pub fn age(pool: &Pool) -> (Timestamp, &PoolId) {
    (pool.created_at, &pool.id)
}

/// The names of the pools that adopt a scale set, by GARM's id of the scale set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdoptedSets(BTreeMap<PoolId, PoolName>);

impl AdoptedSets {
    /// Those of these declared pools.
    pub fn of<'p>(declared: impl IntoIterator<Item = &'p PoolSettings>) -> Self {
        let adopts = |pool: &'p PoolSettings| {
            let id = PoolId::new(pool.adopt.as_deref()?);
            (id.kind() == PoolKind::ScaleSet && pool.kind == PoolKind::ScaleSet)
                .then(|| (id, pool.name.clone()))
        };
        Self(declared.into_iter().filter_map(adopts).collect())
    }

    /// The name of the pool that adopts this scale set.
    pub fn name(&self, id: &PoolId) -> Option<&PoolName> {
        self.0.get(id)
    }
}

impl<'a> Claims<'a> {
    /// What the name refers to. `runners` counts the runners of a pool; it is called only if
    /// several pools share the label.
    pub fn holder(&self, runners: impl Fn(&PoolId) -> usize) -> NameResolution<'a> {
        if let Some(conflicting) = self.conflicting.first() {
            return NameResolution::Conflicting(conflicting);
        }
        if let [only] = self.owned.as_slice() {
            return NameResolution::Pool { pool: only, leftovers: Vec::new() };
        }
        let (unused, used): (Vec<&Pool>, Vec<&Pool>) = self
            .owned
            .iter()
            .copied()
            .partition(|pool| is_switched_off(pool) && runners(&pool.id) == 0);
        match (used.as_slice(), unused.as_slice()) {
            ([], []) => NameResolution::NoPool,
            ([], [oldest, rest @ ..]) => {
                NameResolution::Pool { pool: oldest, leftovers: rest.to_vec() }
            }
            ([only], _) => NameResolution::Pool { pool: only, leftovers: unused },
            _ => NameResolution::SeveralInUse(used),
        }
    }
}

impl<'a> Owners<'a> {
    /// Groups `pools` by owner, as seen by `fleet`.
    pub fn new(pools: impl IntoIterator<Item = &'a Pool>, fleet: &FleetName) -> Self {
        let mut owners = Self::default();
        let mut pools: Vec<&Pool> = pools.into_iter().collect();
        pools.sort_by(|a, b| age(a).cmp(&age(b)));
        for pool in pools {
            owners.add(pool, fleet.as_str());
        }
        owners
    }

    /// The same, where `adopted` says which scale sets without a label a file adopts, and under which
    /// name: GARM cannot give them one. A name that has a pool already adopts none.
    pub fn with_adopted(
        pools: impl IntoIterator<Item = &'a Pool>,
        fleet: &FleetName,
        adopted: &AdoptedSets,
    ) -> Self {
        let mut owners = Self::new(pools, fleet);
        for (id, name) in &adopted.0 {
            let is_it = |pool: &&Pool| pool.id == *id && pool.is_unmarked_scale_set();
            let Some(at) = owners.unowned.iter().position(is_it) else { continue };
            let claims = owners.named.entry(name.clone()).or_default();
            if claims.owned.is_empty() && claims.retired.is_empty() && claims.conflicting.is_empty()
            {
                let pool = owners.unowned.remove(at);
                let list = if pool.is_retired() { &mut claims.retired } else { &mut claims.owned };
                list.push(pool);
            }
        }
        owners
    }

    fn add(&mut self, pool: &'a Pool, fleet: &str) {
        let marks = pool.marks();
        let foreign = marks.iter().map(OwnerMark::fleet).filter(|other| *other != fleet);
        self.others.extend(foreign.map(str::to_owned));
        let ours: Vec<&OwnerMark> = marks.iter().filter(|mark| mark.fleet() == fleet).collect();
        if ours.is_empty() {
            self.unowned.push(pool);
            return;
        }
        let named: Vec<(PoolName, &OwnerMark)> = ours
            .iter()
            .filter_map(|mark| PoolName::new(mark.pool()).ok().map(|name| (name, *mark)))
            .collect();
        if named.is_empty() {
            self.nameless.push(pool);
        }
        let is_torn = marks.len() > 1;
        for (name, mark) in named {
            let claims = self.named.entry(name).or_default();
            let list = match (mark, is_torn) {
                (OwnerMark::Owned { .. }, false) => &mut claims.owned,
                (OwnerMark::Owned { .. }, true) => &mut claims.conflicting,
                (OwnerMark::Retired { .. }, false) => &mut claims.retired,
                (OwnerMark::Replacement { .. }, false) => &mut claims.replacements,
                (OwnerMark::Retired { .. } | OwnerMark::Replacement { .. }, true) => {
                    &mut claims.conflicting_others
                }
            };
            list.push(pool);
        }
    }

    /// How many names of the fleet have a pool in force.
    pub fn in_force(&self) -> usize {
        self.named
            .values()
            .filter(|claims| !claims.owned.is_empty() || !claims.conflicting.is_empty())
            .count()
    }

    pub fn of(&self, name: &PoolName) -> Option<&Claims<'a>> {
        self.named.get(name)
    }
}
