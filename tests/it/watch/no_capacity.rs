//! A provider without quota or capacity: its jobs go to the next pool at once, and without another
//! pool they wait no longer than under GARM alone. `cargo test --test it watch::no_capacity --
//! --nocapture` prints the waits.

use std::time::Duration;

use runnerctl::domain::desired::ScalePolicy;
use runnerctl::domain::pool::PoolSpec;
use runnerctl::domain::price::Price;
use runnerctl::scaling::Reason;
use runnerctl::sim::{GarmVariant, GarmVersion, JobBatch, LogEvent, SimConfig};
use serde_json::{Map, json};

use super::handed_out::Who;
use crate::support::scaling_loop::{LoopRig, policy, steady, wait};

const VERSIONS: [GarmVersion; 2] = [GarmVersion::Main, GarmVersion::V0_2_1];

fn config(version: GarmVersion, who: Who) -> SimConfig {
    let backoff = if who == Who::Ours { 300 } else { 30 };
    let variant = GarmVariant { version, ..GarmVariant::default() };
    SimConfig { backoff, variant, ..SimConfig::default() }
}

fn quick() -> ScalePolicy {
    ScalePolicy { scale_up_threshold: 1, scale_up_delay: Duration::from_secs(10), ..policy() }
}

/// A pool for jobs that ask for `x`, of whose VMs the provider creates at most `quota`.
fn limited(mut spec: PoolSpec, quota: u32) -> PoolSpec {
    spec.labels.insert("x");
    let extra_specs = Map::from_iter([("sim_max_vms".to_owned(), json!(quota))]);
    PoolSpec { extra_specs, ..spec }
}

/// How the pool `first` is preferred to `second`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Preferred {
    Priority,
    Price,
}

/// The waits of the jobs; the VMs and the refused creates of the first minute.
struct Outcome {
    waits: Vec<u64>,
    vms: usize,
    refused: usize,
}

/// Eight jobs for the pool `first`, whose provider creates at most `quota` VMs, and `second`.
#[expect(clippy::print_stdout, reason = "figures to be printed on demand")]
async fn eight_jobs(version: GarmVersion, who: Who, (by, quota): (Preferred, u32)) -> Outcome {
    let mut rig = LoopRig::of(config(version, who), &[]).await;
    let priced = |price| ScalePolicy { price: Price::new(price), ..quick() };
    // By name alone, the pool without quota would be the second.
    let priority = u32::from(by == Preferred::Priority);
    rig.make_as("z-first", &priced(0.1), |it| PoolSpec { priority, ..limited(it, quota) }).await;
    rig.make_as("second", &priced(0.2), |it| limited(it, 20)).await;
    let watch = (who == Who::Ours).then(|| rig.start(steady()));
    wait(40).await;
    let order = JobBatch::new(8, &["x"]).lasting(Duration::from_secs(60));
    let jobs = rig.memory.with(|it| it.queue_jobs(&order));
    wait(60).await;
    let (refused, vms) = (refused(&rig), rig.tally().vms);
    wait(6 * 60).await;
    let waits = rig.waits(&jobs);
    println!(
        "{version:?}, {by:?}, quota {quota}, {}: waits {waits:?} s; in the first minute {refused} \
         refused, {vms} VMs",
        word(who),
    );
    assert_eq!(rig.tally().killed, 0);
    if let Some(watch) = watch {
        assert!(watch.heard.reasons().contains(&Reason::Probe), "{version:?}");
        watch.stop().await;
    }
    Outcome { waits, vms, refused }
}

fn refused(rig: &LoopRig) -> usize {
    let is_refused =
        |what: &LogEvent| matches!(what, LogEvent::VmCreateFailed { why: "quota", .. });
    rig.memory.with(|it| it.log().iter().filter(|entry| is_refused(&entry.what)).count())
}

/// The delay, two ticks of GARM for each of the two pools, and a boot.
const SPILLED: u64 = 10 + 2 * 10 + 6;

