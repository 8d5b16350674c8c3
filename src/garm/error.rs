//! What can go wrong between us and GARM. The kind decides retry and exit code.

use std::fmt;

use super::transport::TransportError;
use crate::domain::fleet::{GARM_0_1_HELP, GARM_0_1_REFUSAL};

/// What a failure means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// Nothing came back.
    Transport(TransportError),
    /// The user name or the password is wrong (401 `Not Authorized` on login).
    Credentials,
    /// The token is not accepted even after a fresh login.
    Token,
    /// GARM's own GitHub credentials were refused (401 `Not Authorized` on anything but login).
    GithubRefused,
    /// No admin yet (409 `init_required`).
    NotInitialised,
    /// The controller's URLs are not set (409 `urls_required`).
    UrlsMissing,
    /// 404 from GARM: what was asked for is not there.
    NotFound,
    /// 400 or 422: GARM does not accept what was asked, or not now (a busy runner).
    Refused,
    /// 409 of another kind.
    Conflict,
    /// 5xx or 429, from GARM or from a front before it.
    Server(u16),
    /// A client certificate was demanded and not sent or not accepted: a TLS alert, or the page of
    /// a front before GARM.
    ClientCertificate,
    /// Plain HTTP was spoken to a port that wants TLS.
    WrongScheme,
    /// An answer that is not GARM's: a proxy's page, another program, broken JSON.
    NotGarm,
    /// GARM 0.1, to which we do not write.
    OldLine,
    /// A secrets manager is out of reach or refuses, so that there is no password to log in with.
    Secrets,
    /// Something of ours cannot be used: the URL, a TLS file, the password's reference.
    Input,
}

/// A failure: what was tried, what came back, what to do. Holds neither password nor token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GarmError {
    /// What it means.
    pub kind: ErrorKind,
    /// `GET /pools`, or what we were about to do.
    pub tried: String,
    /// What came back, bounded and escaped.
    pub got: String,
    /// What to type or look at next.
    pub help: Option<String>,
}

impl GarmError {
    /// Something of ours cannot be used; nothing was sent. The texts are escaped by the caller.
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

    /// Whether nobody is there, or nobody who can answer, so that the same may succeed a moment
    /// later. A secrets manager comes back, as GARM does.
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

    /// A problem in our own input (exit code 3), not GARM's doing (4).
    pub fn is_input(&self) -> bool {
        self.kind == ErrorKind::Input
    }

    /// The request never reached GARM or was refused by it: nothing has changed. Otherwise the
    /// outcome of a write is unknown.
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
