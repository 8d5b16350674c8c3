//! The stores as processes of their own on free ports, and the stand-in for the API of Kubernetes.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::routing::any;
use serde_json::{Value, json};

use crate::service::stage::{Process, eventually, free_address, get, request};

/// A program of Debian's packages `etcd-server` and `postgresql`, which keeps its own outside PATH.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    folders
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("`{name}` is not there: `./test` installs it"))
}

/// A member of etcd.
pub(super) struct Etcd {
    folder: tempfile::TempDir,
    pub(super) address: SocketAddr,
    /// Serves `/health` without TLS.
    health: SocketAddr,
    scheme: &'static str,
    arguments: Vec<String>,
    process: Option<Process>,
}

impl Etcd {
    /// A member without others.
    pub(super) fn start() -> Self {
        let mut etcd = Self::new("http", "default", &[("default", free_address())]);
        etcd.begin();
        etcd
    }

    /// A member that requires client certificates of the CA in its folder.
    pub(super) fn start_with_tls() -> Self {
        let mut etcd = Self::new("https", "default", &[("default", free_address())]);
        super::tls::write_certificates(etcd.folder.path());
        let file = |name: &str| etcd.file(name).display().to_string();
        let files = [
            ("--cert-file", file("server.pem")),
            ("--key-file", file("server.key")),
            ("--trusted-ca-file", file("ca.pem")),
        ];
        etcd.arguments.push("--client-cert-auth".into());
        etcd.arguments.extend(files.into_iter().flat_map(|(name, file)| [name.into(), file]));
        etcd.begin();
        etcd
    }

    /// A member whose tokens are valid for so many seconds after their last use.
    pub(super) fn start_with_tokens_of(seconds: u32) -> Self {
        let mut etcd = Self::new("http", "default", &[("default", free_address())]);
        etcd.arguments.extend(["--auth-token-ttl".into(), seconds.to_string()]);
        etcd.begin();
        etcd
    }

    /// Three members.
    pub(super) fn start_cluster() -> [Self; 3] {
        let peers = ["m0", "m1", "m2"].map(|name| (name, free_address()));
        let mut members = peers.map(|(name, _)| Self::new("http", name, &peers));
        members.iter_mut().for_each(Self::spawn);
        members.iter().for_each(Self::until_healthy);
        members
    }

    fn new(scheme: &'static str, own: &str, peers: &[(&str, SocketAddr)]) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let health = if scheme == "http" { address } else { free_address() };
        let cluster: Vec<String> =
            peers.iter().map(|(name, peer)| format!("{name}=http://{peer}")).collect();
        let peer = peers.iter().find(|(name, _)| *name == own).unwrap().1;
        let (client, peer) = (format!("{scheme}://{address}"), format!("http://{peer}"));
        let mut arguments: Vec<String> = [
            ("--name", own),
            ("--listen-client-urls", &client),
            ("--advertise-client-urls", &client),
            ("--listen-peer-urls", &peer),
            ("--initial-advertise-peer-urls", &peer),
            ("--initial-cluster", &cluster.join(",")),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
        .collect();
        if health != address {
            arguments.extend(["--listen-metrics-urls".into(), format!("http://{health}")]);
        }
        Self { folder, address, health, scheme, arguments, process: None }
    }

    pub(super) fn begin(&mut self) {
        self.spawn();
        self.until_healthy();
    }

    fn spawn(&mut self) {
        let child = Command::new(program("etcd"))
            .arg("--data-dir")
            .arg(self.folder.path().join("data"))
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(Process(child.unwrap()));
    }

    fn until_healthy(&self) {
        eventually("etcd", || get(self.health, "/health")?.1.contains("true").then_some(()));
    }

    /// Whether it is the leader of its cluster.
    pub(super) fn is_leader(&self) -> bool {
        let (_, page) = get(self.health, "/metrics").unwrap();
        page.lines().any(|line| line == "etcd_server_is_leader 1")
    }

    /// Posts to its JSON gateway.
    pub(super) fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = request(self.address, "POST", path, &body.to_string()).unwrap();
        assert_eq!(status, 200, "{path}: {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// Posts with the token of a login.
    pub(super) fn post_as(&self, token: &str, path: &str, body: &Value) {
        let body = body.to_string();
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n");
        let length = body.len();
        let rest = format!("Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        stream.write_all(format!("{head}{rest}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// A file of its folder.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn stop(&mut self) {
        drop(self.process.take());
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }
}

/// A PostgreSQL with TLS, and the user `runnerctl` with a password.
pub(super) struct Postgres {
    folder: tempfile::TempDir,
    pub(super) address: SocketAddr,
    /// The user that the server runs as, if the tests run as root, which it refuses.
    owner: Option<(u32, u32)>,
    process: Option<Process>,
}

pub(super) const PASSWORD: &str = "correct-horse";

impl Postgres {
    pub(super) fn start() -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let owner = owner();
        let data = folder.path().join("data");
        let password = folder.path().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        super::tls::write_certificates(folder.path());
        let own = |path: &Path| {
            if let Some((user, group)) = owner {
                chown(path, Some(user), Some(group)).unwrap();
            }
        };
        own(folder.path());
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            own(&entry.unwrap().path());
        }
        let mut server = Self { folder, address, owner, process: None };
        let made = server
            .command("initdb")
            .args(["--auth", "scram-sha-256", "--username", "runnerctl", "--no-sync", "--pwfile"])
            .arg(&password)
            .arg("--pgdata")
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.begin();
        server
    }

    pub(super) fn begin(&mut self) {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let (certificate, key) = (file("server.pem"), file("server.key"));
        let child = self
            .command("postgres")
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.address.port().to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "ssl=on"])
            .args(["-c", &format!("ssl_cert_file={certificate}")])
            .args(["-c", &format!("ssl_key_file={key}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(Process(child));
        eventually("PostgreSQL", || {
            let ready = self
                .command("pg_isready")
                .args(["-h", "127.0.0.1", "-p", &self.address.port().to_string(), "-q"])
                .status()
                .unwrap();
            ready.success().then_some(())
        });
    }

    /// Stops it as an administrator does who does not wait for clients.
    pub(super) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.end("-INT");
        }
    }

