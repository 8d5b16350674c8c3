//! Signed statements about the head of the audit log, delivered to other machines
//! (`watch.audit_anchor`). The public key suffices to verify them; signing takes the private key.
//! `watch` delivers a statement at each interval, `apply` one at its end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::args::ApplyArgs;
use super::audit_log::named_file;
use super::context::Context;
use super::failure::Failure;
use super::prepare::PreparedPlan;
use crate::audit::Head;
use crate::audit::anchor::{AnchorKey, LogIdentity};
use crate::config::{AuditAnchor, WebhookUrl};
use crate::domain::name::FleetName;
use crate::domain::text::quote;
use crate::host::audit_destination::AuditDestination;
use crate::host::clock::Clock;
use crate::host::{anchor, state_dir};
use crate::notify::{ReceiverApi, ReceiverEndpoint, WebhookClient};
use crate::render::style::{HELP, WARNING, paint};
use crate::secrets;

/// How long an append to the statement file may take; it may be on a network mount.
const FILE_PATIENCE: Duration = Duration::from_secs(10);

/// How long `apply` may take to sign and deliver its statement.
const APPLY_PATIENCE: Duration = Duration::from_secs(10);

/// The signing key of the statements, and the places they are delivered to.
pub struct Anchor {
    key: AnchorKey,
    about: LogIdentity,
    file: Option<PathBuf>,
    webhook: Option<WebhookClient>,
}

impl Anchor {
    /// The anchor that the fleet file declares for this log. Fails (3) if its key or address is
    /// invalid.
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
            Failure::input(message).help("run `openssl genpkey -algorithm ed25519` to make a key")
        })?;
        let webhook = match &settings.webhook {
            None => None,
            Some(url) => Some(post(url, allowed).await?),
        };
        let about = LogIdentity {
            fleet: fleet.to_string(),
            host: state_dir::actor().host,
            log: log.display().to_string(),
        };
        Ok(Self { key, about, file: settings.file.clone(), webhook })
    }

    /// The names of the places that statements are delivered to: metrics use them as a label.
    pub fn places(&self) -> impl Iterator<Item = &'static str> {
        let file = self.file.is_some().then_some("file");
        file.into_iter().chain(self.webhook.is_some().then_some("webhook"))
    }

    /// A signed statement that the log ended with `head` at `now`.
    pub fn sign(&self, head: &Head, now: Timestamp) -> String {
        self.key.state(&self.about, head, now)
    }

    /// Delivers a statement to every place and returns the result of each.
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

/// The error of one place, as part of a sentence.
pub fn fault(place: &str, why: &str) -> String {
    format!("to its {place}: {}", quote(why))
}

/// Anchors the records of an `apply` within [`APPLY_PATIENCE`]; a failure is a warning. The file of
/// `--audit` is not anchored: the statements are about that of `watch.audit`.
pub async fn anchor_apply(
    survey: &PreparedPlan,
    args: &ApplyArgs,
    destination: &AuditDestination,
    cx: Context<'_>,
) {
    let Ok(file) = survey.loaded.fleet_file() else { return };
    let Some(watch) = &file.watch else { return };
    let (Some(settings), AuditDestination::File(audit_file)) = (&watch.audit_anchor, destination)
    else {
        return;
    };
    let named = named_file(args, file.garm.name.as_ref());
    let is_own_log = named.is_none() || named == watch.audit;
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

/// Appends on a separate thread: a mount that does not respond blocks that thread only, and the
/// process ends without waiting for it.
async fn append(path: PathBuf, statement: String) -> Result<(), String> {
    let (done, result) = tokio::sync::oneshot::channel();
    let work = move || {
        // The receiver is dropped after the timeout.
        let _ =
            done.send(anchor::append_line(&path, &statement).map_err(|error| error.to_string()));
    };
    std::thread::Builder::new()
        .name("anchor".into())
        .spawn(work)
        .map_err(|error| error.to_string())?;
    match timeout(FILE_PATIENCE, result).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(_) => Err("the file system does not respond".to_owned()),
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
        let message = format!("cannot use the webhook of `watch.audit_anchor`: {}", error.why);
        Failure::input(message).help(error.help)
    })
}
