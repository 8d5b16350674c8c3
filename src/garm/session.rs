//! A session with one GARM: its token, the single retry, and its errors.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::advice;
use super::carried::Carried;
use super::error::{ErrorKind, GarmError};
use super::proxy;
use super::refusal::{self, PAGE_MAX, RequestPurpose};
use super::transport::{
    BodySink, FrameStream, Method, Request, Response, StreamRequest, StreamResponse, TlsFault,
    Transport, TransportError,
};
use super::wire::{self, BodyReader, DecodeError, DocumentReader};
use crate::domain::poison::IgnorePoison;
use crate::domain::text;

pub type PasswordFuture<'a> =
    Pin<Box<dyn Future<Output = Result<SecretString, GarmError>> + Send + 'a>>;

/// Where the password comes from. It is resolved at each login only, so that a rotated password is
/// picked up and none is kept in between.
pub trait PasswordSource: Send + Sync {
    /// Returns the password. Fails with [`GarmError::input`] if it is not available.
    fn resolve(&self) -> PasswordFuture<'_>;
}

impl PasswordSource for SecretString {
    fn resolve(&self) -> PasswordFuture<'_> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}

/// The credentials of GARM's admin.
#[derive(Clone)]
pub struct GarmLogin {
    /// The user name in `garm.username`.
    pub username: String,
    /// The password that `garm.password` refers to, resolved at each login.
    pub password: Arc<dyn PasswordSource>,
}

impl GarmLogin {
    /// A login with a fixed password.
    pub fn new(username: impl Into<String>, password: SecretString) -> Self {
        Self { username: username.into(), password: Arc::new(password) }
    }
}

/// One login, pending, done or failed, shared by all requests that need it.
type SharedLogin = Arc<OnceCell<Result<SecretString, GarmError>>>;

/// Sends requests with a token that it obtains and renews. The token is kept only in memory.
pub(super) struct Session {
    pub(super) transport: Arc<dyn Transport>,
    login: GarmLogin,
    ticket: Mutex<SharedLogin>,
}

impl Session {
    pub(super) fn new(transport: Arc<dyn Transport>, login: GarmLogin) -> Self {
        Self { transport, login, ticket: Mutex::default() }
    }

    /// Sends a request and passes the response to `reader` as it arrives.
    pub(super) async fn ask<R: BodyReader>(
        &self,
        what: &ApiCall,
        reader: R,
    ) -> Result<DecodedResponse<R::Output>, GarmError> {
        let mut intake = ReaderSink::new(reader);
        let ticket = self.ticket();
        let token = self.token(&ticket).await?;
        let (token, response) = match self.send(what, &token, &mut intake).await {
            // GARM checks the token first, so the request had no effect and may be repeated, even
            // a write. Once: a second refusal is final.
            Err(error) if error.kind == ErrorKind::Token => {
                self.discard(&ticket);
                let token = self.token(&self.ticket()).await?;
                let response = self.send(what, &token, &mut intake).await?;
                (token, response)
            }
            Err(error) => return Err(error),
            Ok(response) => (token, response),
        };
        let ReaderSink { reader, misread, head } = intake;
        let carried = Carried::new(&token, what.body.as_ref());
        let remark = reader.remark().map(|remark| text::quote(&carried.mask(&remark)));
        let read = misread.map_or_else(|| reader.finish(), Err);
        match read {
            Ok(output) => Ok(DecodedResponse { output, date: response.date, remark }),
            Err(why) => Err(self.misread(what.tried(), (&response, &head), why, &carried)),
        }
    }

    /// Opens the event stream; `wish` builds the request from a token. Logs in once more if the
    /// token has expired, as [`Self::ask`] does.
    pub(super) async fn listen(
        &self,
        wish: impl Fn(SecretString) -> StreamRequest,
    ) -> Result<Box<dyn FrameStream>, GarmError> {
        let ticket = self.ticket();
        let token = self.token(&ticket).await?;
        match self.open(wish(token)).await {
            Err(error) if error.kind == ErrorKind::Token => {
                self.discard(&ticket);
                let token = self.token(&self.ticket()).await?;
                self.open(wish(token)).await
            }
            other => other,
        }
    }

    async fn open(&self, wish: StreamRequest) -> Result<Box<dyn FrameStream>, GarmError> {
        const TRIED: &str = "listen to the events";
        let carried = Carried::new(&wish.token, None);
        let response = match self.transport.listen(wish).await {
            Ok(StreamResponse::Open(frames)) => return Ok(frames),
            Ok(StreamResponse::Refused(response)) => response,
            Err(error) => return Err(self.unanswered(TRIED, error, &carried)),
        };
        let (kind, got) = match refusal::check(RequestPurpose::Other, &response) {
            Ok(()) => (ErrorKind::NotGarm, format!("{} in place of a stream", response.status)),
            Err(refusal) => (refusal.kind, text::quote(&carried.mask(&refusal.got))),
        };
        Err(self.failure(kind, TRIED, got))
    }

    async fn send(
        &self,
        what: &ApiCall,
        token: &SecretString,
        sink: &mut dyn BodySink,
    ) -> Result<Response, GarmError> {
        let request = Request {
            method: what.method,
            path: what.path.clone(),
            body: what.body.clone(),
            token: Some(token.clone()),
        };
        self.exchange(request, (RequestPurpose::Other, &what.tried()), token, sink).await
    }

