//! The shipped rules and configurations, checked by the tools of Prometheus and Alertmanager.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::outside::{AMTOOL, PROMTOOL, run, shipped};
use super::query::series_of;
use crate::metrics::script;

fn yaml(path: &std::path::Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The alert rules, in the order of the file.
fn rules() -> Vec<Value> {
    let file = yaml(&shipped("prometheus/runnerctl.rules.yaml"));
    let groups = file["groups"].as_array().unwrap().iter();
    groups.flat_map(|it| it["rules"].as_array().unwrap().clone()).collect()
}

/// `QueueDepthHigh` → `queue-depth-high`.
fn file_name(alert: &str) -> String {
    let mut name = String::new();
    for c in alert.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// R6: queue_depth above 20 for more than 5 minutes alerts the engineer on call.
#[test]
fn r6_is_a_rule_exactly_as_specified() {
    let rules = rules();
    let rule = rules.iter().find(|it| it["alert"] == "QueueDepthHigh").unwrap();
    assert_eq!(rule["expr"], "max by (pool) (queue_depth > 20)");
    assert_eq!(rule["for"], "5m");
    assert_eq!(rule["labels"], json!({ "severity": "page" }));
}

#[test]
fn promtool_accepts_rules_and_configuration() {
    let rules = shipped("prometheus/runnerctl.rules.yaml");
    run(PROMTOOL, &["check", "rules", rules.to_str().unwrap()], "");
    let config = shipped("prometheus/prometheus.yaml");
    run(PROMTOOL, &["check", "config", config.to_str().unwrap()], "");
    let config = shipped("prometheus/alertmanager.yaml");
    run(AMTOOL, &["check-config", config.to_str().unwrap()], "");
}

/// Each alert has a file of tests in which it fires, and in which it does not fire (except the dead
/// man's switch).
#[test]
fn every_rule_passes_its_tests() {
    let mut files = Vec::new();
    for rule in rules() {
        let alert = rule["alert"].as_str().unwrap();
        let path = shipped(&format!("prometheus/tests/{}.yaml", file_name(alert)));
        let tests = yaml(&path);
        let tests = tests["tests"].as_array().unwrap().iter();
        let looks: Vec<Value> =
            tests.flat_map(|it| it["alert_rule_test"].as_array().unwrap().clone()).collect();
        assert!(looks.iter().all(|it| it["alertname"] == alert), "{alert}");
        let fires = |it: &&Value| !it["exp_alerts"].as_array().unwrap().is_empty();
        let fired = looks.iter().filter(fires).count();
        assert!(fired > 0, "{alert} never fires in its tests");
        assert!(fired < looks.len() || alert == "DeadMansSwitch", "{alert} always fires");
        files.push(path.to_str().unwrap().to_owned());
    }
    let kept = fs::read_dir(shipped("prometheus/tests")).unwrap().count();
    assert_eq!(kept, files.len(), "a file of tests without a rule");
    let arguments: Vec<&str> =
        ["test", "rules"].into_iter().chain(files.iter().map(String::as_str)).collect();
    run(PROMTOOL, &arguments, "");
}

#[test]
fn every_rule_uses_existing_series_and_says_what_to_do() {
    for rule in rules() {
        let alert = rule["alert"].as_str().unwrap();
        let series = series_of(rule["expr"].as_str().unwrap()).unwrap();
        assert!(!series.is_empty() || alert == "DeadMansSwitch", "{alert}");
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["page", "ticket", "none"].contains(&severity), "{alert}");
        for text in ["summary", "description"] {
            let text = rule["annotations"][text].as_str().unwrap();
            assert!(!text.is_empty() && !text.ends_with('.'), "{alert}: {text}");
        }
    }
}

/// Every severity has a route, so that no alert is lost.
#[test]
fn the_example_routes_every_severity_and_groups_by_alert_and_pool() {
    let config = shipped("prometheus/alertmanager.yaml");
    let config = config.to_str().unwrap();
    let route = |severity: &str| {
        let label = format!("severity={severity}");
        let labels = ["alertname=QueueDepthHigh", "pool=default", &label];
        let flags = ["config", "routes", "test", "--config.file", config];
        let said = run(AMTOOL, &[&flags[..], &labels[..]].concat(), "");
        // Debian's amtool continues after a warning about its own flags.
        said.lines().next().unwrap().to_owned()
    };
    assert_eq!(["page", "ticket", "none"].map(route), ["oncall", "tickets", "heartbeat"]);
    let route = &yaml(&shipped("prometheus/alertmanager.yaml"))["route"];
    assert_eq!(route["group_by"], json!(["alertname", "pool"]));
    let inner = route["routes"].as_array().unwrap();
    assert!(inner.iter().all(|it| it.get("group_by").is_none()), "the groups of the root hold");
}

/// Checks the page of a run in which every event has occurred.
#[tokio::test]
async fn promtool_accepts_the_metrics() {
    let served = crate::metrics::door::Served::start(None).await;
    script::publish(&served.metrics);
    script::count(&served.metrics);
    let url = format!("http://{}/metrics", served.address);
    let page = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert_eq!(run(PROMTOOL, &["check", "metrics"], &page), "");
    served.end().await;
}

#[test]
fn names_of_rules_are_unique() {
    let names: Vec<String> =
        rules().iter().map(|it| it["alert"].as_str().unwrap().to_owned()).collect();
    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}
