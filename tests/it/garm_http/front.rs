//! `deploy/nginx/garm.conf` under a real nginx, with the simulated GARM behind it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use runnerctl::domain::entity::EntityKind;
use runnerctl::domain::pool::PoolSpec;
use runnerctl::domain::proof::{Attempt, Proof};
use runnerctl::garm::events::{Limits, Signal};
use runnerctl::garm::probe::{Doors, prove};
use runnerctl::manifest::{CertFiles, GarmSettings, TlsFiles};
use runnerctl::sim::http::Server;
use runnerctl::sim::{Config, World};
use serde_json::json;
use tempfile::TempDir;

use super::events::PATIENCE;
use super::*;
use crate::rig::plain;

pub(super) const CONFIGURATION: &str = include_str!("../../../deploy/nginx/garm.conf");

/// GARM behind nginx, and the certificates of everybody.
pub(crate) struct Front {
    pub(super) url: String,
    pub(super) operators: Authority,
    pub(super) runners: Authority,
    pub(super) servers: Authority,
    folder: TempDir,
    nginx: Child,
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

impl Front {
    pub(crate) async fn open() -> Self {
        let address = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(address, World::new(Config::default()), 1).await.unwrap();
        let garm = server.address();
        let port = free_port().await;
        let url = format!("https://127.0.0.1:{port}");
        put_urls(&server.shared().with(World::admin_token), garm, &url, &server).await;
        tokio::spawn(server.serve(std::future::pending()));
        Self::before(garm, port, CONFIGURATION).await
    }

    /// nginx with this configuration before something that stands for GARM.
    pub(super) async fn before(garm: SocketAddr, port: u16, configuration: &str) -> Self {
        let url = format!("https://127.0.0.1:{port}");
        let [operators, runners, servers] = [(); 3].map(|()| Authority::new());
        let folder = tempfile::tempdir().unwrap();
        let text =
            adapted(configuration, folder.path(), port, garm, [&operators, &runners, &servers]);
        let nginx = start(folder.path(), &text);
        let front = Self { url, operators, runners, servers, folder, nginx };
        front.until_it_answers().await;
        front
    }

