//! What the loop tells, and to whom.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::managed_pools::{ManagedPool, UnresolvedReason};
use crate::domain::entity::EntityKey;
use crate::domain::fleet::Fleet;
use crate::domain::name::{PoolId, PoolName, RunnerName};
use crate::garm::GarmError;
use crate::monitor::{IsolationFinding, IsolationSummary};
use crate::render::decision::{DecisionEffect, Stall};
use crate::scaling::{Decision, FleetIndex, Freeze, Reason, RowChange, ScalingState};

/// Hears what the loop sees, decides and does. Called from the loop itself: every call is cheap
/// and none blocks. All times are on GARM's clock.
pub trait Observer: Send + Sync {
    /// The whole fleet was read, in this time; nothing has been decided from it yet.
    fn read(&self, fleet: &Fleet, took: Duration);

    /// An event as it came, also one that shows nothing new or is older than what is known: for
    /// whoever keeps a record of all that is told. The picture is not changed yet.
    fn heard(&self, _change: &RowChange) {}

    /// An event has changed the picture at `now`. Events that were older than what was known are
    /// not told of.
    fn changed(&self, change: &RowChange, now: Timestamp);

    /// A turn was taken: how everything stands. Also called when a freeze begins or ends and when
    /// the stream of events comes or goes.
    fn turned(&self, sight: &LoopSnapshot<'_>);

    /// A decision about a pool has another direction, reason or level than the one before.
    fn decided(&self, pool: &PoolName, decision: &Decision, applied: Applied);

    /// Something was written, or was to be, and this came of it.
    fn acted(&self, act: &WriteReport);

    /// The isolation auditor has found something.
    fn found(&self, finding: &IsolationFinding);

    /// Something is not as it should be, or is so again.
    fn trouble(&self, incident: &Incident);

    /// The loop turns: told every ten seconds, whether anything has happened or not.
    fn beat(&self);
}

/// How everything stands after a turn.
#[derive(Debug, Clone, Copy)]
pub struct LoopSnapshot<'a> {
    /// GARM's clock.
    pub now: Timestamp,
    /// How far this machine's clock is ahead of GARM's, to within a second.
    pub skew: SignedDuration,
    /// The fleet as it is known.
    pub picture: &'a FleetIndex,
    /// What is remembered, decisions in force included.
    pub memory: &'a ScalingState,
    /// The declared pools that were found in GARM.
    pub managed: &'a BTreeMap<PoolName, ManagedPool>,
    /// The declared pools that were not, or not for certain: they are left alone.
    pub unmanaged: &'a BTreeMap<PoolName, UnresolvedReason>,
    /// Why nothing is written to any pool; absent when all is well.
    pub freeze: Option<&'a Freeze>,
    /// Whether decisions are written where nothing is frozen.
    pub applied: Applied,
    /// Why nothing is written to the pools of an entity.
    pub stopped: &'a BTreeMap<EntityKey, Freeze>,
    /// When the fleet was last read as a whole.
    pub read_at: Timestamp,
    /// How long ago that is, by a clock that nobody sets.
    pub read_age: Duration,
    /// Whether events arrive.
    pub stream: EventStream,
    /// Pools whose level GARM does not follow.
    pub stalls: &'a BTreeMap<PoolId, Stall>,
    /// What the isolation auditor has watched.
    pub watched: &'a IsolationSummary,
}

impl<'a> LoopSnapshot<'a> {
    /// Why nothing is written to the pools of this entity, if that is so.
    pub fn freeze_of(&self, entity: &EntityKey) -> Option<&'a Freeze> {
        self.freeze.or_else(|| self.stopped.get(entity))
    }

    /// What becomes of the decision about a pool of this entity.
    pub fn fate_of(&self, entity: &EntityKey) -> DecisionEffect<'a> {
        match (self.freeze_of(entity), self.applied) {
            (Some(why), _) => DecisionEffect::Frozen(why),
            (None, Applied::Yes) => DecisionEffect::Applied,
            (None, Applied::No) => DecisionEffect::NotWritten,
        }
    }

    /// The decision in force about each pool that is scaled, by id.
    pub fn decisions(&self) -> BTreeMap<&'a PoolId, &'a Decision> {
        let all = self.memory.values().flat_map(crate::scaling::EntityState::decisions);
        all.map(|it| (&it.pool, it.as_ref())).collect()
    }
}

/// Whether what is decided is written to GARM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is.
    Yes,
    /// It is not: nothing is written at the moment, or levels only fall.
    No,
}

