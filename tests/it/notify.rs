//! Delivers alerts to webhooks over real sockets.

pub(crate) mod hook;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use hook::{Answer, Hook};
use runnerctl::notify::{
    AlertStatus, Delivery, DeliveryListener, DeliveryOutcome, Notification, Notifier, ReceiverApi,
    ReceiverEndpoint,
};
use secrecy::SecretString;
use serde_json::json;
use tokio::net::TcpListener;

/// A notification as `watch` sends it: the specification's rule about the specification's pool.
pub(crate) fn firing(pool: &str) -> Notification {
    Notification {
        rule: "QueueDepthHigh".into(),
        labels: BTreeMap::from([
            ("fleet".to_owned(), "acme".to_owned()),
            ("pool".to_owned(), pool.to_owned()),
        ]),
        status: AlertStatus::Firing { since: "2026-11-25T10:00:00Z".parse().unwrap() },
        summary: format!("`queue_depth` of pool `{pool}` is 25, above 20 for 5m"),
        description: String::new(),
        runbook: "docs/operations.md#queuedepthhigh".into(),
        source: "http://127.0.0.1:9477/".into(),
        value: 25.0,
    }
}

pub(crate) fn resolved(pool: &str) -> Notification {
    let since = "2026-11-25T10:00:00Z".parse().unwrap();
    let status = AlertStatus::Resolved { since, at: "2026-11-25T10:15:00Z".parse().unwrap() };
    Notification { status, ..firing(pool) }
}

pub(crate) fn target(name: &str, kind: ReceiverApi, url: &str) -> ReceiverEndpoint {
    ReceiverEndpoint::new(name, kind, &SecretString::from(url)).unwrap()
}

fn webhook(name: &str, hook: &Hook) -> ReceiverEndpoint {
    target(name, ReceiverApi::Webhook, &hook.url())
}

/// The results of the attempts, in order.
#[derive(Clone, Default)]
pub(crate) struct Deliveries(Arc<Mutex<Vec<Delivery>>>);

impl Deliveries {
    pub(crate) fn report(&self) -> DeliveryListener {
        let all = Arc::clone(&self.0);
        Arc::new(move |it| all.lock().unwrap().push(it.clone()))
    }

    pub(crate) fn all(&self) -> Vec<Delivery> {
        self.0.lock().unwrap().clone()
    }

