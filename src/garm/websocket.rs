//! GARM's event stream over WebSocket. The upgrade request uses the same client, TLS, timeouts and
//! error handling as any other request.

use futures_util::{SinkExt, StreamExt};
use reqwest::header::{
    AUTHORIZATION, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use reqwest::{StatusCode, Upgraded};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as Failure;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

use super::http::{Http, bearer};
use super::transport::{
    Frame, FrameFuture, FrameStream, Response, StreamRequest, StreamResponse, TransportError,
};
use crate::domain::text;

/// The size of the read buffer, in bytes. An event has a few kilobytes.
const READ_BUFFER: usize = 32 << 10;

impl Http {
    /// Opens the stream and sends the filter.
    pub(super) async fn upgrade(
        &self,
        wish: StreamRequest,
    ) -> Result<StreamResponse, TransportError> {
        let key = generate_key();
        let link = self.link();
        let builder = link
            .client
            .get(format!("{}/ws/events", self.base))
            .header(AUTHORIZATION, bearer(&wish.token)?)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, &key);
        let response = self.head(&link, builder).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return self.refused(response).await.map(StreamResponse::Refused);
        }
        let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT);
        if accepted.is_none_or(|value| value != derive_accept_key(key.as_bytes()).as_str()) {
            // The response is for another protocol, or a stale one from a cache. It has no body to
            // wait for.
            let status = response.status().as_u16();
            let (content_type, date, body) = (None, None, Vec::new());
            return Ok(StreamResponse::Refused(Response { status, content_type, date, body }));
        }
        let closed = |said: String| TransportError::Closed(said);
        let upgraded = response.upgrade().await.map_err(|error| closed(text::innermost(&error)))?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(wish.message_max))
            .max_frame_size(Some(wish.message_max));
        let mut socket =
            WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
        let sent = socket.send(Message::text(wish.filter));
        match tokio::time::timeout(self.timeouts.connect, sent).await {
            Ok(Ok(())) => Ok(StreamResponse::Open(Box::new(EventSocket(socket)))),
            Ok(Err(failure)) => Err(closed(said(&failure))),
            Err(_) => Err(TransportError::Timeout(self.timeouts.connect)),
        }
    }
}

struct EventSocket(WebSocketStream<Upgraded>);

impl FrameStream for EventSocket {
    fn next(&mut self) -> FrameFuture<'_> {
        Box::pin(async {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => Ok(Frame::Text(text.as_str().to_owned())),
                Some(Ok(Message::Close(frame))) => Err(farewell(frame.as_ref())),
                // The library answers pings by itself.
                Some(Ok(
                    Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_),
                )) => Ok(Frame::KeepAlive),
                Some(Err(failure)) => Err(said(&failure)),
                None => Err("the connection was closed".into()),
            }
        })
    }
}

/// Describes the server's close frame. GARM's own gives no reason, whether GARM stops, the token
/// has expired or the filter is invalid (GARM.md §g).
fn farewell(frame: Option<&CloseFrame>) -> String {
    match frame {
        Some(frame) if frame.reason.is_empty() => {
            format!("GARM closed the stream (code {})", frame.code)
        }
        Some(frame) => format!(
            "GARM closed the stream (code {}): {}",
            frame.code,
            text::quote(frame.reason.as_str())
        ),
        None => "GARM closed the stream".into(),
    }
}

fn said(failure: &Failure) -> String {
    match failure {
        Failure::ConnectionClosed | Failure::AlreadyClosed => "the connection was closed".into(),
        Failure::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            format!("a message of {size} bytes exceeds the limit of {max_size}")
        }
        other => text::quote(&format!("the stream broke: {}", text::innermost(other))),
    }
}
