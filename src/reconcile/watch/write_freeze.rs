//! Why nothing is written: never act on a guess.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::command::HoldReason;
use super::observer::{Incident, Observer};
use super::resync_schedule::ResyncSchedule;
use crate::domain::entity::{Entity, EntityKey, PoolManager};
use crate::scaling::Freeze;

/// What is frozen.
#[derive(Debug, Default)]
pub(super) struct WriteFreeze {
    /// All of it.
    pub(super) all: Option<Freeze>,
    /// The pools of an entity.
    pub(super) stopped: BTreeMap<EntityKey, Freeze>,
    /// Why writing is held, in the order in which it matters.
    pub(super) held: BTreeMap<HoldReason, String>,
}

/// Whether something has frozen or thawed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    Changed,
    Same,
}

impl WriteFreeze {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        Self { all: Some(Freeze::Unread), stopped: BTreeMap::new(), held: BTreeMap::new() }
    }

    /// Judges the reads so far.
    pub(super) fn judge(
        &mut self,
        reads: &ResyncSchedule,
        resync: Duration,
        (now, audience): (Instant, &dyn Observer),
    ) -> Weather {
        // Where nothing may be written at all, that is what is to be known.
        let held = || {
            self.held.last_key_value().map(|(hold, why)| match hold {
                HoldReason::Unproven => Freeze::Unproven(why.clone()),
                HoldReason::Unrecorded => Freeze::Unrecorded(why.clone()),
            })
        };
        let why = why(reads, resync, now).or_else(held);
        let is_news = kind(why.as_ref()) != kind(self.all.as_ref());
        match (&why, &self.all) {
            // That nothing has been read at the start needs no word.
            (Some(Freeze::Unread), _) => {}
            (Some(why), _) if is_news => {
                audience.trouble(&Incident::Frozen { entity: None, why: why.clone() });
            }
            (None, Some(before)) if *before != Freeze::Unread => {
                let still = self.stopped.keys().cloned().collect();
                let was = before.clone();
                audience.trouble(&Incident::Thawed { entity: None, was, still });
            }
            (Some(_) | None, _) => {}
        }
        self.all = why;
        if is_news { Weather::Changed } else { Weather::Same }
    }

    /// Why nothing is written to the pools of this entity, if that is so.
    pub(super) fn of(&self, entity: &EntityKey) -> Option<&Freeze> {
        self.all.as_ref().or_else(|| self.stopped.get(entity))
    }

    /// When time alone freezes everything.
    pub(super) fn stale_at(reads: &ResyncSchedule, resync: Duration) -> Option<Instant> {
        reads.succeeded().map(|it| it + resync * 2)
    }

    /// Judges what GARM says of its workers.
    pub(super) fn hear(&mut self, entities: &[Entity], audience: &dyn Observer) {
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
                audience.trouble(&Incident::Frozen { entity, why: why.clone() });
            }
        }
        for (entity, was) in before.into_iter().filter(|it| !self.stopped.contains_key(&it.0)) {
            let (entity, still) = (Some(entity), Vec::new());
            audience.trouble(&Incident::Thawed { entity, was, still });
        }
    }
}

fn why(reads: &ResyncSchedule, resync: Duration, now: Instant) -> Option<Freeze> {
    let Some(succeeded) = reads.succeeded() else { return Some(Freeze::Unread) };
    // A GARM that refuses to be read refuses to be written to as well.
    if let Some(fault) = reads.fault() {
        return Some(if fault.may_pass() { Freeze::Unreachable } else { Freeze::Refused });
    }
    let age = now.saturating_duration_since(succeeded);
    (age >= resync * 2).then_some(Freeze::Stale(age))
}

/// One number for each kind: an age that grows is no news.
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
    }
}
