//! The HTTP transport: a reqwest client with limits on time and size that never follows redirects.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue, LOCATION};
use reqwest::redirect;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::error::GarmError;
use super::tls::{GarmTlsFiles, Tls};
pub use super::transport::Timeouts;
use super::transport::{
    BodySink, Method, Request, Response, ResponseFuture, StreamFuture, StreamRequest, Transport,
    TransportError,
};
use super::transport_failure::{self, RequestContext};
use crate::domain::address::{PlainHttp, UrlError, base_url};
use crate::domain::poison::IgnorePoison;
use crate::domain::text;

/// The maximum size of a response that is returned whole, in bytes after decompression. GARM's
/// lists are streamed within a [`Budget`](super::budget::Budget).
pub const ANSWER_MAX: usize = 4 << 20;

/// The maximum size of an error response that is read, in bytes after decompression. Those of GARM
/// have a few hundred bytes.
const REFUSAL_MAX: usize = 64 << 10;

/// How long an idle connection is kept open. It is closed before proxies close it (HAProxy after 60
/// s, nginx after 75 s), so that no request is sent on a connection that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// `garm.url`: scheme, host, port, and the path prefix of `/api/v1`, if any.
    pub url: String,
    /// Which hosts may be reached over plain HTTP; only loopback by default.
    pub plain_http: PlainHttp,
    /// The files in `garm.tls`.
    pub tls: GarmTlsFiles,
    /// The timeouts; tests use shorter ones.
    pub timeouts: Timeouts,
    /// The environment variable that names a proxy for this URL; the proxy is not used.
    pub ignored_proxy: Option<&'static str>,
    /// The time at which our certificate must be valid; `None` if this is not checked.
    pub now: Option<Timestamp>,
}

impl HttpOptions {
    /// Options with the platform's root CAs, no client certificate and default timeouts.
    pub fn new(url: impl Into<String>) -> Self {
        let (tls, timeouts) = (GarmTlsFiles::default(), Timeouts::default());
        let plain_http = PlainHttp::LoopbackOnly;
        Self { url: url.into(), plain_http, tls, timeouts, ignored_proxy: None, now: None }
    }
}

/// A [`Transport`] over HTTP/1.1. It ignores proxies in the environment: the fleet file determines
/// how GARM is reached, and the event stream would not pass through them.
#[derive(Debug)]
pub struct Http {
    link: Mutex<Arc<Connector>>,
    pub(super) base: String,
    address: String,
    pub(super) timeouts: Timeouts,
    ignored_proxy: Option<&'static str>,
}

/// The client for new connections, which [`Http::renew`] replaces. A request keeps the client with
/// which it began.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) client: reqwest::Client,
    tls: Option<Tls>,
}

impl Connector {
    fn new(
        url: &str,
        files: &GarmTlsFiles,
        (timeouts, now): ConnectorSettings,
    ) -> Result<Self, GarmError> {
        // Plain HTTP needs no root CA.
        let tls = match url.starts_with("https:") {
            true => Some(Tls::new(files, now)?),
            false => None,
        };
        Ok(Self { client: build(tls.as_ref(), timeouts)?, tls })
    }
}

type ConnectorSettings = (Timeouts, Option<Timestamp>);

impl Http {
    /// Creates the client without connecting. Errors with [`super::ErrorKind::Input`] if the URL or
    /// a TLS file cannot be used.
    pub fn new(options: &HttpOptions) -> Result<Self, GarmError> {
        let url = check_url(&options.url, options.plain_http)?;
        let address = url.as_str().trim_end_matches('/').to_owned();
        let link = Connector::new(&address, &options.tls, (options.timeouts, options.now))?;
        let base = format!("{address}/api/v1");
        let link = Mutex::new(Arc::new(link));
        let (timeouts, ignored_proxy) = (options.timeouts, options.ignored_proxy);
        Ok(Self { link, base, address, timeouts, ignored_proxy })
    }

    /// Rereads the TLS files for new connections. Open connections, such as the event stream,
    /// continue. Errors like [`Self::new`], and then changes nothing.
    pub fn renew(&self, files: &GarmTlsFiles, now: Timestamp) -> Result<(), GarmError> {
        let fresh = Connector::new(&self.address, files, (self.timeouts, Some(now)))?;
        *self.link.lock().ignoring_poison() = Arc::new(fresh);
        Ok(())
    }

    pub(super) fn link(&self) -> Arc<Connector> {
        Arc::clone(&self.link.lock().ignoring_poison())
    }

