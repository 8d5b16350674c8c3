//! Pages of a small fleet, of a large one and of several GARMs.

mod hostile;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::config::AlertSeries;
use crate::domain::fleet::Fleet;
use crate::domain::job::Job;
use crate::domain::name::{PoolId, PoolName};
use crate::domain::runner::Runner;
use crate::monitor::{AlertStatus, AlertTransition, PoolGauges, QueueSample, QueueTrend};
use crate::render::decision::{DecisionEffect, Stall};
use crate::scaling::testing::{at, fleet as garm_fleet, job, policy, pool as garm_pool, runner};
use crate::scaling::{Decision, Freeze, RunnerStateCounts, ScaledPool, forecast};

fn decide(runners: Vec<Runner>, jobs: Vec<Job>) -> Arc<Decision> {
    let fleet: Fleet = garm_fleet(0, vec![garm_pool("default", &["x"])], runners, jobs);
    let policy = policy();
    let managed = ScaledPool { pool: &fleet.pools[0], policy: &policy };
    Arc::clone(&forecast(&fleet, &[managed])[&PoolId::new("default")])
}

/// Nothing to do: two idle runners.
fn steady() -> Arc<Decision> {
    decide(idle(), vec![])
}

fn pressed() -> Arc<Decision> {
    decide(idle(), (0..9).map(|n| job(n, &["x"], -40)).collect())
}

fn idle() -> Vec<Runner> {
    ["a", "b"].map(|name| runner("default", name, "running/idle", -700)).to_vec()
}

fn quiet() -> PoolGauges {
    PoolGauges {
        idle: 2,
        min_runners: 2,
        max_runners: 20,
        level: Some(2),
        runners: RunnerStateCounts { idle: 2, ..RunnerStateCounts::default() },
        has_drift: Some(false),
        ..PoolGauges::default()
    }
}

fn busy() -> PoolGauges {
    let runners =
        RunnerStateCounts { pending: 1, creating: 2, idle: 2, active: 5, ..Default::default() };
    let oldest_wait = Duration::from_secs(40);
    PoolGauges { queue_depth: 9, unserved_jobs: 4, active: 5, oldest_wait, runners, ..quiet() }
}

fn trend(depths: &[u32]) -> QueueTrend {
    let mut trend = QueueTrend::default();
    let first = trend.0.len() - depths.len();
    for (slot, depth) in trend.0[first..].iter_mut().zip(depths) {
        *slot = Some(QueueSample { depth: *depth, oldest_wait_s: depth * 5 });
    }
    trend
}

fn well<'a>(name: &'a str, gauges: &'a PoolGauges, decision: &'a Decision) -> PoolOverview<'a> {
    let scaling = PoolScaling::Decided { decision, effect: DecisionEffect::Applied, stall: None };
    PoolOverview { name, gauges, trend: trend(&[0; 60]), scaling, alerts: vec![] }
}

fn frame<'a>() -> PageFrame<'a> {
    let check = |name, text: &str| HealthCheck { name, tone: Tone::Good, text: text.into() };
    PageFrame {
        fleet: "acme",
        garm_name: None,
        garm: "https://garm.example.com",
        observation: Some(PageObservation {
            at: at(-12),
            age: Duration::from_secs(12),
            is_current: true,
        }),
        loop_stopped: None,
        frozen: &[],
        is_dry_run: false,
        checks: vec![check("GARM", "read 12s ago"), check("Events", "connected")],
        alerts: &[],
        is_refreshed: true,
    }
}

fn page<'a>(pools: Vec<PoolOverview<'a>>) -> FleetPage<'a> {
    FleetPage { frame: frame(), pools, actions: vec![], problems: vec![] }
}

fn alert(rule: &str, pool: &str, summary: &str) -> PageAlert {
    let alert = AlertTransition {
        rule: rule.into(),
        series: AlertSeries::QueueDepth,
        pool: PoolName::new(pool).ok(),
        status: AlertStatus::Firing { since: at(-60) },
        value: 21.0,
        receivers: vec![],
        summary: summary.into(),
        description: "`runnerctl status` says why".into(),
    };
    PageAlert { transition: alert, lasting: Duration::from_secs(60) }
}

fn entry(age: u64, pool: Option<&str>, tone: Tone, text: &str) -> PageEntry {
    let (pool, age) = (pool.map(str::to_owned), Duration::from_secs(age));
    PageEntry { age, pool, tone, text: text.into(), help: None }
}

/// A page without its style sheet and version, one line per block.
fn readable(html: &str) -> String {
    let html = html.replace(frame::STYLE, "STYLE").replace(env!("CARGO_PKG_VERSION"), "VERSION");
    let mut text = html;
    for tag in ["<section", "<li", "<dt", "<td", "<main", "<footer", "<div", "<svg", "<tr", "<p"] {
        text = text.replace(tag, &format!("\n{tag}"));
    }
    text.replace("\n\n", "\n")
}

