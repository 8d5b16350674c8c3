//! `vault:` with a double of Vault over real sockets, written from the public documentation of
//! Vault's HTTP API: answers, statuses and texts are those of the documentation.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use runnerctl::secrets::FaultOrigin;
use runnerctl::secrets::vault::{self, VaultAuth, VaultSettings};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// A secret that must never be printed.
const CANARY: &str = "canary-value";
const TOKEN: &str = "canary-token";

/// `METHOD /path` to status and body.
type Answers = BTreeMap<&'static str, (u16, String)>;

/// A double: its address, and the requests that it received, head and body, names in lower case.
pub(super) struct Double {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Double {
    pub(super) async fn open(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, &answers, &seen).await;
            }
        });
        Self { address, asked }
    }

    /// The same behind TLS, with this certificate.
    async fn open_tls(answers: Answers, tls: rustls::ServerConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&asked);
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that does not trust the certificate ends the handshake.
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, &answers, &seen).await;
                }
            }
        });
        Self { address, asked }
    }

    fn settings(&self, access: VaultAuth) -> VaultSettings {
        let address = format!("http://{}", self.address);
        VaultSettings { address, namespace: None, ca: None, access }
    }

    fn lines(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|request| request.lines().next().unwrap_or_default().to_owned()).collect()
    }
}

/// Reads one request and answers it.
async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: &Answers,
    seen: &Mutex<Vec<String>>,
) {
    let (head, body) = request(&mut stream).await;
    let line = head.lines().next().unwrap_or_default().to_owned();
    seen.lock().unwrap().push(format!("{head}{body}"));
    let asked = line.trim_end_matches(" HTTP/1.1");
    let missing = (404, json!({ "errors": [] }).to_string());
    let (status, body) = answers.get(asked).unwrap_or(&missing);
    let answer = format!(
        "HTTP/1.1 {status} Thus\r\nContent-Type: application/json\r\n\
         Location: https://other.test/\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await.ok();
    stream.shutdown().await.ok();
}

async fn request(stream: &mut (impl AsyncRead + Unpin)) -> (String, String) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.unwrap_or(0) > 0 {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}

fn token() -> VaultAuth {
    VaultAuth::Token(SecretString::from(TOKEN))
}

fn mount(path: &str, kind: &str, version: &str) -> (u16, String) {
    let data = json!({
        "path": format!("{path}/"), "type": kind, "description": "",
        "options": { "version": version }, "config": { "default_lease_ttl": 0 },
    });
    (200, json!({ "request_id": "1", "lease_id": "", "data": data, "auth": null }).to_string())
}

fn secret(fields: &Value) -> (u16, String) {
    let metadata = json!({
        "created_time": "2026-11-01T00:00:00.1Z", "custom_metadata": null,
        "deletion_time": "", "destroyed": false, "version": 3,
    });
    let data = json!({ "data": fields, "metadata": metadata });
    let answer = json!({
        "request_id": "2", "lease_id": "", "renewable": false, "lease_duration": 0,
        "data": data, "wrap_info": null, "warnings": null, "auth": null,
    });
    (200, answer.to_string())
}

fn errors(status: u16, texts: &[&str]) -> (u16, String) {
    (status, json!({ "errors": texts }).to_string())
}

/// A store at `secret` with this answer for `garm`.
fn store(answer: (u16, String)) -> Answers {
    Answers::from([
        ("GET /v1/sys/internal/ui/mounts/secret/garm", mount("secret", "kv", "2")),
        ("GET /v1/secret/data/garm", answer),
    ])
}

async fn take(
    double: &Double,
    access: VaultAuth,
    path: &str,
) -> Result<String, (FaultOrigin, String)> {
    match vault::resolve(&double.settings(access), path, "password").await {
        Ok(value) => Ok(value.expose_secret().to_owned()),
        Err(error) => {
            let help = error.help.as_deref().map(|help| format!("\nhelp: {help}"));
            let text = format!("{error}{}", help.unwrap_or_default());
            assert!(!text.contains("canary"), "{text}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
            let address = format!("http://{}", double.address);
            Err((error.blame, text.replace(&address, "VAULT")))
        }
    }
}

/// The result of a reference to a store with this answer.
async fn taken(answer: (u16, String)) -> Result<String, (FaultOrigin, String)> {
    take(&Double::open(store(answer)).await, token(), "secret/garm").await
}

#[tokio::test]
async fn a_field_is_read_with_the_token_and_the_namespace() {
    let double = Double::open(store(secret(&json!({ "password": CANARY, "user": "admin" })))).await;
    let settings = VaultSettings { namespace: Some("team/a".into()), ..double.settings(token()) };
    let value = vault::resolve(&settings, "secret/garm", "password").await.unwrap();
    assert_eq!(value.expose_secret(), CANARY);
    let expected = [
        "GET /v1/sys/internal/ui/mounts/secret/garm HTTP/1.1",
        "GET /v1/secret/data/garm HTTP/1.1",
    ];
    assert_eq!(double.lines(), expected);
    for head in double.asked.lock().unwrap().iter() {
        assert!(head.contains(&format!("x-vault-token: {TOKEN}\r\n")), "{head}");
        assert!(head.contains("x-vault-namespace: team/a\r\n"), "{head}");
        assert!(head.contains("x-vault-request: true\r\n"), "{head}");
    }
}

#[tokio::test]
async fn a_mount_may_have_several_segments_and_defaults_to_the_first() {
    let fields = json!({ "password": CANARY });
    let deep = Answers::from([
        ("GET /v1/sys/internal/ui/mounts/team/kv/ci/garm", mount("team/kv", "kv", "2")),
        ("GET /v1/team/kv/data/ci/garm", secret(&fields)),
    ]);
    let double = Double::open(deep).await;
    assert_eq!(take(&double, token(), "team/kv/ci/garm").await, Ok(CANARY.into()));

    let silent = Answers::from([
        ("GET /v1/sys/internal/ui/mounts/secret/a%20b", errors(403, &["permission denied"])),
        ("GET /v1/secret/data/a%20b", secret(&fields)),
    ]);
    let double = Double::open(silent).await;
    assert_eq!(take(&double, token(), "secret/a b").await, Ok(CANARY.into()));
}

#[tokio::test]
async fn an_app_role_logs_in_reads_and_returns_its_token() {
    let auth = json!({ "auth": {
        "client_token": TOKEN, "accessor": "a", "policies": ["default"],
        "lease_duration": 1200, "renewable": true,
    }});
    let mut answers = store(secret(&json!({ "password": CANARY })));
    answers.insert("POST /v1/auth/approle/login", (200, auth.to_string()));
    answers.insert("POST /v1/auth/token/revoke-self", (204, String::new()));
    let double = Double::open(answers).await;
    let secret_id = SecretString::from("canary-secret-id");
    let access = VaultAuth::AppRole { role_id: "role-1".into(), secret_id };
    assert_eq!(take(&double, access, "secret/garm").await, Ok(CANARY.into()));
    let asked = double.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 4, "{asked:?}");
    assert!(asked[0].starts_with("POST /v1/auth/approle/login "));
    assert!(!asked[0].contains("x-vault-token"));
    let body = asked[0].split("\r\n\r\n").nth(1).unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body, json!({ "role_id": "role-1", "secret_id": "canary-secret-id" }));
    assert!(asked[3].starts_with("POST /v1/auth/token/revoke-self "));
    assert!(asked[1..].iter().all(|request| request.contains(&format!("x-vault-token: {TOKEN}"))));
}

