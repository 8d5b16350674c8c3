//! The page `/` of a fleet with several GARMs: a row for each of them.

use super::chart::{bar, keys, runners_in_words};
use super::fleet::{add, begin_table, queue_cell, tile, wait};
use super::frame;
use super::html::{Html, segment};
use super::pool::suggestion;
use super::values::{FleetPage, GarmOverview, GarmRow, GarmsPage, Tone};
use super::verdict::{self, Finding, booting};
use crate::domain::text::{code, list};
use crate::monitor::PoolGauges;
use crate::render::words::{count, span};

/// The most names in a conclusion.
const NAMES_MAX: usize = 5;

/// Summarizes the page of a GARM.
pub fn overview(page: &FleetPage<'_>) -> GarmOverview {
    let rows: Vec<_> = page.pools.iter().map(super::fleet::row_of).collect();
    let tones: Vec<(Tone, &str)> = rows.iter().map(|row| (row.tone, row.pool.name)).collect();
    let findings = verdict::of_fleet(page, &tones);
    let mut gauges = PoolGauges::default();
    page.pools.iter().for_each(|pool| add(&mut gauges, pool.gauges));
    let busiest = tones.iter().map(|tone| tone.0).min().unwrap_or(Tone::Quiet);
    let gravest = &findings[0];
    GarmOverview {
        address: page.frame.garm.to_owned(),
        tone: gravest.tone.min(busiest),
        verdict: gravest.text.clone(),
        pools: page.pools.len(),
        pool_names: page.pools.iter().map(|pool| pool.name.to_owned()).collect(),
        gauges,
        read_age: page.frame.observation.as_ref().map(|read| read.age),
    }
}

/// The page as HTML.
pub fn garms(page: &GarmsPage<'_>) -> String {
    let mut rows: Vec<&GarmRow> = page.garms.iter().collect();
    rows.sort_by_key(|row| (tone(row), &row.name));
    let finding = conclusion(&rows);
    let title = format!("{}: {}", page.fleet, finding.text.replace('`', ""));
    let frame = (title.as_str(), finding.tone);
    frame::document(page.is_refreshed, frame, |html| {
        html.markup("<header><h1>").text(page.fleet).markup("</h1>");
        html.markup("<p>").text(count(page.garms.len(), "GARM"));
        frame::reload(html, page.is_refreshed, "/");
        html.markup("</header>\n<main id=\"main\">");
        frame::verdict(html, std::slice::from_ref(&finding));
        glance(html, page);
        table(html, &rows);
        html.markup("</main>");
    })
}

/// The page for a name that no pool of any GARM has.
pub fn missing_pool_of_all(page: &GarmsPage<'_>, name: &str) -> String {
    let of_garms = page.garms.iter().filter_map(|row| row.state.as_ref().ok());
    let names: Vec<&str> =
        of_garms.flat_map(|garm| garm.pool_names.iter().map(String::as_str)).collect();
    let frame = ("No such pool", Tone::Quiet);
    frame::document(page.is_refreshed, frame, |html| {
        html.markup("<nav aria-label=\"Fleet\"><a href=\"/\">All GARMs of ").text(page.fleet);
        html.markup("</a></nav>\n<header><h1>").text(crate::domain::text::quote(name));
        html.markup("</h1></header>\n<main id=\"main\"><section><h2>No such pool</h2><p>");
        html.text(page.fleet).markup(" has no pool ").prose(&code(name)).markup(". ");
        suggestion(html, name, names.iter().copied());
        html.markup("</p></section></main>");
    })
}

fn tone(row: &GarmRow) -> Tone {
    row.state.as_ref().map_or(Tone::Bad, |garm| garm.tone)
}

