//! The HTTP listener: accepts connections, performs TLS handshakes and responds, within limits of
//! number and time.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::certificates::Certificates;
use super::connections::{ConnectionSlot, ConnectionTable, NoSlot};
use super::process::ProcessMetrics;
use super::routes;

pub use super::connections::SILENT_MAX;

/// How long a TLS handshake may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the head of a request may take. A connection carries a single request, so there is no
/// idle timeout.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum lifetime of a connection, because a peer that does not read must not occupy a slot
/// forever.
pub const LIFE: Duration = Duration::from_secs(60);

/// How long a response in progress may still take after its connection was asked to close.
pub const GRACE: Duration = Duration::from_secs(5);

/// The pause after the system failed to accept a connection, for example because file descriptors
/// ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The parts of the listener.
pub struct MetricsServer {
    /// The socket from [`super::bind`].
    pub listener: TcpListener,
    pub metrics: Arc<ProcessMetrics>,
    /// The certificates for TLS; absent for plain HTTP.
    pub certificates: Option<Arc<Certificates>>,
}

type PageService = TowerToHyperService<axum::Router>;

/// Serves until `stop`. Then it stops accepting, gives responses in progress [`GRACE`] to finish,
/// and returns when every connection is closed.
pub async fn serve(door: MetricsServer, stop: CancellationToken) {
    let places = Arc::new(ConnectionTable::default());
    let tasks = TaskTracker::new();
    let pages = TowerToHyperService::new(routes::router(Arc::clone(&door.metrics)));
    loop {
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&door.listener) => accepted,
        };
        let place = places.admit(peer.ip());
        let config = door.certificates.as_ref().map(|certificates| certificates.current());
        let (pages, stop) = (pages.clone(), stop.clone());
        tasks.spawn(async move {
            // Without this option, a response in many small segments would wait for the peer's
            // delayed acknowledgements. A socket that refuses the option still works.
            let _ = stream.set_nodelay(true);
            let Some(config) = config else { return connection(stream, place, pages, stop).await };
            let handshake = timeout(HANDSHAKE_TIMEOUT, TlsAcceptor::from(config).accept(stream));
            let shaken = tokio::select! {
                shaken = handshake => shaken,
                () = place.closing.cancelled() => return,
            };
            // A failed handshake needs no response: rustls has sent a TLS alert.
            if let Ok(Ok(stream)) = shaken {
                connection(stream, place, pages, stop).await;
            }
        });
    }
    drop(door.listener);
    tasks.close();
    tasks.wait().await;
}

/// Accepts the next connection. Cancel safe.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // This peer has already disconnected; another one may be waiting.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection<S>(
    stream: S,
    place: ConnectionSlot,
    pages: PageService,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let place = Arc::new(place);
    let service = service_fn(|request| answer(request, Arc::clone(&place), pages.clone()));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            // An idle connection would occupy a slot, and a new connection is cheap.
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service)
    );
    // An error is ignored: the peer disconnected or did not send HTTP.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = place.closing.cancelled() => return,
        () = stop.cancelled() => {}
        () = sleep(LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(GRACE, connection).await;
}

async fn answer(
    request: Request<Incoming>,
    place: Arc<ConnectionSlot>,
    pages: PageService,
) -> Result<Response, Infallible> {
    match place.asks(routes::phase(request.uri().path())) {
        Ok(()) => pages.call(request).await,
        Err(NoSlot) => Ok(routes::busy()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::*;
    use crate::metrics::state::{HealthLimits, MetricsState};

    /// A served connection without a socket, so that the tests can pause time.
    fn served(room: usize) -> (DuplexStream, CancellationToken, JoinHandle<()>) {
        let state = MetricsState::new(HealthLimits::of(Duration::from_secs(30)));
        let metrics = ProcessMetrics::new("acme".into());
        metrics.insert(None, Arc::new(state));
        let pages = TowerToHyperService::new(routes::router(Arc::new(metrics)));
        let (ours, theirs) = duplex(room);
        let stop = CancellationToken::new();
        let place = Arc::new(ConnectionTable::default()).admit([127, 0, 0, 1].into());
        let task = tokio::spawn(connection(theirs, place, pages, stop.clone()));
        (ours, stop, task)
    }

    const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

    #[tokio::test(start_paused = true)]
    async fn an_incomplete_head_keeps_its_place_for_five_seconds() {
        let began = Instant::now();
        let (mut peer, _stop, task) = served(1 << 16);
        peer.write_all(&REQUEST[..20]).await.unwrap();
        task.await.unwrap();
        assert_eq!(began.elapsed().as_secs(), HEAD_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_is_disconnected_after_the_lifetime() {
        let began = Instant::now();
        let (mut peer, _stop, task) = served(64);
        peer.write_all(REQUEST).await.unwrap();
        task.await.unwrap();
        assert_eq!(began.elapsed().as_secs(), (LIFE + GRACE).as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_in_progress_ends_before_its_connection() {
        let (mut peer, stop, task) = served(64);
        peer.write_all(REQUEST).await.unwrap();
        let mut start = [0; 15];
        peer.read_exact(&mut start).await.unwrap();
        stop.cancel();
        let mut rest = String::new();
        peer.read_to_string(&mut rest).await.unwrap();
        assert!(rest.ends_with("\r\n\r\nok\n"), "{rest}");
        task.await.unwrap();
    }
}
