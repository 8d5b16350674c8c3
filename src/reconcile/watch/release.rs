//! Levels of pools that the loop does not scale any more: what it has raised it lowers.

use std::time::Duration;

use tokio::time::Instant;

use super::input::{PoolWrite, What};
use super::machine::{LoopPhase, ScalingLoop};
use super::pool_controller::{PoolController, WriteGate};
use crate::domain::backoff::Backoff;
use crate::domain::entity::EntityKey;
use crate::domain::label::OwnerMark;
use crate::domain::name::{PoolId, PoolName};
use crate::domain::pool::Pool;
use crate::reconcile::writer::PoolRef;
use crate::scaling::Freeze;

/// Before the first write: a pool that a replace retires is switched off by `apply` in this time.
const WAIT: Duration = Duration::from_secs(2);

/// Between two tries of a write that fails, from and to.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// A level that is to be lowered.
#[derive(Debug, Clone)]
pub(super) struct LevelRelease {
    pub(super) target: PoolRef,
    entity: EntityKey,
    /// To this, if it is above.
    pub(super) floor: u32,
    not_before: Instant,
    failures: u32,
    /// A write is under way, the pool's last as one that was scaled included.
    is_writing: bool,
}

impl LevelRelease {
    /// There is no time to wait.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.not_before = now;
    }

    /// A write has ended well.
    pub(super) fn written(&mut self, now: Instant) {
        self.is_writing = false;
        self.not_before = now + RETRY.0;
        self.failures = 0;
    }

    /// A write has failed; the next one waits.
    pub(super) fn write_failed(&mut self, now: Instant) {
        self.is_writing = false;
        self.not_before = now + Backoff::new(RETRY.0, RETRY.1).delay(self.failures);
        self.failures += 1;
    }
}

impl ScalingLoop<'_> {
    /// The level that GARM has, as far as is known.
    fn level_of(&self, id: &PoolId) -> Option<u32> {
        self.picture.as_ref()?.pools().get(id).map(|it| it.spec.min_idle_runners)
    }

    /// A pool is not scaled any more. Its file may still say what its level is to be.
    pub(super) fn let_go_unless(
        &mut self,
        is_scaled: impl Fn(&PoolId, &PoolController) -> bool,
        now: Instant,
    ) {
        let gone = self.hands.iter().filter(|(id, hand)| !is_scaled(id, hand));
        let gone: Vec<PoolId> = gone.map(|it| it.0.clone()).collect();
        for id in gone {
            let Some(hand) = self.hands.remove(&id) else { continue };
            let declared = self.roll.pools.get(&hand.target.name);
            let floor = match declared.map(|it| &it.policy) {
                Some(policy) => policy.min_runners.max(policy.min_idle_runners),
                None => hand.decision.rules.floor,
            };
            self.release(hand, floor, now);
        }
    }

    fn release(&mut self, hand: PoolController, floor: u32, now: Instant) {
        let is_writing = hand.is_writing();
        let is_raised = self.level_of(&hand.target.id).is_some_and(|it| it > floor);
        if self.is_writing() && (is_raised || is_writing) {
            let PoolController { target, entity, .. } = hand;
            let release = LevelRelease {
                entity,
                floor,
                not_before: now + WAIT,
                failures: 0,
                is_writing,
                target: target.clone(),
            };
            self.releases.insert(target.id, release);
        }
    }

    /// `--release`: every pool that bears this fleet's label and is not scaled by the loop. One that
    /// the files do not declare has nothing to keep a level for, if they speak for the whole fleet.
    pub(super) fn release_all(&mut self, now: Instant) {
        let Some(picture) = self.picture.as_ref().filter(|_| self.is_writing()) else { return };
        let floor = |name: &PoolName, is_owned: bool, pool: &Pool| match self.roll.pools.get(name) {
            Some(it) if is_owned => {
                let is_scaled = it.enabled && it.policy.autoscale && pool.spec.enabled;
                let plain = it.policy.min_runners.max(it.policy.min_idle_runners);
                Some(plain).filter(|_| !is_scaled)
            }
            Some(_) => Some(0),
            None => Some(0).filter(|_| self.roll.is_whole),
        };
        let found = picture.pools().values().filter_map(|pool| {
            let (name, is_owned) = owner(pool, self.roll.fleet.as_str())?;
            let floor = floor(&name, is_owned, pool)?;
            (pool.spec.min_idle_runners > floor).then(|| LevelRelease {
                target: PoolRef { name, id: pool.id.clone() },
                entity: pool.entity.clone(),
                floor,
                not_before: now,
                failures: 0,
                is_writing: false,
            })
        });
        self.releases = found.map(|it| (it.target.id.clone(), it)).collect();
    }

    /// What has been lowered, by whomever, or is gone needs nothing more.
    pub(super) fn forget_releases(&mut self) {
        let done: Vec<PoolId> = (self.releases.iter())
            .filter(|(id, it)| !it.is_writing && self.level_of(id).is_none_or(|at| at <= it.floor))
            .map(|it| it.0.clone())
            .collect();
        for id in done {
            self.releases.remove(&id);
        }
    }

    /// The levels that are to be lowered, and when each may be.
    pub(super) fn due_releases(&self) -> impl Iterator<Item = (&PoolId, Instant)> {
        let is_stopping = matches!(self.phase, LoopPhase::Stopping(_));
        let writes = self.aim().is_some();
        let gate = move |it: &LevelRelease| match &self.ice.all {
            _ if is_stopping => WriteGate::Open,
            _ if self.ice.stopped.contains_key(&it.entity) => WriteGate::Shut,
            None | Some(Freeze::Unproven(_)) => WriteGate::Open,
            Some(_) => WriteGate::Shut,
        };
        self.releases
            .iter()
            .filter(move |(id, it)| {
                let is_raised = self.level_of(id).is_some_and(|at| at > it.floor);
                writes && is_raised && !it.is_writing && gate(it) == WriteGate::Open
            })
            .map(move |(id, it)| (id, it.not_before))
    }

    /// One write, ready to be sent.
    pub(super) fn begin_release(&mut self, id: &PoolId) -> Option<PoolWrite> {
        let from = self.level_of(id)?;
        let release = self.releases.get_mut(id)?;
        release.is_writing = true;
        let what = What::Release { from, to: release.floor };
        Some(PoolWrite { target: release.target.clone(), what, reason: None })
    }

    /// Pools that are not scaled any more and whose level is still to be lowered.
    pub(super) fn unreleased(&self) -> impl Iterator<Item = &PoolName> {
        let raised = self
            .releases
            .iter()
            .filter(|(id, it)| it.is_writing || self.level_of(id).is_some_and(|at| at > it.floor));
        raised.map(|it| &it.1.target.name)
    }
}

/// The name of the fleet under which a pool is ours, and whether it is in force.
fn owner(pool: &Pool, fleet: &str) -> Option<(PoolName, bool)> {
    match pool.spec.labels.marks().as_slice() {
        [mark] if mark.fleet() == fleet => {
            let is_owned = matches!(mark, OwnerMark::Owned { .. });
            PoolName::new(mark.pool()).ok().map(|name| (name, is_owned))
        }
        _ => None,
    }
}
