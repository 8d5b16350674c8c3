//! The HTTP transport with servers that misbehave, in real time on loopback.

mod authority;
mod events;
pub(crate) mod front;
mod input;
mod kit;
mod probe;
mod server;
mod stage;
mod stolen;

use std::sync::Arc;
use std::time::Duration;

use authority::{Authority, CLIENT, SERVER, VALID, Wanted};
use rcgen::{CertificateParams, KeyPair};
use runnerctl::domain::name::PoolId;
use runnerctl::garm::http::{ANSWER_MAX, Timeouts};
use runnerctl::garm::{
    ErrorKind, GarmClient, GarmError, GarmLogin, Http, HttpOptions, Method, PresentedCertificate,
    Request, Response, TlsFault, Transport, TransportError, tls,
};
use rustls::version;
use secrecy::SecretString;
use server::{Greeting, Manner, answer, greeting, says, serve};
use tokio::net::TcpListener;

/// A timeout that is long for a loopback connection and short for a test that waits for it.
const BRIEF: Duration = Duration::from_millis(300);

fn options(url: String, files: tls::GarmTlsFiles) -> HttpOptions {
    HttpOptions { tls: files, ..HttpOptions::new(url) }
}

async fn send(options: &HttpOptions) -> Result<Response, TransportError> {
    let request = Request {
        method: Method::Get,
        path: "/pools".into(),
        body: None,
        token: Some(SecretString::from("canary-token")),
    };
    Http::new(options).unwrap().send(request).await
}

async fn plainly(manner: Manner) -> Result<Response, TransportError> {
    let address = serve(Greeting::Plain, manner).await;
    send(&options(format!("http://{address}"), tls::GarmTlsFiles::default())).await
}

async fn over_tls(
    greeting: Greeting,
    files: tls::GarmTlsFiles,
) -> Result<Response, TransportError> {
    let address = serve(greeting, answer("[]")).await;
    send(&options(format!("https://{address}"), files)).await
}

/// The error of the first request, the login, with its help.
async fn shown(options: &HttpOptions) -> (ErrorKind, String) {
    let client = GarmClient::new(
        Arc::new(Http::new(options).unwrap()),
        GarmLogin::new("admin", SecretString::from("canary-password")),
    );
    let error = client.pool(&PoolId::new("p")).await.unwrap_err();
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    let text = words(&error).replace(&options.url, "URL");
    (error.kind, text)
}

fn words(error: &GarmError) -> String {
    let help = error.help.as_deref().map(|it| format!("\nhelp: {it}")).unwrap_or_default();
    format!("{error}{help}")
}