    /// Returns a successful response. `secret` is the one in the request, kept out of errors.
    async fn exchange(
        &self,
        request: Request,
        (asked, tried): (RequestPurpose, &str),
        secret: &SecretString,
        sink: &mut dyn BodySink,
    ) -> Result<Response, GarmError> {
        let carried = Carried::new(secret, request.body.as_ref());
        let response = match self.transport.stream(request, sink).await {
            Ok(response) => response,
            Err(error) => return Err(self.unanswered(tried, error, &carried)),
        };
        match refusal::check(asked, &response) {
            Ok(()) => Ok(response),
            Err(refusal) => {
                let said =
                    if asked == RequestPurpose::Login { refusal.own_words() } else { refusal.got };
                let got = text::quote(&carried.mask(&said));
                Err(self.failure(refusal.kind, tried, got))
            }
        }
    }

    fn ticket(&self) -> SharedLogin {
        Arc::clone(&self.ticket.lock().ignoring_poison())
    }

    /// Makes the next request log in again, unless another has already done so.
    fn discard(&self, used: &SharedLogin) {
        let mut ticket = self.ticket.lock().ignoring_poison();
        if Arc::ptr_eq(&ticket, used) {
            *ticket = SharedLogin::default();
        }
    }

    /// The token of this login. The first request logs in; the others wait and share the outcome,
    /// even a failure, so that a wrong password is tried once and not once per request.
    async fn token(&self, ticket: &SharedLogin) -> Result<SecretString, GarmError> {
        let outcome = ticket.get_or_init(|| self.log_in()).await.clone();
        if outcome.is_err() {
            self.discard(ticket);
        }
        outcome
    }

    async fn log_in(&self) -> Result<SecretString, GarmError> {
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
        let mut intake = ReaderSink::new(DocumentReader::new(wire::token));
        let asked = (RequestPurpose::Login, tried.as_str());
        let response = self.exchange(request, asked, &password, &mut intake).await?;
        // The response contains a token, and perhaps the password, so it is not quoted.
        intake.reader.finish().map_err(|_| {
            let got = format!("{} with a response that contains no token", response.status);
            self.failure(ErrorKind::NotGarm, &tried, got)
        })
    }

    fn unanswered(&self, tried: &str, error: TransportError, carried: &Carried) -> GarmError {
        let got = carried.mask(&error.to_string());
        let help = advice::advice(&ErrorKind::Transport(error.clone())).map(str::to_owned);
        let proxy = self.transport.ignored_proxy().filter(|_| error.is_without_connection());
        let help = proxy::with_ignored(help, proxy);
        let kind = match error {
            TransportError::Tls(TlsFault::ClientCertificate { .. }) => ErrorKind::ClientCertificate,
            other => ErrorKind::Transport(other),
        };
        GarmError { help, ..self.failure(kind, tried, got) }
    }

    fn misread(
        &self,
        tried: impl AsRef<str>,
        (response, head): (&Response, &[u8]),
        misread: DecodeError,
        carried: &Carried,
    ) -> GarmError {
        let got = match refusal::page(head) {
            Some(title) => format!("{} with a page titled `{title}`", response.status),
            None => misread.0,
        };
        let got = text::quote(&carried.mask(&got));
        self.failure(ErrorKind::NotGarm, tried.as_ref(), got)
    }

    fn failure(&self, kind: ErrorKind, tried: &str, got: String) -> GarmError {
        let tried = if tells_address(&kind) && !tried.starts_with("log in") {
            format!("{tried} at {}", self.transport.address())
        } else {
            tried.to_owned()
        };
        let help = advice::advice(&kind).map(str::to_owned);
        GarmError { kind, tried, got, help }
    }
}

pub(super) struct DecodedResponse<T> {
    pub(super) output: T,
    /// The `Date` of the response, if it has one.
    pub(super) date: Option<Timestamp>,
    /// What was left out of the response.
    pub(super) remark: Option<String>,
}

/// Passes the body of a response to its reader and keeps its beginning: what cannot be decoded may
/// be an HTML page with a title.
struct ReaderSink<R> {
    reader: R,
    misread: Option<DecodeError>,
    head: Vec<u8>,
}

impl<R> ReaderSink<R> {
    fn new(reader: R) -> Self {
        Self { reader, misread: None, head: Vec::new() }
    }
}

impl<R: BodyReader> BodySink for ReaderSink<R> {
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

/// A request of the client.
pub(super) struct ApiCall {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Value>,
}

impl ApiCall {
    fn tried(&self) -> String {
        format!("{} {}", self.method.word(), text::quote(&self.path))
    }
}

/// Whether the error names the address: not if the response certainly came from GARM.
fn tells_address(kind: &ErrorKind) -> bool {
    match kind {
        ErrorKind::Transport(_)
        | ErrorKind::Server(_)
        | ErrorKind::ClientCertificate
        | ErrorKind::WrongScheme
        | ErrorKind::NotGarm
        | ErrorKind::Token => true,
        ErrorKind::Credentials
        | ErrorKind::GithubRefused
        | ErrorKind::NotInitialised
        | ErrorKind::UrlsMissing
        | ErrorKind::NotFound
        | ErrorKind::Refused
        | ErrorKind::Conflict
        | ErrorKind::OldLine
        | ErrorKind::Secrets
        | ErrorKind::Input => false,
    }
}
