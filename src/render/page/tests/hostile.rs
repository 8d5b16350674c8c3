//! Texts that try to become markup.

use std::collections::BTreeSet;

use super::*;

/// Texts that could come from GARM, a file or a URL.
const HOSTILE: [&str; 5] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'><svg/onload=alert(1)>",
    "\u{202e}evil\u{2066}\u{200b}\u{1b}[2J\0",
    "</style></title><base href=//evil>`<b>`",
];

/// Every page, with `hostile` in place of every external text.
fn pages_with(hostile: &str) -> [String; 3] {
    let (decision, gauges) = (steady(), quiet());
    let freeze = Freeze::ManagerStopped(hostile.into());
    let stall = Stall {
        since: at(0),
        level: 1,
        counted: 0,
        runner_group: hostile.into(),
        provider: hostile.into(),
        credentials: Some(hostile.into()),
        rate_limit: None,
    };
    let effect = DecisionEffect::Frozen(&freeze);
    let scaling = PoolScaling::Decided { decision: &decision, effect, stall: Some(&stall) };
    let alerts = [alert(hostile, "web", hostile)];
    let frozen = [hostile.to_owned()];
    let frame = || PageFrame {
        fleet: hostile,
        garm: hostile,
        frozen: &frozen,
        loop_stopped: Some(hostile),
        checks: vec![HealthCheck { name: "GARM", tone: Tone::Bad, text: hostile.into() }],
        alerts: &alerts,
        ..frame()
    };
    let pool_of =
        || PoolOverview { scaling, alerts: vec![hostile], ..well(hostile, &gauges, &decision) };
    let entries = || {
        let help = Some(hostile.to_owned());
        vec![PageEntry { help, ..entry(1, Some(hostile), Tone::Bad, hostile) }]
    };
    let (actions, problems) = (entries(), entries());
    let of_fleet = FleetPage { frame: frame(), pools: vec![pool_of()], actions, problems };
    let (actions, problems) = (entries(), entries());
    let of_pool = PoolPage { frame: frame(), pool: pool_of(), declared: None, actions, problems };
    [fleet(&of_fleet), pool(&of_pool), missing_pool(&frame(), hostile, ["web"])]
}

#[test]
fn hostile_texts_are_inert_everywhere() {
    // The tags of the pages with a harmless text.
    let tags = |html: &str| -> BTreeSet<String> {
        let html = html.replace(frame::STYLE, "");
        let name = |tag: &str| {
            tag.split(|c: char| !c.is_alphanumeric() && c != '/').next().map(str::to_owned)
        };
        html.split('<').skip(1).filter_map(name).collect()
    };
    let usual = pages_with("usual").map(|html| tags(&html));
    for hostile in HOSTILE {
        for (html, usual) in pages_with(hostile).iter().zip(&usual) {
            let fresh: Vec<String> = tags(html).difference(usual).cloned().collect();
            // Text between a pair of backticks becomes code.
            assert!(fresh.iter().all(|tag| tag.ends_with("code")), "{fresh:?}\n{html}");
            let is_odd =
                |c: char| c.is_control() && c != '\n' || "\u{202e}\u{2066}\u{200b}".contains(c);
            assert!(!html.replace(frame::STYLE, "").contains(is_odd), "{html}");
            assert!(!html.contains("style=\""), "the policy forbids it");
        }
    }
}

#[test]
fn the_policy_allows_only_the_style_sheet_of_the_page() {
    let digest = STANDARD.encode(Sha256::digest(frame::STYLE));
    let policy: Vec<&str> = SECURITY_POLICY.split("; ").collect();
    assert_eq!(
        policy,
        [
            "default-src 'none'",
            &format!("style-src 'sha256-{digest}'"),
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    );
    let html = fleet(&page(vec![]));
    assert!(html.contains(&format!("<style>{}</style>", frame::STYLE)));
    assert!(!frame::STYLE.contains("url(") && !frame::STYLE.contains('<'));
    assert!(
        !html.contains("http://") || html.matches("http://").count() == 1,
        "the icon's namespace"
    );
}
