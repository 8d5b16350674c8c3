//! Moving jobs between a pool and a scale set, as `docs/scale-sets.md` says.

use runnerctl::domain::desired::{DesiredPool, PoolSettings, ScalePolicy};
use runnerctl::domain::name::PoolKind;
use runnerctl::domain::pool::{PoolChange, PoolSpec};
use runnerctl::event::SilentListener;
use runnerctl::reconcile::apply::apply;
use runnerctl::reconcile::options::ApplyOptions;
use runnerctl::sim::{JobBatch, LogEvent};

use super::converge::{Dice, declared, interrupted, planned, whole_fleet};
use super::wire::Last;
use crate::support::apply::{ApplyRig, name, told, wait};

/// A pool with three idle runners, whose jobs request it by its name.
fn pool(name: &str, kind: PoolKind) -> DesiredPool {
    let drawn = declared(name, &mut Dice(1));
    let scale =
        ScalePolicy { min_runners: 3, max_runners: 6, autoscale: false, ..drawn.scale.clone() };
    let labels = [name].into_iter().collect();
    let (enabled, scale_set_name) = (Some(true), None);
    let settings =
        PoolSettings { kind, scale_set_name, labels, enabled, scale, ..drawn.settings.clone() };
    DesiredPool { provider: "sim".into(), settings, ..drawn }
}

async fn apply_all(rig: &ApplyRig, pools: Vec<DesiredPool>) {
    let plan = planned(rig, &whole_fleet(pools)).await;
    let writer = rig.writer(rig.door());
    let outcomes = apply(&plan, &writer, &ApplyOptions::default(), &SilentListener).await;
    assert!(outcomes.iter().all(|outcome| outcome.kind.is_good()), "{:?}", told(&outcomes));
}

/// Queues three jobs that run for a minute each.
async fn jobs(rig: &ApplyRig, label: &str) {
    let batch = JobBatch::new(3, &[label]).lasting(std::time::Duration::from_secs(60));
    rig.memory.with(|it| it.queue_jobs(&batch));
    wait(3).await;
}

fn started(rig: &ApplyRig) -> usize {
    rig.memory.with(|it| {
        let log = it.log().iter();
        log.filter(|entry| matches!(entry.what, LogEvent::JobStarted { .. })).count()
    })
}

#[tokio::test(start_paused = true)]
async fn a_pool_moves_to_a_scale_set_and_back_without_losing_a_job() {
    let rig = ApplyRig::new().await;
    let (old, new) = (pool("linux", PoolKind::Pool), pool("linux-set", PoolKind::ScaleSet));
    let mut queued = 0;
    for (from, to) in [(&old, &new), (&new, &old)] {
        apply_all(&rig, vec![from.clone()]).await;
        wait(60).await;
        jobs(&rig, from.name.as_str()).await;
        apply_all(&rig, vec![from.clone(), to.clone()]).await;
        // `runs-on` changes while the jobs of the old one run.
        jobs(&rig, to.name.as_str()).await;
        apply_all(&rig, vec![to.clone()]).await;
        wait(120).await;
        queued += 6;
        assert_eq!((started(&rig), rig.killed_jobs()), (queued, 0));
        let names: Vec<_> = rig.fleet().await.pools.into_iter().map(|it| it.kind()).collect();
        assert_eq!(names, [to.kind]);
    }
}

/// A scale set without a label is found by the change that makes its runners outdated.
#[tokio::test(start_paused = true)]
async fn the_runners_of_an_adopted_scale_set_are_rotated() {
    let rig = ApplyRig::new().await;
    let set = pool("linux", PoolKind::ScaleSet);
    apply_all(&rig, vec![set.clone()]).await;
    let made = rig.fleet().await.pools.remove(0);
    let labels = made.spec.labels.without_marks();
    let by_hand = PoolSpec { scale_set_name: Some("by-hand".into()), labels, ..made.spec };
    let id = rig.make(&by_hand).await.id;
    let mut adopts = set.clone();
    adopts.settings.name = name("adopted");
    adopts.settings.scale_set_name = Some("by-hand".into());
    adopts.settings.adopt = Some(id.to_string());
    adopts.settings.runner_prefix = by_hand.runner_prefix.clone();
    apply_all(&rig, vec![set.clone(), adopts.clone()]).await;
    wait(60).await;
    adopts.image = "newer".into();
    let plan = planned(&rig, &whole_fleet(vec![set, adopts])).await;
    let writer = rig.writer(rig.door());
    let options = ApplyOptions { rotate: vec![name("adopted")], ..ApplyOptions::default() };
    let outcomes = told(&apply(&plan, &writer, &options, &SilentListener).await);
    let expected = ["adopted update done", "adopted update done: 3 outdated runners removed"];
    assert_eq!(outcomes, expected);
}

/// A drain of a scale set that was disabled by hand is interrupted, and the pool is declared again.
#[tokio::test(start_paused = true)]
async fn a_disabled_scale_set_is_still_disabled_after_an_interrupted_drain() {
    let rig = ApplyRig::new().await;
    let mut set = pool("linux", PoolKind::ScaleSet);
    apply_all(&rig, vec![set.clone()]).await;
    wait(60).await;
    let id = rig.fleet().await.pools.remove(0).id;
    let off = PoolChange { enabled: Some(false), ..PoolChange::default() };
    rig.client.update_pool(&id, &off).await.unwrap();
    interrupted(&rig, &whole_fleet(vec![]), 0, Last::CarriedOut).await;
    let state = async || {
        let spec = rig.fleet().await.pools.remove(0).spec;
        (spec.enabled, spec.max_runners, spec.min_idle_runners)
    };
    assert_eq!(state().await, (false, 6, 0), "the drain has begun");
    set.settings.enabled = None;
    apply_all(&rig, vec![set]).await;
    assert_eq!(state().await, (false, 6, 3));
}

#[tokio::test(start_paused = true)]
async fn a_replaced_scale_set_ends_no_job_and_gets_its_name_back() {
    let rig = ApplyRig::new().await;
    let set = pool("linux", PoolKind::ScaleSet);
    apply_all(&rig, vec![set.clone()]).await;
    wait(60).await;
    jobs(&rig, "linux").await;
    let mut labelled = set.clone();
    labelled.settings.labels.insert("big");
    apply_all(&rig, vec![labelled]).await;
    assert_eq!(rig.killed_jobs(), 0);
    jobs(&rig, "big").await;
    wait(60).await;
    assert_eq!((started(&rig), rig.killed_jobs()), (6, 0));
    assert_eq!(rig.pools().await.len(), 1);
}
