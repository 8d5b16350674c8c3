//! One test per row: which step a difference makes, and for what reason.

use serde_json::json;

use super::build::*;
use crate::domain::desired::{Desired, DesiredPool, Scope};
use crate::domain::fleet::Fleet;
use crate::domain::pool::{Pool, PoolChange, PoolDetail};
use crate::plan::{Action, Consent, Operation, Plan, PlanOptions, ShownValue, plan};

/// One step per line: action, pool, the fields that differ, reason.
fn lines(plan: &Plan) -> Vec<String> {
    let line = |step: &crate::plan::Step| {
        let fields: Vec<&str> = step.changes.iter().map(|change| change.field.as_str()).collect();
        let pool = step.about.pool().map(crate::domain::name::PoolName::as_str);
        let name = pool.or(step.about.credential()).unwrap_or("-");
        let fields = match step.action {
            Action::Create => String::new(),
            _ => fields.join(" "),
        };
        format!("{} {name} [{fields}] {}", step.action.word(), step.reason)
    };
    plan.steps.iter().map(line).collect()
}

pub(super) fn check(desired: &Desired, fleet: &Fleet, expected: &[&str]) -> Plan {
    check_with(desired, fleet, &PlanOptions::default(), expected)
}

pub(super) fn check_with(
    desired: &Desired,
    fleet: &Fleet,
    options: &PlanOptions,
    expected: &[&str],
) -> Plan {
    let plan = plan(desired, fleet, options);
    assert_eq!(lines(&plan), expected);
    plan
}

pub(super) fn with(pools: impl IntoIterator<Item = Pool>) -> Fleet {
    Fleet { pools: pools.into_iter().collect(), ..fleet() }
}

pub(super) fn changed(mut pool: DesiredPool, change: impl FnOnce(&mut DesiredPool)) -> DesiredPool {
    change(&mut pool);
    pool
}

#[test]
fn a_declared_pool_that_is_not_there_is_created() {
    let plan = check(
        &desired([pool("a")]),
        &fleet(),
        &["create a [] declared, but no pool in GARM has the label `runnerctl=acme/a`"],
    );
    let [step] = plan.steps.as_slice() else { panic!("one step") };
    let Operation::Create(creation) = &step.work else { panic!("a create") };
    let expected = live(&pool("a")).spec;
    assert_eq!(creation.spec, crate::domain::pool::PoolSpec { template_id: None, ..expected });
    assert_eq!(creation.entity, key("org-1"));
    assert_eq!(step.consent, Consent::None);
}

#[test]
fn a_pool_that_is_as_declared_makes_no_step() {
    check(&desired([pool("a")]), &with([live(&pool("a"))]), &[]);
}

#[test]
fn only_fields_that_differ_are_sent() {
    let wanted = changed(pool("a"), |pool| {
        pool.image = "ami-2".to_owned();
        pool.settings.bootstrap_timeout_min = 30;
        pool.settings.extra_specs.insert("subnet".to_owned(), json!("b"));
    });
    let plan = check(
        &desired([wanted]),
        &with([live(&pool("a"))]),
        &["update a [image bootstrap_timeout extra_specs.subnet] 3 fields differ"],
    );
    let change = PoolChange {
        image: Some("ami-2".to_owned()),
        bootstrap_timeout_min: Some(30),
        extra_specs: json!({ "subnet": "b" }).as_object().cloned(),
        ..PoolChange::default()
    };
    let id = live(&pool("a")).id;
    assert_eq!(plan.steps[0].work, Operation::Change { id, change });
    assert_eq!(plan.steps[0].changes[1].after, ShownValue::Value("30m".into()));
}

#[test]
fn case_order_and_spelling_are_no_differences() {
    let declared = changed(pool("a"), |pool| {
        pool.settings.labels = ["A", "LINUX"].into_iter().collect();
        pool.entity.name = "Acme".to_owned();
        pool.settings.extra_specs = json!({ "b": 1, "a": [1] }).as_object().cloned().unwrap();
    });
    let mut there = live(&pool("a"));
    there.spec.extra_specs = json!({ "a": [1], "b": 1, "c": null }).as_object().cloned().unwrap();
    there.generation = Some(9);
    there.updated_at = at(-1);
    check(&desired([declared]), &with([there]), &[]);
}

/// GARM's lists leave `extra_specs` out.
#[test]
fn extra_specs_that_were_not_read_make_no_difference() {
    let declared = changed(pool("a"), |pool| {
        pool.settings.extra_specs.insert("subnet".to_owned(), json!("b"));
    });
    let mut there = live(&pool("a"));
    there.detail = PoolDetail::Listed;
    check(&desired([declared]), &with([there]), &[]);
}

