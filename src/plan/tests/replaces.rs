//! What a replace does in every state that an interruption, or a file that was changed back, can
//! leave.

use super::build::*;
use super::rows::{changed, check, check_with, with};
use crate::domain::desired::{Desired, DesiredPool, Scope};
use crate::domain::fleet::Fleet;
use crate::domain::name::PoolId;
use crate::domain::pool::{Pool, PoolChange};
use crate::plan::consent::{Permission, need};
use crate::plan::{Consent, Operation, Plan, PlanOptions, plan};

/// The pool `a`, moved to another provider.
fn moved() -> DesiredPool {
    changed(pool("a"), |pool| pool.provider = "gcp".to_owned())
}

fn old() -> Pool {
    live(&pool("a"))
}

fn retired_old() -> Pool {
    relabelled(&old(), "a-id", &["linux", "a", &retired("a")])
}

/// The pool as a replace has created it.
fn waiting(of: &DesiredPool) -> Pool {
    let mut new = relabelled(&live(of), "new", &["linux", "a", &replacement("a")]);
    new.spec.enabled = false;
    new.spec.min_idle_runners = 0;
    new.created_at = at(-1);
    new
}

fn in_force() -> Pool {
    relabelled(&live(&moved()), "new", &["linux", "a", &owned("a")])
}

fn permission(plan: &Plan) -> Permission {
    need(plan).permission
}

const CANNOT: &str = "replace a [provider] GARM cannot change `provider` of a pool";
const GOES_ON: &str = "replace a [provider labels] continues an unfinished replace";
const RETIRED: &str = "delete a [] retired by an unfinished replace";
const LEFT: &str = "delete a [] left over from an interrupted create: disabled and without runners";

/// | the plan is for | the leftover of a create is | then |
/// |---|---|---|
/// | the whole fleet | declared under this name | it is deleted, and the pool replaced |
/// | a part | declared under this name | blocked: nothing is deleted |
/// | a part | another replacement | the pool is replaced |
#[test]
fn beside_a_leftover_of_a_create_only_the_whole_fleet_replaces() {
    let twin = |labels: &[&str]| {
        let mut twin = relabelled(&old(), "twin", labels);
        twin.spec.enabled = false;
        twin.spec.min_idle_runners = 0;
        twin
    };
    let blocked = "blocked a [provider] would be replaced, but an interrupted create has left the \
                   pool `twin` with the same label";
    let (mine, new) = (["linux", "a", &owned("a")], ["linux", "a", &replacement("a")]);
    let targeted = PlanOptions { target: vec![name("a")], ..PlanOptions::default() };
    let whole = PlanOptions::default();
    let part = |scope| Desired { scope, ..desired([moved()]) };
    for (scope, options, labels, expected) in [
        (Scope::Whole, &whole, &mine, &[LEFT, CANNOT] as &[_]),
        (Scope::Part, &whole, &mine, &[blocked]),
        (Scope::Whole, &targeted, &mine, &[blocked]),
        (Scope::Part, &whole, &new, &[CANNOT]),
    ] {
        check_with(&part(scope), &with([old(), twin(labels)]), options, expected);
    }
}

/// `enabled: unmanaged`: the new pool is enabled exactly if the old one is, wherever the replace is
/// interrupted.
#[test]
fn the_replacement_of_an_interrupted_create_is_as_disabled_as_that() {
    let unmanaged = changed(moved(), |pool| pool.settings.enabled = None);
    for (enabled, expected) in [(true, true), (false, false)] {
        let mut there = old();
        there.spec.enabled = enabled;
        there.spec.min_idle_runners = 0;
        let plan = plan(&desired([unmanaged.clone()]), &with([there]), &PlanOptions::default());
        let Operation::Replace { new, .. } = &plan.steps[0].work else { panic!("{plan:?}") };
        assert_eq!(new.spec.enabled, expected);
    }
}

#[test]
fn a_replace_goes_on_where_it_was_stopped() {
    let wanted = desired([moved()]);
    // The new pool exists, and the old one is unchanged: deleting it needs consent again.
    let plan = check(&wanted, &with([old(), waiting(&moved())]), &[CANNOT]);
    assert_eq!(permission(&plan), Permission::Destroy);
    let Operation::Replace { successor: Some(it), .. } = &plan.steps[0].work else {
        panic!("{plan:?}")
    };
    let labels = Some(["linux", "a", &owned("a")].into_iter().collect());
    let change = PoolChange {
        labels,
        enabled: Some(true),
        min_idle_runners: Some(2),
        ..PoolChange::default()
    };
    assert_eq!((it.id.as_str(), &it.change), ("new", &change));
    // The old one is retired: this is what was consented to.
    let plan = check(&wanted, &with([retired_old(), waiting(&moved())]), &[GOES_ON]);
    assert_eq!(permission(&plan), Permission::None);
    let plan = check(&wanted, &with([retired_old(), in_force()]), &[RETIRED]);
    assert_eq!(permission(&plan), Permission::None);
    check(&wanted, &with([in_force()]), &[]);
    // The old one was deleted by hand meanwhile.
    let plan = check(
        &wanted,
        &with([waiting(&moved())]),
        &["create a [] created by an interrupted replace"],
    );
    assert!(matches!(&plan.steps[0].work, Operation::Promote(it) if it.id.as_str() == "new"));
}

