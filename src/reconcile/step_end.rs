//! How a step of a plan ends.

use super::write_outcome::{WriteError, WriteOutcome};
use crate::event::StepResult;
use crate::plan::Step;

pub(super) const ALREADY_SO: &str = "already up to date";
pub(super) const BY_ANOTHER_RUN: &str = "created by another run";
pub(super) const ALREADY_GONE: &str = "already deleted";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StepEnd {
    pub(super) kind: StepResult,
    pub(super) detail: String,
    pub(super) help: Option<String>,
}

impl StepEnd {
    pub(super) fn new(kind: StepResult, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), help: None }
    }

    /// The end of a step that the plan has blocked.
    pub(super) fn blocked(step: &Step) -> Self {
        Self { help: step.help.clone(), ..Self::new(StepResult::Blocked, step.reason.clone()) }
    }

    pub(super) fn done() -> Self {
        Self::new(StepResult::Done, "")
    }

    /// The end of a step whose last write had this outcome; `already` is the text for a write that
    /// was not needed.
    pub(super) fn of(outcome: WriteOutcome, already: &str) -> Self {
        match outcome {
            WriteOutcome::Done => Self::done(),
            WriteOutcome::AlreadyDone => Self::new(StepResult::AlreadyDone, already),
            WriteOutcome::Refused => Self::new(StepResult::Blocked, "it has runners now"),
        }
    }
}

impl From<WriteError> for StepEnd {
    fn from(trouble: WriteError) -> Self {
        Self { help: trouble.help(), ..Self::new(trouble.kind(), trouble.to_string()) }
    }
}