/// The first conclusion of the page with its tone, and the following ones, as text.
fn verdict(html: &str) -> (String, String) {
    let (_, rest) = html.split_once("<section class=\"verdict ").unwrap();
    let (tone, rest) = rest.split_once('"').unwrap();
    let (_, rest) = rest.split_once("<strong>").unwrap();
    let text = rest.split_once("</section>").unwrap().0;
    let mut plain = String::new();
    let mut is_tag = false;
    for c in text.replace("<li", " | <li").chars() {
        match c {
            '<' => is_tag = true,
            '>' => is_tag = false,
            c if !is_tag => plain.push(c),
            _ => {}
        }
    }
    (tone.to_owned(), plain)
}

#[test]
fn a_small_fleet_with_every_part() {
    let (steady, pressed) = (steady(), pressed());
    let (quiet, busy) = (quiet(), busy());
    let failing = PoolGauges {
        is_circuit_open: true,
        level: None,
        runners: RunnerStateCounts { failed: 2, suspect: 1, deleting: 1, ..Default::default() },
        ..PoolGauges::default()
    };
    let alerts = [alert("QueueDepthHigh", "web", "`queue_depth` of pool `web` is 21, above 20")];
    let mut web = well("web", &busy, &pressed);
    web.trend = trend(&[0, 0, 3, 9]);
    web.alerts = vec!["QueueDepthHigh"];
    let gone = PoolScaling::Unresolved("no pool in GARM has its label");
    let page = FleetPage {
        frame: PageFrame { alerts: &alerts, ..frame() },
        actions: vec![entry(3, Some("web"), Tone::Quiet, "level raised from 2 to 6")],
        problems: vec![PageEntry {
            help: Some("`runnerctl watch --release` lowers it".into()),
            ..entry(75, Some("gpu"), Tone::Warning, "runner `r1` has failed: quota")
        }],
        pools: vec![
            well("arm", &quiet, &steady),
            PoolOverview { scaling: gone, ..well("gpu", &failing, &steady) },
            web,
        ],
    };
    let html = fleet(&page);
    insta::assert_snapshot!(readable(&html));
    let (_, rows) = html.split_once("<tbody").unwrap();
    let place = |name: &str| rows.find(&format!(">{name}</a>")).unwrap();
    let order = ["gpu", "web", "arm"].map(place);
    assert!(order.is_sorted(), "trouble first: {order:?}");
}

#[test]
fn the_page_of_a_pool_explains_its_decision() {
    let (decision, gauges) = (pressed(), busy());
    let stall = Stall {
        since: at(-60),
        level: 6,
        counted: 2,
        runner_group: String::new(),
        provider: "aws".into(),
        credentials: None,
        rate_limit: None,
    };
    let mut web = well("web", &gauges, &decision);
    let freeze = Freeze::Unreachable;
    web.scaling = PoolScaling::Decided {
        decision: &decision,
        effect: DecisionEffect::Frozen(&freeze),
        stall: Some(&stall),
    };
    web.trend = trend(&[0, 0, 3, 9]);
    let page = PoolPage {
        frame: PageFrame { is_refreshed: false, ..frame() },
        pool: web,
        declared: None,
        actions: vec![entry(3, Some("web"), Tone::Quiet, "level raised from 2 to 6")],
        problems: vec![],
    };
    insta::assert_snapshot!(readable(&pool(&page)));
}

