//! How a write to GARM ends: with an outcome, or with the error that kept it from one.

use std::fmt;

use crate::event::StepResult;
use crate::garm::GarmError;

/// How a write ended that GARM answered. The same for levels, pools, runners, settings and
/// credentials, and for `apply` and `watch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// GARM has carried it out.
    Done,
    /// Nothing had to be sent: GARM was in the requested state already, or the runner was already
    /// on its way out.
    AlreadyDone,
    /// A normal answer, not an error: the runner is busy, GARM removes none in its present state,
    /// or the pool still has runners.
    Refused,
}

impl WriteOutcome {
    /// The word used in logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::AlreadyDone => "already",
            Self::Refused => "busy",
        }
    }
}

/// Why a write was not carried out, or not completely.
#[derive(Debug)]
pub(super) enum WriteError {
    /// GARM refused or was not reached, and nothing has changed.
    Garm(GarmError),
    /// No answer to a write, and what it did could not be read back.
    Unknown(GarmError),
    /// GARM answered 200 and left these fields as they were.
    Ignored(Vec<&'static str>),
    /// GARM is not any more as the plan saw it: it must not be done.
    Changed(String),
    /// The pool is not there any more.
    Gone,
    /// A record could not be written; the write before which it belongs was not made.
    Unaudited(String),
    /// What followed a write could not be recorded; the write itself was made.
    Unrecorded(String),
}

impl WriteError {
    /// How the step ends.
    pub(super) fn kind(&self) -> StepResult {
        match self {
            Self::Changed(_) => StepResult::Blocked,
            Self::Garm(_)
            | Self::Unknown(_)
            | Self::Ignored(_)
            | Self::Gone
            | Self::Unaudited(_)
            | Self::Unrecorded(_) => StepResult::Failed,
        }
    }

    /// What to do about it.
    pub(super) fn help(&self) -> Option<String> {
        match self {
            Self::Garm(error) => error.help.clone(),
            Self::Unknown(_) => Some("run it again: it goes on from what is there".into()),
            Self::Changed(_) | Self::Gone => Some("plan again: GARM has changed meanwhile".into()),
            Self::Unaudited(_) | Self::Unrecorded(_) => {
                Some("make room for the audit file, or name another with `--audit`".into())
            }
            Self::Ignored(_) => None,
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Garm(error) => write!(f, "{error}"),
            Self::Unknown(error) => {
                write!(f, "{error}; whether GARM carried it out is not known")
            }
            Self::Ignored(fields) => {
                let fields: Vec<String> = fields.iter().map(|it| format!("`{it}`")).collect();
                write!(f, "GARM answered 200 and did not set {}", fields.join(", "))
            }
            Self::Changed(what) => write!(f, "{what}"),
            Self::Gone => write!(f, "the pool is not there any more"),
            Self::Unaudited(error) => write!(f, "not sent, because {error}"),
            Self::Unrecorded(error) => write!(f, "sent, but its outcome is not on record: {error}"),
        }
    }
}
