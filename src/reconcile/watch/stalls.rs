//! Reports pools whose level GARM does not follow, with what is known of the cause.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::time::Instant;

use super::machine::ScalingLoop;
use super::observer::Incident;
use super::pool_controller::PoolController;
use crate::domain::name::PoolId;
use crate::render::decision::Stall;

impl ScalingLoop<'_> {
    /// The stall of every such pool.
    pub(super) fn stalls(&self, now: Instant) -> BTreeMap<PoolId, Stall> {
        let stall = |(id, controller): (&PoolId, &PoolController)| {
            Some((id.clone(), self.stall(controller, now)?))
        };
        self.controllers.iter().filter_map(stall).collect()
    }

    fn stall(&self, controller: &PoolController, now: Instant) -> Option<Stall> {
        let lasted = now.saturating_duration_since(
            (controller.stale_cache.stalled_since())
                .or_else(|| controller.rescue.stalled_since())?,
        );
        let pool = self.fleet_index.as_ref()?.pools().get(&controller.target.id)?;
        let entities = self.health.iter().flat_map(|health| &health.entities);
        let credentials = entities
            .filter(|entity| entity.key == controller.entity)
            .map(|entity| entity.credentials.clone())
            .find(|name| !name.is_empty());
        let limits = self.health.as_ref().map(|health| &health.limits);
        Some(Stall {
            since: self.clock?.now(now).checked_sub(lasted).unwrap_or(Timestamp::MIN),
            level: controller.live(),
            counted: controller.decision.inputs.counts.garm_idle,
            runner_group: pool.spec.runner_group.clone(),
            provider: pool.spec.provider.clone(),
            rate_limit: credentials.as_ref().and_then(|name| limits?.get(name).copied()),
            credentials,
        })
    }

    /// Reports where a stall begins and where one ends.
    pub(super) fn tell_stalls(&mut self, stalls: &BTreeMap<PoolId, Stall>) {
        for (id, stall) in stalls {
            let Some(controller) =
                self.controllers.get(id).filter(|_| !self.stalled.contains_key(id))
            else {
                continue;
            };
            let pool = controller.target.name.clone();
            self.stalled.insert(id.clone(), pool.clone());
            let stall = Box::new(stall.clone());
            self.observer.trouble(&Incident::NotFollowed { pool, stall });
        }
        let (controllers, observer) = (&self.controllers, self.observer);
        self.stalled.retain(|id, pool| {
            let goes_on = stalls.contains_key(id);
            // The end of a stall is unknown if the pool is no longer scaled.
            if !goes_on && controllers.contains_key(id) {
                observer.trouble(&Incident::Followed(pool.clone()));
            }
            goes_on
        });
    }
}
