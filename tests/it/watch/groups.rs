//! Pools that share a limit, under the loop: the limit holds whatever GARM does by itself, jobs wait
//! less than with fixed parts of the limit, and no pool keeps the places from the others.
//! `cargo test --test it watch::groups -- --nocapture` prints the figures.

use std::time::Duration;

use runnerctl::domain::desired::{GroupLimit, ScalePolicy};
use runnerctl::domain::name::GroupName;
use runnerctl::domain::pool::PoolSpec;
use runnerctl::reconcile::watch::{LoopSettings, RunMode};
use runnerctl::scaling::Reason;
use runnerctl::sim::JobBatch as Jobs;

use super::waits::{config, fast};
use crate::support::scaling_loop::{LoopRig, steady, wait};

fn within(group: &str, max_runners: u32, policy: &ScalePolicy) -> ScalePolicy {
    let name = GroupName::new(group);
    ScalePolicy {
        group: Some(GroupLimit { name, max_runners, garms: Vec::new() }),
        ..policy.clone()
    }
}

fn up_to(max_runners: u32) -> ScalePolicy {
    ScalePolicy { max_runners, ..fast() }
}

/// Queues jobs of this duration for a label; returns GitHub's ids.
fn queue(rig: &LoopRig, label: &str, (count, seconds): (usize, u64)) -> Vec<i64> {
    let jobs = Jobs::new(count, &[label]).lasting(Duration::from_secs(seconds));
    rig.memory.with(|it| it.queue_jobs(&jobs))
}

/// Lets this many seconds pass; returns the largest number of rows in GARM.
async fn most_rows(rig: &LoopRig, seconds: u64) -> usize {
    let mut most = 0;
    for _ in 0..seconds {
        wait(1).await;
        most = most.max(rig.client.runners().await.unwrap().len());
    }
    most
}

/// `max_runners` of all pools in GARM together.
async fn sum_of_maxima(rig: &LoopRig) -> u32 {
    let pools = rig.client.pools_of_all_kinds().await.unwrap().0;
    pools.iter().map(|it| it.spec.max_runners).sum()
}

fn mean(waits: &[u64]) -> f64 {
    waits.iter().sum::<u64>() as f64 / waits.len().max(1) as f64
}

/// Three teams of one host, whose bursts follow one another. Returns all waits.
async fn three_bursts(policies: [ScalePolicy; 3], seed: u64) -> Vec<u64> {
    let [a, b, c] = policies;
    let rig = LoopRig::of(config(seed, 300), &[("a", a), ("b", b), ("c", c)]).await;
    let watch = rig.start(steady());
    let mut most = most_rows(&rig, 20).await;
    let mut jobs = Vec::new();
    for (pool, count) in [("a", 60), ("b", 30), ("c", 30)] {
        jobs.extend(queue(&rig, pool, (count, 60)));
        most = most.max(most_rows(&rig, 90).await);
    }
    most = most.max(most_rows(&rig, 300).await);
    let waits = rig.waits(&jobs);
    assert_eq!((waits.len(), rig.tally().killed), (120, 0));
    assert!(most <= 40, "{most} rows");
    watch.stop().await;
    waits
}

