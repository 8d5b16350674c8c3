//! Properties of every plan.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::build::{acme, name};
use super::justified::left_to_do;
use super::model::{carry_out, writes};
use super::some::{some_case, some_twins};
use crate::domain::credential::Credential;
use crate::domain::desired::{Desired, DesiredPool, Scope};
use crate::domain::fleet::Fleet;
use crate::domain::label::OwnerMark;
use crate::domain::name::{PoolId, PoolKind};
use crate::domain::pool::Pool;
use crate::plan::{Action, Operation, Plan, PlanOptions, Promotion, plan};

/// Plans and carries out until nothing is left to do. The floor of a level depends on jobs, and
/// where jobs go depends on labels and switches, so a second round may raise a level; a third
/// round never has anything to do.
fn settle(desired: &Desired, fleet: &mut Fleet) -> Plan {
    for _ in 0..2 {
        for write in writes(&plan(desired, fleet, &PlanOptions::default())) {
            carry_out(fleet, &write);
        }
    }
    plan(desired, fleet, &PlanOptions::default())
}

/// The fleet without the ids and times that GARM generates.
fn essence(fleet: &Fleet) -> Vec<String> {
    let of = |pool: &Pool| format!("{:?} {:?}", pool.entity, pool.spec);
    let mut pools: Vec<String> = fleet.pools.iter().map(of).collect();
    pools.extend(fleet.credentials.iter().flatten().map(|credential| format!("{credential:?}")));
    pools.sort();
    pools
}

fn shuffled(desired: &Desired, fleet: &Fleet, by: usize) -> (Desired, Fleet) {
    let (mut desired, mut fleet) = (desired.clone(), fleet.clone());
    fn turn<T>(items: &mut [T], by: usize) {
        items.reverse();
        if !items.is_empty() {
            items.rotate_left(by % items.len());
        }
    }
    turn(&mut desired.pools, by);
    turn(&mut desired.credentials, by);
    if let Some(credentials) = &mut fleet.credentials {
        turn(credentials, by);
    }
    turn(&mut fleet.pools, by);
    turn(&mut fleet.runners, by);
    turn(&mut fleet.jobs, by);
    turn(&mut fleet.entities, by);
    (desired, fleet)
}

/// Whether a run that is stopped after this many writes and the run after it lead to the same fleet
/// as a run that is not stopped.
fn check_stopped(desired: &Desired, mut fleet: Fleet, after: usize) -> Result<(), TestCaseError> {
    // Runners and jobs move the floors, and this property is about pools.
    fleet.jobs.clear();
    fleet.runners.clear();
    let at_start = fleet.pools.clone();
    let mut straight = fleet.clone();
    settle(desired, &mut straight);
    let all = writes(&plan(desired, &fleet, &PlanOptions::default()));
    let after = after.min(all.len());
    for write in &all[..after] {
        carry_out(&mut fleet, write);
    }
    let left = settle(desired, &mut fleet);
    let blocked = &left.steps;
    let left = left_to_do(&left, desired, &fleet);
    prop_assert!(left.is_empty(), "{left:#?}");
    // Once a replace has deleted a scale set that a file adopts by its id, the file must be changed.
    let is_gone = |id: &str| {
        let mut sets = at_start.iter().filter(|pool| pool.is_unmarked_scale_set());
        sets.any(|set| set.id.as_str() == id) && fleet.pool(&PoolId::new(id)).is_none()
    };
    let is_blocked = |pool: &DesiredPool| {
        let mut names = blocked.iter().filter_map(|step| step.about.pool());
        names.any(|name| *name == pool.name)
    };
    let mut adopting =
        desired.pools.iter().filter(|pool| pool.adopt.as_deref().is_some_and(is_gone));
    if adopting.any(is_blocked) {
        return Ok(());
    }
    if desired.scope == Scope::Part {
        // A part of the files deletes nothing that an earlier run has retired or left over.
        for fleet in [&mut fleet, &mut straight] {
            let half = |pool: &Pool| {
                let marks = pool.marks();
                matches!(
                    marks.as_slice(),
                    [OwnerMark::Retired { .. } | OwnerMark::Replacement { .. }]
                )
            };
            fleet.pools.retain(|pool| !half(pool));
        }
    }
    // The level of a pool that autoscales is the scaler's: a plan raises it to the floor and leaves
    // one above it alone, so where an interruption left it does not matter.
    for fleet in [&mut fleet, &mut straight] {
        for pool in &mut fleet.pools {
            let name = pool.owned_name(&desired.fleet);
            let declared = desired.pools.iter().find(|pool| Some(&pool.name) == name.as_ref());
            if declared.is_some_and(|pool| pool.scale.autoscale) {
                pool.spec.min_idle_runners = 0;
            }
        }
    }
    prop_assert_eq!(essence(&fleet), essence(&straight));
    Ok(())
}

