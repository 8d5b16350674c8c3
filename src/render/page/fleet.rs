//! The page of a GARM: a summary of its pools, and a row for each of them. It is `/` unless the fleet
//! has several GARMs.

use std::time::Duration;

use super::chart::{bar, keys, runners_in_words, trend, trend_in_words};
use super::frame;
use super::html::{Html, segment};
use super::values::{FleetPage, HealthCheck, PoolOverview, PoolScaling, Tone};
use super::verdict::{self, Finding, booting};
use crate::monitor::{PoolGauges, QueueTrend};
use crate::render::decision::sentence;
use crate::render::words::{count, span};

/// A pool with its conclusions.
pub(super) struct RatedPool<'a> {
    pub(super) pool: &'a PoolOverview<'a>,
    findings: Vec<Finding>,
    pub(super) tone: Tone,
}

/// The page as HTML. Rendering takes 1 to 2 ms for a hundred pools, so callers run it outside async
/// tasks.
pub fn fleet(page: &FleetPage<'_>) -> String {
    let mut rows: Vec<RatedPool<'_>> = page.pools.iter().map(row_of).collect();
    // Most severe first; within a tone by name, so that the order of rows is stable.
    rows.sort_by_key(|row| (row.tone, row.pool.name));
    let tones: Vec<(Tone, &str)> = rows.iter().map(|row| (row.tone, row.pool.name)).collect();
    let findings = verdict::of_fleet(page, &tones);
    let frame = &page.frame;
    let gravest = &findings[0];
    let name = frame::name(frame);
    let title = format!("{name}: {}", gravest.text.replace('`', ""));
    frame::page(frame, (&title, gravest.tone), |html| {
        let path = match frame.garm_name {
            Some(garm) => {
                html.markup("<nav aria-label=\"Fleet\"><a href=\"/\">All GARMs of ");
                html.text(frame.fleet).markup("</a></nav>\n");
                format!("/garms/{}", segment(garm))
            }
            None => "/".to_owned(),
        };
        html.markup("<header><h1>").text(&name).markup("</h1>");
        frame::origin(html, frame, &path);
        html.markup("</header>\n<main id=\"main\">");
        frame::verdict(html, &findings);
        glance(html, page);
        checks(html, &frame.checks);
        frame::alerts(html, frame, frame.alerts.iter());
        pools(html, &rows);
        html.markup("<div class=\"split\">");
        let actions = ("actions", "Last scaling actions", "None since <code>watch</code> started.");
        frame::entries(html, frame, actions, &page.actions);
        let problems = ("problems", "Last problems", "None since <code>watch</code> started.");
        frame::entries(html, frame, problems, &page.problems);
        html.markup("</div></main>");
    })
}

pub(super) fn row_of<'a>(pool: &'a PoolOverview<'a>) -> RatedPool<'a> {
    let findings = verdict::of_pool(pool);
    let tone = verdict::tone(pool, &findings);
    RatedPool { pool, findings, tone }
}

pub(super) fn tile(html: &mut Html, name: &'static str, value: &str, tone: Tone) {
    html.markup("<div><dt>").markup(name).markup("</dt><dd class=\"");
    html.markup(if value == "0" || value == "–" { "zero" } else { tone.class() });
    html.markup("\">").text(value).markup("</dd></div>");
}

/// The section with the sums of all pools, their bar and their queue chart.
fn glance(html: &mut Html, page: &FleetPage<'_>) {
    let mut all = PoolGauges::default();
    let mut queue = QueueTrend::default();
    for pool in &page.pools {
        add(&mut all, pool.gauges);
        queue.add(&pool.trend);
    }
    html.markup("<section aria-labelledby=\"glance\"><h2 id=\"glance\">At a glance</h2>");
    html.markup("<dl class=\"tiles\">");
    let runners = &all.runners;
    for (name, n, tone) in [
        ("Pools", u32::try_from(page.pools.len()).unwrap_or(u32::MAX), Tone::Quiet),
        ("Active", runners.active, Tone::Quiet),
        ("Idle", runners.idle, Tone::Quiet),
        ("Booting", booting(&all), Tone::Quiet),
        ("Suspect", runners.suspect, Tone::Bad),
        ("Failed", runners.failed, Tone::Bad),
        ("Queue depth", all.queue_depth, Tone::Busy),
        ("Unserved", all.unserved_jobs, Tone::Busy),
    ] {
        tile(html, name, &n.to_string(), tone);
    }
    tile(html, "Oldest wait", &wait(all.oldest_wait), Tone::Busy);
    html.markup("</dl><div class=\"glance\"><div>");
    bar(html, &all);
    keys(html, &all);
    html.markup("</div><div>");
    trend(html, &queue);
    legend(html, &queue);
    html.markup("</div></div></section>\n");
}

