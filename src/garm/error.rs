//! Errors of requests to GARM. The kind decides whether to retry, and the exit code.

use std::fmt;

use super::transport::TransportError;
use crate::domain::fleet::{GARM_0_1_HELP, GARM_0_1_REFUSAL};

/// The meaning of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    Transport(TransportError),
    /// Wrong user name or password (401 `Not Authorized` on login).
    Credentials,
    /// GARM refuses the token even after a new login.
    Token,
    /// GitHub refused GARM's own credentials (401 `Not Authorized` on anything but login).
    GithubRefused,
    /// GARM has no admin yet (409 `init_required`).
    NotInitialised,
    /// The controller's URLs are not set (409 `urls_required`).
    UrlsMissing,
    NotFound,
    /// 400 or 422: GARM does not accept the request, or not now (a busy runner).
    Refused,
    /// A 409 for any other reason.
    Conflict,
    /// 5xx or 429, from GARM or a reverse proxy in front of it.
    Server(u16),
    /// A client certificate was required and not sent or not accepted: a TLS alert, or an error
    /// page of a reverse proxy in front of GARM.
    ClientCertificate,
    /// Plain HTTP was sent to a TLS port.
    WrongScheme,
    /// The response is not from GARM: a proxy's page, another program, broken JSON.
    NotGarm,
    /// GARM 0.1, to which we do not write.
    OldLine,
    /// A secrets manager is unreachable or refuses, so there is no password to log in with.
    Secrets,
    /// Invalid local input: the URL, a TLS file, the password reference.
    Input,
}

/// A failed request: what was tried, what came back, what to do. Contains no password or token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GarmError {
    /// Decides whether to retry, and the exit code.
    pub kind: ErrorKind,
    /// `GET /pools`, or the action that failed.
    pub tried: String,
    /// What came back, bounded and escaped.
    pub got: String,
    /// What to type or look at next.
    pub help: Option<String>,
}

impl GarmError {
    /// Invalid local input; nothing was sent. The caller escapes the texts.
    pub fn input(
        tried: impl Into<String>,
        got: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let help = Some(help.into());
        Self { kind: ErrorKind::Input, tried: tried.into(), got: got.into(), help }
    }

    /// The refusal to write to GARM 0.1.
    pub fn old_line(tried: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::OldLine,
            tried: tried.into(),
            got: GARM_0_1_REFUSAL.into(),
            help: Some(GARM_0_1_HELP.into()),
        }
    }

    /// Whether the failure is transient, so that the same request may succeed later: GARM, or the
    /// secrets manager, is down or overloaded.
    pub fn may_pass(&self) -> bool {
        match &self.kind {
            ErrorKind::Transport(_)
            | ErrorKind::Server(_)
            | ErrorKind::NotGarm
            | ErrorKind::Conflict
            | ErrorKind::Secrets => true,
            ErrorKind::Credentials
            | ErrorKind::Token
            | ErrorKind::GithubRefused
            | ErrorKind::NotInitialised
            | ErrorKind::UrlsMissing
            | ErrorKind::NotFound
            | ErrorKind::Refused
            | ErrorKind::ClientCertificate
            | ErrorKind::WrongScheme
            | ErrorKind::OldLine
            | ErrorKind::Input => false,
        }
    }

    /// Whether the cause is local input (exit code 3) rather than GARM (4).
    pub fn is_input(&self) -> bool {
        self.kind == ErrorKind::Input
    }

    /// Whether the request certainly changed nothing: it never reached GARM, or GARM refused it.
    /// Otherwise the outcome of a write is unknown.
    pub fn is_certain(&self) -> bool {
        match &self.kind {
            ErrorKind::Transport(error) => !error.may_have_arrived(),
            ErrorKind::Server(_) | ErrorKind::NotGarm => false,
            ErrorKind::Credentials
            | ErrorKind::Token
            | ErrorKind::GithubRefused
            | ErrorKind::NotInitialised
            | ErrorKind::UrlsMissing
            | ErrorKind::NotFound
            | ErrorKind::Refused
            | ErrorKind::Conflict
            | ErrorKind::ClientCertificate
            | ErrorKind::WrongScheme
            | ErrorKind::OldLine
            | ErrorKind::Secrets
            | ErrorKind::Input => true,
        }
    }
}

impl fmt::Display for GarmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.tried, self.got)
    }
}

impl std::error::Error for GarmError {}
