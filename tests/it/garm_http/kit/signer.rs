//! A certificate for each runner: the shipped `signer.conf` in front of a test double of Vault's
//! PKI. The double signs with openssl, and uses the documented request and response of
//! `POST /v1/PKI/sign/ROLE`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use runnerctl::policy::kit::CertificateSigner;
use serde_json::{Value, json};

use super::super::front::VAULT_TOKEN;
use super::*;

/// The test double: the folder of its CA, once that is known, and the request that it signs instead
/// of the received one, if any.
#[derive(Clone, Default)]
struct Vault {
    authority: Arc<Mutex<PathBuf>>,
    instead: Arc<Mutex<Option<String>>>,
}

impl Vault {
    async fn open(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sign = post(sign).with_state(self.clone());
        let router = Router::new().route("/v1/pki-runners/sign/runner", sign);
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }
}

async fn sign(State(vault): State<Vault>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let token = headers.get("x-vault-token").map(|it| it.to_str().unwrap());
    if token != Some(VAULT_TOKEN) || headers.contains_key("authorization") {
        return (StatusCode::FORBIDDEN, r#"{"errors":["permission denied"]}"#.to_owned());
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["common_name"], "runner");
    let folder = vault.authority.lock().unwrap().clone();
    let request = vault.instead.lock().unwrap().clone();
    let request = request.unwrap_or_else(|| body["csr"].as_str().unwrap().to_owned());
    let ca = std::fs::read_to_string(folder.join("ca.pem")).unwrap();
    let data = json!({
        "ca_chain": [ca.trim_end()],
        "certificate": openssl_sign(&folder, &request).trim_end(),
        "expiration": 1_796_069_952,
        "issuing_ca": ca.trim_end(),
        "serial_number": "01",
    });
    let answer = json!({ "request_id": "r", "lease_id": "", "data": data });
    (StatusCode::OK, answer.to_string())
}

fn openssl_sign(folder: &Path, request: &str) -> String {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    std::fs::write(path("request"), request).unwrap();
    std::fs::write(path("extensions"), "extendedKeyUsage=clientAuth\n").unwrap();
    let output = Command::new("openssl")
        .args(["x509", "-req", "-days", "1", "-set_serial", "7", "-in"])
        .arg(path("request"))
        .arg("-CA")
        .arg(folder.join("ca.pem"))
        .arg("-CAkey")
        .arg(folder.join("ca.key"))
        .arg("-extfile")
        .arg(path("extensions"))
        .output()
        .expect("openssl is needed: `./test` installs it");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn scene() -> (Scene, Vault, KitParts) {
    let vault = Vault::default();
    let address = vault.open().await;
    let shipped = include_str!("../../../../deploy/nginx/signer.conf");
    let location = shipped.replace("127.0.0.1:8200", &address.to_string());
    let place = "# include /etc/nginx/garm/signer.conf;";
    let configuration = Program::Nginx.configuration();
    assert_eq!(configuration.matches(place).count(), 1);
    let scene = Scene::behind(Program::Nginx, &configuration.replace(place, &location)).await;
    *vault.authority.lock().unwrap() = scene.front.runners.folder.path().to_owned();
    let ca = std::fs::read_to_string(scene.front.servers.path("ca.pem")).unwrap();
    let url = format!("{}/runner-certificate", scene.front.url);
    let parts = KitParts { signer: Some(CertificateSigner { url, ca }), ..KitParts::default() };
    (scene, vault, parts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_runner_has_a_key_of_its_own_signed_by_the_word_of_garm() {
    let (scene, _vault, parts) = scene().await;
    let mut keys = Vec::new();
    for _ in 0..2 {
        let machine = scene.machine();
        let (went_on, said) = machine.prepare(&parts);
        assert!(went_on, "{said}");
        assert_eq!(machine.holding("PRIVATE KEY"), ["run/runnerctl/key.pem"]);
        keys.push(machine.read("run/runnerctl/key.pem"));
        let install = machine.install(None);
        assert_eq!(install.status.code(), Some(0), "{install:?}");
        check_taken_away(&machine, "PRIVATE KEY", None);
    }
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_word_of_garm_nothing_is_signed() {
    let (scene, _vault, parts) = scene().await;
    let machine = scene.machine();
    machine.spoil_token();
    check_stopped(&machine, &parts, "the signer gives no certificate (HTTP 401, curl 0)");
    assert_eq!(scene.garm.heard(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_key_stops_the_install() {
    let (scene, vault, parts) = scene().await;
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
    *vault.instead.lock().unwrap() = Some(request);
    let machine = scene.machine();
    check_stopped(&machine, &parts, "the signer gives a certificate of another key");
}
