//! What a decision about one pool is made from.

use std::time::Duration;

use jiff::Timestamp;

use super::decision::Decision;
use super::entity_index::EntityIndex;
use super::pool_index::PoolIndex;
use super::routing::Routing;
use super::runner_state::RunnerState;
use crate::domain::desired::ScalePolicy;

/// One scaled pool of an entity, after the jobs were assigned.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    pub(super) index: &'a EntityIndex,
    pub(super) routing: &'a Routing,
    pub(super) place: usize,
    pub(super) pool: &'a PoolIndex,
    pub(super) policy: &'a ScalePolicy,
    pub(super) backoff: Duration,
}

impl<'a> Observation<'a> {
    /// The pool at this index of the routing order, if the loop scales it. `backoff` is GARM's
    /// `minimum_job_age_backoff`.
    pub fn new(
        index: &'a EntityIndex,
        routing: &'a Routing,
        place: usize,
        backoff: Duration,
    ) -> Option<Self> {
        let pool = index.pools.get(place).filter(|pool| pool.is_scaled())?;
        let policy = pool.policy.as_ref()?;
        Some(Self { index, routing, place, pool, policy, backoff })
    }

    /// Whether everything except the jobs is as it was for this decision.
    pub(super) fn is_as_in(&self, decision: &Decision) -> bool {
        let inputs = &decision.inputs;
        inputs.counts == self.pool.counts
            && inputs.garm_max == self.pool.garm_max
            && inputs.share == self.pool.share
            && inputs.garm_level == self.pool.garm_level
            && decision.scale_set.map(|set| (set.assigned, set.written_at))
                == self.pool.set.as_ref().map(|set| (set.assigned, set.written_at))
            && inputs.backoff == self.backoff
            && inputs.policy == *self.policy
    }

    /// The idle runners, ordered by name. GARM may link a job to a runner shortly before it marks
    /// the runner active; such a runner is left out.
    pub(super) fn idle_without_job(&self, now: Timestamp) -> Vec<&'a RunnerState> {
        let idle = self.pool.idle_runners(now).map(|(runner, _)| runner);
        idle.filter(|runner| runner.job.is_none()).collect()
    }
}

/// Converts a count; memory never holds 2^32 of anything counted here.
pub(super) fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
