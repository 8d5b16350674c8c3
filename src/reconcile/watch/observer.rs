//! The interface through which the loop reports to its observer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::command::Writes;
use super::managed_pools::{ManagedPool, UnresolvedReason};
use crate::domain::entity::EntityKey;
use crate::domain::fleet::Fleet;
use crate::domain::name::{GroupName, PoolId, PoolName, RunnerName};
use crate::garm::GarmError;
use crate::monitor::{IsolationFinding, IsolationSummary};
use crate::reconcile::write_outcome::WriteOutcome;
use crate::render::decision::{DecisionEffect, Stall};
use crate::scaling::{
    Decision, EntityState, FleetIndex, Freeze, Reason, RowChange, RunnerTransition, ScalingState,
};

/// Receives what the loop observes, decides and does. The loop itself makes the calls, so every
/// implementation is cheap and does not block. All times are on GARM's clock.
pub trait Observer: Send + Sync {
    /// A runner has changed, appeared or gone. Called for each one that a full read shows, before
    /// [`Self::read`], but not for the first read; and for each later row that has changed the
    /// index, before [`Self::changed`].
    fn runner_changed(&self, _transition: &RunnerTransition<'_>) {}

    /// The whole fleet was read in this time; no decision has been made from it yet.
    fn read(&self, fleet: &Fleet, took: Duration);

    /// A row as it arrived from an event, a poll or an answered write, even if it shows nothing new
    /// or is older than what is known, for a complete record. The index has not been updated yet.
    fn heard(&self, _change: &RowChange) {}

    /// A row from an event, a poll or an answered write has changed the index at `now`. Rows that
    /// are older than what is known are not reported.
    fn changed(&self, change: &RowChange, now: Timestamp);

    /// The state of the whole loop after an evaluation, at most five times a second unless pools were
    /// resolved anew. Also called when a freeze begins or ends, when a level is sent again because
    /// GARM does not follow it, and at the end of the loop.
    fn evaluated(&self, sight: &LoopSnapshot<'_>);

    /// A decision about a pool differs from the previous one in direction, reason or level.
    fn decided(&self, pool: &PoolName, decision: &Decision, applied: Writes);

    /// A write has ended, successfully or not.
    fn acted(&self, act: &WriteReport);

    /// The isolation auditor has found a violation.
    fn found(&self, finding: &IsolationFinding);

    /// A problem has begun or ended.
    fn trouble(&self, incident: &Incident);

    /// The loop is alive: called every ten seconds, whether or not anything has happened.
    fn beat(&self);
}

/// The current decision about each scaled pool, by id.
pub fn decisions(memory: &ScalingState) -> BTreeMap<&PoolId, &Arc<Decision>> {
    let all = memory.values().flat_map(EntityState::decisions);
    all.map(|decision| (&decision.pool, decision)).collect()
}

/// The state of the loop after an evaluation.
#[derive(Debug, Clone, Copy)]
pub struct LoopSnapshot<'a> {
    /// The time on GARM's clock.
    pub now: Timestamp,
    /// How far this machine's clock is ahead of GARM's, to within a second.
    pub skew: SignedDuration,
    /// The fleet as it is known.
    pub fleet_index: &'a FleetIndex,
    /// What scaling remembers of each entity.
    pub memory: &'a ScalingState,
    /// The current decision about each scaled pool, from the scaling state.
    pub decisions: &'a BTreeMap<&'a PoolId, &'a Arc<Decision>>,
    /// The declared pools that were resolved in GARM.
    pub managed: &'a BTreeMap<PoolName, ManagedPool>,
    /// The declared pools that were not resolved, and are therefore not scaled.
    pub unmanaged: &'a BTreeMap<PoolName, UnresolvedReason>,
    /// Why nothing is written to any pool; absent if writes are possible.
    pub freeze: Option<&'a Freeze>,
    /// Whether decisions are written where no freeze applies.
    pub applied: Writes,
    /// Why nothing is written to the pools of an entity.
    pub stopped: &'a BTreeMap<EntityKey, Freeze>,
    /// When the fleet was last read as a whole.
    pub read_at: Timestamp,
    /// The time since then, by a monotonic clock.
    pub read_age: Duration,
    /// The present time between two full reads while events arrive.
    pub read_interval: Duration,
    /// The age from which the last full read is stale.
    pub stale_after: Duration,
    /// Whether the event stream is connected.
    pub stream: StreamStatus,
    /// Pools whose level GARM does not follow.
    pub stalls: &'a BTreeMap<PoolId, Stall>,
    /// What the isolation auditor has observed.
    pub watched: &'a IsolationSummary,
}

impl<'a> LoopSnapshot<'a> {
    /// Why nothing is written to the pools of this entity, if nothing is.
    pub fn freeze_of(&self, entity: &EntityKey) -> Option<&'a Freeze> {
        self.freeze.or_else(|| self.stopped.get(entity))
    }

