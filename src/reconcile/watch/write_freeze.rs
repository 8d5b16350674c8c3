//! Decides when nothing may be written, so that the loop never acts on guesses.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::command::HoldReason;
use super::observer::{Incident, Observer};
use super::resync_schedule::ResyncSchedule;
use crate::domain::entity::{Entity, EntityKey, PoolManager};
use crate::scaling::Freeze;

#[derive(Debug, Default)]
pub(super) struct WriteFreeze {
    /// The freeze of all pools.
    pub(super) all: Option<Freeze>,
    /// The freezes of single entities.
    pub(super) stopped: BTreeMap<EntityKey, Freeze>,
    /// Why writing is held, in ascending order of importance.
    pub(super) held: BTreeMap<HoldReason, String>,
}

impl WriteFreeze {
    /// The state before the first read.
    pub(super) fn new() -> Self {
        Self { all: Some(Freeze::Unread), stopped: BTreeMap::new(), held: BTreeMap::new() }
    }

    /// Updates the freeze from the result of the reads; returns whether it has changed.
    pub(super) fn judge(
        &mut self,
        schedule: &ResyncSchedule,
        (now, observer): (Instant, &dyn Observer),
    ) -> bool {
        // The hold that forbids every write takes precedence.
        let held = || {
            self.held.last_key_value().map(|(hold, why)| match hold {
                HoldReason::Standby => Freeze::Standby(why.clone()),
                HoldReason::Unproven => Freeze::Unproven(why.clone()),
                HoldReason::Unrecorded => Freeze::Unrecorded(why.clone()),
            })
        };
        let why = why(schedule, now).or_else(held);
        let is_news = kind(why.as_ref()) != kind(self.all.as_ref());
        match (&why, &self.all) {
            // A loop that has just started need not report that nothing was read yet.
            (Some(Freeze::Unread), _) => {}
            // Who leads is reported by the service, and being a standby is no trouble.
            (Some(Freeze::Standby(_)), _) | (None, Some(Freeze::Standby(_))) => {}
            (Some(why), _) if is_news => {
                observer.trouble(&Incident::Frozen { entity: None, why: why.clone() });
            }
            (None, Some(before)) if *before != Freeze::Unread => {
                let still = self.stopped.keys().cloned().collect();
                let was = before.clone();
                observer.trouble(&Incident::Thawed { entity: None, was, still });
            }
            (Some(_) | None, _) => {}
        }
        self.all = why;
        is_news
    }

    /// Whether another process leads, as far as is known.
    pub(super) fn is_standby(&self) -> bool {
        self.held.contains_key(&HoldReason::Standby)
    }

    /// Why nothing is written to the pools of this entity, if nothing is.
    pub(super) fn of(&self, entity: &EntityKey) -> Option<&Freeze> {
        self.all.as_ref().or_else(|| self.stopped.get(entity))
    }

    /// When the freeze begins through age alone.
    pub(super) fn stale_at(schedule: &ResyncSchedule) -> Option<Instant> {
        schedule.succeeded().map(|at| at + schedule.stale_after())
    }

    /// Updates the freezes of entities from the state of GARM's workers.
    pub(super) fn hear(&mut self, entities: &[Entity], observer: &dyn Observer) {
        let before = std::mem::take(&mut self.stopped);
        for entity in entities {
            if let PoolManager::Stopped { reason } = &entity.manager {
                let why = Freeze::ManagerStopped(reason.clone());
                self.stopped.insert(entity.key.clone(), why);
            }
        }
        for (entity, why) in &self.stopped {
            if !before.contains_key(entity) {
                let entity = Some(entity.clone());
                observer.trouble(&Incident::Frozen { entity, why: why.clone() });
            }
        }
        for (entity, was) in before.into_iter().filter(|entry| !self.stopped.contains_key(&entry.0))
        {
            let (entity, still) = (Some(entity), Vec::new());
            observer.trouble(&Incident::Thawed { entity, was, still });
        }
    }
}

fn why(schedule: &ResyncSchedule, now: Instant) -> Option<Freeze> {
    let Some(succeeded) = schedule.succeeded() else { return Some(Freeze::Unread) };
    // A GARM that refuses to be read also refuses to be written to.
    if let Some(fault) = schedule.fault() {
        return Some(if fault.may_pass() { Freeze::Unreachable } else { Freeze::Refused });
    }
    let age = now.saturating_duration_since(succeeded);
    (age >= schedule.stale_after()).then_some(Freeze::Stale(age))
}

/// One number for each kind: a growing age is not reported again.
fn kind(freeze: Option<&Freeze>) -> u8 {
    match freeze {
        None => 0,
        Some(Freeze::Unread) => 1,
        Some(Freeze::Unreachable) => 2,
        Some(Freeze::Stale(_)) => 3,
        Some(Freeze::ManagerStopped(_)) => 4,
        Some(Freeze::Unproven(_)) => 5,
        Some(Freeze::Refused) => 6,
        Some(Freeze::Unrecorded(_)) => 7,
        Some(Freeze::Standby(_)) => 8,
    }
}
