//! The common parts of the pages: head, verdict, footer and lists.

use std::time::Duration;

use super::html::{Html, segment};
use super::values::{PageAlert, PageEntry, PageFrame, Tone};
use super::verdict::Finding;
use crate::render::words::span;

/// The style sheet, which is inlined in each page.
pub(super) const STYLE: &str = include_str!("style.css");

/// The reload interval, in seconds.
const REFRESH_S: u32 = 10;

/// Renders a complete page of a GARM: `body` between head and footer.
pub(super) fn page(
    frame: &PageFrame<'_>,
    title: (&str, Tone),
    body: impl FnOnce(&mut Html),
) -> String {
    document(frame.is_refreshed, title, body)
}

/// Renders a complete page.
pub(super) fn document(
    is_refreshed: bool,
    (title, tone): (&str, Tone),
    body: impl FnOnce(&mut Html),
) -> String {
    let mut html = Html::default();
    html.markup("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    if is_refreshed {
        html.markup("<meta http-equiv=\"refresh\" content=\"").text(REFRESH_S).markup("\">");
    }
    html.markup("<title>").text(title).markup("</title><link rel=\"icon\" href=\"");
    html.markup(icon(tone)).markup("\"><style>").markup(STYLE).markup("</style></head>\n<body>");
    html.markup("<a class=\"skip\" href=\"#main\">Skip to the content</a>\n");
    body(&mut html);
    html.markup("\n<footer><span>runnerctl ").text(env!("CARGO_PKG_VERSION"));
    html.markup(
        " <code>watch</code>, read-only</span><span><a href=\"/decisions\">/decisions</a> ",
    );
    html.markup(
        "has every number behind a decision</span><span><a href=\"/metrics\">/metrics</a></span>",
    );
    html.markup("<span><a href=\"/readyz\">/readyz</a></span></footer>\n</body></html>\n");
    html.finish()
}

/// The favicon: a dot in the colour of the verdict.
fn icon(tone: Tone) -> &'static str {
    macro_rules! dot {
        ($colour:literal) => {
            concat!(
                "data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 ",
                "viewBox=%220 0 8 8%22%3E%3Ccircle cx=%224%22 cy=%224%22 r=%224%22 fill=%22%23",
                $colour,
                "%22/%3E%3C/svg%3E"
            )
        };
    }
    match tone {
        Tone::Bad => dot!("d43d33"),
        Tone::Warning => dot!("e3a72f"),
        Tone::Busy => dot!("2f6fd0"),
        Tone::Good => dot!("43a86b"),
        Tone::Quiet => dot!("97a2b1"),
    }
}

/// Writes the address of GARM, the age of the observation, and whether the page reloads. `path` is
/// the path of the page itself.
pub(super) fn origin(html: &mut Html, frame: &PageFrame<'_>, path: &str) {
    html.markup("<p>GARM ").text(frame.garm).markup(", ");
    match &frame.observation {
        None => html.markup("not read yet"),
        Some(read) => {
            html.markup("read <time datetime=\"").text(read.at).markup("\" title=\"").text(read.at);
            html.markup("\">").text(span(read.age)).markup(" ago</time>")
        }
    };
    reload(html, frame.is_refreshed, path);
}

/// The fleet, or one of its GARMs.
pub(super) fn name(frame: &PageFrame<'_>) -> String {
    frame
        .garm_name
        .map_or_else(|| frame.fleet.to_owned(), |garm| format!("{}: {garm}", frame.fleet))
}

/// Writes whether the page at `path` reloads, and ends the paragraph.
pub(super) fn reload(html: &mut Html, is_refreshed: bool, path: &str) {
    if is_refreshed {
        html.markup("; this page reloads every ").text(REFRESH_S).markup(" s (<a href=\"");
        html.text(path).markup("?refresh=off\">stop</a>)</p>");
    } else {
        html.markup("; this page does not reload (<a href=\"").text(path);
        html.markup("\">reload every ").text(REFRESH_S).markup(" s</a>)</p>");
    }
}

