//! What the loop does: reads and writes that are due, and what came of a write.

use std::collections::HashSet;

use tokio::time::Instant;

use super::command::Writes;
use super::explained::{is_explained, is_of_pick_ups};
use super::input::{Effect, PoolWrite, ReadRequest, What, Written};
use super::machine::{LoopPhase, ScalingLoop};
use super::observer::{ActEnd, Applied, Deed, WriteReport};
use super::pool_controller::{LevelTarget, Next, PoolController, WriteCertainty, WriteGate};
use super::scale_down::{Answer, RemovalReason};
use super::stale_cache::StaleCacheSign;
use super::write_freeze::WriteFreeze;
use crate::domain::entity::EntityKey;
use crate::domain::name::{PoolId, RunnerName};
use crate::garm::ErrorKind;
use crate::reconcile::write_error::WriteError;
use crate::reconcile::writer::{Deed as Needed, Removal};
use crate::scaling::{Decision, FleetIndex, Freeze, Reason, RowChange};

/// Writes at a time, over all pools.
const WRITES_MAX: usize = 16;

/// Looks at single pools at a time.
const LOOKS_MAX: usize = 8;

/// Histories asked for at a time.
const ASKS_MAX: usize = 8;

impl ScalingLoop<'_> {
    /// What is to be done now.
    pub(super) fn effects(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        if matches!(self.phase, LoopPhase::Over(_)) {
            return effects;
        }
        self.write(&mut effects, now);
        if matches!(self.phase, LoopPhase::Stopping(_)) {
            return effects;
        }
        let read = self.reads.begin(now).map(|it| Effect::Read(ReadRequest::Fleet(it)));
        effects.extend(read);
        if self.is_writing() {
            self.look(&mut effects, now);
            self.ask(&mut effects);
        }
        effects
    }

    /// What the levels are steered to; absent when nothing is written.
    pub(super) fn aim(&self) -> Option<LevelTarget> {
        match (&self.phase, self.settings.writes) {
            (_, Writes::Withheld) | (LoopPhase::Starting | LoopPhase::Over(_), Writes::Sent) => {
                None
            }
            (LoopPhase::Running, Writes::Sent) if !self.ice.held.is_empty() => {
                Some(LevelTarget::Rest)
            }
            (LoopPhase::Running, Writes::Sent) => Some(LevelTarget::Decided),
            (LoopPhase::Settling(_), Writes::Sent) => Some(LevelTarget::Once),
            (LoopPhase::Releasing(_), Writes::Sent) => Some(LevelTarget::Floor),
            (LoopPhase::Stopping(_), Writes::Sent) => Some(LevelTarget::Rest),
        }
    }

    /// Whether decisions are written where nothing is frozen.
    pub(super) fn applied(&self) -> Applied {
        match self.aim() {
            Some(LevelTarget::Decided | LevelTarget::Once) => Applied::Yes,
            Some(LevelTarget::Rest | LevelTarget::Floor) | None => Applied::No,
        }
    }

    /// Whether a new decision about a pool of this entity is written. `--once` carries out the
    /// first one only.
    pub(super) fn applies(&self, entity: &EntityKey, before: Option<&Decision>) -> Applied {
        match (self.ice.of(entity), self.aim(), before) {
            (None, Some(LevelTarget::Once), Some(_)) | (Some(_), _, _) => Applied::No,
            (None, _, _) => self.applied(),
        }
    }

    /// Whether a pool may be written to.
    ///
    /// | | |
    /// |---|---|
    /// | stopping | yes: afterwards nobody sees how its pulse ends |
    /// | its manager has stopped | no |
    /// | the fleet was not read for too long, this pool was a moment ago | a slack pulse is ended |
    /// | the fleet was not read for too long | no |
    /// | held, because writes cannot be recorded | no |
    /// | held | yes: the aim lets levels only fall |
    /// | else | yes |
    pub(super) fn gate(&self, hand: &PoolController, now: Instant) -> WriteGate {
        if matches!(self.phase, LoopPhase::Stopping(_)) {
            return WriteGate::Open;
        }
        if self.ice.stopped.contains_key(&hand.entity) {
            return WriteGate::Shut;
        }
        match &self.ice.all {
            // While held the aim ends pulses and does nothing else.
            None | Some(Freeze::Unproven(_)) => WriteGate::Open,
            Some(Freeze::Stale(_) | Freeze::Unreachable | Freeze::Refused)
                if hand.leash.sees(now) =>
            {
                WriteGate::Slack
            }
            Some(
                Freeze::Stale(_)
                | Freeze::Unreachable
                | Freeze::Refused
                | Freeze::Unread
                | Freeze::ManagerStopped(_)
                | Freeze::Unrecorded(_),
            ) => WriteGate::Shut,
        }
    }

    fn write(&mut self, effects: &mut Vec<Effect>, now: Instant) {
        let Some(aim) = self.aim() else { return };
        let mut due: Vec<(PoolId, Next)> = Vec::new();
        for (id, hand) in &self.hands {
            if self.writing + due.len() >= WRITES_MAX {
                break;
            }
            let next = hand.next(aim, self.gate(hand, now), now);
            if let Some((_, next)) = next.filter(|it| it.0 <= now) {
                due.push((id.clone(), next));
            }
        }
        let room = WRITES_MAX.saturating_sub(self.writing + due.len());
        let released: Vec<PoolId> = (self.due_releases())
            .filter(|it| it.1 <= now)
            .map(|it| it.0.clone())
            .take(room)
            .collect();
        for (id, next) in due {
            if let Some(write) = self.begin(&id, next, now) {
                self.writing += 1;
                effects.push(Effect::Write(write));
            }
        }
        for write in released.iter().filter_map(|it| self.begin_release(it)).collect::<Vec<_>>() {
            self.writing += 1;
            effects.push(Effect::Write(write));
        }
    }

    /// One write, ready to be sent; nothing when it turns out not to be needed.
    fn begin(&mut self, id: &PoolId, next: Next, now: Instant) -> Option<PoolWrite> {
        let picture = self.picture.as_ref()?;
        let clock = self.clock?;
        let hand = self.hands.get_mut(id)?;
        let is_decided = matches!(self.phase, LoopPhase::Running | LoopPhase::Settling(_))
            && self.ice.held.is_empty();
        let reason = Some(hand.decision.reason).filter(|_| is_decided);
        let (what, reason) = match next {
            Next::Level { from, to } => (What::Level { from, to }, reason),
            Next::Resend { sign: StaleCacheSign::Busy, .. }
                if is_explained(picture, &hand.entity, clock.now(now))
                    || is_of_pick_ups(picture, id) =>
            {
                hand.healing.explain();
                return None;
            }
            Next::Resend { level, sign } => {
                hand.healing.answered();
                if sign == StaleCacheSign::Idle {
                    // A GARM that builds nothing may have lost its credentials.
                    self.reads.want_health(now);
                    // It may have been the last time before that becomes a state of the pool.
                    self.is_untold = true;
                }
                (What::Resend { level }, None)
            }
            Next::Exit(runner, RemovalReason::Idle) => (What::Retire(runner), Some(Reason::Idle)),
            Next::Exit(runner, RemovalReason::Suspect) => {
                (What::Dismiss(runner), Some(Reason::Suspect))
            }
            Next::Exit(runner, RemovalReason::Outlived) => (What::Clear(runner), None),
            Next::Exit(runner, RemovalReason::Failed) => {
                let fault = fault(picture, id, &runner);
                (What::Remove(runner, fault), Some(Reason::Failed))
            }
        };
        hand.begin();
        Some(PoolWrite { target: hand.target.clone(), what, reason })
    }

    fn look(&mut self, effects: &mut Vec<Effect>, now: Instant) {
        let is_due = |it: &&PoolController| it.leash.look_at().is_some_and(|it| it <= now);
        let due: Vec<PoolId> =
            self.hands.values().filter(is_due).map(|it| it.target.id.clone()).collect();
        self.look_at.extend(due);
        let Some(picture) = &self.picture else { return };
        let mut later = std::collections::BTreeSet::new();
        for id in std::mem::take(&mut self.look_at) {
            let Some(hand) = self.hands.get_mut(&id) else { continue };
            if self.looks.len() >= LOOKS_MAX || self.looks.contains_key(&id) {
                later.insert(id);
                continue;
            }
            let runners = picture.runners().filter(|it| it.pool.as_ref() == Some(&id));
            let known: HashSet<String> = runners.map(|it| it.id.clone()).collect();
            self.looks.insert(id.clone(), known);
            hand.leash.look(now);
            effects.push(Effect::Read(ReadRequest::Runners(id)));
        }
        self.look_at = later;
    }

    fn ask(&mut self, effects: &mut Vec<Effect>) {
        let wanted = self.hands.values().flat_map(|it| &it.decision.ask);
        let wanted: Vec<RunnerName> =
            wanted.filter(|it| !self.asked.contains(it)).cloned().collect();
        for name in wanted {
            if self.asking >= ASKS_MAX {
                return;
            }
            self.asking += 1;
            self.asked.insert(name.clone());
            effects.push(Effect::Read(ReadRequest::History(name)));
        }
    }

    /// A write has ended.
    pub(super) fn written(
        &mut self,
        mut write: PoolWrite,
        result: Result<Written, WriteError>,
        now: Instant,
    ) {
        self.writing = self.writing.saturating_sub(1);
        let id = write.target.id.clone();
        let at = self.clock.map_or_else(|| self.ours.now(), |it| it.now(now));
        let end = match result {
            Ok(Written::Level(needed, pool)) => {
                if let Some(hand) = self.hands.get_mut(&id) {
                    hand.level_written(now);
                }
                if let Some(release) = self.releases.get_mut(&id) {
                    release.written(now);
                }
                let level = pool.spec.min_idle_runners;
                write.what.fit(level);
                self.take(RowChange::Pool(*pool), now);
                self.check_level(&id, level, now);
                match needed {
                    Needed::Done => ActEnd::Done,
                    Needed::Already => ActEnd::Already,
                }
            }
            Ok(Written::Runner(removal)) => {
                if let (Some(hand), Some(name)) = (self.hands.get_mut(&id), write.what.runner()) {
                    let answer = match removal {
                        Removal::Removed | Removal::Leaving => Answer::Goes,
                        Removal::Kept => Answer::Stays,
                    };
                    hand.exit_asked(name, answer, now);
                }
                self.look_at.insert(id.clone());
                match removal {
                    Removal::Removed => ActEnd::Done,
                    Removal::Leaving => ActEnd::Already,
                    Removal::Kept => ActEnd::Busy,
                }
            }
            Err(trouble) => self.failed(&write, &trouble, now),
        };
        self.audience.acted(&WriteReport {
            at,
            pool: write.target.name,
            pool_id: id,
            deed: write.what.deed(),
            reason: write.reason,
            end,
        });
    }

    /// The picture must show what GARM has just answered. It does not when GARM's clock was set
    /// back, so that the answer looks old: then the whole fleet is read.
    fn check_level(&mut self, id: &PoolId, level: u32, now: Instant) {
        let known = self.picture.as_ref().and_then(|it| it.pools().get(id));
        if known.is_none_or(|it| it.spec.min_idle_runners != level) {
            self.reads.want(now);
            if let Some(hand) = self.hands.get_mut(id) {
                hand.hold_back(now);
            }
        }
    }

    fn failed(&mut self, write: &PoolWrite, trouble: &WriteError, now: Instant) -> ActEnd {
        let doubt = match trouble {
            WriteError::Unknown(_) => {
                self.reads.want(now);
                WriteCertainty::Open
            }
            WriteError::Changed(_) | WriteError::Gone => {
                self.reads.want(now);
                WriteCertainty::None
            }
            WriteError::Garm(error) if error.kind == ErrorKind::GithubRefused => {
                self.reads.want_health(now);
                WriteCertainty::None
            }
            WriteError::Garm(_)
            | WriteError::Ignored(_)
            | WriteError::Unaudited(_)
            | WriteError::Unrecorded(_) => WriteCertainty::None,
        };
        if let Some(hand) = self.hands.get_mut(&write.target.id) {
            hand.write_failed(&write.what, doubt, now);
        }
        if let Some(release) = self.releases.get_mut(&write.target.id) {
            release.write_failed(now);
        }
        ActEnd::Failed(trouble.to_string())
    }

    /// When there is something to do next if nothing comes in.
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
            at.push(self.reads.deadline());
        }
        let stale_at = WriteFreeze::stale_at(&self.reads, self.settings.resync);
        at.push(stale_at.filter(|it| *it > now));
        if let Some(clock) = self.clock {
            at.push(self.due.values().min().map(|it| clock.instant(*it)));
        }
        let aim = self.aim();
        let looks = self.is_writing() && !matches!(self.phase, LoopPhase::Stopping(_));
        for hand in self.hands.values() {
            if let Some(aim) = aim.filter(|_| self.writing < WRITES_MAX) {
                at.push(hand.next(aim, self.gate(hand, now), now).map(|it| it.0));
            }
            if looks {
                at.push(hand.leash.slackens_at());
                at.push(hand.leash.look_at().filter(|_| self.looks.len() < LOOKS_MAX));
            }
        }
        if self.writing < WRITES_MAX {
            at.extend(self.due_releases().map(|it| Some(it.1)));
        }
        at.into_iter().flatten().min()
    }
}

