//! The pages over real sockets, without and with TLS.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use reqwest::{Certificate, Client, Identity, StatusCode};
use runnerctl::config::{CertFiles, ListenerTls};
use runnerctl::garm::ErrorKind;
use runnerctl::metrics::serve::{HEAD_TIMEOUT, SILENT_MAX};
use runnerctl::metrics::{
    Certificates, HealthLimits, MetricsServer, MetricsState, ProcessMetrics, bind, serve,
};
use serde_json::{Number, Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::script;

/// A listener that serves until it is stopped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Arc<MetricsState>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn start(certificates: Option<Arc<Certificates>>) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), certificates).await
    }

    pub(crate) async fn start_at(
        address: SocketAddr,
        certificates: Option<Arc<Certificates>>,
    ) -> Self {
        Self::start_with(address, certificates, script::metrics()).await
    }

    /// A listener whose loop made its last pass too long ago.
    pub(crate) async fn hung() -> Self {
        let limits = HealthLimits { turn: Duration::ZERO };
        Self::start_with("127.0.0.1:0".parse().unwrap(), None, MetricsState::new(limits)).await
    }

    async fn start_with(
        address: SocketAddr,
        certificates: Option<Arc<Certificates>>,
        metrics: MetricsState,
    ) -> Self {
        let listener = bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Arc::new(metrics);
        let stop = CancellationToken::new();
        let process = ProcessMetrics::new("acme".into());
        process.insert(None, Arc::clone(&metrics));
        let door = MetricsServer { listener, metrics: Arc::new(process), certificates };
        let task = tokio::spawn(serve(door, stop.clone()));
        Self { address, metrics, stop, task }
    }

    /// Stops the listener, and returns when every connection is closed.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn page(client: &Client, url: &str) -> (StatusCode, String) {
    let response = client.get(url).send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

#[tokio::test]
async fn the_pages_and_nothing_else_are_answered() {
    let served = Served::start(None).await;
    let client = Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("http://{}{path}", served.address);
    let not_read = (StatusCode::SERVICE_UNAVAILABLE, "GARM has not been read yet\n".to_owned());
    assert_eq!(page(&client, &url("/readyz")).await, not_read);
    let undecided = (StatusCode::SERVICE_UNAVAILABLE, "nothing has been decided yet\n".to_owned());
    assert_eq!(page(&client, &url("/decisions")).await, undecided);

    script::publish(&served.metrics);
    served.metrics.explain(Arc::new(|| json!({ "decisions": [{ "pool": "default" }] })));
    assert_eq!(page(&client, &url("/readyz")).await, (StatusCode::OK, "ready\n".to_owned()));
    assert_eq!(page(&client, &url("/healthz")).await, (StatusCode::OK, "ok\n".to_owned()));
    let (status, text) = page(&client, &url("/decisions")).await;
    assert_eq!(status, StatusCode::OK);
    let decisions: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(decisions["decisions"][0]["pool"], "default");

    let response = client.get(url("/metrics")).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(response.text().await.unwrap().contains("queue_depth{pool=\"default\"} 3\n"));

    let response = client.head(url("/metrics")).send().await.unwrap();
    assert_eq!((response.status(), response.text().await.unwrap()), (StatusCode::OK, "".into()));
    let response = client.post(url("/metrics")).body("x").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    let list = "there are /, /pools/NAME, /metrics, /healthz, /readyz and /decisions\n";
    for path in ["/metrics/", "/debug/pprof", "/../etc/passwd", "/pools", "/pools/", "/pools/a/b"] {
        let expected = (StatusCode::NOT_FOUND, list.to_owned());
        assert_eq!(page(&client, &url(path)).await, expected, "{path}");
    }
    served.end().await;
}

#[tokio::test]
async fn an_idle_connection_does_not_delay_the_shutdown() {
    let served = Served::start(None).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut start = [0; 15];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    let address = served.address;
    served.end().await;
    assert!(TcpStream::connect(address).await.is_err(), "nothing listens");
}

/// The status line of a response over plain HTTP.
async fn status_line(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn silent_connections_block_neither_health_nor_pages() {
    let authority = Authority::new();
    let files = ListenerTls { server: authority.server(), client_ca: None };
    for certificates in [None, Some(Arc::new(Certificates::read(&files).unwrap()))] {
        let is_plain = certificates.is_none();
        let served = Served::start(certificates).await;
        let mut silent = Vec::new();
        for n in 0..4 * SILENT_MAX {
            let mut stream = TcpStream::connect(served.address).await.unwrap();
            if n % 2 == 0 {
                stream.write_all(b"GET /heal").await.unwrap();
            }
            silent.push(stream);
        }
        // This is much less than the five seconds after which an idle peer is disconnected anyway.
        let began = Instant::now();
        for path in ["/healthz", "/metrics"] {
            if is_plain {
                assert_eq!(status_line(served.address, path).await, "HTTP/1.1 200 OK");
            } else {
                let url = format!("https://{}{path}", served.address);
                assert_eq!(page(&authority.client(None), &url).await.0, StatusCode::OK);
            }
        }
        assert!(began.elapsed() < HEAD_TIMEOUT, "{:?}", began.elapsed());
        drop(silent);
        served.end().await;
    }
}

/// A large page occupies its slot until the peer has read it.
#[tokio::test]
async fn slow_readers_of_pages_do_not_block_health_checks() {
    let served = Served::start(None).await;
    script::publish(&served.metrics);
    // More than the kernel buffers for a peer with a small window. A number is copied, while each
    // letter of a string is checked: eight pages of letters took longer than a page keeps its place.
    let large = Value::Number(Number::from_string_unchecked("1".repeat(6 << 20)));
    served.metrics.explain(Arc::new(move || large.clone()));
    let mut slow = Vec::new();
    for _ in 0..8 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(served.address).await.unwrap();
        stream.write_all(b"GET /decisions HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut start = [0; 15];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200 OK");
        slow.push(stream);
    }
    assert_eq!(status_line(served.address, "/healthz").await, "HTTP/1.1 200 OK");
    let busy = status_line(served.address, "/metrics").await;
    assert_eq!(busy, "HTTP/1.1 503 Service Unavailable");
    drop(slow.pop());
    let end = Instant::now() + Duration::from_secs(20);
    while status_line(served.address, "/metrics").await == busy {
        assert!(Instant::now() < end, "the place of a reader that has gone is free again");
    }
    drop(slow);
    served.end().await;
}

