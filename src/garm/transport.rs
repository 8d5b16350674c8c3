//! The transport of requests to GARM: HTTP, or a call of the in-memory simulator.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

/// The timeout for opening a connection, including TLS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The timeout for a request and its response. It is long because GARM waits for GitHub during a
/// delete.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// How long sent data may stay unacknowledged before the connection is closed.
pub const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// The timeout for opening a connection.
    pub connect: Duration,
    /// The timeout for the whole request and response, including the connection.
    pub request: Duration,
    /// How long sent data may stay unacknowledged before the connection is closed. The kernel repeats
    /// the bytes of a request for that long, even if the request was abandoned.
    pub unacknowledged: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let (connect, request) = (CONNECT_TIMEOUT, REQUEST_TIMEOUT);
        Self { connect, request, unacknowledged: UNACKNOWLEDGED_MAX }
    }
}

/// The HTTP methods that GARM's API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    Get,
    /// Used for creates. Never repeated without checking the result.
    Post,
    Put,
    Delete,
}

impl Method {
    /// The method as written in a request line.
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
    pub method: Method,
    /// The path below `/api/v1`, with a leading slash and the query.
    pub path: String,
    /// The JSON body, if the request has one.
    pub body: Option<Value>,
    pub token: Option<SecretString>,
}

impl fmt::Debug for Request {
    /// Omits the body, which may contain a password or a private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.word(), self.path)
    }
}

/// A response of any status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// The `Content-Type`, if the response has one.
    pub content_type: Option<String>,
    /// The `Date` header: GARM's clock, with a precision of one second.
    pub date: Option<Timestamp>,
    /// The whole body, whose size the transport limits; empty if it was streamed to a sink.
    pub body: Vec<u8>,
}

impl Response {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no complete response. Texts are bounded and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The host name does not resolve.
    #[error("the name does not resolve: {0}")]
    Resolve(String),
    /// Nothing listens there, or the network is unreachable.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// No connection within the timeout.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// No complete response within the timeout.
    #[error("no response within {0:?}")]
    Timeout(Duration),
    #[error(transparent)]
    Tls(TlsFault),
    /// The connection was closed before a response.
    #[error("the connection was closed before a response: {0}")]
    Closed(String),
    /// The same, after the server had requested a client certificate. With TLS 1.3, a refusal and a
    /// crash can look alike.
    #[error(
        "the connection was closed before a response; the server had asked for a client \
         certificate and {0}"
    )]
    ClosedOnCertificate(PresentedCertificate),
    /// The response is not HTTP.
    #[error("the response is not HTTP: {0}")]
    NotHttp(String),
    /// The connection ended before the response was complete.
    #[error("the response is incomplete: {0}")]
    Body(String),
    /// The response is larger than the limit of this many bytes.
    #[error("the response has more than {0} bytes")]
    TooLarge(usize),
    /// A redirect. It is never followed, because the password would be sent elsewhere.
    #[error("redirected to {0}")]
    Redirect(String),
    /// A write that was not sent, because another process leads (`watch.leader`).
    #[error("this `watch` does not lead")]
    NotLeading,
}

impl TransportError {
    /// Whether no connection was established.
    pub fn is_without_connection(&self) -> bool {
        matches!(self, Self::Resolve(_) | Self::Connect(_) | Self::ConnectTimeout(_))
    }

    /// Whether the request may have reached GARM, so that the outcome of a write is unknown.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Resolve(_)
            | Self::Connect(_)
            | Self::ConnectTimeout(_)
            | Self::Tls(_)
            | Self::Redirect(_)
            | Self::NotLeading => false,
            Self::Timeout(_)
            | Self::Closed(_)
            | Self::ClosedOnCertificate(_)
            | Self::NotHttp(_)
            | Self::Body(_)
            | Self::TooLarge(_) => true,
        }
    }
}

