//! A scripted GARM. It accepts every login, and then plays one turn for each request for the
//! stream.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::server::Greeting;

/// How one request for the stream is handled.
pub(super) enum Turn {
    /// Sends this response and closes.
    Says(String),
    /// Streams these messages, and then nothing until the client disconnects.
    Plays(Vec<Message>),
    /// Streams these raw bytes, and then nothing.
    Babbles(Vec<u8>),
    /// Streams these messages, and then cuts the connection.
    Cuts(Vec<Message>),
}

/// What a client did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It logged in.
    Login,
    /// It requested the stream, with this request head.
    Asked(String),
    /// It sent this first message.
    Filter(String),
    /// It disconnected.
    Gone,
}

/// A scripted server: its address, and the actions of its clients.
pub(super) struct Stage {
    pub(super) address: SocketAddr,
    pub(super) seen: mpsc::UnboundedReceiver<Seen>,
}

/// The state of a connection's task.
#[derive(Clone)]
struct Script {
    turns: Arc<Mutex<VecDeque<Turn>>>,
    seen: mpsc::UnboundedSender<Seen>,
    logins: Arc<Mutex<usize>>,
}

impl Stage {
    pub(super) async fn open(greeting: Greeting, turns: Vec<Turn>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, seen) = mpsc::unbounded_channel();
        let turns = Arc::new(Mutex::new(turns.into()));
        let script = Script { turns, seen: sender, logins: Arc::default() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let script = script.clone();
                match greeting.clone() {
                    Greeting::Plain => tokio::spawn(script.attend(stream)),
                    Greeting::Tls(config) => tokio::spawn(async move {
                        if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                            script.attend(stream).await;
                        }
                    }),
                };
            }
        });
        Self { address, seen }
    }

    /// The next thing that a client did.
    pub(super) async fn next(&mut self) -> Seen {
        tokio::time::timeout(super::events::PATIENCE, self.seen.recv()).await.unwrap().unwrap()
    }
}

impl Script {
    async fn attend(self, mut stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let head = head(&mut stream).await;
        if head.starts_with("POST /api/v1/auth/login ") {
            let number = {
                let mut logins = self.logins.lock().unwrap();
                *logins += 1;
                *logins
            };
            self.seen.send(Seen::Login).ok();
            let body = format!(r#"{{"token":"canary-token-{number}"}}"#);
            let answer = says(200, &body);
            stream.write_all(answer.as_bytes()).await.ok();
            stream.shutdown().await.ok();
            return;
        }
        let key = head.lines().find_map(|it| it.strip_prefix("sec-websocket-key: "));
        let accept = derive_accept_key(key.unwrap_or_default().as_bytes());
        self.seen.send(Seen::Asked(head)).ok();
        let turn = self.turns.lock().unwrap().pop_front();
        let begin = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        let Some(turn) = turn else { return };
        if let Turn::Says(text) = turn {
            stream.write_all(text.as_bytes()).await.ok();
            stream.shutdown().await.ok();
            return;
        }
        stream.write_all(begin.as_bytes()).await.ok();
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        if let Some(Ok(Message::Text(filter))) = socket.next().await {
            self.seen.send(Seen::Filter(filter.as_str().to_owned())).ok();
        }
        match turn {
            Turn::Says(_) => {}
            Turn::Cuts(messages) => play(&mut socket, messages).await,
            Turn::Babbles(bytes) => {
                socket.get_mut().write_all(&bytes).await.ok();
                socket.get_mut().flush().await.ok();
                self.linger(socket).await;
            }
            Turn::Plays(messages) => {
                play(&mut socket, messages).await;
                self.linger(socket).await;
            }
        }
    }

    async fn linger<S: AsyncRead + AsyncWrite + Unpin>(self, mut socket: WebSocketStream<S>) {
        while let Some(Ok(_)) = socket.next().await {}
        self.seen.send(Seen::Gone).ok();
    }
}

async fn play<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    messages: Vec<Message>,
) {
    for message in messages {
        // The client has disconnected.
        socket.send(message).await.ok();
    }
}

/// The head of a request, with header names in lower case.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.unwrap_or(0) > 0 {
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).unwrap();
    let lines = text.lines().map(|it| match it.split_once(": ") {
        Some((name, value)) => format!("{}: {value}\n", name.to_lowercase()),
        None => format!("{it}\n"),
    });
    lines.collect()
}

/// A response with this body.
pub(super) fn says(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Thus\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}
