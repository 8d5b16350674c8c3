//! How a request travels: HTTP in earnest, a function call in the simulator.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

/// The verbs that GARM's API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Read.
    Get,
    /// Create. Never sent twice blindly.
    Post,
    /// Change.
    Put,
    /// Remove.
    Delete,
}

impl Method {
    /// The verb as it stands in a request line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }

    /// Whether the request can change GARM.
    pub fn is_write(self) -> bool {
        self != Self::Get
    }
}

/// One request to GARM's API.
#[derive(Clone)]
pub struct Request {
    /// The verb.
    pub method: Method,
    /// Path below `/api/v1`, with its leading slash and its query.
    pub path: String,
    /// JSON body.
    pub body: Option<Value>,
    /// Bearer token.
    pub token: Option<SecretString>,
}

impl fmt::Debug for Request {
    /// Without the body, which may hold a password or a private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.word(), self.path)
    }
}

/// What came back, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`, if there was one.
    pub content_type: Option<String>,
    /// `Date`: GARM's clock, in whole seconds.
    pub date: Option<Timestamp>,
    /// The whole body, bounded by the transport.
    pub body: Vec<u8>,
}

impl Response {
    /// Whether its status is a success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why nothing came back, or not all of it. Texts are bounded and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The name does not resolve.
    #[error("the name does not resolve: {0}")]
    Resolve(String),
    /// Nobody listens, or the network is unreachable.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// No connection within the time given.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// No whole answer within the time given.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The TLS handshake failed.
    #[error(transparent)]
    Tls(TlsFault),
    /// The connection was closed before an answer.
    #[error("the connection was closed before an answer: {0}")]
    Closed(String),
    /// The same, after the server had asked for a client certificate: under TLS 1.3 a refusal
    /// looks like this, and so does a crash.
    #[error(
        "the connection was closed before an answer; the server had asked for a client certificate and {0}"
    )]
    ClosedOnCertificate(PresentedCertificate),
    /// What came back is not HTTP.
    #[error("the answer is not HTTP: {0}")]
    NotHttp(String),
    /// The answer broke off.
    #[error("the answer is not whole: {0}")]
    Body(String),
    /// The answer is larger than this many bytes, which is all that is read of one.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// A redirect, which is never followed: it would carry the password elsewhere.
    #[error("redirected to {0}")]
    Redirect(String),
}

impl TransportError {
    /// Whether the request may have reached GARM all the same. For a write it then has an unknown
    /// outcome.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::ConnectTimeout(_)
            | Self::Tls(_)
            | Self::Redirect(_) => false,
            Self::Timeout(_)
            | Self::Closed(_)
            | Self::ClosedOnCertificate(_)
            | Self::NotHttp(_)
            | Self::Body(_)
            | Self::TooLarge(_) => true,
        }
    }
}

/// What is wrong with a TLS handshake. No request has been read by GARM then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// The server's certificate leads to no CA that we trust.
    #[error("the server's certificate is signed by an unknown CA")]
    UnknownIssuer,
    /// The server's certificate has expired, or our clock is ahead.
    #[error("the server's certificate has expired{0}")]
    Expired(String),
    /// The server's certificate is not valid yet, or our clock is behind.
    #[error("the server's certificate is not valid yet{0}")]
    NotYetValid(String),
    /// The server's certificate is for other names.
    #[error("the server's certificate is not for this name: {0}")]
    WrongName(String),
    /// Anything else that is wrong with the server's certificate.
    #[error("the server's certificate is refused: {0}")]
    BadCertificate(String),
    /// The other side does not speak TLS.
    #[error("the server does not speak TLS on this port")]
    NotTls,
    /// The server refused our certificate, or wants one.
    #[error("the server asked for a client certificate, {presented}, and refused: {alert}")]
    ClientCertificate {
        /// What we had to show.
        presented: PresentedCertificate,
        /// The server's word for it.
        alert: String,
    },
    /// Anything else.
    #[error("the TLS handshake failed: {0}")]
    Other(String),
}

/// What the server got to see when it asked for a client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresentedCertificate {
    /// None is configured.
    Nothing,
    /// This one: file and validity.
    Certificate(String),
}

impl fmt::Display for PresentedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("got none"),
            Self::Certificate(which) => write!(f, "got {which}"),
        }
    }
}

/// A reply under way.
pub type ResponseFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + 'a>>;

/// What somebody who listens to GARM's events asks for.
#[derive(Debug, Clone)]
pub struct StreamRequest {
    /// Bearer token.
    pub token: SecretString,
    /// The message by which GARM begins to send (GARM.md §g).
    pub filter: &'static str,
    /// Longest message that is taken, in bytes; a longer one ends the stream.
    pub message_max: usize,
}

/// What came of a wish to listen.
pub enum StreamResponse {
    /// The stream stands and the filter has been sent.
    Open(Box<dyn EventStream>),
    /// An answer that is no stream.
    Refused(Response),
}

/// An opening under way.
pub type StreamFuture<'a> =
    Pin<Box<dyn Future<Output = Result<StreamResponse, TransportError>> + Send + 'a>>;

/// One message of an event stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// An event, as it came.
    Text(String),
    /// A ping or anything else without an event: the other side is alive.
    Sign,
}

/// A frame under way. An error says in words why there will be none any more.
pub type FrameFuture<'a> = Pin<Box<dyn Future<Output = Result<Frame, String>> + Send + 'a>>;

/// An event stream that stands. Dropping it ends it.
pub trait EventStream: Send {
    /// Waits for the next frame, for as long as it takes: whoever listens sets the limit.
    fn next(&mut self) -> FrameFuture<'_>;
}

/// Takes the body of a successful answer in as it arrives.
pub trait BodySink: Send {
    /// Most bytes that it takes; an answer that has more is [`TransportError::TooLarge`].
    fn max(&self) -> usize;

    /// The next bytes, and whether more are wanted.
    fn take(&mut self, bytes: &[u8]) -> ControlFlow<()>;
}

/// Carries requests. Implemented by HTTP and by the simulator's in-memory door, so that one
/// client, one decoder and one reading of GARM's refusals serve both.
pub trait Transport: Send + Sync {
    /// Sends one request and brings the whole answer.
    fn send(&self, request: Request) -> ResponseFuture<'_>;

    /// The same, but the body of a success goes into `sink` and not into the response. A transport
    /// that has answers whole hands them on whole.
    fn stream<'a>(&'a self, request: Request, sink: &'a mut dyn BodySink) -> ResponseFuture<'a> {
        Box::pin(async move {
            let mut response = self.send(request).await?;
            if response.is_success() {
                let body = std::mem::take(&mut response.body);
                if body.len() > sink.max() {
                    return Err(TransportError::TooLarge(sink.max()));
                }
                // All of it is here: there is nothing to stop.
                let _ = sink.take(&body);
            }
            Ok(response)
        })
    }

    /// Opens GARM's event stream. A transport without one says that nobody listens there.
    fn listen(&self, wish: StreamRequest) -> StreamFuture<'_> {
        let _ = wish;
        Box::pin(std::future::ready(Err(TransportError::Connect("it carries no events".into()))))
    }

    /// Where it goes, for people: the URL without credentials.
    fn address(&self) -> String;
}
