//! Sends one message to one receiver over HTTP.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use std::sync::Arc;

use super::endpoint::{ReceiverApi, ReceiverEndpoint, ReceiverError, ReceiverLocation, UrlScheme};
use super::notification::Notification;
use super::queue::SendResult;
use super::{alertmanager, webhook};
use crate::domain::redact::without;
use crate::domain::text;

/// How long a connection attempt may take, including TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one message may take, including its response.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How many bytes of an error response are read.
const ANSWER_MAX: usize = 4 << 10;

pub(super) struct ReceiverClient {
    target: ReceiverEndpoint,
    http: reqwest::Client,
}

/// The result of sending a message, with the status or the error.
pub(super) struct DeliveryAnswer {
    pub(super) fate: SendResult,
    pub(super) detail: String,
}

impl ReceiverClient {
    /// Creates a client. The first message opens the connection.
    pub(super) fn new(target: ReceiverEndpoint) -> Result<Self, ReceiverError> {
        let failed =
            |why: String, help| ReceiverError { receiver: target.name().to_owned(), why, help };
        let tls = tls(target.scheme())
            .map_err(|error| failed(error.to_string(), "install the package `ca-certificates`"))?;
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("runnerctl/", env!("CARGO_PKG_VERSION")));
        // Proxies from the environment are used, because a webhook is often outside the local
        // network.
        let builder = match target.reach() {
            ReceiverLocation::Loopback => builder.no_proxy(),
            ReceiverLocation::Network => builder,
        };
        let http = builder.build().map_err(|error| failed(cause(error), "report it"))?;
        Ok(Self { target, http })
    }

    pub(super) fn target(&self) -> &ReceiverEndpoint {
        &self.target
    }

    /// Sends one message with its attachment.
    pub(super) async fn tell(
        &self,
        notifications: &[Notification],
        enclosed: Option<&str>,
    ) -> DeliveryAnswer {
        let body = match self.target.kind() {
            ReceiverApi::Alertmanager => alertmanager::body(notifications, enclosed),
            ReceiverApi::Webhook => webhook::body(notifications, enclosed),
        };
        self.post(body.to_string()).await
    }

    /// Posts this JSON unchanged, and waits for the response.
    pub(super) async fn post(&self, json: String) -> DeliveryAnswer {
        let request = self.http.post(self.target.url()).header(CONTENT_TYPE, "application/json");
        match request.body(json).send().await {
            Ok(response) => self.judge(response).await,
            Err(error) => DeliveryAnswer { fate: SendResult::Failed(None), detail: cause(error) },
        }
    }

    async fn judge(&self, response: reqwest::Response) -> DeliveryAnswer {
        let status = response.status();
        let wait =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let fate = match status.as_u16() {
            200..=299 => SendResult::Delivered,
            // Redirects are not followed: a redirect could send the alert, and the secret in the
            // URL of a webhook, to any host.
            408 | 425 | 429 | 500.. => SendResult::Failed(wait.map(Duration::from_secs)),
            _ => SendResult::Refused,
        };
        let said = match (fate, self.target.kind()) {
            (SendResult::Delivered, _) => String::new(),
            // An error page may repeat the path, which is the secret of a webhook.
            (_, ReceiverApi::Webhook) => String::new(),
            (_, ReceiverApi::Alertmanager) => format!(": {}", self.quoted(response).await),
        };
        DeliveryAnswer { fate, detail: format!("{status}{said}") }
    }

    /// The start of a response, with the path of the URL masked. Behind a proxy, the path to the
    /// Alertmanager may contain a token, and error pages may repeat it.
    async fn quoted(&self, response: reqwest::Response) -> String {
        let said = start_of(response).await;
        text::quote(&without(&said, self.target.path_prefix()))
    }
}

/// The TLS configuration. For plain HTTP it loads no root certificates, so that a container without
/// CAs can reach an Alertmanager next to it.
fn tls(scheme: UrlScheme) -> Result<ClientConfig, rustls::Error> {
    // The provider is explicit because rustls panics if the dependency graph has two providers and
    // no default is set.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match scheme {
        UrlScheme::Https => builder.with_platform_verifier()?,
        UrlScheme::Http => builder.with_root_certificates(RootCertStore::empty()),
    };
    Ok(builder.with_no_client_auth())
}

async fn start_of(mut response: reqwest::Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= ANSWER_MAX {
            break;
        }
    }
    String::from_utf8_lossy(&body).trim().to_owned()
}

/// The innermost cause of an error, without the URL that reqwest adds.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return "the request timed out".into();
    }
    text::innermost(&error)
}
