//! Bars and line charts as inline SVG, each with a text alternative.

use std::fmt::Write;
use std::time::Duration;

use super::html::Html;
use super::verdict::booting;
use crate::monitor::{PoolGauges, QueueSample, QueueTrend, TREND_MINUTES};
use crate::render::words::{count, span};

/// The states that the bar distinguishes: CSS class, word, number of runners.
fn states(gauges: &PoolGauges) -> [(&'static str, &'static str, u32); 6] {
    let runners = &gauges.runners;
    [
        ("active", "active", runners.active),
        ("idle", "idle", runners.idle),
        ("booting", "booting", booting(gauges)),
        ("failed", "suspect", runners.suspect),
        ("failed", "failed", runners.failed),
        ("deleting", "deleting", runners.deleting),
    ]
}

/// `2 active, 1 idle`, or `no runner`.
pub(super) fn runners_in_words(gauges: &PoolGauges) -> String {
    let words: Vec<String> = states(gauges)
        .into_iter()
        .filter(|state| state.2 > 0)
        .map(|(_, word, n)| format!("{n} {word}"))
        .collect();
    if words.is_empty() { "no runner".into() } else { words.join(", ") }
}

/// The legend of the bar: the number of runners in each state, in the colours of the bar.
pub(super) fn keys(html: &mut Html, gauges: &PoolGauges) {
    html.markup("<p class=\"keys\">");
    for (class, word, n) in states(gauges).into_iter().filter(|state| state.2 > 0) {
        html.markup("<span class=\"key ").markup(class).markup("\">").text(n).markup(" ");
        html.markup(word).markup("</span>");
    }
    html.markup("<span class=\"key room\">at most ").text(gauges.max_runners).markup("</span></p>");
}

/// The runners by state, and the room up to `max_runners`.
pub(super) fn bar(html: &mut Html, gauges: &PoolGauges) {
    let states = states(gauges);
    let live: u32 = states.iter().map(|state| state.2).sum();
    let whole = live.max(gauges.max_runners).max(1);
    html.markup("<svg class=\"bar\" role=\"img\" preserveAspectRatio=\"none\" viewBox=\"0 0 ");
    html.text(whole).markup(" 1\" aria-label=\"").text(runners_in_words(gauges));
    html.text(format_args!("; at most {}", gauges.max_runners)).markup("\">");
    let mut x = 0;
    for (class, _, n) in states.into_iter().filter(|state| state.2 > 0) {
        html.markup("<rect class=\"").markup(class).markup("\" x=\"").text(x);
        html.markup("\" width=\"").text(n).markup("\" height=\"1\"/>");
        x += n;
    }
    html.markup("</svg>");
}

/// The width of a minute and the height of the chart, in units of the SVG.
const STEP: usize = 2;
const HEIGHT: u32 = 40;

/// The text alternative of the chart: the peak, and the observed part of the hour if it is not all
/// of it.
pub(super) fn trend_in_words(trend: &QueueTrend) -> String {
    let known = trend.minutes_known();
    let peak = trend.peak().unwrap_or_default();
    match (known, peak) {
        (0, _) => "not observed yet".into(),
        (TREND_MINUTES, QueueSample { depth: 0, oldest_wait_s: 0 }) => "no job".into(),
        (_, QueueSample { depth: 0, oldest_wait_s: 0 }) => format!("no job, {known}m observed"),
        (_, QueueSample { depth, oldest_wait_s }) => {
            let (jobs, wait) =
                (count(depth as usize, "job"), Duration::from_secs(oldest_wait_s.into()));
            let part = match known {
                TREND_MINUTES => String::new(),
                _ => format!(", {known}m observed"),
            };
            format!("peak {jobs}, wait {}{part}", span(wait))
        }
    }
}

/// The queue of an hour: depth as an area, oldest wait as a line, each on its own scale. Minutes
/// without a sample are gaps; an hour without waiting jobs has no chart.
pub(super) fn trend(html: &mut Html, trend: &QueueTrend) {
    let Some(peak) = trend.peak().filter(|peak| *peak != QueueSample::default()) else { return };
    html.markup("<svg class=\"trend\" role=\"img\" preserveAspectRatio=\"none\" viewBox=\"0 0 ");
    html.text(TREND_MINUTES * STEP).markup(" ").text(HEIGHT).markup("\" aria-label=\"");
    html.text(trend_in_words(trend)).markup("\"><path class=\"depth\" d=\"");
    html.text(steps(trend, TrendShape::Area, |sample| (sample.depth, peak.depth)));
    html.markup("\"/><path class=\"wait\" d=\"");
    html.text(steps(trend, TrendShape::Line, |sample| (sample.oldest_wait_s, peak.oldest_wait_s)));
    html.markup("\"/></svg>");
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TrendShape {
    Area,
    Line,
}

/// A path with a step for each minute. `value` returns the value of a sample and the maximum of the
/// chart.
fn steps(
    trend: &QueueTrend,
    shape: TrendShape,
    value: impl Fn(&QueueSample) -> (u32, u32),
) -> String {
    let mut path = String::new();
    // The current y coordinate of the path; `None` in a gap.
    let mut at: Option<u64> = None;
    for (minute, sample) in trend.0.iter().enumerate() {
        let x = minute * STEP;
        let y = sample.as_ref().map(|sample| {
            let (value, most) = value(sample);
            // One unit at the top is left free for the width of the line.
            let height = u64::from(HEIGHT - 1);
            u64::from(HEIGHT) - (u64::from(value) * height).div_ceil(u64::from(most.max(1)))
        });
        let written = match (at, y) {
            (None, Some(y)) if shape == TrendShape::Area => write!(path, "M{x} {HEIGHT}V{y}"),
            (None, Some(y)) => write!(path, "M{x} {y}"),
            (Some(before), Some(y)) if before != y => write!(path, "H{x}V{y}"),
            (Some(_), None) if shape == TrendShape::Area => write!(path, "H{x}V{HEIGHT}Z"),
            (Some(_), None) => write!(path, "H{x}"),
            (None, None) | (Some(_), Some(_)) => Ok(()),
        };
        written.expect("a `String` takes all that is written");
        at = y;
    }
    if at.is_some() {
        let end = if shape == TrendShape::Area { format!("V{HEIGHT}Z") } else { String::new() };
        path.push_str(&format!("H{}{end}", TREND_MINUTES * STEP));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_without_a_sample_is_a_gap_in_the_chart() {
        let mut trend = QueueTrend::default();
        for (minute, depth) in [(56, 2), (57, 2), (59, 4)] {
            trend.0[minute] = Some(QueueSample { depth, oldest_wait_s: 0 });
        }
        assert_eq!(
            steps(&trend, TrendShape::Area, |sample| (sample.depth, 4)),
            "M112 40V20H116V40ZM118 40V1H120V40Z"
        );
        assert_eq!(
            steps(&trend, TrendShape::Line, |sample| (sample.depth, 4)),
            "M112 20H116M118 1H120"
        );
        assert_eq!(steps(&QueueTrend::default(), TrendShape::Line, |_| (0, 0)), "");
        let words = trend_in_words(&trend);
        assert_eq!(words, "peak 4 jobs, wait 0s, 3m observed");
        assert_eq!(trend_in_words(&QueueTrend::default()), "not observed yet");
    }
}
