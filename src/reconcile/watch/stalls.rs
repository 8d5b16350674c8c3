//! Pools whose level GARM does not follow: what is known of each, and when it is told.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::time::Instant;

use super::machine::ScalingLoop;
use super::observer::Incident;
use super::pool_controller::PoolController;
use crate::domain::name::PoolId;
use crate::render::decision::Stall;

impl ScalingLoop<'_> {
    /// What is known of every such pool.
    pub(super) fn stalls(&self, now: Instant) -> BTreeMap<PoolId, Stall> {
        let stall =
            |(id, hand): (&PoolId, &PoolController)| Some((id.clone(), self.stall(hand, now)?));
        self.hands.iter().filter_map(stall).collect()
    }

    fn stall(&self, hand: &PoolController, now: Instant) -> Option<Stall> {
        let lasted = now.saturating_duration_since(hand.healing.stalled_since()?);
        let pool = self.picture.as_ref()?.pools().get(&hand.target.id)?;
        let entities = self.health.iter().flat_map(|it| &it.entities);
        let credentials = entities
            .filter(|it| it.key == hand.entity)
            .map(|it| it.credentials.clone())
            .find(|it| !it.is_empty());
        let limits = self.health.as_ref().map(|it| &it.limits);
        Some(Stall {
            since: self.clock?.now(now).checked_sub(lasted).unwrap_or(Timestamp::MIN),
            level: hand.live(),
            counted: hand.decision.inputs.census.garm_idle,
            runner_group: pool.spec.runner_group.clone(),
            provider: pool.spec.provider.clone(),
            rate_limit: credentials.as_ref().and_then(|it| limits?.get(it).copied()),
            credentials,
        })
    }

    /// Tells where that begins, and where it is over.
    pub(super) fn tell_stalls(&mut self, stalls: &BTreeMap<PoolId, Stall>) {
        for (id, stall) in stalls {
            let Some(hand) = self.hands.get(id).filter(|_| !self.stalled.contains_key(id)) else {
                continue;
            };
            let pool = hand.target.name.clone();
            self.stalled.insert(id.clone(), pool.clone());
            let stall = Box::new(stall.clone());
            self.audience.trouble(&Incident::NotFollowed { pool, stall });
        }
        let (hands, audience) = (&self.hands, self.audience);
        self.stalled.retain(|id, pool| {
            let goes_on = stalls.contains_key(id);
            // Nobody knows what would have become of a pool that is not steered any more.
            if !goes_on && hands.contains_key(id) {
                audience.trouble(&Incident::Followed(pool.clone()));
            }
            goes_on
        });
    }
}
