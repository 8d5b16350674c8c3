//! How a request travels: HTTP in earnest, a function call in the simulator.

use std::future::Future;
use std::pin::Pin;

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
#[derive(Debug, Clone)]
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

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The name does not resolve.
    #[error("cannot resolve the name: {0}")]
    Resolve(String),
    /// Nobody listens, or the network is unreachable.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// No answer within the time given.
    #[error("no answer within {0}")]
    Timeout(String),
    /// The TLS handshake failed; the text says why.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The connection was closed before an answer.
    #[error("the connection was closed before an answer: {0}")]
    Closed(String),
    /// The answer broke off, or is larger than the bound.
    #[error("the answer is not whole: {0}")]
    Body(String),
    /// A redirect, which is never followed: it would carry the password elsewhere.
    #[error("redirected to {0}")]
    Redirect(String),
}

impl TransportError {
    /// Whether the request may have reached GARM all the same. For a write it then has an unknown
    /// outcome.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Resolve(_) | Self::Connect(_) | Self::Tls(_) | Self::Redirect(_) => false,
            Self::Timeout(_) | Self::Closed(_) | Self::Body(_) => true,
        }
    }
}

/// A reply under way.
pub type Reply<'a> = Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + 'a>>;

/// Carries requests. Implemented by HTTP and by the simulator's in-memory door, so that one
/// client, one decoder and one reading of GARM's refusals serve both.
pub trait Transport: Send + Sync {
    /// Sends one request and brings the whole answer.
    fn send(&self, request: Request) -> Reply<'_>;

    /// Where it goes, for people: the URL without credentials.
    fn address(&self) -> String;
}
