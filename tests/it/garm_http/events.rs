//! The event stream over real sockets, with servers that misbehave.

use std::sync::Arc;
use std::time::{Duration, Instant};

use runnerctl::domain::backoff::Backoff;
use runnerctl::domain::entity::EntityKind;
use runnerctl::domain::pool::{PoolChange, PoolSpec};
use runnerctl::garm::events::{Feed, StreamLimits, StreamSignal};
use runnerctl::garm::http::Timeouts;
use runnerctl::garm::{GarmClient, GarmLogin, Http, HttpOptions, tls};
use runnerctl::scaling::RowChange;
use runnerctl::sim::http::SimServer;
use runnerctl::sim::{Fault, FaultRule, SimConfig, World};
use rustls::version;
use secrecy::SecretString;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::authority::{Authority, CLIENT, SERVER};
use super::server::{Greeting, greeting};
use super::stage::{Seen, Stage, Turn, says};
use crate::support::pools::plain;

/// Timeout.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Limits with a short backoff and a long timeout for silence.
fn limits() -> StreamLimits {
    let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(20));
    StreamLimits { backoff, ..StreamLimits::default() }
}

fn client(options: &HttpOptions) -> GarmClient {
    let login = GarmLogin::new("admin", SecretString::from("canary-password"));
    GarmClient::new(Arc::new(Http::new(options).unwrap()), login)
}

/// A scripted server that plays these turns, and a subscriber.
async fn watch(limits: StreamLimits, turns: Vec<Turn>) -> (Stage, Feed) {
    let stage = Stage::open(Greeting::Plain, turns).await;
    let feed = client(&HttpOptions::new(format!("http://{}", stage.address))).events(limits);
    (stage, feed)
}

async fn next(feed: &mut Feed) -> StreamSignal {
    tokio::time::timeout(PATIENCE, feed.next()).await.unwrap().unwrap()
}

#[track_caller]
fn why(signal: StreamSignal) -> String {
    let StreamSignal::Lost(why) = signal else { panic!("not lost, but {signal:?}") };
    assert!(!why.contains("canary"), "{why}");
    assert!(!why.chars().any(char::is_control), "{why:?}");
    why
}

fn event(kind: &str, operation: &str, payload: &serde_json::Value) -> Message {
    let event = json!({ "entity-type": kind, "operation": operation, "payload": payload });
    Message::text(event.to_string())
}

fn gone(id: i64) -> Message {
    event("job", "delete", &json!({ "id": id }))
}

fn unauthorized(error: &str) -> Turn {
    Turn::Says(says(401, &json!({ "error": error, "details": "" }).to_string()))
}

#[tokio::test]
async fn the_request_has_the_token_and_the_filter() {
    let (mut stage, mut feed) = watch(limits(), vec![Turn::Plays(vec![gone(7)])]).await;
    assert_eq!(next(&mut feed).await, StreamSignal::Connected);
    assert_eq!(next(&mut feed).await, StreamSignal::Changes(vec![RowChange::JobGone(7)]));
    assert_eq!(stage.next().await, Seen::Login);
    let Seen::Asked(head) = stage.next().await else { panic!("no request") };
    let mut lines: Vec<_> = head
        .lines()
        .filter(|it| !it.starts_with("host: ") && !it.starts_with("sec-websocket-key: "))
        .collect();
    lines.sort_unstable();
    let agent = format!("user-agent: runnerctl/{}", env!("CARGO_PKG_VERSION"));
    let expected = [
        "",
        "GET /api/v1/ws/events HTTP/1.1",
        "accept-encoding: gzip",
        "accept: */*",
        "authorization: Bearer canary-token-1",
        "connection: Upgrade",
        "sec-websocket-version: 13",
        "upgrade: websocket",
        &agent,
    ];
    assert_eq!(lines, expected);
    let Seen::Filter(filter) = stage.next().await else { panic!("no filter") };
    let filter: serde_json::Value = serde_json::from_str(&filter).unwrap();
    let kinds = ["instance", "job", "pool", "scaleset", "controller"]
        .map(|it| json!({ "entity-type": it }));
    assert_eq!(filter, json!({ "filters": kinds }));
    drop(feed);
    assert_eq!(stage.next().await, Seen::Gone);
}