fn conclusion(rows: &[&GarmRow]) -> Finding {
    for (severity, what) in [(Tone::Bad, "attention"), (Tone::Warning, "a look")] {
        let named = rows.iter().filter(|row| tone(row) == severity);
        let names: Vec<String> = named.map(|row| code(&row.name)).collect();
        if !names.is_empty() {
            let needs = if names.len() == 1 { "needs" } else { "need" };
            let many = format!("{} of {}", names.len(), count(rows.len(), "GARM"));
            let text = format!("{many} {needs} {what}: {}", list(names.iter(), NAMES_MAX));
            return Finding { tone: severity, text };
        }
    }
    match rows.iter().map(|row| tone(row)).min() {
        None => Finding { tone: Tone::Quiet, text: "No GARM is watched".into() },
        Some(Tone::Busy) => Finding { tone: Tone::Busy, text: "No GARM needs attention".into() },
        Some(_) => {
            Finding { tone: Tone::Good, text: "No job waits, and no GARM needs attention".into() }
        }
    }
}

fn glance(html: &mut Html, page: &GarmsPage<'_>) {
    let mut all = PoolGauges::default();
    let mut pools = 0;
    for garm in page.garms.iter().filter_map(|row| row.state.as_ref().ok()) {
        add(&mut all, &garm.gauges);
        pools += garm.pools;
    }
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    html.markup("<section aria-labelledby=\"glance\"><h2 id=\"glance\">At a glance</h2>");
    html.markup("<dl class=\"tiles\">");
    for (name, n, tone) in [
        ("GARMs", number(page.garms.len()), Tone::Quiet),
        ("Pools", number(pools), Tone::Quiet),
        ("Active", all.runners.active, Tone::Quiet),
        ("Idle", all.runners.idle, Tone::Quiet),
        ("Booting", booting(&all), Tone::Quiet),
        ("Suspect", all.runners.suspect, Tone::Bad),
        ("Failed", all.runners.failed, Tone::Bad),
        ("Queue depth", all.queue_depth, Tone::Busy),
        ("Unserved", all.unserved_jobs, Tone::Busy),
    ] {
        tile(html, name, &n.to_string(), tone);
    }
    tile(html, "Oldest wait", &wait(all.oldest_wait), Tone::Busy);
    html.markup("</dl><div class=\"glance\"><div>");
    bar(html, &all);
    keys(html, &all);
    html.markup("</div></div></section>\n");
}

fn table(html: &mut Html, rows: &[&GarmRow]) {
    html.markup("<section aria-labelledby=\"garms\"><h2 id=\"garms\">GARMs</h2>");
    let columns = [
        ("name", "GARM"),
        ("runners", "Runners"),
        ("number", "Pools"),
        ("number", "Queue"),
        ("number", "Read"),
        ("words", "Verdict"),
    ];
    begin_table(html, &columns);
    rows.iter().for_each(|garm| row(html, garm));
    html.markup("</tbody></table></section>\n");
}

fn row(html: &mut Html, row: &GarmRow) {
    html.markup("<tr role=\"row\"><th scope=\"row\" role=\"rowheader\" class=\"name\">");
    html.markup("<span class=\"dot ").markup(tone(row).class()).markup("\">");
    html.markup("<a href=\"/garms/").text(segment(&row.name)).markup("\">").text(&row.name);
    html.markup("</a></span></th>\n<td role=\"cell\" class=\"runners\">");
    let none = PoolGauges::default();
    let garm = row.state.as_ref().ok();
    let gauges = garm.map_or(&none, |garm| &garm.gauges);
    bar(html, gauges);
    html.markup("<small>").text(runners_in_words(gauges)).markup("</small></td>");
    html.markup("<td role=\"cell\" class=\"number\" data-label=\"Pools\">");
    match garm {
        Some(garm) => html.text(garm.pools),
        None => html.markup("–"),
    };
    html.markup("</td>");
    queue_cell(html, gauges);
    html.markup("<td role=\"cell\" class=\"number\" data-label=\"Read\">");
    match garm.and_then(|garm| garm.read_age) {
        Some(age) => html.text(span(age)).markup(" ago"),
        None => html.markup("not yet"),
    };
    html.markup("</td><td role=\"cell\" class=\"words\"><p>");
    match &row.state {
        Ok(garm) => html.prose(&garm.verdict).markup("</p><small>").text(&garm.address),
        Err(why) => html.prose(why).markup("</p><small>"),
    };
    html.markup("</small></td></tr>\n");
}
