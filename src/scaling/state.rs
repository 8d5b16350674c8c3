//! What scaling remembers from one look to the next. All of it can be lost: a fresh memory decides
//! the same again after at most the delays of the policy.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::assignment::SharedJobs;
use super::circuit_breaker::CircuitBreaker;
use super::entity_index::EntityIndex;
use super::evaluate::LastEvaluation;
use super::handout::GivenUpJobs;
use super::pool_index::RoutingKey;
use super::pressure::Pressure;
use super::stuck_jobs::StuckJobs;
use crate::domain::entity::EntityKey;
use crate::domain::name::PoolId;

/// The place of a job or a pool that has none.
pub(super) const NO_POOL: u32 = u32::MAX;

/// Everything remembered, by entity.
pub type ScalingState = BTreeMap<EntityKey, EntityState>;

/// What is remembered of one entity.
#[derive(Debug, Clone, Default)]
pub struct EntityState {
    /// The pools that the rest is about, in the routing order of then.
    pub(super) places: Arc<[RoutingKey]>,
    /// Which pool each waiting job was given to: creation, id, place, in the order of the queue.
    pub(super) former: Vec<(Timestamp, i64, u32)>,
    /// The jobs given out here that wait for other entities, too.
    pub(super) held: SharedJobs,
    /// What jobs are stuck beside each pool.
    pub(super) stuck: Vec<StuckJobs>,
    /// What is remembered of each pool for itself.
    pub(super) pools: Vec<PoolState>,
    /// The last turn; absent before the first, and when the pools are others now.
    pub(super) last: Option<LastEvaluation>,
}

/// How an entity has taken a job that waits for several: it counts for one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum JobClaim {
    /// It has neither a runner nor room for it: another entity may take it.
    Forced,
    /// It has a runner or room for it.
    Served,
}

/// What is remembered of one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolState {
    pub(super) pressure: Pressure,
    pub(super) circuit: CircuitBreaker,
    /// When its youngest runner was made, for as long as jobs wait beside idle ones in vain.
    pub(super) newest: Option<Timestamp>,
    /// The jobs that hold one runner together.
    pub(super) given_up: Option<GivenUpJobs>,
}

impl EntityState {
    /// Whether jobs were given out that wait for other entities, too.
    pub(super) fn shares_jobs(&self) -> bool {
        !self.held.is_empty()
    }

    /// Brings the memory into the order in which the site's pools are now. A pool that has come
    /// is remembered as nothing; what was stuck beside a pool is forgotten when what makes it fit
    /// has changed.
    pub(super) fn align(&mut self, site: &EntityIndex) {
        if Arc::ptr_eq(&self.places, &site.places) || self.places == site.places {
            self.places = Arc::clone(&site.places);
            return;
        }
        self.last = None;
        let old: HashMap<&PoolId, usize> =
            self.places.iter().enumerate().map(|(at, it)| (&it.id, at)).collect();
        let was: Vec<Option<usize>> =
            site.places.iter().map(|it| old.get(&it.id).copied()).collect();
        let mut moved = vec![NO_POOL; self.places.len()];
        for (now, was) in (0_u32..).zip(&was) {
            if let Some(was) = was {
                moved[*was] = now;
            }
        }
        let fits_as_before = |now: usize, was: usize| self.places[was] == site.places[now];
        let stuck = was.iter().enumerate().map(|(now, was)| match was {
            Some(was) if fits_as_before(now, *was) => self.stuck[*was],
            Some(_) | None => StuckJobs::default(),
        });
        self.stuck = stuck.collect();
        let pools =
            was.iter().map(|it| it.map_or_else(PoolState::default, |it| self.pools[it].clone()));
        self.pools = pools.collect();
        for job in &mut self.former {
            job.2 = moved[job.2 as usize];
        }
        self.places = Arc::clone(&site.places);
    }
}