#[tokio::test]
async fn events_of_the_simulated_garm_arrive_and_a_broken_stream_is_reopened() {
    let config = SimConfig::default();
    let login =
        GarmLogin::new(config.username.clone(), SecretString::from(config.password.clone()));
    let address = "127.0.0.1:0".parse().unwrap();
    let server = SimServer::bind(address, World::new(config), 1).await.unwrap();
    let http = Http::new(&HttpOptions::new(format!("http://{}", server.address()))).unwrap();
    let shared = server.shared();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(server.serve(async { drop(ended.await) }));
    let client = GarmClient::new(Arc::new(http), login);
    let mut feed = client.events(limits());
    assert_eq!(next(&mut feed).await, StreamSignal::Connected);

    let entity = client.entities(EntityKind::Organization).await.unwrap().remove(0).key;
    let pool = client.create_pool(&entity, &spec()).await.unwrap();
    assert_eq!(next(&mut feed).await, StreamSignal::Changes(vec![RowChange::Pool(pool.clone())]));
    let raise = PoolChange { min_idle_runners: Some(1), ..PoolChange::default() };
    let raised = client.update_pool(&pool.id, &raise).await.unwrap();
    assert_eq!(next(&mut feed).await, StreamSignal::Changes(vec![RowChange::Pool(raised)]));

    // The next event breaks the connection. By then the token has expired.
    shared.with(|it| {
        it.faults.add(FaultRule::once("EVENT", "pool/", Fault::Drop));
        it.faults.add(FaultRule::once("GET", "/ws/events", Fault::TokenExpired));
    });
    client.delete_pool(&pool.id).await.unwrap();
    why(next(&mut feed).await);
    assert_eq!(next(&mut feed).await, StreamSignal::Connected);
    let logins =
        shared.with(|it| it.requests().iter().filter(|it| it.path == "/auth/login").count());
    assert_eq!(logins, 2);

    end.send(()).unwrap();
    assert_eq!(why(next(&mut feed).await), "GARM closed the stream (code 1000)");
    served.await.unwrap();
    let away = why(next(&mut feed).await);
    assert!(away.contains("cannot connect"), "{away}");
}

fn spec() -> PoolSpec {
    let labels = ["linux".to_owned()].into_iter().collect();
    PoolSpec { enabled: false, ..plain("garm", labels, (0, 4)) }
}

#[tokio::test]
async fn an_expired_token_is_renewed_once_and_other_errors_cause_no_login() {
    let turns = vec![unauthorized("Authentication failed"), Turn::Cuts(vec![])];
    let (mut stage, mut feed) = watch(limits(), turns).await;
    assert_eq!(next(&mut feed).await, StreamSignal::Connected);
    let mut tokens = Vec::new();
    while tokens.len() < 2 {
        if let Seen::Asked(head) = stage.next().await {
            let line = head.lines().find(|it| it.starts_with("authorization: ")).unwrap();
            tokens.push(line.to_owned());
        }
    }
    let bearer = |number| format!("authorization: Bearer canary-token-{number}");
    assert_eq!(tokens, [bearer(1), bearer(2)]);

    let turns = vec![unauthorized("Not Authorized"), Turn::Plays(vec![])];
    let (mut stage, mut feed) = watch(limits(), turns).await;
    assert_eq!(why(next(&mut feed).await), "listen to the events: 401 Not Authorized");
    assert_eq!(next(&mut feed).await, StreamSignal::Connected);
    assert_eq!(stage.next().await, Seen::Login);
    let seen = [stage.next().await, stage.next().await];
    assert!(seen.iter().all(|it| matches!(it, Seen::Asked(_))), "{seen:?}");

    let twice = || unauthorized("Authentication failed");
    let (_stage, mut feed) = watch(limits(), vec![twice(), twice(), Turn::Plays(vec![])]).await;
    let told = why(next(&mut feed).await);
    assert!(told.ends_with("401 Authentication failed"), "{told}");
    assert_eq!(next(&mut feed).await, StreamSignal::Connected);
}

