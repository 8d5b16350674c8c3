//! A session with one GARM: the token, the one retry, and the making of errors.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::error::{Error, Kind};
use super::help;
use super::mask::without;
use super::refusal::{self, Asked, PAGE_MAX};
use super::transport::{
    Frames, Method, Opening, Request, Response, Sink, TlsFault, Transport, TransportError, Wish,
};
use super::wire::{self, Document, Misread, Reader};
use crate::domain::text;

/// A password under way.
pub type PasswordReply<'a> = Pin<Box<dyn Future<Output = Result<SecretString, Error>> + Send + 'a>>;

/// Where the password comes from. Asked at each login and nowhere else, so that a rotated
/// password is taken up by itself and none is held in between.
pub trait Password: Send + Sync {
    /// Brings the password. Errors with [`Error::input`] when it cannot be had.
    fn resolve(&self) -> PasswordReply<'_>;
}

/// A password that is known already.
impl Password for SecretString {
    fn resolve(&self) -> PasswordReply<'_> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}

/// User name and password of GARM's admin.
#[derive(Clone)]
pub struct Login {
    /// User name.
    pub username: String,
    /// Where the password comes from.
    pub password: Arc<dyn Password>,
}

impl Login {
    /// A login with a password that is known already.
    pub fn new(username: impl Into<String>, password: SecretString) -> Self {
        Self { username: username.into(), password: Arc::new(password) }
    }
}

/// One login, shared by all requests that need it: under way, done, or failed.
type Ticket = Arc<OnceCell<Result<SecretString, Error>>>;

/// Sends requests with a token that it gets and renews by itself. The token is kept in memory
/// only.
pub(super) struct Session {
    pub(super) transport: Arc<dyn Transport>,
    login: Login,
    ticket: Mutex<Ticket>,
}

impl Session {
    pub(super) fn new(transport: Arc<dyn Transport>, login: Login) -> Self {
        Self { transport, login, ticket: Mutex::default() }
    }

    /// One request and what `reader` makes of the answer, as it arrives.
    pub(super) async fn ask<R: Reader>(
        &self,
        what: &What,
        reader: R,
    ) -> Result<Answer<R::Output>, Error> {
        let mut intake = Intake::new(reader);
        let ticket = self.ticket();
        let token = self.token(&ticket).await?;
        let (token, response) = match self.send(what, &token, &mut intake).await {
            // GARM looks at the token before anything else, so the request was not carried out
            // and may be sent again, also when it is a write. Once: a second refusal is final.
            Err(error) if error.kind == Kind::Token => {
                self.tear_up(&ticket);
                let token = self.token(&self.ticket()).await?;
                let response = self.send(what, &token, &mut intake).await?;
                (token, response)
            }
            Err(error) => return Err(error),
            Ok(response) => (token, response),
        };
        let Intake { reader, misread, head } = intake;
        let remark = reader.remark().map(|it| text::quote(&without(&it, &token)));
        let read = misread.map_or_else(|| reader.finish(), Err);
        match read {
            Ok(output) => Ok(Answer { output, date: response.date, remark }),
            Err(why) => Err(self.misread(what.tried(), (&response, &head), why, &token)),
        }
    }

    /// Opens the event stream; `wish` makes the wish of a token. Logs in again when the token has
    /// expired, once, as [`Self::ask`] does.
    pub(super) async fn listen(
        &self,
        wish: impl Fn(SecretString) -> Wish,
    ) -> Result<Box<dyn Frames>, Error> {
        let ticket = self.ticket();
        let token = self.token(&ticket).await?;
        match self.open(wish(token)).await {
            Err(error) if error.kind == Kind::Token => {
                self.tear_up(&ticket);
                let token = self.token(&self.ticket()).await?;
                self.open(wish(token)).await
            }
            other => other,
        }
    }

    async fn open(&self, wish: Wish) -> Result<Box<dyn Frames>, Error> {
        const TRIED: &str = "listen to the events";
        let token = wish.token.clone();
        let response = match self.transport.listen(wish).await {
            Ok(Opening::Open(frames)) => return Ok(frames),
            Ok(Opening::Refused(response)) => response,
            Err(error) => return Err(self.unanswered(TRIED, error, &token)),
        };
        let (kind, got) = match refusal::check(Asked::Other, &response) {
            Ok(()) => (Kind::NotGarm, format!("{} in place of a stream", response.status)),
            Err(refusal) => (refusal.kind, text::quote(&without(&refusal.got, &token))),
        };
        Err(self.failure(kind, TRIED, got))
    }

    async fn send(
        &self,
        what: &What,
        token: &SecretString,
        sink: &mut dyn Sink,
    ) -> Result<Response, Error> {
        let request = Request {
            method: what.method,
            path: what.path.clone(),
            body: what.body.clone(),
            token: Some(token.clone()),
        };
        self.exchange(request, (Asked::Other, &what.tried()), token, sink).await
    }

