//! Why a write was not carried out, or not whole.

use std::fmt;

use crate::event::StepResult;
use crate::garm::GarmError;

/// Why a step stops.
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
