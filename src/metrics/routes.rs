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
use super::state::{MetricsState, PageRequest};

/// The response to a request for any other path.
const PAGES: &str = "there are /, /pools/NAME, /metrics, /healthz, /readyz and /decisions\n";

/// A router for all pages, which read the same state.
pub(super) fn router(metrics: Arc<MetricsState>) -> Router {
    Router::new()
        .route("/", get(fleet_page))
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

async fn metrics_page(State(metrics): State<Arc<MetricsState>>) -> Response {
    // Rendering takes 2 ms for a hundred pools and 20 ms for a thousand, which would delay the
    // loop.
    match tokio::task::spawn_blocking(move || metrics.metrics_page()).await {
        Ok(page) => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be rendered\n"),
    }
}

async fn fleet_page(
    State(metrics): State<Arc<MetricsState>>,
    RawQuery(query): RawQuery,
) -> Response {
    html_page(metrics, PageRequest { pool: None, is_refreshed: is_refreshed(query.as_deref()) })
        .await
}

async fn pool_page(
    State(metrics): State<Arc<MetricsState>>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Response {
    // No pool has a name that is not UTF-8.
    let Ok(Path(name)) = name else { return text(StatusCode::NOT_FOUND, PAGES) };
    let is_refreshed = is_refreshed(query.as_deref());
    html_page(metrics, PageRequest { pool: Some(name), is_refreshed }).await
}

/// Whether the page reloads itself: `true` unless the query contains `refresh=off`.
fn is_refreshed(query: Option<&str>) -> bool {
    !query.is_some_and(|query| query.split('&').any(|pair| pair == "refresh=off"))
}

async fn html_page(metrics: Arc<MetricsState>, request: PageRequest) -> Response {
    let made = tokio::task::spawn_blocking(move || metrics.html_page(&request)).await;
    let page = match made {
        Ok(Some(page)) => page,
        Ok(None) => {
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

async fn healthz(State(metrics): State<Arc<MetricsState>>) -> Response {
    match metrics.health() {
        Ok(()) => text(StatusCode::OK, "ok\n"),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn readyz(State(metrics): State<Arc<MetricsState>>) -> Response {
    match metrics.readiness() {
        Ok(()) => text(StatusCode::OK, "ready\n"),
        Err(reasons) => text(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n"),
    }
}

async fn decisions(State(metrics): State<Arc<MetricsState>>) -> Response {
    let made = tokio::task::spawn_blocking(move || {
        metrics.decisions_page().map(|page| {
            serde_json::to_string(&page)
                .expect("a JSON value, whose keys are texts, can be written")
        })
    });
    match made.await {
        Ok(Some(page)) => answer(StatusCode::OK, "application/json", page + "\n"),
        Ok(None) => text(StatusCode::SERVICE_UNAVAILABLE, "nothing has been decided yet\n"),
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