#[tokio::test]
async fn a_silent_peer_is_dead() {
    let silence = Duration::from_millis(400);
    // The timeout of a request does not apply to a stream.
    let timeouts = Timeouts { request: Duration::from_millis(200), ..Timeouts::default() };
    let stage = Stage::open(Greeting::Plain, vec![Turn::Plays(vec![]), Turn::Plays(vec![])]).await;
    let url = format!("http://{}", stage.address);
    let options = HttpOptions { timeouts, ..HttpOptions::new(url) };
    let mut feed = client(&options).events(StreamLimits { silence, ..limits() });
    assert_eq!(next(&mut feed).await, StreamSignal::Connected);
    let since = Instant::now();
    assert_eq!(why(next(&mut feed).await), "GARM was silent for 400ms, pings included");
    assert!(since.elapsed() >= Duration::from_millis(300), "{:?}", since.elapsed());
    assert_eq!(next(&mut feed).await, StreamSignal::Connected);
    assert_eq!(StreamLimits::default().silence, Duration::from_secs(75));
}

#[tokio::test]
async fn a_server_that_never_responds_times_out() {
    let quick = Duration::from_millis(200);
    let timeouts = Timeouts { request: quick, connect: quick, ..Timeouts::default() };
    let address = super::serve(Greeting::Plain, super::Manner::Silent).await;
    let options = HttpOptions { timeouts, ..HttpOptions::new(format!("http://{address}")) };
    let mut feed = client(&options).events(limits());
    let told = why(next(&mut feed).await);
    assert!(told.ends_with("no response within 200ms"), "{told}");
}

#[tokio::test]
async fn messages_that_cannot_be_decoded_are_counted_and_skipped() {
    let turns = vec![Turn::Plays(vec![
        Message::text("garbage"),
        Message::text(""),
        Message::text("[".repeat(100_000)),
        event("instance", "update", &json!({ "id": 3 })),
        // Both are valid messages that the client does not use.
        event("scaleset", "create", &json!({ "id": 3 })),
        event("job", "renamed", &json!({ "id": 3 })),
        Message::binary(vec![0xff; 100]),
        Message::Ping(vec![1].into()),
        gone(7),
    ])];
    let (_stage, mut feed) = watch(limits(), turns).await;
    assert_eq!(next(&mut feed).await, StreamSignal::Connected);
    assert_eq!(next(&mut feed).await, StreamSignal::Changes(vec![RowChange::JobGone(7)]));
    assert_eq!(feed.misread(), 4);
}

#[tokio::test]
async fn an_overflow_is_signalled_once_and_the_stream_continues() {
    let mut messages: Vec<Message> = (1..=12).map(gone).collect();
    messages.push(Message::text("all is said"));
    let (_stage, mut feed) =
        watch(StreamLimits { waiting_max: 5, ..limits() }, vec![Turn::Plays(messages)]).await;
    let end = Instant::now() + PATIENCE;
    while feed.misread() == 0 {
        assert!(Instant::now() < end, "the stream was not drained");
        tokio::task::yield_now().await;
    }
    assert_eq!(next(&mut feed).await, StreamSignal::Connected);
    assert_eq!(next(&mut feed).await, StreamSignal::Overflow);
    let rest = vec![RowChange::JobGone(11), RowChange::JobGone(12)];
    assert_eq!(next(&mut feed).await, StreamSignal::Changes(rest));
}

