//! The pages of a process with several GARMs.

use std::sync::Arc;
use std::time::Duration;

use runnerctl::domain::name::GarmName;
use runnerctl::metrics::process::{NoPage, PageSubject};
use runnerctl::metrics::{
    Counter, HealthLimits, HtmlPage, MetricsState, PageRenderer, PoolGauges, ProcessMetrics,
};
use runnerctl::render::page::{GarmOverview, SECURITY_POLICY, Tone};
use serde_json::json;
use tokio::time::advance;

use super::lines;
use super::script::{default_pool, metrics, pool, snapshot};

fn name(name: &str) -> GarmName {
    GarmName::new(name).unwrap()
}

/// Two GARMs: `eu` has the pool `default`, `us` was not read yet.
fn two() -> (ProcessMetrics, Arc<MetricsState>, Arc<MetricsState>) {
    let (eu, us) = (Arc::new(metrics()), Arc::new(metrics()));
    eu.publish(snapshot([(pool("default"), default_pool())]));
    let all = ProcessMetrics::new("acme".into());
    all.insert(Some(name("us")), Arc::clone(&us));
    all.insert(Some(name("eu")), Arc::clone(&eu));
    (all, eu, us)
}

#[tokio::test(start_paused = true)]
async fn every_series_of_a_garm_has_its_name_and_those_of_the_process_have_none() {
    let (all, eu, us) = two();
    for metrics in [&eu, &us] {
        metrics.count(Counter::GarmRequest { method: "GET", code: Some(200) });
    }
    eu.count(Counter::Rescue { pool: pool("default") });
    let page = all.metrics_page();
    let process = ["runnerctl_build_info{", "runnerctl_config_last_reload_successful "];
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let is_of_process = process.iter().any(|name| line.starts_with(name));
        assert_eq!(line.contains("{garm=\""), !is_of_process, "{line}");
    }
    assert_eq!(lines(&page, "runnerctl_build_info").len(), 1);
    assert_eq!(lines(&page, "queue_depth"), ["queue_depth{garm=\"eu\",pool=\"default\"} 3"]);
    assert_eq!(
        lines(&page, "runnerctl_ready"),
        ["runnerctl_ready{garm=\"eu\"} 1", "runnerctl_ready{garm=\"us\"} 0"]
    );
    assert_eq!(
        lines(&page, "runnerctl_garm_requests_total"),
        [
            "runnerctl_garm_requests_total{garm=\"eu\",method=\"GET\",code=\"200\"} 1",
            "runnerctl_garm_requests_total{garm=\"us\",method=\"GET\",code=\"200\"} 1",
        ]
    );
    // A counter that was not counted is 0 for each.
    let resent = lines(&page, "runnerctl_level_resent_total");
    assert_eq!(resent.len(), 2, "{resent:?}");
    // A family is written once, with the values of all.
    assert_eq!(page.matches("# TYPE runnerctl_garm_requests_total").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_moved_pool_leaves_the_series_of_its_old_garm() {
    let (all, eu, us) = two();
    eu.publish(snapshot([]));
    us.publish(snapshot([(pool("default"), default_pool())]));
    let page = all.metrics_page();
    assert_eq!(lines(&page, "queue_depth"), ["queue_depth{garm=\"us\",pool=\"default\"} 3"]);
    all.remove(Some(&name("us")));
    assert!(!all.metrics_page().contains("garm=\"us\""));
}

#[tokio::test(start_paused = true)]
async fn the_process_is_ready_while_one_garm_is_and_says_why_the_others_are_not() {
    let (all, eu, us) = two();
    let ready = all.readiness(None).unwrap();
    let unread = "GARM `us`: GARM has not been read yet".to_owned();
    assert_eq!((ready.is_ready, ready.reasons), (true, vec![unread.clone()]));
    let of_us = all.readiness(Some("us")).unwrap();
    assert_eq!((of_us.is_ready, of_us.reasons.len()), (false, 1));
    assert!(all.readiness(Some("eu")).unwrap().is_ready);
    assert_eq!(all.readiness(Some("asia")), Err(NoPage::UnknownGarm));
    us.stop("the password is wrong".into());
    eu.frozen(vec!["it is frozen".into()]);
    let ready = all.readiness(None).unwrap();
    assert!(!ready.is_ready);
    assert_eq!(
        ready.reasons,
        ["GARM `eu`: it is frozen", "GARM `us`: the password is wrong"].map(str::to_owned)
    );
}

#[tokio::test(start_paused = true)]
async fn a_hung_loop_makes_the_process_unhealthy_and_a_garm_without_a_loop_does_not() {
    let (all, eu, us) = two();
    assert_eq!(all.health(), Ok(()));
    us.stop("the password is wrong".into());
    advance(HealthLimits::of(Duration::from_secs(30)).turn + Duration::from_secs(1)).await;
    eu.turned();
    assert_eq!(all.health(), Ok(()));
    us.begin();
    advance(HealthLimits::of(Duration::from_secs(30)).turn + Duration::from_secs(1)).await;
    us.turned();
    let why = "GARM `eu`: the loop has made no pass for 2m 1s";
    assert_eq!(all.health(), Err(why.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn decisions_are_those_of_all_garms_or_of_the_named_one() {
    let (all, eu, us) = two();
    assert_eq!(all.decisions_page(None), Err(NoPage::NotYet));
    eu.explain(Arc::new(|| json!({ "fleet": "acme" })));
    let expected = json!({
        "format_version": "1", "command": "watch", "garms": { "eu": { "fleet": "acme" } },
    });
    assert_eq!(all.decisions_page(None), Ok(expected));
    assert_eq!(all.decisions_page(Some("eu")), Ok(json!({ "fleet": "acme" })));
    assert_eq!(all.decisions_page(Some("us")), Err(NoPage::NotYet));
    assert_eq!(all.decisions_page(Some("asia")), Err(NoPage::UnknownGarm));
    drop(us);
}

/// The page of one GARM, reduced to a word.
fn renderer(word: &'static str) -> PageRenderer {
    Arc::new(move |_, request| {
        let html = format!("{word} {:?}", request.pool);
        Some(HtmlPage { is_found: true, html, security_policy: &SECURITY_POLICY })
    })
}

fn overview(pools: &[&str]) -> GarmOverview {
    GarmOverview {
        address: "https://eu.example.com".into(),
        tone: Tone::Good,
        verdict: "No job waits".into(),
        pools: pools.len(),
        pool_names: pools.iter().map(|pool| (*pool).to_owned()).collect(),
        gauges: PoolGauges::default(),
        read_age: Some(Duration::from_secs(3)),
    }
}

#[tokio::test(start_paused = true)]
async fn the_home_page_has_a_row_per_garm_and_a_pool_is_found_in_its_garm() {
    let (all, eu, us) = two();
    eu.pages(renderer("page-of-eu"), Arc::new(|_| Some(overview(&["default"]))));
    us.stop("the password is wrong".into());
    let page = |subject: PageSubject| all.html_page(&subject, true);
    let home = page(PageSubject::Home).unwrap().html;
    for text in [
        "<a href=\"/garms/eu\">eu</a>",
        "<a href=\"/garms/us\">us</a>",
        "the password is wrong",
        "1 of 2 GARMs needs attention: <code>us</code>",
    ] {
        assert!(home.contains(text), "{text}\n{home}");
    }
    let of_eu = page(PageSubject::Garm("eu".into())).unwrap().html;
    assert_eq!(of_eu, "page-of-eu None");
    let of_pool = page(PageSubject::Pool("default".into())).unwrap().html;
    assert_eq!(of_pool, "page-of-eu Some(\"default\")");
    let missing = page(PageSubject::Pool("defualt".into())).unwrap();
    assert!(!missing.is_found && missing.html.contains("Is it <a href=\"/pools/default\">"));
    assert_eq!(page(PageSubject::Garm("us".into())), Err(NoPage::NotYet));
    assert_eq!(page(PageSubject::Garm("asia".into())), Err(NoPage::UnknownGarm));
}
