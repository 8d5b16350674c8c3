//! Snapshots of a plan with every kind of step, and properties that hold for every plan in every
//! format.

use std::time::Duration;

use anstream::adapter::strip_str;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::desired::{Desired, DesiredPool};
use crate::domain::fleet::Fleet;
use crate::domain::pool::Pool;
use crate::plan::tests::build::{
    desired, fleet, live, owned, pool, queued_job, relabelled, retired, runner,
};
use crate::plan::tests::some::{SECRET, some_case};
use crate::plan::{PlanOptions, plan, saved};
use crate::render::document;

fn heading() -> PlanHeading {
    PlanHeading {
        garm: None,
        garm_url: "https://garm.example.com".to_owned(),
        fleet_file: "/etc/runnerctl/runnerctl.yaml".to_owned(),
    }
}

fn with(name: &str, change: fn(&mut DesiredPool)) -> DesiredPool {
    let mut pool = pool(name);
    change(&mut pool);
    pool
}

fn there(name: &str, change: fn(&mut Pool)) -> Pool {
    let mut pool = live(&pool(name));
    change(&mut pool);
    pool
}

/// A plan with each kind of step and of note, and with hostile texts.
fn rich() -> Plan {
    let mut wanted: Desired = desired([
        pool("new"),
        with("changed", |it| {
            it.image = "ami-2".to_owned();
            it.settings.labels = ["linux", "x64"].into_iter().collect();
            it.settings.scale.max_runners = 3;
            it.settings.extra_specs =
                json!({ "subnet": "b", "token": "hunter2-new", "user data": [1, 2] })
                    .as_object()
                    .cloned()
                    .unwrap();
        }),
        with("by-hand", |it| it.settings.adopt = Some("x-id".to_owned())),
        with("moved", |it| it.provider = "gcp".to_owned()),
        with("lost", |it| it.entity.name = "`@all`\u{202e}\n# x".to_owned()),
        pool("raised"),
    ]);
    wanted.controller.minimum_job_age_backoff = Some(Duration::from_secs(60));
    let changed = there("changed", |it| {
        it.spec.extra_specs = json!({ "subnet": "a", "token": "hunter2", "gone": true })
            .as_object()
            .cloned()
            .unwrap();
    });
    let pools = vec![
        changed.clone(),
        relabelled(&live(&pool("by-hand")), "x-id", &["linux", "by-hand"]),
        there("moved", |_| {}),
        there("dropped", |_| {}),
        there("raised", |it| it.spec.min_idle_runners = 7),
        relabelled(&live(&pool("dropped")), "old-id", &["linux", &retired("dropped")]),
        relabelled(&live(&pool("a")), "y-id", &["linux"]),
    ];
    let moved = pools[2].clone();
    let runners = (0..4).map(|it| runner(&changed, it, "idle"));
    let busy = (4..6).map(|it| runner(&moved, it, "active"));
    let mut job = queued_job(1, &["dropped"]);
    job.name = "[x](http://evil) @all `rm`\u{1b}[31m".to_owned();
    let read = Fleet {
        pools,
        runners: runners.chain(busy).collect(),
        jobs: vec![job, queued_job(2, &["dropped", "linux"])],
        ..fleet()
    };
    let options = PlanOptions { show_keys: vec!["subnet".to_owned()], ..PlanOptions::default() };
    plan(&wanted, &read, &options)
}

#[test]
fn text_reads_like_terraform() {
    let said = text(&rich(), &heading(), 90);
    insta::assert_snapshot!(strip_str(&said).to_string());
}

#[test]
fn narrow_text_is_wrapped_without_loss() {
    let plain = |width| strip_str(&text(&rich(), &heading(), width)).to_string();
    let words = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(plain(50)), words(plain(500)));
    let folded = plain(50);
    // The first and the last line are not wrapped, nor is a single word that is too long.
    let long = folded.lines().filter(|it| it.starts_with(' ') && it.chars().count() > 50);
    let long: Vec<&str> = long.filter(|it| it.split_whitespace().count() > 4).collect();
    assert_eq!(long, Vec::<&str>::new());
}

#[test]
fn json_has_the_shape_of_the_design() {
    let json = json(&rich(), &[], None);
    insta::assert_snapshot!(format!("{json:#}"));
    document::check(&schema(), &json);
}

#[test]
fn markdown_keeps_every_value_in_a_code_span() {
    insta::assert_snapshot!(markdown(&rich(), &heading()));
}