/// Why a TLS handshake failed. In this case GARM has not read a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// The server's certificate does not chain to a trusted CA.
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
    /// The server presents a CA certificate; self-signed certificates often are CA certificates.
    #[error("the server's certificate is a CA certificate, which a server must not present")]
    CaCertificate,
    /// Another problem with the server's certificate.
    #[error("the server's certificate is refused: {0}")]
    BadCertificate(String),
    /// The other side does not support TLS.
    #[error("the server does not speak TLS on this port")]
    NotTls,
    /// The server refused our client certificate, or the lack of one.
    #[error("the server asked for a client certificate, {presented}, and refused: {alert}")]
    ClientCertificate {
        /// The client certificate that was presented, if any.
        presented: PresentedCertificate,
        alert: String,
    },
    #[error("the TLS handshake failed: {0}")]
    Other(String),
}

/// What we presented when the server requested a client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresentedCertificate {
    Nothing,
    /// A certificate. Contains its file and validity, for messages.
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

pub type ResponseFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + 'a>>;

/// A request for GARM's event stream.
#[derive(Debug, Clone)]
pub struct StreamRequest {
    pub token: SecretString,
    /// The message after which GARM starts sending (GARM.md §g).
    pub filter: &'static str,
    /// The maximum size of a message, in bytes. A larger one ends the stream.
    pub message_max: usize,
}

/// The response to a [`StreamRequest`].
pub enum StreamResponse {
    /// The stream is open and the filter has been sent.
    Open(Box<dyn FrameStream>),
    /// An ordinary response instead of a stream.
    Refused(Response),
}

pub type StreamFuture<'a> =
    Pin<Box<dyn Future<Output = Result<StreamResponse, TransportError>> + Send + 'a>>;

/// One message of an event stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Text(String),
    /// A ping or anything else that is not an event; it shows that the peer is alive.
    KeepAlive,
}

/// A pending frame. The error is the reason why the stream ended.
pub type FrameFuture<'a> = Pin<Box<dyn Future<Output = Result<Frame, String>> + Send + 'a>>;

/// An open event stream. Dropping it closes it.
pub trait FrameStream: Send {
    /// Waits for the next frame without a timeout; the caller sets one.
    fn next(&mut self) -> FrameFuture<'_>;
}

/// Receives the body of a successful response as it arrives.
pub trait BodySink: Send {
    /// The maximum number of bytes; a larger response is [`TransportError::TooLarge`].
    fn max(&self) -> usize;

    /// Receives the next bytes. Returns `Break` to stop reading.
    fn take(&mut self, bytes: &[u8]) -> ControlFlow<()>;
}

/// Sends requests to GARM. HTTP and the in-memory simulator implement it, so that client, decoder
/// and error handling are the same for both.
pub trait Transport: Send + Sync {
    /// Sends a request and returns the whole response.
    fn send(&self, request: Request) -> ResponseFuture<'_>;

    /// Like [`Self::send`], but writes the body of a success into `sink`. The default
    /// implementation passes the whole body at once.
    fn stream<'a>(&'a self, request: Request, sink: &'a mut dyn BodySink) -> ResponseFuture<'a> {
        Box::pin(async move {
            let mut response = self.send(request).await?;
            if response.is_success() {
                let body = std::mem::take(&mut response.body);
                if body.len() > sink.max() {
                    return Err(TransportError::TooLarge(sink.max()));
                }
                // The whole body has been passed, so there is no more reading to stop.
                let _ = sink.take(&body);
            }
            Ok(response)
        })
    }

    /// Opens GARM's event stream. The default implementation returns an error.
    fn listen(&self, wish: StreamRequest) -> StreamFuture<'_> {
        let _ = wish;
        Box::pin(std::future::ready(Err(TransportError::Connect("it carries no events".into()))))
    }

    /// The URL of GARM without credentials, for messages.
    fn address(&self) -> String;

    /// The environment variable that names a proxy for the URL, for messages; the proxy is not
    /// used.
    fn ignored_proxy(&self) -> Option<&'static str> {
        None
    }
}