    /// What happens to the decision about a pool of this entity.
    pub fn fate_of(&self, entity: &EntityKey) -> DecisionEffect<'a> {
        match (self.freeze_of(entity), self.applied) {
            (Some(why), _) => DecisionEffect::Frozen(why),
            (None, Writes::Sent) => DecisionEffect::Applied,
            (None, Writes::Withheld) => DecisionEffect::NotWritten,
        }
    }
}

/// The state of the event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStatus {
    /// Not connected: only full reads show changes.
    Down,
    Up,
}

/// A write and its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteReport {
    pub at: Timestamp,
    /// The name of the pool.
    pub pool: PoolName,
    /// GARM's id of the pool.
    pub pool_id: PoolId,
    /// What was to be written.
    pub action: WriteAction,
    /// The rule that led to it; absent for a write that follows from no decision, such as the end
    /// of all raised levels at a stop, or a level sent again.
    pub reason: Option<Reason>,
    /// How it ended; an error is one sentence, and may leave open whether GARM carried it out.
    pub outcome: Result<WriteOutcome, String>,
}

/// One write of the loop, from the decision that asks for it to the log line that reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteAction {
    /// Raises the level of a pool.
    Raise {
        /// The previous level, as far as it was known.
        from: u32,
        /// The requested level of the pool.
        to: u32,
    },
    /// Lowers the level of a pool.
    Lower {
        /// The previous level, as far as it was known.
        from: u32,
        /// The requested level of the pool.
        to: u32,
    },
    /// Sends the present level and labels again, so that GARM's loops notice them.
    Resend {
        /// The present level of the pool.
        level: u32,
    },
    /// Changes the level of a scale set and takes it back, so that GARM's worker notices the scale
    /// set.
    Rescue {
        /// The present level of the scale set.
        level: u32,
        /// The runners that GARM has not created.
        missing: u32,
    },
    /// Sets `max_runners` of a pool that shares the limit of a group.
    Limit {
        /// The previous `max_runners` in GARM, as far as it was known.
        from: u32,
        /// The requested `max_runners`.
        to: u32,
        /// The name of the group.
        group: GroupName,
    },
    /// Removes an idle runner of the pool.
    Retire {
        /// The name of the runner.
        runner: RunnerName,
    },
    /// Removes a failed runner of the pool.
    Remove {
        /// The name of the runner.
        runner: RunnerName,
        /// Why its provider failed, in GARM's words, bounded in length; absent if GARM does not
        /// say.
        fault: Option<String>,
    },
    /// Removes a suspect runner of the pool.
    Dismiss {
        /// The name of the runner.
        runner: RunnerName,
    },
    /// Removes a runner that still exists after its job.
    Clear {
        /// The name of the runner.
        runner: RunnerName,
    },
}

impl WriteAction {
    /// Sets a level; `from` is GARM's level as far as it is known.
    pub(super) fn level(from: u32, to: u32) -> Self {
        if to > from { Self::Raise { from, to } } else { Self::Lower { from, to } }
    }

