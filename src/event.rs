//! The events of an apply as data, for progress on a terminal and for log lines.

use std::time::Duration;

use crate::domain::name::{PoolName, RunnerName};
use crate::plan::{Action, Resource};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepResult {
    Done,
    /// Nothing was left to do, for example because another run had done it.
    AlreadyDone,
    /// GARM refused it, or stopped responding.
    Failed,
    /// The plan could not do it, or GARM has changed so that it must not be done.
    Blocked,
    /// Runners were still busy at the end of `--drain-timeout`.
    TimedOut,
    /// Stopped by a signal, or not begun because of one.
    Interrupted,
}

impl StepResult {
    /// Every result, in the order of the closing line.
    pub const ALL: [Self; 6] = [
        Self::Done,
        Self::AlreadyDone,
        Self::Failed,
        Self::Blocked,
        Self::TimedOut,
        Self::Interrupted,
    ];

    /// The word used in output and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::AlreadyDone => "already done",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::TimedOut => "timed out",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether the pool is now as planned.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Done | Self::AlreadyDone)
    }
}

/// The end of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepOutcome {
    pub about: Resource,
    /// What was to be done.
    pub action: Action,
    pub kind: StepResult,
    /// One sentence; empty when there is nothing to add.
    pub detail: String,
    /// What to do next, if anything is known.
    pub help: Option<String>,
}

/// Something that happened while a plan was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplyEvent {
    StepBegan {
        about: Resource,
        /// What is to be done.
        action: Action,
    },
    /// What the step is doing now, in a few words.
    Doing {
        about: Resource,
        /// `create`, `wait for 3 busy runners`, …
        what: String,
    },
    Draining {
        pool: PoolName,
        /// Runners that still have a job.
        busy: usize,
        /// Other runners that still exist.
        leaving: usize,
        /// How long it has been waiting.
        waited: Duration,
    },
    /// A provider cannot delete a runner.
    Undeletable {
        pool: PoolName,
        runner: RunnerName,
        /// The provider's message, as GARM reports it.
        fault: String,
    },
    /// A runner was removed, or GARM refused because it is busy.
    Runner {
        pool: PoolName,
        runner: RunnerName,
        /// The result, in a few words.
        what: String,
    },
    StepEnded(StepOutcome),
}

/// Receives the events of an apply. Called from several tasks; must not block.
pub trait ApplyListener: Send + Sync {
    fn hear(&self, event: &ApplyEvent);
}

pub struct SilentListener;

impl ApplyListener for SilentListener {
    fn hear(&self, _event: &ApplyEvent) {}
}
