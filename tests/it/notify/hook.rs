//! A webhook that records requests and answers as instructed.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// Timeout for a message; only a broken test reaches it.
const DEADLINE: Duration = Duration::from_secs(60);

/// A status with one header, if any. After the last of them, the answer is 200.
pub(crate) type Answer = (StatusCode, Option<(&'static str, String)>);

pub(crate) struct Hook {
    pub(crate) address: SocketAddr,
    received: UnboundedReceiver<Value>,
}

#[derive(Clone)]
struct Shared {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    sender: UnboundedSender<Value>,
}

impl Hook {
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = unbounded_channel();
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let router = Router::new().fallback(take).with_state(Shared { answers, sender });
        // Ends with the runtime of the test.
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, received }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The body of the next request.
    pub(crate) async fn next(&mut self) -> Value {
        timeout(DEADLINE, self.received.recv()).await.expect("a message in time").unwrap()
    }

    /// Whether there is a request that was not read.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.received.try_recv().is_err()
    }
}

/// An error page that repeats the path, as many servers do.
async fn take(
    State(shared): State<Shared>,
    uri: Uri,
    body: String,
) -> (StatusCode, HeaderMap, String) {
    let answer = shared.answers.lock().unwrap().pop_front();
    let _ = shared.sender.send(serde_json::from_str(&body).unwrap_or(Value::Null));
    let (status, header) = answer.unwrap_or((StatusCode::OK, None));
    let mut headers = HeaderMap::new();
    if let Some((name, value)) = header {
        headers.insert(name, value.parse().unwrap());
    }
    (status, headers, format!("{status}: {uri}"))
}
