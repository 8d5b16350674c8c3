//! GARM's API over HTTP on a loopback address, in real time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, header};
use futures_util::StreamExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub use super::shared_world::SharedWorld;

use super::faults::Fault;
use super::reply::ApiReply;
use super::shared_world::STEP;
use super::world::World;

/// Largest request body, in bytes.
const BODY_MAX: usize = 8 << 20;

/// How long connections may stay busy after shutdown before they are cut.
const GRACE: Duration = Duration::from_secs(2);

/// How long the first half of a response has to reach the peer before the connection is cut.
const BEFORE_CUT: Duration = Duration::from_millis(20);

/// A server that is bound and responds once [`SimServer::serve`] runs.
#[derive(Debug)]
pub struct SimServer {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<SharedWorld>,
}

impl SimServer {
    /// Binds to a loopback address; port 0 takes a free one. GARM's URLs are set to it. The world
    /// runs `speed` times as fast as this machine's clock.
    ///
    /// Fails if the address is not loopback, since the simulator's passwords are public, or if it
    /// is not available.
    pub async fn bind(address: SocketAddr, mut world: World, speed: u32) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a loopback address"));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        world.set_url(&format!("http://{address}"));
        let shared = Arc::new(SharedWorld::new(world, speed));
        Ok(Self { listener, address, shared })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn shared(&self) -> Arc<SharedWorld> {
        Arc::clone(&self.shared)
    }

    /// Serves until `end`, and finishes pending requests.
    pub async fn serve(self, end: impl Future<Output = ()>) {
        let connections = TaskTracker::new();
        let step = tokio::time::sleep(STEP);
        tokio::pin!(end, step);
        loop {
            tokio::select! {
                () = &mut end => break,
                () = &mut step => step.as_mut().reset(Instant::now() + self.shared.pause()),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.attend(stream, &connections),
                    // The peer has gone, or there are no descriptors left: try again.
                    Err(_) => tokio::time::sleep(STEP).await,
                },
            }
        }
        self.shared.ended().cancel();
        connections.close();
        // The runtime drops the connections that are still open.
        let _ = tokio::time::timeout(GRACE, connections.wait()).await;
    }

    fn attend(&self, stream: TcpStream, connections: &TaskTracker) {
        // Otherwise each small response waits for the peer's delayed acknowledgement.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let service = service_fn(move |request| answer(Arc::clone(&shared), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let ended = self.shared.ended();
        connections.spawn(async move {
            let mut connection = std::pin::pin!(connection.with_upgrades());
            tokio::select! {
                // A connection breaks because of the peer, or of a simulated fault.
                _ = connection.as_mut() => return,
                () = ended.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            connection.await.ok();
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
        if shared.with(|world| world.is_away()) {
            return Err(SimulatedCut);
        }
        let fault = shared.with(|world| world.faults.strike("GET", "/ws/events"));
        return stream(&shared, request, fault).await;
    }
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
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
        return Ok(respond(shared.with(|world| (moved, world.now()))));
    }
    if let Some(path) = path.strip_prefix("/_lab") {
        let request = super::routes::ApiRequest { path, ..request };
        return Ok(respond(shared.with(|world| (world.handle_lab(request), world.now()))));
    }
    let Some(path) = path.strip_prefix("/api/v1").filter(|path| path.starts_with('/')) else {
        let reply = outside(&path);
        return Ok(respond(shared.with(|world| (reply, world.now()))));
    };
    let request = super::routes::ApiRequest { path, ..request };
    let (is_away, crashes) = shared.with(|world| (world.is_away(), world.crashes()));
    if is_away {
        return Err(SimulatedCut);
    }
    let response = answer_or_fail(&shared, request).await?;
    // A crash loses the response that it happens in.
    if shared.with(|world| world.crashes()) == crashes { Ok(response) } else { Err(SimulatedCut) }
}

async fn answer_or_fail(
    shared: &SharedWorld,
    request: super::routes::ApiRequest<'_>,
) -> Result<Response<Body>, SimulatedCut> {
    let fault = shared.with(|world| world.faults.strike(request.method, request.path));
    let good = || respond(shared.with(|world| (world.handle(request), world.now())));
    let made_up = |reply| respond(shared.with(|world| (reply, world.now())));
    match fault {
        None => Ok(good()),
        // An accepted connection can no longer be refused, so it is closed.
        Some(Fault::Refuse | Fault::Drop) => Err(SimulatedCut),
        Some(Fault::LoseAnswer) => {
            good();
            Err(SimulatedCut)
        }
        Some(Fault::Truncate) => Ok(truncate(shared.with(|world| world.handle(request)))),
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

/// GARM's responses outside its API. The metrics need their own token (GARM.md §h) and agents that
/// of their runner. The simulated GitHub delivers webhooks directly; others are unsigned and
/// ignored.
fn outside(path: &str) -> ApiReply {
    let path = path.split_once('?').map_or(path, |parts| parts.0);
    match path.trim_end_matches('/') {
        "/metrics" | "/agent" => ApiReply::token_expired(),
        "/webhooks" => ApiReply::bare(200),
        path if path.starts_with("/webhooks/") => ApiReply::bare(200),
        _ => ApiReply::not_found(),
    }
}

/// The event stream, which needs the same token as the rest of the API.
async fn stream(
    shared: &Arc<SharedWorld>,
    request: Request<Incoming>,
    fault: Option<Fault>,
) -> Result<Response<Body>, SimulatedCut> {
    let made_up = |reply| respond(shared.with(|world| (reply, world.now())));
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
    Ok(match shared.with(|world| world.check_entry(authorization.as_deref())) {
        Ok(()) => super::websocket::upgrade(Arc::clone(shared), request),
        Err(refusal) => made_up(refusal.into()),
    })
}

/// The `Authorization` header, or the cookie that GARM accepts instead (GARM.md §g).
fn authorization(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|header| header.to_str().ok());
    if let Some(header) = text(header::AUTHORIZATION) {
        return Some(header.to_owned());
    }
    let cookies = text(header::COOKIE)?.split(';');
    let token = cookies.filter_map(|cookie| cookie.trim().strip_prefix("garm_token=")).next()?;
    Some(format!("Bearer {token}"))
}

/// Builds a response whose `Date` is the world's time.
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

/// Announces the whole length, sends half and breaks off.
fn truncate(reply: ApiReply) -> Response<Body> {
    let half = reply.body.len() / 2;
    let mut body = reply.body.into_bytes();
    let length = body.len();
    body.truncate(half);
    let first = futures_util::stream::iter([Ok(body)]);
    // The half must be sent before the connection breaks, or nothing arrives.
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
