//! The status page in Chromium: it fits small and large screens, causes no message in the console, and
//! shows hostile names as text. `./test` installs Debian's package.

mod chromium;

use std::sync::Arc;
use std::time::Duration;

use chromium::Chromium;
use runnerctl::metrics::{HtmlPage, MetricsState, PageRequest, PageSource};
use runnerctl::monitor::{PoolGauges, QueueSample, QueueTrend};
use runnerctl::render::page::{
    self, FleetPage, HealthCheck, PageEntry, PageFrame, PageObservation, PoolOverview, PoolPage,
    PoolScaling, SECURITY_POLICY, Tone,
};

use crate::metrics::door::Served;
use crate::service::stage::{POOLS, Stage, eventually, get};

/// The widths of a phone and of a desktop, in pixels.
const WIDTHS: [u32; 2] = [360, 1_400];

/// The elements that overflow the page to the right.
const OVERFLOW: &str = "(() => { const most = document.documentElement.clientWidth; \
    const out = [...document.querySelectorAll('body *')].filter(it => !it.closest('thead, .skip') \
    && it.getBoundingClientRect().right > most + 1).map(it => it.outerHTML.slice(0, 200)); \
    return document.documentElement.scrollWidth > most ? ['scrolls', ...out] : out; })()";

/// The rows in which cells overlap.
const OVERLAP: &str = "(() => { const found = []; for (const row of document.querySelectorAll('tr')) { \
    const cells = [...row.children].map(it => it.getBoundingClientRect()); \
    cells.forEach((a, i) => cells.slice(i + 1).forEach(b => { if (a.right > b.left + 1 && \
    b.right > a.left + 1 && a.bottom > b.top + 1 && b.bottom > a.top + 1) \
    found.push(row.innerText.slice(0, 80)); })); } return found; })()";

/// The elements that no page may contain: scripts, handlers, loaded resources.
const ACTIVE: &str = "[...document.querySelectorAll('*')].filter(it => /^(script|img|iframe|object|embed|\
    base|form|input|video|audio)$/i.test(it.tagName) || [...it.attributes].some(at => \
    /^on/i.test(at.name) || (/^(href|src)$/i.test(at.name) && !/^(\\/|#|data:image\\/svg)/.test(at.value)) \
    || /^\\/\\//.test(at.value))).map(it => it.outerHTML)";

fn nothing() -> serde_json::Value {
    serde_json::json!([])
}

#[test]
fn the_pages_of_a_running_watch_fit_phone_and_desktop_without_console_messages() {
    let stage = Stage::with_garm();
    let more = POOLS.replace("name: default", "name: a-pool-with-a-name-of-28-ch");
    stage.pools(&format!("{POOLS}{}", more.trim_start_matches("pools:\n")));
    assert!(stage.run(&["apply", "--auto-approve", "--no-audit"]).status.success());
    let _watch = stage.watch();
    stage.queue_held(9);
    stage.metrics_with("queue_depth{pool=\"default\"} 9");
    eventually("a scaling action on the page", || {
        get(stage.watch, "/")?.1.contains("level raised").then_some(())
    });
    let folder = tempfile::tempdir().unwrap();
    let mut browser = Chromium::start(folder.path());
    for path in ["/", "/pools/default", "/pools/none"] {
        for width in WIDTHS {
            for scheme in ["light", "dark"] {
                let url = format!("http://{}{path}", stage.watch);
                browser.show(&url, width, scheme);
                assert_eq!(browser.value(OVERFLOW), nothing(), "{path} {width}");
                assert_eq!(browser.value(OVERLAP), nothing(), "{path} {width}");
                assert_eq!(browser.value(ACTIVE), nothing(), "{path}");
                let name = format!("page{}-{width}-{scheme}.png", path.replace('/', "-"));
                keep(&name, &browser.picture());
                let (complaints, requests) = browser.messages_and_requests();
                let complaints: Vec<&String> = complaints
                    .iter()
                    .filter(|complaint| path != "/pools/none" || !complaint.contains("404"))
                    .collect();
                assert!(complaints.is_empty(), "{path}: {complaints:?}");
                let foreign: Vec<&String> = requests
                    .iter()
                    .filter(|address| **address != url && !address.starts_with("data:"))
                    .collect();
                assert!(foreign.is_empty(), "{path}: {foreign:?}");
            }
        }
    }
}

/// Writes a screenshot to the folder of `RUNNERCTL_TEST_PICTURES`, if it is set.
fn keep(name: &str, picture: &[u8]) {
    assert!(picture.starts_with(b"\x89PNG"), "{name}");
    if let Some(folder) = std::env::var_os("RUNNERCTL_TEST_PICTURES") {
        std::fs::write(std::path::Path::new(&folder).join(name), picture).unwrap();
    }
}