    /// The word used in the JSON log.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Raise { .. } => "raise",
            Self::Lower { .. } => "lower",
            Self::Resend { .. } => "resend",
            Self::Rescue { .. } => "rescue",
            Self::Limit { .. } => "limit",
            Self::Retire { .. } => "retire",
            Self::Remove { .. } => "remove",
            Self::Dismiss { .. } => "dismiss",
            Self::Clear { .. } => "clear",
        }
    }

    /// The runner that the action removes, if it removes one.
    pub(super) fn runner(&self) -> Option<&RunnerName> {
        match self {
            Self::Retire { runner }
            | Self::Remove { runner, .. }
            | Self::Dismiss { runner }
            | Self::Clear { runner } => Some(runner),
            Self::Raise { .. }
            | Self::Lower { .. }
            | Self::Resend { .. }
            | Self::Rescue { .. }
            | Self::Limit { .. } => None,
        }
    }

    /// The same action with the level that GARM has set: `max_runners` may have been lowered
    /// meanwhile.
    pub(super) fn fitted(self, level: u32) -> Self {
        match self {
            Self::Raise { from, .. } | Self::Lower { from, .. } => Self::level(from, level),
            Self::Resend { .. } => Self::Resend { level },
            Self::Rescue { missing, .. } => Self::Rescue { level, missing },
            Self::Limit { .. }
            | Self::Retire { .. }
            | Self::Remove { .. }
            | Self::Dismiss { .. }
            | Self::Clear { .. } => self,
        }
    }
}

/// A problem that has begun or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incident {
    /// A full read has failed.
    ReadFailed {
        /// Why the read has failed.
        error: GarmError,
        /// The number of consecutive failures.
        failures: u32,
        /// The time until the next attempt.
        again_in: Duration,
    },
    /// Full reads succeed again after failures.
    ReadAgain {
        /// The number of consecutive failures before.
        failures: u32,
    },
    /// Nothing is written any more, for one entity or for all.
    Frozen {
        /// The entity; absent if all are affected.
        entity: Option<EntityKey>,
        why: Freeze,
    },
    /// Writes are possible again, for one entity or for all.
    Thawed {
        /// The entity; absent if all are affected.
        entity: Option<EntityKey>,
        /// Why nothing was written before.
        was: Freeze,
        /// The entities whose pools are still not written to.
        still: Vec<EntityKey>,
    },
    /// The event stream was lost, for this reason in a few words.
    StreamLost(String),
    /// The event stream is connected.
    StreamUp,
    /// Events were dropped because there were more than the limits allow. The fleet is read again.
    Overflow,
    /// This machine's clock and GARM's are more than 30 s apart.
    Skewed(SignedDuration),
    InStep,
    /// No read of a pool with a raised level has succeeded for 10 s. The next write lowers the
    /// level.
    LeaseExpired(PoolName),
    /// GARM does not create the runners that a pool's level asks for, although the level was sent
    /// again.
    NotFollowed {
        /// The name of the pool.
        pool: PoolName,
        /// What is known of the cause.
        stall: Box<Stall>,
    },
    /// GARM has created a runner, or none is asked for any more.
    Followed(PoolName),
    /// A declared pool cannot be scaled.
    Unmanaged {
        /// The name of the pool.
        pool: PoolName,
        /// Why it cannot be scaled.
        why: UnresolvedReason,
    },
    /// A declared pool can be scaled again.
    Managed(PoolName),
    /// A runner is suspect: idle according to its row, while a younger runner of the pool took a
    /// job that had waited beside it.
    RunnerSuspect {
        /// The pool of the runner.
        pool: PoolName,
        /// The name of the runner.
        runner: RunnerName,
        /// How long the runner is kept before it is removed.
        grace: Duration,
    },
    /// A runner's history could not be read, so its idle time is taken from its row.
    HistoryUnread {
        /// The name of the runner.
        runner: RunnerName,
        /// Why the read has failed.
        error: GarmError,
    },
}
