//! Proof that mTLS is enforced: requests that must be refused, and one per URL that must be
//! accepted (DESIGN §7).
//!
//! A refusal alone proves nothing, because an address list or a filter also refuses. So a refusal
//! counts only from a server that asked for a client certificate in the handshake, and the right
//! certificate, if known, must be accepted at the same URL.
//!
//! Probes send no secrets: each is a `GET` without token or body, with a generated certificate
//! unless a configured one is being tested. This module decides what a response proves, never what
//! to do about it.

mod certificates;
mod listener;
mod verdict;

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::header::CONTENT_TYPE;
use rustls::sign::CertifiedKey;
use url::Url;

use super::error::GarmError;
use super::http::{self, Timeouts};
use super::server_verifier::{AcceptedServer, client_config};
use super::tls::Tls;
use super::transport::TransportError;
use super::transport_failure::{self, RequestContext};
use crate::config::{CertFiles, GarmSettings, HostPort};
use crate::domain::fleet::Controller;
use crate::domain::proof::{Attempt, Probe};
use crate::domain::text;

/// Timeouts of a probe. A server that refuses does so at once.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(5), request: Duration::from_secs(10) };

/// How much of a response is read, in bytes: enough to recognize GARM's errors.
const LOOK_MAX: usize = 4096;

/// What to probe, and the certificates to probe with.
#[derive(Debug, Clone, Default)]
pub struct ProbeTargets {
    /// The CA of the reverse proxy's certificate; `None`: the platform's root CAs.
    pub ca: Option<PathBuf>,
    /// Our certificate: right for API and event stream, wrong for callbacks and metadata.
    pub operator: Option<CertFiles>,
    /// A runner's certificate: right for callbacks and metadata only.
    pub runner: Option<CertFiles>,
    /// Callbacks, metadata, API and event stream.
    fronts: Vec<FrontTarget>,
    /// GARM's own ports from the fleet file.
    backend: Vec<HostPort>,
    /// Hosts that may run GARM, if the fleet file names no port.
    hosts: Vec<String>,
}

#[derive(Debug, Clone)]
struct FrontTarget {
    place: &'static str,
    url: String,
    /// The only kind of certificate that must be accepted.
    right: CertificateKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CertificateKind {
    Operator,
    Runner,
}

impl ProbeTargets {
    /// The targets of this GARM, by its own URLs if it has them.
    pub fn of(garm: &GarmSettings, controller: &Controller) -> Self {
        let api = format!("{}/api/v1", garm.url);
        let fronts = [
            ("callbacks", controller.callback_url.clone(), CertificateKind::Runner),
            ("metadata", controller.metadata_url.clone(), CertificateKind::Runner),
            ("API", format!("{api}/controller-info"), CertificateKind::Operator),
            ("event stream", format!("{api}/ws/events"), CertificateKind::Operator),
        ];
        let front = |(place, url, right)| FrontTarget { place, url, right };
        let hosts = match garm.backend.as_slice() {
            [] => listener::hosts(&garm.url, controller),
            _ => Vec::new(),
        };
        Self {
            ca: garm.tls.as_ref().and_then(|tls| tls.ca.clone()),
            operator: garm.tls.as_ref().and_then(|tls| tls.client.clone()),
            runner: garm.probe_runner_cert.clone(),
            fronts: fronts.map(front).into_iter().filter(|front| !front.url.is_empty()).collect(),
            backend: garm.backend.clone(),
            hosts,
        }
    }
}

/// Runs all probes concurrently, in at most about twelve seconds. Fails with
/// [`super::ErrorKind::Input`] if a certificate file is unusable.
pub async fn prove(doors: &ProbeTargets) -> Result<Vec<Probe>, GarmError> {
    let clients = ProbeClients::on_separate_thread(doors.clone()).await?;
    let fronts = doors.fronts.iter().map(|front| clients.at_front(front));
    let (fronts, backends) = tokio::join!(join_all(fronts), async {
        let found = listener::listeners(&doors.hosts).await;
        join_all(doors.backend.iter().chain(&found).map(|address| clients.at_backend(address)))
            .await
    });
    Ok(fronts.into_iter().chain(backends).flatten().collect())
}

/// The same host and port without TLS.
fn in_clear(url: &Url) -> Option<Url> {
    let port = url.port_or_known_default()?;
    let mut plain = Url::parse(&url.as_str().replacen("https", "http", 1)).ok()?;
    plain.set_port(Some(port)).ok()?;
    Some(plain)
}

/// One client for each certificate.
struct ProbeClients {
    plain: ProbeClient,
    without_certificate: ProbeClient,
    self_signed: ProbeClient,
    expired: ProbeClient,
    operator: Option<ProbeClient>,
    runner: Option<ProbeClient>,
    /// For GARM's own port, whose certificate does not matter: it must not respond at all.
    trusting: ProbeClient,
}

impl ProbeClients {
    /// Reads files and generates keys on a separate thread: with the platform's root CAs that takes
    /// hundreds of milliseconds, which must not block the runtime.
    async fn on_separate_thread(doors: ProbeTargets) -> Result<Self, GarmError> {
        match tokio::task::spawn_blocking(move || Self::new(&doors)).await {
            Ok(clients) => clients,
            Err(error) => Err(GarmError::input(
                "make clients for the mTLS probes",
                error.to_string(),
                "this is a bug: report it",
            )),
        }
    }

