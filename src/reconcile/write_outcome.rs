//! How a write to GARM ends: with an outcome or with an error.

use std::fmt;

use crate::event::StepResult;
use crate::garm::GarmError;

/// The outcome of a write that GARM has answered: the same for levels, pools, runners, settings and
/// credentials, and for `apply` and `watch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// GARM has carried it out.
    Done,
    /// Nothing had to be sent: GARM was already in the requested state, or the runner was already
    /// being deleted.
    AlreadyDone,
    /// A normal answer, not an error: the runner is busy or in a state in which GARM does not
    /// remove it, or the pool still has runners.
    Refused,
}

impl WriteOutcome {
    /// The word used in logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::AlreadyDone => "already_done",
            Self::Refused => "refused",
        }
    }
}

/// Why a write was not carried out, or not completely.
#[derive(Debug)]
pub(super) enum WriteError {
    /// GARM has refused the request or was not reached; nothing has changed.
    Garm(GarmError),
    /// The write was not answered, and its effect could not be read back.
    Unknown(GarmError),
    /// GARM has answered 200 but left these fields unchanged.
    Ignored(Vec<&'static str>),
    /// GARM has changed since the plan was made, so the write must not be made.
    Changed(String),
    /// The pool does not exist any more.
    Gone,
    /// The intent could not be recorded, so the write was not made.
    Unaudited(String),
    /// The write was made, but its outcome could not be recorded.
    Unrecorded(String),
}

impl WriteError {
    /// The result of a step that ends with this error.
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

    /// What the user can do about it.
    pub(super) fn help(&self) -> Option<String> {
        match self {
            Self::Garm(error) => error.help.clone(),
            Self::Unknown(_) => Some("run it again: it continues from the present state".into()),
            Self::Changed(_) | Self::Gone => Some("plan again: GARM has changed since".into()),
            Self::Unaudited(_) | Self::Unrecorded(_) => {
                Some("free space for the audit file, or choose another file with `--audit`".into())
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
                write!(f, "{error}; it is not known whether GARM has carried it out")
            }
            Self::Ignored(fields) => {
                let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
                write!(f, "GARM answered 200 and did not set {}", fields.join(", "))
            }
            Self::Changed(what) => write!(f, "{what}"),
            Self::Gone => write!(f, "the pool no longer exists"),
            Self::Unaudited(error) => write!(f, "not sent, because {error}"),
            Self::Unrecorded(error) => {
                write!(f, "sent, but its outcome could not be recorded: {error}")
            }
        }
    }
}