/// Hostile names, messages of providers and addresses.
const HOSTILE: [&str; 4] = [
    "</title></style><script>document.title='owned'</script>",
    "\"><img src=x onerror=\"document.title='owned'\">",
    "\u{202e}gnp.exe' onmouseover='document.title=1' x='",
    "an-endless-name-without-any-place-to-break-0123456789-0123456789-0123456789-0123456789-0123456789",
];

fn hostile_page(source: &PageSource, request: &PageRequest) -> HtmlPage {
    let gauges = PoolGauges { max_runners: 4, queue_depth: 3, ..PoolGauges::default() };
    let mut trend = QueueTrend::default();
    trend.0[40] = Some(QueueSample { depth: 3, oldest_wait_s: 70 });
    let frozen: Vec<String> = HOSTILE.map(str::to_owned).to_vec();
    let overview = |name| PoolOverview {
        name,
        gauges: &gauges,
        trend: trend.clone(),
        scaling: PoolScaling::Unresolved(HOSTILE[0]),
        alerts: HOSTILE.to_vec(),
    };
    let entries = || -> Vec<PageEntry> {
        let entry = |text: &&str| PageEntry {
            age: Duration::from_secs(5),
            pool: Some((*text).to_owned()),
            tone: Tone::Bad,
            text: (*text).to_owned(),
            help: Some((*text).to_owned()),
        };
        HOSTILE.iter().map(entry).collect()
    };
    let frame = PageFrame {
        fleet: HOSTILE[0],
        garm_name: None,
        garm: HOSTILE[1],
        observation: Some(PageObservation {
            at: jiff::Timestamp::UNIX_EPOCH,
            age: source.read_age.unwrap_or_default(),
            is_current: true,
        }),
        loop_stopped: None,
        frozen: &frozen,
        is_dry_run: false,
        checks: vec![HealthCheck { name: "GARM", tone: Tone::Bad, text: HOSTILE[3].into() }],
        alerts: &[],
        is_refreshed: request.is_refreshed,
    };
    let html = match &request.pool {
        None => page::fleet(&FleetPage {
            frame,
            pools: HOSTILE.iter().map(|name| overview(name)).collect(),
            actions: entries(),
            problems: entries(),
        }),
        Some(name) if name == "missing" => page::missing_pool(&frame, HOSTILE[1], [HOSTILE[0]]),
        Some(name) => page::pool(&PoolPage {
            frame,
            pool: overview(name),
            declared: None,
            actions: entries(),
            problems: entries(),
        }),
    };
    HtmlPage { is_found: true, html, security_policy: &SECURITY_POLICY }
}

fn serve_hostile(metrics: &MetricsState) {
    metrics
        .pages(Arc::new(|source, request| Some(hostile_page(source, request))), Arc::new(|_| None));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_stay_text_in_a_browser() {
    let served = Served::start(None).await;
    serve_hostile(&served.metrics);
    let address = served.address;
    let looked = tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        let mut browser = Chromium::start(folder.path());
        let names =
            HOSTILE.map(|name| name.bytes().map(|b| format!("%{b:02x}")).collect::<String>());
        let pools = names.iter().map(|name| format!("/pools/{name}"));
        for path in pools.chain(["/".into(), "/pools/missing".into()]) {
            for width in WIDTHS {
                browser.show(&format!("http://{address}{path}"), width, "light");
                assert_eq!(browser.value(ACTIVE), nothing(), "{path}");
                assert_eq!(browser.value(OVERFLOW), nothing(), "{path} {width}");
                let title = browser.value("document.title");
                assert!(
                    title.as_str().is_some_and(|title| title != "owned" && title != "1"),
                    "{title}"
                );
                let (complaints, _) = browser.messages_and_requests();
                assert!(complaints.is_empty(), "{path}: {complaints:?}");
            }
        }
        // Each row links to the page of its pool.
        browser.show(&format!("http://{address}/"), WIDTHS[1], "light");
        let links = browser.value(
            "[...document.querySelectorAll('tbody th a')].map(it => decodeURIComponent(new URL(it.href).pathname))",
        );
        let mut found: Vec<String> = serde_json::from_value(links).unwrap();
        found.sort();
        let mut expected: Vec<String> =
            HOSTILE.iter().map(|name| format!("/pools/{name}")).collect();
        expected.sort();
        assert_eq!(found, expected);
    });
    looked.await.unwrap();
    served.end().await;
}
