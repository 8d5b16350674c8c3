//! Each record as a Lease of `coordination.k8s.io/v1` in Kubernetes.
//!
//! The record is an annotation; the fields of the Lease repeat what `kubectl get lease` shows.
//! `resourceVersion` makes each replacement conditional.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::http::{JsonAnswer, JsonClient};
use super::kept_token::KeptToken;
use super::{NewRecord, RecordStore, StoreFuture, StoreSecret, StoredText, fault, unreadable};
use crate::config::{KubernetesLeader, TlsFiles};
use crate::election::{DURATION, StoreFault, SwapResult};

/// Where Kubernetes mounts the service account of a pod.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

const ANNOTATION: &str = "runnerctl/record";

const FORBIDDEN: &str = "allow the service account `get`, `create` and `update` on Leases of \
     `coordination.k8s.io` in that namespace; `deploy/kubernetes/leader.yaml` has the role";

pub(super) struct KubernetesStore {
    namespace: String,
    /// The URL of the Leases of the namespace.
    collection: String,
    client: JsonClient,
    token: TokenSource,
}

enum TokenSource {
    /// The file of a pod's service account. The kubelet replaces it before it expires, so it is read
    /// for each request.
    Account(PathBuf),
    Secret(StoreSecret, KeptToken),
}

impl KubernetesStore {
    pub(super) fn open(
        settings: &KubernetesLeader,
        secret: Option<StoreSecret>,
    ) -> Result<Self, StoreFault> {
        let account = Path::new(ACCOUNT);
        let (server, token, ca) = match (&settings.server, secret) {
            (Some(server), Some(secret)) => {
                let token = TokenSource::Secret(secret, KeptToken::default());
                (server.url.clone(), token, settings.ca.clone())
            }
            (Some(_) | None, _) => {
                let ca = settings.ca.clone().unwrap_or_else(|| account.join("ca.crt"));
                // The name is in the certificate of every API server.
                let server = "https://kubernetes.default.svc".to_owned();
                (server, TokenSource::Account(account.join("token")), Some(ca))
            }
        };
        let namespace = match &settings.namespace {
            Some(namespace) => namespace.clone(),
            None => own_namespace(account)?,
        };
        let files = TlsFiles { ca, client: None };
        let client = JsonClient::new(&files, std::iter::once(server.as_str()))?;
        let collection =
            format!("{server}/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
        Ok(Self { namespace, collection, client, token })
    }

    fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.collection)
    }

    /// Sends a request, and once more with a new token if the first is refused.
    async fn send(
        &self,
        method: Method,
        url: &str,
        body: Option<&Value>,
    ) -> Result<JsonAnswer, StoreFault> {
        let token = self.token.get().await?;
        let answer = self.client.send((method.clone(), url), Some(&token), body).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        if let TokenSource::Secret(_, kept) = &self.token {
            kept.refuse(&token).await;
        }
        let token = self.token.get().await?;
        self.client.send((method, url), Some(&token), body).await
    }

    fn lease(&self, name: &str, version: Option<&str>, record: &NewRecord) -> Value {
        let mut metadata = json!({
            "name": name,
            "namespace": self.namespace,
            "annotations": { ANNOTATION: record.text },
        });
        if let Some(version) = version {
            metadata["resourceVersion"] = json!(version);
        }
        let shown = &record.shown;
        let mut spec = json!({});
        if let (Some(since), Some(written_at)) = (shown.since, shown.written_at) {
            spec = json!({
                "holderIdentity": shown.holder,
                "leaseDurationSeconds": DURATION.as_secs(),
                "leaseTransitions": i32::try_from(shown.term).unwrap_or(i32::MAX),
                "acquireTime": micro(since),
                "renewTime": micro(written_at),
            });
        }
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": spec,
        })
    }
}

impl TokenSource {
    /// The value of the header.
    async fn get(&self) -> Result<SecretString, StoreFault> {
        match self {
            Self::Account(path) => {
                let read = tokio::fs::read_to_string(path).await;
                Ok(bearer(&SecretString::from(read.map_err(|error| no_account(path, &error))?)))
            }
            Self::Secret(secret, kept) => {
                let resolved = async { secret().await.map(|token| bearer(&token)).map_err(fault) };
                kept.get(resolved).await
            }
        }
    }
}

fn bearer(token: &SecretString) -> SecretString {
    SecretString::from(format!("Bearer {}", token.expose_secret().trim()))
}

fn own_namespace(account: &Path) -> Result<String, StoreFault> {
    let path = account.join("namespace");
    let read = std::fs::read_to_string(&path).map_err(|error| no_account(&path, &error))?;
    Ok(read.trim().to_owned())
}

fn no_account(path: &Path, error: &std::io::Error) -> StoreFault {
    let help = "outside a pod, set `server`, `token` and `namespace`; in a pod, mount the token of its \
         service account";
    StoreFault { help, ..unreadable(path, error) }
}

/// A time with microseconds, as Kubernetes writes them in Leases.
fn micro(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn version(lease: &Value) -> Result<String, StoreFault> {
    let version = lease["metadata"]["resourceVersion"].as_str();
    version.map(str::to_owned).ok_or_else(|| fault("the Lease has no `resourceVersion`"))
}

impl RecordStore for KubernetesStore {
    fn read<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<StoredText>> {
        Box::pin(async move {
            let url = self.url(name);
            let answer = self.send(Method::GET, &url, None).await?;
            match answer.status {
                200 => {
                    let text = answer.body["metadata"]["annotations"][ANNOTATION].as_str();
                    let text = text.unwrap_or_default().to_owned();
                    Ok(Some(StoredText { text, version: version(&answer.body)? }))
                }
                404 => Ok(None),
                403 => Err(answer.refusal(&url, FORBIDDEN)),
                _ => Err(answer.refusal(&url, "")),
            }
        })
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<&'a str>,
        record: NewRecord,
    ) -> StoreFuture<'a, SwapResult> {
        Box::pin(async move {
            let (method, url) = match expected {
                Some(_) => (Method::PUT, self.url(name)),
                None => (Method::POST, self.collection.clone()),
            };
            let lease = self.lease(name, expected, &record);
            let answer = self.send(method, &url, Some(&lease)).await?;
            match (answer.status, expected) {
                (200 | 201, _) => Ok(SwapResult::Done(version(&answer.body)?)),
                // Another version, a Lease that exists by now, or one that was deleted.
                (409 | 410, _) | (404, Some(_)) => Ok(SwapResult::Conflict),
                (403, _) => Err(answer.refusal(&url, FORBIDDEN)),
                (404, None) => Err(answer.refusal(&url, "create the namespace")),
                _ => Err(answer.refusal(&url, "")),
            }
        })
    }

    fn describe(&self, name: &str) -> String {
        format!("the Lease `{}/{name}` in Kubernetes", self.namespace)
    }
}