    async fn exchange(
        &self,
        request: Request,
        sink: &mut dyn BodySink,
    ) -> Result<Response, TransportError> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let link = self.link();
        let mut builder = link.client.request(method, format!("{}{}", self.base, request.path));
        if let Some(token) = &request.token {
            builder = builder.header(AUTHORIZATION, bearer(token)?);
        }
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        let response = self.head(&link, builder).await?;
        self.body(response, sink).await
    }

    /// Sends a request and returns the head of its response. A redirect is an error.
    pub(super) async fn head(
        &self,
        link: &Connector,
        builder: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, TransportError> {
        let response = builder.send().await.map_err(|error| {
            let asked = link.tls.as_ref().and_then(Tls::asked);
            transport_failure::unanswered(
                &error,
                RequestContext { timeouts: &self.timeouts, asked },
            )
        })?;
        if let Some(tls) = &link.tls {
            tls.met();
        }
        match redirect_target(&response) {
            Some(target) => Err(TransportError::Redirect(target)),
            None => Ok(response),
        }
    }

    /// Writes the body of a success into `sink`, and keeps the beginning of any other body.
    async fn body(
        &self,
        mut response: reqwest::Response,
        sink: &mut dyn BodySink,
    ) -> Result<Response, TransportError> {
        let header = |name| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (content_type, date) = (header(CONTENT_TYPE), header(DATE));
        let status = response.status().as_u16();
        let is_success = response.status().is_success();
        let max = sink.max();
        if is_success && response.content_length().is_some_and(|length| length > max as u64) {
            return Err(TransportError::TooLarge(max));
        }
        let mut refusal = BoundedBody { body: Vec::new(), max: REFUSAL_MAX };
        let mut taken = 0;
        let broken_off = |error| transport_failure::broken_off(&error, &self.timeouts);
        while let Some(chunk) = response.chunk().await.map_err(broken_off)? {
            taken += chunk.len();
            if is_success && taken > max {
                return Err(TransportError::TooLarge(max));
            }
            let next = if is_success { sink.take(&chunk) } else { refusal.take(&chunk) };
            if next.is_break() {
                break;
            }
        }
        let date = date.and_then(|date| parse_date(&date));
        Ok(Response { status, content_type, date, body: refusal.body })
    }

    /// Reads the response of a server that did not open the requested stream.
    pub(super) async fn refused(
        &self,
        response: reqwest::Response,
    ) -> Result<Response, TransportError> {
        self.body(response, &mut BoundedBody { body: Vec::new(), max: REFUSAL_MAX }).await
    }
}

/// Collects a body up to a limit.
struct BoundedBody {
    body: Vec<u8>,
    max: usize,
}

impl BodySink for BoundedBody {
    fn max(&self) -> usize {
        self.max
    }

    fn take(&mut self, bytes: &[u8]) -> ControlFlow<()> {
        let room = self.max - self.body.len();
        self.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn build(tls: Option<&Tls>, timeouts: Timeouts) -> Result<reqwest::Client, GarmError> {
    let builder = builder(tls, timeouts)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("runnerctl/", env!("CARGO_PKG_VERSION")));
    builder.build().map_err(|error| {
        GarmError::input(
            "build the HTTP client",
            text::innermost(&error),
            "this is a bug: report it",
        )
    })
}

/// The settings of every request to GARM, including probes: no proxy, no redirect, no retry, and
/// timeouts.
pub(super) fn builder(tls: Option<&Tls>, timeouts: Timeouts) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .http1_only()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.request)
        .tcp_user_timeout(timeouts.unacknowledged);
    match tls {
        Some(tls) => builder.tls_backend_preconfigured(tls.config.clone()),
        None => builder.tls_certs_only([]),
    }
}

impl Transport for Http {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(async move {
            let mut sink = BoundedBody { body: Vec::new(), max: ANSWER_MAX };
            let response = self.exchange(request, &mut sink).await?;
            Ok(if response.is_success() {
                Response { body: sink.body, ..response }
            } else {
                response
            })
        })
    }

    fn stream<'a>(&'a self, request: Request, sink: &'a mut dyn BodySink) -> ResponseFuture<'a> {
        Box::pin(self.exchange(request, sink))
    }

    fn listen(&self, wish: StreamRequest) -> StreamFuture<'_> {
        Box::pin(self.upgrade(wish))
    }

    fn address(&self) -> String {
        self.address.clone()
    }

    fn ignored_proxy(&self) -> Option<&'static str> {
        self.ignored_proxy
    }
}

fn check_url(text: &str, plain: PlainHttp) -> Result<Url, GarmError> {
    base_url(text, plain).map_err(|error| {
        let help = if error == UrlError::Unencrypted {
            "use `https://…`, or set `garm.insecure_http: true`: password and tokens are then sent \
             unencrypted"
        } else {
            "write it like `https://garm.example.com`"
        };
        let tried = format!("use `garm.url: {}`", text::quote(&without_login(text)));
        GarmError::input(tried, error.to_string(), help)
    })
}

/// Masks everything before an `@`, which may be a password.
fn without_login(text: &str) -> Cow<'_, str> {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}").into(),
        (None, Some((_, rest))) => format!("…@{rest}").into(),
        (Some(_) | None, None) => text.into(),
    }
}

pub(super) fn bearer(token: &SecretString) -> Result<HeaderValue, TransportError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
        .map_err(|_| TransportError::Closed("the token is not a valid header value".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn redirect_target(response: &reqwest::Response) -> Option<String> {
    let location = response.headers().get(LOCATION)?;
    let is_redirect = response.status().is_redirection();
    is_redirect.then(|| text::quote(&String::from_utf8_lossy(location.as_bytes())))
}

/// Parses an HTTP date such as `Wed, 25 Nov 2026 10:00:00 GMT`.
fn parse_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp())
}
