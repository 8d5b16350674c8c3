//! What a loop would decide at its first look.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::managed_pools::DeclaredPools;
use crate::domain::fleet::Fleet;
use crate::domain::name::PoolName;
use crate::scaling::{self, Decision, forecast};

/// What a loop over these pools would decide about each that it would scale, if it began with this
/// reading of GARM: found, routed and decided as the loop does it.
pub fn first_decisions(roll: &DeclaredPools, fleet: &Fleet) -> BTreeMap<PoolName, Arc<Decision>> {
    let found = roll.find(fleet.pools.iter(), |it| fleet.runners_of(it).count());
    let policies = roll.policies(&found);
    let managed: Vec<scaling::ScaledPool<'_>> = fleet
        .pools
        .iter()
        .filter_map(|pool| Some(scaling::ScaledPool { pool, policy: policies.get(&pool.id)? }))
        .collect();
    let decisions = forecast(fleet, &managed);
    let of = |(name, it): (&PoolName, &super::managed_pools::ManagedPool)| {
        Some((name.clone(), Arc::clone(decisions.get(&it.id)?)))
    };
    found.managed.iter().filter_map(of).collect()
}
