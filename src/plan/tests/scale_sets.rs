//! Steps about scale sets, in every state that an interruption can leave.

use super::build::*;
use super::rows::{changed, check, with};
use crate::domain::desired::DesiredPool;
use crate::domain::fleet::Fleet;
use crate::domain::name::{PoolId, PoolKind};
use crate::domain::pool::{Pool, PoolChange, ScaleSetState};
use crate::plan::{Consent, Operation, PlanOptions, plan};

#[track_caller]
fn expect(pools: impl IntoIterator<Item = DesiredPool>, there: &Fleet, expected: &[&str]) {
    check(&desired(pools), there, expected);
}

fn declared() -> DesiredPool {
    changed(pool("a"), |pool| pool.settings.kind = PoolKind::ScaleSet)
}

/// The declared scale set as it is in GARM.
fn set() -> Pool {
    let mut set = Pool {
        id: PoolId::new("7"),
        scale_set: Some(ScaleSetState { desired_runner_count: 3, github_id: 1 }),
        ..live(&declared())
    };
    set.spec.scale_set_name = Some("a".to_owned());
    set.spec.priority = 0;
    set
}

fn with_set(change: impl FnOnce(&mut Pool)) -> Pool {
    let mut set = set();
    change(&mut set);
    set
}

fn drained() -> Pool {
    with_set(|set| (set.spec.max_runners, set.spec.min_idle_runners) = (0, 0))
}

#[test]
fn a_scale_set_as_declared_needs_no_step() {
    expect([declared()], &with([set()]), &[]);
    // It has no priority and no template of its own.
    expect([changed(declared(), |pool| pool.settings.priority = 3)], &with([set()]), &[]);
}

#[test]
fn what_no_write_changes_is_a_replace_that_drains_first() {
    let of_set = |fields: &str| {
        vec![format!("replace a [{fields}] GARM cannot change `{fields}` of a scale set")]
    };
    let check_one = |pool: DesiredPool, field: &str| {
        let expected = of_set(field);
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        expect([pool.clone()], &with([set()]), &expected);
        let step = plan(&desired([pool]), &with([set()]), &PlanOptions::default()).steps.remove(0);
        assert_eq!(step.consent, Consent::Destroy);
        assert!(
            matches!(&step.work, Operation::Rebuild { old, is_retired: false, .. } if old.as_str() == "7"),
            "{step:#?}"
        );
    };
    check_one(changed(declared(), |pool| pool.settings.labels.insert("big")), "labels");
    check_one(
        changed(declared(), |pool| pool.settings.scale_set_name = Some("b".into())),
        "scale_set_name",
    );
    check_one(changed(declared(), |pool| pool.provider = "gcp".into()), "provider");
}

#[test]
fn an_interrupted_replace_goes_on_from_the_drained_scale_set() {
    let moved = changed(declared(), |pool| pool.provider = "gcp".into());
    let fleet = with([drained()]);
    let step = plan(&desired([moved]), &fleet, &PlanOptions::default()).steps.remove(0);
    assert!(matches!(step.work, Operation::Rebuild { is_retired: true, .. }), "{step:#?}");
    // Declared as it was: it takes jobs again.
    let step = plan(&desired([declared()]), &fleet, &PlanOptions::default()).steps.remove(0);
    let Operation::Promote(it) = &step.work else { panic!("{step:#?}") };
    let max_runners = Some(declared().scale.max_runners);
    // The level stays 0: GARM adds the three assigned jobs to it, which is the minimum and more.
    assert_eq!(it.change, PoolChange { max_runners, ..PoolChange::default() });
    // Not declared: it is deleted, with consent as before.
    let step = plan(&desired([]), &fleet, &PlanOptions::default()).steps.remove(0);
    assert_eq!(step.consent, Consent::Destroy);
    assert_eq!(step.work, Operation::Retire { id: PoolId::new("7"), is_retired: true });
}

