//! The level that a plan sets, and the one that it leaves to the loop.

use super::build::*;
use super::rows::{changed, check, with};
use crate::domain::fleet::Fleet;
use crate::domain::pool::PoolChange;
use crate::plan::{Operation, ShownValue};

#[test]
fn a_level_below_the_floor_is_raised_and_one_above_it_is_left_alone() {
    let mut there = live(&pool("a"));
    there.spec.min_idle_runners = 0;
    let plan = check(
        &desired([pool("a")]),
        &with([there.clone()]),
        &["update a [min_idle_runners] the live level is below the floor of 2"],
    );
    assert_eq!(plan.steps[0].changes[0].after, ShownValue::Level(2));

    let busy = Fleet {
        runners: vec![runner(&there, 1, "active"), runner(&there, 2, "active")],
        ..with([there.clone()])
    };
    check(&desired([pool("a")]), &busy, &[]);

    there.spec.min_idle_runners = 7;
    let plan = check(&desired([pool("a")]), &with([there]), &[]);
    assert_eq!(
        plan.notes[0].text,
        "levels above the floor are left alone: `a` is at 7, with a floor of 2; they are set by `watch`, or left over from one that stopped"
    );
}

#[test]
fn the_manifest_owns_the_level_of_a_pool_that_does_not_autoscale() {
    let still = changed(pool("a"), |pool| pool.settings.scale.autoscale = false);
    for level in [0, 7] {
        let mut there = live(&still);
        there.spec.min_idle_runners = level;
        let plan = check(
            &desired([still.clone()]),
            &with([there]),
            &["update a [min_idle_runners] `min_idle_runners` differs"],
        );
        assert_eq!(plan.steps[0].changes[0].after, ShownValue::Value(2.into()));
    }
}

#[test]
fn a_maximum_below_the_live_level_lowers_both_in_one_request() {
    let mut there = live(&pool("a"));
    there.spec.min_idle_runners = 12;
    let smaller = changed(pool("a"), |pool| pool.settings.scale.max_runners = 5);
    let plan = check(
        &desired([smaller]),
        &with([there.clone()]),
        &["update a [max_runners min_idle_runners] `max_runners` and `min_idle_runners` differ"],
    );
    let change =
        PoolChange { max_runners: Some(5), min_idle_runners: Some(5), ..PoolChange::default() };
    assert_eq!(plan.steps[0].work, Operation::Change { id: there.id, change });
    assert_eq!(plan.notes, []);
}

#[test]
fn the_level_of_a_disabled_pool_is_no_exception() {
    let off = changed(pool("a"), |pool| pool.settings.enabled = Some(false));
    let mut there = live(&off);
    there.spec.min_idle_runners = 9;
    check(&desired([off.clone()]), &with([there.clone()]), &[]);
    there.spec.min_idle_runners = 0;
    check(
        &desired([off]),
        &with([there]),
        &["update a [min_idle_runners] the live level is below the floor of 2"],
    );
}
