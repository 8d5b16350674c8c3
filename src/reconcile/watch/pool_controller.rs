//! The controller of one pool: what is to be written to it next, and when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::level_lease::{LevelLease, LevelPosition};
use super::observer::WriteAction;
use super::rescue::{self, RescueTimer};
use super::scale_down::{QueueAdmission, ScaleDownQueue};
use super::stale_cache::StaleCacheDetector;
use crate::domain::backoff::Backoff;
use crate::domain::entity::EntityKey;
use crate::domain::name::{PoolId, RunnerName};

use crate::reconcile::write_outcome::WriteOutcome;
use crate::reconcile::writer::{PoolRef, WRITE_GAP};
use crate::scaling::{Decision, FleetIndex, RunnerTransition};

/// The shortest and the longest wait after a failed write.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long after GARM has written the row of a scale set its level is written. GARM's worker takes
/// over rows in the order in which their events arrive, and writes less than 50 ms apart may be
/// overtaken (GARM.md §0.10).
const ROW_SETTLES: Duration = Duration::from_millis(100);

/// How long a lower `max_runners` of a scale set must have been wanted. It makes GARM connect to
/// GitHub anew, and the place of a job that has just ended goes to the next one within seconds.
const LOWERED_AFTER: Duration = Duration::from_secs(30);

/// The controller of a scaled pool.
#[derive(Debug, Clone)]
pub(super) struct PoolController {
    pub(super) target: PoolRef,
    pub(super) entity: EntityKey,
    /// The current decision about the pool.
    pub(super) decision: Arc<Decision>,
    pub(super) lease: LevelLease,
    pub(super) stale_cache: StaleCacheDetector,
    pub(super) rescue: RescueTimer,
    pub(super) scale_down: ScaleDownQueue,
    /// A write is in flight.
    is_writing: bool,
    /// When the last PUT ended.
    put_at: Option<Instant>,
    /// When a new row of a scale set was last seen.
    row_seen_at: Option<Instant>,
    failures: u32,
    /// No write before this time, because the last one failed.
    not_before: Option<Instant>,
    /// No write of `max_runners` before this time, because the group had no places for the last one.
    no_limit_before: Option<Instant>,
    /// Since when a lower `max_runners` of a scale set is wanted without a break.
    lower_limit_since: Option<Instant>,
    /// It is not known whether the last write of the level is in force.
    is_in_doubt: bool,
    /// The level to which `--once` may raise the pool: that of the first decision, until it is
    /// written.
    once: OnceProgress,
}

/// How far `--once` has carried out its one decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnceProgress {
    /// This level is to be written.
    First(u32),
    Over,
}

/// The target to which levels are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LevelTarget {
    /// The level of the current decision.
    Decided,
    /// The level of the first decision; after that only lower levels (`--once`).
    Once,
    /// The resting level: nothing is requested for waiting jobs.
    Rest,
    /// The floor (`--release`), below which no level is lowered.
    Floor,
}

/// Whether the pool may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteGate {
    Open,
    /// Only a raised level whose lease has expired may be lowered.
    LowerOnly,
    Shut,
}

impl PoolController {
    pub(super) fn new(target: PoolRef, entity: EntityKey, decision: Arc<Decision>) -> Self {
        let once = OnceProgress::First(decision.level);
        Self {
            target,
            entity,
            decision,
            lease: LevelLease::default(),
            stale_cache: StaleCacheDetector::default(),
            rescue: RescueTimer::default(),
            scale_down: ScaleDownQueue::default(),
            is_writing: false,
            put_at: None,
            row_seen_at: None,
            failures: 0,
            not_before: None,
            no_limit_before: None,
            lower_limit_since: None,
            is_in_doubt: false,
            once,
        }
    }

    /// The level that GARM has in force, as far as is known.
    pub(super) fn live(&self) -> u32 {
        self.decision.inputs.garm_level
    }