/// Writes the conclusions: the most severe one in large type, the others below it.
pub(super) fn verdict(html: &mut Html, findings: &[Finding]) {
    let Some((first, rest)) = findings.split_first() else { return };
    html.markup("<section class=\"verdict ").markup(first.tone.class());
    html.markup("\" aria-label=\"Verdict\"><p><strong>").prose(&first.text);
    html.markup("</strong></p>");
    if !rest.is_empty() {
        html.markup("<ul>");
        for finding in rest {
            html.markup("<li class=\"dot ").markup(finding.tone.class()).markup("\">");
            html.prose(&finding.text).markup("</li>");
        }
        html.markup("</ul>");
    }
    html.markup("</section>\n");
}

/// Writes a list of short conclusions.
pub(super) fn marks(html: &mut Html, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    html.markup("<ul class=\"marks\">");
    for finding in findings {
        html.markup("<li class=\"").markup(finding.tone.class()).markup("\">");
        html.prose(&finding.text).markup("</li>");
    }
    html.markup("</ul>");
}

/// Writes a link to the page of a pool.
pub(super) fn pool_link(html: &mut Html, name: &str) {
    html.markup("<a href=\"/pools/").text(segment(name)).markup("\">").text(name).markup("</a>");
}

/// Writes the firing alerts; writes nothing if there are none.
pub(super) fn alerts<'a>(
    html: &mut Html,
    frame: &PageFrame<'_>,
    alerts: impl Iterator<Item = &'a PageAlert>,
) {
    let mut alerts = alerts.peekable();
    if alerts.peek().is_none() {
        return;
    }
    html.markup("<section aria-labelledby=\"alerts\"><h2 id=\"alerts\">Firing alerts</h2>");
    html.markup("<ul class=\"entries\">");
    for alert in alerts {
        html.markup("<li class=\"bad\"><p class=\"about\"><b>")
            .text(&alert.transition.rule)
            .markup("</b>");
        if let Some(pool) = &alert.transition.pool {
            html.markup("<span>");
            pool_link(html, pool.as_str());
            html.markup("</span>");
        }
        html.markup("<span>for ");
        moment(html, frame, alert.lasting, "");
        html.markup("</span></p><p>")
            .prose(&alert.transition.summary)
            .markup("</p><p class=\"soft\">");
        html.prose(&alert.transition.description).markup("</p></li>");
    }
    html.markup("</ul></section>\n");
}

/// Writes a list of actions or problems, in the given order.
pub(super) fn entries(
    html: &mut Html,
    frame: &PageFrame<'_>,
    (id, title, none): (&'static str, &'static str, &'static str),
    entries: &[PageEntry],
) {
    html.markup("<section aria-labelledby=\"").markup(id).markup("\"><h2 id=\"").markup(id);
    html.markup("\">").markup(title).markup("</h2>");
    if entries.is_empty() {
        html.markup("<p class=\"soft\">").markup(none).markup("</p></section>\n");
        return;
    }
    html.markup("<ul class=\"entries\">");
    for entry in entries {
        html.markup("<li class=\"").markup(entry.tone.class()).markup("\"><p class=\"about\">");
        if let Some(word) = severity(entry.tone) {
            html.markup("<b>").markup(word).markup("</b>");
        }
        moment(html, frame, entry.age, " ago");
        if let Some(pool) = &entry.pool {
            pool_link(html, pool);
        }
        html.markup("</p><p>").prose(&entry.text).markup("</p>");
        if let Some(help) = &entry.help {
            html.markup("<p class=\"soft\">help: ").prose(help).markup("</p>");
        }
        html.markup("</li>");
    }
    html.markup("</ul></section>\n");
}

/// The word that repeats the meaning of the colour.
fn severity(tone: Tone) -> Option<&'static str> {
    match tone {
        Tone::Bad => Some("error"),
        Tone::Warning => Some("warning"),
        Tone::Busy | Tone::Good | Tone::Quiet => None,
    }
}

/// Writes an age, with the time as a tooltip if GARM's clock is known.
fn moment(html: &mut Html, frame: &PageFrame<'_>, age: Duration, end: &'static str) {
    match frame.observation.as_ref().and_then(|read| read.before(age)) {
        Some(at) => {
            let at = jiff::Timestamp::from_second(at.as_second()).unwrap_or(at);
            html.markup("<time datetime=\"").text(at).markup("\" title=\"").text(at).markup("\">");
            html.text(span(age)).markup(end).markup("</time>");
        }
        None => {
            html.markup("<span>").text(span(age)).markup(end).markup("</span>");
        }
    }
}