#[tokio::test(start_paused = true)]
async fn three_pools_of_a_host_of_forty_wait_less_than_with_a_fixed_part_each() {
    for seed in 1..=2 {
        let shared = || within("rack-1", 40, &up_to(40));
        let shared = three_bursts([shared(), shared(), shared()], seed).await;
        let fixed = three_bursts([up_to(14), up_to(13), up_to(13)], seed).await;
        let longest = |waits: &[u64]| waits.last().copied().unwrap_or_default();
        println!(
            "host of 40, seed {seed}: shared: mean {:.1} s, longest {} s; fixed: mean {:.1} s, longest {} s",
            mean(&shared),
            longest(&shared),
            mean(&fixed),
            longest(&fixed)
        );
        assert!(mean(&shared) < 0.7 * mean(&fixed));
        assert!(longest(&shared) < longest(&fixed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_licence_of_five_is_never_exceeded_and_a_flood_starves_no_other_pool() {
    let shared = || within("licence", 5, &up_to(20));
    // Under GARM's own backoff it starts a runner for each job that has waited for 30 s.
    let rig = LoopRig::of(config(3, 30), &[("a", shared()), ("b", shared())]).await;
    let watch = rig.start(steady());
    wait(20).await;
    queue(&rig, "a", (60, 60));
    let mut most = most_rows(&rig, 200).await;
    let few = queue(&rig, "b", (3, 10));
    most = most.max(most_rows(&rig, 200).await);
    let waits = rig.waits(&few);
    println!("licence of 5: three jobs beside a flood waited {waits:?} s");
    assert_eq!((waits.len(), rig.tally().killed), (3, 0));
    assert!(waits[0] <= 60 + 45, "the next place is theirs: {waits:?}");
    assert!(most <= 5, "{most} rows");
    assert!(watch.heard.reasons().contains(&Reason::Group));
    watch.stop().await;
    // Nothing scales now but GARM, for 50 jobs that wait.
    assert!(most_rows(&rig, 200).await <= 5);
    assert!(sum_of_maxima(&rig).await <= 5);
}

/// Pools for jobs that ask for `x`; the creates of the first fail.
#[tokio::test(start_paused = true)]
async fn jobs_of_a_failing_provider_go_to_the_pool_of_another_group() {
    let mut rig = LoopRig::of(config(4, 300), &[]).await;
    for (pool, priority, fail_rate) in [("a", 1, 1), ("b", 0, 0)] {
        let policy = within(pool, 8, &up_to(8));
        let change = |spec: PoolSpec| {
            let mut labels = spec.labels.clone();
            labels.insert("x");
            let specs = serde_json::json!({ "sim_create_fail_rate": fail_rate });
            let extra_specs = specs.as_object().cloned().unwrap_or_default();
            PoolSpec { labels, priority, extra_specs, ..spec }
        };
        rig.make_as(pool, &policy, change).await;
    }
    let watch = rig.start(steady());
    wait(20).await;
    let jobs = queue(&rig, "x", (6, 20));
    wait(240).await;
    let waits = rig.waits(&jobs);
    println!("failing provider: six jobs waited {waits:?} s");
    assert_eq!(waits.len(), 6);
    assert!(*waits.last().unwrap() <= 130, "{waits:?}");
    watch.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_scale_set_and_a_pool_share_a_limit() {
    for seed in 1..=2 {
        let mut rig = LoopRig::of(config(seed, 300), &[("a", within("g", 6, &up_to(20)))]).await;
        rig.make_scale_set("s", &within("g", 6, &up_to(20))).await;
        let watch = rig.start(steady());
        // A lower `max_runners` of a scale set is written after 30 s.
        wait(60).await;
        assert!(sum_of_maxima(&rig).await <= 6);
        let (ours, sets) = (queue(&rig, "a", (20, 20)), queue(&rig, "s", (20, 20)));
        let most = most_rows(&rig, 500).await;
        let (ours, sets) = (rig.waits(&ours), rig.waits(&sets));
        println!(
            "pool and scale set, seed {seed}: mean waits {:.1} s and {:.1} s",
            mean(&ours),
            mean(&sets)
        );
        assert_eq!((ours.len(), sets.len(), rig.tally().killed), (20, 20, 0));
        assert!(most <= 6, "{most} rows");
        watch.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_full_group_the_next_place_goes_to_the_job_of_higher_priority() {
    let mut rig = LoopRig::of(config(5, 300), &[("low", within("g", 4, &up_to(20)))]).await;
    let raised = |spec| PoolSpec { priority: 1, ..spec };
    rig.make_as("high", &within("g", 4, &up_to(20)), raised).await;
    let watch = rig.start(steady());
    wait(20).await;
    queue(&rig, "low", (40, 40));
    wait(60).await;
    let urgent = queue(&rig, "high", (4, 10));
    let most = most_rows(&rig, 200).await;
    let waits = rig.waits(&urgent);
    println!("full group: four jobs of higher priority waited {waits:?} s");
    assert_eq!(waits.len(), 4);
    // A job that runs is not ended for them: the longest has 40 s to go.
    assert!(waits[0] <= 40 + 30 && *waits.last().unwrap() <= 110, "{waits:?}");
    assert!(most <= 4 && rig.tally().killed == 0, "{most} rows");
    watch.stop().await;
}

#[tokio::test(start_paused = true)]
async fn idle_runners_of_one_pool_make_room_for_jobs_of_another() {
    let slow = || ScalePolicy { scale_down_delay: Duration::from_secs(600), ..up_to(10) };
    let shared = || within("g", 4, &slow());
    let rig = LoopRig::of(config(6, 300), &[("a", shared()), ("b", shared())]).await;
    let watch = rig.start(steady());
    wait(20).await;
    let first = queue(&rig, "a", (4, 5));
    wait(12).await;
    // Two of them are cancelled: their runners come up idle.
    rig.memory.with(|it| first[2..].iter().for_each(|job| it.end_job(*job, "cancelled")));
    wait(40).await;
    let jobs = queue(&rig, "b", (4, 10));
    wait(120).await;
    let waits = rig.waits(&jobs);
    println!("idle runners of another pool: waited {waits:?} s");
    assert_eq!(waits.len(), 4);
    assert!(*waits.last().unwrap() <= 75, "{waits:?}");
    watch.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_leaves_the_limits_in_force_and_a_release_restores_those_of_the_files() {
    let shared = || within("g", 10, &up_to(8));
    let rig = LoopRig::of(config(7, 300), &[("a", shared()), ("b", shared())]).await;
    let watch = rig.start(steady());
    wait(20).await;
    watch.stop().await;
    assert_eq!(sum_of_maxima(&rig).await, 10);
    let release = LoopSettings { course: RunMode::Release, ..steady() };
    rig.start(release).end().await.unwrap();
    assert_eq!(sum_of_maxima(&rig).await, 16);
}

/// Each of two watchers reads the same rows and writes the same values.
#[tokio::test(start_paused = true)]
async fn two_watchers_of_a_group_agree_and_come_to_rest() {
    let shared = || within("g", 12, &up_to(12));
    let rig = LoopRig::of(config(8, 300), &[("a", shared()), ("b", shared())]).await;
    let (one, other) = (rig.start(steady()), rig.start(steady()));
    wait(20).await;
    let jobs = [queue(&rig, "a", (20, 30)), queue(&rig, "b", (4, 30))].concat();
    let most = most_rows(&rig, 200).await;
    assert_eq!(rig.waits(&jobs).len(), 24);
    assert!(most <= 12, "{most} rows");
    rig.forget();
    wait(120).await;
    let limits = rig.writes().iter().filter(|it| it.body.contains("max_runners")).count();
    assert_eq!(limits, 0, "nothing has changed");
    one.stop().await;
    other.stop().await;
}
