//! What a loop would decide when it first sees a fleet.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::managed_pools::DeclaredPools;
use crate::domain::fleet::Fleet;
use crate::domain::name::PoolName;
use crate::scaling::{self, Decision, forecast};

/// The decision about each pool that a loop over these pools would scale, if it started with this
/// read of GARM. Pools are resolved, jobs assigned and decisions made as in the loop.
pub fn first_decisions(
    declared: &DeclaredPools,
    fleet: &Fleet,
) -> BTreeMap<PoolName, Arc<Decision>> {
    let found = declared.find(fleet.pools.iter(), |id| fleet.runners_of(id).count());
    let policies = declared.policies(&found);
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
