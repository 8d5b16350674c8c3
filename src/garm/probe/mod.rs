//! Proof of mTLS: requests that must be refused (DESIGN §7).
//!
//! Nothing secret is sent: a probe is a `GET` without token and body, and the certificates it
//! shows are made on the spot, but for those whose refusal is the question. Decides what an answer
//! proves; never what to do about it.

mod judge;
mod made;

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::header::CONTENT_TYPE;
use rustls::sign::CertifiedKey;
use url::Url;

use super::error::Error;
use super::fault::{self, Setting};
use super::http::{self, Timeouts};
use super::tls::Tls;
use super::transport::TransportError;
use crate::domain::fleet::Controller;
use crate::domain::proof::{Attempt, Probe};
use crate::domain::text;
use crate::manifest::{CertFiles, GarmSettings, HostPort};

/// How long a probe waits. A front that refuses does so at once.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(5), request: Duration::from_secs(10) };

/// How much of an answer is looked at, in bytes: enough to know GARM by its errors.
const LOOK_MAX: usize = 4096;

/// Where the doors are, and with what they are tried.
#[derive(Debug, Clone, Default)]
pub struct Doors {
    /// The CA that signs the front's certificate; absent: the platform's roots.
    pub ca: Option<PathBuf>,
    /// Our own certificate: of the wrong kind for callbacks and metadata.
    pub operator: Option<CertFiles>,
    /// A runner's: of the wrong kind for API and event stream.
    pub runner: Option<CertFiles>,
    /// Callbacks, metadata, API and event stream.
    fronts: Vec<Front>,
    /// GARM's own ports.
    backend: Vec<HostPort>,
}

#[derive(Debug, Clone)]
struct Front {
    place: &'static str,
    url: String,
    /// Who must be kept out besides strangers.
    wrong: Wrong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Operator,
    Runner,
}

impl Doors {
    /// The doors of this GARM, by its own URLs where it has them.
    pub fn of(garm: &GarmSettings, controller: &Controller) -> Self {
        let api = format!("{}/api/v1", garm.url);
        let fronts = [
            ("callbacks", controller.callback_url.clone(), Wrong::Operator),
            ("metadata", controller.metadata_url.clone(), Wrong::Operator),
            ("API", format!("{api}/controller-info"), Wrong::Runner),
            ("event stream", format!("{api}/ws/events"), Wrong::Runner),
        ];
        let front = |(place, url, wrong)| Front { place, url, wrong };
        Self {
            ca: garm.tls.as_ref().and_then(|it| it.ca.clone()),
            operator: garm.tls.as_ref().and_then(|it| it.client.clone()),
            runner: garm.probe_runner_cert.clone(),
            fronts: fronts.map(front).into_iter().filter(|it| !it.url.is_empty()).collect(),
            backend: garm.backend.clone(),
        }
    }
}

/// Tries every door in every way, all at once; takes at most about ten seconds. Errors when a
/// certificate file of ours cannot be used ([`super::Kind::Input`]).
pub async fn prove(doors: &Doors) -> Result<Vec<Probe>, Error> {
    let callers = Callers::made_apart(doors.clone()).await?;
    let mut tries = Vec::new();
    for front in &doors.fronts {
        let Ok(url) = Url::parse(&front.url) else {
            continue;
        };
        if url.scheme() == "http" {
            tries.push(callers.plain.go(front.place, url, Attempt::PlainHttp));
            continue;
        }
        tries.push(callers.nobody.go(front.place, url.clone(), Attempt::NoCertificate));
        tries.push(callers.self_signed.go(front.place, url.clone(), Attempt::SelfSigned));
        tries.push(callers.expired.go(front.place, url.clone(), Attempt::Expired));
        let wrong = match front.wrong {
            Wrong::Operator => callers.operator.as_ref(),
            Wrong::Runner => callers.runner.as_ref(),
        };
        if let Some(wrong) = wrong {
            tries.push(wrong.go(front.place, url.clone(), Attempt::WrongKind));
        }
        if let Some(url) = in_clear(&url) {
            tries.push(callers.plain.go(front.place, url, Attempt::PlainHttp));
        }
    }
    for backend in &doors.backend {
        let host = match backend.host.contains(':') {
            true => format!("[{}]", backend.host),
            false => backend.host.clone(),
        };
        let path = format!("{host}:{}/api/v1/controller-info", backend.port);
        if let Ok(url) = Url::parse(&format!("http://{path}")) {
            tries.push(callers.plain.go("backend", url, Attempt::Backend));
        }
        if let Ok(url) = Url::parse(&format!("https://{path}")) {
            tries.push(callers.nobody.go("backend", url, Attempt::Backend));
        }
    }
    Ok(join_all(tries).await)
}