#[test]
fn what_is_left_alone_makes_no_difference() {
    let mut there = live(&pool("a"));
    there.spec.runner_group = "special".to_owned();
    there.spec.template_id = Some(7);
    check(&desired([pool("a")]), &with([there]), &[]);
}

#[test]
fn another_provider_or_entity_makes_a_replace() {
    let moved = changed(pool("a"), |pool| pool.provider = "gcp".to_owned());
    let plan = check(
        &desired([moved]),
        &with([live(&pool("a"))]),
        &["replace a [provider] GARM cannot change `provider` of a pool"],
    );
    let [step] = plan.steps.as_slice() else { panic!("one step") };
    let Operation::Replace { old, retired_labels, new, successor: None } = &step.work else {
        panic!("a replace")
    };
    assert_eq!(old.as_str(), "a-id");
    assert_eq!(*retired_labels, ["linux", "a", &retired("a")].into_iter().collect());
    assert_eq!((new.spec.provider.as_str(), new.spec.template_id), ("gcp", Some(1)));
    assert_eq!(step.consent, Consent::Destroy);

    let other = Fleet {
        entities: vec![
            organization("org-1", "acme", "github.com"),
            organization("org-2", "beta", "github.com"),
        ],
        ..with([live(&pool("a"))])
    };
    let moved = changed(pool("a"), |pool| pool.entity.name = "beta".to_owned());
    check(
        &desired([moved]),
        &other,
        &["replace a [organization] GARM cannot change `organization` of a pool"],
    );
}

#[test]
fn a_replace_carries_over_what_is_left_alone() {
    let mut old = live(&pool("a"));
    old.spec.runner_group = "special".to_owned();
    let moved = changed(pool("a"), |pool| pool.provider = "gcp".to_owned());
    let created = |fleet: Fleet| {
        plan(&desired([moved.clone()]), &fleet, &PlanOptions::default()).steps.into_iter().find_map(
            |step| match step.work {
                Operation::Replace { new, .. } | Operation::Create(new) => Some(new),
                _ => None,
            },
        )
    };
    let new = created(with([old.clone()])).unwrap();
    assert_eq!(new.spec.runner_group, "special");
    let resumed = created(with([relabelled(&old, "old", &["linux", &retired("a")])])).unwrap();
    assert_eq!(resumed, new);
}

#[test]
fn a_pool_that_is_not_declared_any_more_is_deleted() {
    let plan =
        check(&desired([]), &with([live(&pool("a"))]), &["delete a [] not declared any more"]);
    assert_eq!(plan.steps[0].consent, Consent::Destroy);
    assert_eq!((plan.declared, plan.owned), (0, 1));
}

#[test]
fn a_part_of_the_manifests_and_a_target_delete_nothing() {
    let part = Desired { scope: Scope::Part, ..desired([pool("b")]) };
    let there = with([live(&pool("a")), live(&pool("b"))]);
    let plan = check(&part, &there, &[]);
    assert_eq!(
        plan.notes[0].text,
        "1 pool of this fleet was left out, because only a part of the files was read: `a`"
    );
    let options = PlanOptions { target: vec![name("b")], ..PlanOptions::default() };
    let wanted = desired([pool("b"), pool("c")]);
    let plan = check_with(&wanted, &there, &options, &[]);
    assert_eq!(plan.notes[0].text, "1 pool of this fleet was left out by `--target`: `a`");
}

#[test]
fn protected_pools_are_neither_deleted_nor_replaced() {
    let options = PlanOptions { protected: vec!["prod-*".to_owned()], ..PlanOptions::default() };
    let there = with([live(&pool("prod-a")), live(&pool("test-a"))]);
    check_with(
        &desired([]),
        &there,
        &options,
        &[
            "blocked prod-a [] not declared any more, but `policy.protected_pools` contains `prod-*`",
            "delete test-a [] not declared any more",
        ],
    );
    let moved = changed(pool("prod-a"), |pool| pool.provider = "gcp".to_owned());
    check_with(
        &Desired { scope: Scope::Part, ..desired([moved]) },
        &there,
        &options,
        &[
            "blocked prod-a [provider] would be replaced, but `policy.protected_pools` contains `prod-*`",
        ],
    );
}

