//! The page of a pool: the explained decision, the queue and the runners.

use super::chart::{bar, keys, trend};
use super::fleet::{legend, scaling, tile, wait};
use super::frame;
use super::html::{Html, segment};
use super::values::{PageAlert, PageFrame, PoolOverview, PoolPage, PoolScaling, Tone};
use super::verdict;
use crate::domain::desired::DesiredPool;
use crate::domain::text;
use crate::render::decision::{Stall, binding, next, rule_verdicts};
use crate::render::words::nearest;
use crate::scaling::Decision;

/// The page of a pool as HTML.
pub fn pool(page: &PoolPage<'_>) -> String {
    let PoolPage { frame, pool, .. } = page;
    let marks = verdict::of_pool(pool);
    let findings = verdict::of_frame(frame);
    let tone = verdict::tone(pool, &marks);
    let tone =
        findings.iter().map(|finding| finding.tone).min().map_or(tone, |gravest| gravest.min(tone));
    let title = format!("{} in {}", pool.name, frame.fleet);
    frame::page(frame, (&title, tone), |html| {
        head(html, frame, pool.name);
        html.markup("<main id=\"main\">");
        frame::verdict(html, &findings);
        decided(html, pool, |html| frame::marks(html, &marks));
        frame::alerts(html, frame, frame.alerts.iter().filter(|alert| is_of(alert, pool.name)));
        html.markup("<div class=\"split\">");
        queue(html, pool);
        runners(html, pool);
        html.markup("</div>");
        rules(html, &pool.scaling);
        html.markup("<div class=\"split\">");
        let none = "None since <code>watch</code> started.";
        frame::entries(html, frame, ("actions", "Last scaling actions", none), &page.actions);
        frame::entries(html, frame, ("problems", "Last problems", none), &page.problems);
        html.markup("</div>");
        if let Some(declared) = page.declared {
            file(html, declared);
        }
        html.markup("</main>");
    })
}

fn is_of(alert: &PageAlert, pool: &str) -> bool {
    alert.transition.pool.as_ref().is_some_and(|name| name.as_str() == pool)
}

fn head(html: &mut Html, frame: &PageFrame<'_>, name: &str) {
    html.markup("<nav aria-label=\"Fleet\"><a href=\"/");
    if let Some(garm) = frame.garm_name {
        html.markup("garms/").text(segment(garm));
    }
    html.markup("\">All pools of ").text(frame::name(frame));
    html.markup("</a></nav>\n<header><h1>").text(text::quote(name)).markup("</h1>");
    frame::origin(html, frame, &format!("/pools/{}", segment(name)));
    html.markup("</header>\n");
}

/// The maximum length, in bytes, of a requested name for which a suggestion is searched: the cost
/// of the search grows with the length.
const NAME_MAX: usize = 64;

/// The page for a name that no pool has. `pools` are the names of all pools.
pub fn missing_pool<'a>(
    frame: &PageFrame<'_>,
    name: &str,
    pools: impl IntoIterator<Item = &'a str>,
) -> String {
    frame::page(frame, ("No such pool", Tone::Quiet), |html| {
        head(html, frame, name);
        html.markup("<main id=\"main\"><section><h2>No such pool</h2><p>");
        html.text(frame.fleet).markup(" has no pool ").prose(&text::code(name)).markup(". ");
        suggestion(html, name, pools);
        html.markup("</p></section></main>");
    })
}

/// Writes the name that was probably meant, if there is one.
pub(super) fn suggestion<'a>(
    html: &mut Html,
    name: &str,
    pools: impl IntoIterator<Item = &'a str>,
) {
    let near = if name.len() <= NAME_MAX { nearest(name, pools) } else { None };
    if let Some(near) = near {
        html.markup("Is it ");
        frame::pool_link(html, near);
        html.markup("?");
    }
}

fn decided(html: &mut Html, pool: &PoolOverview<'_>, marks: impl FnOnce(&mut Html)) {
    html.markup("<section aria-labelledby=\"decision\"><h2 id=\"decision\">Decision</h2>");
    html.markup("<p class=\"lead\">");
    scaling(html, &pool.scaling);
    html.markup("</p>");
    marks(html);
    if let PoolScaling::Decided { decision, stall, .. } = pool.scaling {
        facts_of(html, decision, stall);
    }
    html.markup("</section>\n");
}

