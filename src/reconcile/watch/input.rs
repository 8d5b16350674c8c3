//! The inputs of the loop and the effects that it asks for. Both are values, so that the state
//! machine needs neither GARM nor a clock.

use std::collections::{BTreeMap, HashMap};

use crate::domain::credential::RateLimit;
use crate::domain::entity::{Entity, EntityKind};
use crate::domain::fleet::{Controller, Fleet};
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::pool::{Pool, SpecsVersion};
use crate::domain::runner::Runner;
use crate::garm::GarmError;
use crate::garm::events::StreamSignal;
use crate::reconcile::write_outcome::{WriteError, WriteOutcome};
use crate::reconcile::writer::PoolRef;
use crate::scaling::Reason;

use super::clock::RequestSpan;
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
    /// A read of one pool's runners has ended.
    Runners(PoolId, Result<Vec<Runner>, GarmError>),
    /// A read of one runner's history has ended.
    History(RunnerName, Result<Box<Runner>, GarmError>),
    /// A write to a pool has ended.
    Written(PoolWrite, Result<Answered, WriteError>),
}

/// The result of one full read.
pub(super) struct FullRead {
    /// The fleet; GARM's settings and entities may be those of an earlier read.
    pub(super) fleet: Fleet,
    /// Whether settings and entities were read this time.
    pub(super) scope: ReadScope,
    /// GitHub's rate limits; empty if they were not read this time.
    pub(super) limits: BTreeMap<String, RateLimit>,
    /// The time on GARM's clock, if the answer with the pools contained it.
    pub(super) date: Option<jiff::Timestamp>,
    /// When the pools were requested and received.
    pub(super) span: RequestSpan,
    /// The duration of the whole read.
    pub(super) took: std::time::Duration,
}

/// What a full read covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadScope {
    /// Pools, instances and jobs: three requests.
    Lists,
    /// In addition, GARM's settings, the entities of our pools, and those `extra_specs` of our
    /// pools that are not known yet.
    Health,
}

/// What is known already and need not be read again.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum KnownState {
    /// GARM's settings and entities, for [`ReadScope::Lists`].
    Health(Health),
    /// The edition of each pool whose `extra_specs` are known, for [`ReadScope::Health`].
    Specs(HashMap<PoolId, SpecsVersion>, RateLimitRead),
}

/// Whether GitHub's rate limits are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RateLimitRead {
    /// GARM creates no runners somewhere, and the limits may explain it.
    Wanted,
    /// No pool needs the explanation.
    Unwanted,
}

/// The state of GARM itself as it was last read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Health {
    pub(super) controller: Controller,
    pub(super) entities: Vec<Entity>,
    pub(super) kinds: Vec<EntityKind>,
    /// GitHub's rate limit for each of GARM's credentials, by name, where it was read.
    pub(super) limits: BTreeMap<String, RateLimit>,
}

/// Something that the driver has to do.
pub(super) enum Effect {
    /// A read of GARM.
    Read(ReadRequest),
    /// A write to GARM.
    Write(PoolWrite),
}

/// What the driver has to read.
pub(super) enum ReadRequest {
    /// The whole fleet, in this scope.
    Fleet(ReadScope),
    /// The runners of one pool.
    Runners(PoolId),
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
