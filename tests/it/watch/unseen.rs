//! Jobs that are easily missed: delivered by two hooks, assigned to a pool that is not scaled, or
//! hidden behind rows in deletion. And jobs of a scale set, which are not ours.

use std::time::Duration;

use runnerctl::domain::entity::EntityKind;
use runnerctl::sim::{JobBatch, Knobs, SimConfig, World};

use super::handed_out::Who;
use crate::support::scaling_loop::{LoopRig, policy, steady, wait};

fn config(who: Who) -> SimConfig {
    let backoff = if who == Who::Ours { 300 } else { 30 };
    let knobs = Knobs { assign_delay: Duration::from_millis(1500), ..Knobs::default() };
    SimConfig { backoff, knobs, ..SimConfig::default() }
}

/// Eight jobs for a repository's pool, delivered by the repository's and the organization's hook.
async fn both_hooks(who: Who) -> (Vec<u64>, LoopRig, usize) {
    let config = SimConfig { repositories: vec!["acme/app".into()], ..config(who) };
    let mut rig = LoopRig::of(config, &[]).await;
    let repository = rig.client.entities(EntityKind::Repository).await.unwrap().remove(0).key;
    rig.make_in(&repository, "default", (&policy(), |it| it)).await;
    let watch = (who == Who::Ours).then(|| rig.start(steady()));
    wait(40).await;
    let jobs = rig.jobs(8, 20);
    // The organization has no pool for them, so only a redelivery by its hook is recorded.
    rig.memory.with(|it| jobs.iter().for_each(|job| it.redeliver(*job)));
    wait(20).await;
    let rows = rig.client.jobs().await.unwrap();
    assert!(rows.iter().all(|it| it.entities.len() == 2), "{rows:?}");
    let queued = watch.map_or(8, |it| it.heard.queued());
    wait(380).await;
    (rig.waits(&jobs), rig, queued)
}

#[tokio::test(start_paused = true)]
async fn eight_jobs_of_a_repository_whose_organization_has_a_hook_too() {
    let (ours, rig, queued) = both_hooks(Who::Ours).await;
    let (alone, ..) = both_hooks(Who::Alone).await;
    assert_eq!(queued, 8);
    assert_eq!((ours.len(), alone.len()), (8, 8));
    assert!(ours[7] <= alone[7] && ours[7] <= 30 + 10 + 8, "{ours:?} {alone:?}");
    let tally = rig.tally();
    assert_eq!((tally.vms, tally.killed), (8, 0), "one runner per job: {tally:?}");
}

#[tokio::test(start_paused = true)]
async fn jobs_that_both_entities_could_serve_get_one_runner_each() {
    let config = SimConfig { repositories: vec!["acme/app".into()], ..config(Who::Ours) };
    let mut rig = LoopRig::of(config, &[]).await;
    let repository = rig.client.entities(EntityKind::Repository).await.unwrap().remove(0).key;
    let three = runnerctl::domain::desired::ScalePolicy { max_runners: 3, ..policy() };
    let labelled = |mut spec: runnerctl::domain::pool::PoolSpec| {
        spec.labels.insert("x");
        spec
    };
    rig.make_as("wide", &three, labelled).await;
    rig.make_in(&repository, "narrow", (&policy(), labelled)).await;
    let watch = rig.start(steady());
    wait(40).await;
    let order = JobBatch::new(9, &["x"]).lasting(Duration::from_secs(20));
    let jobs = rig.memory.with(|it| it.queue_jobs(&order));
    wait(20).await;
    assert_eq!(watch.heard.queued(), 9, "once in all");
    wait(200).await;
    let waits = rig.waits(&jobs);
    assert!(waits.len() == 9 && waits[8] <= 30 + 10 + 8, "{waits:?}");
    let tally = rig.tally();
    assert_eq!((tally.vms, tally.killed), (9, 0), "{tally:?}");
}

/// Eight jobs, our pool, and one with the same labels that comes first and is not scaled.
async fn beside_an_unsteered_pool(who: Who) -> (Vec<u64>, LoopRig) {
    let rig = LoopRig::of(config(who), &[("default", policy())]).await;
    rig.make_by_hand("default", (0, 20)).await;
    let _watch = (who == Who::Ours).then(|| rig.start(steady()));
    wait(40).await;
    let jobs = rig.jobs(8, 20);
    wait(380).await;
    (rig.waits(&jobs), rig)
}

#[tokio::test(start_paused = true)]
async fn eight_jobs_that_fit_a_pool_that_is_not_scaled() {
    let (ours, rig) = beside_an_unsteered_pool(Who::Ours).await;
    let (alone, _) = beside_an_unsteered_pool(Who::Alone).await;
    assert_eq!((ours.len(), alone.len()), (8, 8));
    assert!(ours[7] <= alone[7] && ours[7] <= 30 + 10 + 8, "{ours:?} {alone:?}");
    assert_eq!((rig.tally().vms, rig.tally().killed), (8, 0));
}

/// Ten idle runners take a minute each to be deleted when eight jobs arrive.
async fn slow_deletions(who: Who) -> (Vec<u64>, LoopRig) {
    let rig = LoopRig::of(config(who), &[("default", policy())]).await;
    rig.set_level(10).await;
    wait(40).await;
    rig.turn(|it| it.delete_delay = Duration::from_secs(60));
    rig.set_level(0).await;
    for runner in rig.client.runners().await.unwrap() {
        rig.client.delete_runner(&runner.name).await.unwrap();
    }
    let _watch = (who == Who::Ours).then(|| rig.start(steady()));
    wait(7).await;
    let jobs = rig.jobs(8, 20);
    wait(32).await;
    let (_, idle, leaving) = rig.runner_counts().await;
    assert!(idle == 0 && leaving >= 10, "{idle} {leaving}");
    wait(200).await;
    (rig.waits(&jobs), rig)
}

#[tokio::test(start_paused = true)]
async fn eight_jobs_beside_ten_idle_runners_in_deletion() {
    let (ours, rig) = slow_deletions(Who::Ours).await;
    let (alone, _) = slow_deletions(Who::Alone).await;
    assert_eq!((ours.len(), alone.len()), (8, 8));
    assert!(ours[7] <= alone[7] && ours[7] <= 30 + 10 + 8, "{ours:?} {alone:?}");
    let tally = rig.tally();
    assert!(tally.killed == 0 && tally.most <= 20 && tally.vms <= 18 + 2, "{tally:?}");
    assert_eq!(rig.level().await, u32::try_from(rig.runner_counts().await.1).unwrap());
}

#[tokio::test(start_paused = true)]
async fn jobs_of_a_scale_set_are_no_pools() {
    let ours = config(Who::Ours);
    // The scale set has no VM, so that its jobs stay queued.
    let knobs = Knobs { create_fail_rate: 1.0, ..ours.knobs.clone() };
    let rig = LoopRig::of(SimConfig { knobs, ..ours }, &[("default", policy())]).await;
    rig.memory.with(|it: &mut World| it.add_scale_set("theirs", &["default"], 8));
    let watch = rig.start(steady());
    wait(40).await;
    rig.jobs(8, 20);
    wait(200).await;
    assert_eq!(rig.client.jobs().await.unwrap().len(), 8);
    // They wait for the scale set, and the pool starts nothing for them.
    assert_eq!((watch.heard.queued(), rig.tally().vms), (8, 0));
    assert_eq!(rig.levels(), [0_u64; 0]);
}
