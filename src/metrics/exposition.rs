//! Numbers → Prometheus' text format.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use prometheus::TextEncoder;
use prometheus::proto::{
    Bucket, Counter as CounterValue, Gauge, Histogram as HistogramValue, LabelPair, Metric,
    MetricFamily, MetricType,
};

use super::catalog::{self, MetricDef, MetricKind};
use super::counters::{Histogram, Totals};
use super::snapshot::{PoolGauges, ProcessGauges, Snapshot};
use super::state::ReloadResult;
use crate::domain::name::PoolName;
use crate::domain::text;

/// Longest value of a label, in characters; only the names of receivers can be long.
const LABEL_MAX: usize = 128;

/// How a gauge of a pool is read; absent without a source.
type PoolReader = fn(&PoolGauges) -> Option<f64>;

/// The gauges that have one number per pool.
const POOL_GAUGES: [(MetricDef, PoolReader); 17] = [
    (catalog::RUNNER_ACTIVE, |it| number(it.active)),
    (catalog::RUNNER_IDLE, |it| number(it.idle)),
    (catalog::QUEUE_DEPTH, |it| number(it.queue_depth)),
    (catalog::POOL_MIN_RUNNERS, |it| number(it.min_runners)),
    (catalog::POOL_MAX_RUNNERS, |it| number(it.max_runners)),
    (catalog::POOL_LEVEL, |it| it.level.and_then(number)),
    (catalog::POOL_UNSERVED_JOBS, |it| number(it.unserved_jobs)),
    (catalog::POOL_STUCK_JOBS, |it| number(it.stuck_jobs)),
    (catalog::POOL_STALE_JOBS, |it| number(it.stale_jobs)),
    (catalog::POOL_FORGOTTEN_JOBS, |it| number(it.forgotten_jobs)),
    (catalog::POOL_OLDEST_QUEUED_JOB_AGE, |it| Some(it.oldest_wait.as_secs_f64())),
    (catalog::POOL_OUTDATED_RUNNERS, |it| it.outdated_runners.and_then(number)),
    (catalog::POOL_BELOW_MIN, |it| number(it.is_below_min)),
    (catalog::CIRCUIT_OPEN, |it| number(it.is_circuit_open)),
    (catalog::LEVEL_NOT_FOLLOWED, |it| number(it.is_stalled)),
    (catalog::CONFIG_DRIFT, |it| it.has_drift.and_then(number)),
    (catalog::POLICY_VIOLATIONS, |it| it.policy_violations.and_then(number)),
];

/// What the gauges of the process are read from.
struct ProcessFacts<'a> {
    snapshot: &'a Snapshot,
    age: Duration,
    process: &'a ProcessGauges,
    config: ReloadResult,
}