#[test]
fn the_verdict_is_good_only_without_waiting_stale_frozen_or_failing_parts() {
    let (steady, pressed) = (steady(), pressed());
    let (quiet, busy) = (quiet(), busy());
    let good = "No job waits, and no pool needs attention";
    let check = |frame: PageFrame<'_>, pools: Vec<PoolOverview<'_>>, tone: &str, text: &str| {
        let shown = verdict(&fleet(&FleetPage { frame, ..page(pools) }));
        assert_eq!(shown, (tone.to_owned(), text.to_owned()));
    };
    let idle = || vec![well("a", &quiet, &steady)];
    check(frame(), idle(), "good", good);
    check(frame(), vec![], "quiet", "No pool is declared");
    let jobs = "9 jobs wait, the oldest for 40s, 4 of them without an idle or booting runner";
    check(frame(), vec![well("a", &busy, &pressed)], "busy", jobs);
    let served = PoolGauges { unserved_jobs: 0, ..busy.clone() };
    let jobs = "9 jobs wait, the oldest for 40s, each with an idle or booting runner";
    check(frame(), vec![well("a", &served, &pressed)], "busy", jobs);

    let old = PageObservation { at: at(-90), age: Duration::from_secs(90), is_current: false };
    let text = "GARM was last read 1m 30s ago: this page shows the state at that time";
    check(PageFrame { observation: Some(old), ..frame() }, idle(), "bad", text);
    check(PageFrame { observation: None, ..frame() }, idle(), "bad", "GARM has not been read yet");
    let why = "the loop has made no pass for 3m";
    let text = "the loop has made no pass for 3m: nothing on this page is current";
    check(PageFrame { loop_stopped: Some(why), ..frame() }, idle(), "bad", text);
    let frozen = ["GARM does not answer".to_owned()];
    let text = "Nothing is written to GARM: GARM does not answer";
    check(PageFrame { frozen: &frozen, ..frame() }, idle(), "bad", text);
    let text = "Dry run: decisions are not written to GARM";
    check(PageFrame { is_dry_run: true, ..frame() }, idle(), "warn", text);
    let checks = vec![HealthCheck { name: "Events", tone: Tone::Warning, text: "lost".into() }];
    check(PageFrame { checks, ..frame() }, idle(), "warn", "Events: lost");
    let alerts = [alert("Own", "a", "s")];
    check(PageFrame { alerts: &alerts, ..frame() }, idle(), "bad", "1 alert fires: Own");

    for (gauges, tone, text) in [
        (PoolGauges { is_stalled: true, ..quiet.clone() }, "bad", "1 pool needs attention: a"),
        (PoolGauges { is_circuit_open: true, ..quiet.clone() }, "bad", "1 pool needs attention: a"),
        (PoolGauges { is_below_min: true, ..quiet.clone() }, "warn", "1 pool needs a look: a"),
        (PoolGauges { stale_jobs: 1, ..quiet.clone() }, "warn", "1 pool needs a look: a"),
        (
            PoolGauges { policy_violations: Some(1), ..quiet.clone() },
            "warn",
            "1 pool needs a look: a",
        ),
        (PoolGauges { has_drift: Some(true), ..quiet.clone() }, "warn", "1 pool needs a look: a"),
    ] {
        check(frame(), vec![well("a", &gauges, &steady)], tone, text);
    }
    let mut frozen = well("a", &quiet, &steady);
    let why = Freeze::ManagerStopped("no credentials".into());
    let effect = DecisionEffect::Frozen(&why);
    frozen.scaling = PoolScaling::Decided { decision: &steady, effect, stall: None };
    check(frame(), vec![frozen], "bad", "1 pool needs attention: a");
}

#[test]
fn the_page_of_a_missing_pool_suggests_the_nearest_name() {
    let html = missing_pool(&frame(), "wbe", ["web", "gpu"]);
    assert!(
        html.contains("has no pool <code>wbe</code>. Is it <a href=\"/pools/web\">web</a>?"),
        "{html}"
    );
    let long = "w".repeat(100_000);
    assert!(missing_pool(&frame(), &long, ["web"]).len() < 100_000 + 20_000);
}

#[test]
fn a_page_of_a_thousand_pools_is_smaller_than_two_megabytes() {
    let (decision, gauges) = (pressed(), busy());
    let names: Vec<String> = (0..1_000).map(|n| format!("team-{n}-linux-x64")).collect();
    let depths: Vec<u32> = (0..60).map(|n| n * 7 % 13).collect();
    let mut pools: Vec<PoolOverview<'_>> =
        names.iter().map(|name| well(name, &gauges, &decision)).collect();
    pools.iter_mut().for_each(|pool| pool.trend = trend(&depths));
    let html = fleet(&page(pools));
    assert_eq!(html.matches("role=\"rowheader\"").count(), 1_000);
    assert!(html.len() < 2 << 20, "{}", html.len());
}

fn garm(name: &str, state: Result<GarmOverview, String>) -> GarmRow {
    GarmRow { name: name.into(), state }
}

#[test]
fn the_page_of_all_garms_has_the_worst_first() {
    let (steady, pressed, quiet, busy) = (steady(), pressed(), quiet(), busy());
    let well = overview(&page(vec![well("web", &quiet, &steady)]));
    let loaded = FleetPage {
        frame: PageFrame { garm: "https://us.example.com", garm_name: Some("us"), ..frame() },
        ..page(vec![self::well("gpu", &busy, &pressed)])
    };
    let rows = vec![
        garm("eu", Ok(well)),
        garm("us", Ok(overview(&loaded))),
        garm("old", Err("the `password` is wrong; tries again".into())),
    ];
    let page = GarmsPage { fleet: "acme", garms: rows, is_refreshed: true };
    insta::assert_snapshot!(readable(&garms(&page)));
    let own = fleet(&loaded);
    for text in ["<title>acme: us: ", "All GARMs of acme", "/garms/us?refresh=off"] {
        assert!(own.contains(text), "{text}\n{own}");
    }
    let missing = missing_pool_of_all(&page, "gpo");
    assert!(missing.contains("Is it <a href=\"/pools/gpu\">gpu</a>?"), "{missing}");
}
