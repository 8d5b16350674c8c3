//! The loop lowers what it has raised, whatever happens to the pool.

use runnerctl::domain::desired::ScalePolicy;
use runnerctl::domain::pool::PoolChange;
use runnerctl::reconcile::watch::{
    DeclaredPools, DeclaredScaling, LoopSettings, RunMode, WatchCommand,
};

use crate::support::scaling_loop::{LoopRig, name, policy, steady, wait};

/// A loop that keeps 12 idle runners in a pool whose minimum is 0.
async fn held() -> (LoopRig, crate::support::scaling_loop::RunningLoop) {
    let rig = LoopRig::new(policy()).await;
    rig.set_level(12).await;
    wait(30).await;
    let watch = rig.start(steady());
    wait(20).await;
    assert_eq!((rig.level().await, rig.runner_counts().await), (12, (0, 12, 0)));
    (rig, watch)
}

fn changed(roll: DeclaredPools, change: impl FnOnce(&mut DeclaredScaling)) -> DeclaredPools {
    let mut roll = roll;
    roll.pools.entry(name("default")).and_modify(change);
    roll
}

/// Such a level was once never lowered, so that twelve idle runners were kept forever.
#[tokio::test(start_paused = true)]
async fn a_held_level_is_lowered_when_the_pool_leaves_by_a_reload() {
    for case in ["gone", "autoscale", "disabled"] {
        let (rig, watch) = held().await;
        let roll = match case {
            "gone" => DeclaredPools { pools: [].into(), ..rig.roll() },
            "autoscale" => changed(rig.roll(), |it| it.policy.autoscale = false),
            _ => changed(rig.roll(), |it| it.enabled = false),
        };
        watch.order(WatchCommand::Reload(roll)).await;
        wait(10).await;
        let level = rig.level().await;
        assert!(level <= 2, "{case}: {level}");
        assert_eq!(watch.heard.deeds().last().unwrap(), &format!("lower 12 {level} done"));
        assert_eq!(watch.stop().await.left_raised, [], "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_level_that_cannot_be_lowered_any_more_is_named_at_the_end() {
    let (rig, watch) = held().await;
    watch.order(WatchCommand::Reload(DeclaredPools { pools: [].into(), ..rig.roll() })).await;
    rig.go_away();
    wait(10).await;
    assert_eq!(watch.stop().await.left_raised, [name("default")]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_comes_back_is_scaled_and_not_lowered() {
    let (rig, watch) = held().await;
    watch.order(WatchCommand::Reload(DeclaredPools { pools: [].into(), ..rig.roll() })).await;
    watch.order(WatchCommand::Reload(rig.roll())).await;
    wait(10).await;
    assert_eq!(rig.level().await, 12);
    watch.stop().await;
}

#[tokio::test(start_paused = true)]
async fn release_lowers_every_pool_of_the_fleets_label() {
    for (is_whole, expected) in [(true, 0), (false, 9)] {
        let policy = ScalePolicy { min_runners: 2, ..policy() };
        let mut rig = LoopRig::new(policy.clone()).await;
        let unscaled = ScalePolicy { autoscale: false, ..policy.clone() };
        rig.make("plain", &unscaled).await;
        rig.make("gone", &policy).await;
        let level = |level| PoolChange { min_idle_runners: Some(level), ..PoolChange::default() };
        for pool in ["default", "plain", "gone"] {
            rig.change(pool, level(9)).await;
        }
        let mut roll = DeclaredPools { is_whole, ..rig.roll() };
        roll.pools.remove(&name("gone"));
        let settings = LoopSettings { course: RunMode::Release, ..steady() };
        let end = rig.start_by(settings, roll).end().await.unwrap();
        assert_eq!(end.left_raised, []);
        let pools = rig.client.pools().await.unwrap();
        let levels: Vec<u32> = ["default", "plain", "gone"]
            .map(|it| rig.id(it))
            .map(|id| pools.iter().find(|it| it.id == id).unwrap().spec.min_idle_runners)
            .to_vec();
        assert_eq!(levels, [2, 2, expected]);
    }
}