proptest! {
    // The same cases in every run, so that a failure is due to a change and not to chance.
    // `PROPTEST_CASES` sets another number of cases.
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(17), ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_input_never_changes_a_plan((desired, fleet) in some_case(), by in 0..7_usize) {
        let (other_desired, other_fleet) = shuffled(&desired, &fleet, by);
        let options = PlanOptions::default();
        prop_assert_eq!(
            plan(&desired, &fleet, &options),
            plan(&other_desired, &other_fleet, &options)
        );
    }

    #[test]
    fn a_plan_that_is_carried_out_leaves_nothing_to_do((desired, mut fleet) in some_case()) {
        let left = settle(&desired, &mut fleet);
        let left = left_to_do(&left, &desired, &fleet);
        prop_assert!(left.is_empty(), "{left:#?}");
    }

    #[test]
    fn without_jobs_one_round_is_enough((desired, mut fleet) in some_case()) {
        fleet.jobs.clear();
        for write in writes(&plan(&desired, &fleet, &PlanOptions::default())) {
            carry_out(&mut fleet, &write);
        }
        let left = plan(&desired, &fleet, &PlanOptions::default());
        let left = left_to_do(&left, &desired, &fleet);
        prop_assert!(left.is_empty(), "{left:#?}");
    }

    #[test]
    fn stopped_after_any_write_the_next_run_comes_to_the_same_end(
        (desired, fleet) in some_case(),
        after in 0..40_usize,
    ) {
        check_stopped(&desired, fleet, after)?;
    }

    #[test]
    fn stopped_beside_a_twin_the_next_run_comes_to_the_same_end(
        (desired, fleet) in some_twins(),
        after in 0..10_usize,
    ) {
        check_stopped(&desired, fleet, after)?;
    }

    #[test]
    fn no_step_touches_a_pool_that_is_not_ours((desired, fleet) in some_case()) {
        let adopted: BTreeSet<&str> =
            desired.pools.iter().filter_map(|pool| pool.adopt.as_deref()).collect();
        for step in plan(&desired, &fleet, &PlanOptions::default()).steps {
            let (id, may_adopt) = match &step.work {
                Operation::Nothing
                | Operation::Shown(_)
                | Operation::Controller { .. }
                | Operation::Create(_) => continue,
                Operation::Credential { id, .. } => {
                    let there = fleet.credentials.iter().flatten().find(|credential| Some(credential.id) == *id);
                    let mark = there.and_then(Credential::mark);
                    prop_assert!(mark.as_ref().is_none_or(|mark| mark.fleet == acme().as_str()), "{step:#?}");
                    prop_assert_eq!(id.is_some(), mark.is_some());
                    continue;
                }
                Operation::Change { id, .. } => (id, step.action == Action::Adopt),
                Operation::Promote(Promotion { id, .. })
                | Operation::Replace { old: id, .. }
                | Operation::Rebuild { old: id, .. }
                | Operation::Retire { id, .. }
                | Operation::RemoveLeftover { id } => (id, false),
            };
            let marks = fleet.pool(id).unwrap().spec.labels.marks();
            let is_ours = matches!(marks.as_slice(), [mark] if mark.fleet() == acme().as_str());
            let may_adopt = may_adopt || id.kind() == PoolKind::ScaleSet;
            let is_adopted = marks.is_empty() && may_adopt && adopted.contains(id.as_str());
            prop_assert!(is_ours || is_adopted, "{step:#?}");
        }
    }

    #[test]
    fn protected_pools_and_parts_lose_nothing((desired, fleet) in some_case()) {
        let protected = PlanOptions { protected: vec!["*".to_owned()], ..PlanOptions::default() };
        for step in plan(&desired, &fleet, &protected).steps {
            let loses = matches!(
                step.work,
                Operation::Retire { .. } | Operation::Replace { .. } | Operation::Rebuild { .. }
            );
            prop_assert!(!loses, "{step:#?}");
        }
        let target = PlanOptions { target: vec![name("a"), name("b")], ..PlanOptions::default() };
        let declared = |text: &str| desired.pools.iter().any(|pool| pool.name.as_str() == text);
        for step in plan(&desired, &fleet, &target).steps {
            let about = step.about.pool().map_or("", |name| name.as_str()).to_owned();
            prop_assert!(["a", "b"].contains(&about.as_str()) && declared(&about), "{step:#?}");
        }
    }

    #[test]
    fn only_what_differs_is_asked_for((desired, fleet) in some_case()) {
        for step in plan(&desired, &fleet, &PlanOptions::default()).steps {
            prop_assert_eq!(step.action == Action::Blocked, step.work == Operation::Nothing);
            if let Operation::Change { id, change } = &step.work {
                let before = &fleet.pool(id).unwrap().spec;
                let after = change.applied_to(before);
                prop_assert_ne!(&after, before);
                prop_assert!(after.min_idle_runners <= after.max_runners);
                prop_assert_eq!(change.image.is_some(), after.image != before.image);
                prop_assert_eq!(change.enabled.is_some(), after.enabled != before.enabled);
                prop_assert_eq!(change.labels.is_some(), after.labels != before.labels);
                prop_assert!(!step.changes.is_empty());
            }
        }
    }
}
