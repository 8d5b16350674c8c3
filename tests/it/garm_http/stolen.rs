//! Requests with stolen tokens and certificates to a proxy with the shipped configuration.

use std::path::PathBuf;

use runnerctl::sim::SimConfig;
use serde_json::{Value, json};

use super::front::Front;
use super::*;

/// A token like those that GARM creates for instances, which the administrator's API refuses
/// (GARM.md §i). Only GARM can sign a valid one.
const OF_A_RUNNER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6IjQzZWU2NWRjIiwibmFtZSI6Imdhcm0teCIsInByb3ZpZGVyX2lkIjoibGFiIn0.c2lnbmVkLWJ5LXNvbWVib2R5";

type Pair = (PathBuf, PathBuf);

async fn status(front: &Front, certificate: Option<&Pair>, token: &str, path: &str) -> u16 {
    let request = front.http_client(certificate).get(format!("{}/api/v1{path}", front.api));
    request.bearer_auth(token).send().await.unwrap().status().as_u16()
}

async fn admin_token(front: &Front, operator: &Pair) -> String {
    let login = json!({ "username": "admin", "password": SimConfig::default().password });
    let request =
        front.http_client(Some(operator)).post(format!("{}/api/v1/auth/login", front.api));
    let reply = request.body(login.to_string()).send().await.unwrap().text().await.unwrap();
    let reply: Value = serde_json::from_str(&reply).unwrap();
    reply["token"].as_str().unwrap().to_owned()
}

/// The proxy checks the certificate, and GARM checks the token. One of them alone gives no access,
/// and a runner's machine has neither of an operator.
#[tokio::test]
async fn a_stolen_token_gives_no_access_without_an_operators_certificate() {
    let front = Front::open().await;
    let operator = front.operators.sign("operator", &CLIENT);
    let runner = front.runners.sign("runner", &CLIENT);
    let stranger = Authority::new();
    let foreign = stranger.sign("stranger", &CLIENT);
    let admin = admin_token(&front, &operator).await;
    for path in ["/pools", "/controller", "/metrics-token", "/ws/events"] {
        for (who, certificate, token, expected) in [
            ("a stolen admin's token alone", None, &*admin, 400),
            ("the same from a runner", Some(&runner), &*admin, 400),
            ("the same with a foreign certificate", Some(&foreign), &*admin, 400),
            ("a runner's token alone", None, OF_A_RUNNER, 400),
            ("a runner with all that it has", Some(&runner), OF_A_RUNNER, 400),
            ("an operator's certificate with a runner's token", Some(&operator), OF_A_RUNNER, 401),
        ] {
            assert_eq!(status(&front, certificate, token, path).await, expected, "{who}: {path}");
        }
    }
    // The same token with the certificate that belongs to it.
    assert_eq!(status(&front, Some(&operator), &admin, "/pools").await, 200);
}

/// Plain HTTP cannot present a certificate. nginx responds by itself, and the request does not
/// reach GARM.
#[tokio::test]
async fn plain_http_at_the_front_is_refused() {
    let front = Front::open().await;
    let operator = front.operators.sign("operator", &CLIENT);
    let admin = admin_token(&front, &operator).await;
    for (url, path) in [
        (&front.api, "/api/v1/pools"),
        (&front.url, "/api/v1/callbacks/status"),
        (&front.url, "/api/v1/metadata/x"),
    ] {
        let url = url.replace("https://", "http://");
        let request = front.http_client(None).get(format!("{url}{path}")).bearer_auth(&admin);
        let reply = request.send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 400, "{path}");
        let page = reply.text().await.unwrap();
        assert!(page.contains("plain HTTP request was sent to HTTPS port"), "{path}: {page}");
    }
}