#[tokio::test]
async fn a_pod_logs_in_with_its_service_account() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "canary-jwt\n").unwrap();
    let mut answers = store(secret(&json!({ "password": CANARY })));
    let auth = json!({ "auth": { "client_token": TOKEN } });
    answers.insert("POST /v1/auth/kubernetes/login", (200, auth.to_string()));
    let double = Double::open(answers).await;
    let pod = |token: PathBuf| VaultAuth::Kubernetes { role: "runners".into(), token };
    assert_eq!(take(&double, pod(file), "secret/garm").await, Ok(CANARY.into()));
    let login = double.asked.lock().unwrap()[0].clone();
    let body: Value = serde_json::from_str(login.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(body, json!({ "role": "runners", "jwt": "canary-jwt" }));

    let (blame, text) =
        take(&double, pod(folder.path().join("absent")), "secret/garm").await.unwrap_err();
    assert_eq!(blame, FaultOrigin::Reference);
    assert!(text.contains("No such file or directory"), "{text}");
}

#[tokio::test]
async fn refusals_name_the_place_the_cause_and_the_remedy() {
    let mut report = String::new();
    let deleted = |time: &str, destroyed: bool| {
        let metadata = json!({ "deletion_time": time, "destroyed": destroyed, "version": 3 });
        (404, json!({ "data": { "data": null, "metadata": metadata } }).to_string())
    };
    let echo = format!("1 error occurred:\n\t* bad token {TOKEN}\u{1b}[31m\n\n");
    for answer in [
        errors(404, &[]),
        deleted("2026-11-02T00:00:00Z", false),
        deleted("", true),
        errors(403, &["1 error occurred:\n\t* permission denied\n\n"]),
        errors(403, &[&echo]),
        errors(503, &["Vault is sealed"]),
        errors(500, &["internal error"]),
        (307, String::new()),
        (502, "<html>canary</html>".into()),
        (200, "<html>canary</html>".into()),
        (200, json!({ "data": { "password": CANARY } }).to_string()),
        secret(&json!({ "user": CANARY, "key": 1 })),
        secret(&json!({})),
        secret(&json!({ "password": 5 })),
        secret(&json!({ "password": { "a": CANARY } })),
        secret(&json!({ "password": "" })),
        secret(&json!({ "password": "x".repeat(100_000) })),
        (200, "x".repeat(2 << 20)),
    ] {
        let (blame, text) = taken(answer).await.unwrap_err();
        report.push_str(&format!("{blame:?}: {text}\n\n"));
    }
    insta::assert_snapshot!(report);
}