    /// Brings a successful answer. `secret` is what the request carried, to be kept out of errors.
    async fn exchange(
        &self,
        request: Request,
        (asked, tried): (Asked, &str),
        secret: &SecretString,
        sink: &mut dyn Sink,
    ) -> Result<Response, Error> {
        let response = match self.transport.stream(request, sink).await {
            Ok(response) => response,
            Err(error) => return Err(self.unanswered(tried, error, secret)),
        };
        match refusal::check(asked, &response) {
            Ok(()) => Ok(response),
            Err(refusal) => {
                let said = if asked == Asked::Login { refusal.own_words() } else { refusal.got };
                let got = text::quote(&without(&said, secret));
                Err(self.failure(refusal.kind, tried, got))
            }
        }
    }

    fn ticket(&self) -> Ticket {
        Arc::clone(&self.ticket.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the next request log in again, unless another one has seen to that already.
    fn tear_up(&self, used: &Ticket) {
        let mut ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&ticket, used) {
            *ticket = Ticket::default();
        }
    }

    /// The token of this ticket. The first to ask logs in, the others wait for the outcome and
    /// share it, a failure too: a wrong password is tried once, not once for each request.
    async fn token(&self, ticket: &Ticket) -> Result<SecretString, Error> {
        let outcome = ticket.get_or_init(|| self.log_in()).await.clone();
        if outcome.is_err() {
            self.tear_up(ticket);
        }
        outcome
    }

    async fn log_in(&self) -> Result<SecretString, Error> {
        let password = self.login.password.resolve().await?;
        let tried = format!(
            "log in at {} as `{}`",
            self.transport.address(),
            text::quote(&self.login.username)
        );
        let body = json!({
            "username": self.login.username,
            "password": password.expose_secret(),
        });
        let request = Request {
            method: Method::Post,
            path: "/auth/login".into(),
            body: Some(body),
            token: None,
        };
        let mut intake = Intake::new(Document::new(wire::token));
        let asked = (Asked::Login, tried.as_str());
        let response = self.exchange(request, asked, &password, &mut intake).await?;
        // Nothing of it is quoted: it holds a token, and may hold the password.
        intake.reader.finish().map_err(|_| {
            let got = format!("{} with an answer that holds no token", response.status);
            self.failure(Kind::NotGarm, &tried, got)
        })
    }

    fn unanswered(&self, tried: &str, error: TransportError, secret: &SecretString) -> Error {
        let got = without(&error.to_string(), secret).into_owned();
        let help = help::advice(&Kind::Transport(error.clone()));
        let kind = match error {
            TransportError::Tls(TlsFault::ClientCertificate { .. }) => Kind::ClientCertificate,
            other => Kind::Transport(other),
        };
        Error { help: help.map(str::to_owned), ..self.failure(kind, tried, got) }
    }

    fn misread(
        &self,
        tried: impl AsRef<str>,
        (response, head): (&Response, &[u8]),
        misread: Misread,
        secret: &SecretString,
    ) -> Error {
        let got = match refusal::page(head) {
            Some(title) => format!("{} with a page titled `{title}`", response.status),
            None => misread.0,
        };
        let got = text::quote(&without(&got, secret));
        self.failure(Kind::NotGarm, tried.as_ref(), got)
    }

    fn failure(&self, kind: Kind, tried: &str, got: String) -> Error {
        let tried = if tells_address(&kind) && !tried.starts_with("log in") {
            format!("{tried} at {}", self.transport.address())
        } else {
            tried.to_owned()
        };
        let help = help::advice(&kind).map(str::to_owned);
        Error { kind, tried, got, help }
    }
}

/// What a request has brought.
pub(super) struct Answer<T> {
    pub(super) output: T,
    /// GARM's clock.
    pub(super) date: Option<Timestamp>,
    /// What was left out of the answer.
    pub(super) remark: Option<String>,
}

/// Leads the bytes of an answer to its reader and keeps the first of them: what cannot be read may
/// be a page with a title.
struct Intake<R> {
    reader: R,
    misread: Option<Misread>,
    head: Vec<u8>,
}

impl<R> Intake<R> {
    fn new(reader: R) -> Self {
        Self { reader, misread: None, head: Vec::new() }
    }
}

impl<R: Reader> Sink for Intake<R> {
    fn max(&self) -> usize {
        self.reader.max()
    }

    fn take(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        let room = PAGE_MAX - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if self.misread.is_none() {
            self.misread = self.reader.take(bytes).err();
        }
        let has_failed = self.misread.is_some() && self.head.len() == PAGE_MAX;
        if has_failed || self.reader.is_full() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// A request as the client makes it.
pub(super) struct What {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Value>,
}

impl What {
    fn tried(&self) -> String {
        format!("{} {}", self.method.word(), text::quote(&self.path))
    }
}

/// Whether it matters where the request went: not when it is certain that GARM has spoken.
fn tells_address(kind: &Kind) -> bool {
    match kind {
        Kind::Transport(_)
        | Kind::Server(_)
        | Kind::ClientCertificate
        | Kind::WrongScheme
        | Kind::NotGarm
        | Kind::Token => true,
        Kind::Credentials
        | Kind::GithubRefused
        | Kind::NotInitialised
        | Kind::UrlsMissing
        | Kind::NotFound
        | Kind::Refused
        | Kind::Conflict
        | Kind::OldLine
        | Kind::Secrets
        | Kind::Input => false,
    }
}
