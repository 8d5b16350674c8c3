//! SourceError a reference cannot be resolved. Never holds a value.

use std::fmt;

use crate::domain::secret::SecretRef;
use crate::domain::text;

/// A reference that cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretError {
    /// The reference as people know it, escaped; of `exec:` only the program.
    pub reference: String,
    /// What is wrong.
    pub got: String,
    /// What to type or look at next.
    pub help: Option<String>,
    /// Whose doing it is.
    pub blame: Blame,
}

/// Whose doing a failure is: it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Ours: the reference, or what it names here (3).
    Reference,
    /// A secrets manager is out of reach or refuses (4).
    Manager,
}

impl SecretError {
    pub(super) fn new(reference: &SecretRef, why: SourceError) -> Self {
        let SourceError { got, help, blame } = why;
        Self { reference: text::quote(&reference.to_string()), got, help, blame }
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot resolve `{}`: {}", self.reference, self.got)
    }
}

impl std::error::Error for SecretError {}

/// What is wrong with a source, before it is known which reference led there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SourceError {
    pub(super) got: String,
    pub(super) help: Option<String>,
    pub(super) blame: Blame,
}

impl SourceError {
    pub(super) fn new(got: impl Into<String>) -> Self {
        Self { got: got.into(), help: None, blame: Blame::Reference }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The secrets manager's doing, not ours.
    pub(super) fn of_manager(self) -> Self {
        Self { blame: Blame::Manager, ..self }
    }
}
