//! Fetches the decisions of a running `watch` from the address in its settings.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::config::{CertFiles, ListenerTls, WatchSettings};
use crate::domain::text::quote;
use crate::garm::pem::Pem;
use crate::garm::server_verifier::{AcceptedServer, client_config};

/// How long a `watch` on this machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The largest page in bytes; that of a thousand pools has 4 MB.
const PAGE_MAX: usize = 64 << 20;

/// Why there are no decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskError {
    /// Nothing listens there.
    NotRunning,
    /// Something listens there but sent no decisions: one sentence without a full stop, escaped.
    NoAnswer(String),
}

/// The address of a `watch` with these settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchEndpoint {
    address: SocketAddr,
    tls: Option<ListenerTls>,
    /// Our client certificate, presented if the listener requests one.
    identity: Option<CertFiles>,
}

impl fmt::Display for WatchEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.address)
    }
}

impl WatchEndpoint {
    /// A listener on all addresses of this machine is reached on the loopback one.
    pub fn new(watch: &WatchSettings, identity: Option<CertFiles>) -> Self {
        let ip = match watch.listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let address = SocketAddr::new(ip, watch.listen.port());
        Self { address, tls: watch.tls.clone(), identity }
    }

    pub async fn decisions_page(&self) -> Result<Value, AskError> {
        match timeout(PATIENCE, self.ask()).await {
            Ok(answer) => answer,
            Err(_) => Err(unclear(format!("it does not answer within {}s", PATIENCE.as_secs()))),
        }
    }

    async fn ask(&self) -> Result<Value, AskError> {
        let stream = match TcpStream::connect(self.address).await {
            Ok(stream) => stream,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                return Err(AskError::NotRunning);
            }
            Err(error) => return Err(unclear(error)),
        };
        let Some(files) = &self.tls else { return self.get(stream).await };
        let config = configuration(files, self.identity.as_ref())?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        self.get(stream.map_err(unclear)?).await
    }

    async fn get(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Value, AskError> {
        let handshake = http1::handshake::<_, String>(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(unclear)?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = Request::get("/decisions")
            .header("host", self.address.to_string())
            .body(String::new())
            .map_err(unclear)?;
        let response = sender.send_request(request).await.map_err(|error| refused(&error))?;
        let status = response.status();
        let page = to_bytes(Body::new(response.into_body()), PAGE_MAX).await.map_err(unclear)?;
        match status {
            StatusCode::OK => serde_json::from_slice(&page)
                .map_err(|_| unclear("the server there is no `watch`: it does not send JSON")),
            StatusCode::SERVICE_UNAVAILABLE => Err(unclear(String::from_utf8_lossy(&page).trim())),
            other => Err(unclear(format!("it answers {other}"))),
        }
    }
}

fn unclear(why: impl fmt::Display) -> AskError {
    AskError::NoAnswer(quote(&why.to_string()))
}

/// Under TLS 1.3 a listener that requires another client certificate answers the request with an alert.
fn refused(error: &hyper::Error) -> AskError {
    let alert = std::error::Error::source(error).map(ToString::to_string);
    unclear(alert.unwrap_or_else(|| error.to_string()))
}

/// Trusts only the certificate in `watch.tls.cert`, for any host name: the holder of its key is
/// the `watch` in question.
fn configuration(
    files: &ListenerTls,
    identity: Option<&CertFiles>,
) -> Result<ClientConfig, AskError> {
    let chain = Pem { path: &files.server.cert, setting: "watch.tls.cert" }.certificates();
    let builder = client_config(AcceptedServer::Only {
        certificate: chain.map_err(unclear)?.swap_remove(0),
        refusal: "it presents a certificate other than `watch.tls.cert`",
    });
    let Some(identity) = identity.filter(|_| files.client_ca.is_some()) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = Pem { path: &identity.cert, setting: "garm.tls.cert" }.certificates();
    let key = Pem { path: &identity.key, setting: "garm.tls.key" }.key();
    let (chain, key) = (chain.map_err(unclear)?, key.map_err(unclear)?);
    builder.with_client_auth_cert(chain, key).map_err(unclear)
}
