//! GARM's event stream over WebSocket, `/api/v1/ws/events` (GARM.md §g): silent until a filter is
//! sent, not quite in order, and lossy for a client that does not read.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::sync::broadcast;
use tokio::time::interval;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role};

use super::dice::Dice;
use super::http::Shared;
use super::stream::Event;

/// GARM keeps so many messages for a client that does not read, and loses the rest silently.
pub(crate) const KEPT: usize = 1024;

/// GARM pings so often, and does not mind if nobody answers.
const PING_EVERY: Duration = Duration::from_secs(54);

/// The share of events that the next one overtakes (measured: 7 of 400).
const OVERTAKEN_RATE: f64 = 0.02;

/// An event that nothing overtakes comes so late.
const HELD_FOR: Duration = Duration::from_millis(5);

/// Everything that GARM has events of.
const KINDS: [&str; 16] = [
    "repository",
    "organization",
    "enterprise",
    "forge_instance",
    "pool",
    "user",
    "instance",
    "job",
    "controller",
    "github_credentials",
    "gitea_credentials",
    "github_endpoint",
    "scaleset",
    "template",
    "file_object",
    "proxy",
];

/// What a client sends.
#[derive(Deserialize)]
struct Wish {
    #[serde(default, rename = "send-everything")]
    everything: bool,
    #[serde(default)]
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
struct Filter {
    #[serde(default, rename = "entity-type")]
    kind: String,
    #[serde(default)]
    operations: Vec<String>,
}

/// What a client is sent.
enum Taste {
    Nothing,
    Everything,
    Some(Vec<Filter>),
}

impl Taste {
    fn wants(&self, event: &Event) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Some(filters) => filters.iter().any(|it| {
                let is_named = it.operations.iter().any(|it| it == event.operation);
                it.kind == event.entity_type && (it.operations.is_empty() || is_named)
            }),
        }
    }

    /// What a message makes of it: an empty wish changes nothing, a bad one ends the connection.
    fn turned_by(self, text: &str) -> Option<Self> {
        let wish: Wish = serde_json::from_str(text).ok()?;
        let is_good = |it: &Filter| {
            let known = ["create", "update", "delete"];
            KINDS.contains(&it.kind.as_str())
                && it.operations.iter().all(|it| known.contains(&it.as_str()))
        };
        if wish.everything {
            Some(Self::Everything)
        } else if wish.filters.is_empty() {
            Some(self)
        } else if wish.filters.iter().all(is_good) {
            Some(Self::Some(wish.filters))
        } else {
            None
        }
    }
}

/// Answers the request for the stream: 101, or what GARM's library says to one that is none.
pub(crate) fn upgrade(shared: Arc<Shared>, mut request: Request<Incoming>) -> Response<Body> {
    let Some(key) = websocket_key(request.headers()) else {
        let mut response = Response::new(Body::from("Bad Request\n"));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        return response;
    };
    let events = shared.listen();
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(serve(shared, upgraded, events));
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()))
        .body(Body::empty())
        .expect("a known status and three plain headers make a response")
}

fn websocket_key(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|it| it.to_str().ok());
    text(header::UPGRADE).filter(|it| it.eq_ignore_ascii_case("websocket"))?;
    text(header::SEC_WEBSOCKET_KEY).map(str::to_owned)
}

/// One client, until it goes, the world ends or its filter is a bad one.
async fn serve(shared: Arc<Shared>, upgraded: OnUpgrade, mut events: broadcast::Receiver<Event>) {
    let Ok(upgraded) = upgraded.await else {
        return;
    };
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    let mut taste = Taste::Nothing;
    let mut dice = shared.with(|it| Dice::new(it.config.seed, 5));
    let mut held: Option<Event> = None;
    let mut ping = interval(PING_EVERY);
    ping.reset();
    let ended = shared.ended();
    loop {
        let next = tokio::select! {
            () = ended.cancelled() => break,
            _ = ping.tick() => vec![Message::Ping(Vec::new().into())],
            () = tokio::time::sleep(HELD_FOR), if held.is_some() => {
                held.take().iter().map(message_of).collect()
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => match taste.turned_by(&text) {
                    Some(turned) => {
                        taste = turned;
                        continue;
                    }
                    None => break,
                },
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            event = events.recv() => match event {
                Ok(event) if !taste.wants(&event) => continue,
                Ok(event) if held.is_none() && dice.chance(OVERTAKEN_RATE) => {
                    held = Some(event);
                    continue;
                }
                Ok(event) => in_disorder(&event, held.take().as_ref()),
                // Lost for good, and nobody says so.
                Err(broadcast::error::RecvError::Lagged(_)) => continue,
                Err(broadcast::error::RecvError::Closed) => break,
            },
        };
        for message in next {
            if socket.send(message).await.is_err() {
                return;
            }
        }
    }
    let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    // The peer may have gone first.
    socket.send(Message::Close(Some(normal))).await.ok();
}

/// An event, and the earlier one that it has overtaken.
fn in_disorder(event: &Event, held: Option<&Event>) -> Vec<Message> {
    std::iter::once(event).chain(held).map(message_of).collect()
}

fn message_of(event: &Event) -> Message {
    Message::Text(event.to_json().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(wish: &str, kind: &'static str, operation: &'static str) -> Option<bool> {
        let at = jiff::Timestamp::UNIX_EPOCH;
        let event = Event { at, entity_type: kind, operation, payload: "{}".into() };
        Taste::Nothing.turned_by(wish).map(|it| it.wants(&event))
    }

    #[test]
    fn a_filter_chooses_and_a_bad_one_ends_the_connection() {
        let jobs = r#"{"filters":[{"entity-type":"job","operations":["create"]}]}"#;
        assert_eq!(wants(jobs, "job", "create"), Some(true));
        assert_eq!(wants(jobs, "job", "update"), Some(false));
        assert_eq!(wants(jobs, "instance", "create"), Some(false));
        assert_eq!(wants(r#"{"send-everything":true}"#, "pool", "delete"), Some(true));
        assert_eq!(wants(r#"{"filters":[]}"#, "pool", "delete"), Some(false));
        for bad in ["nonsense", r#"{"filters":[{"entity-type":"nothing"}]}"#, r#"{"filters":[{}]}"#]
        {
            assert_eq!(wants(bad, "pool", "delete"), None, "{bad}");
        }
    }
}
