//! Proof of mTLS: requests that must be refused, and one for each door that must not (DESIGN §7).
//!
//! That a server refuses proves nothing by itself: a list of addresses or a filter refuses, too. So
//! each refusal counts only from a server that asked for a client certificate in the handshake,
//! and the right certificate, where it is known, must be let in at the same URL.
//!
//! Nothing secret is sent: a probe is a `GET` without token and body, and the certificates it
//! shows are made on the spot, but for those whose refusal is the question. Decides what an answer
//! proves; never what to do about it.

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

/// How long a probe waits. A front that refuses does so at once.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(5), request: Duration::from_secs(10) };

/// How much of an answer is looked at, in bytes: enough to know GARM by its errors.
const LOOK_MAX: usize = 4096;

/// Where the doors are, and with what they are tried.
#[derive(Debug, Clone, Default)]
pub struct ProbeTargets {
    /// The CA that signs the front's certificate; absent: the platform's roots.
    pub ca: Option<PathBuf>,
    /// Our own certificate: right for API and event stream, wrong for callbacks and metadata.
    pub operator: Option<CertFiles>,
    /// A runner's: the other way round.
    pub runner: Option<CertFiles>,
    /// Callbacks, metadata, API and event stream.
    fronts: Vec<FrontTarget>,
    /// GARM's own ports, as the fleet file names them.
    backend: Vec<HostPort>,
    /// Machines that may be GARM's, where it names none.
    hosts: Vec<String>,
}

#[derive(Debug, Clone)]
struct FrontTarget {
    place: &'static str,
    url: String,
    /// Who must be let in, and nobody else.
    right: CertificateKind,
}

/// Kinds of certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CertificateKind {
    Operator,
    Runner,
}

impl ProbeTargets {
    /// The doors of this GARM, by its own URLs where it has them.
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
            ca: garm.tls.as_ref().and_then(|it| it.ca.clone()),
            operator: garm.tls.as_ref().and_then(|it| it.client.clone()),
            runner: garm.probe_runner_cert.clone(),
            fronts: fronts.map(front).into_iter().filter(|it| !it.url.is_empty()).collect(),
            backend: garm.backend.clone(),
            hosts,
        }
    }
}

/// Tries every door in every way, all at once; takes at most about twelve seconds. Errors when a
/// certificate file of ours cannot be used ([`super::ErrorKind::Input`]).
pub async fn prove(doors: &ProbeTargets) -> Result<Vec<Probe>, GarmError> {
    let callers = ProbeClients::made_apart(doors.clone()).await?;
    let fronts = doors.fronts.iter().map(|it| callers.at_front(it));
    let (fronts, backends) = tokio::join!(join_all(fronts), async {
        let found = listener::listeners(&doors.hosts).await;
        join_all(doors.backend.iter().chain(&found).map(|it| callers.at_backend(it))).await
    });
    Ok(fronts.into_iter().chain(backends).flatten().collect())
}

/// The same host and port, spoken to without TLS.
fn in_clear(url: &Url) -> Option<Url> {
    let port = url.port_or_known_default()?;
    let mut plain = Url::parse(&url.as_str().replacen("https", "http", 1)).ok()?;
    plain.set_port(Some(port)).ok()?;
    Some(plain)
}

/// One caller for each thing to show.
struct ProbeClients {
    plain: ProbeClient,
    nobody: ProbeClient,
    self_signed: ProbeClient,
    expired: ProbeClient,
    operator: Option<ProbeClient>,
    runner: Option<ProbeClient>,
    /// For GARM's own port, whose certificate may be anybody's: what counts is whether it answers.
    trusting: ProbeClient,
}

impl ProbeClients {
    /// Reads files and makes keys on a thread of its own: with the platform's roots that takes
    /// hundreds of milliseconds, for which nobody else must wait.
    async fn made_apart(doors: ProbeTargets) -> Result<Self, GarmError> {
        match tokio::task::spawn_blocking(move || Self::new(&doors)).await {
            Ok(callers) => callers,
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
            Some(it) => showing(Some(certificates::from_files(it, setting)?)).map(Some),
        };
        Ok(Self {
            plain: ProbeClient { tls: None },
            nobody: showing(None)?,
            self_signed: showing(Some(certificates::certificate(
                certificates::Validity::Current,
            )?))?,
            expired: showing(Some(certificates::certificate(certificates::Validity::Past)?))?,
            operator: file(&doors.operator, "garm.tls")?,
            runner: file(&doors.runner, "garm.probe_runner_cert")?,
            trusting: ProbeClient { tls: Some(accepting_any_server()) },
        })
    }

    /// Every way of knocking at a door of the front.
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
            (Some(&self.nobody), Attempt::NoCertificate),
            (Some(&self.self_signed), Attempt::SelfSigned),
            (Some(&self.expired), Attempt::Expired),
            (wrong.as_ref(), Attempt::WrongKind),
            (right.as_ref(), Attempt::RightKind),
        ];
        let ways = ways.into_iter().filter_map(|(caller, attempt)| Some((caller?, attempt)));
        let plain = in_clear(&url).map(|it| self.plain.go(front.place, it, Attempt::PlainHttp));
        let over_tls = ways.map(|(caller, attempt)| caller.go(front.place, url.clone(), attempt));
        join_all(over_tls.chain(plain)).await
    }

    /// GARM's own port, in clear and by TLS.
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

/// For GARM's own port alone: nothing secret is sent there, and the answer tells who answers.
fn accepting_any_server() -> Tls {
    let mut config = client_config(AcceptedServer::Any).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Tls::of(config)
}

/// What a caller has to show.
struct ProbeClient {
    /// Absent: plain HTTP.
    tls: Option<Tls>,
}

/// The part of an answer that is looked at.
struct ProbeResponse {
    status: u16,
    content_type: String,
    body: Vec<u8>,
}

/// What came of a probe.
struct ProbeOutcome {
    result: Result<ProbeResponse, TransportError>,
    /// Whether the server asked for a client certificate.
    asked: bool,
}

impl ProbeClient {
    /// One probe, by a client and a connection of its own.
    async fn go(&self, place: &'static str, url: Url, attempt: Attempt) -> Probe {
        let shown = text::quote(url.as_str());
        let tls = self.tls.as_ref().map(Tls::afresh);
        let result = ask(url, tls.as_ref()).await;
        let asked = tls.is_some_and(|it| it.asked().is_some());
        let (proof, evidence) = verdict::judge(attempt, &ProbeOutcome { result, asked });
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
        .map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned())
        .unwrap_or_default();
    let mut body = Vec::new();
    // A body that breaks off is no matter: the status has told.
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = LOOK_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == LOOK_MAX {
            break;
        }
    }
    Ok(ProbeResponse { status: response.status().as_u16(), content_type, body })
}
