//! Writes all series in the text format of Prometheus.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus::TextEncoder;
use prometheus::proto::{
    Bucket, Counter as CounterValue, Gauge as GaugeValue, Histogram as HistogramValue, LabelPair,
    Metric, MetricFamily, MetricType,
};

use super::counters::{Counter, Histogram, MetricTotals, Timing};
use super::gauges::{GAUGES, GarmFacts, Readiness};
use super::metric_def::{MetricDef, MetricKind};
use super::snapshot::{ProcessGauges, ReloadResult, Snapshot};
use crate::domain::name::{GarmName, PoolName};
use crate::domain::text;
use crate::monitor::PoolGauges;

/// The maximum length of a label value, in characters; only the names of receivers can be longer.
const LABEL_MAX: usize = 128;

/// The values of counters and histograms, by metric name. They are collected while the totals are
/// locked, and written as text afterwards.
pub(super) type CountedMetrics = BTreeMap<&'static str, Vec<Metric>>;

/// The name of the label that tells the GARMs of a process apart.
const GARM: &str = "garm";

/// The values of one GARM.
pub(super) struct GarmValues {
    /// The value of the label `garm`; absent if the fleet file has no `garms`.
    pub(super) garm: Option<GarmName>,
    /// Absent before the first full read.
    pub(super) snapshot: Option<Arc<Snapshot>>,
    pub(super) process: ProcessGauges,
    pub(super) config: ReloadResult,
    pub(super) readiness: Readiness,
    pub(super) counted: CountedMetrics,
}

impl GarmValues {
    fn facts(&self) -> Option<GarmFacts<'_>> {
        let snapshot = self.snapshot.as_deref()?;
        let (process, config) = (&self.process, self.config);
        Some(GarmFacts { snapshot, age: snapshot.read_at.elapsed(), process, config })
    }
}

/// Collects the counters and histograms of a GARM and of these pools.
pub(super) fn counted(
    totals: &MetricTotals,
    pools: &BTreeMap<PoolName, PoolGauges>,
    garm: Option<&GarmName>,
) -> CountedMetrics {
    let is_shown = |pool: Option<&PoolName>| pool.is_none_or(|pool| pools.contains_key(pool));
    let mut families = CountedMetrics::new();
    for (counter, n) in totals.counters.iter().filter(|(counter, _)| is_shown(counter.pool())) {
        let metric = counter_metric(counter.series(), garm, counter.values(), *n);
        families.entry(counter.series().name).or_default().push(metric);
    }
    for (timing, histogram) in
        totals.histograms.iter().filter(|(timing, _)| is_shown(timing.pool()))
    {
        let mut metric = labelled(timing.series(), garm, timing.values());
        metric.set_histogram(buckets(histogram));
        families.entry(timing.series().name).or_default().push(metric);
    }
    families
}

/// The whole page. Before its first full read, a GARM has only counters, histograms, its readiness
/// and its leader.
pub(super) fn page(mut garms: Vec<GarmValues>) -> String {
    let mut text = String::new();
    for gauge in GAUGES {
        let mut metrics = Vec::new();
        for values in &garms {
            let garm = values.garm.as_ref().filter(|_| !gauge.is_of_process());
            let known = (&values.process, values.readiness);
            let samples = gauge.samples(values.facts().as_ref(), known);
            metrics.extend(
                samples
                    .into_iter()
                    .map(|(labels, value)| gauge_metric(&gauge.def, garm, labels, value)),
            );
            if gauge.is_of_process() && !metrics.is_empty() {
                break;
            }
        }
        write(&mut text, &gauge.def, metrics);
    }
    for series in Counter::ALL.iter().chain(Timing::ALL) {
        let of = |values: &mut GarmValues| {
            let counted = values.counted.remove(series.name);
            counted.unwrap_or_else(|| uncounted(series, values.garm.as_ref()))
        };
        let metrics = garms.iter_mut().flat_map(of).collect();
        write(&mut text, series, metrics);
    }
    text
}

/// The series of a metric that has not been counted yet. A counter without labels is 0, because
/// Prometheus sees no increase in a series that begins at 1.
fn uncounted(series: &MetricDef, garm: Option<&GarmName>) -> Vec<Metric> {
    match series.kind {
        MetricKind::Counter if series.labels.is_empty() => {
            vec![counter_metric(series, garm, Vec::new(), 0)]
        }
        MetricKind::Gauge | MetricKind::Counter | MetricKind::Histogram(_) => Vec::new(),
    }
}

fn counter_metric(
    series: &MetricDef,
    garm: Option<&GarmName>,
    values: Vec<String>,
    n: u64,
) -> Metric {
    let mut value = CounterValue::default();
    value.set_value(float(n));
    let mut metric = labelled(series, garm, values);
    metric.set_counter(value);
    metric
}

fn gauge_metric(
    series: &MetricDef,
    garm: Option<&GarmName>,
    values: Vec<String>,
    value: f64,
) -> Metric {
    let mut number = GaugeValue::default();
    number.set_value(value);
    let mut metric = labelled(series, garm, values);
    metric.set_gauge(number);
    metric
}

fn labelled(series: &MetricDef, garm: Option<&GarmName>, values: Vec<String>) -> Metric {
    let pair = |(name, value): (&str, String)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(bounded(value));
        pair
    };
    let garm = garm.map(|garm| (GARM, garm.to_string()));
    let own = series.labels.iter().copied().zip(values);
    Metric::from_label(garm.into_iter().chain(own).map(pair).collect())
}

/// Limits a label value to [`LABEL_MAX`] characters and escapes unusual ones. The encoder escapes
/// quotes, backslashes and line feeds.
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

/// The conversion is exact up to 2^53, which no counter reaches.
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
