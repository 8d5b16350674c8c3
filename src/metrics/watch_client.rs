//! Fetches the decisions or the health of a running `watch` from the address in its settings.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
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
use url::Url;

use super::routes::NO_GARM;
use crate::config::{CertFiles, ListenerTls, WatchSettings};
use crate::domain::name::GarmName;
use crate::domain::text::{code, quote};
use crate::garm::pem::Pem;
use crate::garm::server_verifier::{AcceptedServer, client_config};

/// How long a `watch` may take to answer; it usually runs on this machine.
const PATIENCE: Duration = Duration::from_secs(3);

const URL_FORM: &str = "write `http://HOST:PORT` or `https://HOST:PORT`";

/// The maximum size of a page, in bytes. The decisions about a thousand pools take 4 MB.
const PAGE_MAX: usize = 64 << 20;

/// Why a `watch` gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskError {
    NotRunning,
    /// Something is listening there, but did not send the page. Contains the reason, one sentence
    /// without a full stop, escaped.
    NoAnswer(String),
}

/// The address of a `watch` with these settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchEndpoint {
    /// A host name or an IP address; an IPv6 address is in brackets.
    host: String,
    port: u16,
    tls: Option<ListenerTls>,
    /// Our client certificate, presented if the listener requests one.
    identity: Option<CertFiles>,
}

impl fmt::Display for WatchEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl WatchEndpoint {
    /// The `watch` at the address in the settings. If it listens on all addresses of this machine,
    /// the loopback address is used.
    pub fn new(watch: &WatchSettings, identity: Option<CertFiles>) -> Self {
        let host = match watch.listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
            IpAddr::V6(ip) if ip.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Self { host, port: watch.listen.port(), tls: watch.tls.clone(), identity }
    }

    /// The `watch` at `http://HOST:PORT` or `https://HOST:PORT` instead of the address in the
    /// settings. With TLS it must present the certificate in `watch.tls`.
    ///
    /// Errors with one sentence without a full stop, and what to write instead.
    pub fn at(
        url: &Url,
        watch: &WatchSettings,
        identity: Option<CertFiles>,
    ) -> Result<Self, (String, &'static str)> {
        let tls = match url.scheme() {
            "http" => None,
            "https" => Some(watch.tls.clone().ok_or((
                "`https://` needs the certificate in `watch.tls`".to_owned(),
                "name the fleet file with `--config FILE`",
            ))?),
            _ => return Err((format!("{} is not HTTP", code(url.as_str())), URL_FORM)),
        };
        let is_bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
        match (url.host_str(), url.port_or_known_default()) {
            (Some(host), Some(port)) if is_bare => {
                Ok(Self { host: host.to_owned(), port, tls, identity })
            }
            _ => Err((format!("{} has more than an address", code(url.as_str())), URL_FORM)),
        }
    }

    /// Requests `/decisions`, of one of several GARMs if it is named.
    pub async fn decisions_page(&self, garm: Option<&GarmName>) -> Result<Value, AskError> {
        let query = garm.map_or_else(String::new, |garm| format!("?garm={garm}"));
        let (status, page) = self.page(&format!("/decisions{query}")).await?;
        match status {
            StatusCode::OK => serde_json::from_slice(&page)
                .map_err(|_| unclear("the server there is not a `watch`: it does not send JSON")),
            other => Err(refusal(other, &page)),
        }
    }

    /// Requests `/healthz`. Errors unless the loop is running.
    pub async fn health(&self) -> Result<(), AskError> {
        let (status, page) = self.page("/healthz").await?;
        if status == StatusCode::OK { Ok(()) } else { Err(refusal(status, &page)) }
    }

    async fn page(&self, path: &str) -> Result<(StatusCode, Bytes), AskError> {
        match timeout(PATIENCE, self.ask(path)).await {
            Ok(answer) => answer,
            Err(_) => Err(unclear(format!("it does not answer within {}s", PATIENCE.as_secs()))),
        }
    }

    async fn ask(&self, path: &str) -> Result<(StatusCode, Bytes), AskError> {
        let stream = match TcpStream::connect(self.authority()).await {
            Ok(stream) => stream,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                return Err(AskError::NotRunning);
            }
            Err(error) => return Err(unclear(error)),
        };
        let Some(files) = &self.tls else { return self.get(path, stream).await };
        let config = configuration(files, self.identity.as_ref())?;
        let host = self.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(unclear)?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        self.get(path, stream.map_err(unclear)?).await
    }

    fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    async fn get(
        &self,
        path: &str,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<(StatusCode, Bytes), AskError> {
        let handshake = http1::handshake::<_, String>(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(unclear)?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = Request::get(path)
            .header("host", self.authority())
            .body(String::new())
            .map_err(unclear)?;
        let response = sender.send_request(request).await.map_err(|error| refused(&error))?;
        let status = response.status();
        let page = to_bytes(Body::new(response.into_body()), PAGE_MAX).await.map_err(unclear)?;
        Ok((status, page))
    }
}

/// Explains a status other than 200. A `watch` that cannot provide the page gives the reason in a
/// 503, or in a 404 for a GARM that it does not watch.
fn refusal(status: StatusCode, page: &[u8]) -> AskError {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => unclear(String::from_utf8_lossy(page).trim()),
        StatusCode::NOT_FOUND if page == NO_GARM.as_bytes() => unclear(NO_GARM.trim()),
        other => unclear(format!("it answers {other}")),
    }
}

fn unclear(why: impl fmt::Display) -> AskError {
    AskError::NoAnswer(quote(&why.to_string()))
}

/// With TLS 1.3, a listener that does not accept our client certificate sends an alert only after
/// the request.
fn refused(error: &hyper::Error) -> AskError {
    let alert = std::error::Error::source(error).map(ToString::to_string);
    unclear(alert.unwrap_or_else(|| error.to_string()))
}

/// Trusts only the certificate in `watch.tls.cert`, for any host name: the server that has its key
/// is the configured `watch`.
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
