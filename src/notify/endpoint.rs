//! The address of a receiver.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::domain::address::is_loopback;

/// The API of a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiverApi {
    /// An Alertmanager, API version 2.
    Alertmanager,
    /// A webhook that accepts JSON, such as Slack's.
    Webhook,
}

/// A receiver with its URL, which may be a secret and is never shown.
#[derive(Clone)]
pub struct ReceiverEndpoint {
    name: String,
    kind: ReceiverApi,
    url: SecretString,
    /// The path before the API's own path. Empty for a webhook, whose responses are not quoted.
    path_prefix: SecretString,
    scheme: UrlScheme,
    reach: ReceiverLocation,
}

/// The scheme of the URL: with or without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UrlScheme {
    Http,
    Https,
}

/// Whether the receiver is on this machine; a proxy could not reach it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReceiverLocation {
    Loopback,
    Network,
}

/// The URL of a receiver cannot be used. The error does not repeat it, because it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the URL of receiver `{receiver}` cannot be used: {why}")]
pub struct ReceiverError {
    pub receiver: String,
    /// The reason in a few words.
    pub why: String,
    pub help: &'static str,
}

impl ReceiverEndpoint {
    /// `url` is the base URL of an Alertmanager (`https://alertmanager.example.com`, with the path
    /// prefix if there is one), or the complete URL of a webhook.
    pub fn new(name: &str, kind: ReceiverApi, url: &SecretString) -> Result<Self, ReceiverError> {
        let bad = |why: &str| ReceiverError {
            receiver: name.to_owned(),
            why: why.to_owned(),
            help: "write it like `https://alertmanager.example.com`",
        };
        let mut parsed = Url::parse(url.expose_secret().trim())
            .map_err(|error| bad(&format!("invalid URL ({error})")))?;
        let scheme = match parsed.scheme() {
            "https" => UrlScheme::Https,
            "http" => UrlScheme::Http,
            _ => return Err(bad("it begins with neither `https:` nor `http:`")),
        };
        let reach = match parsed.host() {
            None => return Err(bad("it has no host")),
            Some(host) if is_loopback(&host) => ReceiverLocation::Loopback,
            Some(_) => ReceiverLocation::Network,
        };
        let mut path_prefix = String::new();
        if kind == ReceiverApi::Alertmanager {
            if parsed.query().is_some() || parsed.fragment().is_some() {
                return Err(bad("it contains a query or a fragment"));
            }
            parsed.path().trim_end_matches('/').clone_into(&mut path_prefix);
            parsed.set_path(&format!("{path_prefix}/api/v2/alerts"));
        }
        let url = SecretString::from(parsed.to_string());
        let path_prefix = SecretString::from(path_prefix);
        Ok(Self { name: name.to_owned(), kind, url, path_prefix, scheme, reach })
    }

    /// The name in the fleet file.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn kind(&self) -> ReceiverApi {
        self.kind
    }

    pub(super) fn url(&self) -> &str {
        self.url.expose_secret()
    }

    pub(super) fn path_prefix(&self) -> &SecretString {
        &self.path_prefix
    }

    pub(super) fn scheme(&self) -> UrlScheme {
        self.scheme
    }

    pub(super) fn reach(&self) -> ReceiverLocation {
        self.reach
    }

    /// Whether name, API and URL are equal.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.kind == other.kind && self.url() == other.url()
    }
}

impl fmt::Debug for ReceiverEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiverEndpoint({}, {:?}, …)", self.name, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(kind: ReceiverApi, url: &str) -> Result<ReceiverEndpoint, ReceiverError> {
        ReceiverEndpoint::new("oncall", kind, &SecretString::from(url))
    }

    #[test]
    fn an_alertmanager_has_a_base_url_and_a_webhook_a_full_one() {
        let url = |kind, url: &str| target(kind, url).unwrap().url().to_owned();
        let api = "https://am.example.com/prefix/api/v2/alerts";
        assert_eq!(url(ReceiverApi::Alertmanager, "https://am.example.com/prefix/"), api);
        let hook = "https://hooks.example.com/services/T0/B0?x=1";
        assert_eq!(url(ReceiverApi::Webhook, &format!("{hook}\n")), hook);
    }

    #[test]
    fn an_invalid_address_is_refused_and_not_repeated() {
        for (url, why) in [
            ("hooks.example.com/canary", "invalid URL (relative URL without a base)"),
            ("ftp://example.com/canary", "it begins with neither `https:` nor `http:`"),
        ] {
            let error = target(ReceiverApi::Webhook, url).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("the URL of receiver `oncall` cannot be used: {why}")
            );
        }
        let error =
            target(ReceiverApi::Alertmanager, "https://am.example.com/?canary").unwrap_err();
        assert_eq!(error.why, "it contains a query or a fragment");
        let shown =
            format!("{:?}", target(ReceiverApi::Webhook, "https://example.com/canary").unwrap());
        assert_eq!(shown, "ReceiverEndpoint(oncall, Webhook, …)");
    }
}
