//! Which fleet owns a pool: labels, twins, adoptions, and what blocks a step.

use std::collections::BTreeSet;

use super::build::*;
use super::rows::{changed, check, with};
use crate::domain::desired::{ControllerSettings, Desired, Scope};
use crate::domain::fleet::Fleet;
use crate::domain::pool::{Pool, PoolChange};
use crate::domain::runner::Runner;
use crate::plan::{Action, Consent, Operation, PlanOptions, plan};

#[test]
fn pools_without_this_fleets_label_are_never_touched() {
    let hand_made = relabelled(&live(&pool("a")), "x", &["linux", "a"]);
    let others = relabelled(&live(&pool("a")), "y", &["linux", "runnerctl=beta/a"]);
    let plan = check(&desired([]), &with([hand_made, others]), &[]);
    assert_eq!(
        plan.notes[0].text,
        "2 pools are not this fleet's and are left alone (fleet `beta` owns some)"
    );
}

#[test]
fn two_pools_with_one_label_are_blocked() {
    let a = live(&pool("a"));
    let b = relabelled(&a, "b-id", &["linux", &owned("a")]);
    let expected = "2 pools have the same label of this fleet: `a-id` and `b-id`";
    for pools in [vec![pool("a")], vec![]] {
        let line = format!("blocked a [] {expected}");
        check(&desired(pools), &with([b.clone(), a.clone()]), &[&line]);
    }
}

/// Three kinds of pools with one label: in use, switched off with a runner, unused.
fn twin(id: &str, kind: char, created: i64) -> (Pool, Option<Runner>) {
    let mut twin = relabelled(&live(&pool("a")), id, &["linux", "a", &owned("a")]);
    twin.created_at = at(created);
    if kind != 'u' {
        twin.spec.enabled = false;
        twin.spec.min_idle_runners = 0;
    }
    let runner = (kind == 'r').then(|| runner(&twin, 1, "idle"));
    (twin, runner)
}

#[test]
fn whatever_the_order_of_twins_the_one_in_use_is_in_force_and_the_unused_ones_go() {
    // `u` is in use, `r` is switched off and has a runner, `f` is as a create has left it.
    for (kinds, in_force) in [
        ("u", Some("p0")),
        ("f", Some("p0")),
        ("uf", Some("p0")),
        ("fu", Some("p1")),
        ("rf", Some("p0")),
        ("fr", Some("p1")),
        ("ff", Some("p0")),
        ("fuf", Some("p1")),
        ("fff", Some("p0")),
        ("uu", None),
        ("ur", None),
        ("ru", None),
        ("ufr", None),
        ("fuu", None),
    ] {
        let twins: Vec<_> = (kinds.chars().zip(0..))
            .map(|(kind, n): (char, i64)| twin(&format!("p{n}"), kind, n - 100))
            .collect();
        let there = Fleet {
            runners: twins.iter().filter_map(|twin| twin.1.clone()).collect(),
            pools: twins.into_iter().rev().map(|twin| twin.0).collect(),
            ..fleet()
        };
        let plan = plan(&desired([pool("a")]), &there, &PlanOptions::default());
        let removed: BTreeSet<&str> = (plan.steps.iter())
            .filter_map(|step| match &step.work {
                Operation::RemoveLeftover { id } => Some(id.as_str()),
                _ => None,
            })
            .collect();
        let Some(in_force) = in_force else {
            assert_eq!(plan.summary().blocked, 1, "{kinds}");
            assert_eq!(plan.steps.len(), 1, "{kinds}");
            assert!(!crate::plan::has_create_in_flight(&there, &acme()), "{kinds}");
            continue;
        };
        let others: BTreeSet<&str> =
            there.pools.iter().map(|pool| pool.id.as_str()).filter(|id| *id != in_force).collect();
        assert_eq!(removed, others, "{kinds}");
        assert!(plan.steps.iter().all(|step| step.consent == Consent::None), "{kinds}");
        let is_in_flight = kinds.len() > 1;
        assert_eq!(crate::plan::has_create_in_flight(&there, &acme()), is_in_flight, "{kinds}");
    }
}

