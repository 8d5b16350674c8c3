//! The one door to GARM: a client that speaks its API over a [`Transport`], the wire shapes, the
//! typed error.
//!
//! Decides how GARM's answers are read and which failures mean what; never what to do about the
//! fleet. Nothing is retried here but a request whose token had expired.

pub mod client;
pub mod error;
pub mod http;
pub mod tls;
pub mod transport;
pub mod wire;

pub use client::{Client, Login, Password};
pub use error::{Error, Kind};
pub use http::{Http, HttpOptions};
pub use transport::{Method, Reply, Request, Response, Transport, TransportError};
