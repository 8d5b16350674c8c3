//! Sends requests to Vault, with limits on time and size and without redirects. Errors quote
//! Vault's own message.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::redirect;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use rustls_platform_verifier::BuilderVerifierExt;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::super::error::SourceError;
use super::settings::VaultSettings;
use crate::domain::redact::without;
use crate::domain::text::{innermost, quote};

/// How long a connection attempt may take, including TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one request may take, including its response.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum size of a response, in bytes, which is Vault's limit for one secret.
const ANSWER_MAX: usize = 1 << 20;

/// The maximum size of a file with certificates, in bytes.
const PEM_MAX: usize = 1 << 20;

/// A client for one Vault.
pub(super) struct VaultClient {
    http: reqwest::Client,
    address: String,
    namespace: Option<String>,
    token: Option<SecretString>,
    /// Secrets that no message may contain, even if a response quotes them.
    hidden: Vec<SecretString>,
}

pub(super) struct VaultResponse {
    pub(super) status: u16,
    pub(super) body: Zeroizing<Vec<u8>>,
    asked: String,
    location: Option<String>,
}

/// The body of an error response.
#[derive(Deserialize)]
struct VaultErrors {
    errors: Vec<String>,
}

impl VaultClient {
    pub(super) fn new(settings: &VaultSettings) -> Result<Self, SourceError> {
        let tls = tls(settings)?;
        // Proxies from the environment are not used: `VAULT_ADDR` alone determines where secrets
        // are sent.
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("runnerctl/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                SourceError::new(format!(
                    "cannot create an HTTP client for Vault: {}",
                    innermost(&error)
                ))
            })?;
        let (address, namespace) = (settings.address.clone(), settings.namespace.clone());
        Ok(Self { http, address, namespace, token: None, hidden: Vec::new() })
    }

    /// Sets the token for all later requests, and masks it in all messages.
    pub(super) fn carry(&mut self, token: SecretString) {
        self.hide(token.clone());
        self.token = Some(token);
    }

    /// Masks a secret in all later messages.
    pub(super) fn hide(&mut self, secret: SecretString) {
        self.hidden.push(secret);
    }

    pub(super) async fn get(&self, path: &str) -> Result<VaultResponse, SourceError> {
        self.send("GET", path, self.http.get(self.url(path)?)).await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<VaultResponse, SourceError> {
        self.send("POST", path, self.http.post(self.url(path)?).json(body)).await
    }

    /// The URL of a path of Vault's API. Each segment of the path is escaped separately.
    fn url(&self, path: &str) -> Result<Url, SourceError> {
        let mut url = Url::parse(&self.address)
            .map_err(|error| SourceError::new(format!("`VAULT_ADDR`: {error}")))?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path.split('/'));
        }
        Ok(url)
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        mut request: reqwest::RequestBuilder,
    ) -> Result<VaultResponse, SourceError> {
        request = request.header("X-Vault-Request", "true");
        if let Some(namespace) = &self.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(token) = &self.token {
            let mut value =
                reqwest::header::HeaderValue::from_str(token.expose_secret()).map_err(|_| {
                    SourceError::new(
                        "Vault's token contains characters that are invalid in a header",
                    )
                })?;
            value.set_sensitive(true);
            request = request.header("X-Vault-Token", value);
        }
        let asked = format!("{method} /v1/{}", quote(path));
        let mut response = request.send().await.map_err(|error| self.lost(&asked, &error))?;
        let location = response.headers().get(LOCATION);
        let location =
            location.map(|location| String::from_utf8_lossy(location.as_bytes()).into_owned());
        let status = response.status().as_u16();
        // Allocated at the usual maximum, because a buffer that grows leaves copies of the secret
        // in memory.
        let mut body = Zeroizing::new(Vec::with_capacity(super::super::VALUE_MAX * 2));
        while let Some(chunk) = response.chunk().await.map_err(|error| self.lost(&asked, &error))? {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(self.about(&format!("the response to `{asked}` is longer than 1 MiB")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(VaultResponse { status, body, asked, location })
    }

    /// An error about this Vault.
    pub(super) fn about(&self, what: &str) -> SourceError {
        SourceError::new(self.clean(&format!("Vault at {}: {what}", quote(&self.address))))
    }

    /// The error for an error response, with Vault's own message if there is one.
    pub(super) fn refused(&self, answer: &VaultResponse) -> SourceError {
        let VaultResponse { status, asked, .. } = answer;
        if (300..400).contains(status) {
            let target = quote(&self.clean(answer.location.as_deref().unwrap_or("nowhere")));
            let what = format!("`{asked}` is redirected to {target}");
            return self.about(&what).of_manager().help(
                "redirects are never followed: set `VAULT_ADDR` to its target if you \
                 trust it",
            );
        }
        let refusal: Option<VaultErrors> = serde_json::from_slice(&answer.body).ok();
        let said = match refusal.map(|refusal| refusal.errors) {
            None => ", which is not a response from Vault".to_owned(),
            Some(errors) if errors.is_empty() => String::new(),
            Some(errors) => {
                let clean = self.clean(&errors.join(" "));
                let words: Vec<&str> = clean.split_whitespace().collect();
                format!(": {}", quote(&words.join(" ")))
            }
        };
        let why = self.about(&format!("`{asked}` returned {status}{said}"));
        let why = if *status == 404 { why } else { why.of_manager() };
        match status {
            503 => why.help("unseal it; `vault status` shows its state"),
            429 | 472 | 473 | 500.. => why.help("try again, and check `vault status`"),
            _ => why,
        }
    }

    /// The error for a successful response with unexpected content.
    pub(super) fn odd(&self, answer: &VaultResponse, what: &str) -> SourceError {
        self.about(&format!("unexpected response to `{}`: {what}", answer.asked))
            .of_manager()
            .help("check that `VAULT_ADDR` is the URL of Vault itself")
    }

    /// The error for a missing or incomplete response.
    fn lost(&self, asked: &str, error: &reqwest::Error) -> SourceError {
        let what = match error.is_timeout() {
            true => "the request timed out".to_owned(),
            false => innermost(error),
        };
        let help = match what.contains("certificate") {
            true => "set `VAULT_CACERT` to Vault's own CA; the check cannot be turned off",
            false => "check that Vault is running, and `VAULT_ADDR`; proxies are not used",
        };
        self.about(&format!("`{asked}`: {what}")).of_manager().help(help)
    }

    /// Masks every secret that this client has sent, in any encoding.
    fn clean(&self, text: &str) -> String {
        self.hidden.iter().fold(text.to_owned(), |text, secret| without(&text, secret).into_owned())
    }
}

fn tls(settings: &VaultSettings) -> Result<ClientConfig, SourceError> {
    // The provider is explicit because rustls panics if the dependency graph has two providers and
    // no default is set.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs has suites for both protocol versions");
    let builder = match &settings.ca {
        Some(path) => builder.with_root_certificates(roots(path)?),
        // Without TLS there is no certificate to verify, and a container may have no CAs.
        None if settings.address.starts_with("http:") => {
            builder.with_root_certificates(RootCertStore::empty())
        }
        None => builder.with_platform_verifier().map_err(|error| {
            SourceError::new(format!("the CAs of this machine cannot be read: {error}"))
                .help("install `ca-certificates`, or set `VAULT_CACERT` to Vault's own CA")
        })?,
    };
    Ok(builder.with_no_client_auth())
}

fn roots(path: &Path) -> Result<RootCertStore, SourceError> {
    let unfit = |what: &str| {
        SourceError::new(format!("`VAULT_CACERT` `{}`: {what}", quote(&path.to_string_lossy())))
            .help("it must be a file with the CA that signed Vault's certificate, in PEM")
    };
    let length = std::fs::metadata(path).map_err(|error| unfit(&error.to_string()))?;
    if !length.is_file() || length.len() > PEM_MAX as u64 {
        return Err(unfit("it is not a file of at most 1 MiB"));
    }
    let pem = std::fs::read(path).map_err(|error| unfit(&error.to_string()))?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| unfit("its PEM is truncated or invalid"))?;
        store.add(certificate).map_err(|_| unfit("it contains an invalid certificate"))?;
    }
    match store.is_empty() {
        true => Err(unfit("it contains no certificate in PEM")),
        false => Ok(store),
    }
}
