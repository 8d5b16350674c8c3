//! The four pages and what else is answered.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::connections::ConnectionPhase;
use super::state::MetricsState;

/// Every page, over one board.
pub(super) fn router(metrics: Arc<MetricsState>) -> Router {
    Router::new()
        .route("/metrics", get(metrics_page))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/decisions", get(decisions))
        .method_not_allowed_fallback(|| async {
            text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n")
        })
        .fallback(|| async {
            text(StatusCode::NOT_FOUND, "there are /metrics, /healthz, /readyz and /decisions\n")
        })
        .with_state(metrics)
}

/// What a request for this path counts as.
pub(super) fn phase(path: &str) -> ConnectionPhase {
    match path {
        "/healthz" | "/readyz" => ConnectionPhase::Health,
        _ => ConnectionPhase::Page,
    }
}

/// The answer when too many peers are reading pages.
pub(super) fn busy() -> Response {
    text(StatusCode::SERVICE_UNAVAILABLE, "too many pages are being read at this moment\n")
}

async fn metrics_page(State(metrics): State<Arc<MetricsState>>) -> Response {
    // Two milliseconds for a hundred pools, twenty for a thousand: not in the way of the loop.
    match tokio::task::spawn_blocking(move || metrics.metrics_page()).await {
        Ok(page) => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be made\n"),
    }
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
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the decisions could not be made\n"),
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
