//! Signed statements about the head of the audit log, delivered outside of this machine
//! (`watch.audit_anchor`). With the public key alone anyone can check them, and only the holder of
//! the private key can make them.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::alerting::AlertWiring;
use super::log::{LogLine, Weight};
use super::setup::DaemonConfig;
use crate::audit::Head;
use crate::audit::anchor::{About, AnchorKey};
use crate::cli::failure::Failure;
use crate::config::{AuditAnchor, WebhookUrl};
use crate::domain::text::quote;
use crate::host::book::Book;
use crate::host::clock::Clock;
use crate::host::{anchor, state_dir};
use crate::metrics::Counter;
use crate::notify::{Attachment, ReceiverApi, ReceiverEndpoint, WebhookClient};
use crate::secrets;

/// How long a file on another mount may take.
const FILE_PATIENCE: Duration = Duration::from_secs(10);

/// After a failure the next statement comes sooner.
const RETRY: Duration = Duration::from_secs(30);

/// Where statements go.
pub(super) struct Anchor {
    key: AnchorKey,
    about: About,
    pub(super) every: Duration,
    file: Option<PathBuf>,
    webhook: Option<WebhookClient>,
    enclosure: Option<Attachment>,
    /// The last attempt failed, and that was said.
    has_failed: bool,
    wires: AlertWiring,
}

impl Anchor {
    /// The anchor of the fleet file; absent without one, and where nothing is recorded. Fails (3)
    /// when its key or address cannot be used.
    pub(super) async fn open(
        setup: &DaemonConfig,
        book: &Book,
        allowed: &secrets::ResolveOptions,
        wires: AlertWiring,
    ) -> Result<Option<Self>, Failure> {
        let (Some(settings), Book::Diary(diary)) = (&setup.watch.audit_anchor, book) else {
            return Ok(None);
        };
        let AuditAnchor { key: reference, every, file, webhook, alerts } = settings;
        let key = AnchorKey::from_pem(&secrets::resolve(reference, allowed).await?);
        let key = key.map_err(|why| {
            let message = format!("`watch.audit_anchor` cannot sign with `{reference}`: {why}");
            Failure::input(message).help("`openssl genpkey -algorithm ed25519` makes a key")
        })?;
        let webhook = match webhook {
            None => None,
            Some(url) => Some(post(url, allowed).await?),
        };
        let about = About {
            fleet: setup.file.fleet.to_string(),
            host: state_dir::actor().host,
            log: diary.ledger().path().display().to_string(),
        };
        let places = [("file", file.is_some()), ("webhook", webhook.is_some())];
        for (place, _) in places.into_iter().filter(|it| it.1) {
            let outcomes = ["delivered", "failed"];
            wires.metrics.declare(outcomes.map(|outcome| Counter::AuditAnchor { place, outcome }));
        }
        if places.iter().any(|it| it.1) {
            // How old the last one is counts from here until there is one.
            wires.facts.note_anchor(Clock::Real.now());
        }
        Ok(Some(Self {
            key,
            about,
            every: *every,
            file: file.clone(),
            webhook,
            enclosure: alerts.then(|| wires.enclosure.clone()),
            has_failed: false,
            wires,
        }))
    }

    /// States where the log stands; brings when the next statement is due.
    pub(super) async fn state(&mut self, head: &Head) -> Duration {
        let now = Clock::Real.now();
        let statement = self.key.state(&self.about, head, now);
        if let Some(enclosure) = &self.enclosure {
            enclosure.replace(statement.clone());
        }
        let mut faults = Vec::new();
        if let Some(path) = &self.file {
            let path = path.clone();
            faults.extend(self.count("file", append(path, statement.clone()).await));
        }
        if let Some(webhook) = &self.webhook {
            faults.extend(self.count("webhook", webhook.send(statement).await));
        }
        self.tell(head, now, &faults)
    }

    fn count(&self, place: &'static str, result: Result<(), String>) -> Option<String> {
        let outcome = if result.is_ok() { "delivered" } else { "failed" };
        self.wires.metrics.count(Counter::AuditAnchor { place, outcome });
        result.err().map(|why| format!("to its {place}: {}", quote(&why)))
    }

    fn tell(&mut self, head: &Head, now: Timestamp, faults: &[String]) -> Duration {
        let say = |weight, text: String| {
            self.wires.journal.say(LogLine::new(weight, "audit", text));
        };
        if !faults.is_empty() {
            let weight = if self.has_failed { Weight::Detail } else { Weight::Warning };
            let faults = faults.join("; ");
            say(weight, format!("the statement about the audit log was not delivered {faults}"));
            self.has_failed = true;
            return self.every.min(RETRY);
        }
        if self.has_failed {
            say(Weight::Note, "statements about the audit log are delivered again".to_owned());
        }
        self.has_failed = false;
        if self.file.is_some() || self.webhook.is_some() {
            say(Weight::Detail, format!("the audit log is anchored at {head}"));
            self.wires.facts.note_anchor(now);
            self.wires.metrics.process(|it| it.audit_anchored_at = Some(now));
        }
        self.every
    }
}

/// In a thread of its own, which a mount that does not answer may keep: neither this task nor the
/// end of the process waits for it.
async fn append(path: PathBuf, statement: String) -> Result<(), String> {
    let (done, result) = tokio::sync::oneshot::channel();
    let work = move || {
        // Nobody waits any more when it took too long.
        let _ = done.send(anchor::append_line(&path, &statement).map_err(|it| it.to_string()));
    };
    std::thread::Builder::new()
        .name("anchor".into())
        .spawn(work)
        .map_err(|error| error.to_string())?;
    match timeout(FILE_PATIENCE, result).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(_) => Err("the file system does not answer".to_owned()),
    }
}

async fn post(
    url: &WebhookUrl,
    allowed: &secrets::ResolveOptions,
) -> Result<WebhookClient, Failure> {
    let url = match url {
        WebhookUrl::Plain(url) => url.clone().into(),
        WebhookUrl::Secret(reference) => secrets::resolve(reference, allowed).await?,
    };
    let post = ReceiverEndpoint::new("audit_anchor", ReceiverApi::Webhook, &url)
        .and_then(WebhookClient::new);
    post.map_err(|error| {
        let message = format!("the webhook of `watch.audit_anchor` cannot be used: {}", error.why);
        Failure::input(message).help(error.help)
    })
}