#[test]
fn one_pool_with_two_labels_is_blocked_under_each_declared_name() {
    let conflicting = relabelled(&live(&pool("a")), "x", &["linux", &owned("a"), &owned("b")]);
    let reason = "one pool has the labels `runnerctl=acme/a` and `runnerctl=acme/b`";
    let lines = [format!("blocked a [] {reason}"), format!("blocked b [] {reason}")];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    check(&desired([pool("a"), pool("b")]), &with([conflicting.clone()]), &lines);

    let foreign = relabelled(&conflicting, "x", &["linux", &owned("a"), "runnerctl=beta/z"]);
    check(
        &Desired { controller: ControllerSettings::default(), ..desired([]) },
        &with([foreign]),
        &["blocked a [] one pool has the labels `runnerctl=acme/a` and `runnerctl=beta/z`"],
    );
}

#[test]
fn adopting_a_pool_made_by_hand_is_one_step_that_adds_the_label() {
    let adopting = changed(pool("a"), |pool| pool.settings.adopt = Some("X-ID".to_owned()));
    let by_hand = relabelled(&live(&pool("a")), "x-id", &["linux", "a"]);
    let plan = check(
        &desired([adopting.clone()]),
        &with([by_hand.clone()]),
        &["adopt a [labels] adopts a pool created by hand"],
    );
    let labels = Some(["linux", "a", &owned("a")].into_iter().collect());
    let change = PoolChange { labels, ..PoolChange::default() };
    assert_eq!(plan.steps[0].work, Operation::Change { id: by_hand.id.clone(), change });
    assert_eq!(plan.steps[0].consequences, Vec::<String>::new());
    assert_eq!(plan.notes, []);

    let done = relabelled(&by_hand, "x-id", &["linux", "a", &owned("a")]);
    check(&desired([adopting]), &with([done]), &[]);
}

/// | the name has | the adoption is |
/// |---|---|
/// | a replacement that does not fit | made, and the replacement deleted as a leftover |
/// | a replacement that fits | done: the replacement is put in force |
#[test]
fn a_leftover_replacement_does_not_hide_an_adoption() {
    let adopting = changed(pool("a"), |pool| pool.settings.adopt = Some("old".to_owned()));
    let there = relabelled(&live(&pool("a")), "x", &["linux", "a", &owned("old")]);
    let mut waiting = relabelled(&there, "new", &["linux", "a", &replacement("a")]);
    waiting.spec.enabled = false;
    waiting.spec.min_idle_runners = 0;
    let elsewhere = Pool { entity: key("org-2"), ..waiting.clone() };
    let adopts = "adopt a [labels] adopts the pool that was `old`";
    let leftover = "delete a [] left over from an interrupted create: disabled and without runners";
    check(&desired([adopting.clone()]), &with([there.clone(), elsewhere]), &[leftover, adopts]);
    check(&desired([adopting.clone()]), &with([there.clone()]), &[adopts]);
    let steps = plan(&desired([adopting]), &with([there, waiting]), &PlanOptions::default()).steps;
    assert_eq!(steps[0].pool_id.as_ref().map(crate::domain::name::PoolId::as_str), Some("new"));
}

#[test]
fn adopting_an_old_name_renames() {
    let adopting = changed(pool("new"), |pool| pool.settings.adopt = Some("old".to_owned()));
    let mut there = live(&pool("new"));
    there.spec.labels = ["linux", "new", &owned("old")].into_iter().collect();
    check(
        &desired([adopting]),
        &with([there]),
        &["adopt new [labels] adopts the pool that was `old`"],
    );
}

