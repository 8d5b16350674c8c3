//! What comes into the loop, and what is to be done about it: values, so that the one who decides
//! needs no GARM and no clock.

use std::collections::{BTreeMap, HashMap};

use crate::domain::credential::RateLimit;
use crate::domain::entity::{Entity, EntityKind};
use crate::domain::fleet::{Controller, Fleet};
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::pool::{Pool, SpecsVersion};
use crate::domain::runner::Runner;
use crate::garm::GarmError;
use crate::garm::events::StreamSignal;
use crate::reconcile::write_error::WriteError;
use crate::reconcile::writer::{PoolRef, Removal};
use crate::scaling::Reason;

use super::clock::RequestSpan;
use super::command::WatchCommand;

/// Something has come in.
pub(super) enum Input {
    /// A time that was waited for.
    Tick,
    /// From the stream of events.
    Signal(StreamSignal),
    /// An order.
    Order(WatchCommand),
    /// A full read has ended.
    Fleet(Result<Box<FullRead>, GarmError>),
    /// A read of one pool's runners has ended.
    Runners(PoolId, Result<Vec<Runner>, GarmError>),
    /// A read of one runner's history has ended.
    History(RunnerName, Result<Box<Runner>, GarmError>),
    /// A write has ended.
    Written(PoolWrite, Result<Written, WriteError>),
}

/// One full read.
pub(super) struct FullRead {
    /// GARM's settings and entities as they were read now or last.
    pub(super) fleet: Fleet,
    /// Whether they were read now.
    pub(super) scope: ReadScope,
    /// GitHub's rate limits; empty where they were not read now.
    pub(super) limits: BTreeMap<String, RateLimit>,
    /// GARM's clock, if the answer with the pools told it.
    pub(super) date: Option<jiff::Timestamp>,
    /// When the pools were asked for and came.
    pub(super) span: RequestSpan,
    /// How long all of it took.
    pub(super) took: std::time::Duration,
}

/// What a full read covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadScope {
    /// Pools, instances and jobs: three requests.
    Lists,
    /// GARM's settings and the entities of the declared pools as well, and what lists leave out of
    /// the pools of ours of which it is not known.
    Health,
}

/// What a full read need not read again.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum KnownState {
    /// GARM's settings and entities: [`ReadScope::Lists`].
    Health(Health),
    /// The state of each pool of which `extra_specs` are known: [`ReadScope::Health`].
    Specs(HashMap<PoolId, SpecsVersion>, RateLimitRead),
}

/// Whether GitHub's rate limits are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RateLimitRead {
    /// GARM builds nothing somewhere: they may be why.
    Wanted,
    /// Nobody needs them.
    Unwanted,
}

/// GARM's own state as it was read last.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Health {
    pub(super) controller: Controller,
    pub(super) entities: Vec<Entity>,
    pub(super) kinds: Vec<EntityKind>,
    /// What GitHub lets GARM's credentials ask, by their name, where it was asked for.
    pub(super) limits: BTreeMap<String, RateLimit>,
}

/// Something is to be done.
pub(super) enum Effect {
    /// Read.
    Read(ReadRequest),
    /// Write.
    Write(PoolWrite),
}

/// Something is to be read.
pub(super) enum ReadRequest {
    /// The fleet.
    Fleet(ReadScope),
    /// One pool's runners.
    Runners(PoolId),
    /// One runner with its history.
    History(RunnerName),
}

/// One write to one pool.
#[derive(Debug, Clone)]
pub(super) struct PoolWrite {
    pub(super) target: PoolRef,
    pub(super) what: What,
    /// The rule that led to it.
    pub(super) reason: Option<Reason>,
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// The level, as far as it was known and as it shall be.
    Level { from: u32, to: u32 },
    /// The level of a pool that is not scaled any more.
    Release { from: u32, to: u32 },
    /// The level once more, with the labels.
    Resend { level: u32 },
    /// An idle runner goes.
    Retire(RunnerName),
    /// A failed runner goes.
    Remove(RunnerName, Option<String>),
    /// A suspect runner goes.
    Dismiss(RunnerName),
    /// A runner goes that lives on after its job.
    Clear(RunnerName),
}

/// What came of a write that was answered.
pub(super) enum Written {
    /// The pool as it is now, and whether it had to be written.
    Level(crate::reconcile::writer::Deed, Box<Pool>),
    /// What became of a runner.
    Runner(Removal),
}
