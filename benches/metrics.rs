//! `/metrics` of 1,000 pools in which everything has happened: `cargo bench --bench metrics`.
#![expect(clippy::unwrap_used, reason = "a bench that cannot set its scene ends")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use runnerctl::domain::name::PoolName;
use runnerctl::metrics::{Counter, HealthLimits, MetricsState, PoolGauges, Snapshot, Timing};

const POOLS: usize = 1_000;

fn metrics() -> MetricsState {
    let metrics = MetricsState::new(HealthLimits::of(Duration::from_secs(30)));
    let names: Vec<PoolName> =
        (0..POOLS).map(|it| PoolName::new(&format!("team-{it}-linux-x64")).unwrap()).collect();
    let gauges = PoolGauges {
        active: 5,
        level: Some(2),
        outdated_runners: Some(1),
        has_drift: Some(false),
        ..PoolGauges::default()
    };
    metrics.publish(Snapshot {
        pools: names.iter().map(|it| (it.clone(), gauges.clone())).collect(),
        groups: std::collections::BTreeMap::new(),
        read_at: tokio::time::Instant::now(),
        reconciled_at: jiff::Timestamp::UNIX_EPOCH,
        read_interval: Duration::from_secs(30),
        stale_after: Duration::from_mins(1),
        clock_skew_s: Some(0.1),
    });
    for pool in names {
        for (direction, reason) in [("up", "pressure"), ("up", "late"), ("down", "idle")] {
            let pool = pool.clone();
            metrics.count(Counter::ScalingDecision { pool, direction, reason });
        }
        for direction in ["up", "down"] {
            let pool = pool.clone();
            metrics.count(Counter::ScalingAction { pool, direction, outcome: "done" });
        }
        metrics.count(Counter::ScaledownRefused { pool: pool.clone(), reason: "busy" });
        metrics.observe(Timing::RunnerStartup { pool: pool.clone() }, Duration::from_secs(31));
        metrics.observe(Timing::JobQueue { pool }, Duration::from_secs(12));
    }
    metrics
}

fn render(c: &mut Criterion) {
    let metrics = metrics();
    let page = metrics.metrics_page();
    let series = page.lines().filter(|it| !it.starts_with('#')).count();
    assert!(series > POOLS, "{series} series");
    c.bench_function("/metrics of 1,000 pools", |b| b.iter(|| metrics.metrics_page()));
}

criterion_group!(benches, render);
criterion_main!(benches);
