//! What the loop does: due reads and writes, and the handling of a write's result.

use std::collections::HashSet;

use tokio::time::Instant;

use super::command::Writes;
use super::due_writes::WRITES_MAX;
use super::input::{Answered, Effect, PoolWrite, ReadRequest};
use super::machine::{LoopPhase, ScalingLoop};
use super::observer::{WriteAction, WriteReport};
use super::pool_controller::{LevelTarget, PoolController, WriteCertainty, WriteGate};
use super::write_freeze::WriteFreeze;
use crate::domain::entity::EntityKey;
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::pool::Pool;
use crate::garm::ErrorKind;
use crate::reconcile::write_outcome::{WriteError, WriteOutcome};
use crate::scaling::{Decision, Freeze, RowChange};

/// The largest number of concurrent reads of single pools.
const POLLS_MAX: usize = 8;

/// The largest number of concurrent reads of runner histories.
const HISTORIES_MAX: usize = 8;

impl ScalingLoop<'_> {
    /// The reads and writes that are due now.
    pub(super) fn effects(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        if matches!(self.phase, LoopPhase::Over(_)) {
            return effects;
        }
        self.write(&mut effects, now);
        if matches!(self.phase, LoopPhase::Stopping(_)) {
            return effects;
        }
        let read = self.schedule.begin(now).map(|scope| Effect::Read(ReadRequest::Fleet(scope)));
        if read.is_some() && !self.freeze.is_standby() {
            self.groups.begin_read();
        }
        effects.extend(read);
        if self.is_writing() {
            self.poll(&mut effects, now);
            self.read_histories(&mut effects);
        }
        effects
    }

    /// The target that levels are set to; absent if nothing is written.
    pub(super) fn aim(&self) -> Option<LevelTarget> {
        match (&self.phase, self.writes()) {
            (_, Writes::Withheld) | (LoopPhase::Starting | LoopPhase::Over(_), Writes::Sent) => {
                None
            }
            (LoopPhase::Running, Writes::Sent) if !self.freeze.held.is_empty() => {
                Some(LevelTarget::Rest)
            }
            (LoopPhase::Running, Writes::Sent) => Some(LevelTarget::Decided),
            (LoopPhase::Settling(_), Writes::Sent) => Some(LevelTarget::Once),
            (LoopPhase::Releasing(_), Writes::Sent) => Some(LevelTarget::Floor),
            (LoopPhase::Stopping(_), Writes::Sent) => Some(LevelTarget::Rest),
        }
    }

    /// Whether decisions are written where no freeze applies.
    pub(super) fn applied(&self) -> Writes {
        match self.aim() {
            Some(LevelTarget::Decided | LevelTarget::Once) => Writes::Sent,
            Some(LevelTarget::Rest | LevelTarget::Floor) | None => Writes::Withheld,
        }
    }

    /// Whether a new decision about a pool of this entity is written. `--once` carries out only the
    /// first decision.
    pub(super) fn applies(&self, entity: &EntityKey, before: Option<&Decision>) -> Writes {
        match (self.freeze.of(entity), self.aim(), before) {
            (None, Some(LevelTarget::Once), Some(_)) | (Some(_), _, _) => Writes::Withheld,
            (None, _, _) => self.applied(),
        }
    }

    /// Whether a pool may be written to: the first row that applies.
    ///
    /// | condition | allowed |
    /// |---|---|
    /// | the loop is stopping | yes: nothing observes a raised level afterwards |
    /// | GARM's worker for the entity has stopped | no |
    /// | the last read of the fleet failed or is too old, but this pool was read | only to lower a level whose lease has expired |
    /// | the last read of the fleet failed or is too old | no |
    /// | held, because writes cannot be recorded | no |
    /// | held for another reason | yes: the target lets levels only fall |
    /// | otherwise | yes |
    pub(super) fn gate(&self, controller: &PoolController, now: Instant) -> WriteGate {
        if matches!(self.phase, LoopPhase::Stopping(_)) {
            return WriteGate::Open;
        }
        if self.freeze.stopped.contains_key(&controller.entity) {
            return WriteGate::Shut;
        }
        match &self.freeze.all {
            // While held, the target only lowers raised levels.
            None | Some(Freeze::Unproven(_)) => WriteGate::Open,
            Some(Freeze::Stale(_) | Freeze::Unreachable | Freeze::Refused)
                if controller.lease.is_fresh(now) =>
            {
                WriteGate::LowerOnly
            }
            Some(
                Freeze::Stale(_)
                | Freeze::Unreachable
                | Freeze::Refused
                | Freeze::Unread
                | Freeze::ManagerStopped(_)
                | Freeze::Unrecorded(_)
                | Freeze::Standby(_),
            ) => WriteGate::Shut,
        }
    }

    fn poll(&mut self, effects: &mut Vec<Effect>, now: Instant) {
        let is_due = |controller: &&PoolController| {
            let at = [controller.lease.poll_at(), controller.rescue.read_at()];
            at.into_iter().flatten().any(|at| at <= now)
        };
        let due = self.controllers.values().filter(is_due);
        self.poll_now.extend(due.map(|controller| controller.target.id.clone()));
        let Some(fleet_index) = &self.fleet_index else { return };
        let seen_at = |id| Some((self.controllers.get(&id)?.lease.seen_at(), id));
        let mut wanted: Vec<_> =
            std::mem::take(&mut self.poll_now).into_iter().filter_map(seen_at).collect();
        // Each pool has its turn before its lease expires.
        wanted.sort();
        for (_, id) in wanted {
            let Some(controller) = self.controllers.get_mut(&id) else { continue };
            if self.polls.len() >= POLLS_MAX || self.polls.contains_key(&id) {
                self.poll_now.insert(id);
                continue;
            }
            let runners = fleet_index.runners().filter(|runner| runner.pool.as_ref() == Some(&id));
            let known: HashSet<String> = runners.map(|runner| runner.id.clone()).collect();
            self.polls.insert(id.clone(), known);
            controller.lease.begin_poll(now);
            controller.rescue.begin_read(now);
            effects.push(Effect::Read(ReadRequest::Pool(id)));
        }
    }

    fn read_histories(&mut self, effects: &mut Vec<Effect>) {
        let wanted = self.controllers.values().flat_map(|controller| &controller.decision.ask);
        let wanted: Vec<RunnerName> =
            wanted.filter(|name| !self.asked.contains(name)).cloned().collect();
        for name in wanted {
            if self.asking >= HISTORIES_MAX {
                return;
            }
            self.asking += 1;
            self.asked.insert(name.clone());
            effects.push(Effect::Read(ReadRequest::History(name)));
        }
    }

    /// Handles the end of a write.
    pub(super) fn written(
        &mut self,
        mut write: PoolWrite,
        result: Result<Answered, WriteError>,
        now: Instant,
    ) {
        self.writing = self.writing.saturating_sub(1);
        let id = write.target.id.clone();
        let at = self.clock.map_or_else(|| self.local_clock.now(), |clock| clock.now(now));
        let outcome = match result {
            Ok(answered) => {
                self.answered(&mut write, answered.pool, answered.outcome, now);
                Ok(answered.outcome)
            }
            Err(error) => Err(self.failed(&write, &error, now)),
        };
        self.observer.acted(&WriteReport {
            at,
            pool: write.target.name,
            pool_id: id,
            action: write.action,
            reason: write.reason,
            outcome,
        });
    }

    /// Applies GARM's answer to the state of the loop.
    fn answered(
        &mut self,
        write: &mut PoolWrite,
        pool: Option<Box<Pool>>,
        outcome: WriteOutcome,
        now: Instant,
    ) {
        let id = &write.target.id;
        if let (Some(controller), Some(name)) =
            (self.controllers.get_mut(id), write.action.runner())
        {
            controller.exit_asked(name, outcome, now);
        }
        let Some(pool) = pool else {
            self.poll_now.insert(id.clone());
            return;
        };
        if let Some(controller) = self.controllers.get_mut(id) {
            controller.written(&write.action, outcome, now);
        }
        if matches!(write.action, WriteAction::Limit { .. }) {
            self.limit_answered(id, outcome);
        }
        if let Some(release) = self.releases.get_mut(id) {
            release.written(now);
        }
        let level = pool.spec.min_idle_runners;
        write.action = write.action.clone().fitted(level);
        self.take(RowChange::Pool(*pool), now);
        self.check_level(id, level, now);
    }

    /// Checks that the index shows what GARM has just answered. It does not if GARM's clock was set
    /// back, because the answer then looks old. In that case the whole fleet is read.
    fn check_level(&mut self, id: &PoolId, level: u32, now: Instant) {
        let known = self.fleet_index.as_ref().and_then(|index| index.pools().get(id));
        if known.is_none_or(|pool| pool.spec.min_idle_runners != level) {
            self.schedule.want(now);
            if let Some(controller) = self.controllers.get_mut(id) {
                controller.hold_back(now);
            }
        }
    }

    fn failed(&mut self, write: &PoolWrite, error: &WriteError, now: Instant) -> String {
        let certainty = match error {
            WriteError::Unknown(_) => {
                self.schedule.want(now);
                WriteCertainty::Unknown
            }
            WriteError::Changed(_) | WriteError::Gone => {
                self.schedule.want(now);
                WriteCertainty::NotDone
            }
            WriteError::Garm(error) if error.kind == ErrorKind::GithubRefused => {
                self.schedule.want_health(now);
                WriteCertainty::NotDone
            }
            WriteError::Garm(_)
            | WriteError::Ignored(_)
            | WriteError::Unaudited(_)
            | WriteError::Unrecorded(_) => WriteCertainty::NotDone,
        };
        // Whatever GARM has made of it, the next full read shows it.
        if certainty == WriteCertainty::NotDone {
            self.note_raising(&write.target.id, None);
        }
        if let Some(controller) = self.controllers.get_mut(&write.target.id) {
            controller.write_failed(&write.action, certainty, now);
        }
        if let Some(release) = self.releases.get_mut(&write.target.id) {
            release.write_failed(now);
        }
        error.to_string()
    }

    /// When the loop has to act next if no input arrives.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let mut at: Vec<Option<Instant>> = vec![
            Some(self.beat_at),
            match self.phase {
                LoopPhase::Settling(until)
                | LoopPhase::Releasing(until)
                | LoopPhase::Stopping(until) => Some(until),
                LoopPhase::Starting => self.absent_until,
                LoopPhase::Running | LoopPhase::Over(_) => None,
            },
        ];
        if !matches!(self.phase, LoopPhase::Stopping(_)) {
            at.push(self.schedule.deadline());
        }
        at.extend([self.groups.deadline(), self.throttle.deadline()]);
        let stale_at = WriteFreeze::stale_at(&self.schedule);
        at.push(stale_at.filter(|at| *at > now));
        if let Some(clock) = self.clock {
            at.push(self.due.values().min().map(|at| clock.instant(*at)));
        }
        let aim = self.aim();
        let polls = self.is_writing() && !matches!(self.phase, LoopPhase::Stopping(_));
        for controller in self.controllers.values() {
            if let Some(aim) = aim.filter(|_| self.writing < WRITES_MAX) {
                at.push(controller.next(aim, self.gate(controller, now), now).map(|write| write.0));
            }
            if polls {
                at.push(controller.lease.expires_at());
                at.push(controller.lease.poll_at().filter(|_| self.polls.len() < POLLS_MAX));
                at.push(controller.rescue.read_at().filter(|_| self.polls.len() < POLLS_MAX));
            }
        }
        if self.writing < WRITES_MAX {
            at.extend(self.due_releases().map(|release| Some(release.1)));
        }
        at.into_iter().flatten().min()
    }
}