/// The same host and port, spoken to without TLS.
fn in_clear(url: &Url) -> Option<Url> {
    let port = url.port_or_known_default()?;
    let mut plain = Url::parse(&url.as_str().replacen("https", "http", 1)).ok()?;
    plain.set_port(Some(port)).ok()?;
    Some(plain)
}

/// Clients, one for each thing to show.
struct Callers {
    plain: Caller,
    nobody: Caller,
    self_signed: Caller,
    expired: Caller,
    operator: Option<Caller>,
    runner: Option<Caller>,
}

impl Callers {
    /// Reads files and makes keys on a thread of its own: with the platform's roots that takes
    /// hundreds of milliseconds, for which nobody else must wait.
    async fn made_apart(doors: Doors) -> Result<Self, Error> {
        match tokio::task::spawn_blocking(move || Self::new(&doors)).await {
            Ok(callers) => callers,
            Err(error) => Err(Error::input(
                "make clients for the mTLS probes",
                error.to_string(),
                "this is a bug: report it",
            )),
        }
    }

    fn new(doors: &Doors) -> Result<Self, Error> {
        let ca = doors.ca.as_deref();
        let showing = |key: Option<CertifiedKey>| Caller::new(Some(Tls::showing(ca, key)?));
        let file = |files: &Option<CertFiles>, setting| match files {
            None => Ok(None),
            Some(it) => showing(Some(made::from_files(it, setting)?)).map(Some),
        };
        Ok(Self {
            plain: Caller::new(None)?,
            nobody: showing(None)?,
            self_signed: showing(Some(made::certificate(made::Validity::Current)?))?,
            expired: showing(Some(made::certificate(made::Validity::Past)?))?,
            operator: file(&doors.operator, "garm.tls")?,
            runner: file(&doors.runner, "garm.probe_runner_cert")?,
        })
    }
}

/// One client and what it has to show.
struct Caller {
    client: reqwest::Client,
    tls: Option<Tls>,
}

/// The part of an answer that is looked at.
struct Answer {
    status: u16,
    content_type: String,
    body: Vec<u8>,
}

impl Caller {
    fn new(tls: Option<Tls>) -> Result<Self, Error> {
        let builder = http::builder(tls.as_ref(), TIMEOUTS)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("runnerctl/", env!("CARGO_PKG_VERSION"), " (mTLS probe)"));
        let client = builder.build().map_err(|error| {
            let help = "this is a bug: report it";
            Error::input("build a client for the mTLS probes", fault::innermost(&error), help)
        })?;
        Ok(Self { client, tls })
    }

    async fn go(&self, place: &'static str, url: Url, attempt: Attempt) -> Probe {
        let shown = text::quote(url.as_str());
        let result = self.ask(url).await;
        let (proof, evidence) = judge::judge(attempt, &result);
        Probe { place, url: shown, attempt, proof, evidence }
    }

    async fn ask(&self, url: Url) -> Result<Answer, TransportError> {
        let mut response = self.client.get(url).send().await.map_err(|error| {
            let asked = self.tls.as_ref().and_then(Tls::asked);
            fault::unanswered(&error, Setting { timeouts: &TIMEOUTS, asked })
        })?;
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
        Ok(Answer { status: response.status().as_u16(), content_type, body })
    }
}
