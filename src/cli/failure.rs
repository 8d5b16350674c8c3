//! The failure of a command: what is wrong, what to type next, and the exit code.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::exit::Exit;
use crate::domain::name::GarmName;
use crate::domain::text::escape;
use crate::garm;
use crate::render::document;
use crate::render::style::{ERROR, HELP, paint};
use crate::render::words::nearest;
use crate::secrets;

/// Why a command ends early. `cli/mod.rs` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to type or to check next.
    pub help: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: None }
    }

    /// A problem in the input (3).
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::Input, message)
    }

    /// Refused before the first write (6).
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// A wrong command line (64).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The failure at one of several GARMs: it names the keys of its entry in `garms` instead of those
    /// of `garm`.
    #[must_use]
    pub fn at(self, garm: &GarmName) -> Self {
        let own = |text: &str| text.replace("`garm.", &format!("`garms.{garm}."));
        Self { message: own(&self.message), help: self.help.as_deref().map(own), ..self }
    }

    /// Asks whether the nearest of the known names is meant; if none is near, the hint is
    /// `otherwise`.
    #[must_use]
    pub fn did_you_mean<'n>(
        self,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
        otherwise: impl Into<String>,
    ) -> Self {
        match nearest(name, known) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self.help(otherwise),
        }
    }

    /// The text for stderr: `error: …`, and `help: …` on its own line.
    pub fn text(&self) -> String {
        let mut text = format!("{} {}", paint(ERROR, "error:"), escape_lines(&self.message));
        if let Some(help) = &self.help {
            text.push_str(&format!("\n{} {}", paint(HELP, "help:"), escape_lines(help)));
        }
        text
    }

    /// The fields of the JSON document.
    pub fn value(&self) -> Value {
        let Self { exit, message, help } = self;
        let error = ErrorJson { exit_code: exit.code(), message, help: help.as_deref() };
        document::value(&FailureJson { error })
    }
}

/// The fields of the document of a command that ends early, beside `format_version` and `command`.
#[derive(Serialize, JsonSchema)]
pub(super) struct FailureJson<'a> {
    error: ErrorJson<'a>,
}

#[derive(Serialize, JsonSchema)]
struct ErrorJson<'a> {
    /// The exit code of the process.
    exit_code: u8,
    message: &'a str,
    /// What to type or to check next.
    help: Option<&'a str>,
}

/// Escapes the control characters of each line; a hint may have several lines.
fn escape_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

/// GARM is unreachable or refuses (4), or a file or secret of the client is invalid (3). Nothing
/// has been written yet.
impl From<garm::GarmError> for Failure {
    fn from(error: garm::GarmError) -> Self {
        let exit = match error.kind {
            garm::ErrorKind::Input => Exit::Input,
            garm::ErrorKind::Transport(_)
            | garm::ErrorKind::Credentials
            | garm::ErrorKind::Token
            | garm::ErrorKind::GithubRefused
            | garm::ErrorKind::NotInitialised
            | garm::ErrorKind::UrlsMissing
            | garm::ErrorKind::NotFound
            | garm::ErrorKind::Refused
            | garm::ErrorKind::Conflict
            | garm::ErrorKind::Server(_)
            | garm::ErrorKind::ClientCertificate
            | garm::ErrorKind::WrongScheme
            | garm::ErrorKind::NotGarm
            | garm::ErrorKind::OldLine
            | garm::ErrorKind::Secrets => Exit::Unavailable,
        };
        Self { exit, message: error.to_string(), help: error.help }
    }
}

/// A secret reference that does not resolve.
impl From<secrets::SecretError> for Failure {
    fn from(error: secrets::SecretError) -> Self {
        let exit = match error.blame {
            secrets::FaultOrigin::Reference => Exit::Input,
            secrets::FaultOrigin::Manager => Exit::Unavailable,
        };
        Self { exit, message: error.to_string(), help: error.help }
    }
}

/// Any other error (1), with its chain of causes on one line.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failed, format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_prints_the_error_and_the_hint() {
        let failure = Failure::refused("2 pools\u{1b} would go").help("add `--allow-destroy`");
        let text = anstream::adapter::strip_str(&failure.text()).to_string();
        assert_eq!(text, "error: 2 pools\\u{1b} would go\nhelp: add `--allow-destroy`");
        assert_eq!(
            failure.value()["error"],
            serde_json::json!({"exit_code": 6, "message": "2 pools\u{1b} would go", "help": "add `--allow-destroy`"})
        );
    }
}