#[test]
fn a_pool_and_a_scale_set_replace_each_other_with_both_live() {
    let changes = ["replace a [kind scale_set_name] GARM cannot change `kind` of a pool"];
    expect([declared()], &with([live(&pool("a"))]), &changes);
    let back = "replace a [kind scale_set_name] GARM cannot change `kind` and `scale_set_name` of a scale set";
    let labelled = pool("a");
    let found = plan(&desired([labelled]), &with([set()]), &PlanOptions::default());
    let step = &found.steps[0];
    let fields: Vec<&str> = step.changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(format!("replace a [{}] {}", fields.join(" "), step.reason), back);
    let Operation::Replace { old, new, successor: None, .. } = &step.work else {
        panic!("{step:#?}")
    };
    assert_eq!((old.as_str(), new.spec.kind()), ("7", PoolKind::Pool));
}

#[test]
fn the_new_scale_set_of_an_interrupted_replace_is_used() {
    let begun = with_set(|set| {
        (set.spec.enabled, set.spec.min_idle_runners) = (false, 0);
        set.created_at = at(-1);
        set.updated_at = at(-1);
    });
    let fleet = with([live(&pool("a")), begun]);
    let steps = plan(&desired([declared()]), &fleet, &PlanOptions::default()).steps;
    let [step] = steps.as_slice() else { panic!("{steps:#?}") };
    let Operation::Replace { old, successor: Some(it), .. } = &step.work else {
        panic!("{step:#?}")
    };
    assert_eq!((old.as_str(), it.id.as_str()), ("a-id", "7"));
    assert_eq!(it.change.enabled, Some(true));
}

#[test]
fn a_scale_set_without_a_label_is_adopted_by_its_id_alone() {
    let by_hand = || with_set(|set| set.spec.labels = ["linux", "a"].into_iter().collect());
    let adopts = || changed(declared(), |pool| pool.settings.adopt = Some("7".into()));
    expect([adopts()], &with([by_hand()]), &[]);
    let notes = plan(&desired([adopts()]), &with([by_hand()]), &PlanOptions::default()).notes;
    assert!(notes.iter().any(|note| note.text.starts_with("keep `adopt` of `a`")), "{notes:#?}");
    let larger = changed(adopts(), |pool| pool.image = "ami-2".into());
    expect([larger], &with([by_hand()]), &["update a [image] `image` differs"]);
    // Without `adopt` it is not this fleet's.
    expect([], &with([by_hand()]), &[]);
    expect(
        [declared()],
        &with([by_hand()]),
        &[
            "blocked a [] GARM already has a scale set with the name `a`, `7`, and GitHub accepts only one",
        ],
    );
}

#[test]
fn a_scale_set_keeps_its_name_in_the_fleet() {
    let renamed = changed(declared(), |renamed| {
        renamed.settings.name = name("b");
        renamed.settings.adopt = Some("a".into());
    });
    expect(
        [renamed],
        &with([set()]),
        &["blocked b [] GARM cannot change the label of a scale set, so it keeps its name"],
    );
}

#[test]
fn the_consequences_tell_how_long_jobs_wait() {
    let fewer = changed(declared(), |pool| pool.settings.scale.max_runners = 1);
    let mut there = with([set()]);
    let set = there.pools[0].clone();
    there.runners = vec![runner(&set, 1, "active"), runner(&set, 2, "idle")];
    let step = |pool: DesiredPool| {
        plan(&desired([pool]), &there, &PlanOptions::default()).steps.remove(0).consequences
    };
    assert_eq!(
        step(fewer),
        [
            "2 runners exist: GARM removes idle ones that are too many, and creates no new one while there are 1 or more",
            "GARM connects to GitHub anew for a lower `max_runners`: jobs are assigned some seconds later, and none is lost",
        ]
    );
    let moved = changed(declared(), |pool| pool.provider = "gcp".into());
    assert_eq!(
        step(moved),
        [
            "no runner starts for jobs that request `a` from now until the old scale set is drained and the new one is created: they wait",
            "to serve them meanwhile, declare the change as a second pool with another `scale_set_name`, and remove this one when its jobs have moved",
            "waits for 1 busy runner, which finishes its job",
            "removes 1 runner without a job",
            "2 jobs that GitHub has assigned to it and that no runner has wait for another one",
        ]
    );
}

