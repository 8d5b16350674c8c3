//! `--rotate`: outdated idle runners are replaced, a tenth of the pool at a time.

use std::time::Duration;

use runnerctl::domain::pool::{PoolChange, PoolSpec};
use runnerctl::reconcile::options::ApplyOptions;
use runnerctl::sim::{GarmVariant, GarmVersion, JobBatch, Knobs, SimConfig};

use crate::support::apply::{ApplyRig, change, name, wait};

fn rotating() -> ApplyOptions {
    ApplyOptions { rotate: vec![name("default")], ..ApplyOptions::default() }
}

/// A pool that keeps this many runners idle, and a step that makes them outdated.
async fn pool(level: u32) -> (ApplyRig, runnerctl::plan::Step) {
    pool_of(SimConfig { backoff: 86_400, ..SimConfig::default() }, level).await
}

async fn pool_of(config: SimConfig, level: u32) -> (ApplyRig, runnerctl::plan::Step) {
    let rig = ApplyRig::of(config).await;
    let spec = PoolSpec { min_idle_runners: level, max_runners: 60, ..rig.spec("default") };
    let pool = rig.make(&spec).await;
    wait(60).await;
    let image = PoolChange { image: Some("new".into()), ..PoolChange::default() };
    (rig, change("default", &pool.id, image))
}

/// The number of runners by generation.
async fn generations(rig: &ApplyRig) -> Vec<(u64, usize)> {
    let runners = rig.fleet().await.runners;
    let count = |it: u64| runners.iter().filter(|runner| runner.generation == Some(it)).count();
    [(0, count(0)), (1, count(1))].into_iter().filter(|it| it.1 > 0).collect()
}

#[tokio::test(start_paused = true)]
async fn idle_runners_are_replaced_in_batches_while_the_rest_serves() {
    let (rig, update) = pool(20).await;
    let watching = async {
        let mut least = usize::MAX;
        for _ in 0..600 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let idle = rig.fleet().await.runners.iter().filter(|it| it.is_idle()).count();
            least = least.min(idle);
        }
        least
    };
    let options = rotating();
    let (told, least) = tokio::join!(rig.apply_with(vec![update], &options), watching);
    assert_eq!(told, ["default update done", "default update done: 20 outdated runners removed"]);
    assert_eq!((generations(&rig).await, least), (vec![(1, 20)], 18));
}

#[tokio::test(start_paused = true)]
async fn a_busy_runner_ends_with_its_job() {
    let (rig, update) = pool(3).await;
    let order = JobBatch::new(1, &["default"]).lasting(Duration::from_secs(900));
    rig.memory.with(|it| it.queue_jobs(&order));
    wait(30).await;
    let told = rig.apply_with(vec![update], &rotating()).await;
    assert_eq!(
        told[1],
        "default update done: 3 outdated runners removed; 1 more end with their job"
    );
    assert_eq!((generations(&rig).await, rig.killed_jobs()), (vec![(0, 1), (1, 3)], 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_outdated_is_no_outcome() {
    let (rig, _) = pool(2).await;
    assert_eq!(rig.apply_with(vec![], &rotating()).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn where_garm_owes_nothing_a_runner_is_merely_removed() {
    let (rig, update) = pool(4).await;
    let id = rig.fleet().await.pools[0].id.clone();
    let lower = PoolChange { min_idle_runners: Some(0), ..PoolChange::default() };
    rig.client.update_pool(&id, &lower).await.unwrap();
    let told = rig.apply_with(vec![update], &rotating()).await;
    assert!(told[1].starts_with("default update done: "), "{told:?}");
    assert_eq!(generations(&rig).await, []);
}

#[tokio::test(start_paused = true)]
async fn two_failures_stop_it() {
    for knobs in [
        Knobs { boot_fail_rate: 1.0, ..Knobs::default() },
        Knobs { create_fail_rate: 1.0, ..Knobs::default() },
        Knobs { boot_hang_rate: 1.0, ..Knobs::default() },
    ] {
        let (rig, update) = pool(10).await;
        rig.memory.with(|it| *it.knobs_mut() = knobs);
        let told = rig.apply_with(vec![update], &rotating()).await;
        assert!(told[1].starts_with("default update failed: "), "{told:?}");
        assert!(told[1].contains("2 replacements failed; "), "{told:?}");
        let idle = rig.fleet().await.runners.iter().filter(|it| it.is_idle()).count();
        assert!(idle >= 8, "{idle} left of 10");
    }
}

/// Release v0.2.1 tries a failed create once, main six times within a minute. Each of the two
/// replacements has failed once GARM no longer writes its row, and not only after 75 s.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_garm_does_not_create_again_has_failed_at_once() {
    let mut took = Vec::new();
    for version in [GarmVersion::V0_2_1, GarmVersion::Main] {
        let variant = GarmVariant { version, ..GarmVariant::default() };
        let config = SimConfig { variant, backoff: 86_400, ..SimConfig::default() };
        let (rig, update) = pool_of(config, 10).await;
        rig.memory.with(|it| it.knobs_mut().create_fail_rate = 1.0);
        let began = tokio::time::Instant::now();
        let told = rig.apply_with(vec![update], &rotating()).await;
        assert!(told[1].contains("2 replacements failed; "), "{told:?}");
        took.push(began.elapsed().as_secs());
    }
    assert!(took[0] < 90 && (150..200).contains(&took[1]), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_signal_ends_it_between_two_runners() {
    let (rig, update) = pool(10).await;
    let options = rotating();
    let stop = options.stop.clone();
    let signal = async {
        wait(20).await;
        stop.cancel();
    };
    let (told, ()) = tokio::join!(rig.apply_with(vec![update], &options), signal);
    assert!(told[1].starts_with("default update interrupted: "), "{told:?}");
}

/// A rotation once waited until no runner of the pool was booting, which never happened, and
/// reported a failure.
#[tokio::test(start_paused = true)]
async fn a_pool_that_is_busy_all_the_time_is_rotated_to_its_end() {
    let (rig, update) = pool(10).await;
    let load = async {
        loop {
            let order = JobBatch::new(1, &["default"]).lasting(Duration::from_secs(20));
            rig.memory.with(|it| it.queue_jobs(&order));
            wait(3).await;
        }
    };
    let began = tokio::time::Instant::now();
    let options = rotating();
    let told = tokio::select! {
        told = rig.apply_with(vec![update], &options) => told,
        () = load => unreachable!("it never ends"),
    };
    assert!(told[1].starts_with("default update done: "), "{told:?}");
    assert!(!told[1].contains("failed"), "{told:?}");
    assert!(began.elapsed() < Duration::from_secs(20 * 60), "{:?}", began.elapsed());
    assert_eq!(rig.killed_jobs(), 0);
}
