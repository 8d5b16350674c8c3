//! Idle runners that are not connected to GitHub: GARM calls them idle, but they take no job.

use std::time::Duration;

use runnerctl::domain::desired::ScalePolicy;
use runnerctl::scaling::Reason;
use runnerctl::sim::{GarmVariant, GarmVersion, Knobs, SimConfig};

use super::handed_out::{Who, rig};
use crate::support::scaling_loop::{LoopRig, RunningLoop, policy, steady, wait};

/// At most ten runners; more when more than one job has waited for 10 s.
fn small() -> ScalePolicy {
    ScalePolicy {
        max_runners: 10,
        scale_up_threshold: 1,
        scale_up_delay: Duration::from_secs(10),
        scale_down_delay: Duration::from_mins(1),
        ..policy()
    }
}

/// A pool whose present runners never connect; later ones do.
async fn dead(policy: &ScalePolicy, who: Who) -> (LoopRig, Option<RunningLoop>) {
    let never = Duration::from_hours(24);
    let knobs = Knobs {
        online_delay: never,
        assign_delay: Duration::from_millis(1500),
        ..Knobs::default()
    };
    let (rig, watch) = rig(policy, knobs, who).await;
    rig.turn(|it| it.online_delay = Duration::from_millis(100));
    (rig, watch)
}

async fn four_and_a_steady_load(who: Who) -> (Vec<u64>, LoopRig, Option<RunningLoop>) {
    let (rig, watch) = dead(&ScalePolicy { min_idle_runners: 4, ..small() }, who).await;
    assert_eq!(rig.runner_counts().await, (0, 4, 0));
    let mut jobs = Vec::new();
    for _ in 0..30 {
        jobs.extend(rig.jobs(1, 30));
        wait(5).await;
    }
    wait(150).await;
    (rig.waits(&jobs), rig, watch)
}

#[tokio::test(start_paused = true)]
async fn four_idle_runners_that_never_take_a_job_and_a_steady_load() {
    let (ours, rig, watch) = four_and_a_steady_load(Who::Ours).await;
    let (alone, ..) = four_and_a_steady_load(Who::Alone).await;
    assert_eq!(ours.len(), 30, "GARM alone: {}", alone.len());
    assert!(ours[29] <= alone[alone.len() - 1] && ours[15] <= alone[15], "{ours:?} {alone:?}");
    let heard = watch.unwrap().heard;
    assert_eq!(heard.stuck(), 0, "a job that waits beside them is not stuck");
    assert_eq!(heard.suspects().len(), 4);
    let gone = heard.deeds().iter().filter(|it| *it == "dismiss done").count();
    assert_eq!(gone, 4, "{:?}", heard.deeds());
    let tally = rig.tally();
    assert!(tally.killed == 0 && tally.most <= 10, "{tally:?}");
}

#[tokio::test(start_paused = true)]
async fn one_job_beside_idle_runners_that_never_take_it_finds_them_out_by_a_probe() {
    let (rig, watch) = dead(&ScalePolicy { min_idle_runners: 2, ..small() }, Who::Ours).await;
    let jobs = rig.jobs(1, 20);
    wait(160).await;
    let waits = rig.waits(&jobs);
    // The policy's own wait: `max_queue_wait`, two of GARM's ticks, boot and assignment.
    assert!(waits.len() == 1 && waits[0] <= 120 + 10 + 8, "{waits:?}");
    let heard = watch.unwrap().heard;
    assert!(heard.reasons().contains(&Reason::HandOutProbe), "{:?}", heard.reasons());
    wait(180).await;
    assert_eq!(heard.suspects().len(), 2);
    // Two runners that take jobs have replaced them.
    assert_eq!(rig.runner_counts().await, (0, 2, 0), "{:?}", heard.deeds());
    let jobs = rig.jobs(2, 20);
    wait(5).await;
    assert_eq!(rig.waits(&jobs), [1, 1]);
}

