//! GARM's `minimum_job_age_backoff`, which is one for all pools.

use std::time::Duration;

use super::build::*;
use super::rows::{changed, check, with};
use crate::domain::desired::Desired;
use crate::domain::fleet::Fleet;
use crate::plan::{Action, Operation, PlanOptions, plan};

#[test]
fn the_controllers_backoff_is_global_and_blocked_beside_another_fleet() {
    let mut wanted = desired([]);
    wanted.controller.minimum_job_age_backoff = Some(Duration::from_secs(60));
    let field = "controller.minimum_job_age_backoff";
    let by_hand = relabelled(&live(&pool("a")), "x", &["linux"]);
    let line = format!("update - [{field}] GARM's own setting differs");
    let plan = check(&wanted, &with([by_hand.clone()]), &[&line]);
    assert_eq!(plan.steps[0].work, Operation::Controller { backoff_s: 60 });
    assert_eq!(
        plan.steps[0].consequences,
        [
            "GARM has one such setting for all pools: it also affects 1 pool that is not this fleet's"
        ]
    );

    let theirs = relabelled(&by_hand, "y", &["linux", "runnerctl=beta/z"]);
    let blocked = format!(
        "blocked - [{field}] GARM's own settings are global, and other fleets have pools on this GARM: `beta`"
    );
    check(&wanted, &with([theirs.clone()]), &[&blocked]);
    wanted.controller.shared = true;
    check(&wanted, &with([theirs]), &[&line]);
}

/// Adopting by the README's own path made a job wait 314 s where GARM alone took 42 s.
#[test]
fn raising_the_backoff_names_the_pools_that_it_slows_and_is_blocked_for_those_of_others() {
    let mut unscaled = changed(pool("a"), |pool| pool.settings.scale.autoscale = false);
    unscaled.settings.adopt = Some("x".to_owned());
    let off = changed(pool("off"), |pool| {
        (pool.settings.enabled, pool.settings.scale.autoscale) = (Some(false), false);
    });
    let wanted = desired([unscaled, off.clone(), pool("b")]);
    let by_hand = relabelled(&live(&wanted.pools[0]), "x", &["linux", "a"]);
    let mut there = with([by_hand.clone(), live(&off), live(&pool("b"))]);
    there.controller.backoff = Duration::from_secs(30);
    let first = |wanted: &Desired, there: &Fleet| {
        plan(wanted, there, &PlanOptions::default()).steps.swap_remove(0)
    };
    let slow = "that finds no idle runner waits 5m for GARM to start a runner, instead of 30s now";
    let step = first(&wanted, &there);
    assert_eq!(step.action, Action::Update);
    assert!(step.consequences.contains(&format!("a job for `a` (`autoscale: false`) {slow}")));
    let own = |longest: &str| {
        format!(
            "a job for `b` ({longest}) that finds no idle runner may wait that long for the pool's own \
             policy to start one, instead of 30s now"
        )
    };
    assert!(step.consequences.contains(&own("2m")), "{:?}", step.consequences);
    for (longest, says) in [(None, Some("no limit")), (Some(Duration::from_secs(30)), None)] {
        let mut wanted = wanted.clone();
        wanted.pools[2].settings.scale.max_queue_wait = longest;
        let own = says.map(own);
        let mut said = first(&wanted, &there).consequences.into_iter();
        assert_eq!(said.find(|text| text.starts_with("a job for `b`")), own);
    }
    // A pool that no file adopts.
    there.pools.push(relabelled(&by_hand, "y", &["linux", "theirs"]));
    let step = first(&wanted, &there);
    assert_eq!((step.action, &step.work), (Action::Blocked, &Operation::Nothing));
    let delays = "delays jobs of 1 enabled pool that this fleet does not own: `y`";
    assert!(step.reason.contains(delays), "{}", step.reason);
    let said = format!("a job for `y` (not this fleet's) {slow}");
    assert!(step.consequences.contains(&said), "{:?}", step.consequences);
    let mut shared = wanted.clone();
    shared.controller.shared = true;
    assert_eq!(first(&shared, &there).action, Action::Update);
    // A disabled pool is not slowed, and a shorter backoff slows no pool.
    there.pools.last_mut().unwrap().spec.enabled = false;
    assert_eq!(first(&wanted, &there).action, Action::Update);
    there.pools.last_mut().unwrap().spec.enabled = true;
    there.controller.backoff = Duration::from_secs(600);
    let step = first(&wanted, &there);
    assert_eq!((step.action, step.consequences.len()), (Action::Update, 1));
}
