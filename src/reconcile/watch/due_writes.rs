//! Which writes begin, and in which order if not all fit.

use tokio::time::Instant;

use super::explained::{fault, is_explained, is_of_pick_ups};
use super::input::{Effect, PoolWrite};
use super::machine::{LoopPhase, ScalingLoop};
use super::observer::WriteAction;
use super::pool_controller::LevelTarget;
use super::stale_cache::StaleCacheSign;
use crate::domain::name::PoolId;
use crate::scaling::Reason;

/// The largest number of concurrent writes over all pools.
pub(super) const WRITES_MAX: usize = 16;

/// A write that may begin.
#[derive(Debug, PartialEq, Eq)]
struct DueWrite {
    urgency: WriteUrgency,
    /// When the pool was last written to.
    written_at: Option<Instant>,
    pool: PoolId,
    action: WriteAction,
}

/// The more urgent is the smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum WriteUrgency {
    /// Jobs wait for it.
    JobsWait,
    Routine,
}

impl WriteUrgency {
    fn of(action: &WriteAction, reason: Reason) -> Self {
        match action {
            // A limit that falls makes room for one that rises.
            WriteAction::Rescue { .. } | WriteAction::Limit { .. } => Self::JobsWait,
            WriteAction::Raise { .. } | WriteAction::Resend { .. } if is_for_jobs(reason) => {
                Self::JobsWait
            }
            WriteAction::Raise { .. }
            | WriteAction::Lower { .. }
            | WriteAction::Resend { .. }
            | WriteAction::Retire { .. }
            | WriteAction::Remove { .. }
            | WriteAction::Dismiss { .. }
            | WriteAction::Clear { .. } => Self::Routine,
        }
    }
}

/// Whether the level is what it is because jobs lack runners.
fn is_for_jobs(reason: Reason) -> bool {
    matches!(reason, Reason::Pressure | Reason::Late | Reason::Deleting | Reason::BootProbe)
}

/// The writes that begin if only `room` fit: the urgent ones first, then those to the pools that have
/// waited for longest since their last write.
fn first(mut due: Vec<DueWrite>, room: usize) -> Vec<DueWrite> {
    if due.len() > room {
        due.sort_by_key(|write| (write.urgency, write.written_at));
        due.truncate(room);
    }
    due
}

impl ScalingLoop<'_> {
    /// Begins the writes that are due now, as far as they fit.
    pub(super) fn write(&mut self, effects: &mut Vec<Effect>, now: Instant) {
        let Some(aim) = self.aim() else { return };
        let room = WRITES_MAX.saturating_sub(self.writing);
        if room == 0 {
            return;
        }
        let due = first(self.due_writes(aim, now).collect(), room);
        let released: Vec<PoolId> = (self.due_releases())
            .filter(|release| release.1 <= now)
            .map(|release| release.0.clone())
            .take(room - due.len())
            .collect();
        for DueWrite { pool, action, .. } in due {
            if let Some(write) = self.begin(&pool, action, now) {
                self.writing += 1;
                effects.push(self.claimed(write));
            }
        }
        for write in released.iter().filter_map(|id| self.begin_release(id)).collect::<Vec<_>>() {
            self.writing += 1;
            effects.push(Effect::Write(write));
        }
    }

    fn due_writes(&self, aim: LevelTarget, now: Instant) -> impl Iterator<Item = DueWrite> {
        self.controllers.iter().filter_map(move |(id, controller)| {
            let (at, action) = controller.next(aim, self.gate(controller, now), now)?;
            (at <= now).then(|| DueWrite {
                urgency: WriteUrgency::of(&action, controller.decision.reason),
                written_at: controller.written_at(),
                pool: id.clone(),
                action,
            })
        })
    }

    /// Prepares one write; returns nothing if the write turns out not to be needed.
    fn begin(&mut self, id: &PoolId, next: WriteAction, now: Instant) -> Option<PoolWrite> {
        let fleet_index = self.fleet_index.as_ref()?;
        let clock = self.clock?;
        let controller = self.controllers.get_mut(id)?;
        let is_decided = matches!(self.phase, LoopPhase::Running | LoopPhase::Settling(_))
            && self.freeze.held.is_empty();
        let reason = Some(controller.decision.reason).filter(|_| is_decided);
        let (action, reason) = match next {
            WriteAction::Raise { .. } | WriteAction::Lower { .. } => (next, reason),
            WriteAction::Limit { .. } => (next, None),
            WriteAction::Resend { .. } => {
                match controller.stale_cache.due()?.1 {
                    StaleCacheSign::Busy
                        if is_explained(fleet_index, &controller.entity, clock.now(now))
                            || is_of_pick_ups(fleet_index, id) =>
                    {
                        controller.stale_cache.explain();
                        return None;
                    }
                    StaleCacheSign::Busy => {}
                    StaleCacheSign::Idle => {
                        // A GARM that creates no runners may have lost its credentials.
                        self.schedule.want_health(now);
                        // This may be the resend after which the pool counts as stalled.
                        self.throttle.want();
                    }
                }
                controller.stale_cache.answered();
                (next, None)
            }
            WriteAction::Rescue { .. } => {
                // A GARM that creates no runners may have lost its credentials.
                self.schedule.want_health(now);
                // This may be the rescue after which the scale set counts as stalled.
                self.throttle.want();
                controller.rescue.begin();
                (next, None)
            }
            WriteAction::Retire { .. } => (next, Some(Reason::Idle)),
            WriteAction::Dismiss { .. } => (next, Some(Reason::Suspect)),
            WriteAction::Clear { .. } => (next, None),
            WriteAction::Remove { runner, .. } => {
                let fault = fault(fleet_index, id, &runner);
                (WriteAction::Remove { runner, fault }, Some(Reason::Failed))
            }
        };
        controller.begin();
        let target = controller.target.clone();
        if let WriteAction::Limit { to, .. } = action {
            // Until GARM answers, other pools must not get the same places.
            self.note_raising(id, Some(to));
        }
        Some(PoolWrite { target, action, is_scaled: true, reason })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn jobs_come_first_and_then_the_pool_that_was_written_longest_ago() {
        let start = Instant::now();
        let due = |pool: &str, action: WriteAction, reason, written_s: Option<u64>| DueWrite {
            urgency: WriteUrgency::of(&action, reason),
            written_at: written_s.map(|seconds| start + Duration::from_secs(seconds)),
            pool: PoolId::new(pool),
            action,
        };
        let (raise, lower) =
            (WriteAction::Raise { from: 0, to: 1 }, WriteAction::Lower { from: 1, to: 0 });
        let all = [
            due("a", lower.clone(), Reason::Served, Some(3)),
            due("b", raise.clone(), Reason::HandOutProbe, None),
            due("c", lower.clone(), Reason::Served, Some(1)),
            due("d", raise.clone(), Reason::Pressure, Some(2)),
            due("e", raise.clone(), Reason::Late, Some(1)),
            due("f", lower.clone(), Reason::Idle, Some(2)),
            due("g", WriteAction::Resend { level: 1 }, Reason::Pressure, Some(4)),
        ];
        let names = |room| -> String {
            let copy = all.iter().map(|it| DueWrite {
                pool: it.pool.clone(),
                action: it.action.clone(),
                ..*it
            });
            first(copy.collect(), room).iter().map(|write| write.pool.as_str().to_owned()).collect()
        };
        assert_eq!(names(6), "edgbcf");
        assert_eq!(names(1), "e");
        assert_eq!(names(7), "abcdefg", "all fit");
    }
}
