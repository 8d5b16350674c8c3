//! Why a value is invalid, before its location is known.

use std::fmt;

use super::diagnostic_code::Code;
use super::diagnostics::{Diagnostic, FileSpan};
use crate::domain::text::quote;

/// What a message is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum MessageSubject<'a> {
    /// The value of a key.
    Key(&'a str),
    /// An entry of a list.
    EntryOf(&'a str),
    /// A phrase that is used as it is, such as "a pool file".
    Phrase(&'a str),
}

impl fmt::Display for MessageSubject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "`{}`", quote(key)),
            Self::EntryOf(key) => write!(f, "an entry of `{}`", quote(key)),
            Self::Phrase(phrase) => f.write_str(phrase),
        }
    }
}

/// Why a value is invalid, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InvalidValue {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl InvalidValue {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same as an error at a location.
    pub(super) fn error_at(self, at: FileSpan) -> Diagnostic {
        let diagnostic = Diagnostic::error(self.code, at, self.message);
        match self.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}
