//! The door over HTTP: GARM's API on a loopback address, in real time.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, header};
use futures_util::StreamExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::event_subscriber::{EventSubscriber, KEPT};
use super::faults::Fault;
use super::reply::ApiReply;
use super::stream::GarmEvent;
use super::world::World;

/// No request of GARM's API is larger.
const BODY_MAX: usize = 8 << 20;

/// Connections that are still busy so long after the end are cut.
const GRACE: Duration = Duration::from_secs(2);

/// How long half an answer has to leave.
const BEFORE_CUT: Duration = Duration::from_millis(20);

/// A world is looked after at least so often, requests or not, so that no request has much to
/// catch up.
const STEP: Duration = Duration::from_millis(100);

/// And at most so often, however much it has to do.
const STEP_LEAST: Duration = Duration::from_millis(1);

/// A world behind a lock, its clock driven by this machine's. The lock is never held over an
/// `await`.
#[derive(Debug)]
pub struct SharedWorld {
    world: Mutex<World>,
    start: Timestamp,
    since: Instant,
    /// Seconds of the world in each second here.
    speed: u32,
    events: broadcast::Sender<GarmEvent>,
    ended: CancellationToken,
}

impl SharedWorld {
    /// Looks at the world, or scripts it, at the present instant.
    pub fn with<T>(&self, script: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance_to(self.start + self.since.elapsed() * self.speed);
        let result = script(&mut world);
        for event in world.take_events() {
            // Nobody may be listening any more.
            self.events.send(event).ok();
        }
        result
    }

    /// The events from now on, and what a client makes of them.
    pub(crate) fn listen(&self) -> (EventSubscriber, broadcast::Receiver<GarmEvent>) {
        (self.with(World::admit), self.events.subscribe())
    }

    /// Becomes true when the server ends.
    pub(crate) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// How long until the world has something to do.
    fn pause(&self) -> Duration {
        let (now, next) = self.with(|it| (it.now(), it.next_at()));
        let due = next.map_or(STEP, |it| it.duration_since(now).unsigned_abs() / self.speed);
        due.clamp(STEP_LEAST, STEP)
    }
}

/// A server that accepts already and answers once [`SimServer::serve`] runs.
#[derive(Debug)]
pub struct SimServer {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<SharedWorld>,
}

impl SimServer {
    /// Binds to a loopback address; port 0 takes a free one. GARM's URLs become this address. The
    /// world goes `speed` times as fast as this machine's clock.
    ///
    /// Errors when the address is not a loopback one (there is no password worth the name behind
    /// it), or cannot be had.
    pub async fn bind(address: SocketAddr, mut world: World, speed: u32) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a loopback address"));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        world.set_url(&format!("http://{address}"));
        let (start, since) = (world.now(), Instant::now());
        let shared = Arc::new(SharedWorld {
            world: Mutex::new(world),
            start,
            since,
            speed: speed.max(1),
            events: broadcast::Sender::new(KEPT),
            ended: CancellationToken::new(),
        });
        Ok(Self { listener, address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The world behind it.
    pub fn shared(&self) -> Arc<SharedWorld> {
        Arc::clone(&self.shared)
    }

    /// Serves until `end`; requests that are being answered are answered.
    pub async fn serve(self, end: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let step = tokio::time::sleep(STEP);
        tokio::pin!(end, step);
        loop {
            tokio::select! {
                () = &mut end => break,
                () = &mut step => step.as_mut().reset(Instant::now() + self.shared.pause()),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.attend(stream, &graceful),
                    // The peer has gone, or there are no descriptors: the next may do better.
                    Err(_) => tokio::time::sleep(STEP).await,
                },
            }
        }
        self.shared.ended.cancel();
        // What is not done by then is cut with the runtime.
        let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
    }

    fn attend(&self, stream: TcpStream, graceful: &GracefulShutdown) {
        // Without it each small answer waits for the peer's delayed acknowledgement.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let service = service_fn(move |request| answer(Arc::clone(&shared), request));
        let builder = auto::Builder::new(TokioExecutor::new()).http1_only();
        let connection =
            builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            // A connection that breaks is the peer's affair, or a fault that was asked for.
            watched.await.ok();
        });
    }
}

/// A fault that closes the connection.
#[derive(Debug, thiserror::Error)]
#[error("simulated fault")]
struct SimulatedCut;

