//! Two pools with equal labels, of which the preferred one fails every create.

use std::time::Duration;

use runnerctl::domain::desired::ScalePolicy;
use runnerctl::domain::pool::PoolSpec;
use runnerctl::sim::{JobBatch, SimConfig};
use serde_json::{Map, json};

use super::handed_out::Who;
use crate::support::scaling_loop::{LoopRig, policy, steady, wait};

fn failing(spec: PoolSpec) -> PoolSpec {
    let specs = Map::from_iter([("sim_create_fail_rate".to_owned(), json!(1.0))]);
    PoolSpec { priority: 1, extra_specs: specs, ..twin(spec) }
}

fn twin(mut spec: PoolSpec) -> PoolSpec {
    spec.labels.insert("x");
    spec
}

async fn three_jobs(policy: &ScalePolicy, who: Who) -> (Vec<u64>, LoopRig) {
    let backoff = if who == Who::Ours { 300 } else { 30 };
    let mut rig = LoopRig::of(SimConfig { backoff, ..SimConfig::default() }, &[]).await;
    rig.make_as("first", policy, failing).await;
    rig.make_as("second", policy, twin).await;
    let _watch = (who == Who::Ours).then(|| rig.start(steady()));
    wait(40).await;
    let order = JobBatch::new(3, &["x"]).lasting(Duration::from_secs(20));
    let jobs = rig.memory.with(|it| it.queue_jobs(&order));
    wait(7 * 60).await;
    (rig.waits(&jobs), rig)
}

#[tokio::test(start_paused = true)]
async fn three_jobs_go_to_the_other_pool_once_the_first_ones_circuit_is_open() {
    let policy =
        ScalePolicy { scale_up_threshold: 1, scale_up_delay: Duration::from_secs(10), ..policy() };
    let (ours, rig) = three_jobs(&policy, Who::Ours).await;
    let (alone, _) = three_jobs(&policy, Who::Alone).await;
    // The delay, a row, and 75 s until it counts as failed; then the other pool's level is raised.
    assert_eq!(ours.len(), 3, "GARM alone: {alone:?}");
    assert!(ours[2] <= 10 + 5 + 75 + 10 + 6, "{ours:?}");
    assert!(alone.len() < 3 || ours[2] <= alone[2], "{ours:?} {alone:?}");
    let tally = rig.tally();
    assert_eq!((tally.vms, tally.killed), (3, 0), "{tally:?}");
}

#[tokio::test(start_paused = true)]
async fn three_jobs_below_the_threshold_of_the_specification() {
    let (ours, _) = three_jobs(&policy(), Who::Ours).await;
    // `max_queue_wait` is over first.
    assert!(ours.len() == 3 && ours[2] <= 120 + 5 + 75 + 10 + 6, "{ours:?}");
}