    /// Applies a new decision about the pool.
    pub(super) fn follow(
        &mut self,
        decision: Arc<Decision>,
        admission: QueueAdmission,
        now: Instant,
    ) {
        self.scale_down.follow(&decision, admission, now);
        match &decision.scale_set {
            None => self.stale_cache.look(&decision, now),
            Some(set) => self.rescue.look(set, now),
        }
        let written_at = |decision: &Decision| decision.scale_set.map(|set| set.written_at);
        if written_at(&decision) != written_at(&self.decision) {
            self.row_seen_at = Some(now);
        }
        let is_set = decision.scale_set.is_some();
        let is_lower = decision.inputs.share.is_some_and(|it| it.write < decision.inputs.garm_max);
        self.lower_limit_since =
            (is_set && is_lower).then(|| self.lower_limit_since.unwrap_or(now));
        let is_raised = decision.inputs.garm_level > decision.resting_level;
        self.decision = decision;
        self.lease.set_position(
            if is_raised { LevelPosition::Raised } else { LevelPosition::AtRest },
            now,
        );
    }

    /// The level that the target asks for.
    pub(super) fn wanted(&self, aim: LevelTarget) -> u32 {
        let decision = &self.decision;
        let at_most = |level: u32| level.min(self.live());
        match aim {
            LevelTarget::Decided | LevelTarget::Once if self.lease.is_expired() => {
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

    /// The next write and when it is due.
    pub(super) fn next(
        &self,
        aim: LevelTarget,
        gate: WriteGate,
        now: Instant,
    ) -> Option<(Instant, WriteAction)> {
        let is_barred = match gate {
            WriteGate::Open => false,
            WriteGate::LowerOnly => !self.lease.is_expired(),
            WriteGate::Shut => true,
        };
        if is_barred || self.is_writing {
            return None;
        }
        let limit = self.limit(aim, now).filter(|_| gate == WriteGate::Open);
        if limit.as_ref().is_some_and(|limit| limit.0 <= now) {
            return limit;
        }
        let (from, to) = (self.live(), self.wanted(aim));
        if from != to || self.is_in_doubt {
            return Some((self.write_at(now), WriteAction::level(from, to)));
        }
        match aim {
            LevelTarget::Decided | LevelTarget::Once if gate == WriteGate::Open => {}
            LevelTarget::Decided | LevelTarget::Once | LevelTarget::Rest | LevelTarget::Floor => {
                return limit;
            }
        }
        let resend = self.stale_cache.due().filter(|_| aim == LevelTarget::Decided);
        let resend = resend.map(|next| (next.0, WriteAction::Resend { level: to }));
        let rescue = self.rescue.due().filter(|_| aim == LevelTarget::Decided);
        let missing = rescue::missing(&self.decision);
        let rescue = rescue.map(|at| (at, WriteAction::Rescue { level: to, missing }));
        let exit =
            self.scale_down.next(&self.decision).map(|(at, runner, why)| (at, why.action(runner)));
        let all = [resend, rescue, exit, limit].into_iter().flatten();
        let (at, next) = all.min_by_key(|next| next.0)?;
        Some((at.max(self.write_at(now)), next))
    }

    /// The `max_runners` to write to a pool that shares the limit of a group, and when: its part of
    /// it, or for `--release` that of its file. When the loop stops, it stays as it is: the limit of
    /// the group goes on to hold.
    fn limit(&self, aim: LevelTarget, now: Instant) -> Option<(Instant, WriteAction)> {
        let inputs = &self.decision.inputs;
        let group = inputs.policy.group.as_ref()?;
        let to = match aim {
            LevelTarget::Decided | LevelTarget::Once if !self.lease.is_expired() => {
                inputs.share?.write
            }
            LevelTarget::Floor => inputs.policy.max_runners,
            LevelTarget::Decided | LevelTarget::Once | LevelTarget::Rest => return None,
        };
        let from = inputs.garm_max;
        let patience = self.lower_limit_since.filter(|_| to < from).map(|at| at + LOWERED_AFTER);
        let waits = [patience, self.no_limit_before].into_iter().flatten().max();
        let at = self.write_at(now).max(waits.unwrap_or(now));
        let action = WriteAction::Limit { from, to, group: group.name.clone() };
        (from != to).then_some((at, action))
    }

    /// When the next write may be sent; the first one to a pool immediately.
    fn write_at(&self, now: Instant) -> Instant {
        let paced = self.put_at.map(|at| at + WRITE_GAP);
        let settled = self.row_seen_at.map(|at| at + ROW_SETTLES);
        [paced, settled, self.not_before].into_iter().flatten().max().unwrap_or(now)
    }

    /// When GARM last answered a write to the pool's settings.
    pub(super) fn written_at(&self) -> Option<Instant> {
        self.put_at
    }

    /// Notes that a write begins.
    pub(super) fn begin(&mut self) {
        self.is_writing = true;
    }

    /// Notes that GARM has answered a write to the pool's settings.
    pub(super) fn written(&mut self, action: &WriteAction, outcome: WriteOutcome, now: Instant) {
        match action {
            WriteAction::Limit { .. } => {
                self.ended_well();
                self.put_at = Some(now);
                if outcome == WriteOutcome::AlreadyDone {
                    // The pool has got more runners meanwhile, which the next read shows.
                    self.hold_back(now);
                }
            }
            WriteAction::Raise { .. }
            | WriteAction::Lower { .. }
            | WriteAction::Resend { .. }
            | WriteAction::Rescue { .. }
            | WriteAction::Retire { .. }
            | WriteAction::Remove { .. }
            | WriteAction::Dismiss { .. }
            | WriteAction::Clear { .. } => self.level_written(now),
        }
    }

    /// Notes that the level was written, or was in force already.
    fn level_written(&mut self, now: Instant) {
        self.ended_well();
        self.put_at = Some(now);
        self.is_in_doubt = false;
        self.once = OnceProgress::Over;
        self.lease.seen(now);
        self.stale_cache.written(now);
        self.rescue.written(now);
    }

    /// Notes that the removal of a runner was requested.
    pub(super) fn exit_asked(&mut self, name: &RunnerName, outcome: WriteOutcome, now: Instant) {
        self.ended_well();
        self.scale_down.asked(name, outcome, &self.decision, now);
    }

    fn ended_well(&mut self) {
        self.is_writing = false;
        self.failures = 0;
        self.not_before = None;
    }

    /// Notes that a write has failed; the next one waits.
    pub(super) fn write_failed(
        &mut self,
        action: &WriteAction,
        certainty: WriteCertainty,
        now: Instant,
    ) {
        self.is_writing = false;
        self.not_before = Some(now + Backoff::new(RETRY.0, RETRY.1).delay(self.failures));
        self.failures += 1;
        match action.runner() {
            None => {
                self.put_at = Some(now);
                self.is_in_doubt |= certainty == WriteCertainty::Unknown;
            }
            Some(_) => self.scale_down.failed(now),
        }
    }

    /// Notes that a write was not sent: the group has no places for it.
    pub(super) fn withdrawn(&mut self, now: Instant) {
        self.is_writing = false;
        self.no_limit_before = Some(now + RETRY.0);
    }

    /// Delays writes, because GARM's state is not what was written and must be read first.
    pub(super) fn hold_back(&mut self, now: Instant) {
        self.not_before = Some(now + RETRY.0 * 2);
    }

    /// Notes that the pool was read after the last write.
    pub(super) fn settle(&mut self, now: Instant) {
        self.lease.seen(now);
        if !self.is_writing {
            self.is_in_doubt = false;
        }
    }

    /// Whether no write is in flight and the level is not raised.
    pub(super) fn is_at_rest(&self) -> bool {
        !self.is_writing && !self.is_in_doubt && self.live() <= self.decision.resting_level
    }

    /// Whether a write is in flight.
    pub(super) fn is_writing(&self) -> bool {
        self.is_writing
    }

    /// Whether GARM's `max_runners` is not below that of the file because of a group.
    pub(super) fn is_unlimited(&self, now: Instant) -> bool {
        self.limit(LevelTarget::Floor, now).is_none()
    }

    /// Whether no write is in flight or in doubt.
    pub(super) fn is_free(&self) -> bool {
        !self.is_writing && !self.is_in_doubt
    }
}

/// Whether a failed write may have been carried out nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteCertainty {
    Unknown,
    NotDone,
}

/// Passes a runner that was not known before to the detector of stale caches.
pub(super) fn meet(
    controllers: &mut BTreeMap<PoolId, PoolController>,
    fleet_index: &FleetIndex,
    transition: &RunnerTransition<'_>,
    now: Instant,
) {
    if let Some(runner) = transition.appeared()
        && let Some(id) = &runner.pool
        && let (Some(controller), Some(pool)) =
            (controllers.get_mut(id), fleet_index.pools().get(id))
        && controller.decision.scale_set.is_none()
    {
        controller.stale_cache.meet(runner.created_at, pool.updated_at, now);
    }
}
