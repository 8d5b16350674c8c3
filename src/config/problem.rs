//! Problems: what is wrong, where, and what to do next.

use std::fmt;

use super::diagnostic_code::{Code, Severity};

/// A location: a file, and a position in it unless the whole file is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file, as shown to the user.
    pub file: String,
    pub spot: Option<Position>,
}

/// A position in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line number, counted from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Location {
    pub fn whole(file: impl Into<String>) -> Self {
        Self { file: file.into(), spot: None }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.spot {
            Some(Position { line, column }) => write!(f, "{}:{line}:{column}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// Annotated source lines that are safe to show: secrets are masked, control characters escaped,
/// long lines cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The location of its first annotation.
    pub place: Location,
    /// The line number of the first line of `text`.
    pub first_line: u32,
    /// The lines, joined by line feeds.
    pub text: String,
    pub marks: Vec<Annotation>,
}

/// An annotation in an excerpt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Start of the range, in bytes of the excerpt's text. It covers at least one column unless the
    /// line ends there.
    pub start: usize,
    /// End of the range, exclusive.
    pub end: usize,
    /// The text beside it; may be empty.
    pub label: String,
    /// Whether it marks the problem itself, or a place that it conflicts with.
    pub role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Primary,
    /// A place that it conflicts with.
    Context,
}

/// A problem. One run collects all problems of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    pub severity: Severity,
    pub place: Location,
    /// One sentence without a full stop; escaped and free of secrets.
    pub message: String,
    /// What to do next; escaped and free of secrets.
    pub help: Option<String>,
    /// The source lines, primary excerpt first; empty if there are none to show.
    pub excerpts: Vec<Excerpt>,
}

impl Problem {
    /// A problem with a whole file, without source lines.
    pub fn of_file(code: Code, file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            place: Location::whole(file),
            message: message.into(),
            help: None,
            excerpts: Vec::new(),
        }
    }

    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

pub fn has_error(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Error)
}
