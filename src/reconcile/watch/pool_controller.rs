//! One pool in hand: what is to be written to it next, and when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::input::What;
use super::level_lease::{LevelLease, Raised};
use super::scale_down::{Answer, QueueAdmission, RemovalReason, ScaleDownQueue};
use super::stale_cache::{StaleCacheDetector, StaleCacheSign};
use crate::domain::backoff::Backoff;
use crate::domain::entity::EntityKey;
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::runner::Runner;
use crate::reconcile::writer::{PoolRef, WRITE_GAP};
use crate::scaling::{Decision, FleetIndex};

/// Between two tries of a write that fails, from and to.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A pool that is scaled.
#[derive(Debug, Clone)]
pub(super) struct PoolController {
    pub(super) target: PoolRef,
    pub(super) entity: EntityKey,
    /// In force.
    pub(super) decision: Arc<Decision>,
    pub(super) leash: LevelLease,
    pub(super) healing: StaleCacheDetector,
    pub(super) exits: ScaleDownQueue,
    /// A write is under way.
    is_writing: bool,
    /// When the last PUT ended.
    put_at: Option<Instant>,
    failures: u32,
    /// No write before this: the last one failed.
    not_before: Option<Instant>,
    /// The last write of the level may be in force, or not.
    is_in_doubt: bool,
    /// What `--once` may raise the level to: the first decision, until that is written.
    once: OnceProgress,
}

/// How far the one decision of `--once` has been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnceProgress {
    /// Its level is to be written.
    First(u32),
    /// It was.
    Over,
}

/// What the level is steered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LevelTarget {
    /// What is decided.
    Decided,
    /// What is decided first; after that, only what is lower (`--once`).
    Once,
    /// No pulse; what is held stays held.
    Rest,
    /// The floor (`--release`).
    Floor,
}

/// Whether the pool may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteGate {
    /// It may.
    Open,
    /// Only a pulse that nobody has seen the end of may be ended.
    Slack,
    /// It may not.
    Shut,
}

/// What is to be written, and when at the earliest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    Level { from: u32, to: u32 },
    Resend { level: u32, sign: StaleCacheSign },
    Exit(RunnerName, RemovalReason),
}

impl PoolController {
    pub(super) fn new(target: PoolRef, entity: EntityKey, decision: Arc<Decision>) -> Self {
        let once = OnceProgress::First(decision.level);
        Self {
            target,
            entity,
            decision,
            leash: LevelLease::default(),
            healing: StaleCacheDetector::default(),
            exits: ScaleDownQueue::default(),
            is_writing: false,
            put_at: None,
            failures: 0,
            not_before: None,
            is_in_doubt: false,
            once,
        }
    }

    /// The level that GARM has in force, as far as is known.
    pub(super) fn live(&self) -> u32 {
        self.decision.inputs.garm_level
    }

    /// A new decision.
    pub(super) fn follow(
        &mut self,
        decision: Arc<Decision>,
        admission: QueueAdmission,
        now: Instant,
    ) {
        self.exits.follow(&decision, admission, now);
        self.healing.look(&decision, now);
        let is_raised = decision.inputs.garm_level > decision.resting_level;
        self.decision = decision;
        self.leash.hold(if is_raised { Raised::Yes } else { Raised::No }, now);
    }

    /// What the level is to be.
    pub(super) fn wanted(&self, aim: LevelTarget) -> u32 {
        let decision = &self.decision;
        let at_most = |level: u32| level.min(self.live());
        match aim {
            LevelTarget::Decided | LevelTarget::Once if self.leash.is_slack() => {
                at_most(decision.resting_level)
            }
            LevelTarget::Decided => decision.level,
            LevelTarget::Once => match self.once {
                OnceProgress::First(level) => decision.level.min(level),
                OnceProgress::Over => at_most(decision.level),
            },
            LevelTarget::Rest => at_most(decision.resting_level),
            LevelTarget::Floor => at_most(decision.rules.floor),
        }
    }

