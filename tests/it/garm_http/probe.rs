//! mTLS probes of servers that require a client certificate, and of servers that do not.

use runnerctl::config::{CertFiles, GarmSettings, HostPort, TlsFiles};
use runnerctl::domain::fleet::Controller;
use runnerctl::domain::proof::{Attempt, Probe, Proof};
use runnerctl::domain::secret::SecretRef;
use runnerctl::garm::probe::{ProbeTargets, prove};

use super::*;

const GARMS_401: &str = r#"{"error":"Not Authorized","details":"You do not have the required permissions to access this resource"}"#;

/// GARM's response without a token.
fn garm() -> Manner {
    says(&format!(
        "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{GARMS_401}",
        GARMS_401.len()
    ))
}

/// Probe targets of the GARM at this URL, with this CA and client certificate.
fn doors(
    url: &str,
    ca: &Authority,
    operator: Option<CertFiles>,
    backend: &[HostPort],
) -> ProbeTargets {
    let garm = GarmSettings {
        name: None,
        url: url.to_owned(),
        insecure_http: false,
        username: "admin".into(),
        password: SecretRef::Env("P".into()),
        tls: Some(TlsFiles { ca: Some(ca.path("ca.pem")), client: operator }),
        backend: backend.to_vec(),
        probe_runner_cert: None,
        crls: Vec::new(),
    };
    let controller = Controller {
        id: String::new(),
        version: String::new(),
        backoff: Duration::ZERO,
        hostname: String::new(),
        metadata_url: format!("{url}/api/v1/metadata"),
        callback_url: format!("{url}/api/v1/callbacks"),
        webhook_url: String::new(),
    };
    ProbeTargets::of(&garm, &controller)
}

/// The place and attempt of the probes with this result.
fn those(probes: &[Probe], proof: Proof) -> Vec<(&'static str, Attempt)> {
    probes.iter().filter(|it| it.proof == proof).map(|it| (it.place, it.attempt)).collect()
}

#[tokio::test]
async fn a_front_that_requires_a_certificate_is_proven_to() {
    let ca = Authority::new();
    for version in [&version::TLS13, &version::TLS12] {
        let greeting = greeting(ca.sign("server", &SERVER), Some(&ca), version);
        let address = serve(greeting, garm()).await;
        let probes = prove(&doors(&format!("https://{address}"), &ca, None, &[])).await.unwrap();
        assert_eq!(Proof::of(&probes), Proof::Enforced, "{probes:#?}");
        assert_eq!(probes.len(), 16, "four doors, four ways: {probes:#?}");
    }
}

#[tokio::test]
async fn an_open_front_is_detected() {
    let ca = Authority::new();
    let greeting = greeting(ca.sign("server", &SERVER), None, &version::TLS13);
    let address = serve(greeting, garm()).await;
    let probes = prove(&doors(&format!("https://{address}"), &ca, None, &[])).await.unwrap();
    assert_eq!(Proof::of(&probes), Proof::NotEnforced);
    let open = those(&probes, Proof::NotEnforced);
    for place in ["callbacks", "metadata", "API", "event stream"] {
        for attempt in [Attempt::NoCertificate, Attempt::SelfSigned, Attempt::Expired] {
            assert!(open.contains(&(place, attempt)), "{place} {attempt}: {probes:#?}");
        }
    }
    assert_eq!(open.len(), 12, "plain HTTP does not get through TLS: {probes:#?}");
}

#[tokio::test]
async fn an_operators_certificate_must_not_open_callbacks_and_metadata() {
    let ca = Authority::new();
    let (cert, key) = ca.sign("operator", &CLIENT);
    let greeting = greeting(ca.sign("server", &SERVER), Some(&ca), &version::TLS13);
    let address = serve(greeting, garm()).await;
    let operator = Some(CertFiles { cert, key });
    let probes = prove(&doors(&format!("https://{address}"), &ca, operator, &[])).await.unwrap();
    let open = those(&probes, Proof::NotEnforced);
    assert_eq!(open, [("callbacks", Attempt::WrongKind), ("metadata", Attempt::WrongKind)]);
}

#[tokio::test]
async fn garm_over_plain_http_is_not_enforced_with_one_probe_per_url() {
    let address = serve(Greeting::Plain, garm()).await;
    let ca = Authority::new();
    let probes = prove(&doors(&format!("http://{address}"), &ca, None, &[])).await.unwrap();
    let open = those(&probes, Proof::NotEnforced);
    let doors = ["callbacks", "metadata", "API", "event stream"];
    assert_eq!(open, doors.map(|it| (it, Attempt::PlainHttp)));
}

#[tokio::test]
async fn garms_own_port_is_proven_closed_or_detected_as_open() {
    let ca = Authority::new();
    let greeting = greeting(ca.sign("server", &SERVER), Some(&ca), &version::TLS13);
    let front = serve(greeting, garm()).await;
    let open = serve(Greeting::Plain, garm()).await;
    let shut = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let backend = [open, shut].map(|it| HostPort { host: it.ip().to_string(), port: it.port() });
    let probes = prove(&doors(&format!("https://{front}"), &ca, None, &backend)).await.unwrap();
    let through: Vec<_> = probes.iter().filter(|it| it.proof == Proof::NotEnforced).collect();
    assert_eq!(through.len(), 1, "{probes:#?}");
    assert_eq!(through[0].url, format!("http://{open}/api/v1/controller-info"));
    assert_eq!(through[0].evidence, "GARM answered 401");
}

/// GARM's own TLS with an untrusted certificate. Only the fact that it responds matters.
#[tokio::test]
async fn garms_own_port_is_detected_as_open_behind_any_certificate() {
    let (ca, own) = (Authority::new(), Authority::new());
    let front =
        serve(greeting(ca.sign("server", &SERVER), Some(&ca), &version::TLS13), garm()).await;
    let elsewhere = Wanted { name: "garm.internal", years: (2020, 2021) };
    let open = serve(greeting(own.sign("own", &elsewhere), None, &version::TLS12), garm()).await;
    let backend = [HostPort { host: open.ip().to_string(), port: open.port() }];
    let probes = prove(&doors(&format!("https://{front}"), &ca, None, &backend)).await.unwrap();
    let through: Vec<_> = probes.iter().filter(|it| it.proof == Proof::NotEnforced).collect();
    assert_eq!(through.len(), 1, "{probes:#?}");
    assert_eq!(through[0].url, format!("https://{open}/api/v1/controller-info"));
}

#[tokio::test]
async fn an_absent_server_is_no_proof() {
    let ca = Authority::new();
    let shut = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let probes = prove(&doors(&format!("https://{shut}"), &ca, None, &[])).await.unwrap();
    assert_eq!(Proof::of(&probes), Proof::Unreachable);
    assert_eq!(those(&probes, Proof::Unreachable).len(), probes.len());
}