#[tokio::test]
async fn other_mounts_logins_and_paths_have_their_own_errors() {
    let mut report = String::new();
    let mut tell = async |answers, access, path: &str| {
        let double = Double::open(answers).await;
        let (blame, text) = take(&double, access, path).await.unwrap_err();
        report.push_str(&format!("{blame:?}: {text}\n\n"));
    };
    let at = |answer| Answers::from([("GET /v1/sys/internal/ui/mounts/secret/garm", answer)]);
    tell(at(mount("secret", "kv", "1")), token(), "secret/garm").await;
    tell(at(mount("secret", "transit", "")), token(), "secret/garm").await;
    tell(at((200, "{}".into())), token(), "secret/garm").await;
    tell(at(errors(503, &["Vault is sealed"])), token(), "secret/garm").await;
    tell(Answers::new(), token(), "secret/data/garm").await;
    let role = || VaultAuth::AppRole {
        role_id: "role-1".into(),
        secret_id: SecretString::from("canary-secret-id"),
    };
    let login = |answer| Answers::from([("POST /v1/auth/approle/login", answer)]);
    tell(login(errors(400, &["invalid role or secret ID"])), role(), "secret/garm").await;
    tell(login(errors(400, &["no canary-secret-id"])), role(), "secret/garm").await;
    tell(login((200, "{}".into())), role(), "secret/garm").await;
    insta::assert_snapshot!(report);
}

/// A text in each form in which a server may quote it.
pub(crate) fn quoted_forms(text: &str) -> Vec<String> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    vec![
        serde_json::to_string(text).unwrap(),
        text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect(),
        text.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        text.chars().map(|letter| format!("&#{};", u32::from(letter))).collect(),
        STANDARD.encode(text),
        text.bytes().map(|byte| format!("{byte:02x}")).collect(),
    ]
}

#[tokio::test]
async fn a_token_that_vault_or_a_proxy_quotes_is_masked_in_every_form() {
    for form in quoted_forms(TOKEN) {
        let error = taken(errors(403, &[&format!("you sent <{form}>")])).await.unwrap_err();
        assert!(error.1.contains("you sent <"), "{error:?}");
        let core = form.trim_matches(['"', '=']);
        assert!(!error.1.contains(core), "{form}: {error:?}");
    }
}

#[tokio::test]
async fn an_unreachable_vault_is_an_error_of_the_manager() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let double = Double { address: unused, asked: Arc::default() };
    let (blame, text) = take(&double, token(), "secret/garm").await.unwrap_err();
    assert_eq!(blame, FaultOrigin::Manager);
    assert!(text.contains("Connection refused"), "{text}");
    assert!(text.contains("help: check that Vault is running, and `VAULT_ADDR`"), "{text}");

    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    for (content, expected) in
        [(None, "No such file"), (Some("nothing"), "it contains no certificate in PEM")]
    {
        if let Some(content) = content {
            std::fs::write(&ca, content).unwrap();
        }
        let settings = VaultSettings { ca: Some(ca.clone()), ..double.settings(token()) };
        let error = vault::resolve(&settings, "secret/garm", "password").await.unwrap_err();
        assert_eq!(error.blame, FaultOrigin::Reference);
        assert!(error.got.contains(expected), "{error}");
    }
}

/// A certificate for 127.0.0.1 by a CA of its own; the CA is written to `ca`.
fn tls(ca: &std::path::Path) -> rustls::ServerConfig {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    std::fs::write(ca, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    let chain = vec![params.signed_by(&key, &issuer).unwrap().der().clone()];
    let key = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap()
}

#[tokio::test]
async fn vault_cacert_is_trusted_instead_of_the_systems_authorities() {
    let folder = tempfile::tempdir().unwrap();
    let (ca, other) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
    let double = Double::open_tls(store(secret(&json!({ "password": CANARY }))), tls(&ca)).await;
    tls(&other);
    let address = format!("https://{}", double.address);
    let resolve = async |ca: Option<&PathBuf>| {
        let settings =
            VaultSettings { address: address.clone(), ca: ca.cloned(), ..double.settings(token()) };
        vault::resolve(&settings, "secret/garm", "password").await
    };
    assert_eq!(resolve(Some(&ca)).await.unwrap().expose_secret(), CANARY);
    assert_eq!(double.lines().len(), 2);
    for wrong in [None, Some(&other)] {
        let error = resolve(wrong).await.unwrap_err();
        assert_eq!(error.blame, FaultOrigin::Manager, "{error}");
        let text = format!("{error} {:?}", error.help);
        assert!(text.contains("certificate") && !text.contains("canary"), "{text}");
    }
    // An unknown server received no request, and no token.
    assert_eq!(double.lines().len(), 2);
}
