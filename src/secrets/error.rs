//! Why a reference cannot be resolved. Never holds a value.

use std::fmt;

use crate::domain::secret::SecretRef;
use crate::domain::text;

/// A reference that cannot be resolved: a problem in our own input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The reference as people know it, escaped; of `exec:` only the program.
    pub reference: String,
    /// What is wrong.
    pub got: String,
    /// What to type or look at next.
    pub help: Option<String>,
}

impl Error {
    pub(super) fn new(reference: &SecretRef, why: Why) -> Self {
        Self { reference: text::quote(&reference.to_string()), got: why.got, help: why.help }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot resolve `{}`: {}", self.reference, self.got)
    }
}

impl std::error::Error for Error {}

/// What is wrong with a source, before it is known which reference led there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Why {
    pub(super) got: String,
    pub(super) help: Option<String>,
}

impl Why {
    pub(super) fn new(got: impl Into<String>) -> Self {
        Self { got: got.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}