#[test]
fn an_unmanaged_switch_is_what_it_was_when_the_interrupted_replace_began() {
    let wanted = changed(moved(), |pool| pool.settings.enabled = None);
    let disabled = |mut pool: Pool, written: i64| {
        pool.spec.enabled = false;
        pool.updated_at = at(written);
        pool
    };
    let made = Pool { created_at: at(-1), updated_at: at(-1), ..waiting(&wanted) };
    for (old, enabled) in [
        (old(), Some(true)),
        (retired_old(), Some(true)),
        (disabled(old(), -5), None),
        // Retired by this replace, which has not disabled it yet.
        (disabled(retired_old(), 0), None),
        // Retired and disabled by an earlier one, whose successor is gone.
        (disabled(retired_old(), -5), Some(true)),
    ] {
        let there = with([old.clone(), made.clone()]);
        let plan = plan(&desired([wanted.clone()]), &there, &PlanOptions::default());
        let Operation::Replace { successor: Some(it), .. } = &plan.steps[0].work else {
            panic!("{plan:?}")
        };
        assert_eq!(it.change.enabled, enabled, "{old:?}");
    }
}

#[test]
fn a_replacement_that_is_not_wanted_any_more_is_removed_and_the_old_pool_stays() {
    let plan = check(&desired([pool("a")]), &with([old(), waiting(&moved())]), &[LEFT]);
    assert_eq!((permission(&plan), plan.steps[0].consent), (Permission::None, Consent::None));
}

#[test]
fn a_retired_pool_whose_file_is_what_it_was_is_taken_back() {
    let back = "update a [labels] retired by a replace, but declared as it was before: it is put back in force";
    for (there, lines) in [
        (vec![retired_old()], vec![back]),
        (vec![retired_old(), waiting(&moved())], vec![LEFT, back]),
    ] {
        let plan = check(&desired([pool("a")]), &with(there), &lines);
        assert_eq!(permission(&plan), Permission::None);
        let Operation::Promote(it) = &plan.steps.last().unwrap().work else { panic!("{plan:?}") };
        let labels = Some(["linux", "a", &owned("a")].into_iter().collect());
        assert_eq!(it.id.as_str(), "a-id");
        assert_eq!(it.change, PoolChange { labels, ..PoolChange::default() });
    }
    // Its successor is already in force: the two swap roles, and one of them is deleted.
    let plan = check(
        &desired([pool("a")]),
        &with([retired_old(), in_force()]),
        &["replace a [provider] GARM cannot change `provider` of a pool"],
    );
    assert_eq!(permission(&plan), Permission::Destroy);
    let Operation::Replace { old, successor: Some(it), .. } = &plan.steps[0].work else { panic!() };
    assert_eq!((old.as_str(), it.id.as_str()), ("new", "a-id"));
}

/// The state that the previous release left when GARM refused the new pool: the healthy pool
/// retired, and nothing in its place.
#[test]
fn a_pool_that_a_failure_has_retired_never_goes_without_consent() {
    let third = changed(pool("a"), |pool| pool.provider = "azure".to_owned());
    for wanted in [desired([moved()]), desired([third]), desired([])] {
        for there in [vec![retired_old()], vec![retired_old(), waiting(&pool("b"))]] {
            let plan = plan(&wanted, &with(there), &PlanOptions::default());
            let takes = |step: &crate::plan::Step| {
                matches!(&step.work, Operation::Retire { id, .. } | Operation::Replace { old: id, .. }
                    if id.as_str() == "a-id")
            };
            assert!(plan.steps.iter().any(takes), "{:#?}", plan.steps);
            assert_ne!(permission(&plan), Permission::None, "{:#?}", plan.steps);
        }
    }
}

#[test]
fn an_unknown_provider_is_blocked_and_nothing_is_retired_or_deleted() {
    let known = |there: Vec<Pool>| Fleet { providers: Some(vec!["aws".into()]), ..with(there) };
    let line = "blocked a [] GARM has no provider `gcp`";
    for there in [vec![], vec![old()], vec![retired_old()]] {
        let plan = check(&desired([moved()]), &known(there), &[line]);
        assert_eq!(
            plan.steps[0].help.as_deref(),
            Some("correct `provider`; the providers in GARM are: `aws`")
        );
    }
    // If the pool already exists, GARM has shown that it knows the provider.
    check(&desired([moved()]), &known(vec![in_force()]), &[]);
}

#[test]
fn a_part_of_the_files_and_a_target_leave_a_retired_pool_and_say_so() {
    let waiting = Pool { id: PoolId::new("left"), ..waiting(&moved()) };
    let there = with([retired_old(), in_force(), waiting]);
    let part = Desired { scope: Scope::Part, ..desired([moved()]) };
    let target = PlanOptions { target: vec![name("a")], ..PlanOptions::default() };
    for (wanted, options, said) in [
        (part, PlanOptions::default(), "a part of the files"),
        (desired([moved()]), target, "`--target`"),
    ] {
        let plan = check_with(&wanted, &there, &options, &[]);
        let note = plan.notes.iter().find(|note| note.pool == Some(name("a"))).unwrap();
        assert_eq!(
            note.text,
            format!(
                "2 pools left over from a replace or a create of `a` are not deleted with {said}"
            )
        );
    }
}

#[test]
fn a_replacement_in_use_that_nothing_needs_is_blocked() {
    let mut used = waiting(&moved());
    used.spec.enabled = true;
    check(
        &desired([pool("a")]),
        &with([old(), used]),
        &[
            "blocked a [] a pool with the label `runnerctl-new=acme/a` is in use, but no replace needs it",
        ],
    );
}
