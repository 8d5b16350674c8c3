//! A problem: what is wrong, where, and what to type next.

use std::fmt;

use super::diagnostic_code::{Code, Severity};

/// Where something stands: a file, and a spot in it unless the whole file is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file, as shown to the user.
    pub file: String,
    /// Where in it.
    pub spot: Option<Position>,
}

/// A spot in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Location {
    /// The whole file.
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

/// A few source lines with marks, fit to be shown: secrets are masked, control characters spelt
/// out, long lines cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Where its first mark stands.
    pub place: Location,
    /// Number of the first line of `text`.
    pub first_line: u32,
    /// The lines, joined by line feeds.
    pub text: String,
    /// What is marked.
    pub marks: Vec<Annotation>,
}

/// A mark in an excerpt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Bytes of the excerpt's text, at least one column wide unless the line ends there.
    pub start: usize,
    /// End of the bytes.
    pub end: usize,
    /// What is said beside it; may be empty.
    pub label: String,
    /// Whether it is the spot that the problem is about, or one that it disagrees with.
    pub role: Role,
}

/// What a mark is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The problem itself.
    Primary,
    /// What it disagrees with.
    Context,
}

/// One problem. A fleet's problems are all collected in one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which kind; stable.
    pub code: Code,
    /// How much it weighs.
    pub severity: Severity,
    /// Where.
    pub place: Location,
    /// One sentence without full stop; escaped, free of secrets.
    pub message: String,
    /// What to type next; escaped, free of secrets.
    pub help: Option<String>,
    /// The source, primary excerpt first. Empty when there is none to show.
    pub excerpts: Vec<Excerpt>,
}

impl Problem {
    /// A problem of a whole file, without source.
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

    /// The same with a hint.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// Whether any of them is an error.
pub fn has_error(problems: &[Problem]) -> bool {
    problems.iter().any(|it| it.severity == Severity::Error)
}