    fn outcomes(&self) -> Vec<(DeliveryOutcome, String)> {
        self.all().into_iter().map(|it| (it.outcome, it.detail)).collect()
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

fn answer(status: StatusCode) -> Answer {
    (status, None)
}

#[tokio::test]
async fn a_webhook_is_notified_of_start_and_end() {
    let mut hook = Hook::start([]).await;
    let deliveries = Deliveries::default();
    let mut notifier = Notifier::start(vec![webhook("chat", &hook)], deliveries.report()).unwrap();
    notifier.tell(&firing("default"), &[]);
    let message = hook.next().await;
    assert_eq!(
        message,
        json!({
            "format_version": "1",
            "status": "firing",
            "text": "[firing] QueueDepthHigh: `queue_depth` of pool `default` is 25, above 20 for 5m\n\
                     runbook: docs/operations.md#queuedepthhigh",
            "alerts": [{
                "name": "QueueDepthHigh",
                "status": "firing",
                "labels": { "fleet": "acme", "pool": "default" },
                "since": "2026-11-25T10:00:00Z",
                "resolved_at": null,
                "summary": "`queue_depth` of pool `default` is 25, above 20 for 5m",
                "description": "",
                "runbook_url": "docs/operations.md#queuedepthhigh",
                "generator_url": "http://127.0.0.1:9477/",
                "value": 25.0,
            }],
        })
    );
    notifier.tell(&resolved("default"), &[]);
    let message = hook.next().await;
    assert_eq!(message["status"], "resolved");
    assert_eq!(message["alerts"][0]["resolved_at"], "2026-11-25T10:15:00Z");
    notifier.close(PATIENCE).await;
    assert!(hook.is_quiet());
    let delivered = (DeliveryOutcome::Delivered, "200 OK".to_owned());
    assert_eq!(deliveries.outcomes(), [delivered.clone(), delivered]);
}

#[tokio::test]
async fn failed_deliveries_are_repeated_and_counted() {
    let mut hook = Hook::start([answer(StatusCode::SERVICE_UNAVAILABLE)]).await;
    let deliveries = Deliveries::default();
    let mut notifier = Notifier::start(vec![webhook("chat", &hook)], deliveries.report()).unwrap();
    notifier.tell(&firing("default"), &[]);
    assert_eq!(hook.next().await, hook.next().await);
    notifier.close(PATIENCE).await;
    assert_eq!(
        deliveries.outcomes(),
        [
            (DeliveryOutcome::Failed, "503 Service Unavailable".to_owned()),
            (DeliveryOutcome::Delivered, "200 OK".to_owned()),
        ]
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut elsewhere = Hook::start([]).await;
    let location = Some(("location", elsewhere.url()));
    let mut hook = Hook::start([(StatusCode::TEMPORARY_REDIRECT, location)]).await;
    let deliveries = Deliveries::default();
    let mut notifier = Notifier::start(vec![webhook("chat", &hook)], deliveries.report()).unwrap();
    notifier.tell(&firing("default"), &[]);
    hook.next().await;
    hook.next().await;
    notifier.close(PATIENCE).await;
    assert!(elsewhere.is_quiet());
    assert_eq!(
        deliveries.outcomes(),
        [
            (DeliveryOutcome::Refused, "307 Temporary Redirect".to_owned()),
            (DeliveryOutcome::Delivered, "200 OK".to_owned()),
        ]
    );
}

#[tokio::test]
async fn no_report_contains_the_address_of_a_webhook() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut hook = Hook::start([answer(StatusCode::NOT_FOUND)]).await;
    let deliveries = Deliveries::default();
    let targets = vec![
        target(
            "away",
            ReceiverApi::Webhook,
            &format!("http://{closed}/services/canary?token=canary"),
        ),
        target("wrong", ReceiverApi::Webhook, &format!("http://{}/services/canary", hook.address)),
    ];
    let shown = format!("{targets:?}");
    assert_eq!(shown, "[ReceiverEndpoint(away, Webhook, …), ReceiverEndpoint(wrong, Webhook, …)]");
    let mut notifier = Notifier::start(targets, deliveries.report()).unwrap();
    notifier.tell(&firing("default"), &[]);
    hook.next().await;
    notifier.close(PATIENCE).await;
    let all = deliveries.all();
    assert!(all.iter().any(|it| it.detail == "404 Not Found"), "{all:?}");
    assert!(all.iter().any(|it| it.detail.starts_with("Connection refused")), "{all:?}");
    assert!(!format!("{all:?}").contains("canary"), "{all:?}");
}

/// A proxy in front may take a token in the path, and its error page may repeat the token.
#[tokio::test]
async fn the_path_of_an_alertmanager_is_masked_in_its_responses() {
    for form in crate::secrets::vault::quoted_forms("/canary-path") {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let page = format!("nothing at <{form}>");
        let answer = move || async move { (StatusCode::NOT_FOUND, page) };
        let router = axum::Router::new().fallback(answer);
        // Ends with the runtime of the test.
        tokio::spawn(async move { axum::serve(listener, router).await });
        let deliveries = Deliveries::default();
        let url = format!("http://{address}/canary-path/");
        let targets = vec![target("oncall", ReceiverApi::Alertmanager, &url)];
        let mut notifier = Notifier::start(targets, deliveries.report()).unwrap();
        notifier.tell(&firing("default"), &[]);
        notifier.close(PATIENCE).await;
        let said = format!("{:?}", deliveries.outcomes());
        assert!(said.contains("nothing at <"), "{said}");
        assert!(!said.contains(form.trim_matches(['"', '='])), "{form}: {said}");
    }
}

#[tokio::test]
async fn the_shutdown_delivers_the_remaining_alerts_once_more() {
    let wait = Some(("retry-after", "300".to_owned()));
    let mut hook = Hook::start([(StatusCode::TOO_MANY_REQUESTS, wait)]).await;
    let deliveries = Deliveries::default();
    let mut notifier = Notifier::start(vec![webhook("chat", &hook)], deliveries.report()).unwrap();
    notifier.tell(&firing("default"), &[]);
    hook.next().await;
    notifier.close(PATIENCE).await;
    hook.next().await;
    assert_eq!(
        deliveries.outcomes(),
        [
            (DeliveryOutcome::Failed, "429 Too Many Requests".to_owned()),
            (DeliveryOutcome::Delivered, "200 OK".to_owned()),
        ]
    );
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_neither_others_nor_the_shutdown() {
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", deaf.local_addr().unwrap());
    let mut hook = Hook::start([]).await;
    let targets = vec![target("a-deaf", ReceiverApi::Webhook, &url), webhook("chat", &hook)];
    let mut notifier = Notifier::start(targets, Deliveries::default().report()).unwrap();
    for pool in ["a", "b", "c"] {
        notifier.tell(&firing(pool), &[]);
    }
    let mut told = 0;
    while told < 3 {
        told += hook.next().await["alerts"].as_array().unwrap().len();
    }
    notifier.close(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn a_rule_notifies_its_receivers_and_a_reload_notifies_new_ones() {
    let (mut chat, mut pager, mut late) =
        (Hook::start([]).await, Hook::start([]).await, Hook::start([]).await);
    let targets = vec![webhook("chat", &chat), webhook("pager", &pager)];
    let mut notifier = Notifier::start(targets, Deliveries::default().report()).unwrap();
    notifier.tell(&firing("a"), &["chat".to_owned()]);
    assert_eq!(chat.next().await["alerts"][0]["labels"]["pool"], "a");
    notifier.tell(&firing("b"), &[]);
    assert_eq!(chat.next().await["alerts"][0]["labels"]["pool"], "b");
    assert_eq!(pager.next().await["alerts"][0]["labels"]["pool"], "b");

    notifier.reload(vec![webhook("chat", &chat), webhook("late", &late)]).unwrap();
    assert_eq!(late.next().await["alerts"][0]["labels"]["pool"], "b");
    notifier.tell(&resolved("b"), &[]);
    assert_eq!(chat.next().await["status"], "resolved");
    assert_eq!(late.next().await["status"], "resolved");
    notifier.close(PATIENCE).await;
    assert!(chat.is_quiet() && pager.is_quiet() && late.is_quiet());
}