/// Eight jobs in a pool of six runners, none of which comes online in the first minute.
async fn a_full_pool_for_a_minute(who: Who) -> (Vec<u64>, LoopRig, Option<RunningLoop>) {
    let policy =
        ScalePolicy { max_runners: 6, max_queue_wait: Some(Duration::from_secs(30)), ..small() };
    let knobs = Knobs {
        boot_delay: Duration::from_secs(5),
        assign_delay: Duration::from_millis(1500),
        ..Knobs::default()
    };
    let (rig, watch) = rig(&policy, knobs, who).await;
    rig.turn(|it| it.online_delay = Duration::from_hours(24));
    let mut jobs = rig.jobs(4, 20);
    wait(20).await;
    jobs.extend(rig.jobs(4, 20));
    wait(40).await;
    rig.turn(|it| it.online_delay = Duration::from_millis(100));
    wait(400).await;
    (rig.waits(&jobs), rig, watch)
}

#[tokio::test(start_paused = true)]
async fn a_full_pool_whose_runners_were_never_online_serves_its_jobs_soon_after_they_can_be() {
    let (ours, rig, watch) = a_full_pool_for_a_minute(Who::Ours).await;
    let (alone, ..) = a_full_pool_for_a_minute(Who::Alone).await;
    assert_eq!(ours.len(), 8, "GARM alone: {alone:?}");
    let longest = alone.last().copied().filter(|_| alone.len() == 8);
    assert!(ours[7] <= longest.unwrap_or(u64::MAX).min(140), "{ours:?}, GARM alone: {alone:?}");
    assert!(watch.unwrap().heard.reasons().contains(&Reason::HandOutProbe));
    let tally = rig.tally();
    assert!(tally.killed == 0 && tally.most <= 6, "{tally:?}");
}

/// Three jobs beside a provider that fails for the first minute; GARM tries each create once.
async fn creates_that_fail_for_a_minute(who: Who) -> Vec<u64> {
    let policy = ScalePolicy { max_queue_wait: Some(Duration::from_secs(30)), ..small() };
    let variant = GarmVariant { version: GarmVersion::V0_2_1, ..GarmVariant::default() };
    let backoff = if who == Who::Ours { 300 } else { 30 };
    let config = SimConfig { backoff, variant, ..SimConfig::default() };
    let rig = LoopRig::of(config, &[("default", policy)]).await;
    let _watch = (who == Who::Ours).then(|| rig.start(steady()));
    wait(40).await;
    rig.turn(|it| it.create_fail_rate = 1.0);
    let jobs = rig.jobs(3, 20);
    wait(60).await;
    rig.turn(|it| it.create_fail_rate = 0.0);
    wait(300).await;
    rig.waits(&jobs)
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_has_healed_serves_within_a_minute_of_it() {
    let ours = creates_that_fail_for_a_minute(Who::Ours).await;
    let alone = creates_that_fail_for_a_minute(Who::Alone).await;
    assert_eq!(ours.len(), 3, "GARM alone: {alone:?}");
    assert!(ours[2] <= 60 + 60, "{ours:?} {alone:?}");
}

/// Two jobs whose VMs hang, and three more a minute later.
async fn two_vms_that_hang(who: Who) -> Vec<u64> {
    let policy = ScalePolicy { max_queue_wait: Some(Duration::from_secs(30)), ..small() };
    let knobs = Knobs { boot_delay: Duration::from_secs(5), ..Knobs::default() };
    let (rig, _watch) = rig(&policy, knobs, who).await;
    rig.turn(|it| it.boot_hang_rate = 1.0);
    let mut jobs = rig.jobs(2, 20);
    wait(60).await;
    rig.turn(|it| it.boot_hang_rate = 0.0);
    jobs.extend(rig.jobs(3, 20));
    wait(400).await;
    rig.waits(&jobs)
}

#[tokio::test(start_paused = true)]
async fn vms_that_hang_hold_up_no_job_for_long() {
    let ours = two_vms_that_hang(Who::Ours).await;
    let alone = two_vms_that_hang(Who::Alone).await;
    assert_eq!(ours.len(), 5, "GARM alone: {alone:?}");
    assert!(ours[4] <= 130, "{ours:?} {alone:?}");
}
