//! Errors of resolving references. They never contain a secret.

use std::fmt;

use crate::domain::secret::SecretRef;
use crate::domain::text;

/// A reference that cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretError {
    /// The reference as written, escaped. Of an `exec:` reference, only the program is shown.
    pub reference: String,
    pub got: String,
    pub help: Option<String>,
    pub blame: FaultOrigin,
}

/// What must be corrected. It determines the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultOrigin {
    /// The reference, or what it refers to on this machine (exit code 3).
    Reference,
    /// The secrets manager, which cannot be reached or refuses the request (exit code 4).
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

/// What is wrong with a source. The caller adds the reference.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SourceError {
    pub(super) got: String,
    pub(super) help: Option<String>,
    pub(super) blame: FaultOrigin,
}

impl SourceError {
    pub(super) fn new(got: impl Into<String>) -> Self {
        Self { got: got.into(), help: None, blame: FaultOrigin::Reference }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub(super) fn of_manager(self) -> Self {
        Self { blame: FaultOrigin::Manager, ..self }
    }
}
