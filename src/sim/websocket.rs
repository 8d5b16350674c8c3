//! GARM's event stream over WebSocket, `/api/v1/ws/events` (GARM.md §g). It sends nothing until the
//! client sends a filter.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use futures_util::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::broadcast;
use tokio::time::{Instant, interval, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role};

use super::event_subscriber::{EventSubscriber, PING_EVERY, StreamEnd};
use super::shared_world::SharedWorld;
use super::stream::GarmEvent;

type ServerSocket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Responds to the upgrade request: 101, or the error of GARM's library if it is not one.
pub(crate) fn upgrade(shared: Arc<SharedWorld>, mut request: Request<Incoming>) -> Response<Body> {
    let Some(key) = websocket_key(request.headers()) else {
        let mut response = Response::new(Body::from("Bad Request\n"));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, plain);
        return response;
    };
    let (subscriber, events) = shared.listen();
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(serve(shared, upgraded, subscriber, events));
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()))
        .body(Body::empty())
        .expect("a known status and three plain headers make a response")
}

fn websocket_key(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|header| header.to_str().ok());
    text(header::UPGRADE).filter(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))?;
    text(header::SEC_WEBSOCKET_KEY).map(str::to_owned)
}

/// Serves one client until it disconnects, the world ends or its filter is invalid.
async fn serve(
    shared: Arc<SharedWorld>,
    upgraded: OnUpgrade,
    subscriber: EventSubscriber,
    events: broadcast::Receiver<GarmEvent>,
) {
    let Ok(upgraded) = upgraded.await else {
        return;
    };
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    if talk(&shared, &mut socket, subscriber, events).await == StreamEnd::Closed {
        let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        // The peer may have gone first.
        socket.send(Message::Close(Some(normal))).await.ok();
    }
}

async fn talk(
    shared: &SharedWorld,
    socket: &mut ServerSocket,
    mut subscriber: EventSubscriber,
    mut events: broadcast::Receiver<GarmEvent>,
) -> StreamEnd {
    let mut ping = interval(PING_EVERY);
    ping.reset();
    let ended = shared.ended();
    let crashes = shared.with(|world| world.crashes());
    loop {
        let due = subscriber.due();
        let mut is_ping_due = false;
        let step = tokio::select! {
            () = ended.cancelled() => Err(StreamEnd::Closed),
            _ = ping.tick() => {
                is_ping_due = shared.with(super::World::pings);
                Ok(())
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Ok(()),
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => subscriber.ask(&text),
                Some(Ok(Message::Close(_)) | Err(_)) | None => Err(StreamEnd::Broken),
                Some(Ok(_)) => Ok(()),
            },
            event = events.recv() => match event {
                Ok(event) if !subscriber.wants(&event) => Ok(()),
                Ok(event) => {
                    let delivery = shared.with(|world| world.delivery(&event));
                    subscriber.hear(&event, &delivery, Instant::now())
                }
                // Lost silently, as in GARM.
                Err(broadcast::error::RecvError::Lagged(_)) => Ok(()),
                Err(broadcast::error::RecvError::Closed) => Err(StreamEnd::Closed),
            },
        };
        if let Err(end) = step {
            return end;
        }
        if shared.with(|world| world.crashes()) != crashes {
            return StreamEnd::Broken;
        }
        let ping_now = is_ping_due.then(|| Message::Ping(Vec::new().into()));
        let now = Instant::now();
        let heard =
            std::iter::from_fn(|| subscriber.next(now)).map(|next| Message::Text(next.into()));
        for message in ping_now.into_iter().chain(heard) {
            if socket.send(message).await.is_err() {
                return StreamEnd::Broken;
            }
        }
    }
}
