//! A test double of GARM behind the proxy. It answers runners with a valid token, and records their
//! requests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use tokio::net::TcpListener;

use super::TOKEN;

const INSTALL: &str = include_str!("install.sh");

/// GARM's response to an invalid token (GARM.md §b).
const REFUSAL: &str = r#"{"error":"Authentication failed","details":""}"#;

/// Its address, and the requests of runners with a valid token so far: method, path, body.
pub(super) struct Garm {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Known {
    install: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Garm {
    /// Starts it. The install script connects to `url`, and downloads the runner from `github`.
    pub(super) async fn open(url: &str, github: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let install = INSTALL.replace("@URL@", url).replace("@TOKEN@", TOKEN);
        let install = install.replace("@GITHUB@", github);
        let known = Known { install, asked: Arc::clone(&asked) };
        let router = Router::new().fallback(answer).with_state(known);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, asked }
    }

    /// The requests of runners since the last call.
    pub(super) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

async fn answer(
    State(known): State<Known>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let token = headers.get("authorization").and_then(|it| it.to_str().ok());
    if token != Some(&format!("Bearer {TOKEN}")) {
        return (StatusCode::UNAUTHORIZED, REFUSAL.to_owned());
    }
    let path = uri.path().trim_start_matches("/api/v1");
    let body = String::from_utf8_lossy(&body);
    known.asked.lock().unwrap().push(format!("{method} {path} {body}").trim_end().to_owned());
    match path {
        "/metadata/install-script/" => (StatusCode::OK, known.install),
        _ => (StatusCode::OK, "{}".to_owned()),
    }
}
