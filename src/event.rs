//! What happened, as data: progress for a terminal, a log line, a later dashboard.

use std::time::Duration;

use crate::domain::name::{PoolName, RunnerName};
use crate::plan::{Action, Resource};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepResult {
    Done,
    /// Found done already, by another run for example.
    AlreadyDone,
    /// GARM refused it, or could not be reached in the middle.
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

    /// The word of output and JSON.
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

    /// Whether the pool now is as the plan wanted it.
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
        /// Other runners that are still there.
        leaving: usize,
        /// How long it has been waiting.
        waited: Duration,
    },
    /// A runner on its way out cannot be deleted.
    Undeletable {
        pool: PoolName,
        runner: RunnerName,
        /// What its provider says, as GARM has it.
        fault: String,
    },
    /// A runner was removed, or GARM said that it is busy.
    Runner {
        pool: PoolName,
        runner: RunnerName,
        /// What became of it, in a few words.
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