#[test]
fn no_format_shows_a_hidden_value_or_moves_the_cursor() {
    let forms = [
        strip_str(&text(&rich(), &heading(), 90)).to_string(),
        format!("{:#}", json(&rich(), &[], None)),
        markdown(&rich(), &heading()),
    ];
    for form in forms {
        assert!(!form.contains("hunter2"), "{form}");
        assert!(!form.contains(['\u{1b}', '\u{202e}']), "{form}");
    }
}

proptest! {
    #[test]
    fn no_plan_shows_a_hidden_value_in_any_form((wanted, read) in some_case()) {
        let plan = plan(&wanted, &read, &PlanOptions::default());
        let texts = saved::SavedTexts { fleet_file: "rc.yaml", report: serde_json::Value::Null };
        let forms = [
            text(&plan, &heading(), 90),
            json(&plan, &[], None).to_string(),
            markdown(&plan, &heading()),
            saved::write(
                &plan,
                ("https://garm.example.com", &texts),
                &saved::SavedInputs::default(),
                "salt",
            ),
        ];
        for form in forms {
            prop_assert!(!form.contains(SECRET), "{form}");
        }
    }
}

#[test]
fn an_empty_plan_says_that_nothing_changes() {
    let same = plan(
        &desired([pool("a")]),
        &Fleet { pools: vec![live(&pool("a"))], ..fleet() },
        &PlanOptions::default(),
    );
    assert_eq!(
        strip_str(&text(&same, &heading(), 80)).to_string(),
        "fleet acme on https://garm.example.com (/etc/runnerctl/runnerctl.yaml)\n\n\
         no changes: the fleet is as declared\n"
    );
    assert_eq!(
        markdown(&same, &heading()),
        "### no changes: the fleet is as declared\n\nFleet `acme` on `https://garm.example.com` \
         (`/etc/runnerctl/runnerctl.yaml`)\n"
    );
}

#[test]
fn long_markdown_is_cut_and_the_rest_is_counted() {
    let names: Vec<String> = (0..400).map(|it| format!("pool-{it:03}")).collect();
    let many = plan(&desired(names.iter().map(|it| pool(it))), &fleet(), &PlanOptions::default());
    let said = markdown(&many, &heading());
    assert!(said.chars().count() <= MARKDOWN_MAX, "{}", said.chars().count());
    assert!(said.chars().count() > MARKDOWN_MAX - 1_000, "{}", said.chars().count());
    // The last line of each entry: an entry that is cut counts as not shown.
    let whole = said.lines().filter(|it| it.starts_with("  - policy: ")).count();
    let last = said.lines().last().unwrap();
    assert_eq!(last, format!("… and {} more entries: `runnerctl plan` shows all", 400 - whole));
}

#[test]
fn our_mark_is_shown_as_a_label() {
    let renaming = with("new", |it| it.settings.adopt = Some("old".to_owned()));
    let mut before = live(&pool("new"));
    before.spec.labels = ["linux", "new", &owned("old")].into_iter().collect();
    let plan = plan(
        &desired([renaming]),
        &Fleet { pools: vec![before], ..fleet() },
        &PlanOptions::default(),
    );
    let said = strip_str(&text(&plan, &heading(), 90)).to_string();
    assert!(said.contains("labels  - runnerctl=acme/old, + runnerctl=acme/new\n"), "{said}");
}

#[test]
fn the_signs_that_occur_and_the_next_step_follow_the_plan() {
    let told =
        |plan: &Plan| next(plan, "`runnerctl apply`", 80).map(|it| strip_str(&it).to_string());
    let new = plan(&desired([pool("a")]), &fleet(), &PlanOptions::default());
    let expected = "+ create\nnext: `runnerctl apply` applies this plan\n";
    assert_eq!(told(&new).as_deref(), Some(expected));
    insta::assert_snapshot!(told(&rich()).unwrap());
    let lost = with("lost", |it| it.entity.name = "nowhere".to_owned());
    let blocked = plan(&desired([lost]), &fleet(), &PlanOptions::default());
    let expected = "! blocked\nnext: resolve what blocks `lost`, then run `runnerctl plan` again\n";
    assert_eq!(told(&blocked).as_deref(), Some(expected));
    assert_eq!(told(&plan(&desired([]), &fleet(), &PlanOptions::default())), None);
}