    fn new(doors: &ProbeTargets) -> Result<Self, GarmError> {
        let ca = doors.ca.as_deref();
        let showing =
            |key: Option<CertifiedKey>| Ok(ProbeClient { tls: Some(Tls::showing(ca, key)?) });
        let file = |files: &Option<CertFiles>, setting| match files {
            None => Ok(None),
            Some(files) => showing(Some(certificates::from_files(files, setting)?)).map(Some),
        };
        Ok(Self {
            plain: ProbeClient { tls: None },
            without_certificate: showing(None)?,
            self_signed: showing(Some(certificates::certificate(
                certificates::Validity::Current,
            )?))?,
            expired: showing(Some(certificates::certificate(certificates::Validity::Past)?))?,
            operator: file(&doors.operator, "garm.tls")?,
            runner: file(&doors.runner, "garm.probe_runner_cert")?,
            trusting: ProbeClient { tls: Some(accepting_any_server()) },
        })
    }

    /// All probes of one URL of the reverse proxy.
    async fn at_front(&self, front: &FrontTarget) -> Vec<Probe> {
        let Ok(url) = Url::parse(&front.url) else { return Vec::new() };
        if url.scheme() == "http" {
            let probe = self.plain.go(front.place, url, Attempt::PlainHttp).await;
            return vec![verdict::without_tls(probe)];
        }
        let (right, wrong) = match front.right {
            CertificateKind::Operator => (&self.operator, &self.runner),
            CertificateKind::Runner => (&self.runner, &self.operator),
        };
        let ways = [
            (Some(&self.without_certificate), Attempt::NoCertificate),
            (Some(&self.self_signed), Attempt::SelfSigned),
            (Some(&self.expired), Attempt::Expired),
            (wrong.as_ref(), Attempt::WrongKind),
            (right.as_ref(), Attempt::RightKind),
        ];
        let ways = ways.into_iter().filter_map(|(caller, attempt)| Some((caller?, attempt)));
        let plain = in_clear(&url)
            .map(|plain_url| self.plain.go(front.place, plain_url, Attempt::PlainHttp));
        let over_tls = ways.map(|(caller, attempt)| caller.go(front.place, url.clone(), attempt));
        join_all(over_tls.chain(plain)).await
    }

    /// The probes of GARM's own port, with and without TLS.
    async fn at_backend(&self, backend: &HostPort) -> Vec<Probe> {
        let host = match backend.host.contains(':') {
            true => format!("[{}]", backend.host),
            false => backend.host.clone(),
        };
        let ways = [("http", &self.plain), ("https", &self.trusting)].map(|(scheme, caller)| {
            let path = format!("{scheme}://{host}:{}/api/v1/controller-info", backend.port);
            Url::parse(&path).map(|url| caller.go("backend", url, Attempt::Backend))
        });
        join_all(ways.into_iter().flatten()).await
    }
}

/// For GARM's own port alone: nothing secret is sent there, and the answer shows what answers.
fn accepting_any_server() -> Tls {
    let mut config = client_config(AcceptedServer::Any).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Tls::of(config)
}

/// A client that presents one certificate, or none.
struct ProbeClient {
    /// The TLS settings; absent for plain HTTP.
    tls: Option<Tls>,
}

/// The part of a response that is examined.
struct ProbeResponse {
    status: u16,
    content_type: String,
    body: Vec<u8>,
}

struct ProbeResult {
    result: Result<ProbeResponse, TransportError>,
    /// Whether the server asked for a client certificate.
    asked: bool,
}

impl ProbeClient {
    /// Runs one probe with its own client and connection.
    async fn go(&self, place: &'static str, url: Url, attempt: Attempt) -> Probe {
        let shown = text::quote(url.as_str());
        let tls = self.tls.as_ref().map(Tls::afresh);
        let result = ask(url, tls.as_ref()).await;
        let asked = tls.is_some_and(|handshake| handshake.asked().is_some());
        let (proof, evidence) = verdict::judge(attempt, &ProbeResult { result, asked });
        Probe { place, url: shown, attempt, proof, evidence }
    }
}

async fn ask(url: Url, tls: Option<&Tls>) -> Result<ProbeResponse, TransportError> {
    let builder = http::builder(tls, TIMEOUTS).pool_max_idle_per_host(0).user_agent(concat!(
        "runnerctl/",
        env!("CARGO_PKG_VERSION"),
        " (mTLS probe)"
    ));
    let failed = |error: reqwest::Error| {
        let asked = tls.and_then(Tls::asked);
        transport_failure::unanswered(&error, RequestContext { timeouts: &TIMEOUTS, asked })
    };
    let client = builder.build().map_err(failed)?;
    let mut response = client.get(url).send().await.map_err(failed)?;
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .unwrap_or_default();
    let mut body = Vec::new();
    // A body that breaks off does not matter: the status is known.
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = LOOK_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == LOOK_MAX {
            break;
        }
    }
    Ok(ProbeResponse { status: response.status().as_u16(), content_type, body })
}
