//! Bursts, raised levels and what remains after them.

use std::collections::BTreeSet;
use std::time::Duration;

use runnerctl::domain::desired::ScalePolicy;
use runnerctl::domain::pool::{PoolChange, PoolSpec};
use runnerctl::reconcile::watch::Incident;
use runnerctl::sim::{Fault, FaultRule, JobBatch as Jobs, Knobs, SimConfig};

use crate::support::scaling_loop::{LoopRig, RunningLoop, Tally, policy, steady, wait};

/// The state of the world and the loop after this many jobs of 20 s and some time.
async fn burst(rig: &LoopRig, jobs: usize) -> (Tally, RunningLoop) {
    let watch = rig.start(steady());
    wait(40).await;
    rig.jobs(jobs, 20);
    wait(300).await;
    (rig.tally(), watch)
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_served_by_one_raised_level_that_falls_by_itself() {
    let rig = LoopRig::new(policy()).await;
    let (tally, watch) = burst(&rig, 12).await;
    assert_eq!((tally.vms, tally.done, tally.killed), (12, 12, 0), "{:?}", watch.heard.deeds());
    assert!(tally.longest_wait_s <= 30 + 10 + 6, "{tally:?}");
    assert_eq!(rig.levels(), [12, 0], "{:?}", watch.heard.incidents());
    assert_eq!(watch.heard.deeds(), ["raise 0 12 done", "lower 12 0 done"]);
    assert!(watch.heard.changes() > 12 * 5, "the events of every row were reported");
    assert_eq!(watch.heard.findings(), [], "one runner, one job, one VM");
    assert_eq!(watch.stop().await.left_raised, []);
    assert_eq!(rig.levels(), [12, 0], "the stop had nothing to lower");
}

#[tokio::test(start_paused = true)]
async fn without_events_full_reads_and_the_lease_suffice() {
    let rig = LoopRig::new(policy()).await;
    rig.mute();
    let (tally, watch) = burst(&rig, 12).await;
    assert_eq!((tally.vms, tally.done, tally.killed), (12, 12, 0), "{:?}", watch.heard.deeds());
    // A job is seen up to one resync late, but counts from its creation.
    assert!(tally.longest_wait_s <= 30 + 30 + 10 + 6, "{tally:?}");
    assert_eq!(rig.level().await, 0);
}

/// When GARM's backoff was read only every five minutes, jobs were left for that long to a GARM
/// that no longer started their runners.
#[tokio::test(start_paused = true)]
async fn a_longer_backoff_is_known_before_it_is_felt() {
    let policy = ScalePolicy { max_queue_wait: Some(Duration::from_secs(30)), ..policy() };
    let rig =
        LoopRig::of(SimConfig { backoff: 30, ..SimConfig::default() }, &[("default", policy)])
            .await;
    let watch = rig.start(steady());
    wait(60).await;
    rig.client.update_controller(300).await.unwrap();
    rig.jobs(1, 20);
    wait(90).await;
    assert_eq!(watch.heard.deeds(), ["raise 0 1 done", "lower 1 0 done"]);
    let tally = rig.tally();
    assert_eq!((tally.vms, tally.done), (1, 1));
    assert!(tally.longest_wait_s <= 30 + 10 + 6, "{tally:?}");
}

#[tokio::test(start_paused = true)]
async fn lost_late_and_disordered_events_cost_no_job_and_few_runners() {
    for seed in 1..=8 {
        let knobs = Knobs {
            event_loss_rate: 0.3,
            event_late_rate: 0.3,
            event_late_by: Duration::from_secs(3),
            ..Knobs::default()
        };
        let config = SimConfig { seed, backoff: 300, knobs, ..SimConfig::default() };
        let rig = LoopRig::of(config, &[("default", policy())]).await;
        let (tally, _watch) = burst(&rig, 18).await;
        assert_eq!((tally.done, tally.killed), (18, 0), "seed {seed}: {tally:?}");
        assert!(tally.most <= 20 && tally.vms <= 20, "seed {seed}: {tally:?}");
        let idle = u32::try_from(rig.runner_counts().await.1).unwrap();
        assert_eq!(rig.level().await, idle, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn there_are_never_more_runners_than_the_maximum() {
    let rig = LoopRig::new(ScalePolicy { max_runners: 5, ..policy() }).await;
    let (tally, watch) = burst(&rig, 30).await;
    assert_eq!((tally.most, tally.done, tally.killed), (5, 30, 0), "{tally:?}");
    let levels = rig.levels();
    assert!(levels.iter().all(|it| *it <= 5), "{levels:?}");
    assert!(watch.heard.deeds().iter().all(|it| !it.ends_with("failed")), "{levels:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_files_allow_holds_although_garm_would_allow_more() {
    // If a job is assigned the moment its runner is ready, GARM replaces the runner at that moment,
    // which the loop cannot prevent.
    let knobs = Knobs { assign_delay: Duration::from_millis(1500), ..Knobs::default() };
    let config = SimConfig { backoff: 300, knobs, ..SimConfig::default() };
    let five = ScalePolicy { max_runners: 5, ..policy() };
    let rig = LoopRig::of(config, &[("default", five)]).await;
    let change = PoolChange { max_runners: Some(50), ..PoolChange::default() };
    rig.change("default", change).await;
    let (tally, _watch) = burst(&rig, 30).await;
    assert_eq!((tally.most, tally.done), (5, 30), "{tally:?}");
    let levels = rig.levels();
    assert!(levels.iter().all(|it| *it <= 5), "{levels:?}");
}

/// Work for five or six runners, evenly distributed, for twice as long as an idle runner is kept.
#[tokio::test(start_paused = true)]
async fn under_constant_load_a_runner_is_made_for_each_job_and_none_is_let_go() {
    for (seed, idle) in [(1, 0), (2, 2), (3, 0), (4, 2)] {
        let knobs = Knobs { assign_delay: Duration::from_millis(1500), ..Knobs::default() };
        let config = SimConfig { seed, backoff: 300, knobs, ..SimConfig::default() };
        let policy = ScalePolicy {
            min_idle_runners: idle,
            scale_up_threshold: 0,
            scale_up_delay: Duration::from_secs(5),
            ..policy()
        };
        let rig = LoopRig::of(config, &[("default", policy)]).await;
        let watch = rig.start(steady());
        for _ in 0..200 {
            rig.jobs(1, 35);
            wait(6).await;
        }
        let (tally, deeds) = (rig.tally(), watch.heard.deeds());
        assert!(tally.killed == 0 && tally.done > 190, "seed {seed}: {tally:?}");
        assert!(tally.vms <= 210, "seed {seed}: {tally:?}");
        let gone = deeds.iter().filter(|it| it.starts_with("retire")).count();
        assert_eq!(gone, 0, "seed {seed}: {tally:?}");
        assert!(tally.longest_wait_s <= 30, "seed {seed}: {tally:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn writes_to_a_pool_are_a_quarter_of_a_second_apart_or_more() {
    let rig = LoopRig::new(ScalePolicy { min_idle_runners: 2, ..policy() }).await;
    let (tally, _watch) = burst(&rig, 30).await;
    assert_eq!((tally.done, tally.killed), (30, 0));
    let puts: Vec<_> = rig.writes().into_iter().filter(|it| it.method == "PUT").collect();
    assert!(puts.len() > 4, "{puts:?}");
    for pair in puts.windows(2) {
        let gap = pair[1].at.duration_since(pair[0].at);
        assert!(gap.as_millis() >= 250, "{pair:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_policy_is_in_force_at_once() {
    let mut rig = LoopRig::new(policy()).await;
    let watch = rig.start(steady());
    wait(40).await;
    let id = rig.id("default");
    let other = ScalePolicy { min_idle_runners: 3, ..policy() };
    rig.pools.insert(crate::support::scaling_loop::name("default"), (id, other));
    watch.order(runnerctl::reconcile::watch::WatchCommand::Reload(rig.roll())).await;
    wait(1).await;
    assert_eq!(rig.level().await, 3);
    // A pool that is no longer declared is left alone.
    rig.pools.clear();
    watch.order(runnerctl::reconcile::watch::WatchCommand::Reload(rig.roll())).await;
    wait(1).await;
    rig.pools
        .insert(crate::support::scaling_loop::name("default"), (default_pool_id(&watch), policy()));
    rig.set_level(7).await;
    wait(60).await;
    assert_eq!(rig.level().await, 7);
}

/// The pool of the last write.
fn default_pool_id(watch: &RunningLoop) -> runnerctl::domain::name::PoolId {
    watch.heard.acts().last().unwrap().pool_id.clone()
}

#[tokio::test(start_paused = true)]
async fn a_pool_is_left_alone_while_a_twin_bears_its_label() {
    let mut rig = LoopRig::new(policy()).await;
    let first = rig.id("default");
    rig.make("default", &policy()).await;
    let watch = rig.start(steady());
    rig.set_level(3).await;
    wait(60).await;
    assert_eq!(rig.level().await, 3, "no loop lowers it");
    let is_twin = |it: &Incident| matches!(it, Incident::Unmanaged { .. });
    assert!(watch.heard.has(is_twin));
    rig.set_level(0).await;
    wait(120).await;
    rig.client.delete_pool(&first).await.unwrap();
    wait(40).await;
    assert!(watch.heard.has(|it| matches!(it, Incident::Managed(_))));
    rig.set_level(3).await;
    wait(1).await;
    assert_eq!(rig.level().await, 0, "it is scaled again");
}

#[tokio::test(start_paused = true)]
async fn levels_are_raised_for_jobs_before_many_others_are_lowered() {
    let mut rig = LoopRig::new(policy()).await;
    let names =
        |kind: &str, count: u32| (0..count).map(|number| format!("{kind}-{number}")).collect();
    let (idle, busy): (Vec<String>, Vec<String>) = (names("idle", 60), names("busy", 5));
    let policy = ScalePolicy { scale_up_threshold: 1, scale_up_delay: Duration::ZERO, ..policy() };
    for pool in &busy {
        rig.make(pool, &policy).await;
        rig.memory.with(|world| world.queue_jobs(&Jobs::new(3, &[pool])));
    }
    wait(40).await;
    for pool in &idle {
        rig.make_as(pool, &policy, |spec| PoolSpec { min_idle_runners: 3, ..spec }).await;
    }
    rig.fault(FaultRule::always("PUT", "/pools/", Fault::Slow(Duration::from_secs(1))));
    let watch = rig.start(steady());
    wait(60).await;
    let acts = watch.heard.acts();
    let first: BTreeSet<&str> = acts.iter().take(16).map(|act| act.pool.as_str()).collect();
    assert!(acts.len() >= 65, "{:?}", watch.heard.deeds());
    assert!(busy.iter().all(|pool| first.contains(pool.as_str())), "{first:?}");
}
