//! Signed statements about the head of the audit log, delivered outside of this machine
//! (`watch.audit_anchor`). With the public key alone anyone can check them, and only the holder of
//! the private key can make them. `watch` delivers them regularly, `apply` one at its end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::args::ApplyArgs;
use super::context::Context;
use super::failure::Failure;
use super::prepare::PreparedPlan;
use crate::audit::Head;
use crate::audit::anchor::{About, AnchorKey};
use crate::config::{AuditAnchor, WebhookUrl};
use crate::domain::name::FleetName;
use crate::domain::text::quote;
use crate::host::audit_destination::AuditDestination;
use crate::host::clock::Clock;
use crate::host::{anchor, state_dir};
use crate::notify::{ReceiverApi, ReceiverEndpoint, WebhookClient};
use crate::render::style::{HELP, WARNING, paint};
use crate::secrets;

/// How long a file on another mount may take.
const FILE_PATIENCE: Duration = Duration::from_secs(10);

/// How long all of the statement may take that `apply` makes at its end.
const APPLY_PATIENCE: Duration = Duration::from_secs(10);

/// The signing key of the statements, and where they go.
pub struct Anchor {
    key: AnchorKey,
    about: About,
    file: Option<PathBuf>,
    webhook: Option<WebhookClient>,
}

impl Anchor {
    /// The anchor of the fleet file for this log. Fails (3) when its key or address cannot be used.
    pub async fn open(
        settings: &AuditAnchor,
        fleet: &FleetName,
        log: &Path,
        allowed: &secrets::ResolveOptions,
    ) -> Result<Self, Failure> {
        let reference = &settings.key;
        let key = AnchorKey::from_pem(&secrets::resolve(reference, allowed).await?);
        let key = key.map_err(|why| {
            let message = format!("`watch.audit_anchor` cannot sign with `{reference}`: {why}");
            Failure::input(message).help("`openssl genpkey -algorithm ed25519` makes a key")
        })?;
        let webhook = match &settings.webhook {
            None => None,
            Some(url) => Some(post(url, allowed).await?),
        };
        let about = About {
            fleet: fleet.to_string(),
            host: state_dir::actor().host,
            log: log.display().to_string(),
        };
        Ok(Self { key, about, file: settings.file.clone(), webhook })
    }

    /// The names of the places that statements are delivered to.
    pub fn places(&self) -> impl Iterator<Item = &'static str> {
        let file = self.file.is_some().then_some("file");
        file.into_iter().chain(self.webhook.is_some().then_some("webhook"))
    }

    /// The signed statement that the log stands at this head.
    pub fn sign(&self, head: &Head, now: Timestamp) -> String {
        self.key.state(&self.about, head, now)
    }

    /// Delivers a statement to every place; brings what became of it at each.
    pub async fn deliver(&self, statement: &str) -> Vec<(&'static str, Result<(), String>)> {
        let mut results = Vec::new();
        if let Some(path) = &self.file {
            results.push(("file", append(path.clone(), statement.to_owned()).await));
        }
        if let Some(webhook) = &self.webhook {
            results.push(("webhook", webhook.send(statement.to_owned()).await));
        }
        results
    }
}

/// What went wrong at a place, for a message.
pub fn fault(place: &str, why: &str) -> String {
    format!("to its {place}: {}", quote(why))
}

/// Anchors the records of an `apply`, in bounded time; a failure is a warning. A log that
/// `--audit` names is left out: the statements are about that of `watch.audit`.
pub async fn anchor_apply(
    survey: &PreparedPlan,
    args: &ApplyArgs,
    book: &AuditDestination,
    cx: Context<'_>,
) {
    let Ok(file) = survey.loaded.fleet_file() else { return };
    let Some(watch) = &file.watch else { return };
    let (Some(settings), AuditDestination::File(audit_file)) = (&watch.audit_anchor, book) else {
        return;
    };
    let is_own_log = args.audit.is_none() || args.audit == watch.audit;
    let Some(head) = audit_file.head().filter(|_| is_own_log) else { return };
    let allowed = cx.settings.secret_options(survey.loaded.places.base());
    let work = async {
        let anchor = Anchor::open(settings, &file.fleet, audit_file.path(), &allowed)
            .await
            .map_err(|failure| failure.message)?;
        let results = anchor.deliver(&anchor.sign(&head, Clock::Real.now())).await;
        let faults = results
            .iter()
            .filter_map(|(place, result)| result.as_ref().err().map(|why| fault(place, why)));
        let faults: Vec<String> = faults.collect();
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
    };
    let outcome = timeout(APPLY_PATIENCE, work).await;
    let why = match outcome {
        Ok(Ok(())) => return,
        Ok(Err(why)) => why,
        Err(_) => format!("no response within {APPLY_PATIENCE:?}"),
    };
    cx.print.say(&format!(
        "{} the signed statement about the audit log was not delivered {why}\n{} the next \
         statement of `watch` or `apply` covers these records, too",
        paint(WARNING, "warning:"),
        paint(HELP, "help:"),
    ));
}

/// In a thread of its own, which a mount that does not answer may keep: neither this task nor the
/// end of the process waits for it.
async fn append(path: PathBuf, statement: String) -> Result<(), String> {
    let (done, result) = tokio::sync::oneshot::channel();
    let work = move || {
        // The receiver is gone when it took too long.
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