/// A CA and the certificates that it signs, as files.
pub(super) struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("ca.pem"), &pem).unwrap();
        Self { folder, issuer: Issuer::new(params, key), pem }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate and its key in PEM, for `127.0.0.1`.
    fn sign(&self, purpose: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    pub(super) fn server(&self) -> CertFiles {
        self.files("server", ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(super) fn operator(&self) -> CertFiles {
        self.files("operator", ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn files(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> CertFiles {
        let (cert, key) = self.sign(purpose);
        let path = |end: &str| self.path(&format!("{name}.{end}"));
        let files = CertFiles { cert: path("pem"), key: path("key") };
        fs::write(&files.cert, cert).unwrap();
        fs::write(&files.key, key).unwrap();
        files
    }

    /// A client that trusts this CA, with a certificate that `signer` has signed.
    fn client(&self, signer: Option<&Self>) -> Client {
        let root = Certificate::from_pem(self.pem.as_bytes()).unwrap();
        let builder = Client::builder().no_proxy().tls_certs_only([root]);
        let builder = match signer.map(|it| it.sign(ExtendedKeyUsagePurpose::ClientAuth)) {
            Some((cert, key)) => {
                builder.identity(Identity::from_pem((cert + &key).as_bytes()).unwrap())
            }
            None => builder,
        };
        builder.build().unwrap()
    }
}

#[tokio::test]
async fn tls_serves_the_same_page_and_plain_http_gets_no_response() {
    let authority = Authority::new();
    let files = ListenerTls { server: authority.server(), client_ca: None };
    let certificates = Arc::new(Certificates::read(&files).unwrap());
    let served = Served::start(Some(certificates)).await;
    let url = format!("https://{}/healthz", served.address);
    assert_eq!(page(&authority.client(None), &url).await, (StatusCode::OK, "ok\n".to_owned()));
    let plain = format!("http://{}/healthz", served.address);
    assert!(authority.client(None).get(plain).send().await.is_err());
    let stranger = Authority::new();
    assert!(stranger.client(None).get(&url).send().await.is_err(), "not its authority");
    served.end().await;
}

#[tokio::test]
async fn with_a_client_ca_only_its_certificates_are_accepted() {
    let (authority, operators) = (Authority::new(), Authority::new());
    let files =
        ListenerTls { server: authority.server(), client_ca: Some(operators.path("ca.pem")) };
    let served = Served::start(Some(Arc::new(Certificates::read(&files).unwrap()))).await;
    super::page::serve_names(&served.metrics);
    for path in ["/metrics", "/", "/pools/web"] {
        let url = format!("https://{}{path}", served.address);
        let (status, _) = page(&authority.client(Some(&operators)), &url).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(authority.client(None).get(&url).send().await.is_err(), "none: {path}");
        let wrong = authority.client(Some(&authority));
        assert!(wrong.get(&url).send().await.is_err(), "another authority's: {path}");
    }
    served.end().await;
}

#[tokio::test]
async fn certificates_are_reloaded_and_an_invalid_file_changes_nothing() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = |authority: &Authority| ListenerTls { server: authority.server(), client_ca: None };
    let certificates = Arc::new(Certificates::read(&files(&old)).unwrap());
    let served = Served::start(Some(Arc::clone(&certificates))).await;
    let url = format!("https://{}/healthz", served.address);
    assert_eq!(page(&old.client(None), &url).await.0, StatusCode::OK);

    let mut mixed = files(&new);
    mixed.server.key = old.path("server.key");
    let error = certificates.reload(&mixed).unwrap_err();
    assert_eq!(
        (error.kind, error.got),
        (ErrorKind::Input, "the key belongs to another certificate".into())
    );
    assert_eq!(page(&old.client(None), &url).await.0, StatusCode::OK);

    certificates.reload(&files(&new)).unwrap();
    assert_eq!(page(&new.client(None), &url).await.0, StatusCode::OK);
    assert!(old.client(None).get(&url).send().await.is_err());
    served.end().await;
}

#[test]
fn invalid_files_are_reported_with_their_setting() {
    let authority = Authority::new();
    let server = authority.server();
    let error = |files: ListenerTls| {
        let error = Certificates::read(&files).unwrap_err();
        error.to_string().replace(authority.folder.path().to_str().unwrap(), "DIR")
    };
    let key = CertFiles { cert: server.key.clone(), key: server.key.clone() };
    assert_eq!(
        error(ListenerTls { server: key, client_ca: None }),
        "read `watch.tls.cert` from `DIR/server.key`: it contains a key and no certificate"
    );
    let absent = Some(authority.path("absent.pem"));
    assert_eq!(
        error(ListenerTls { server, client_ca: absent }),
        "read `watch.tls.client_ca` from `DIR/absent.pem`: No such file or directory (os error 2)"
    );
}
