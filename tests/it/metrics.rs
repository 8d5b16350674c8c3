//! The contents of `/metrics`, readiness and health.

mod ask;
pub(crate) mod door;
mod garms;
mod page;
pub(crate) mod script;

use std::time::Duration;

use runnerctl::metrics::catalog::{self, MetricKind};
use runnerctl::metrics::{Counter, HealthLimits, MetricsState, PoolGauges, Timing};
use script::{count, default_pool, metrics, pool, publish, snapshot};
use tokio::time::advance;

/// The lines of a page about one metric, without comments.
fn lines(page: &str, name: &str) -> Vec<String> {
    let is_meant =
        |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ', '_']));
    page.lines().filter(is_meant).map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn the_page_of_a_scripted_run() {
    let metrics = metrics();
    publish(&metrics);
    count(&metrics);
    advance(Duration::from_millis(12_500)).await;
    insta::assert_snapshot!(metrics.metrics_page().replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[tokio::test(start_paused = true)]
async fn metrics_of_r5_have_exactly_the_specified_form() {
    let metrics = metrics();
    metrics.publish(snapshot([(pool("default"), default_pool())]));
    let page = metrics.metrics_page();
    let expected = r#"# HELP runner_active Number of runners currently executing jobs
# TYPE runner_active gauge
runner_active{pool="default"} 5
# HELP runner_idle Number of runners waiting for jobs
# TYPE runner_idle gauge
runner_idle{pool="default"} 2
# HELP queue_depth Number of workflows waiting for a runner
# TYPE queue_depth gauge
queue_depth{pool="default"} 3
"#;
    assert!(page.starts_with(expected), "{page}");
}

#[tokio::test(start_paused = true)]
async fn before_the_first_full_read_the_page_has_only_the_process() {
    let metrics = metrics();
    metrics.count(Counter::GarmRequest { method: "POST", code: None });
    metrics.count(Counter::ScaledownRefused { pool: pool("default"), reason: "busy" });
    metrics.process(|process| (process.is_leader, process.leader_term) = (Some(false), Some(7)));
    let names: Vec<String> = metrics
        .metrics_page()
        .lines()
        .filter(|it| !it.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        names,
        [
            &format!("runnerctl_build_info{{version=\"{version}\"}} 1"),
            "runnerctl_ready 0",
            "runnerctl_leader 0",
            "runnerctl_leader_term 7",
            "runnerctl_level_resent_total 0",
            "runnerctl_reconcile_errors_total 0",
            "runnerctl_garm_requests_total{method=\"POST\",code=\"none\"} 1",
            "runnerctl_audit_gaps_total 0",
            "runnerctl_audit_write_errors_total 0",
            "runnerctl_audit_breaks_total 0",
        ]
    );
    assert_eq!(metrics.readiness(), Err(vec!["GARM has not been read yet".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_pool_has_zeros_and_no_series_of_unknown_values() {
    let metrics = metrics();
    metrics.publish(snapshot([(pool("quiet"), PoolGauges::default())]));
    let page = metrics.metrics_page();
    assert_eq!(lines(&page, "runner_active"), ["runner_active{pool=\"quiet\"} 0"]);
    assert_eq!(lines(&page, "queue_depth"), ["queue_depth{pool=\"quiet\"} 0"]);
    assert_eq!(lines(&page, "runnerctl_pool_runners").len(), 8);
    for absent in [
        "runnerctl_pool_level",
        "runnerctl_pool_outdated_runners",
        "runnerctl_config_drift",
        "runnerctl_mtls_enforced",
        "runnerctl_tls_client_cert_expiry_timestamp_seconds",
        "runnerctl_event_stream_connected",
        "runnerctl_scaling_actions_total",
        "runnerctl_job_queue_duration_seconds",
    ] {
        assert!(!page.contains(absent), "{absent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_removed_pool_loses_all_its_series_at_once() {
    let metrics = metrics();
    publish(&metrics);
    count(&metrics);
    assert!(metrics.metrics_page().contains("pool=\"default\""));
    metrics.publish(snapshot([(pool("quiet"), PoolGauges::default())]));
    assert!(!metrics.metrics_page().contains("pool=\"default\""), "{}", metrics.metrics_page());

    metrics.count(Counter::ScaledownRefused { pool: pool("default"), reason: "busy" });
    metrics.observe(Timing::RunnerStartup { pool: pool("default") }, Duration::from_secs(1));
    assert!(!metrics.metrics_page().contains("pool=\"default\""), "a straggler");

    publish(&metrics);
    assert_eq!(
        lines(&metrics.metrics_page(), "runnerctl_scaledown_refused_total"),
        ["runnerctl_scaledown_refused_total{pool=\"default\",reason=\"busy\"} 1"],
        "counted anew"
    );
}

#[tokio::test(start_paused = true)]
async fn while_frozen_the_last_values_remain_and_their_age_grows() {
    let metrics = metrics();
    publish(&metrics);
    assert_eq!(metrics.readiness(), Ok(()));
    advance(Duration::from_secs(61)).await;
    let page = metrics.metrics_page();
    assert_eq!(lines(&page, "queue_depth")[0], "queue_depth{pool=\"default\"} 3");
    assert_eq!(
        lines(&page, "runnerctl_observation_age_seconds"),
        ["runnerctl_observation_age_seconds 61"]
    );
    metrics.frozen(vec!["the pool manager of `acme` is stopped".into()]);
    assert_eq!(
        metrics.readiness(),
        Err(vec![
            "the pool manager of `acme` is stopped".to_owned(),
            "GARM was last read 1m 1s ago".to_owned(),
        ])
    );
    publish(&metrics);
    metrics.frozen(Vec::new());
    assert_eq!(metrics.readiness(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_hangs_is_unhealthy() {
    let metrics = MetricsState::new(HealthLimits::of(Duration::from_secs(30)));
    advance(Duration::from_secs(120)).await;
    assert_eq!(metrics.health(), Ok(()));
    advance(Duration::from_secs(1)).await;
    assert_eq!(metrics.health(), Err("the loop has made no pass for 2m 1s".to_owned()));
    metrics.turned();
    assert_eq!(metrics.health(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn names_of_receivers_are_escaped_and_shortened() {
    let metrics = metrics();
    let receiver = format!("on\"call\\\n\u{202e}{}", "x".repeat(500));
    metrics.count(Counter::AlertDelivery { receiver, outcome: "failed" });
    let line = lines(&metrics.metrics_page(), "runnerctl_alert_deliveries_total").remove(0);
    let start = "runnerctl_alert_deliveries_total{receiver=\"on\\\"call\\\\\\\\n\\\\u{202e}xxx";
    assert!(line.starts_with(start), "{line}");
    assert!(line.chars().count() < 220, "{line}");
}

#[test]
fn every_series_has_a_help_a_prefix_and_few_buckets() {
    let mut names: Vec<&str> = catalog::all().map(|it| it.name).collect();
    for it in catalog::all() {
        let is_named_by_r5 = ["runner_active", "runner_idle", "queue_depth"].contains(&it.name);
        assert!(is_named_by_r5 || it.name.starts_with("runnerctl_"), "{}", it.name);
        assert!(!it.help.is_empty() && !it.help.ends_with('.'), "{}", it.name);
        let is_total = it.name.ends_with("_total");
        assert_eq!(is_total, it.kind == MetricKind::Counter, "{}", it.name);
        if let MetricKind::Histogram(bounds) = it.kind {
            assert!(bounds.len() < 8, "{}: the infinite one is the eighth", it.name);
            assert!(bounds.is_sorted(), "{}", it.name);
        }
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), catalog::all().count());
}

#[tokio::test(start_paused = true)]
async fn the_scripted_run_has_every_series() {
    let metrics = metrics();
    publish(&metrics);
    count(&metrics);
    let page = metrics.metrics_page();
    for it in catalog::all() {
        assert!(page.contains(&format!("# HELP {} {}\n", it.name, it.help)), "{}", it.name);
    }
}