async fn answer(
    shared: Arc<SharedWorld>,
    request: Request<Incoming>,
) -> Result<Response<Body>, SimulatedCut> {
    if request.uri().path().trim_end_matches('/') == "/api/v1/ws/events" {
        let fault = shared.with(|it| it.faults.strike("GET", "/ws/events"));
        return stream(&shared, request, fault).await;
    }
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |it| it.as_str()).to_owned();
    let method = head.method.as_str().to_owned();
    let body = axum::body::to_bytes(Body::new(body), BODY_MAX).await.map_err(|_| SimulatedCut)?;
    let authorization = authorization(&head.headers);
    let request = super::routes::ApiRequest {
        method: &method,
        path: &path,
        authorization: authorization.as_deref(),
        body: &body,
    };
    if let Some(moved) = super::paths::redirect(&path) {
        return Ok(respond(shared.with(|it| (moved, it.now()))));
    }
    if let Some(path) = path.strip_prefix("/_lab") {
        let request = super::routes::ApiRequest { path, ..request };
        return Ok(respond(shared.with(|it| (it.handle_lab(request), it.now()))));
    }
    let Some(path) = path.strip_prefix("/api/v1").filter(|it| it.starts_with('/')) else {
        let reply = outside(&path);
        return Ok(respond(shared.with(|it| (reply, it.now()))));
    };
    let request = super::routes::ApiRequest { path, ..request };
    let fault = shared.with(|it| it.faults.strike(&method, path));
    let good = || respond(shared.with(|it| (it.handle(request), it.now())));
    let made_up = |reply| respond(shared.with(|it| (reply, it.now())));
    match fault {
        None => Ok(good()),
        // A connection that is there already cannot be refused any more: it is closed.
        Some(Fault::Refuse | Fault::Drop) => Err(SimulatedCut),
        Some(Fault::LoseAnswer) => {
            good();
            Err(SimulatedCut)
        }
        Some(Fault::Truncate) => Ok(truncate(shared.with(|it| it.handle(request)))),
        Some(Fault::Status(status)) => Ok(made_up(ApiReply::made_up(status))),
        Some(Fault::Page(status)) => Ok(made_up(ApiReply::page(status))),
        Some(Fault::TokenExpired) => Ok(made_up(ApiReply::token_expired())),
        Some(Fault::Slow(span)) => {
            let response = good();
            tokio::time::sleep(span).await;
            Ok(response)
        }
    }
}

/// What GARM answers outside of its API. The metrics want a token of their own (GARM.md §h), an agent
/// one of its runner's; webhooks come from the simulated GitHub by a shorter way, and one that is not
/// signed is passed over.
fn outside(path: &str) -> ApiReply {
    let path = path.split_once('?').map_or(path, |it| it.0);
    match path.trim_end_matches('/') {
        "/metrics" | "/agent" => ApiReply::token_expired(),
        "/webhooks" => ApiReply::bare(200),
        path if path.starts_with("/webhooks/") => ApiReply::bare(200),
        _ => ApiReply::not_found(),
    }
}

/// The event stream, for whoever may read the rest of the API.
async fn stream(
    shared: &Arc<SharedWorld>,
    request: Request<Incoming>,
    fault: Option<Fault>,
) -> Result<Response<Body>, SimulatedCut> {
    let made_up = |reply| respond(shared.with(|it| (reply, it.now())));
    match fault {
        None => {}
        Some(Fault::Refuse | Fault::Drop | Fault::LoseAnswer | Fault::Truncate) => {
            return Err(SimulatedCut);
        }
        Some(Fault::Status(status)) => return Ok(made_up(ApiReply::made_up(status))),
        Some(Fault::Page(status)) => return Ok(made_up(ApiReply::page(status))),
        Some(Fault::TokenExpired) => return Ok(made_up(ApiReply::token_expired())),
        Some(Fault::Slow(span)) => tokio::time::sleep(span).await,
    }
    let authorization = authorization(request.headers());
    Ok(match shared.with(|it| it.check_entry(authorization.as_deref())) {
        Ok(()) => super::websocket::upgrade(Arc::clone(shared), request),
        Err(refusal) => made_up(refusal.into()),
    })
}

/// The `Authorization` header, else the cookie that GARM takes instead (GARM.md §g).
fn authorization(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|it| it.to_str().ok());
    if let Some(header) = text(header::AUTHORIZATION) {
        return Some(header.to_owned());
    }
    let cookies = text(header::COOKIE)?.split(';');
    let token = cookies.filter_map(|it| it.trim().strip_prefix("garm_token=")).next()?;
    Some(format!("Bearer {token}"))
}

/// `Date` is the world's clock.
fn respond((reply, now): (ApiReply, Timestamp)) -> Response<Body> {
    let mut response = Response::builder().status(reply.status);
    if let Some(kind) = reply.content_type {
        response = response.header(header::CONTENT_TYPE, kind);
    }
    if let Some(location) = reply.location {
        response = response.header(header::LOCATION, location);
    }
    if let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&now) {
        response = response.header(header::DATE, date);
    }
    response
        .body(Body::from(reply.body))
        .expect("a status from 200 to 599 and plain headers make a response")
}

/// Says the whole length, sends half and breaks off.
fn truncate(reply: ApiReply) -> Response<Body> {
    let half = reply.body.len() / 2;
    let mut body = reply.body.into_bytes();
    let length = body.len();
    body.truncate(half);
    let first = futures_util::stream::iter([Ok(body)]);
    // The half must have left before the connection breaks, or nothing of it arrives.
    let cut = futures_util::stream::once(async {
        tokio::time::sleep(BEFORE_CUT).await;
        Err(io::Error::other("simulated fault"))
    });
    Response::builder()
        .status(reply.status)
        .header(header::CONTENT_TYPE, reply.content_type.unwrap_or_default())
        .header(header::CONTENT_LENGTH, length)
        .body(Body::from_stream(first.chain(cut)))
        .expect("a status from 200 to 599 and two plain headers make a response")
}
