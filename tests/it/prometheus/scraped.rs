//! A real Prometheus scrapes our listener, with the shipped configuration, rules and dashboard
//! queries. Only times and addresses are changed.

use std::fs;
use std::path::Path;

use runnerctl::metrics::{MetricsState, PoolGauges};
use serde_json::Value;

use super::dashboard::queries;
use super::outside::{Beside, PROMETHEUS, free_port, json, replace, shipped};
use crate::metrics::door::Served;
use crate::metrics::script::{self, default_pool, pool, snapshot};

/// `for: 5m` of R6's rule becomes `for: 5s`; nothing else changes.
fn rules() -> String {
    let text = fs::read_to_string(shipped("prometheus/runnerctl.rules.yaml")).unwrap();
    let rule = "max by (pool) (queue_depth > 20)\n        for: ";
    replace(&text, &format!("{rule}5m\n"), &format!("{rule}5s\n"))
}

/// Writes the example configuration for these addresses, with intervals of a second.
fn configure(folder: &Path, listener: &str, alertmanager: &str) {
    let text = fs::read_to_string(shipped("prometheus/prometheus.yaml")).unwrap();
    let text = replace(&text, "127.0.0.1:9477", listener);
    let text = replace(&text, "127.0.0.1:9093", alertmanager);
    let text = replace(&text, "interval: 15s", "interval: 1s");
    fs::write(folder.join("prometheus.yaml"), text).unwrap();
    fs::write(folder.join("runnerctl.rules.yaml"), rules()).unwrap();
}

/// Starts Prometheus in this folder. Also returns the base URL of its API.
pub(super) fn prometheus(folder: &Path, listener: &str, alertmanager: &str) -> (Beside, String) {
    configure(folder, listener, alertmanager);
    let address = format!("127.0.0.1:{}", free_port());
    let arguments = [
        "--config.file=prometheus.yaml".to_owned(),
        "--storage.tsdb.path=data".to_owned(),
        format!("--web.listen-address={address}"),
    ];
    (Beside::start(PROMETHEUS, &arguments, folder), format!("http://{address}/api/v1"))
}

/// Publishes this queue depth of pool `default`. Everything else is as in the scripted run.
pub(super) fn queue(metrics: &MetricsState, depth: u32) {
    let gauges = PoolGauges { queue_depth: depth, ..default_pool() };
    let pools = [(pool("default"), gauges), (pool("quiet"), PoolGauges::default())];
    metrics.publish(snapshot(pools));
}

/// The state of an alert about a pool; `None` if there is no such alert.
async fn state(api: &str, alert: &str, pool: &str) -> Option<String> {
    let alerts = json(&format!("{api}/alerts")).await?;
    let alerts = alerts["data"]["alerts"].as_array()?;
    let labels = |it: &Value| it["labels"]["pool"].as_str().unwrap_or_default().to_owned();
    let is_meant = |it: &&Value| it["labels"]["alertname"] == alert && labels(it) == pool;
    Some(alerts.iter().find(is_meant)?["state"].as_str()?.to_owned())
}

pub(super) async fn is_firing(api: &str, alert: &str, pool: &str) -> Option<()> {
    state(api, alert, pool).await.filter(|it| it == "firing").map(drop)
}

/// R6, end to end: the number on our page raises an alert, and the alert ends.
#[tokio::test]
async fn a_real_prometheus_fires_and_resolves_r6() {
    let served = Served::start(None).await;
    script::publish(&served.metrics);
    script::count(&served.metrics);
    queue(&served.metrics, 21);
    let folder = tempfile::tempdir().unwrap();
    let closed = format!("127.0.0.1:{}", free_port());
    let (mut prometheus, api) = prometheus(folder.path(), &served.address.to_string(), &closed);
    let pending = async || state(&api, "QueueDepthHigh", "default").await;
    let first = prometheus.until("the rule holds", pending).await;
    assert_eq!(first, "pending", "it has to last");
    let firing = async || is_firing(&api, "QueueDepthHigh", "default").await;
    prometheus.until("the alert fires", firing).await;
    assert_eq!(state(&api, "QueueDepthHigh", "quiet").await, None);
    assert_eq!(state(&api, "CircuitOpen", "default").await.as_deref(), Some("pending"));
    assert_eq!(state(&api, "MtlsNotEnforced", "").await.as_deref(), Some("firing"));
    has_an_answer_to_every_panel(&mut prometheus, &api).await;
    queue(&served.metrics, 20);
    let over = async || {
        let alerts = json(&format!("{api}/alerts")).await?;
        let alerts = alerts["data"]["alerts"].as_array()?.clone();
        let is_gone = alerts.iter().all(|it| it["labels"]["alertname"] != "QueueDepthHigh");
        is_gone.then_some(())
    };
    prometheus.until("the alert is over", over).await;
    drop(prometheus);
    served.end().await;
}

/// Every query of the dashboard has a result on the page of a run in which every event has
/// occurred.
async fn has_an_answer_to_every_panel(prometheus: &mut Beside, api: &str) {
    for query in queries() {
        let sent: String = url::form_urlencoded::byte_serialize(query.sent().as_bytes()).collect();
        let address = format!("{api}/query?query={sent}");
        let has_result = async || {
            let answer = json(&address).await?;
            assert_eq!(answer["status"], "success", "{}: {answer}", query.panel);
            (!answer["data"]["result"].as_array()?.is_empty()).then_some(())
        };
        prometheus
            .until(&format!("{} has a result: {}", query.panel, query.text), has_result)
            .await;
    }
}
