//! What a loop would decide when it first sees a fleet.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::managed_pools::DeclaredPools;
use crate::domain::fleet::Fleet;
use crate::domain::name::PoolName;
use crate::scaling::{Decision, QueuedJob, ScalePolicies, ScaledPool, forecast, queued_jobs};

/// The decision about each pool that a loop over these pools would scale, if it started with this
/// read of GARM. Pools are resolved, jobs assigned and decisions made as in the loop.
pub fn first_decisions(
    declared: &DeclaredPools,
    fleet: &Fleet,
) -> BTreeMap<PoolName, Arc<Decision>> {
    let found = declared.find(fleet.pools.iter(), |id| fleet.runners_of(id).count());
    let policies = declared.policies(&found);
    let decisions = forecast(fleet, &scaled(fleet, &policies));
    let of = |(name, managed): (&PoolName, &super::managed_pools::ManagedPool)| {
        Some((name.clone(), Arc::clone(decisions.get(&managed.id)?)))
    };
    found.managed.iter().filter_map(of).collect()
}

/// Every queued job with its pool, assigned as for [`first_decisions`].
pub fn first_assignments<'a>(declared: &DeclaredPools, fleet: &'a Fleet) -> Vec<QueuedJob<'a>> {
    let found = declared.find(fleet.pools.iter(), |id| fleet.runners_of(id).count());
    queued_jobs(fleet, &scaled(fleet, &declared.policies(&found)))
}

fn scaled<'a>(fleet: &'a Fleet, policies: &'a ScalePolicies) -> Vec<ScaledPool<'a>> {
    let pools = fleet.pools.iter();
    pools.filter_map(|pool| Some(ScaledPool { pool, policy: policies.get(&pool.id)? })).collect()
}