#[tokio::test]
async fn a_message_beyond_the_limit_ends_the_stream_before_it_is_buffered() {
    let large = Message::text("x".repeat(5000));
    // A frame whose header announces the maximum length.
    let boast = vec![0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let turns = vec![Turn::Plays(vec![large]), Turn::Babbles(boast), Turn::Plays(vec![])];
    let (_stage, mut feed) = watch(StreamLimits { message_max: 4096, ..limits() }, turns).await;
    assert_eq!(next(&mut feed).await, StreamSignal::Connected);
    let told = why(next(&mut feed).await);
    assert_eq!(told, "a message of 5000 bytes exceeds the limit of 4096");
    assert_eq!(next(&mut feed).await, StreamSignal::Connected);
    let told = why(next(&mut feed).await);
    assert!(told.ends_with("exceeds the limit of 4096"), "{told}");
    assert_eq!(next(&mut feed).await, StreamSignal::Connected);
}

#[tokio::test]
async fn a_response_that_is_not_a_stream_is_reported_and_retried() {
    let closing = |reason: &str| {
        let frame = CloseFrame { code: CloseCode::Policy, reason: reason.to_owned().into() };
        Turn::Plays(vec![Message::Close(Some(frame))])
    };
    let redirect = "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\u{202e}\r\n\
                    Content-Length: 0\r\n\r\n";
    let wrong = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Accept: abc\r\n\r\n";
    let cases = [
        (closing("go\u{1b}[31m away"), "GARM closed the stream (code 1008): go\\u{1b}[31m away"),
        (Turn::Cuts(vec![]), "the stream broke: "),
        (Turn::Babbles(vec![0x81, 2, 0xff, 0xfe]), "the stream broke: "),
        (Turn::Babbles(b"HTTP/1.1 200 OK\r\n".repeat(10)), "the stream broke: "),
        (
            Turn::Says(redirect.into()),
            "listen to the events at URL: redirected to http://elsewhere.test/\\u{202e}",
        ),
        (Turn::Says(wrong.into()), "listen to the events at URL: 101 "),
        (Turn::Says(says(200, "{}")), "listen to the events at URL: 200 in place of a stream"),
        (
            Turn::Says(says(503, "<title>Down</title>")),
            "listen to the events at URL: 503 with a page titled `Down`",
        ),
        (
            Turn::Says("nonsense\r\n\r\n".into()),
            "listen to the events at URL: the response is not HTTP",
        ),
    ];
    for (turn, expected) in cases {
        let (stage, mut feed) = watch(limits(), vec![turn, Turn::Plays(vec![])]).await;
        let mut signal = next(&mut feed).await;
        if signal == StreamSignal::Connected {
            signal = next(&mut feed).await;
        }
        let told = why(signal).replace(&format!("http://{}", stage.address), "URL");
        assert!(told.starts_with(expected), "{told}\nin place of\n{expected}");
        assert_eq!(next(&mut feed).await, StreamSignal::Connected, "after {told}");
    }
}

#[tokio::test]
async fn the_stream_uses_the_private_ca_and_the_client_certificate() {
    let (ca, operators) = (Authority::new(), Authority::new());
    for version in [&version::TLS13, &version::TLS12] {
        let server = || greeting(ca.sign("server", &SERVER), Some(&operators), version);
        let files = tls::GarmTlsFiles {
            ca: ca.trusted().ca,
            ..operators.presenting(operators.sign("client", &CLIENT))
        };
        let (mut stage, mut feed) = guarded(server(), files).await;
        assert_eq!(next(&mut feed).await, StreamSignal::Connected);
        assert_eq!(stage.next().await, Seen::Login);

        let (_stage, mut feed) = guarded(server(), ca.trusted()).await;
        let told = why(next(&mut feed).await);
        assert!(told.contains("client certificate"), "{told}");

        let (_stage, mut feed) = guarded(server(), operators.trusted()).await;
        let told = why(next(&mut feed).await);
        assert!(told.ends_with("signed by an unknown CA"), "{told}");
    }
}

async fn guarded(greeting: Greeting, files: tls::GarmTlsFiles) -> (Stage, Feed) {
    let stage = Stage::open(greeting, vec![Turn::Plays(vec![])]).await;
    let options = super::options(format!("https://{}", stage.address), files);
    let feed = client(&options).events(limits());
    (stage, feed)
}
