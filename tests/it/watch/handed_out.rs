//! Jobs beside idle runners that are handed out late or never, or that ended long ago without GARM
//! noticing.

use std::time::Duration;

use runnerctl::domain::desired::ScalePolicy;
use runnerctl::scaling::Reason;
use runnerctl::sim::{JobBatch, Knobs, SimConfig};

use crate::support::scaling_loop::{LoopRig, RunningLoop, policy, steady, wait};

/// What scales: the loop with a backoff of 5 minutes, or GARM alone with its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Ours,
    Alone,
}

/// A pool with this policy and its minimum of idle runners, whatever scales it.
pub(super) async fn rig(
    policy: &ScalePolicy,
    knobs: Knobs,
    who: Who,
) -> (LoopRig, Option<RunningLoop>) {
    let backoff = if who == Who::Ours { 300 } else { 30 };
    let config = SimConfig { backoff, knobs, ..SimConfig::default() };
    let rig = LoopRig::of(config, &[("default", policy.clone())]).await;
    let watch = (who == Who::Ours).then(|| rig.start(steady()));
    wait(40).await;
    (rig, watch)
}

async fn six_jobs_handed_out_after_a_minute(who: Who) -> (Vec<u64>, usize) {
    let policy = ScalePolicy { min_idle_runners: 4, ..policy() };
    let knobs = Knobs { assign_delay: Duration::from_secs(60), ..Knobs::default() };
    let (rig, _watch) = rig(&policy, knobs, who).await;
    let jobs = rig.jobs(6, 20);
    wait(300).await;
    assert_eq!(rig.tally().killed, 0);
    (rig.waits(&jobs), rig.tally().vms)
}

#[tokio::test(start_paused = true)]
async fn six_jobs_and_four_idle_runners_while_github_hands_out_jobs_after_a_minute() {
    let (ours, _) = six_jobs_handed_out_after_a_minute(Who::Ours).await;
    let (alone, _) = six_jobs_handed_out_after_a_minute(Who::Alone).await;
    assert_eq!((ours.len(), alone.len()), (6, 6));
    // The two jobs without a runner get theirs while the others still wait for GitHub.
    assert!(ours[5] <= 61 && ours[5] <= alone[5], "{ours:?} {alone:?}");
}

#[tokio::test(start_paused = true)]
async fn eight_held_jobs_beside_two_idle_runners_have_eight_runners() {
    let policy = ScalePolicy { min_runners: 2, ..policy() };
    let (rig, _watch) = rig(&policy, Knobs::default(), Who::Ours).await;
    assert_eq!(rig.runner_counts().await, (0, 2, 0));
    rig.memory.with(|it| it.queue_jobs(&JobBatch::new(8, &["default"]).held()));
    wait(50).await;
    assert_eq!(rig.runner_counts().await, (0, 8, 0));
    assert!(rig.levels().iter().all(|it| *it <= 8), "{:?}", rig.levels());
}

/// Three runners are working without GARM's knowledge: they look idle, and their jobs look queued.
async fn three_lost_starts_and_six_new_jobs(who: Who) -> (Vec<u64>, LoopRig, Option<RunningLoop>) {
    let policy = ScalePolicy { min_idle_runners: 3, ..policy() };
    let knobs = Knobs { assign_delay: Duration::from_secs(1), ..Knobs::default() };
    let (rig, watch) = rig(&policy, knobs, who).await;
    rig.jobs(3, 900);
    rig.turn(|it| it.webhooks = false);
    wait(5).await;
    rig.turn(|it| it.webhooks = true);
    wait(20).await;
    let jobs = rig.jobs(6, 20);
    wait(400).await;
    (rig.waits(&jobs), rig, watch)
}