#[tokio::test]
async fn a_response_arrives_completely_with_garms_clock() {
    let response = plainly(answer(r#"[{"a":1}]"#)).await.unwrap();
    let expected = Response {
        status: 200,
        content_type: Some("application/json".into()),
        date: Some("2026-11-25T10:11:12Z".parse().unwrap()),
        body: br#"[{"a":1}]"#.to_vec(),
    };
    assert_eq!(response, expected);
    let odd = says("HTTP/1.1 200 OK\r\nDate: soon\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(plainly(odd).await.unwrap().date, None);
}

#[tokio::test]
async fn a_request_contains_the_token_and_no_other_credentials() {
    let response = plainly(Manner::Echoes).await.unwrap();
    let head = String::from_utf8(response.body).unwrap().to_lowercase();
    let mut lines: Vec<_> = head.lines().filter(|it| !it.starts_with("host:")).collect();
    lines.sort_unstable();
    let agent = format!("user-agent: runnerctl/{}", env!("CARGO_PKG_VERSION"));
    let expected = [
        "",
        "accept-encoding: gzip",
        "accept: */*",
        "authorization: bearer canary-token",
        "get /api/v1/pools http/1.1",
        &agent,
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn the_private_ca_is_trusted_and_no_other() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for version in [&version::TLS13, &version::TLS12] {
        let greeting = greeting(ours.sign("server", &SERVER), None, version);
        assert_eq!(over_tls(greeting.clone(), ours.trusted()).await.unwrap().status, 200);
        let unknown = Err(TransportError::Tls(TlsFault::UnknownIssuer));
        assert_eq!(over_tls(greeting, theirs.trusted()).await, unknown);
    }
}

#[tokio::test]
async fn an_invalid_server_certificate_is_reported_with_the_reason() {
    let ca = Authority::new();
    for (name, years, expected) in [
        (SERVER.name, (2020, 2021), TlsFault::Expired(", at 2021-01-01T00:00:00Z".into())),
        (
            SERVER.name,
            (2089, 2090),
            TlsFault::NotYetValid(", only from 2089-01-01T00:00:00Z on".into()),
        ),
        ("garm.test", VALID, TlsFault::WrongName("it is for garm.test".into())),
    ] {
        let server = ca.sign("server", &Wanted { name, years });
        let got = over_tls(greeting(server, None, &version::TLS13), ca.trusted()).await;
        assert_eq!(got, Err(TransportError::Tls(expected)));
    }
    // `openssl req -x509` makes such a certificate.
    let server = (ca.path("ca.pem"), ca.path("ca.key"));
    let got = over_tls(greeting(server, None, &version::TLS13), ca.trusted()).await;
    assert_eq!(got, Err(TransportError::Tls(TlsFault::CaCertificate)));
}

#[tokio::test]
async fn a_required_client_certificate_is_presented() {
    let (ca, operators) = (Authority::new(), Authority::new());
    for version in [&version::TLS13, &version::TLS12] {
        let greeting = greeting(ca.sign("server", &SERVER), Some(&operators), version);
        let (cert, key) = operators.sign("client", &CLIENT);
        let files = tls::GarmTlsFiles { cert: Some(cert), key: Some(key), ..ca.trusted() };
        assert_eq!(over_tls(greeting, files).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_missing_client_certificate_is_reported() {
    let (ca, operators) = (Authority::new(), Authority::new());
    for version in [&version::TLS13, &version::TLS12] {
        let greeting = greeting(ca.sign("server", &SERVER), Some(&operators), version);
        let got = over_tls(greeting, ca.trusted()).await;
        let expected = TlsFault::ClientCertificate {
            presented: PresentedCertificate::Nothing,
            alert: "CertificateRequired".into(),
        };
        assert_eq!(got, Err(TransportError::Tls(expected)));
    }
}

#[tokio::test]
async fn a_refused_client_certificate_is_reported_with_its_validity() {
    let (ca, operators, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let greeting = greeting(ca.sign("server", &SERVER), Some(&operators), &version::TLS13);
    let expired = Wanted { years: (2020, 2021), ..CLIENT };
    for (files, until, alert) in [
        (strangers.sign("client", &CLIENT), "2090-01-01T00:00:00Z", "UnknownCA"),
        (operators.sign("client", &expired), "2021-01-01T00:00:00Z", "CertificateExpired"),
    ] {
        let shown =
            format!("`{}` (valid from 2020-01-01T00:00:00Z until {until})", files.0.display());
        let got = over_tls(greeting.clone(), ca.presenting(files)).await;
        let expected = TlsFault::ClientCertificate {
            presented: PresentedCertificate::Certificate(shown),
            alert: alert.into(),
        };
        assert_eq!(got, Err(TransportError::Tls(expected)));
    }
}

/// A server may also read the request and close the connection without a response.
#[tokio::test]
async fn a_connection_closed_after_a_certificate_was_asked_for_names_it() {
    let (ca, operators) = (Authority::new(), Authority::new());
    let greeting = greeting(ca.sign("server", &SERVER), Some(&operators), &version::TLS13);
    let address = serve(greeting, says("")).await;
    let (cert, key) = operators.sign("client", &CLIENT);
    let shown_as = format!(
        "`{}` (valid from 2020-01-01T00:00:00Z until 2090-01-01T00:00:00Z)",
        cert.display()
    );
    let files = tls::GarmTlsFiles { cert: Some(cert), key: Some(key), ..ca.trusted() };
    let got = send(&options(format!("https://{address}"), files)).await.unwrap_err();
    assert_eq!(
        got,
        TransportError::ClosedOnCertificate(PresentedCertificate::Certificate(shown_as))
    );
    assert!(got.may_have_arrived());
}

#[tokio::test]
async fn a_response_that_is_not_http_is_reported() {
    let garbage = plainly(says("\0\u{1}garbage\r\n\r\n")).await.unwrap_err();
    assert!(matches!(garbage, TransportError::NotHttp(_)), "{garbage:?}");
    let ca = Authority::new();
    let greeting = greeting(ca.sign("server", &SERVER), None, &version::TLS13);
    let address = serve(greeting, answer("[]")).await;
    let got = send(&options(format!("http://{address}"), tls::GarmTlsFiles::default())).await;
    assert!(matches!(got, Err(TransportError::NotHttp(_))), "{got:?}");
}

#[tokio::test]
async fn tls_to_a_plain_port_is_reported() {
    let bad_request = "HTTP/1.0 400 Bad Request\r\n\r\nwhat?";
    let address = serve(Greeting::Plain, says(bad_request)).await;
    let ca = Authority::new();
    let got = send(&options(format!("https://{address}"), ca.trusted())).await;
    assert_eq!(got, Err(TransportError::Tls(TlsFault::NotTls)));
}

#[tokio::test]
async fn a_connection_closed_without_a_response_is_reported() {
    let got = plainly(says("")).await.unwrap_err();
    let expected = TransportError::Closed("connection closed before message completed".into());
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_response_that_breaks_off_is_reported() {
    let got = plainly(says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{")).await.unwrap_err();
    let expected = TransportError::Body("end of file before message length reached".into());
    assert_eq!(got, expected);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{";
    let got = plainly(says(chunked)).await.unwrap_err();
    assert!(matches!(got, TransportError::Body(_)), "{got:?}");
}

fn too_large() -> TransportError {
    TransportError::TooLarge(ANSWER_MAX)
}

#[tokio::test]
async fn an_endless_response_is_cut() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let mut chunk = b"100000\r\n".to_vec();
    chunk.resize(chunk.len() + 0x10_0000, b' ');
    chunk.extend_from_slice(b"\r\n");
    assert_eq!(plainly(Manner::Repeats(head, chunk)).await, Err(too_large()));
}

#[tokio::test]
async fn a_response_announced_as_too_large_is_not_read() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n";
    assert_eq!(plainly(Manner::Stalls(head.into())).await, Err(too_large()));
}

/// Handwritten deflate data (RFC 1951): a zero byte, and then many times "repeat it 258 times",
/// which takes 13 bits.
fn gzip_bomb() -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut held, mut held_bits) = (0_u32, 0);
    let mut push = |value: u32, bits: u32| {
        held |= value << held_bits;
        held_bits += bits;
        while held_bits >= 8 {
            bytes.push((held & 0xff).try_into().unwrap());
            held >>= 8;
            held_bits -= 8;
        }
    };
    push(0b011, 3); // the last block, with the fixed codes
    push(0b0000_1100, 8); // a zero: code 00110000, most significant bit first
    for _ in 0..=ANSWER_MAX / 258 {
        push(0b1010_0011, 8); // length 258: code 11000101
        push(0, 5); // distance 1: code 00000
    }
    push(0, 15); // the end of the block, and the rest of its last byte
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

#[tokio::test]
async fn a_compressed_response_is_limited_by_its_decompressed_size() {
    let bomb = gzip_bomb();
    assert!(bomb.len() < 1 << 20);
    let mut reply = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        bomb.len()
    )
    .into_bytes();
    reply.extend_from_slice(&bomb);
    assert_eq!(plainly(Manner::Says(reply)).await, Err(too_large()));
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let elsewhere = serve(Greeting::Plain, answer("[]")).await;
    for status in [301, 302, 307, 308] {
        let target = format!("http://{elsewhere}/\u{1b}[31m");
        let reply =
            format!("HTTP/1.1 {status} X\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
        // Control characters are invalid in a header, so the response is not HTTP.
        assert!(matches!(plainly(says(&reply)).await, Err(TransportError::NotHttp(_))));
        let target = format!("http://{elsewhere}/api");
        let reply =
            format!("HTTP/1.1 {status} X\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(plainly(says(&reply)).await, Err(TransportError::Redirect(target)));
    }
}

#[tokio::test]
async fn a_server_that_never_responds_times_out() {
    let brief = |url| HttpOptions {
        timeouts: Timeouts { connect: BRIEF, request: 2 * BRIEF, ..Timeouts::default() },
        ..options(url, Authority::new().trusted_for_ever())
    };
    let silent = serve(Greeting::Plain, Manner::Silent).await;
    let got = send(&brief(format!("http://{silent}"))).await;
    assert_eq!(got, Err(TransportError::Timeout(2 * BRIEF)));
    let got = send(&brief(format!("https://{silent}"))).await;
    assert_eq!(got, Err(TransportError::ConnectTimeout(BRIEF)));
    let slow = serve(
        Greeting::Plain,
        Manner::Stalls(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[".to_vec()),
    )
    .await;
    let got = send(&brief(format!("http://{slow}"))).await;
    assert_eq!(got, Err(TransportError::Timeout(2 * BRIEF)));
}

#[tokio::test]
async fn errors_say_what_happened_and_what_to_do() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (ca, operators) = (Authority::new(), Authority::new());
    let server = ca.sign("server", &SERVER);
    let page = "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n\
                <html><head><title>502 Bad Gateway</title></head></html>";
    let mut report = String::new();
    for (url, files) in [
        (format!("http://{unused}"), tls::GarmTlsFiles::default()),
        (
            format!("http://{}", serve(Greeting::Plain, says(page)).await),
            tls::GarmTlsFiles::default(),
        ),
        (
            format!("http://{}", serve(Greeting::Plain, answer("{}")).await),
            tls::GarmTlsFiles::default(),
        ),
        (
            format!(
                "https://{}",
                serve(greeting(server.clone(), None, &version::TLS13), says("")).await
            ),
            operators.trusted(),
        ),
        (
            format!(
                "https://{}",
                serve(greeting(server, Some(&operators), &version::TLS13), says("")).await
            ),
            ca.trusted(),
        ),
    ] {
        let (_, text) = shown(&options(url, files)).await;
        report.push_str(&text);
        report.push_str("\n\n");
    }
    insta::assert_snapshot!(report, @"
    log in at URL as `admin`: cannot connect: Connection refused (os error 111)
    help: check that GARM is running, and the host and port in `garm.url`

    log in at URL as `admin`: 502 Bad Gateway
    help: a reverse proxy responds but GARM behind it does not: check that GARM is running

    log in at URL as `admin`: 200 with a response that contains no token
    help: check that `garm.url` leads to GARM itself, without `/api/v1`, that no proxy responds in its place, and that `garm.tls.cert` is the kind of certificate that a reverse proxy in front of it requires

    log in at URL as `admin`: the server's certificate is signed by an unknown CA
    help: set `garm.tls.ca` to the CA that issued GARM's certificate; a self-signed certificate is its own CA

    log in at URL as `admin`: the server asked for a client certificate, got none, and refused: CertificateRequired
    help: set `garm.tls.cert` and `garm.tls.key`
    ");
}

/// A self-signed certificate is its own CA, which is common in small installations.
#[tokio::test]
async fn a_self_signed_certificate_can_be_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![SERVER.name.to_owned()]).unwrap();
    let cert = input::write(folder.path(), "cert", &params.self_signed(&key).unwrap().pem());
    let key = input::write(folder.path(), "key", &key.serialize_pem());
    let files = tls::GarmTlsFiles { ca: Some(cert.clone()), ..tls::GarmTlsFiles::default() };
    let got = over_tls(greeting((cert, key), None, &version::TLS13), files).await;
    assert_eq!(got.unwrap().status, 200);
}