#[tokio::test(start_paused = true)]
async fn a_pool_without_quota_gives_its_jobs_to_the_next_at_the_first_failure() {
    for version in VERSIONS {
        let ours = eight_jobs(version, Who::Ours, (Preferred::Priority, 0)).await;
        let alone = eight_jobs(version, Who::Alone, (Preferred::Priority, 0)).await;
        assert!(ours.waits.len() == 8 && ours.waits[7] <= SPILLED, "{version:?}: {:?}", ours.waits);
        let longest = alone.waits.last().filter(|_| alone.waits.len() == 8);
        assert!(longest.is_none_or(|longest| ours.waits[7] <= *longest), "{:?}", alone.waits);
        assert_eq!(ours.vms, 8, "{version:?}");
        // The burst, which GARM's main tries six times, and one probe.
        let attempts = if version == GarmVersion::Main { 6 } else { 1 };
        assert!(ours.refused <= 8 * attempts + 1, "{version:?}: {}", ours.refused);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_cheaper_provider_still_creates_serves_jobs_and_only_the_rest_goes_elsewhere() {
    for version in VERSIONS {
        let ours = eight_jobs(version, Who::Ours, (Preferred::Price, 5)).await;
        assert!(ours.waits.len() == 8 && ours.waits[7] <= SPILLED, "{version:?}: {:?}", ours.waits);
        assert!(ours.waits[4] <= 10 + 10 + 6, "{version:?}: {:?}", ours.waits);
        assert_eq!(ours.vms, 8, "no runner is started twice: {version:?}");
    }
}

/// Jobs for a single pool whose provider has no quota for the first `outage` seconds.
#[expect(clippy::print_stdout, reason = "figures to be printed on demand")]
async fn outage(version: GarmVersion, who: Who, (count, outage): (usize, u64)) -> Vec<u64> {
    let policy = ScalePolicy { max_queue_wait: Some(Duration::from_secs(30)), ..quick() };
    let rig = LoopRig::of(config(version, who), &[("default", policy)]).await;
    // Its VM is all that the provider may have.
    rig.make_by_hand("other", (1, 1)).await;
    let _watch = (who == Who::Ours).then(|| rig.start(steady()));
    wait(40).await;
    rig.turn(|it| it.max_vms = 1);
    let jobs = rig.jobs(count, 20);
    wait(outage).await;
    rig.turn(|it| it.max_vms = 0);
    wait(15 * 60).await;
    let waits = rig.waits(&jobs);
    println!("{version:?}, {count} jobs, outage {outage} s, {}: {waits:?}", word(who));
    waits
}

#[tokio::test(start_paused = true)]
async fn without_another_pool_jobs_wait_no_longer_than_under_garm_alone() {
    for version in VERSIONS {
        for count in [1, 3] {
            for seconds in [30, 60, 90, 180, 300] {
                let ours = outage(version, Who::Ours, (count, seconds)).await;
                let alone = outage(version, Who::Alone, (count, seconds)).await;
                assert_eq!(ours.len(), count, "{alone:?}");
                // GARM's only attempt may come right after the end of the outage.
                let most = alone[count - 1].max(seconds + 30);
                assert!(ours[count - 1] <= most, "{ours:?}, GARM alone: {alone:?}");
            }
        }
    }
}

/// Eight jobs of 60 s for a single pool whose provider creates at most three VMs.
#[expect(clippy::print_stdout, reason = "figures to be printed on demand")]
async fn three_at_a_time(version: GarmVersion, who: Who) -> Vec<u64> {
    let rig = LoopRig::of(config(version, who), &[("default", quick())]).await;
    let _watch = (who == Who::Ours).then(|| rig.start(steady()));
    wait(40).await;
    rig.turn(|it| it.max_vms = 3);
    let jobs = rig.jobs(8, 60);
    wait(40 * 60).await;
    let waits = rig.waits(&jobs);
    println!("{version:?}, three VMs at a time, {}: {waits:?} s", word(who));
    waits
}

#[tokio::test(start_paused = true)]
async fn a_pool_with_a_quota_below_its_limit_serves_all_jobs() {
    for version in VERSIONS {
        let ours = three_at_a_time(version, Who::Ours).await;
        let alone = three_at_a_time(version, Who::Alone).await;
        assert!(ours.len() == 8 && ours[7] <= alone[7], "{ours:?}, GARM alone: {alone:?}");
    }
}

fn word(who: Who) -> &'static str {
    match who {
        Who::Ours => "ours",
        Who::Alone => "alone",
    }
}
