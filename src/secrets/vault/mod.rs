//! `vault:PATH#FIELD`: a field of a secret in Vault's key/value store, version 2, through Vault's
//! HTTP API. OpenBao has the same API.
//!
//! A read takes two requests: one finds the mount of the store, the other reads the secret. A login
//! adds two: one gets a token, the other revokes it. Nothing is retried, no redirect is followed,
//! and no response is cached.

mod client;
mod settings;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::VALUE_MAX;
use super::error::{SecretError, SourceError};
use crate::domain::secret::SecretRef;
use crate::domain::text::{code, list, quote};

use client::{VaultClient, VaultResponse};

pub use settings::{VaultAuth, VaultSettings};

/// Reads `field` of the secret at `path`, which starts with the mount, from the Vault that the
/// environment configures.
pub(super) async fn read_here(path: &str, field: &str) -> Result<SecretString, SourceError> {
    let settings = VaultSettings::read(&|name| std::env::var_os(name))?;
    read(&settings, path, field).await
}

/// Reads `field` of the secret at `path`, which starts with the mount, from this Vault. Errors like
/// [`super::resolve`].
pub async fn resolve(
    settings: &VaultSettings,
    path: &str,
    field: &str,
) -> Result<SecretString, SecretError> {
    let reference = SecretRef::Vault { path: path.to_owned(), field: field.to_owned() };
    read(settings, path, field).await.map_err(|why| SecretError::new(&reference, why))
}

async fn read(
    settings: &VaultSettings,
    path: &str,
    field: &str,
) -> Result<SecretString, SourceError> {
    let mut client = VaultClient::new(settings)?;
    let is_own = match &settings.access {
        VaultAuth::Token(token) => {
            client.carry(token.clone());
            false
        }
        VaultAuth::AppRole { role_id, secret_id } => {
            let body = json!({ "role_id": role_id, "secret_id": secret_id.expose_secret() });
            log_in(&mut client, "auth/approle/login", &body, secret_id).await?;
            true
        }
        VaultAuth::Kubernetes { role, token } => {
            let jwt = service_account(token).await?;
            let body = json!({ "role": role, "jwt": jwt.expose_secret() });
            log_in(&mut client, "auth/kubernetes/login", &body, &jwt).await?;
            true
        }
    };
    let found = find(&client, settings, path, field).await;
    if is_own {
        // A failure is ignored: the token expires anyway, and batch tokens cannot be revoked.
        drop(client.post("auth/token/revoke-self", &json!({})).await);
    }
    found
}

#[derive(Deserialize)]
struct LoginResponse {
    auth: Option<LoginAuth>,
}

#[derive(Deserialize)]
struct LoginAuth {
    client_token: String,
}

async fn log_in(
    client: &mut VaultClient,
    path: &str,
    body: &serde_json::Value,
    secret: &SecretString,
) -> Result<(), SourceError> {
    client.hide(secret.clone());
    let answer = client.post(path, body).await?;
    if answer.status != 200 {
        let help = match path {
            "auth/approle/login" => "check `VAULT_ROLE_ID`, `VAULT_SECRET_ID`, `VAULT_NAMESPACE`",
            _ => "check `VAULT_K8S_ROLE`, and that the role is bound to this service account",
        };
        return Err(client.refused(&answer).help(help));
    }
    let login: Option<LoginResponse> = serde_json::from_slice(&answer.body).ok();
    let auth = login.and_then(|login| login.auth).filter(|auth| !auth.client_token.is_empty());
    let auth = auth.ok_or_else(|| client.odd(&answer, "it contains no token"))?;
    client.carry(SecretString::from(auth.client_token));
    Ok(())
}

/// Reads the token that Kubernetes mounts into a pod. Its permissions are not checked, because
/// Kubernetes lets all users of the pod read it.
async fn service_account(path: &Path) -> Result<SecretString, SourceError> {
    let unfit = |what: String| {
        SourceError::new(format!(
            "the service account's token `{}`: {what}",
            quote(&path.to_string_lossy())
        ))
        .help("`VAULT_K8S_ROLE` works only in pods that have a service account mounted")
    };
    let bytes = tokio::fs::read(path).await.map_err(|error| unfit(error.to_string()))?;
    super::value(Zeroizing::new(bytes)).map_err(|why| unfit(why.got))
}

/// The mount of a key/value store, and the path of a secret in it.
struct MountPath<'p> {
    mount: Cow<'p, str>,
    rest: &'p str,
}

#[derive(Deserialize)]
struct Mount {
    data: MountData,
}

#[derive(Deserialize)]
struct MountData {
    #[serde(default)]
    path: String,
    #[serde(default, rename = "type")]
    kind: String,
    options: Option<BTreeMap<String, String>>,
}

async fn find(
    client: &VaultClient,
    settings: &VaultSettings,
    path: &str,
    field: &str,
) -> Result<SecretString, SourceError> {
    let spot = spot(client, path).await?;
    let place = format!("{}/data/{}", spot.mount, spot.rest);
    let answer = client.get(&place).await?;
    match answer.status {
        200 => pick(client, &answer, field),
        404 => Err(absent(client, &answer, &spot)),
        403 => Err(client.refused(&answer).help(forbidden(settings, &place))),
        _ => Err(client.refused(&answer)),
    }
}

