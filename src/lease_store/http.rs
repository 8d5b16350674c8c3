//! JSON over HTTP, for etcd and Kubernetes: limited in time and size, without redirects or proxies.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::redirect;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{fault, tls};
use crate::config::TlsFiles;
use crate::domain::text::{innermost, quote};
use crate::election::StoreFault;

/// How long one attempt may take, connecting included: a lease must survive one that hangs.
pub(super) const TIMEOUT: Duration = Duration::from_millis(900);

/// The largest answer in bytes.
const ANSWER_MAX: usize = 1 << 20;

/// Most characters of an error of the server that are quoted.
const QUOTED_MAX: usize = 300;

pub(super) struct JsonClient(reqwest::Client);

/// An answer with any status.
pub(super) struct JsonAnswer {
    pub(super) status: u16,
    /// `Null` if the body is not JSON.
    pub(super) body: Value,
}

impl JsonClient {
    /// A client for servers at `addresses`.
    pub(super) fn new<'a>(
        files: &TlsFiles,
        mut addresses: impl Iterator<Item = &'a str>,
    ) -> Result<Self, StoreFault> {
        // Without HTTPS no roots are needed, which a container may not have.
        let is_plain = addresses.all(|url| url.starts_with("http://"));
        let tls = if is_plain { tls::plain() } else { tls::configuration(files)? };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .timeout(TIMEOUT)
            .user_agent(concat!("runnerctl/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| fault(format!("cannot create an HTTP client: {}", cause(&error))))?;
        Ok(Self(client))
    }

    /// Sends `body` if there is one. `authorization` is the whole value of the header.
    pub(super) async fn send(
        &self,
        (method, url): (reqwest::Method, &str),
        authorization: Option<&SecretString>,
        body: Option<&Value>,
    ) -> Result<JsonAnswer, StoreFault> {
        let mut request = self.0.request(method, url);
        if let Some(secret) = authorization {
            let mut value = HeaderValue::from_str(secret.expose_secret())
                .map_err(|_| fault("the token contains characters that are invalid in a header"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let lost =
            |error: reqwest::Error| fault(format!("no answer from {url}: {}", cause(&error)));
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if bytes.len() + chunk.len() > ANSWER_MAX {
                return Err(fault(format!("the answer of {url} has more than 1 MiB")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(JsonAnswer { status, body: serde_json::from_slice(&bytes).unwrap_or_default() })
    }
}

impl JsonAnswer {
    /// A refusal in the server's own words.
    pub(super) fn refusal(&self, url: &str, help: &'static str) -> StoreFault {
        let said = ["message", "error"].iter().find_map(|key| self.body[*key].as_str());
        let said: String = said.unwrap_or_default().chars().take(QUOTED_MAX).collect();
        let said = if said.is_empty() { said } else { format!(": {}", quote(&said)) };
        StoreFault { message: format!("{url} answers {}{said}", self.status), help }
    }
}

/// The innermost cause, without the address that reqwest adds to its errors.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "the request timed out".into();
    }
    innermost(error)
}