#[test]
fn a_garm_of_the_old_line_is_read_and_not_written_to() {
    let mut there = live(&pool("a"));
    there.generation = None;
    let wanted = changed(pool("a"), |pool| pool.image = "ami-2".to_owned());
    let plan = check(
        &desired([wanted]),
        &with([there]),
        &["blocked a [image] would update, but this is GARM 0.1, which runnerctl reads but never \
             writes to"],
    );
    assert_eq!(plan.steps[0].work, Operation::Nothing);
    assert_eq!(plan.notes[0].text, "this is GARM 0.1, which runnerctl reads but never writes to");
}

#[test]
fn a_label_of_this_fleet_that_names_no_pool_is_left_alone() {
    let odd = relabelled(&live(&pool("a")), "x", &["linux", "runnerctl=acme"]);
    let plan = check(&desired([]), &with([odd]), &[]);
    assert_eq!(
        plan.notes[0].text,
        "1 pool has a label of this fleet without a valid pool name, so it is left alone: `x` has `runnerctl=acme/`"
    );
    let naming = changed(pool("a"), |pool| pool.settings.adopt = Some("x".to_owned()));
    let odd = relabelled(&live(&pool("a")), "x", &["linux", "a", "runnerctl=acme"]);
    check(
        &desired([naming]),
        &with([odd]),
        &["adopt a [labels] adopts a pool of this fleet that has no name"],
    );
}

#[test]
fn queued_jobs_that_fit_no_other_pool_are_named() {
    let only_a = |id| queued_job(id, &["LINUX", "a"]);
    let there = Fleet {
        jobs: vec![queued_job(9, &["linux"]), only_a(2), only_a(1), queued_job(3, &["b"])],
        ..with([live(&pool("a")), live(&pool("b")), live(&pool("c"))])
    };
    let mut wanted = desired([pool("c")]);
    let consequences = |wanted: &Desired| -> Vec<Vec<String>> {
        plan(wanted, &there, &PlanOptions::default())
            .steps
            .into_iter()
            .map(|step| step.consequences)
            .collect()
    };
    assert_eq!(
        consequences(&wanted),
        [
            [
                "2 queued jobs match no other pool: `build-1` of `acme/app` and `build-2` of `acme/app`"
            ],
            ["1 queued job matches no other pool: `build-3` of `acme/app`"],
        ]
    );
    wanted.pools[0].settings.labels.insert("a");
    wanted.pools[0].settings.labels.insert("b");
    let none: Vec<String> = Vec::new();
    assert_eq!(
        consequences(&wanted),
        [&["a label change does not mark runners outdated".to_owned()][..], &none, &none]
    );
}

#[test]
fn many_stranded_jobs_are_named_by_kind_and_the_rest_is_counted() {
    let jobs = (0..12).map(|id| {
        let mut job = queued_job(id, &["a"]);
        job.name = if id < 4 { "build".to_owned() } else { format!("test-{id}") };
        job
    });
    let there = Fleet { jobs: jobs.collect(), ..with([live(&pool("a"))]) };
    let plan = plan(&desired([]), &there, &PlanOptions::default());
    assert_eq!(
        plan.steps[0].consequences,
        [
            "12 queued jobs match no other pool: `build` of `acme/app` (4 times), `test-4` of `acme/app`, \
          `test-5` of `acme/app`, `test-6` of `acme/app`, `test-7` of `acme/app` and 4 more"
        ]
    );
}

#[test]
fn a_plan_of_a_thousand_pools_walks_nothing_twice() {
    // Everything is deleted or changed and every job asks for labels of its own: the worst case of
    // each index. A quadratic algorithm would take minutes here.
    let names: Vec<String> = (0..1_000).map(|number| format!("pool-{number:03}")).collect();
    let pools: Vec<Pool> = names.iter().map(|name| live(&pool(name))).collect();
    let runners = pools.iter().flat_map(|pool| (0..10).map(move |n| runner(pool, n, "idle")));
    let jobs = (0..5_000_i64).map(|id| {
        let own = names[usize::try_from(id).unwrap() % 1_000].as_str();
        queued_job(id, &["linux", own, &format!("never-{id}")])
    });
    let there =
        Fleet { runners: runners.collect(), jobs: jobs.collect(), pools: pools.clone(), ..fleet() };
    let new = names.iter().skip(500).map(|name| changed(pool(name), |a| a.image = "b".into()));
    let plan = plan(&desired(new), &there, &PlanOptions::default());
    let summary = plan.summary();
    assert_eq!((summary.update, summary.delete), (500, 500));
}
