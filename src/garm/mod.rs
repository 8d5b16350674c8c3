//! The one door to GARM: a client that speaks its API over a [`Transport`], the wire shapes, the
//! typed error.
//!
//! Decides how GARM's answers are read and which failures mean what; never what to do about the
//! fleet. Nothing is retried here but a request whose token had expired, and the event stream.

pub mod budget;
pub mod client;
pub mod crl;
pub mod error;
pub mod events;
mod fault;
mod help;
pub mod http;
mod mask;
pub(crate) mod pem;
pub mod probe;
mod refusal;
pub mod runner_identity;
mod session;
mod socket;
pub mod tls;
pub mod transport;
mod wire;
mod x509;

pub use client::Client;
pub use error::{Error, Kind};
pub use http::{Http, HttpOptions};
pub use session::{Login, Password, PasswordReply};
pub use transport::{
    Frame, Frames, Method, NextFrame, Opened, Opening, Presented, Reply, Request, Response, Sink,
    TlsFault, Transport, TransportError, Wish,
};
pub use wire::{Kept, POOL_KEYS, SpecsByPool, Unknown};
