//! Status codes and headers of the status page.

use std::sync::Arc;

use reqwest::{Client, StatusCode};
use runnerctl::metrics::{HtmlPage, MetricsState, PageRenderer};
use runnerctl::render::page::SECURITY_POLICY;

use super::door::Served;

/// Serves pages that contain only the request. The pool `none` does not exist.
pub(super) fn serve_names(metrics: &MetricsState) {
    let page: PageRenderer = Arc::new(|_, request| {
        let is_found = request.pool.as_deref() != Some("none");
        let html = format!("{:?} {}", request.pool, request.is_refreshed);
        Some(HtmlPage { is_found, html, security_policy: &SECURITY_POLICY })
    });
    metrics.pages(page, Arc::new(|_| None));
}

#[tokio::test]
async fn pages_are_answered_with_strict_headers_and_names_are_decoded() {
    let served = Served::start(None).await;
    let client = Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        client.get(format!("http://{}{path}", served.address)).send().await.unwrap()
    };
    let early = get("/").await;
    assert_eq!(early.status(), StatusCode::SERVICE_UNAVAILABLE);
    serve_names(&served.metrics);
    for (path, status, body) in [
        ("/", StatusCode::OK, "None true"),
        ("/?refresh=off", StatusCode::OK, "None false"),
        ("/?a=b&refresh=off", StatusCode::OK, "None false"),
        ("/pools/web", StatusCode::OK, "Some(\"web\") true"),
        ("/pools/web?refresh=off", StatusCode::OK, "Some(\"web\") false"),
        ("/pools/a%2Fb%20%3Cc%3E", StatusCode::OK, "Some(\"a/b <c>\") true"),
        ("/pools/none", StatusCode::NOT_FOUND, "Some(\"none\") true"),
    ] {
        let answer = get(path).await;
        assert_eq!(answer.status(), status, "{path}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!(header("content-security-policy"), *SECURITY_POLICY);
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(answer.text().await.unwrap(), body, "{path}");
    }
    assert_eq!(get("/pools/%ff").await.status(), StatusCode::NOT_FOUND, "not UTF-8");
    for path in ["/", "/pools/web"] {
        let url = format!("http://{}{path}", served.address);
        let answer = client.head(&url).send().await.unwrap();
        assert_eq!((answer.status(), answer.text().await.unwrap()), (StatusCode::OK, "".into()));
        for answer in [client.post(&url).send().await, client.delete(&url).send().await] {
            assert_eq!(answer.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
    }
    served.end().await;
}