    fn port(&self) -> u16 {
        self.url.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// Writes a fleet file that leads here, its password beside it, with pools of the simulated
    /// GARM's entity.
    pub(crate) fn describe(&self, fleet_file: &Path, listen: SocketAddr) {
        let (cert, key) = self.operators.sign("operator", &CLIENT);
        let ca = self.servers.path("ca.pem");
        let password = fleet_file.with_extension("password");
        fs::write(&password, Config::default().password).unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        let text = format!(
            "fleet: acme\n\
             garm:\n  url: {}\n  password: file:{}\n  tls: {{ ca: {}, cert: {}, key: {} }}\n\
             controller:\n  minimum_job_age_backoff: 5m\n\
             defaults: {{ organization: acme, provider: sim, image: ubuntu }}\n\
             watch:\n  listen: {listen}\n  resync: 5s\n  audit: audit.jsonl\n",
            self.url,
            password.display(),
            ca.display(),
            cert.display(),
            key.display()
        );
        fs::write(fleet_file, text).unwrap();
    }

    /// Signs the operator's certificate of [`Self::describe`] anew, in the same files, until this
    /// year.
    pub(crate) fn renew(&self, until: i32) {
        self.operators.sign("operator", &Wanted { name: "operator", years: (2020, until) });
    }

    /// The same front, but for what it asks: nothing.
    pub(crate) async fn leave_open(&mut self) {
        let configured = self.folder.path().join("nginx.conf");
        let text = fs::read_to_string(&configured).unwrap();
        fs::write(self.folder.path().join("shut.conf"), &text).unwrap();
        let asks = |it: &str| it.starts_with("if ($") || it.starts_with("ssl_verify_client ");
        let open: Vec<&str> = text.lines().filter(|it| !asks(it.trim_start())).collect();
        assert_eq!(text.lines().count() - open.len(), 9);
        fs::write(&configured, open.join("\n")).unwrap();
        self.restart().await;
    }

    /// The front as it is shipped again.
    pub(crate) async fn shut(&mut self) {
        let folder = self.folder.path();
        fs::rename(folder.join("shut.conf"), folder.join("nginx.conf")).unwrap();
        self.restart().await;
    }

    async fn restart(&mut self) {
        self.nginx.kill().unwrap();
        self.nginx.wait().unwrap();
        self.nginx = run(self.folder.path());
        self.until_it_answers().await;
    }

    /// Polls an outside process to a deadline.
    async fn until_it_answers(&self) {
        let port = self.port();
        let end = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let log = fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default();
            assert!(Instant::now() < end, "nginx does not answer: {log}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn files(&self, client: Option<(PathBuf, PathBuf)>) -> tls::Files {
        let (cert, key) = client.unzip();
        tls::Files { ca: Some(self.servers.path("ca.pem")), cert, key }
    }

    fn client(&self, certificate: Option<(PathBuf, PathBuf)>) -> Client {
        let options = options(self.url.clone(), self.files(certificate));
        let password = SecretString::from(Config::default().password);
        Client::new(Arc::new(Http::new(&options).unwrap()), Login::new("admin", password))
    }

    /// The status of a request with this certificate.
    async fn status(&self, certificate: &(PathBuf, PathBuf), method: &str, path: &str) -> u16 {
        let pem = [&certificate.0, &certificate.1].map(|it| fs::read_to_string(it).unwrap());
        let ca = fs::read(self.servers.path("ca.pem")).unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .identity(reqwest::Identity::from_pem(pem.concat().as_bytes()).unwrap())
            .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()])
            .build()
            .unwrap();
        let method = method.parse().unwrap();
        let request = client.request(method, format!("{}{path}", self.url));
        request.send().await.unwrap().status().as_u16()
    }
}

/// Tells the simulated GARM that it is reached through the front.
async fn put_urls(token: &str, garm: SocketAddr, url: &str, server: &Server) {
    let body = json!({
        "callback_url": format!("{url}/api/v1/callbacks"),
        "metadata_url": format!("{url}/api/v1/metadata"),
    });
    let authorization = format!("Bearer {token}");
    let reply = server.shared().with(|it| {
        it.handle(runnerctl::sim::Request {
            method: "PUT",
            path: "/controller",
            authorization: Some(&authorization),
            body: body.to_string().as_bytes(),
        })
    });
    assert_eq!(reply.status, 200, "{garm}: {}", reply.body);
}

/// Free a moment ago: nginx has no way to choose one and tell which.
pub(super) async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// The shipped configuration with only the values changed that it says are to be adapted.
fn adapted(
    configuration: &str,
    folder: &Path,
    port: u16,
    garm: SocketAddr,
    cas: [&Authority; 3],
) -> String {
    let [operators, runners, servers] = cas;
    let (cert, key) = servers.sign("server", &SERVER);
    let ca = |it: &Authority| fs::read_to_string(it.path("ca.pem")).unwrap();
    fs::write(folder.join("client-cas.pem"), ca(operators) + &ca(runners)).unwrap();
    let shown = |it: PathBuf| it.to_str().unwrap().to_owned();
    let issuer = |it: &Authority| format!("CN=CA {}", it.folder.path().display());
    let mut text = configuration.to_owned();
    for (from, to) in [
        ("127.0.0.1:9997;", format!("{garm};")),
        ("listen 443 ssl;", format!("listen 127.0.0.1:{port} ssl;")),
        ("listen [::]:443 ssl;", String::new()),
        ("/etc/nginx/garm/server.pem", shown(cert)),
        ("/etc/nginx/garm/server.key", shown(key)),
        ("/etc/nginx/garm/client-cas.pem", shown(folder.join("client-cas.pem"))),
        ("CN=GARM operators CA", issuer(operators)),
        ("CN=GARM runners CA", issuer(runners)),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text = text.replace(from, &to);
    }
    text
}

fn start(folder: &Path, text: &str) -> Child {
    let at = folder.display();
    let main = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;\n\
         events {{}}\n\
         http {{ access_log off; client_body_temp_path {at}/b; proxy_temp_path {at}/p;\n\
         fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n{text}}}\n"
    );
    fs::write(folder.join("nginx.conf"), main).unwrap();
    run(folder)
}