/// Whether events arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventStream {
    /// Not connected yet, or not any more: only full reads tell.
    Down,
    /// Connected.
    Up,
}

/// A write, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteReport {
    /// When it ended.
    pub at: Timestamp,
    /// Which pool.
    pub pool: PoolName,
    /// GARM's id of it.
    pub pool_id: PoolId,
    /// What was to be done.
    pub deed: Deed,
    /// The rule that led to it; absent for what follows from no decision: the end of all pulses
    /// at a stop or while held, a level sent again.
    pub reason: Option<Reason>,
    /// What came of it.
    pub end: ActEnd,
}

/// What is written by the loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// The level goes up.
    Raise {
        /// What it was, as far as was known.
        from: u32,
        /// What it was to be.
        to: u32,
    },
    /// The level goes down.
    Lower {
        /// What it was, as far as was known.
        from: u32,
        /// What it was to be.
        to: u32,
    },
    /// The level as it is, with the labels as they are, so that GARM's loops take notice.
    Resend {
        /// The level.
        level: u32,
    },
    /// An idle runner goes.
    Retire {
        /// Its name.
        runner: RunnerName,
    },
    /// A failed runner goes.
    Remove {
        /// Its name.
        runner: RunnerName,
        /// Why its provider failed, as GARM has it, bounded; absent when it does not say.
        fault: Option<String>,
    },
    /// A suspect runner goes.
    Dismiss {
        /// Its name.
        runner: RunnerName,
    },
    /// A runner goes that lives on after its job.
    Clear {
        /// Its name.
        runner: RunnerName,
    },
}

/// What came of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActEnd {
    /// GARM has done it.
    Done,
    /// It was so already, or the runner was on its way out.
    Already,
    /// GARM does not let the runner go: it has a job, or is in a state in which GARM removes
    /// none. A normal answer.
    Busy,
    /// It was not done, or nobody knows: one sentence.
    Failed(String),
}

/// Something that is not as it should be, or is so again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incident {
    /// A full read failed.
    ReadFailed {
        /// Why.
        error: GarmError,
        /// How many have failed in a row.
        failures: u32,
        /// When the next is tried.
        again_in: Duration,
    },
    /// Full reads succeed again, after so many failures.
    ReadAgain {
        /// How many had failed in a row.
        failures: u32,
    },
    /// Nothing is written any more, for an entity or for all.
    Frozen {
        /// Which entity; absent for all.
        entity: Option<EntityKey>,
        /// Why.
        why: Freeze,
    },
    /// That is over.
    Thawed {
        /// Which entity; absent for all.
        entity: Option<EntityKey>,
        /// Why it was so.
        was: Freeze,
        /// The entities whose pools are still not written to.
        still: Vec<EntityKey>,
    },
    /// Events arrive no more; the reason in a few words.
    StreamLost(String),
    /// Events arrive.
    StreamUp,
    /// Events were lost because they came faster than they were taken: the fleet is read anew.
    Overflow,
    /// This machine's clock and GARM's are more than 30 s apart.
    Skewed(SignedDuration),
    /// They agree again.
    InStep,
    /// No read of a pool with a raised level has succeeded for 10 s: the next write lowers it.
    LeashSlack(PoolName),
    /// GARM does not create the runners that a pool's level asks for, although the level was sent
    /// again.
    NotFollowed {
        /// Which pool.
        pool: PoolName,
        /// What is known of it.
        stall: Box<Stall>,
    },
    /// It has created one, or none is asked for any more.
    Followed(PoolName),
    /// A declared pool cannot be steered.
    Unmanaged {
        /// Which.
        pool: PoolName,
        /// Why.
        why: UnresolvedReason,
    },
    /// A declared pool is steered.
    Managed(PoolName),
    /// A runner has failed and is about to be removed.
    RunnerFailed {
        /// Its pool.
        pool: PoolName,
        /// Which runner.
        runner: RunnerName,
        /// Why its provider failed, as GARM has it, bounded; absent when it does not say.
        fault: Option<String>,
    },
    /// A runner is suspect: idle by its row, while a younger runner of the pool took a job that had
    /// waited beside it.
    RunnerSuspect {
        /// Its pool.
        pool: PoolName,
        /// Which runner.
        runner: RunnerName,
        /// For how long it stays before it is removed.
        grace: Duration,
    },
    /// A runner's history could not be read: its idle time is taken from its row.
    HistoryUnread {
        /// Which runner.
        runner: RunnerName,
        /// Why.
        error: GarmError,
    },
}
