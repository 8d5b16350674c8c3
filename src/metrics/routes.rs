//! The four pages and what else is answered.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::places::Phase;
use super::state::Board;

/// Every page, over one board.
pub(super) fn router(board: Arc<Board>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/decisions", get(decisions))
        .method_not_allowed_fallback(|| async {
            text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n")
        })
        .fallback(|| async {
            text(StatusCode::NOT_FOUND, "there are /metrics, /healthz, /readyz and /decisions\n")
        })
        .with_state(board)
}

/// What a request for this path counts as.
pub(super) fn phase(path: &str) -> Phase {
    match path {
        "/healthz" | "/readyz" => Phase::Health,
        _ => Phase::Page,
    }
}

/// The answer when too many peers are reading pages.
pub(super) fn busy() -> Response {
    text(StatusCode::SERVICE_UNAVAILABLE, "too many pages are being read at this moment\n")
}

async fn metrics(State(board): State<Arc<Board>>) -> Response {
    // Two milliseconds for a hundred pools, twenty for a thousand: not in the way of the loop.
    match tokio::task::spawn_blocking(move || board.metrics()).await {
        Ok(page) => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be made\n"),
    }
}

async fn healthz(State(board): State<Arc<Board>>) -> Response {
    match board.health() {
        Ok(()) => text(StatusCode::OK, "ok\n"),
        Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn readyz(State(board): State<Arc<Board>>) -> Response {
    match board.readiness() {
        Ok(()) => text(StatusCode::OK, "ready\n"),
        Err(reasons) => text(StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n"),
    }
}

async fn decisions(State(board): State<Arc<Board>>) -> Response {
    let made = tokio::task::spawn_blocking(move || {
        board.decisions().map(|it| {
            serde_json::to_string(&it).expect("a JSON value, whose keys are texts, can be written")
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
