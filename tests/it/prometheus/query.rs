//! Checks the names in PromQL: every word of a query is one of our series, a label of such a
//! series, or a keyword.

use std::collections::BTreeSet;

use runnerctl::metrics::catalog::{self, MetricDef, MetricKind};

/// The keywords and functions that our queries use.
const LANGUAGE: &[&str] = &[
    "abs",
    "absent",
    "and",
    "by",
    "histogram_quantile",
    "increase",
    "max",
    "min",
    "on",
    "or",
    "rate",
    "sum",
    "time",
    "unless",
    "vector",
];

/// The names of the series in a query, without the suffixes of histograms. Errors with the first
/// unknown word.
pub(super) fn series_of(query: &str) -> Result<BTreeSet<&'static str>, String> {
    let words = words(query);
    let found: Vec<&MetricDef> = words.iter().filter_map(|it| meant(it)).collect();
    let labels: BTreeSet<&str> = found
        .iter()
        .flat_map(|it| it.labels.iter().copied())
        .chain(found.iter().filter(|it| matches!(it.kind, MetricKind::Histogram(_))).map(|_| "le"))
        // With `garms`, every series of a pool or of a GARM has it.
        .chain(found.first().map(|_| "garm"))
        .collect();
    for word in &words {
        let is_known = meant(word).is_some()
            || labels.contains(word.as_str())
            || LANGUAGE.contains(&word.as_str());
        if !is_known {
            return Err(format!("`{word}` in `{query}`"));
        }
    }
    Ok(found.iter().map(|it| it.name).collect())
}

/// The series that a word names. A histogram is named only by one of its parts.
fn meant(word: &str) -> Option<&'static MetricDef> {
    catalog::all().find(|it| match it.kind {
        MetricKind::Gauge | MetricKind::Counter => it.name == word,
        MetricKind::Histogram(_) => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|suffix| word.strip_suffix(suffix) == Some(it.name)),
    })
}

/// The words of a query, except quoted text, durations and variables.
fn words(query: &str) -> Vec<String> {
    let unquoted: String = query
        .split('"')
        .enumerate()
        .filter(|it| it.0 % 2 == 0)
        .map(|it| it.1)
        .collect::<Vec<_>>()
        .join(" ");
    let mut words = Vec::new();
    let mut word = String::new();
    for c in unquoted.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | ':') {
            word.push(c);
            continue;
        }
        let first = word.chars().next();
        if first.is_some_and(|it| it.is_ascii_alphabetic() || it == '_') {
            words.push(std::mem::take(&mut word));
        }
        word.clear();
    }
    words
}

#[test]
fn a_misspelt_series_or_label_is_detected() {
    let names = |it: &[&'static str]| Ok(it.iter().copied().collect());
    assert_eq!(series_of("max by (pool) (queue_depth > 20)"), names(&["queue_depth"]));
    let wait = "histogram_quantile(0.5, sum by (le) (rate(\
                runnerctl_job_queue_duration_seconds_bucket{pool=~\"$pool\"}[$__rate_interval])))";
    assert_eq!(series_of(wait), names(&["runnerctl_job_queue_duration_seconds"]));
    for (query, word) in [
        ("max(queue_deptth)", "queue_deptth"),
        ("max by (pol) (queue_depth)", "pol"),
        ("sum by (le) (queue_depth)", "le"),
        ("rate(runnerctl_job_queue_duration_seconds[5m])", "runnerctl_job_queue_duration_seconds"),
        ("queue_depth_bucket", "queue_depth_bucket"),
        ("sum by (pool) (runnerctl_level_resent_total)", "pool"),
    ] {
        assert_eq!(series_of(query), Err(format!("`{word}` in `{query}`")));
    }
}
