//! Requests the decisions and the health of a running `watch` at the address of its settings.

use std::net::SocketAddr;
use std::sync::Arc;

use runnerctl::config::{CertFiles, ListenerTls, WatchSettings};
use runnerctl::metrics::Certificates;
use runnerctl::metrics::watch_client::{AskError, WatchEndpoint};
use serde_json::{Value, json};

use super::door::{Authority, Served};
use crate::service::stage::free_address;

/// The response of a `watch` with these certificates to a client with these settings.
async fn asked(
    served: Option<ListenerTls>,
    asking: Option<ListenerTls>,
    identity: Option<CertFiles>,
) -> Result<Value, AskError> {
    let certificates = served.map(|it| Arc::new(Certificates::read(&it).unwrap()));
    let served = Served::start(certificates).await;
    served.metrics.explain(Arc::new(|| json!({ "pools": [7] })));
    let answer = ask(served.address, asking, identity).await;
    served.end().await;
    answer
}

async fn ask(
    listen: SocketAddr,
    tls: Option<ListenerTls>,
    identity: Option<CertFiles>,
) -> Result<Value, AskError> {
    let settings = WatchSettings { listen, tls, ..WatchSettings::default() };
    WatchEndpoint::new(&settings, identity).decisions_page(None).await
}

fn page() -> Result<Value, AskError> {
    Ok(json!({ "pools": [7] }))
}

#[tokio::test]
async fn the_response_is_the_same_with_and_without_tls() {
    assert_eq!(asked(None, None, None).await, page());
    let authority = Authority::new();
    let files = || ListenerTls { server: authority.server(), client_ca: None };
    let files = files();
    assert_eq!(asked(Some(files.clone()), Some(files), None).await, page());
}

#[tokio::test]
async fn our_client_certificate_is_presented_where_it_is_requested() {
    let (authority, operators) = (Authority::new(), Authority::new());
    let files =
        ListenerTls { server: authority.server(), client_ca: Some(operators.path("ca.pem")) };
    let both = || (Some(files.clone()), Some(files.clone()));
    let (served, asking) = both();
    assert_eq!(asked(served, asking, Some(operators.operator())).await, page());
    for identity in [None, Some(Authority::new().operator())] {
        let (served, asking) = both();
        let answer = asked(served, asking, identity).await;
        assert!(matches!(answer, Err(AskError::NoAnswer(_))), "{answer:?}");
    }
}

/// Another program or another machine may have the address now.
#[tokio::test]
async fn a_listener_with_another_certificate_is_not_trusted() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let files = |of: &Authority| ListenerTls { server: of.server(), client_ca: None };
    let answer = asked(Some(files(&theirs)), Some(files(&ours)), None).await;
    let Err(AskError::NoAnswer(why)) = answer else { panic!("{answer:?}") };
    assert!(why.contains("a certificate other than `watch.tls.cert`"), "{why}");
}

#[tokio::test]
async fn no_listener_and_another_service_have_different_errors() {
    assert_eq!(ask(free_address(), None, None).await, Err(AskError::NotRunning));
    let served = Served::start(None).await;
    let undecided = Err(AskError::NoAnswer("nothing has been decided yet".into()));
    assert_eq!(ask(served.address, None, None).await, undecided);
    let any: SocketAddr = ([0, 0, 0, 0], served.address.port()).into();
    assert_eq!(ask(any, None, None).await, undecided, "on every address of this machine");
    served.end().await;
}

/// Requests the health at `--url`, with these settings.
async fn health_at(url: &str, tls: Option<ListenerTls>) -> Result<(), AskError> {
    let settings = WatchSettings { tls, ..WatchSettings::default() };
    let place = WatchEndpoint::at(&url.parse().unwrap(), &settings, None).unwrap();
    place.health().await
}

#[tokio::test]
async fn the_health_is_that_of_the_loop_whatever_was_read_of_garm() {
    let served = Served::start(None).await;
    let port = served.address.port();
    for url in [format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}/")] {
        assert_eq!(health_at(&url, None).await, Ok(()), "{url}");
    }
    served.end().await;
    let hung = Served::hung().await;
    let answer = health_at(&format!("http://{}", hung.address), None).await;
    let Err(AskError::NoAnswer(why)) = answer else { panic!("{answer:?}") };
    assert!(why.starts_with("the loop has made no pass for "), "{why}");
    hung.end().await;
    let nowhere = format!("http://{}", free_address());
    assert_eq!(health_at(&nowhere, None).await, Err(AskError::NotRunning));
}

#[tokio::test]
async fn the_health_over_tls_needs_the_certificate_of_the_fleet_file() {
    let authority = Authority::new();
    let files = ListenerTls { server: authority.server(), client_ca: None };
    let served = Served::start(Some(Arc::new(Certificates::read(&files).unwrap()))).await;
    let url = format!("https://localhost:{}", served.address.port());
    assert_eq!(health_at(&url, Some(files)).await, Ok(()));
    let other = ListenerTls { server: Authority::new().server(), client_ca: None };
    assert!(matches!(health_at(&url, Some(other)).await, Err(AskError::NoAnswer(_))));
    served.end().await;
}

#[test]
fn an_address_for_the_health_is_no_more_than_that() {
    let refused = |url: &str| {
        let settings = WatchSettings::default();
        WatchEndpoint::at(&url.parse().unwrap(), &settings, None).unwrap_err().0
    };
    assert_eq!(refused("https://127.0.0.1:1"), "`https://` needs the certificate in `watch.tls`");
    assert_eq!(refused("ftp://127.0.0.1:1"), "`ftp://127.0.0.1:1/` is not HTTP");
    for url in ["http://h/metrics", "http://h/?a", "http://me@h"] {
        assert!(refused(url).ends_with(" has more than an address"), "{}", refused(url));
    }
}
