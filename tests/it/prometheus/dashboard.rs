//! The dashboard: the series of its queries exist.

use std::collections::BTreeSet;
use std::fs;

use runnerctl::metrics::catalog;
use serde_json::Value;

use super::outside::{PROMTOOL, replace, run, shipped};
use super::query::series_of;

/// A query of a panel, and the format of its legend.
pub(super) struct Query {
    pub(super) panel: String,
    pub(super) text: String,
    legend: String,
}

impl Query {
    /// The query as Grafana would send it.
    pub(super) fn sent(&self) -> String {
        self.text.replace("$__rate_interval", "30s").replace("$garm", ".*").replace("$pool", ".*")
    }
}

fn dashboard() -> Value {
    serde_json::from_slice(&fs::read(shipped("grafana/runnerctl.json")).unwrap()).unwrap()
}

/// Every query of every panel.
pub(super) fn queries() -> Vec<Query> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let of = |panel: &Value| -> Vec<Query> {
        let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice).iter();
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        let query = |it: &Value| Query {
            panel: text(&panel["title"]),
            text: text(&it["expr"]),
            legend: text(&it["legendFormat"]),
        };
        targets.map(query).collect()
    };
    panels.flat_map(of).collect()
}

#[test]
fn every_query_uses_existing_series_and_labels() {
    let queries = queries();
    let mut shown = BTreeSet::new();
    for query in &queries {
        let series = series_of(&query.text).unwrap_or_else(|it| panic!("{}: {it}", query.panel));
        let labels: BTreeSet<&str> = catalog::all()
            .filter(|it| series.contains(it.name))
            .flat_map(|it| it.labels.iter().copied())
            .collect();
        for part in query.legend.split("{{").skip(1) {
            let label = part.split("}}").next().unwrap();
            assert!(labels.contains(label), "{}: {label}", query.panel);
        }
        shown.extend(series);
    }
    let missing: Vec<&str> =
        catalog::all().map(|it| it.name).filter(|it| !shown.contains(it)).collect();
    assert_eq!(missing, [""; 0], "series that no panel shows");
    let variable = |at: usize| dashboard()["templating"]["list"][at]["definition"].clone();
    let names = ["label_values(queue_depth, pool)", "label_values(queue_depth, garm)"];
    assert_eq!([variable(1), variable(2)], names);
}

/// Prometheus itself parses every query.
#[test]
fn every_query_is_valid_promql() {
    let rules: Vec<Value> = queries()
        .iter()
        .enumerate()
        .map(|(i, it)| serde_json::json!({ "record": format!("panel:{i}"), "expr": it.sent() }))
        .collect();
    let count = rules.len();
    let file = serde_json::json!({ "groups": [{ "name": "panels", "rules": rules }] });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panels.yaml");
    fs::write(&path, file.to_string()).unwrap();
    let said = run(PROMTOOL, &["check", "rules", path.to_str().unwrap()], "");
    replace(&said, &format!("{count} rules found"), "");
}

/// Panels do not overlap, and each has a unique title.
#[test]
fn panels_do_not_overlap() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    let mut titles = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in place("x")..place("x") + place("w") {
            assert!(x < 24, "{}", panel["title"]);
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{}", panel["title"]);
            }
        }
        assert!(titles.insert(panel["title"].as_str().unwrap().to_owned()), "{}", panel["title"]);
    }
}
