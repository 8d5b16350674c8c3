//! Proof that mTLS is enforced: requests that must be refused, and one per URL that must be
//! accepted (DESIGN §7).
//!
//! A refusal alone proves nothing, because a list of addresses or a filter can also refuse
//! requests. Therefore a refusal counts only if the server requested a client certificate in the
//! handshake, and the right certificate, if known, must be accepted at the same URL.
//!
//! Probes send no secrets: each is a `GET` without token or body, with no certificate, a generated
//! one or a configured one. This module decides what a response proves, never what to do about it.

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

/// The timeouts of a probe. A server that refuses a request does so at once.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    request: Duration::from_secs(10),
    unacknowledged: Duration::from_secs(10),
};

/// How much of a response is read, in bytes: enough to recognize GARM's errors.
const LOOK_MAX: usize = 4096;

/// The URLs to probe, and the certificates for the probes.
#[derive(Debug, Clone, Default)]
pub struct ProbeTargets {
    /// The CA of the reverse proxy's certificate; `None` for the platform's root CAs.
    pub ca: Option<PathBuf>,
    /// Our certificate, which must be accepted at the API and the event stream, and refused at
    /// callbacks and metadata.
    pub operator: Option<CertFiles>,
    /// A runner's certificate, which must be accepted only at callbacks and metadata.
    pub runner: Option<CertFiles>,
    /// The URLs of the reverse proxy: callbacks, metadata, API and event stream.
    fronts: Vec<FrontTarget>,
    /// GARM's own ports from the fleet file.
    backend: Vec<HostPort>,
    /// The hosts on which GARM may run, if the fleet file does not name its port.
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
    /// The targets of this GARM: its API, and the URLs that it reports.
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

/// Runs all probes concurrently, in at most about twelve seconds. Errors with
/// [`super::ErrorKind::Input`] if a certificate file cannot be used.
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

/// The same URL without TLS, at the same port.
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
    /// For GARM's own port. It accepts any certificate there, because the port must not respond at
    /// all.
    trusting: ProbeClient,
}

impl ProbeClients {
    /// Reads files and generates keys on a separate thread. With the platform's root CAs this takes
    /// hundreds of milliseconds, which would block the runtime.
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
                certificates::CertificateValidity::Current,
            )?))?,
            expired: showing(Some(certificates::certificate(
                certificates::CertificateValidity::Past,
            )?))?,
            operator: file(&doors.operator, "garm.tls")?,
            runner: file(&doors.runner, "garm.probe_runner_cert")?,
            trusting: ProbeClient { tls: Some(accepting_any_server()) },
        })
    }

    /// Runs all probes of one URL of the reverse proxy.
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

    /// Runs the probes of GARM's own port, with and without TLS.
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

/// A configuration for GARM's own port alone. Nothing secret is sent there, so any server
/// certificate is accepted.
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
    /// Whether the server requested a client certificate.
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
    // An incomplete body is not an error, because the status is known.
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = LOOK_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == LOOK_MAX {
            break;
        }
    }
    Ok(ProbeResponse { status: response.status().as_u16(), content_type, body })
}
