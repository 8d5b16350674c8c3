//! The client for GARM's API: transport, JSON shapes and typed errors.
//!
//! This room decides how GARM's responses are read and what each failure means, never what to do
//! about the fleet. It retries only requests whose token has expired, and the event stream.

mod advice;
pub mod budget;
mod carried;
pub mod client;
pub mod crl;
pub mod error;
pub mod events;
pub mod http;
mod logged_transport;
pub(crate) mod pem;
pub mod probe;
mod proxy;
mod refusal;
pub mod runner_identity;
pub(crate) mod server_verifier;
mod session;
pub mod tls;
pub mod transport;
mod transport_failure;
mod websocket;
mod wire;
mod x509;

pub use client::GarmClient;
pub use error::{ErrorKind, GarmError};
pub use http::{Http, HttpOptions};
pub use logged_transport::LoggedTransport;
pub use proxy::ignored_proxy;
pub use session::{GarmLogin, PasswordFuture, PasswordSource};
pub use transport::{
    BodySink, Frame, FrameFuture, FrameStream, Method, PresentedCertificate, Request, Response,
    ResponseFuture, StreamFuture, StreamRequest, StreamResponse, TlsFault, Transport,
    TransportError,
};
pub use wire::{KeyMeaning, POOL_KEYS, SpecsByPool, UnknownPoolData};