/// Writes the legend of a queue chart.
pub(super) fn legend(html: &mut Html, queue: &QueueTrend) {
    html.markup("<p class=\"keys\"><span>last hour: ").text(trend_in_words(queue));
    html.markup("</span><span class=\"key depth\">queue depth</span>");
    html.markup("<span class=\"key wait\">oldest wait</span></p>");
}

/// An age in two units; a dash if no job waits.
pub(super) fn wait(oldest: Duration) -> String {
    if oldest.is_zero() { "–".into() } else { span(oldest) }
}

pub(super) fn add(all: &mut PoolGauges, gauges: &PoolGauges) {
    all.max_runners += gauges.max_runners;
    all.queue_depth += gauges.queue_depth;
    all.unserved_jobs += gauges.unserved_jobs;
    all.oldest_wait = all.oldest_wait.max(gauges.oldest_wait);
    all.runners = all.runners.plus(gauges.runners);
}

fn checks(html: &mut Html, checks: &[HealthCheck]) {
    html.markup(
        "<section aria-labelledby=\"checks\"><h2 id=\"checks\">Connections and safety</h2>",
    );
    html.markup("<dl class=\"checks\">");
    for check in checks {
        html.markup("<div class=\"")
            .markup(check.tone.class())
            .markup("\"><dt>")
            .markup(check.name);
        html.markup("</dt><dd>").prose(&check.text).markup("</dd></div>");
    }
    html.markup("</dl></section>\n");
}

fn pools(html: &mut Html, rows: &[RatedPool<'_>]) {
    html.markup("<section aria-labelledby=\"pools\"><h2 id=\"pools\">");
    html.text(count(rows.len(), "pool")).markup("</h2>");
    if rows.is_empty() {
        html.markup("<p class=\"soft\">None is known yet.</p></section>\n");
        return;
    }
    let columns = [
        ("name", "Pool"),
        ("runners", "Runners"),
        ("number", "Queue"),
        ("trend-cell", "Last hour"),
        ("number", "Level"),
        ("words", "Decision"),
    ];
    begin_table(html, &columns);
    rows.iter().for_each(|pool| row(html, pool));
    html.markup("</tbody></table></section>\n");
}

/// Begins a table, with the class and the name of each column, up to its first row.
pub(super) fn begin_table(html: &mut Html, columns: &[(&'static str, &'static str)]) {
    // The roles are explicit, because a table loses its implicit roles if CSS displays it as
    // blocks.
    html.markup("<table class=\"pools\" role=\"table\"><thead role=\"rowgroup\"><tr role=\"row\">");
    for (class, name) in columns {
        html.markup("<th scope=\"col\" role=\"columnheader\" class=\"").markup(class);
        html.markup("\">").markup(name).markup("</th>");
    }
    html.markup("</tr></thead>\n<tbody role=\"rowgroup\">");
}

fn row(html: &mut Html, row: &RatedPool<'_>) {
    let gauges = row.pool.gauges;
    html.markup("<tr role=\"row\"><th scope=\"row\" role=\"rowheader\" class=\"name\">");
    html.markup("<span class=\"dot ").markup(row.tone.class()).markup("\">");
    frame::pool_link(html, row.pool.name);
    html.markup("</span></th>\n<td role=\"cell\" class=\"runners\">");
    bar(html, gauges);
    html.markup("<small>").text(runners_in_words(gauges)).markup("</small></td>");
    queue_cell(html, gauges);
    html.markup("<td role=\"cell\" class=\"trend-cell\">");
    trend(html, &row.pool.trend);
    html.markup("<small>").text(trend_in_words(&row.pool.trend)).markup("</small></td>");
    html.markup("<td role=\"cell\" class=\"number\" data-label=\"Level\">");
    match gauges.level {
        Some(level) => html.text(level),
        None => html.markup("–"),
    };
    html.markup("<small>").text(gauges.min_runners).markup("–").text(gauges.max_runners);
    html.markup("</small></td><td role=\"cell\" class=\"words\">");
    html.markup("<p>");
    scaling(html, &row.pool.scaling);
    html.markup("</p>");
    frame::marks(html, &row.findings);
    html.markup("</td></tr>\n");
}

pub(super) fn queue_cell(html: &mut Html, gauges: &PoolGauges) {
    html.markup("<td role=\"cell\" class=\"number\" data-label=\"Queue\">");
    html.text(gauges.queue_depth);
    if !gauges.oldest_wait.is_zero() {
        html.markup("<small>oldest ").text(span(gauges.oldest_wait)).markup("</small>");
    }
    html.markup("</td>");
}

/// Writes the decision in one sentence, or why there is none.
pub(super) fn scaling(html: &mut Html, scaling: &PoolScaling<'_>) {
    match scaling {
        PoolScaling::Decided { decision, effect, .. } => {
            html.prose(&sentence(decision, effect.mood()));
        }
        PoolScaling::AtRest(why) | PoolScaling::Unresolved(why) => {
            html.prose(why);
        }
    }
}