/// Finds the mount of the store in the same way as Vault's own tool, because a mount may have
/// several segments. If Vault does not reveal it, the first segment is assumed to be the mount, and
/// the read itself fails if that is wrong.
async fn spot<'p>(client: &VaultClient, path: &'p str) -> Result<MountPath<'p>, SourceError> {
    let answer = client.get(&format!("sys/internal/ui/mounts/{path}")).await?;
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let plain = MountPath { mount: first.into(), rest };
    if answer.status != 200 {
        return match answer.status {
            403 | 404 => Ok(plain),
            _ => Err(client.refused(&answer)),
        };
    }
    let Ok(Mount { data }) = serde_json::from_slice::<Mount>(&answer.body) else {
        return Err(client.odd(&answer, "it does not contain the mount of the store"));
    };
    let mount = data.path.trim_matches('/').to_owned();
    let version = data
        .options
        .as_ref()
        .and_then(|options| options.get("version"))
        .map_or("1", |version| version);
    if data.kind != "kv" && data.kind != "generic" {
        let kind = quote(&data.kind);
        return Err(client
            .about(&format!(
                "`{}` is a mount of type `{kind}`, not a key/value store",
                quote(&mount)
            ))
            .help("use a secret in a key/value store, version 2"));
    }
    if version != "2" {
        return Err(client
            .about(&format!(
                "`{}` is a key/value store of version {}",
                quote(&mount),
                quote(version)
            ))
            .help(format!(
                "upgrade it to version 2 with `vault kv enable-versioning {}`",
                quote(&mount)
            )));
    }
    let rest = path.strip_prefix(mount.as_str()).and_then(|rest| rest.strip_prefix('/'));
    match rest.filter(|rest| !rest.is_empty()) {
        Some(rest) => Ok(MountPath { mount: mount.into(), rest }),
        None => Ok(plain),
    }
}

#[derive(Deserialize)]
struct SecretResponse<'a> {
    #[serde(borrow)]
    data: Option<SecretVersion<'a>>,
}

#[derive(Deserialize)]
struct SecretVersion<'a> {
    /// The values are not parsed; only the requested one is decoded later.
    #[serde(borrow)]
    data: Option<BTreeMap<Cow<'a, str>, &'a RawValue>>,
    metadata: Option<VersionMetadata>,
}

#[derive(Deserialize)]
struct VersionMetadata {
    #[serde(default)]
    deletion_time: String,
    #[serde(default)]
    destroyed: bool,
}

fn pick(
    client: &VaultClient,
    answer: &VaultResponse,
    field: &str,
) -> Result<SecretString, SourceError> {
    let read: Option<SecretResponse<'_>> = serde_json::from_slice(&answer.body).ok();
    let Some(fields) = read.and_then(|read| read.data).and_then(|version| version.data) else {
        return Err(client.odd(answer, "it contains no secret of a version 2 store"));
    };
    let Some(raw) = fields.get(field) else {
        let help = match fields.is_empty() {
            true => "it has no fields".to_owned(),
            false => format!("it has {}", list(fields.keys().map(code), FIELDS_SHOWN)),
        };
        return Err(client
            .about(&format!("the secret has no field `{}`", quote(field)))
            .help(help));
    };
    if raw.get().len() > VALUE_MAX * 2 {
        return Err(SourceError::new("the value is longer than 64 KiB"));
    }
    let text: Zeroizing<String> = match serde_json::from_str(raw.get()) {
        Ok(text) => Zeroizing::new(text),
        // The error is dropped, because it would quote the value.
        Err(_) => {
            return Err(client.about(&format!("the field `{}` is not a string", quote(field))));
        }
    };
    super::value(Zeroizing::new(text.as_bytes().to_vec()))
}

/// The maximum number of field names that a message lists.
const FIELDS_SHOWN: usize = 8;

/// The error for a 404, whose body shows whether the secret existed before.
fn absent(client: &VaultClient, answer: &VaultResponse, spot: &MountPath<'_>) -> SourceError {
    let read: Option<SecretResponse<'_>> = serde_json::from_slice(&answer.body).ok();
    let metadata = read.and_then(|read| read.data).and_then(|version| version.metadata);
    let whole = format!("{}/{}", quote(&spot.mount), quote(spot.rest));
    match metadata {
        Some(metadata) if metadata.destroyed => client
            .about("the newest version of the secret was destroyed")
            .help(format!("write it again: `vault kv put {whole} …`")),
        Some(metadata) if !metadata.deletion_time.is_empty() => client
            .about(&format!(
                "the newest version of the secret was deleted at {}",
                quote(&metadata.deletion_time)
            ))
            .help(format!("restore it with `vault kv undelete -versions=N {whole}`")),
        Some(_) | None => {
            let why = client.refused(answer);
            match spot.rest.strip_prefix("data/") {
                Some(rest) => why.help(format!(
                    "write the path without `data/`: `vault:{}/{}#…`",
                    quote(&spot.mount),
                    quote(rest)
                )),
                None => why.help(format!(
                    "check with `vault kv get {whole}`, and check `VAULT_NAMESPACE`"
                )),
            }
        }
    }
}

fn forbidden(settings: &VaultSettings, place: &str) -> String {
    let place = quote(place);
    let whose = match &settings.access {
        VaultAuth::Token(_) => "check that `VAULT_TOKEN` has not expired, and that its policy",
        VaultAuth::AppRole { .. } | VaultAuth::Kubernetes { .. } => "check that the role's policy",
    };
    format!("{whose} has `read` on `{place}`")
}
