//! A real Alertmanager with the shipped configuration receives our alerts and notifies the receiver
//! on call. Only times and addresses are changed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use runnerctl::host::clock::Clock;
use runnerctl::notify::{AlertStatus, DeliveryOutcome, Notification, Notifier, ReceiverApi};
use serde_json::{Value, json};

use super::outside::{ALERTMANAGER, Beside, free_port, json as get, replace, shipped};
use super::scraped::{is_firing, prometheus, queue};
use crate::metrics::door::Served;
use crate::notify::hook::Hook;
use crate::notify::{Deliveries, firing, resolved, target};

/// Starts Alertmanager with the example configuration and `hook` as its receivers.
async fn alertmanager(folder: &Path, hook: &Hook) -> (Beside, String) {
    let text = fs::read_to_string(shipped("prometheus/alertmanager.yaml")).unwrap();
    let text = replace(&text, "http://127.0.0.1:9099", &format!("http://{}", hook.address));
    let text = replace(&text, "group_wait: 30s", "group_wait: 1s");
    let text = replace(&text, "group_interval: 5m", "group_interval: 1s");
    fs::write(folder.join("alertmanager.yaml"), text).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let arguments = [
        "--config.file=alertmanager.yaml".to_owned(),
        "--storage.path=alerts".to_owned(),
        format!("--web.listen-address={address}"),
        // A single instance needs no port for a cluster.
        "--cluster.listen-address=".to_owned(),
    ];
    let mut process = Beside::start(ALERTMANAGER, &arguments, folder);
    let status = format!("http://{address}/api/v2/status");
    process.until("Alertmanager answers", async || get(&status).await).await;
    (process, address)
}

/// The specification's alert at the current time, because Alertmanager uses this machine's clock.
fn now(state: fn(&str) -> Notification, pool: &str) -> Notification {
    let alert = state(pool);
    let at = Clock::Real.now();
    let since = at - Duration::from_secs(60);
    let status = match alert.status {
        AlertStatus::Firing { .. } => AlertStatus::Firing { since },
        AlertStatus::Resolved { .. } => AlertStatus::Resolved { since, at },
    };
    Notification { status, ..alert }
}

/// The next page about `QueueDepthHigh`: its group, its state, and the alerts in it.
async fn page(hook: &mut Hook) -> (Value, Value, Vec<Value>) {
    loop {
        let message = hook.next().await;
        if message["groupLabels"]["alertname"] == "QueueDepthHigh" {
            assert_eq!(message["receiver"], "oncall");
            let alerts = message["alerts"].as_array().unwrap().clone();
            return (message["groupLabels"].clone(), message["status"].clone(), alerts);
        }
    }
}

fn group(pool: &str) -> Value {
    json!({ "alertname": "QueueDepthHigh", "pool": pool })
}

#[tokio::test]
async fn the_engineer_on_call_is_notified_once_per_pool_and_of_the_end() {
    let mut hook = Hook::start([]).await;
    let folder = tempfile::tempdir().unwrap();
    let (process, address) = alertmanager(folder.path(), &hook).await;
    let deliveries = Deliveries::default();
    let oncall = target("oncall", ReceiverApi::Alertmanager, &format!("http://{address}"));
    let mut notifier = Notifier::start(vec![oncall], deliveries.report()).unwrap();
    for pool in ["default", "gpu"] {
        notifier.tell(&now(firing, pool), &[]);
    }
    let mut groups = BTreeSet::new();
    for _ in 0..2 {
        let (group, status, alerts) = page(&mut hook).await;
        assert_eq!((status, alerts.len()), (json!("firing"), 1));
        let pool = group["pool"].as_str().unwrap().to_owned();
        assert_eq!(
            alerts[0]["labels"],
            json!({ "alertname": "QueueDepthHigh", "fleet": "acme", "pool": pool, "severity": "page" })
        );
        let summary = format!("`queue_depth` of pool `{pool}` is 25, above 20 for 5m");
        assert_eq!(alerts[0]["annotations"]["summary"], summary);
        groups.insert(pool);
    }
    assert_eq!(groups, ["default", "gpu"].map(str::to_owned).into());
    notifier.tell(&now(resolved, "gpu"), &[]);
    let (of, status, alerts) = page(&mut hook).await;
    assert_eq!((of, status, alerts.len()), (group("gpu"), json!("resolved"), 1));
    notifier.close(Duration::from_secs(5)).await;
    drop(process);
    let outcomes: Vec<DeliveryOutcome> = deliveries.all().iter().map(|it| it.outcome).collect();
    assert!(outcomes.iter().all(|it| *it == DeliveryOutcome::Delivered), "{outcomes:?}");
}

/// Our alert and that of the Prometheus rule have the same labels, so only one page is sent.
#[tokio::test]
async fn watch_and_prometheus_page_together() {
    let served = Served::start(None).await;
    queue(&served.metrics, 25);
    let mut hook = Hook::start([]).await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (mut process, address) = alertmanager(folders[0].path(), &hook).await;
    let listener = served.address.to_string();
    let (mut scraper, api) = prometheus(folders[1].path(), &listener, &address);
    let fires = async || is_firing(&api, "QueueDepthHigh", "default").await;
    scraper.until("Prometheus' alert fires", fires).await;
    let (of, _, first) = page(&mut hook).await;
    assert_eq!((of, first.len()), (group("default"), 1));
    // From now on, both send the same alert.
    let deliveries = Deliveries::default();
    let oncall = target("oncall", ReceiverApi::Alertmanager, &format!("http://{address}"));
    let mut notifier = Notifier::start(vec![oncall], deliveries.report()).unwrap();
    notifier.tell(&now(firing, "default"), &[]);
    let told = async || (deliveries.all().len() == 1).then_some(());
    process.until("our alert has been delivered", told).await;
    let labels = r#"alertname="QueueDepthHigh""#;
    let filter: String = url::form_urlencoded::byte_serialize(labels.as_bytes()).collect();
    let all = get(&format!("http://{address}/api/v2/alerts?filter={filter}")).await.unwrap();
    assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
    assert_eq!(all[0]["labels"], first[0]["labels"]);
    assert_eq!(all[0]["annotations"]["value"], "25", "ours came last");
    // The next page is about another alert.
    notifier.tell(&now(firing, "gpu"), &[]);
    assert_eq!(page(&mut hook).await.0, group("gpu"));
    notifier.close(Duration::from_secs(5)).await;
    drop((scraper, process));
    served.end().await;
}
