//! The lease on a raised level.

use std::time::Duration;

use runnerctl::reconcile::watch::Incident;
use runnerctl::sim::{Exchange, Fault, FaultRule, JobBatch as Jobs};

use crate::support::scaling_loop::{LoopRig, policy, steady, wait};

/// Twelve jobs wait and GitHub registers no runners, so the level stays raised.
async fn standing_pulse() -> (LoopRig, crate::support::scaling_loop::RunningLoop) {
    let rig = LoopRig::new(policy()).await;
    rig.mute();
    rig.memory.with(|it| it.knobs_mut().api_fail_rate = 1.0);
    let watch = rig.start(steady());
    wait(5).await;
    rig.jobs(12, 20);
    wait(60).await;
    assert_eq!(rig.level().await, 12, "{:?}", watch.heard.deeds());
    rig.forget();
    (rig, watch)
}

fn looks(rig: &LoopRig) -> Vec<Exchange> {
    let path = format!("/pools/{}/instances", rig.id("default"));
    rig.requests().into_iter().filter(|it| it.path == path).collect()
}

#[tokio::test(start_paused = true)]
async fn the_runners_of_a_pulsing_pool_are_read_every_two_seconds_and_of_no_other() {
    let (rig, _watch) = standing_pulse().await;
    wait(20).await;
    let seen = looks(&rig);
    assert!((9..=11).contains(&seen.len()), "{seen:?}");
    rig.memory.with(|it| it.knobs_mut().api_fail_rate = 0.0);
    wait(60).await;
    assert_eq!(rig.level().await, 0);
    rig.forget();
    wait(60).await;
    assert_eq!(looks(&rig), [], "the level is no longer raised");
}

#[tokio::test(start_paused = true)]
async fn a_raised_level_unobserved_for_ten_seconds_is_lowered_by_the_first_write() {
    let (rig, watch) = standing_pulse().await;
    rig.fault(FaultRule::always("GET", "/", Fault::Slow(Duration::from_secs(20))));
    wait(2).await;
    rig.memory.with(|it| it.faults.clear());
    rig.go_away();
    wait(15).await;
    let slack = |it: &Incident| matches!(it, Incident::LeaseExpired(_));
    assert!(watch.heard.has(slack), "{:?}", watch.heard.incidents());
    rig.forget();
    rig.come_back();
    rig.mute();
    wait(40).await;
    assert_eq!(rig.levels()[..2], [0, 12], "{:?}", watch.heard.deeds());
}

#[tokio::test(start_paused = true)]
async fn a_short_absence_does_not_lower_it() {
    let (rig, watch) = standing_pulse().await;
    rig.go_away();
    wait(6).await;
    rig.come_back();
    rig.mute();
    wait(10).await;
    assert!(!watch.heard.has(|it| matches!(it, Incident::LeaseExpired(_))));
    assert_eq!(rig.level().await, 12);
}

#[tokio::test(start_paused = true)]
async fn after_a_kill_a_new_loop_lowers_a_level_that_was_left_raised() {
    let (rig, watch) = standing_pulse().await;
    watch.kill().await;
    let ids: Vec<i64> = (1..=12).map(|it| 5_000_000_000 + it).collect();
    rig.memory.with(|it| ids.iter().for_each(|id| it.end_job(*id, "cancelled")));
    wait(60).await;
    assert_eq!(rig.level().await, 12, "no loop is running to lower it");
    let watch = rig.start(steady());
    wait(2).await;
    assert_eq!((rig.level().await, watch.heard.deeds()), (0, vec!["lower 12 0 done".into()]));
}

#[tokio::test(start_paused = true)]
async fn after_a_kill_a_new_loop_keeps_a_raised_level_that_is_still_needed() {
    let (rig, watch) = standing_pulse().await;
    watch.kill().await;
    rig.memory.with(|it| it.knobs_mut().api_fail_rate = 0.0);
    let _watch = rig.start(steady());
    wait(120).await;
    let tally = rig.tally();
    assert_eq!((tally.vms, tally.done, tally.killed), (12, 12, 0));
    assert_eq!(rig.level().await, 0);
}

/// Reads in a fixed order of the pools would leave out those at its end.
#[tokio::test(start_paused = true)]
async fn slow_reads_of_many_raised_pools_let_none_expire() {
    let mut rig = LoopRig::new(policy()).await;
    for number in 0..50 {
        let pool = format!("pool-{number}");
        rig.make(&pool, &policy()).await;
        rig.memory.with(|world| world.queue_jobs(&Jobs::new(12, &[&pool])));
    }
    rig.mute();
    rig.turn(|knobs| knobs.api_fail_rate = 1.0);
    let watch = rig.start(steady());
    wait(60).await;
    let raised = watch.heard.deeds().iter().filter(|deed| deed.starts_with("raise")).count();
    assert_eq!(raised, 50);
    // Eight at a time, so each pool has its turn within seven seconds.
    rig.fault(FaultRule::always("GET", "/instances", Fault::Slow(Duration::from_secs(1))));
    wait(60).await;
    assert!(!watch.heard.has(|it| matches!(it, Incident::LeaseExpired(_))));
    watch.kill().await;
}