impl What {
    fn runner(&self) -> Option<&RunnerName> {
        match self {
            Self::Retire(name)
            | Self::Remove(name, _)
            | Self::Dismiss(name)
            | Self::Clear(name) => Some(name),
            Self::Level { .. } | Self::Release { .. } | Self::Resend { .. } => None,
        }
    }

    /// The level that GARM has set: `max_runners` may have been lowered meanwhile.
    fn fit(&mut self, level: u32) {
        match self {
            Self::Level { to, .. } | Self::Release { to, .. } | Self::Resend { level: to } => {
                *to = level;
            }
            Self::Retire(_) | Self::Remove(..) | Self::Dismiss(_) | Self::Clear(_) => {}
        }
    }

    fn deed(self) -> Deed {
        match self {
            Self::Level { from, to } if to > from => Deed::Raise { from, to },
            Self::Level { from, to } | Self::Release { from, to } => Deed::Lower { from, to },
            Self::Resend { level } => Deed::Resend { level },
            Self::Retire(runner) => Deed::Retire { runner },
            Self::Remove(runner, fault) => Deed::Remove { runner, fault },
            Self::Dismiss(runner) => Deed::Dismiss { runner },
            Self::Clear(runner) => Deed::Clear { runner },
        }
    }
}

/// Why the provider failed, as GARM has it.
pub(super) fn fault(picture: &FleetIndex, pool: &PoolId, name: &RunnerName) -> Option<String> {
    let is_it =
        |it: &&crate::domain::runner::Runner| it.pool.as_ref() == Some(pool) && it.name == *name;
    picture.runners().find(is_it)?.provider_fault.clone()
}