    pub(super) fn url(&self, address: SocketAddr) -> String {
        format!("postgresql://runnerctl:{PASSWORD}@{address}/postgres")
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command.current_dir(self.folder.path());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

/// The user `postgres` of the package, if this is root.
fn owner() -> Option<(u32, u32)> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:")).unwrap();
    let field = |at: usize| line.split(':').nth(at).unwrap().parse().unwrap();
    Some((field(2), field(3)))
}

/// The Leases of one namespace, with optimistic locking as in Kubernetes.
#[derive(Clone)]
pub(super) struct LeaseApi {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<LeaseState>>,
}

struct LeaseState {
    leases: BTreeMap<String, Value>,
    version: u64,
    token: String,
    /// The status of the next answer instead of the true one.
    refuse: Option<u16>,
    asked: Vec<String>,
}

pub(super) const TOKEN: &str = "service-account-1";

impl LeaseApi {
    /// Serves until the process of the tests ends.
    pub(super) fn start() -> Self {
        let state = LeaseState {
            leases: BTreeMap::new(),
            version: 41,
            token: TOKEN.into(),
            refuse: None,
            asked: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let router = Router::new().fallback(any(answer)).with_state(Arc::clone(&state));
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { address, state }
    }

    /// Accepts only this token from now on.
    pub(super) fn rotate(&self, token: &str) {
        self.state.lock().unwrap().token = token.into();
    }

    pub(super) fn refuse_once(&self, status: u16) {
        self.state.lock().unwrap().refuse = Some(status);
    }

    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    pub(super) fn lease(&self, name: &str) -> Value {
        self.state.lock().unwrap().leases[name].clone()
    }
}

const COLLECTION: &str = "/apis/coordination.k8s.io/v1/namespaces/ci/leases";

async fn answer(
    State(state): State<Arc<Mutex<LeaseState>>>,
    (method, uri): (Method, Uri),
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let mut state = state.lock().unwrap();
    let failure = |status: StatusCode| {
        (status, json!({ "kind": "Status", "message": status.canonical_reason() }).to_string())
    };
    state.asked.push(format!("{method} {}", uri.path()));
    if let Some(status) = state.refuse.take() {
        return failure(StatusCode::from_u16(status).unwrap());
    }
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok());
    if bearer != Some(&format!("Bearer {}", state.token)) {
        return failure(StatusCode::UNAUTHORIZED);
    }
    let name = uri.path().strip_prefix(COLLECTION).map(|rest| rest.trim_start_matches('/'));
    let sent: Option<Value> = serde_json::from_slice(&body).ok();
    let own = sent.as_ref().and_then(|sent| sent["metadata"]["name"].as_str());
    let Some(name) = name.and_then(|name| if name.is_empty() { own } else { Some(name) }) else {
        return failure(StatusCode::BAD_REQUEST);
    };
    let (name, stored) = (name.to_owned(), state.leases.get(name).cloned());
    let version = |lease: &Value| lease["metadata"]["resourceVersion"].clone();
    match (method.as_str(), sent, stored) {
        ("GET", _, Some(stored)) => (StatusCode::OK, stored.to_string()),
        ("GET" | "PUT", _, None) => failure(StatusCode::NOT_FOUND),
        ("POST", Some(_), Some(_)) => failure(StatusCode::CONFLICT),
        ("PUT", Some(sent), Some(stored)) if version(&sent) != version(&stored) => {
            failure(StatusCode::CONFLICT)
        }
        ("POST" | "PUT", Some(mut sent), _) => {
            state.version += 1;
            sent["metadata"]["resourceVersion"] = json!(state.version.to_string());
            state.leases.insert(name, sent.clone());
            (StatusCode::CREATED, sent.to_string())
        }
        _ => failure(StatusCode::BAD_REQUEST),
    }
}
