//! `adopt`: which existing pool a declared pool adopts, and what prevents it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::blocker::Blocker;
use super::index::Index;
use crate::domain::desired::{Desired, DesiredPool};
use crate::domain::label::OwnerMark;
use crate::domain::name::{FleetName, PoolId, PoolName};
use crate::domain::owners::Owners;
use crate::domain::pool::Pool;
use crate::domain::text::code;

#[derive(Debug, Clone, Copy)]
pub(super) struct Adopted<'a> {
    pub(super) pool: &'a Pool,
    /// Whether it already belongs to this fleet under another name.
    pub(super) renamed: bool,
}

/// All adoptions that the files declare and that are not done yet.
#[derive(Debug, Default)]
pub(super) struct Adoptions<'a> {
    targets: BTreeMap<&'a PoolName, Vec<&'a Pool>>,
    wanted_by: HashMap<&'a PoolId, Vec<&'a PoolName>>,
}

impl<'a> Adoptions<'a> {
    /// Finds the pool that each `adopt` refers to, unless the adoption is done.
    pub(super) fn new(desired: &'a Desired, owners: &Owners<'a>, index: &Index<'a>) -> Self {
        let mut all = Self::default();
        for pool in desired.pools.iter().filter(|pool| !is_done(pool, owners, index)) {
            let Some(text) = &pool.adopt else { continue };
            let found = match index.pool(text) {
                Some(by_id) => with_twins(by_id, &desired.fleet, owners),
                None => owned_as(text, owners),
            };
            for found_pool in &found {
                all.wanted_by.entry(&found_pool.id).or_default().push(&pool.name);
            }
            all.targets.insert(&pool.name, found);
        }
        for names in all.wanted_by.values_mut() {
            names.sort();
        }
        all
    }

    /// Whether a declared pool adopts this one, so that it must not be deleted.
    pub(super) fn want(&self, id: &PoolId) -> bool {
        self.wanted_by.contains_key(id)
    }

    /// The pool that `name` adopts, if it declares an adoption that is possible.
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
                return Err(Blocker::new("`adopt` refers to a pool that does not exist in GARM")
                    .help("use GARM's id of a pool created by hand, or the former name of a pool of this fleet; or remove `adopt` to create a new pool"));
            }
            several => {
                return Err(Blocker::twins(several));
            }
        };
        if let Some(rival) = self.wanted_by[&pool.id].iter().find(|rival| **rival != name) {
            return Err(
                Blocker::new(format!("`adopt` of `{rival}` refers to the same pool")).at(pool)
            );
        }
        let renamed = may_adopt(pool, fleet, declared)?;
        Ok(Some(Adopted { pool, renamed }))
    }
}

/// Whether the name has a pool already: in force, retired, or created by a replace that can go on.
/// A replacement that does not fit does not count: it is a leftover, and once it is deleted the
/// next run must come to the same answer.
fn is_done(pool: &DesiredPool, owners: &Owners<'_>, index: &Index<'_>) -> bool {
    let Some(claims) = owners.of(&pool.name) else { return false };
    let entities = index.entities(&pool.entity);
    let fits = |replacement: &&Pool| {
        replacement.kind() == pool.kind
            && replacement.spec.provider == pool.provider
            && entities.iter().any(|entity| entity.key == replacement.entity)
    };
    let others = [&claims.owned, &claims.retired, &claims.conflicting, &claims.conflicting_others];
    others.into_iter().any(|pools| !pools.is_empty()) || claims.replacements.iter().any(fits)
}

/// The pool with the given id and all others with the same name in this fleet: we must not choose
/// between them, and the others would be left behind.
fn with_twins<'a>(pool: &'a Pool, fleet: &FleetName, owners: &Owners<'a>) -> Vec<&'a Pool> {
    match pool.marks().as_slice() {
        [OwnerMark::Owned { fleet: of, pool: name }]
            if of == fleet.as_str() && PoolName::new(name).is_ok() =>
        {
            owned_as(name, owners)
        }
        _ => vec![pool],
    }
}

/// The pools in force under a former name in this fleet.
fn owned_as<'a>(text: &str, owners: &Owners<'a>) -> Vec<&'a Pool> {
    PoolName::new(text)
        .ok()
        .and_then(|name| owners.of(&name))
        .map(|claims| claims.owned.iter().chain(&claims.conflicting).copied().collect())
        .unwrap_or_default()
}

/// Whether the pool already belongs to this fleet; an error if it cannot be adopted.
fn may_adopt<'a>(
    pool: &'a Pool,
    fleet: &FleetName,
    declared: &BTreeSet<&PoolName>,
) -> Result<bool, Blocker<'a>> {
    let marks = pool.marks();
    let blocked = |reason: String| Err(Blocker::new(reason).at(pool));
    match marks.as_slice() {
        [] => Ok(false),
        [mark] if mark.fleet() != fleet.as_str() => blocked(format!(
            "`adopt` refers to a pool of another fleet, with the label {}",
            code(mark.to_string())
        )),
        [OwnerMark::Owned { pool: name, .. }]
            if PoolName::new(name).is_ok_and(|name| declared.contains(&name)) =>
        {
            blocked(format!("`adopt` refers to the pool of {}, which is also declared", code(name)))
        }
        [OwnerMark::Owned { .. }] => Ok(true),
        [mark @ (OwnerMark::Retired { .. } | OwnerMark::Replacement { .. })] => blocked(format!(
            "`adopt` refers to a pool of an unfinished replace, with the label {}",
            code(mark.to_string())
        )),
        [_, _, ..] => Err(Blocker::conflicting(pool)),
    }
}