#[tokio::test(start_paused = true)]
async fn six_new_jobs_beside_three_runners_whose_start_was_lost() {
    let (ours, rig, watch) = three_lost_starts_and_six_new_jobs(Who::Ours).await;
    let (alone, ..) = three_lost_starts_and_six_new_jobs(Who::Alone).await;
    assert_eq!((ours.len(), alone.len()), (6, 6));
    assert!(ours[5] <= alone[5] && ours[5] <= 30 + 10 + 6, "{ours:?} {alone:?}");
    // They are detected, but GitHub does not allow their removal.
    let watch = watch.unwrap();
    assert_eq!(watch.heard.suspects().len(), 3, "{:?}", watch.heard.incidents());
    let deeds = watch.heard.deeds();
    assert!(deeds.iter().any(|it| it == "dismiss refused"), "{deeds:?}");
    assert!(!deeds.iter().any(|it| it == "dismiss done"), "{deeds:?}");
    let tally = rig.tally();
    assert!(tally.killed == 0 && tally.most <= 20, "{tally:?}");
}

/// Eight jobs are cancelled while they wait, and GARM is not told.
async fn cancelled_unheard(who: Who) -> (LoopRig, Option<RunningLoop>) {
    let policy = ScalePolicy { min_runners: 1, ..policy() };
    let (rig, watch) = rig(&policy, Knobs::default(), who).await;
    let jobs = rig.memory.with(|it| it.queue_jobs(&JobBatch::new(8, &["default"]).held()));
    wait(20).await;
    rig.turn(|it| it.webhooks = false);
    rig.memory.with(|it| jobs.iter().for_each(|job| it.end_job(*job, "cancelled")));
    rig.turn(|it| it.webhooks = true);
    (rig, watch)
}

#[tokio::test(start_paused = true)]
async fn jobs_cancelled_unheard_in_a_quiet_pool_hold_two_runners_and_are_named() {
    let (rig, watch) = cancelled_unheard(Who::Ours).await;
    let heard = watch.unwrap().heard;
    wait(150).await;
    // The cause is still unknown: each job has its runner, and one more was tried.
    assert_eq!(rig.runner_counts().await.1, 8 + 1);
    assert_eq!(heard.queued(), 8, "the queue is what GARM says");
    assert!(heard.reasons().contains(&Reason::NotHandedOut), "{:?}", heard.reasons());
    // GARM itself creates a runner for each of them after its backoff, and again a quarter of an
    // hour later.
    wait(16 * 60).await;
    let (active, idle, other) = rig.runner_counts().await;
    assert!(active == 0 && idle + other <= 2, "{active} {idle} {other}");
    assert_eq!(heard.queued(), 8);
    // A real job is served immediately.
    let real = rig.jobs(1, 20);
    wait(5).await;
    assert_eq!(rig.waits(&real), [0]);
    wait(14 * 60).await;
    let (_, idle, other) = rig.runner_counts().await;
    assert!(idle + other <= 2, "what GARM has built is let go: {idle} {other}");
    // Our runners, GARM's two attempts, one for the real job, and probes: four in the ten minutes
    // before the jobs are given up, and five after the start of the real job, in intervals that
    // double.
    assert!(rig.tally().vms <= 3 * 8 + 1 + 9, "{:?}", rig.tally());
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_of_github_every_job_is_served() {
    let policy = ScalePolicy { min_runners: 1, ..policy() };
    let (rig, _watch) = rig(&policy, Knobs::default(), Who::Ours).await;
    rig.turn(|it| it.assign = false);
    let jobs = rig.jobs(8, 20);
    for minutes in [5, 25] {
        wait(minutes * 60).await;
    }
    rig.turn(|it| it.assign = true);
    wait(60).await;
    let waits = rig.waits(&jobs);
    assert_eq!(waits.len(), 8);
    // Two jobs still had their runners; those of the others were removed after 10 minutes and are
    // created again.
    assert!(waits[0] <= 1_801 && waits[7] <= 1_800 + 20, "{waits:?}");
    assert_eq!(rig.tally().killed, 0);
}