fn facts_of(html: &mut Html, decision: &Decision, stall: Option<&Stall>) {
    html.markup("<dl class=\"facts\">");
    if let Some(stall) = stall {
        fact(html, "Level not followed", |html| html.prose(&stall.sentence()));
    }
    fact(html, "Reason", |html| {
        html.markup("<code>").markup(decision.reason.word()).markup("</code>, direction <code>");
        html.markup(decision.direction.word()).markup("</code>")
    });
    if let Some(limit) = binding(decision) {
        fact(html, "Limited by", |html| html.text(limit.name).markup(": ").text(&limit.value));
    }
    fact(html, "Changed by", |html| html.prose(&next(decision)));
    fact(html, "Level", |html| {
        html.text(decision.level).markup(" asked for, ").text(decision.resting_level);
        html.markup(" at rest, ").text(decision.inputs.garm_level).markup(" in GARM")
    });
    fact(html, "Decided at", |html| html.markup("<time>").text(decision.at).markup("</time>"));
    html.markup("</dl>");
}

fn fact(html: &mut Html, name: &'static str, value: impl FnOnce(&mut Html) -> &mut Html) {
    html.markup("<dt>").markup(name).markup("</dt><dd>");
    value(html);
    html.markup("</dd>");
}

fn queue(html: &mut Html, pool: &PoolOverview<'_>) {
    let gauges = pool.gauges;
    html.markup("<section aria-labelledby=\"queue\"><h2 id=\"queue\">Queue</h2>");
    html.markup("<dl class=\"tiles\">");
    for (name, n, tone) in [
        ("Waiting", gauges.queue_depth, Tone::Busy),
        ("Unserved", gauges.unserved_jobs, Tone::Busy),
        ("Stuck", gauges.stuck_jobs, Tone::Bad),
        ("Stale", gauges.stale_jobs, Tone::Bad),
    ] {
        tile(html, name, &n.to_string(), tone);
    }
    tile(html, "Oldest wait", &wait(gauges.oldest_wait), Tone::Busy);
    html.markup("</dl><figure class=\"tall\">");
    trend(html, &pool.trend);
    html.markup(
        "<figcaption><small class=\"axis\"><span>an hour ago</span><span>now</span></small>",
    );
    legend(html, &pool.trend);
    html.markup("</figcaption></figure></section>\n");
}

fn runners(html: &mut Html, pool: &PoolOverview<'_>) {
    let gauges = pool.gauges;
    html.markup("<section aria-labelledby=\"runners\"><h2 id=\"runners\">Runners</h2>");
    html.markup("<dl class=\"tiles\">");
    for (name, n) in gauges.runners.by_state() {
        let tone = if matches!(name, "failed" | "suspect") { Tone::Bad } else { Tone::Quiet };
        tile(html, name, &n.to_string(), tone);
    }
    html.markup("</dl>");
    bar(html, gauges);
    keys(html, gauges);
    html.markup("<p class=\"soft\"><code>min_runners</code> is ").text(gauges.min_runners);
    html.markup("; <code>runnerctl status --runners ").text(pool.name);
    html.markup("</code> lists them</p></section>\n");
}

fn rules(html: &mut Html, scaling: &PoolScaling<'_>) {
    let PoolScaling::Decided { decision, .. } = scaling else { return };
    html.markup("<section aria-labelledby=\"rules\"><h2 id=\"rules\">What each rule says</h2>");
    html.markup("<table class=\"rules\"><thead><tr><th scope=\"col\">Rule</th>");
    html.markup("<th scope=\"col\">Verdict</th><th scope=\"col\">Why</th></tr></thead><tbody>\n");
    for verdict in rule_verdicts(decision) {
        html.markup("<tr><th scope=\"row\"><code>").markup(verdict.rule).markup("</code></th><td>");
        html.markup(verdict.verdict)
            .markup("</td><td>")
            .prose(&verdict.says)
            .markup("</td></tr>\n");
    }
    html.markup("</tbody></table></section>\n");
}

/// Writes the declaration of the pool.
fn file(html: &mut Html, pool: &DesiredPool) {
    html.markup("<section aria-labelledby=\"file\"><h2 id=\"file\">Declaration</h2>");
    html.markup("<dl class=\"facts\">");
    let labels: Vec<&str> = pool.labels.iter().collect();
    let rows = [
        ("Entity", pool.entity.to_string()),
        ("Provider", pool.provider.clone()),
        ("Image", pool.image.clone()),
        ("Instance type", pool.instance_type.clone()),
        ("Labels", labels.join(", ")),
    ];
    for (name, value) in rows {
        fact(html, name, |html| html.text(text::quote(&value)));
    }
    html.markup("</dl></section>\n");
}
