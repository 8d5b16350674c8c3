//! The inputs of the loop and the effects that it asks for. Both are values, so that the state
//! machine needs neither GARM nor a clock.

use crate::domain::name::{PoolId, RunnerName};
use crate::domain::pool::Pool;
use crate::domain::runner::Runner;
use crate::garm::GarmError;
use crate::garm::events::StreamSignal;
use crate::reconcile::read_fleet::resync::{FullRead, ReadScope};
use crate::reconcile::write_outcome::{WriteError, WriteOutcome};
use crate::reconcile::writer::PoolRef;
use crate::scaling::{GroupReport, GroupView, Reason};

use super::command::WatchCommand;
use super::observer::WriteAction;

/// An input to the state machine.
pub(super) enum Input {
    /// A deadline that was waited for.
    Tick,
    /// A signal from the event stream.
    Signal(StreamSignal),
    /// A command to the loop.
    Order(WatchCommand),
    /// A full read has ended.
    Fleet(Result<Box<FullRead>, GarmError>),
    /// A read of one pool has ended.
    Pool(PoolId, Result<PoolReading, GarmError>),
    /// A read of one runner's history has ended.
    History(RunnerName, Result<Box<Runner>, GarmError>),
    /// A write to a pool has ended.
    Written(PoolWrite, Result<Answered, WriteError>),
    /// The loops of other GARMs have told of groups with pools of several GARMs.
    Groups(GroupView),
}

/// What a read of one pool has shown.
pub(super) struct PoolReading {
    /// The row of a scale set, which has the number of assigned jobs; absent for a pool.
    pub(super) scale_set: Option<Box<Pool>>,
    pub(super) runners: Vec<Runner>,
}

/// Something that the driver has to do.
pub(super) enum Effect {
    Read(ReadRequest),
    Write(PoolWrite),
    /// A write of `max_runners`, as far as the group has places for it.
    Claim(PoolWrite),
    /// What the loops of other GARMs are to know.
    Report(GroupReport),
}

/// What the driver has to read.
pub(super) enum ReadRequest {
    /// The whole fleet, in this scope.
    Fleet(ReadScope),
    /// The runners of one pool, and the row of a scale set.
    Pool(PoolId),
    /// One runner with its history.
    History(RunnerName),
}

/// One write to one pool.
#[derive(Debug, Clone)]
pub(super) struct PoolWrite {
    pub(super) target: PoolRef,
    pub(super) action: WriteAction,
    /// False for a pool that is no longer scaled: its level is only lowered.
    pub(super) is_scaled: bool,
    /// The rule that led to it.
    pub(super) reason: Option<Reason>,
}

/// A write that GARM has answered.
pub(super) struct Answered {
    pub(super) outcome: WriteOutcome,
    /// The pool after a write of its level.
    pub(super) pool: Option<Box<Pool>>,
}
