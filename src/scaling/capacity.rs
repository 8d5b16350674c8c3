//! How many jobs each pool of an entity can take.

use std::time::Duration;

use jiff::Timestamp;

use super::deadline::{EvaluationClock, earlier};
use super::entity_index::EntityIndex;
use super::job_starts::STUCK_AFTER;
use super::pool_index::PoolIndex;
use super::state::PoolState;
use crate::domain::desired::leaves_scaling_to_us;
use crate::domain::name::GroupName;

/// What starts runners in a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScalingMode {
    /// The loop does, or GARM where GARM acts sooner.
    Managed,
    /// Only GARM does, after its backoff: the pool is not ours, not autoscaled, or blocked.
    GarmOnly,
    /// Only an occasional probe does: the circuit is open.
    Suspended,
}

/// The number of jobs that one pool can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JobCapacity {
    pub(super) mode: ScalingMode,
    /// Jobs for runners that are idle or booting.
    pub(super) runners: u32,
    /// Jobs for runners that can still be started.
    pub(super) room: u32,
    /// The index of its group among [`group_places`], which limits the room of several pools
    /// together.
    pub(super) group: Option<u32>,
    /// Jobs created at or before this time have waited long enough beside an idle runner of a pool
    /// that only GARM scales.
    pub(super) vain_by: Option<Timestamp>,
}

/// The capacity of every pool, in routing order. `backoff` is GARM's `minimum_job_age_backoff`.
pub(super) fn capacities(
    index: &EntityIndex,
    state: &[PoolState],
    backoff: Duration,
    clock: &mut EvaluationClock,
) -> Vec<JobCapacity> {
    let mut policies = (index.pools.iter().filter(|pool| pool.is_scaled() && pool.set.is_none()))
        .filter_map(PoolIndex::policy);
    // Where GARM acts before the loop does, all pools are treated alike.
    let is_ours_first = policies.any(|policy| leaves_scaling_to_us(backoff, policy.scale_up_delay));
    let names = group_names(index);
    let capacity = |(pool, state): (&PoolIndex, &PoolState)| {
        let group = group_of(&names, pool);
        if pool.is_scaled() && state.circuit.is_open() {
            return JobCapacity { group, ..suspended(pool, state, clock) };
        }
        let mode = match pool.is_scaled() || !is_ours_first {
            true => ScalingMode::Managed,
            false => ScalingMode::GarmOnly,
        };
        JobCapacity {
            mode,
            runners: pool.counts.supply(),
            room: pool.room_for_jobs(),
            group,
            vain_by: vain_by(pool, mode, clock),
        }
    };
    index.pools.iter().zip(state).map(capacity).collect()
}

/// The places that the entity's pools have in each of their groups and that no runner occupies. Jobs
/// choose among the pools of a group by the order of routing, whichever pool has the places.
pub(super) fn group_places(index: &EntityIndex) -> Vec<u32> {
    let names = group_names(index);
    let mut places = vec![0_u32; names.len()];
    for pool in &index.pools {
        if let Some(group) = group_of(&names, pool) {
            places[group as usize] = places[group as usize].saturating_add(pool.places());
        }
    }
    places
}

fn group_names(index: &EntityIndex) -> Vec<&GroupName> {
    let shares = index.pools.iter().filter(|pool| pool.share.is_some());
    let mut names: Vec<_> = shares.filter_map(|pool| Some(&pool.group()?.name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn group_of(names: &[&GroupName], pool: &PoolIndex) -> Option<u32> {
    let name = &pool.group().filter(|_| pool.share.is_some())?.name;
    names.binary_search(&name).ok().and_then(|at| u32::try_from(at).ok())
}

/// A pool whose circuit is open takes jobs for its idle runners, and one job for its probe. If it is
/// open for lack of quota or capacity, the runners that have got some take jobs, too.
fn suspended(pool: &PoolIndex, state: &PoolState, clock: &mut EvaluationClock) -> JobCapacity {
    let counts_on = match state.circuit.no_capacity_since() {
        Some(since) => pool.coming_despite(since, clock.now()),
        None => 0,
    };
    let is_tried = pool.counts.coming() > counts_on || state.circuit.is_probe_due(clock);
    JobCapacity {
        mode: ScalingMode::Suspended,
        runners: pool.counts.idle + counts_on,
        room: u32::from(is_tried),
        group: None,
        vain_by: None,
    }
}

fn vain_by(pool: &PoolIndex, mode: ScalingMode, clock: &mut EvaluationClock) -> Option<Timestamp> {
    let oldest_idle = pool.counts.oldest_idle.filter(|_| mode == ScalingMode::GarmOnly)?;
    clock.passed(oldest_idle, STUCK_AFTER).then(|| earlier(clock.now(), STUCK_AFTER))
}
