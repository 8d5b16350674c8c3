//! The reverse proxy configurations in `deploy/`, under a real nginx and a real HAProxy with the
//! simulated GARM behind them.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use runnerctl::config::{CertFiles, GarmSettings, TlsFiles};
use runnerctl::domain::entity::EntityKind;
use runnerctl::domain::fleet::Controller;
use runnerctl::domain::pool::PoolSpec;
use runnerctl::domain::proof::{Attempt, Probe, Proof};
use runnerctl::garm::events::{StreamLimits, StreamSignal};
use runnerctl::garm::probe::{ProbeTargets, prove};
use runnerctl::sim::http::SimServer;
use runnerctl::sim::{SimConfig, World};
use serde_json::json;
use tempfile::TempDir;

use super::events::PATIENCE;
use super::*;
use crate::support::pools::plain;

/// A program with a configuration in `deploy/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Nginx,
    Haproxy,
}

impl Program {
    pub(super) const ALL: [Self; 2] = [Self::Nginx, Self::Haproxy];

    /// The shipped configuration.
    pub(super) fn configuration(self) -> &'static str {
        match self {
            Self::Nginx => include_str!("../../../deploy/nginx/garm.conf"),
            Self::Haproxy => include_str!("../../../deploy/haproxy/garm.cfg"),
        }
    }

    /// The lines that the configuration says to adapt, except file names.
    fn adaptations(self, [port, api]: [u16; 2], garm: SocketAddr) -> Vec<(&'static str, String)> {
        match self {
            Self::Nginx => vec![
                ("server 127.0.0.1:9997;", format!("server {garm};")),
                ("listen 443 ssl;", format!("listen 127.0.0.1:{port} ssl;")),
                ("listen [::]:443 ssl;", String::new()),
                ("listen 8443 ssl;", format!("listen 127.0.0.1:{api} ssl;")),
                ("listen [::]:8443 ssl;", String::new()),
            ],
            Self::Haproxy => vec![
                ("server garm 127.0.0.1:9997", format!("server garm {garm}")),
                ("bind :443,:::443 v6only ", format!("bind 127.0.0.1:{port} ")),
                ("bind :8443,:::8443 v6only ", format!("bind 127.0.0.1:{api} ")),
                // Only root can change the user.
                ("    user haproxy\n    group haproxy\n", String::new()),
                // A test waits for this.
                ("hard-stop-after 30s", "hard-stop-after 1s".to_owned()),
            ],
        }
    }

    /// The folder that the configuration names for its files.
    fn folder(self) -> &'static str {
        match self {
            Self::Nginx => "/etc/nginx/garm",
            Self::Haproxy => "/etc/haproxy/garm",
        }
    }
}

/// The certificate that the proxy presents to the signer.
pub(super) const VAULT_TOKEN: &str = "s.of-the-front";

/// Two ports that were free a moment ago. Neither program can choose a port and report it.
pub(super) fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|it| it.local_addr().unwrap().port())
}

