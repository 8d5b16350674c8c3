//! `docs/metrics.md`: every series, from the catalog.

use runnerctl::metrics::catalog::{MetricDef, MetricKind, all};
use runnerctl::monitor::FindingKind;
use runnerctl::notify::DeliveryOutcome;
use serde_json::Value;

use super::{keep, origin, table};
use crate::cli::bench::root;

const HEAD: &str = "\
`watch` serves these series at `/metrics` of `watch.listen`, in the text format of Prometheus. Before
the first full read of GARM there are only the counters, `runnerctl_build_info`, `runnerctl_ready` and,
with `watch.leader`, `runnerctl_leader` and its term. While GARM cannot be read the last values stay, and
`runnerctl_observation_age_seconds` grows. The series of a pool vanish when `watch` no longer manages it.

- `runner_active`, `runner_idle` and `queue_depth` are there for every managed pool, zeros included.
- Counters and histograms of a pool appear with their first observation.
- A series without a source is left out, `runnerctl_tls_crl_expiry_timestamp_seconds` without
  `garm.crls` for example.
- No label names a runner, a job or a repository, so the number of series is bounded by the pools.

";

const LABELS: &str = "
## Labels

| label | values |
|---|---|
| `pool` | the name of the pool in its pool file |
| `state` | the [states of a runner](glossary.md#states-of-a-runner) |
| `direction`, `reason` of decisions | see [direction and reason](glossary.md#direction-and-reason-of-a-decision) |
| `outcome` of `runnerctl_scaling_actions_total` | `done`, `already_done`, `refused` (a runner is busy or being created), `failed` |
| `method`, `code` | of the HTTP request to GARM; `code` is `none` when no answer came |
| `kind` | the [kinds of records](audit.md#a-record) |
| `place` | where a signed statement goes: the file or the webhook of `watch.audit_anchor` |
";

/// The alerts whose expression names a series.
fn alerts(series: &MetricDef) -> String {
    let file = root().join("deploy/prometheus/runnerctl.rules.yaml");
    let rules: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let is_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
    let groups = rules["groups"].as_array().unwrap().iter();
    let found = groups.flat_map(|it| it["rules"].as_array().unwrap()).filter(|rule| {
        let expression = rule["expr"].as_str().unwrap();
        expression.split(|c| !is_of_a_name(c)).any(|it| it == series.name)
    });
    let links = found.map(|rule| {
        let alert = rule["alert"].as_str().unwrap();
        format!("[{alert}](operations.md#{})", alert.to_lowercase())
    });
    links.collect::<Vec<_>>().join(", ")
}

fn kind(series: &MetricDef) -> String {
    match series.kind {
        MetricKind::Gauge => "gauge".to_owned(),
        MetricKind::Counter => "counter".to_owned(),
        MetricKind::Histogram(buckets) => {
            let bounds: Vec<String> = buckets.iter().map(f64::to_string).collect();
            format!("histogram, buckets up to {} s", bounds.join(", "))
        }
    }
}

fn words(words: impl Iterator<Item = &'static str>) -> String {
    words.map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_reference_of_the_metrics_is_fresh() {
    let rows = all().map(|it| {
        let labels = words(it.labels.iter().copied());
        [format!("`{}`", it.name), kind(it), labels, it.help.to_owned(), alerts(it)]
    });
    let mut page =
        format!("# Metrics\n\n{}\n{HEAD}", origin("the table in `src/metrics/catalog.rs`"));
    page.push_str(&table(["series", "type", "labels", "help", "alerts"], rows));
    page.push_str(LABELS);
    let findings = words(FindingKind::ALL.map(FindingKind::word).into_iter());
    page.push_str(&format!(
        "| `reason` of `runnerctl_ephemeral_violations_total` | {findings}; \
         [EphemeralViolation](operations.md#ephemeralviolation) explains them |\n"
    ));
    let outcomes = words(DeliveryOutcome::ALL.map(DeliveryOutcome::word).into_iter());
    page.push_str(&format!("| `outcome` of `runnerctl_alert_deliveries_total` | {outcomes} |\n"));
    keep("docs/metrics.md", &page);
}
