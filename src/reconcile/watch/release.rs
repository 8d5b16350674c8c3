//! Lowers the levels of pools that the loop no longer scales.

use tokio::time::Instant;

use super::input::PoolWrite;
use super::level_release::{LevelRelease, WAIT};
use super::machine::{LoopPhase, ScalingLoop};
use super::observer::WriteAction;
use super::pool_controller::{PoolController, WriteGate};
use crate::domain::label::OwnerMark;
use crate::domain::name::{PoolId, PoolName};
use crate::domain::pool::Pool;
use crate::reconcile::writer::PoolRef;
use crate::scaling::Freeze;

impl ScalingLoop<'_> {
    /// The level that GARM has in force, as far as is known.
    fn level_of(&self, id: &PoolId) -> Option<u32> {
        self.fleet_index.as_ref()?.pools().get(id).map(|pool| pool.spec.min_idle_runners)
    }

    /// Releases the pools that are no longer scaled. The file of a pool may still define its level.
    pub(super) fn let_go_unless(
        &mut self,
        is_scaled: impl Fn(&PoolId, &PoolController) -> bool,
        now: Instant,
    ) {
        let gone = self.controllers.iter().filter(|(id, controller)| !is_scaled(id, controller));
        let gone: Vec<PoolId> = gone.map(|entry| entry.0.clone()).collect();
        for id in gone {
            let Some(controller) = self.controllers.remove(&id) else { continue };
            let declared = self.declared.pools.get(&controller.target.name);
            let floor = match declared.map(|pool| &pool.policy) {
                Some(policy) => policy.min_runners.max(policy.min_idle_runners),
                None => controller.decision.rules.floor,
            };
            self.release(controller, floor, now);
        }
    }

    fn release(&mut self, controller: PoolController, floor: u32, now: Instant) {
        let is_writing = controller.is_writing();
        let is_raised = self.level_of(&controller.target.id).is_some_and(|level| level > floor);
        if self.is_writing() && (is_raised || is_writing) {
            let PoolController { target, entity, .. } = controller;
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

    /// `--release`: releases every pool that bears this fleet's label and is not scaled by the
    /// loop. An undeclared pool needs no level, provided that the files describe the whole fleet.
    pub(super) fn release_all(&mut self, now: Instant) {
        let Some(fleet_index) = self.fleet_index.as_ref().filter(|_| self.is_writing()) else {
            return;
        };
        let floor =
            |name: &PoolName, is_owned: bool, pool: &Pool| match self.declared.pools.get(name) {
                Some(declared) if is_owned => {
                    let is_scaled =
                        declared.enabled && declared.policy.autoscale && pool.spec.enabled;
                    let plain = declared.policy.min_runners.max(declared.policy.min_idle_runners);
                    Some(plain).filter(|_| !is_scaled)
                }
                Some(_) => Some(0),
                None => Some(0).filter(|_| self.declared.is_whole),
            };
        let found = fleet_index.pools().values().filter_map(|pool| {
            let (name, is_owned) = owner(pool, self.declared.fleet.as_str())?;
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
        self.releases = found.map(|release| (release.target.id.clone(), release)).collect();
    }

    /// Forgets the pools whose level has been lowered, by any process, and those that are gone.
    pub(super) fn forget_releases(&mut self) {
        let done: Vec<PoolId> = (self.releases.iter())
            .filter(|(id, release)| {
                !release.is_writing && self.level_of(id).is_none_or(|at| at <= release.floor)
            })
            .map(|entry| entry.0.clone())
            .collect();
        for id in done {
            self.releases.remove(&id);
        }
    }

    /// The levels that are to be lowered, and when each may be.
    pub(super) fn due_releases(&self) -> impl Iterator<Item = (&PoolId, Instant)> {
        let is_stopping = matches!(self.phase, LoopPhase::Stopping(_));
        let writes = self.aim().is_some();
        let gate = move |release: &LevelRelease| match &self.freeze.all {
            _ if is_stopping => WriteGate::Open,
            _ if self.freeze.stopped.contains_key(&release.entity) => WriteGate::Shut,
            None | Some(Freeze::Unproven(_)) => WriteGate::Open,
            Some(_) => WriteGate::Shut,
        };
        self.releases
            .iter()
            .filter(move |(id, release)| {
                let is_raised = self.level_of(id).is_some_and(|at| at > release.floor);
                writes && is_raised && !release.is_writing && gate(release) == WriteGate::Open
            })
            .map(move |(id, release)| (id, release.not_before))
    }

    /// Prepares the write that lowers a level.
    pub(super) fn begin_release(&mut self, id: &PoolId) -> Option<PoolWrite> {
        let from = self.level_of(id)?;
        let release = self.releases.get_mut(id)?;
        release.is_writing = true;
        Some(PoolWrite {
            target: release.target.clone(),
            action: WriteAction::level(from, release.floor),
            is_scaled: false,
            reason: None,
        })
    }

    /// Pools that are no longer scaled and whose level is still to be lowered.
    pub(super) fn unreleased(&self) -> impl Iterator<Item = &PoolName> {
        let raised = self.releases.iter().filter(|(id, release)| {
            release.is_writing || self.level_of(id).is_some_and(|at| at > release.floor)
        });
        raised.map(|entry| &entry.1.target.name)
    }
}

/// The name under which a pool belongs to the fleet, and whether it is in force.
fn owner(pool: &Pool, fleet: &str) -> Option<(PoolName, bool)> {
    match pool.marks().as_slice() {
        [mark] if mark.fleet() == fleet => {
            let is_owned = matches!(mark, OwnerMark::Owned { .. });
            PoolName::new(mark.pool()).ok().map(|name| (name, is_owned))
        }
        _ => None,
    }
}