#[test]
fn a_replace_is_blocked_where_an_interruption_would_lose_what_only_garm_knows() {
    let reason = |fields: &str| {
        format!(
            "would be replaced, but an interruption would lose {fields}, which the file leaves to GARM"
        )
    };
    let moved = changed(declared(), |pool| {
        pool.provider = "gcp".into();
        pool.settings.enabled = None;
        pool.settings.runner_group = None;
    });
    let by_hand = with_set(|set| {
        set.spec.enabled = false;
        set.spec.runner_group = "gpu".into();
        set.spec.proxy_id = Some(1);
    });
    let fleet = Fleet { proxies: proxies(), ..with([by_hand]) };
    let step = plan(&desired([moved.clone()]), &fleet, &PlanOptions::default()).steps.remove(0);
    assert_eq!(step.reason, reason("`enabled`, `runner_group` and `proxy`"));
    let help = "declare `enabled: false`, `runner_group: gpu` and `proxy: Squid`, and apply again";
    assert_eq!(step.help.as_deref(), Some(help));
    // Declared, it is replaced.
    let declares = changed(moved, |pool| {
        pool.settings.enabled = Some(false);
        pool.settings.runner_group = Some("gpu".into());
        pool.settings.proxy = Some("squid".into());
    });
    let step = plan(&desired([declares]), &fleet, &PlanOptions::default()).steps.remove(0);
    assert!(matches!(step.work, Operation::Rebuild { .. }), "{step:#?}");
    // A scale set keeps the label of its name from its POST, so no later write shows that the one
    // that replaces a disabled pool is meant to be disabled.
    let off = changed(pool("a"), |pool| pool.settings.enabled = Some(false));
    let becomes_set = changed(declared(), |pool| pool.settings.enabled = None);
    let step = plan(&desired([becomes_set]), &with([live(&off)]), &PlanOptions::default());
    assert_eq!(step.steps[0].reason, reason("`enabled`"));
}

#[test]
fn a_disabled_scale_set_stays_disabled_when_it_is_declared_again() {
    let unmanaged = changed(declared(), |pool| pool.settings.enabled = None);
    // Its drain has begun with the level alone.
    let begun = with_set(|set| {
        (set.spec.enabled, set.spec.min_idle_runners) = (false, 0);
        set.updated_at = at(-10);
    });
    expect([unmanaged], &with([begun]), &[]);
}

#[test]
fn a_name_that_another_scale_set_gives_up_needs_a_second_apply() {
    let requests = |pool: DesiredPool, name: &str| {
        changed(pool, |pool| pool.settings.scale_set_name = Some(name.into()))
    };
    let other = |text: &str| changed(pool(text), |pool| pool.settings.kind = PoolKind::ScaleSet);
    let help = |pools: Vec<DesiredPool>, fleet: &Fleet| {
        let steps = plan(&desired(pools), fleet, &PlanOptions::default()).steps;
        let blocked = steps.into_iter().find(|step| step.work == Operation::Nothing).unwrap();
        assert_eq!(
            blocked.reason,
            "GARM already has a scale set with the name `a`, `7`, and GitHub accepts only one"
        );
        (blocked.about.pool().unwrap().to_string(), blocked.help.unwrap())
    };
    let takes_it = || requests(other("b"), "a");
    let applies = |does: &str| {
        format!(
            "apply this plan, which {does} that scale set, and then apply again; or set another `scale_set_name`"
        )
    };
    let there = with([set()]);
    assert_eq!(help(vec![takes_it()], &there), ("b".into(), applies("deletes")));
    let moves_on = requests(declared(), "z");
    assert_eq!(help(vec![moves_on, takes_it()], &there), ("b".into(), applies("replaces")));
    // Two that exchange their names would wait for each other.
    let mut second = Pool { id: PoolId::new("8"), scale_set: set().scale_set, ..live(&other("b")) };
    second.spec.scale_set_name = Some("b".into());
    let swapped = vec![requests(declared(), "b"), takes_it()];
    let steps = plan(&desired(swapped), &with([set(), second]), &PlanOptions::default()).steps;
    let helps: Vec<_> = steps.iter().map(|step| step.help.as_deref().unwrap()).collect();
    let waits = |name: &str| {
        format!(
            "`{name}` waits for the name of this one: give one of them a third `scale_set_name`, apply, and then declare both as wanted"
        )
    };
    assert_eq!(helps, [waits("b"), waits("a")]);
}