/// How a gauge of the process is read; absent without a source.
type ProcessReader = fn(&ProcessFacts<'_>) -> Option<f64>;

/// The gauges that have one number.
const PROCESS_GAUGES: [(MetricDef, ProcessReader); 9] = [
    (catalog::LAST_RECONCILE, |it| seconds(it.snapshot.reconciled_at)),
    (catalog::OBSERVATION_AGE, |it| number(it.age.as_secs_f64())),
    (catalog::EVENT_STREAM_CONNECTED, |it| it.process.is_stream_connected.and_then(number)),
    (catalog::CONFIG_RELOADED, |it| number(it.config == ReloadResult::Applied)),
    (catalog::CLOCK_SKEW, |it| it.snapshot.clock_skew_s),
    (catalog::MTLS_ENFORCED, |it| it.process.is_mtls_enforced.and_then(number)),
    (catalog::TLS_CLIENT_CERT_EXPIRY, |it| it.process.client_cert_expires_at.and_then(seconds)),
    (catalog::TLS_CRL_EXPIRY, |it| it.process.crl_ends_at.and_then(seconds)),
    (catalog::AUDIT_ANCHORED, |it| it.process.audit_anchored_at.and_then(seconds)),
];

fn seconds(time: Timestamp) -> Option<f64> {
    Some(time.as_duration().as_secs_f64())
}

fn number(value: impl Into<f64>) -> Option<f64> {
    Some(value.into())
}

/// What is counted, as families by name. Made while the tallies are locked; the text is not.
pub(super) type Counted = BTreeMap<&'static str, Vec<Metric>>;

/// The counted series of the process and of these pools.
pub(super) fn counted(tallies: &Totals, pools: &BTreeMap<PoolName, PoolGauges>) -> Counted {
    let is_shown = |pool: Option<&PoolName>| pool.is_none_or(|it| pools.contains_key(it));
    let mut families = Counted::new();
    for (counter, n) in tallies.counters.iter().filter(|(it, _)| is_shown(it.pool())) {
        let mut value = CounterValue::default();
        value.set_value(float(*n));
        let mut metric = labelled(counter.series(), counter.values());
        metric.set_counter(value);
        families.entry(counter.series().name).or_default().push(metric);
    }
    for (timing, histogram) in tallies.histograms.iter().filter(|(it, _)| is_shown(it.pool())) {
        let mut metric = labelled(timing.series(), timing.values());
        metric.set_histogram(buckets(histogram));
        families.entry(timing.series().name).or_default().push(metric);
    }
    families
}

/// The whole page. Before the first full read only what the process knows of itself: its version
/// and what it has counted.
pub(super) fn page(
    snapshot: Option<(&Snapshot, Duration)>,
    (process, config): (&ProcessGauges, ReloadResult),
    mut counted: Counted,
) -> String {
    let mut text = String::new();
    let facts = snapshot.map(|(snapshot, age)| ProcessFacts { snapshot, age, process, config });
    for series in &catalog::ALL {
        let metrics = match (counted.remove(series.name), &facts) {
            (Some(metrics), _) => metrics,
            (None, _) if *series == catalog::BUILD_INFO => {
                vec![gauge(series, vec![env!("CARGO_PKG_VERSION").to_owned()], 1.0)]
            }
            (None, Some(facts)) => gauges(series, facts),
            (None, None) => Vec::new(),
        };
        write(&mut text, series, metrics);
    }
    text
}

fn gauges(series: &MetricDef, facts: &ProcessFacts<'_>) -> Vec<Metric> {
    let pools = &facts.snapshot.pools;
    if *series == catalog::POOL_RUNNERS {
        return by_state(series, pools);
    }
    if let Some((_, read)) = POOL_GAUGES.iter().find(|it| it.0 == *series) {
        return by_pool(series, *read, pools);
    }
    let one = PROCESS_GAUGES.iter().find(|it| it.0 == *series).and_then(|it| it.1(facts));
    one.map(|it| gauge(series, Vec::new(), it)).into_iter().collect()
}

fn by_pool(
    series: &MetricDef,
    read: PoolReader,
    pools: &BTreeMap<PoolName, PoolGauges>,
) -> Vec<Metric> {
    let one = |(name, pool): (&PoolName, &PoolGauges)| {
        Some(gauge(series, vec![name.as_str().to_owned()], read(pool)?))
    };
    pools.iter().filter_map(one).collect()
}

fn by_state(series: &MetricDef, pools: &BTreeMap<PoolName, PoolGauges>) -> Vec<Metric> {
    let mut metrics = Vec::with_capacity(pools.len() * 7);
    for (name, pool) in pools {
        for (state, n) in pool.runners.by_state() {
            let values = vec![name.as_str().to_owned(), state.to_owned()];
            metrics.push(gauge(series, values, n.into()));
        }
    }
    metrics
}

fn gauge(series: &MetricDef, values: Vec<String>, value: f64) -> Metric {
    let mut number = Gauge::default();
    number.set_value(value);
    let mut metric = labelled(series, values);
    metric.set_gauge(number);
    metric
}

fn labelled(series: &MetricDef, values: Vec<String>) -> Metric {
    let pair = |(name, value): (&&str, String)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value(bounded(value));
        pair
    };
    Metric::from_label(series.labels.iter().zip(values).map(pair).collect())
}

/// Quotes, backslashes and line ends are escaped by the encoder.
fn bounded(value: String) -> String {
    let is_plain = |c: char| c.is_ascii_graphic() || c == ' ';
    if value.len() <= LABEL_MAX && value.chars().all(is_plain) {
        return value;
    }
    text::escape(&value).chars().take(LABEL_MAX).collect()
}

fn buckets(histogram: &Histogram) -> HistogramValue {
    let bucket = |(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    };
    let mut value = HistogramValue::default();
    value.set_bucket(histogram.cumulative().map(bucket).collect());
    value.set_sample_count(histogram.count);
    value.set_sample_sum(histogram.sum_s);
    value
}

/// Exact up to 2^53, which no counter of ours reaches.
#[expect(clippy::cast_precision_loss, reason = "Prometheus has floating point numbers only")]
fn float(n: u64) -> f64 {
    n as f64
}

fn write(text: &mut String, series: &MetricDef, metrics: Vec<Metric>) {
    if metrics.is_empty() {
        return;
    }
    let mut family = MetricFamily::default();
    family.set_name(series.name.to_owned());
    family.set_help(series.help.to_owned());
    family.set_field_type(match series.kind {
        MetricKind::Gauge => MetricType::GAUGE,
        MetricKind::Counter => MetricType::COUNTER,
        MetricKind::Histogram(_) => MetricType::HISTOGRAM,
    });
    family.set_metric(metrics);
    TextEncoder::new()
        .encode_utf8(&[family], text)
        .expect("a family with a name and a metric, written into a text, cannot fail");
}
