//! `adopt`: which pool a declared pool takes over, and what forbids it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::blocker::Blocker;
use super::index::Index;
use crate::domain::desired::Desired;
use crate::domain::label::OwnerMark;
use crate::domain::name::{FleetName, PoolId, PoolName};
use crate::domain::owners::Owners;
use crate::domain::pool::Pool;
use crate::domain::text::code;

/// The pool that is taken over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adopted<'a> {
    /// Which one.
    pub(super) pool: &'a Pool,
    /// The old name, where it is one of this fleet already.
    pub(super) renamed: bool,
}

/// Every `adopt` of the manifests that is not done yet.
#[derive(Debug, Default)]
pub(super) struct Adoptions<'a> {
    targets: BTreeMap<&'a PoolName, Vec<&'a Pool>>,
    wanted_by: HashMap<&'a PoolId, Vec<&'a PoolName>>,
}

impl<'a> Adoptions<'a> {
    /// Finds what each `adopt` means. One whose name stands on a pool already, in force or
    /// retired, is done.
    pub(super) fn new(desired: &'a Desired, owners: &Owners<'a>, index: &Index<'a>) -> Self {
        let mut all = Self::default();
        for pool in desired.pools.iter().filter(|it| owners.of(&it.name).is_none()) {
            let Some(text) = &pool.adopt else { continue };
            let found = match index.pool(text) {
                Some(by_id) => with_twins(by_id, &desired.fleet, owners),
                None => owned_as(text, owners),
            };
            for it in &found {
                all.wanted_by.entry(&it.id).or_default().push(&pool.name);
            }
            all.targets.insert(&pool.name, found);
        }
        for names in all.wanted_by.values_mut() {
            names.sort();
        }
        all
    }

    /// Whether a declared pool means to take this one over: then it is not deleted.
    pub(super) fn want(&self, id: &PoolId) -> bool {
        self.wanted_by.contains_key(id)
    }

    /// The pool that `name` takes over, if it takes one over and may.
    pub(super) fn of(
        &self,
        name: &PoolName,
        fleet: &FleetName,
        declared: &BTreeSet<&PoolName>,
    ) -> Result<Option<Adopted<'a>>, Blocker<'a>> {
        let Some(targets) = self.targets.get(name) else { return Ok(None) };
        let pool = match targets.as_slice() {
            [pool] => *pool,
            [] => {
                return Err(Blocker::new("`adopt` names a pool that is not in GARM")
                    .help("give GARM's id of a pool made by hand, or the old name of a pool of this fleet; or take `adopt` out to have a new pool created"));
            }
            several => {
                return Err(Blocker::twins(several));
            }
        };
        if let Some(rival) = self.wanted_by[&pool.id].iter().find(|it| **it != name) {
            return Err(Blocker::new(format!("`adopt` of `{rival}` names the same pool")).at(pool));
        }
        let renamed = may_adopt(pool, fleet, declared)?;
        Ok(Some(Adopted { pool, renamed }))
    }
}

/// A pool given by its id, and those that bear the same name of this fleet: which of them the name
/// means is not for us to say, and the others would be left behind.
fn with_twins<'a>(pool: &'a Pool, fleet: &FleetName, owners: &Owners<'a>) -> Vec<&'a Pool> {
    match pool.spec.labels.marks().as_slice() {
        [OwnerMark::Owned { fleet: of, pool: name }]
            if of == fleet.as_str() && PoolName::new(name).is_ok() =>
        {
            owned_as(name, owners)
        }
        _ => vec![pool],
    }
}

/// Pools in force under an old name of this fleet.
fn owned_as<'a>(text: &str, owners: &Owners<'a>) -> Vec<&'a Pool> {
    PoolName::new(text)
        .ok()
        .and_then(|name| owners.of(&name))
        .map(|it| it.owned.iter().chain(&it.conflicting).copied().collect())
        .unwrap_or_default()
}

/// Whether the pool bears a name of this fleet already; an blocker when it is not to be had.
fn may_adopt<'a>(
    pool: &'a Pool,
    fleet: &FleetName,
    declared: &BTreeSet<&PoolName>,
) -> Result<bool, Blocker<'a>> {
    let marks = pool.spec.labels.marks();
    let blocked = |reason: String| Err(Blocker::new(reason).at(pool));
    match marks.as_slice() {
        [] => Ok(false),
        [mark] if mark.fleet() != fleet.as_str() => blocked(format!(
            "`adopt` names a pool of another fleet: it bears {}",
            code(mark.to_string())
        )),
        [OwnerMark::Owned { pool: name, .. }]
            if PoolName::new(name).is_ok_and(|it| declared.contains(&it)) =>
        {
            blocked(format!("`adopt` names the pool of {}, which is declared, too", code(name)))
        }
        [OwnerMark::Owned { .. }] => Ok(true),
        [mark @ (OwnerMark::Retired { .. } | OwnerMark::Replacement { .. })] => blocked(format!(
            "`adopt` names a pool of a replace that is not finished: it bears {}",
            code(mark.to_string())
        )),
        [_, _, ..] => Err(Blocker::conflicting(pool)),
    }
}
