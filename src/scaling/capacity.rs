//! How many jobs each pool of an entity can take.

use std::time::Duration;

use jiff::Timestamp;

use super::deadline::{EvaluationClock, earlier};
use super::entity_index::EntityIndex;
use super::job_starts::STUCK_AFTER;
use super::pool_index::PoolIndex;
use super::state::PoolState;
use crate::domain::desired::leaves_scaling_to_us;

/// What starts runners in a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScalingMode {
    /// The loop does, or GARM where GARM acts sooner.
    Managed,
    /// Only GARM does, after its backoff: the pool is not ours, not autoscaled, or blocked.
    GarmOnly,
    /// Only an occasional probe does: the circuit is open because runners keep failing.
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
    let capacity = |(pool, state): (&PoolIndex, &PoolState)| {
        if pool.is_scaled() && state.circuit.is_open() {
            return suspended(pool, state, clock);
        }
        let mode = match pool.is_scaled() || !is_ours_first {
            true => ScalingMode::Managed,
            false => ScalingMode::GarmOnly,
        };
        JobCapacity {
            mode,
            runners: pool.counts.supply(),
            room: pool.room(),
            vain_by: vain_by(pool, mode, clock),
        }
    };
    index.pools.iter().zip(state).map(capacity).collect()
}

/// A pool whose circuit is open takes jobs for its idle runners, and one job for its probe.
fn suspended(pool: &PoolIndex, state: &PoolState, clock: &mut EvaluationClock) -> JobCapacity {
    let is_tried = pool.counts.coming() > 0 || state.circuit.is_probe_due(clock);
    JobCapacity {
        mode: ScalingMode::Suspended,
        runners: pool.counts.idle,
        room: u32::from(is_tried),
        vain_by: None,
    }
}

fn vain_by(pool: &PoolIndex, mode: ScalingMode, clock: &mut EvaluationClock) -> Option<Timestamp> {
    let oldest_idle = pool.counts.oldest_idle.filter(|_| mode == ScalingMode::GarmOnly)?;
    clock.passed(oldest_idle, STUCK_AFTER).then(|| earlier(clock.now(), STUCK_AFTER))
}
