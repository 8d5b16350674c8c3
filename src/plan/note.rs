//! A note of a plan, as data.

use crate::domain::name::PoolName;

/// The severity of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteSeverity {
    /// The declared values do not have the declared effect until the cause is removed.
    Warning,
    Remark,
}

/// Information for the user that is not a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub weight: NoteSeverity,
    /// The pool that it is about, if there is exactly one.
    pub pool: Option<PoolName>,
    /// One sentence without a full stop.
    pub text: String,
    /// What to do about it, as one sentence without a full stop.
    pub help: Option<String>,
}

impl Note {
    /// For information only, about no pool in particular.
    pub(super) fn remark(text: String) -> Self {
        Self { weight: NoteSeverity::Remark, pool: None, text, help: None }
    }

    pub(super) fn warning(text: String, help: impl Into<String>) -> Self {
        Self { weight: NoteSeverity::Warning, pool: None, text, help: Some(help.into()) }
    }
}
