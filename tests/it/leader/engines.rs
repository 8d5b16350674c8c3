//! The stores as processes of their own on free ports, and the stand-in for the API of Kubernetes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
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

use crate::service::stage::{Process, eventually, free_address, get};

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

/// A member of etcd without peers.
pub(super) struct Etcd {
    folder: tempfile::TempDir,
    pub(super) address: SocketAddr,
    peer: SocketAddr,
    process: Option<Process>,
}

impl Etcd {
    pub(super) fn start() -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let mut etcd = Self { folder, address, peer: free_address(), process: None };
        etcd.begin();
        etcd
    }

    pub(super) fn begin(&mut self) {
        let (client, peer) = (format!("http://{}", self.address), format!("http://{}", self.peer));
        let child = Command::new(program("etcd"))
            .arg("--data-dir")
            .arg(self.folder.path())
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(Process(child.unwrap()));
        eventually("etcd", || get(self.address, "/health")?.1.contains("true").then_some(()));
    }

    pub(super) fn stop(&mut self) {
        drop(self.process.take());
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
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
        super::tls::write_server_certificate(folder.path());
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