fn run(folder: &Path) -> Child {
    // Debian keeps it where only root's PATH leads.
    let program =
        ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].iter().find(|it| Path::new(it).exists());
    Command::new(program.unwrap_or(&"nginx"))
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(folder.join("nginx.conf"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nginx is needed: `./test` installs it")
}

#[tokio::test]
async fn an_operator_reaches_the_api_and_hears_events() {
    let front = Front::open().await;
    let client = Arc::new(front.client(Some(front.operators.sign("operator", &CLIENT))));
    assert_eq!(client.pools().await.unwrap(), []);
    let mut feed = client.events(Limits::default());
    let signal = tokio::time::timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
    assert_eq!(signal, Signal::Connected);
}

#[tokio::test]
async fn without_a_certificate_the_refusal_says_what_is_missing() {
    let front = Front::open().await;
    let error = front.client(None).pools().await.unwrap_err();
    assert_eq!(error.kind, Kind::ClientCertificate, "{}", words(&error));
    let shown = words(&error).replace(&front.url, "URL");
    assert!(shown.contains("garm.tls"), "{shown}");
}

#[tokio::test]
async fn each_kind_of_certificate_opens_its_own_doors_only() {
    let front = Front::open().await;
    let operator = front.operators.sign("operator", &CLIENT);
    let runner = front.runners.sign("runner", &CLIENT);
    let stranger = Authority::new();
    let foreign = stranger.sign("stranger", &CLIENT);
    let doors = [
        // method, path, operator, runner, stranger
        ("GET", "/api/v1/controller-info", true, false, false),
        ("GET", "/api/v1/pools", true, false, false),
        ("DELETE", "/api/v1/instances/x", true, false, false),
        ("GET", "/api/v1/ws/events", true, false, false),
        ("POST", "/api/v1/callbacks/status", false, true, false),
        ("GET", "/api/v1/metadata/runner-registration-token", false, true, false),
        ("GET", "/ui/", false, false, false),
        ("GET", "/", false, false, false),
        // Whoever shows a bad certificate is refused even where none is needed.
        ("POST", "/webhooks/1", true, true, false),
        ("GET", "/webhooks/1", false, false, false),
        // Tricks with the path lead to the same doors.
        ("GET", "/api/v1/callbacks/../pools", true, false, false),
        ("GET", "/api/v1//pools", true, false, false),
        ("GET", "/api/v1/metadata/%2e%2e/pools", true, false, false),
    ];
    for (method, path, for_operator, for_runner, for_stranger) in doors {
        for (who, certificate, is_open) in [
            ("operator", &operator, for_operator),
            ("runner", &runner, for_runner),
            ("stranger", &foreign, for_stranger),
        ] {
            let status = front.status(certificate, method, path).await;
            // nginx's own refusals; the simulated GARM says neither to such requests.
            let is_refused = matches!(status, 400 | 403);
            assert_eq!(!is_refused, is_open, "{who}: {method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn the_front_is_proven_to_enforce_mtls() {
    let front = Front::open().await;
    let files = |(cert, key)| CertFiles { cert, key };
    let operator = files(front.operators.sign("operator", &CLIENT));
    let garm = GarmSettings {
        url: front.url.clone(),
        username: "admin".into(),
        password: runnerctl::domain::secret::SecretRef::Env("P".into()),
        tls: Some(TlsFiles {
            ca: Some(front.servers.path("ca.pem")),
            client: Some(operator.clone()),
        }),
        backend: Vec::new(),
        probe_runner_cert: Some(files(front.runners.sign("runner", &CLIENT))),
    };
    let client = front.client(Some((operator.cert, operator.key)));
    let controller = client.controller().await.unwrap().0;
    let probes = prove(&Doors::of(&garm, &controller)).await.unwrap();
    assert_eq!(Proof::of(&probes), Proof::Enforced, "{probes:#?}");
    let wrong: Vec<_> =
        probes.iter().filter(|it| it.attempt == Attempt::WrongKind).map(|it| it.place).collect();
    assert_eq!(wrong, ["callbacks", "metadata", "API", "event stream"]);
    assert_eq!(probes.len(), 20, "four doors, five ways: {probes:#?}");
}

#[tokio::test]
async fn a_certificate_is_renewed_under_a_stream_that_goes_on() {
    let front = Front::open().await;
    let operator = front.operators.sign("operator", &CLIENT);
    let mine = front.operators.sign("mine", &CLIENT);
    let files = front.files(Some(mine.clone()));
    let http = Arc::new(Http::new(&options(front.url.clone(), files.clone())).unwrap());
    let login = || Login::new("admin", SecretString::from(Config::default().password));
    let client = Client::new(Arc::<Http>::clone(&http), login());
    let mut feed = client.events(Limits::default());
    let signal = tokio::time::timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
    assert_eq!(signal, Signal::Connected);

    let put = |(cert, key): (PathBuf, PathBuf)| {
        fs::copy(cert, &mine.0).unwrap();
        fs::copy(key, &mine.1).unwrap();
        http.renew(&files, Timestamp::UNIX_EPOCH + SignedDuration::from_hours(500_000))
    };
    let before = files.digest();
    put(front.runners.sign("runner", &CLIENT)).unwrap();
    assert_ne!(files.digest(), before);
    client.pools().await.expect_err("a runner's certificate opens no API");

    // Half of a renewal: what was in force stays in force.
    fs::copy(&operator.0, &mine.0).unwrap();
    let error = http.renew(&files, Timestamp::UNIX_EPOCH).unwrap_err();
    assert!(error.got.contains("the key is of another certificate"), "{error}");
    client.pools().await.unwrap_err();

    put(operator).unwrap();
    let entity = client.entities(EntityKind::Organization).await.unwrap().remove(0).key;
    client.create_pool(&entity, &pool_spec()).await.unwrap();
    let signal = tokio::time::timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
    assert!(matches!(signal, Signal::Changes(_)), "the same stream: {signal:?}");
}

fn pool_spec() -> PoolSpec {
    let labels = ["x".to_owned()].into_iter().collect();
    PoolSpec { image: "ubuntu".into(), enabled: false, ..plain("x", labels, (0, 1)) }
}