/// A simulated GARM behind a reverse proxy, and the certificates of all clients.
pub(crate) struct Front {
    /// The URL for GitHub and runners.
    pub(super) url: String,
    /// The URL for operators.
    pub(super) api: String,
    pub(super) operators: Authority,
    pub(super) runners: Authority,
    pub(super) servers: Authority,
    folder: TempDir,
    program: Program,
    process: Child,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Front {
    /// Starts nginx in front of the simulated GARM.
    pub(crate) async fn open() -> Self {
        Self::of(Program::Nginx).await
    }

    pub(super) async fn of(program: Program) -> Self {
        let address = "127.0.0.1:0".parse().unwrap();
        let server = SimServer::bind(address, World::new(SimConfig::default()), 1).await.unwrap();
        let garm = server.address();
        let ports = free_ports();
        let url = format!("https://127.0.0.1:{}", ports[0]);
        put_urls(&server.shared().with(World::admin_token), garm, &url, &server).await;
        tokio::spawn(server.serve(std::future::pending()));
        Self::before(garm, ports, program, program.configuration()).await
    }

    /// Starts a proxy with this configuration in front of `garm`.
    pub(super) async fn before(
        garm: SocketAddr,
        ports: [u16; 2],
        program: Program,
        configuration: &str,
    ) -> Self {
        let [url, api] = ports.map(|it| format!("https://127.0.0.1:{it}"));
        let [operators, runners, servers] = [(); 3].map(|()| Authority::new());
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = servers.sign("server", &SERVER);
        let pem = [cert, key].map(|it| fs::read_to_string(it).unwrap());
        fs::write(folder.path().join("server.pem"), pem.concat()).unwrap();
        fs::write(folder.path().join("server.key"), &pem[1]).unwrap();
        let mut text = configuration.to_owned();
        for (from, to) in program.adaptations(ports, garm) {
            assert_eq!(text.matches(from).count(), 1, "{from}");
            text = text.replace(from, &to);
        }
        text = text.replace(program.folder(), folder.path().to_str().unwrap());
        fs::write(folder.path().join("garm.conf"), text).unwrap();
        put_clients(folder.path(), &operators, &runners);
        let process = start(program, folder.path());
        let front = Self { url, api, operators, runners, servers, folder, program, process };
        front.until_it_answers().await;
        front
    }

    /// Writes a fleet file for this GARM, with its password file and pools of the simulated GARM's
    /// entity.
    pub(crate) fn describe(&self, fleet_file: &Path, listen: SocketAddr) {
        let (cert, key) = self.operators.sign("operator", &CLIENT);
        let ca = self.servers.path("ca.pem");
        let password = fleet_file.with_extension("password");
        fs::write(&password, SimConfig::default().password).unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        let text = format!(
            "fleet: acme\n\
             garm:\n  url: {}\n  password: file:{}\n  tls: {{ ca: {}, cert: {}, key: {} }}\n\
             controller:\n  minimum_job_age_backoff: 5m\n\
             defaults: {{ organization: acme, provider: sim, image: ubuntu }}\n\
             watch:\n  listen: {listen}\n  resync: 5s\n  audit: audit.jsonl\n",
            self.api,
            password.display(),
            ca.display(),
            cert.display(),
            key.display()
        );
        fs::write(fleet_file, text).unwrap();
    }

    /// Signs the operator's certificate of [`Self::describe`] again, in the same files, valid until
    /// this year.
    pub(crate) fn renew(&self, until: i32) {
        self.operators.sign("operator", &Wanted { name: "operator", years: (2020, until) });
    }

    /// Restarts the proxy with a configuration that requests no certificates.
    pub(crate) async fn leave_open(&mut self) {
        let asks = |it: &str| it.starts_with("if ($ssl") || it.starts_with("ssl_verify_client ");
        self.change(|text| {
            let open: Vec<&str> = text.lines().filter(|it| !asks(it.trim_start())).collect();
            assert_eq!(text.lines().count() - open.len(), 4);
            open.join("\n")
        })
        .await;
    }

    /// Restarts the proxy with a changed configuration.
    pub(super) async fn change(&mut self, change: impl FnOnce(&str) -> String) {
        let configured = self.folder.path().join("garm.conf");
        let text = fs::read_to_string(&configured).unwrap();
        fs::write(self.folder.path().join("shipped"), &text).unwrap();
        let changed = change(&text);
        assert_ne!(changed, text);
        fs::write(&configured, changed).unwrap();
        self.restart().await;
    }

    /// Restarts the proxy with the shipped configuration.
    pub(crate) async fn shut(&mut self) {
        let folder = self.folder.path();
        fs::rename(folder.join("shipped"), folder.join("garm.conf")).unwrap();
        self.restart().await;
    }

    async fn restart(&mut self) {
        self.stop();
        self.process = start(self.program, self.folder.path());
        self.until_it_answers().await;
    }

    fn stop(&mut self) {
        if self.process.try_wait().is_ok_and(|it| it.is_none()) {
            // The main process ends the others.
            self.signal("-TERM");
            let _ = self.process.wait();
        }
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args([name, &id]).status();
    }

    /// Reloads the revocation lists, as the configuration file documents.
    pub(super) fn reload(&self) {
        put_clients(self.folder.path(), &self.operators, &self.runners);
        self.signal(match self.program {
            Program::Nginx => "-HUP",
            Program::Haproxy => "-USR2",
        });
    }

    /// Polls an external process until a deadline.
    async fn until_it_answers(&self) {
        let end = Instant::now() + PATIENCE;
        for url in [&self.url, &self.api] {
            let address = url.strip_prefix("https://").unwrap();
            while tokio::net::TcpStream::connect(address).await.is_err() {
                let log = self.folder.path().join("error.log");
                let log = fs::read_to_string(log).unwrap_or_default();
                assert!(Instant::now() < end, "{:?} does not answer: {log}", self.program);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    fn files(&self, client: Option<(PathBuf, PathBuf)>) -> tls::GarmTlsFiles {
        let (cert, key) = client.unzip();
        tls::GarmTlsFiles { ca: Some(self.servers.path("ca.pem")), cert, key }
    }

    fn client(&self, certificate: Option<(PathBuf, PathBuf)>) -> GarmClient {
        let options = options(self.api.clone(), self.files(certificate));
        let password = SecretString::from(SimConfig::default().password);
        GarmClient::new(Arc::new(Http::new(&options).unwrap()), GarmLogin::new("admin", password))
    }

    /// A plain HTTP client with this certificate, which trusts the proxy's CA only.
    pub(super) fn http_client(&self, certificate: Option<&(PathBuf, PathBuf)>) -> reqwest::Client {
        let ca = fs::read(self.servers.path("ca.pem")).unwrap();
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([reqwest::Certificate::from_pem(&ca).unwrap()]);
        if let Some((cert, key)) = certificate {
            let pem = [cert, key].map(|path| fs::read_to_string(path).unwrap()).concat();
            builder = builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap());
        }
        builder.build().unwrap()
    }

    /// Whether a request with this certificate reaches GARM, which means that neither the handshake
    /// nor the response is a refusal. The simulated GARM returns neither 400 nor 403 to these
    /// requests.
    async fn passes(
        &self,
        certificate: Option<&(PathBuf, PathBuf)>,
        method: &str,
        url: String,
    ) -> bool {
        let client = self.http_client(certificate);
        match client.request(method.parse().unwrap(), url).send().await {
            Ok(answer) => !matches!(answer.status().as_u16(), 400 | 403),
            Err(_) => false,
        }
    }

    /// The probes of `validate --online` and `watch`, with both kinds of certificate.
    async fn prove(&self) -> Vec<Probe> {
        let files = |(cert, key)| CertFiles { cert, key };
        let operator = files(self.operators.sign("operator", &CLIENT));
        let tls = TlsFiles { ca: Some(self.servers.path("ca.pem")), client: Some(operator) };
        let runner = files(self.runners.sign("runner", &CLIENT));
        prove(&ProbeTargets::of(&self.settings(tls, Some(runner)), &self.controller()))
            .await
            .unwrap()
    }

    fn settings(&self, tls: TlsFiles, runner: Option<CertFiles>) -> GarmSettings {
        GarmSettings {
            name: None,
            url: self.api.clone(),
            insecure_http: false,
            username: "admin".into(),
            password: runnerctl::domain::secret::SecretRef::Env("P".into()),
            tls: Some(tls),
            backend: Vec::new(),
            probe_runner_cert: runner,
            crls: Vec::new(),
        }
    }

    fn controller(&self) -> Controller {
        Controller {
            id: String::new(),
            version: String::new(),
            backoff: Duration::ZERO,
            hostname: String::new(),
            metadata_url: format!("{}/api/v1/metadata", self.url),
            callback_url: format!("{}/api/v1/callbacks", self.url),
            webhook_url: String::new(),
        }
    }
}

/// Sets the URLs of the simulated GARM to those of the proxy.
async fn put_urls(token: &str, garm: SocketAddr, url: &str, server: &SimServer) {
    let body = json!({
        "callback_url": format!("{url}/api/v1/callbacks"),
        "metadata_url": format!("{url}/api/v1/metadata"),
    });
    let authorization = format!("Bearer {token}");
    let reply = server.shared().with(|it| {
        it.handle(runnerctl::sim::ApiRequest {
            method: "PUT",
            path: "/controller",
            authorization: Some(&authorization),
            body: body.to_string().as_bytes(),
        })
    });
    assert_eq!(reply.status, 200, "{garm}: {}", reply.body);
}

/// Writes the client CAs and their revocation lists under the shipped names.
fn put_clients(folder: &Path, operators: &Authority, runners: &Authority) {
    for (name, authority) in [("operators", operators), ("runners", runners)] {
        fs::copy(authority.path("ca.pem"), folder.join(format!("{name}-ca.pem"))).unwrap();
        fs::copy(authority.path("ca.crl"), folder.join(format!("{name}.crl"))).unwrap();
    }
    let token = format!("proxy_set_header X-Vault-Token \"{VAULT_TOKEN}\";\n");
    fs::write(folder.join("vault-token.conf"), token).unwrap();
}

fn start(program: Program, folder: &Path) -> Child {
    let at = folder.display();
    let mut command = match program {
        Program::Nginx => {
            let belongs_outside = include_str!("../../../deploy/nginx/main.conf");
            // A test waits for this.
            assert_eq!(belongs_outside.matches("timeout 30s;").count(), 1);
            let main = format!(
                "daemon off; worker_processes 1; pid {at}/pid; error_log {at}/error.log;\n{}\n\
                 events {{}}\n\
                 http {{ access_log off; client_body_temp_path {at}/b; proxy_temp_path {at}/p;\n\
                 fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\n\
                 include {at}/garm.conf; }}\n",
                belongs_outside.replace("timeout 30s;", "timeout 1s;")
            );
            fs::write(folder.join("nginx.conf"), main).unwrap();
            let mut command = Command::new(installed("nginx"));
            command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
            command
        }
        Program::Haproxy => {
            let mut command = Command::new(installed("haproxy"));
            command.arg("-W").arg("-f").arg(folder.join("garm.conf"));
            command
        }
    };
    let log = fs::File::create(folder.join("stderr.log")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().unwrap_or_else(|_| panic!("{program:?} is needed: `./test` installs it"))
}

/// Finds a program. Debian installs servers in folders that only root's `PATH` contains.
fn installed(name: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/usr/local/sbin"];
    let paths = folders.map(|it| Path::new(it).join(name));
    paths.into_iter().find(|it| it.exists()).unwrap_or_else(|| name.into())
}

#[tokio::test]
async fn an_operator_reaches_the_api_and_hears_events() {
    for program in Program::ALL {
        let front = Front::of(program).await;
        let client = Arc::new(front.client(Some(front.operators.sign("operator", &CLIENT))));
        assert_eq!(client.pools().await.unwrap(), []);
        let mut feed = client.events(StreamLimits::default());
        let signal = tokio::time::timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
        assert_eq!(signal, StreamSignal::Connected);
    }
}

#[tokio::test]
async fn without_a_certificate_the_refusal_says_what_is_missing() {
    for program in Program::ALL {
        let front = Front::of(program).await;
        let error = front.client(None).pools().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ClientCertificate, "{program:?}: {}", words(&error));
        let shown = words(&error).replace(&front.api, "URL");
        assert!(shown.contains("garm.tls"), "{shown}");
    }
}

#[tokio::test]
async fn each_kind_of_certificate_is_accepted_only_at_its_own_urls() {
    for program in Program::ALL {
        let front = Front::of(program).await;
        let operator = front.operators.sign("operator", &CLIENT);
        let runner = front.runners.sign("runner", &CLIENT);
        let stranger = Authority::new();
        let foreign = stranger.sign("stranger", &CLIENT);
        // At the URLs of runners, an operator's certificate is refused like an unknown one.
        let for_runners = [
            // method, path, without certificate, runner
            ("GET", "/api/v1/controller-info", false, false),
            ("GET", "/api/v1/pools", false, false),
            ("GET", "/api/v1/ws/events", false, false),
            ("POST", "/api/v1/callbacks/status", false, true),
            ("GET", "/api/v1/metadata/runner-registration-token", false, true),
            ("GET", "/ui/", false, false),
            ("GET", "/", false, false),
            ("POST", "/webhooks/1", true, true),
            ("POST", "/webhooks", true, true),
            ("GET", "/webhooks/1", false, false),
            // Manipulated paths lead to the same URLs, or to none.
            ("GET", "/api/v1/callbacks/../pools", false, false),
            ("GET", "/api/v1/metadata/%2e%2e/pools", false, false),
            ("GET", "/api/v1/callbacks/..%2fpools", false, false),
            ("POST", "/webhooks/../api/v1/auth/login", false, false),
            ("POST", "/webhooks/%2e%2e/api/v1/callbacks/status", false, true),
        ];
        for (method, path, for_no_certificate, for_runner) in for_runners {
            for (who, certificate, is_open) in [
                ("no certificate", None, for_no_certificate),
                ("operator", Some(&operator), false),
                ("runner", Some(&runner), for_runner),
                ("stranger", Some(&foreign), false),
            ] {
                let passes =
                    front.passes(certificate, method, format!("{}{path}", front.url)).await;
                assert_eq!(passes, is_open, "{program:?}, {who}: {method} {path}");
            }
        }
        let for_operators = [
            ("GET", "/api/v1/controller-info", true),
            ("GET", "/api/v1/pools", true),
            ("DELETE", "/api/v1/instances/x", true),
            ("GET", "/api/v1/ws/events", true),
            ("POST", "/api/v1/callbacks/status", false),
            ("GET", "/api/v1/metadata/runner-registration-token", false),
            ("GET", "/api/v1/x/../callbacks/status", false),
            ("GET", "/ui/", false),
            ("POST", "/webhooks/1", false),
        ];
        for (method, path, for_operator) in for_operators {
            for (who, certificate, is_open) in [
                ("no certificate", None, false),
                ("operator", Some(&operator), for_operator),
                ("runner", Some(&runner), false),
                ("stranger", Some(&foreign), false),
            ] {
                let passes =
                    front.passes(certificate, method, format!("{}{path}", front.api)).await;
                assert_eq!(passes, is_open, "{program:?}, {who}: {method} {path}");
            }
        }
    }
}

/// Raw paths, which other clients normalize before sending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_with_dot_segments_reaches_no_other_url() {
    for program in Program::ALL {
        let front = Front::of(program).await;
        let (cert, key) = front.runners.sign("runner", &CLIENT);
        let status = |path: &str| {
            let output = Command::new("curl")
                .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--path-as-is", "--cacert"])
                .arg(front.servers.path("ca.pem"))
                .arg("--cert")
                .arg(&cert)
                .arg("--key")
                .arg(&key)
                .arg(format!("{}{path}", front.url))
                .output()
                .expect("curl is needed: `./test` installs it");
            String::from_utf8(output.stdout).unwrap()
        };
        let passes = status("/api/v1/metadata/x");
        assert!(!["000", "400", "403"].contains(&passes.as_str()), "{program:?}: {passes}");
        for path in [
            "/api/v1/callbacks/../pools",
            "/api/v1/metadata/%2e%2e/pools",
            "/api/v1/metadata/%2E./pools",
            "/api/v1/callbacks/..%2fpools",
            "/webhooks/../api/v1/pools",
            "//api/v1/pools",
            "/api//v1/pools",
        ] {
            let status = status(path);
            assert!(["400", "403"].contains(&status.as_str()), "{program:?}: {path}: {status}");
        }
    }
}

/// The CA of runners can sign an intermediate CA with the name of the operators' CA.
#[tokio::test]
async fn an_intermediate_ca_of_runners_gives_no_access_to_the_api_whatever_its_name() {
    for program in Program::ALL {
        let front = Front::of(program).await;
        let forger = front.runners.sub(&front.operators.name());
        let forged = forger.sign("forged", &CLIENT);
        let teams = front.operators.sub("teams");
        let below = teams.sign("below", &CLIENT);
        let good = front.operators.sign("operator", &CLIENT);
        let api = format!("{}/api/v1/pools", front.api);
        let metadata = format!("{}/api/v1/metadata/x", front.url);
        assert!(front.passes(Some(&good), "GET", api.clone()).await);
        for (who, certificate) in [("forged", &forged), ("below the operators", &below)] {
            assert!(
                !front.passes(Some(certificate), "GET", api.clone()).await,
                "{program:?}: {who}"
            );
        }
        assert!(!front.passes(Some(&forged), "GET", metadata).await, "{program:?}");
    }
}

#[tokio::test]
async fn a_revoked_operator_loses_access_and_its_stream() {
    for program in Program::ALL {
        let front = Front::of(program).await;
        let (leaver, other) =
            (front.operators.sign("leaver", &CLIENT), front.operators.sign("other", &CLIENT));
        let client = front.client(Some(leaver.clone()));
        let mut feed = client.events(StreamLimits::default());
        let signal = tokio::time::timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
        assert_eq!(signal, StreamSignal::Connected);
        front.operators.revoke(&[&leaver.0]);
        // A process that is still starting may miss the signal.
        let lost = async {
            loop {
                front.reload();
                let next = tokio::time::timeout(Duration::from_secs(3), feed.next());
                if let Ok(signal) = next.await {
                    break signal.unwrap();
                }
            }
        };
        let signal = tokio::time::timeout(PATIENCE, lost).await.unwrap();
        assert!(matches!(signal, StreamSignal::Lost(_)), "{program:?}: {signal:?}");
        let api = format!("{}/api/v1/pools", front.api);
        assert!(!front.passes(Some(&leaver), "GET", api.clone()).await, "{program:?}");
        assert!(front.passes(Some(&other), "GET", api.clone()).await, "{program:?}");
        // The list of the other CA is separate.
        let runner = front.runners.sign("runner", &CLIENT);
        let metadata = format!("{}/api/v1/metadata/x", front.url);
        assert!(front.passes(Some(&runner), "GET", metadata.clone()).await, "{program:?}");
        // With an expired list, every certificate of its CA is refused.
        front.operators.list_until(2021, &[]);
        let end = Instant::now() + PATIENCE;
        while front.passes(Some(&other), "GET", api.clone()).await {
            assert!(Instant::now() < end, "{program:?}");
            front.reload();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert!(front.passes(Some(&runner), "GET", metadata).await, "{program:?}");
    }
}

#[tokio::test]
async fn the_front_is_proven_to_enforce_mtls() {
    for program in Program::ALL {
        let front = Front::of(program).await;
        let probes = front.prove().await;
        assert_eq!(Proof::of(&probes), Proof::Enforced, "{program:?}: {probes:#?}");
        for attempt in [Attempt::WrongKind, Attempt::RightKind] {
            let places = probes.iter().filter(|it| it.attempt == attempt).map(|it| it.place);
            let all = ["callbacks", "metadata", "API", "event stream"];
            assert_eq!(places.collect::<Vec<_>>(), all, "{program:?}");
        }
        assert_eq!(probes.len(), 24, "four doors, six ways: {probes:#?}");
    }
}

/// Proxies that refuse every request or do not exist. None of them enforces mTLS.
#[tokio::test]
async fn a_front_that_refuses_every_request_is_no_proof_of_mtls() {
    let mut front = Front::open().await;
    // This one never requests a certificate, like a list of addresses or a filter.
    front
        .change(|it| it.replace("ssl_verify_client", "deny all; #").replace("if ($ssl", "#"))
        .await;
    let probes = front.prove().await;
    assert_eq!(Proof::of(&probes), Proof::CannotTell, "{probes:#?}");
    let unasked = "refused with 403, but the server did not ask for a client certificate";
    assert!(probes.iter().any(|it| it.evidence == unasked), "{probes:#?}");
    front.shut().await;

    // This one requests a certificate and refuses every one.
    front.change(|it| it.replace("    server_tokens off;", "    deny all;")).await;
    let probes = front.prove().await;
    assert_eq!(Proof::of(&probes), Proof::CannotTell, "{probes:#?}");
    let open = probes.iter().filter(|it| it.proof != Proof::Enforced);
    let open: Vec<_> = open.map(|it| (it.place, it.attempt)).collect();
    let all = ["callbacks", "metadata", "API", "event stream"];
    assert_eq!(open, all.map(|it| (it, Attempt::RightKind)));
    front.shut().await;

    // Open: GARM responds.
    front.leave_open().await;
    assert_eq!(Proof::of(&front.prove().await), Proof::NotEnforced);
    front.shut().await;
    assert_eq!(Proof::of(&front.prove().await), Proof::Enforced);
    front.stop();
    assert_eq!(Proof::of(&front.prove().await), Proof::Unreachable);
}

#[tokio::test]
async fn a_certificate_is_renewed_while_the_stream_continues() {
    let front = Front::open().await;
    let operator = front.operators.sign("operator", &CLIENT);
    let mine = front.operators.sign("mine", &CLIENT);
    let files = front.files(Some(mine.clone()));
    let http = Arc::new(Http::new(&options(front.api.clone(), files.clone())).unwrap());
    let login = || GarmLogin::new("admin", SecretString::from(SimConfig::default().password));
    let client = GarmClient::new(Arc::<Http>::clone(&http), login());
    let mut feed = client.events(StreamLimits::default());
    let signal = tokio::time::timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
    assert_eq!(signal, StreamSignal::Connected);

    let put = |(cert, key): (PathBuf, PathBuf)| {
        fs::copy(cert, &mine.0).unwrap();
        fs::copy(key, &mine.1).unwrap();
        http.renew(&files, Timestamp::UNIX_EPOCH + SignedDuration::from_hours(500_000))
    };
    let before = files.digest();
    put(front.runners.sign("runner", &CLIENT)).unwrap();
    assert_ne!(files.digest(), before);
    client.pools().await.expect_err("a runner's certificate opens no API");

    // After an incomplete renewal, the previous certificate is still used.
    fs::copy(&operator.0, &mine.0).unwrap();
    let error = http.renew(&files, Timestamp::UNIX_EPOCH).unwrap_err();
    assert!(error.got.contains("the key belongs to another certificate"), "{error}");
    client.pools().await.unwrap_err();

    put(operator).unwrap();
    let entity = client.entities(EntityKind::Organization).await.unwrap().remove(0).key;
    client.create_pool(&entity, &pool_spec()).await.unwrap();
    let signal = tokio::time::timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
    assert!(matches!(signal, StreamSignal::Changes(_)), "the same stream: {signal:?}");
}

fn pool_spec() -> PoolSpec {
    let labels = ["x".to_owned()].into_iter().collect();
    PoolSpec { image: "ubuntu".into(), enabled: false, ..plain("x", labels, (0, 1)) }
}
