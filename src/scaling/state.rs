//! What scaling remembers between evaluations. All of it may be lost: with empty state the same
//! decisions follow after at most the delays of the policy.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::circuit_breaker::CircuitBreaker;
use super::decision::Decision;
use super::entity_index::EntityIndex;
use super::handout::{GivenUpJobs, ProbeHistory};
use super::pool_index::RoutingKey;
use super::pressure::Pressure;
use super::routing::{JobExceptions, Routing};
use super::scale_set::PulseHistory;
use super::stuck_jobs::StuckJobs;
use crate::domain::entity::EntityKey;
use crate::domain::name::PoolId;

/// The index that stands for no pool.
pub(super) const NO_POOL: u32 = u32::MAX;

/// The remembered state of all entities.
pub type ScalingState = BTreeMap<EntityKey, EntityState>;

/// The remembered state of one entity.
#[derive(Debug, Clone, Default)]
pub struct EntityState {
    /// The pools to which the indices refer, in the routing order of that time.
    pub(super) places: Arc<[RoutingKey]>,
    /// The pool that each waiting job was assigned to: creation time, id and pool index, in queue
    /// order.
    pub(super) former: Vec<(Timestamp, i64, u32)>,
    /// The jobs assigned here that also wait in other entities.
    pub(super) shared_jobs: SharedJobs,
    /// The jobs that are stuck for each pool.
    pub(super) stuck: Vec<StuckJobs>,
    /// The state of each pool by itself.
    pub(super) pools: Vec<PoolState>,
    /// The last evaluation; absent before the first one and after a change of pools.
    pub(super) last: Option<LastEvaluation>,
}

/// The last evaluation of an entity.
#[derive(Debug, Clone, Default)]
pub(super) struct LastEvaluation {
    /// The full read to which all pool indices refer.
    pub(super) reading: Arc<()>,
    pub(super) routing: Routing,
    /// The version of each pool's runners.
    pub(super) versions: Vec<u64>,
    /// By pool index; absent for a pool that the loop does not scale.
    pub(super) decisions: Vec<Option<Arc<Decision>>>,
}

/// Jobs that name several entities, with the claim of the entity that took them.
pub(super) type SharedJobs = HashMap<i64, (JobClaim, Arc<[EntityKey]>)>;

/// How an entity claims a job that waits in several entities. It counts for one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum JobClaim {
    /// It has neither a runner nor room for the job: another entity may take it.
    Forced,
    /// It has a runner or room for the job.
    Served,
}

/// The remembered state of one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolState {
    pub(super) pressure: Pressure,
    pub(super) circuit: CircuitBreaker,
    /// Present as long as jobs wait beside idle runners in vain.
    pub(super) probes: Option<ProbeHistory>,
    /// The given-up jobs, which together keep one runner.
    pub(super) given_up: Option<GivenUpJobs>,
    /// For which jobs of a scale set that are not assigned a runner was started.
    pub(super) pulses: PulseHistory,
}

impl EntityState {
    /// Whether any assigned job also waits in other entities.
    pub(super) fn has_shared_jobs(&self) -> bool {
        !self.shared_jobs.is_empty()
    }

    /// Reorders the state to match the present pools of the entity. A new pool starts with empty
    /// state. The stuck jobs of a pool are forgotten if its routing key has changed.
    pub(super) fn align(&mut self, index: &EntityIndex) {
        if Arc::ptr_eq(&self.places, &index.places) || self.places == index.places {
            self.places = Arc::clone(&index.places);
            return;
        }
        self.last = None;
        let old: HashMap<&PoolId, usize> =
            self.places.iter().enumerate().map(|(at, pool)| (&pool.id, at)).collect();
        let was: Vec<Option<usize>> =
            index.places.iter().map(|place| old.get(&place.id).copied()).collect();
        let mut moved = vec![NO_POOL; self.places.len()];
        for (now, was) in (0_u32..).zip(&was) {
            if let Some(was) = was {
                moved[*was] = now;
            }
        }
        let fits_as_before = |now: usize, was: usize| self.places[was] == index.places[now];
        let stuck = was.iter().enumerate().map(|(now, was)| match was {
            Some(was) if fits_as_before(now, *was) => self.stuck[*was],
            Some(_) | None => StuckJobs::default(),
        });
        self.stuck = stuck.collect();
        let pools = was
            .iter()
            .map(|place| place.map_or_else(PoolState::default, |place| self.pools[place].clone()));
        self.pools = pools.collect();
        for job in &mut self.former {
            job.2 = moved[job.2 as usize];
        }
        self.places = Arc::clone(&index.places);
    }
}

impl EntityState {
    /// For each pool of the entity, whether or not it is ours: the creation times of the jobs that
    /// wait for it, oldest first, and the jobs that are reported separately.
    pub fn waiting(&self) -> impl Iterator<Item = (&PoolId, &[Timestamp], JobExceptions)> {
        let routings = self.last.iter().map(|last| &last.routing);
        routings.flat_map(|routing| {
            let places = self.places.iter().enumerate();
            places.map(|(at, place)| (&place.id, routing.jobs(at), routing.exceptions(at)))
        })
    }

    /// The current decision for each scaled pool, in routing order.
    pub fn decisions(&self) -> impl Iterator<Item = &Arc<Decision>> {
        self.last.iter().flat_map(|last| &last.decisions).flatten()
    }
}
