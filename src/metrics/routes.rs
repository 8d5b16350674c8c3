//! The routes of the pages, and the responses to all other requests.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::connections::ConnectionPhase;
use super::process::{NoPage, PageSubject, ProcessMetrics, ProcessReadiness};

/// The response to a request for any other path.
const PAGES: &str = "there are /, /pools/NAME, /metrics, /healthz, /readyz and /decisions\n";

/// The response to a request for a GARM that is not watched.
pub(super) const NO_GARM: &str = "no GARM of this name is watched\n";

/// A router for all pages, which read the same metrics.
pub(super) fn router(metrics: Arc<ProcessMetrics>) -> Router {
    Router::new()
        .route("/", get(home_page))
        .route("/garms/{name}", get(garm_page))
        .route("/pools/{name}", get(pool_page))
        .route("/metrics", get(metrics_page))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/decisions", get(decisions))
        .method_not_allowed_fallback(|| async {
            text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n")
        })
        .fallback(|| async { text(StatusCode::NOT_FOUND, PAGES) })
        .with_state(metrics)
}

/// The phase of a connection that requests this path.
pub(super) fn phase(path: &str) -> ConnectionPhase {
    match path {
        "/healthz" | "/readyz" => ConnectionPhase::Health,
        _ => ConnectionPhase::Page,
    }
}

/// The response while too many peers are reading pages.
pub(super) fn busy() -> Response {
    text(StatusCode::SERVICE_UNAVAILABLE, "too many pages are being read at this moment\n")
}

async fn metrics_page(State(metrics): State<Arc<ProcessMetrics>>) -> Response {
    // Rendering takes 2 ms for a hundred pools and 20 ms for a thousand, which would delay the
    // loop.
    match tokio::task::spawn_blocking(move || metrics.metrics_page()).await {
        Ok(page) => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be rendered\n"),
    }
}

async fn home_page(
    State(metrics): State<Arc<ProcessMetrics>>,
    RawQuery(query): RawQuery,
) -> Response {
    html_page(metrics, PageSubject::Home, query).await
}

async fn garm_page(
    State(metrics): State<Arc<ProcessMetrics>>,
    RawQuery(query): RawQuery,
    name: Result<Path<String>, PathRejection>,
) -> Response {
    // No name is other than UTF-8.
    let Ok(Path(name)) = name else { return text(StatusCode::NOT_FOUND, PAGES) };
    html_page(metrics, PageSubject::Garm(name), query).await
}

async fn pool_page(
    State(metrics): State<Arc<ProcessMetrics>>,
    RawQuery(query): RawQuery,
    name: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(name)) = name else { return text(StatusCode::NOT_FOUND, PAGES) };
    html_page(metrics, PageSubject::Pool(name), query).await
}

/// Whether the page reloads itself: `true` unless the query contains `refresh=off`.
fn is_refreshed(query: Option<&str>) -> bool {
    !query.is_some_and(|query| query.split('&').any(|pair| pair == "refresh=off"))
}

/// The GARM that the query names: `garm=NAME`. Names need no percent-encoding.
fn named(query: Option<&str>) -> Option<&str> {
    query?.split('&').find_map(|pair| pair.strip_prefix("garm="))
}

async fn html_page(
    metrics: Arc<ProcessMetrics>,
    subject: PageSubject,
    query: Option<String>,
) -> Response {
    let is_refreshed = is_refreshed(query.as_deref());
    let made = tokio::task::spawn_blocking(move || metrics.html_page(&subject, is_refreshed)).await;
    let page = match made {
        Ok(Ok(page)) => page,
        Ok(Err(NoPage::UnknownGarm)) => return text(StatusCode::NOT_FOUND, NO_GARM),
        Ok(Err(NoPage::NotYet)) => {
            return text(StatusCode::SERVICE_UNAVAILABLE, "`watch` is starting or ending\n");
        }
        Err(_) => {
            return text(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be rendered\n");
        }
    };
    let status = if page.is_found { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let mut answer = answer(status, "text/html; charset=utf-8", page.html);
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, page.security_policy),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

async fn healthz(State(metrics): State<Arc<ProcessMetrics>>) -> Response {
    match metrics.health() {
        Ok(()) => text(StatusCode::OK, "ok\n"),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn readyz(State(metrics): State<Arc<ProcessMetrics>>, RawQuery(query): RawQuery) -> Response {
    let lines = |reasons: Vec<String>| reasons.join("\n") + "\n";
    match metrics.readiness(named(query.as_deref())) {
        Ok(ProcessReadiness { is_ready: false, reasons }) => {
            text(StatusCode::SERVICE_UNAVAILABLE, lines(reasons))
        }
        Ok(ProcessReadiness { reasons, .. }) if reasons.is_empty() => {
            text(StatusCode::OK, "ready\n")
        }
        Ok(ProcessReadiness { reasons, .. }) => {
            text(StatusCode::OK, format!("ready, except\n{}", lines(reasons)))
        }
        Err(_) => text(StatusCode::NOT_FOUND, NO_GARM),
    }
}

async fn decisions(
    State(metrics): State<Arc<ProcessMetrics>>,
    RawQuery(query): RawQuery,
) -> Response {
    let made = tokio::task::spawn_blocking(move || {
        metrics.decisions_page(named(query.as_deref())).map(|page| {
            serde_json::to_string(&page)
                .expect("a JSON value, whose keys are texts, can be written")
        })
    });
    match made.await {
        Ok(Ok(page)) => answer(StatusCode::OK, "application/json", page + "\n"),
        Ok(Err(NoPage::UnknownGarm)) => text(StatusCode::NOT_FOUND, NO_GARM),
        Ok(Err(NoPage::NotYet)) => {
            text(StatusCode::SERVICE_UNAVAILABLE, "nothing has been decided yet\n")
        }
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the decisions could not be rendered\n"),
    }
}

fn text(status: StatusCode, body: impl Into<String>) -> Response {
    answer(status, "text/plain; charset=utf-8", body.into())
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let header = |name: HeaderName, value| (name, HeaderValue::from_static(value));
    let headers = [
        header(CONTENT_TYPE, content_type),
        header(CACHE_CONTROL, "no-store"),
        header(X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body).into_response()
}