#[test]
fn an_adoption_that_must_not_be_is_blocked() {
    let adopting =
        |target: &str| changed(pool("a"), |pool| pool.settings.adopt = Some(target.to_owned()));
    let labelled = |labels: &[&str]| relabelled(&live(&pool("a")), "x", labels);
    let mut other_provider = labelled(&["linux"]);
    other_provider.spec.provider = "gcp".to_owned();
    for (target, there, reason) in [
        ("gone", vec![], "`adopt` refers to a pool that does not exist in GARM"),
        (
            "x",
            vec![labelled(&["linux", "runnerctl=beta/z"])],
            "`adopt` refers to a pool of another fleet, with the label `runnerctl=beta/z`",
        ),
        (
            "x",
            vec![labelled(&["linux", &retired("z")])],
            "`adopt` refers to a pool of an unfinished replace, with the label `runnerctl-old=acme/z`",
        ),
        (
            "x",
            vec![labelled(&["linux", &owned("y"), "runnerctl=beta/z"])],
            "one pool has the labels `runnerctl=acme/y` and `runnerctl=beta/z`",
        ),
        (
            "x",
            vec![other_provider],
            "`adopt` refers to a pool with another `provider`, which GARM cannot change",
        ),
    ] {
        let wanted = Desired {
            controller: ControllerSettings::default(),
            scope: Scope::Part,
            ..desired([adopting(target)])
        };
        check(&wanted, &with(there), &[&format!("blocked a [] {reason}")]);
    }
    check(
        &desired([adopting("b"), pool("b")]),
        &with([live(&pool("b"))]),
        &["blocked a [] `adopt` refers to the pool of `b`, which is also declared"],
    );
    let rival = changed(pool("b"), |pool| pool.settings.adopt = Some("x".to_owned()));
    check(
        &desired([adopting("x"), rival]),
        &with([labelled(&["linux"])]),
        &[
            "blocked a [] `adopt` of `b` refers to the same pool",
            "blocked b [] `adopt` of `a` refers to the same pool",
        ],
    );
}

#[test]
fn a_blocked_adoption_does_not_let_its_pool_be_deleted() {
    let adopting = changed(pool("new"), |pool| {
        pool.settings.adopt = Some("old".to_owned());
        pool.provider = "gcp".to_owned();
    });
    check(
        &desired([adopting]),
        &with([live(&pool("old"))]),
        &[
            "blocked new [] `adopt` refers to a pool with another `provider`, which GARM cannot change",
        ],
    );
}

#[test]
fn an_adoption_that_a_replace_has_followed_is_done() {
    let moved = changed(pool("a"), |pool| {
        pool.settings.adopt = Some("x".to_owned());
        pool.provider = "gcp".to_owned();
    });
    let old = relabelled(&live(&pool("a")), "x", &["linux", "a", &retired("a")]);
    let new = relabelled(&live(&moved), "y", &["linux", "a", &replacement("a")]);
    let there = with([old, new]);
    let plan = plan(&desired([moved]), &there, &PlanOptions::default());
    let [step] = plan.steps.as_slice() else { panic!("{:#?}", plan.steps) };
    assert_eq!((step.action, step.consent), (Action::Replace, Consent::None));
}

#[test]
fn an_entity_that_garm_does_not_know_or_knows_twice_blocks() {
    let lost = changed(pool("a"), |pool| pool.entity.name = "beta".to_owned());
    check(&desired([lost]), &fleet(), &["blocked a [] GARM has no organization `beta`"]);
    let twice = Fleet {
        entities: vec![
            organization("org-2", "acme", "ghes"),
            organization("org-1", "acme", "github.com"),
        ],
        ..fleet()
    };
    check(
        &desired([pool("a")]),
        &twice,
        &["blocked a [] GARM has organization `acme` at several endpoints: `ghes`, `github.com`"],
    );
    let chosen = changed(pool("a"), |pool| pool.entity.endpoint = Some("ghes".to_owned()));
    let plan = plan(&desired([chosen]), &twice, &PlanOptions::default());
    assert!(matches!(&plan.steps[0].work, Operation::Create(it) if it.entity == key("org-2")));
}

#[test]
fn a_template_is_found_by_name_or_blocks() {
    let templates = vec![template(9, "mine", "linux")];
    let named =
        |text: &str| changed(pool("a"), |pool| pool.settings.template = Some(text.to_owned()));
    let there = Fleet { templates, ..with([live(&pool("a"))]) };
    let plan =
        check(&desired([named("mine")]), &there, &["update a [template] `template` differs"]);
    let change = PoolChange { template_id: Some(9), ..PoolChange::default() };
    assert_eq!(plan.steps[0].work, Operation::Change { id: live(&pool("a")).id, change });
    check(&desired([named("yours")]), &there, &["blocked a [] GARM has no template `yours`"]);
}

#[test]
fn what_garm_cannot_clear_is_blocked() {
    let cleared = changed(pool("a"), |pool| pool.settings.runner_prefix = String::new());
    check(
        &desired([cleared]),
        &with([live(&pool("a"))]),
        &["blocked a [runner_prefix] GARM cannot clear `runner_prefix`: it reads an empty string \
             as \"unchanged\""],
    );
}