    /// What is to be written next, and when.
    pub(super) fn next(
        &self,
        aim: LevelTarget,
        gate: WriteGate,
        now: Instant,
    ) -> Option<(Instant, Next)> {
        let is_barred = match gate {
            WriteGate::Open => false,
            WriteGate::Slack => !self.leash.is_slack(),
            WriteGate::Shut => true,
        };
        if is_barred || self.is_writing {
            return None;
        }
        let (from, to) = (self.live(), self.wanted(aim));
        if from != to || self.is_in_doubt {
            return Some((self.write_at(now), Next::Level { from, to }));
        }
        match aim {
            LevelTarget::Decided | LevelTarget::Once if gate == WriteGate::Open => {}
            LevelTarget::Decided | LevelTarget::Once | LevelTarget::Rest | LevelTarget::Floor => {
                return None;
            }
        }
        let resend = self.healing.due().filter(|_| aim == LevelTarget::Decided);
        let resend = resend.map(|(at, sign)| (at, Next::Resend { level: to, sign }));
        let exit = self.exits.next(&self.decision).map(|(at, it, why)| (at, Next::Exit(it, why)));
        let (at, next) = [resend, exit].into_iter().flatten().min_by_key(|it| it.0)?;
        Some((at.max(self.write_at(now)), next))
    }

    /// When the next write may be sent: the first one at once.
    fn write_at(&self, now: Instant) -> Instant {
        let paced = self.put_at.map(|it| it + WRITE_GAP);
        [paced, self.not_before].into_iter().flatten().max().unwrap_or(now)
    }

    /// A write begins.
    pub(super) fn begin(&mut self) {
        self.is_writing = true;
    }

    /// The level was written, or stood so already.
    pub(super) fn level_written(&mut self, now: Instant) {
        self.ended_well();
        self.put_at = Some(now);
        self.is_in_doubt = false;
        self.once = OnceProgress::Over;
        self.leash.saw(now);
        self.healing.written(now);
    }

    /// A runner was asked to go.
    pub(super) fn exit_asked(&mut self, name: &RunnerName, answer: Answer, now: Instant) {
        self.ended_well();
        self.exits.asked(name, answer, &self.decision, now);
    }

    fn ended_well(&mut self) {
        self.is_writing = false;
        self.failures = 0;
        self.not_before = None;
    }

    /// A write has failed; the next one waits.
    pub(super) fn write_failed(&mut self, what: &What, doubt: WriteCertainty, now: Instant) {
        self.is_writing = false;
        self.not_before = Some(now + Backoff::new(RETRY.0, RETRY.1).delay(self.failures));
        self.failures += 1;
        match what {
            What::Level { .. } | What::Release { .. } | What::Resend { .. } => {
                self.put_at = Some(now);
                self.is_in_doubt |= doubt == WriteCertainty::Open;
            }
            What::Retire(_) | What::Remove(..) | What::Dismiss(_) | What::Clear(_) => {
                self.exits.failed(now);
            }
        }
    }

    /// What stands in GARM is not what was written: it is read first.
    pub(super) fn hold_back(&mut self, now: Instant) {
        self.not_before = Some(now + RETRY.0 * 2);
    }

    /// The pool was read after the last write.
    pub(super) fn settle(&mut self, now: Instant) {
        self.leash.saw(now);
        if !self.is_writing {
            self.is_in_doubt = false;
        }
    }

    /// Nothing is under way, and no pulse stands.
    pub(super) fn is_at_rest(&self) -> bool {
        !self.is_writing && !self.is_in_doubt && self.live() <= self.decision.resting_level
    }

    /// A write is under way.
    pub(super) fn is_writing(&self) -> bool {
        self.is_writing
    }

    /// Nothing is under way.
    pub(super) fn is_free(&self) -> bool {
        !self.is_writing && !self.is_in_doubt
    }
}

/// Whether a write that failed may have been carried out all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteCertainty {
    Open,
    None,
}

/// A runner that was not known before may be one that nothing explains.
pub(super) fn meet(
    hands: &mut BTreeMap<PoolId, PoolController>,
    picture: &FleetIndex,
    runner: &Runner,
    now: Instant,
) {
    if picture.runner(&runner.id).is_none()
        && let Some(id) = &runner.pool
        && let (Some(hand), Some(pool)) = (hands.get_mut(id), picture.pools().get(id))
    {
        hand.healing.meet(runner.created_at, pool.updated_at, now);
    }
}
