//! The requirements R1 to R6, scenario by scenario, with the specification's own numbers: a pool of
//! 2 to 20 runners, more than 5 jobs queued for over 30 s, idle for more than 10 minutes, a queue
//! deeper than 20 for more than 5 minutes. The loop is the one of `runnerctl watch`; GARM, GitHub
//! and the VMs are simulated, and hours pass in virtual time.

use std::collections::BTreeSet;
use std::time::Duration;

use runnerctl::config::AlertSeries;
use runnerctl::domain::runner::RunnerStatus;
use runnerctl::monitor::{AlertRules, AlertStatus, SeriesValue, SeriesValues};
use runnerctl::sim::{JobBatch, LogEvent};

use super::support::pools::name;
use super::support::scaling_loop::Rig;

const TEN_MINUTES: Duration = Duration::from_mins(10);

/// Jobs of this duration for the pool `default`.
fn jobs(count: usize, seconds: u64) -> JobBatch {
    JobBatch::new(count, &["default"]).lasting(Duration::from_secs(seconds))
}

async fn busy(rig: &Rig) -> usize {
    rig.runners().await.iter().filter(|it| it.runner_status == RunnerStatus::Active).count()
}

// R1: scale up on queue pressure

#[tokio::test(start_paused = true)]
async fn r1_more_than_5_jobs_queued_for_over_30_s_get_additional_runners() {
    let rig = Rig::of_the_specification().await;
    assert_eq!(rig.runners().await.len(), 2);
    // 2 are taken by the idle runners at once, so 8 are left queued.
    rig.memory.with(|it| it.queue_jobs(&jobs(10, 1_200)));
    rig.wait(29).await;
    assert_eq!((rig.runners().await.len(), rig.queue_depth().await), (2, 8));
    rig.wait(31).await;
    assert_eq!(rig.runners().await.len(), 10);
    assert!(rig.queue_depth().await < 5);
    assert_eq!(busy(&rig).await, 10);
}

#[tokio::test(start_paused = true)]
async fn r1_no_more_than_max_runners_are_ever_provisioned() {
    let rig = Rig::of_the_specification().await;
    rig.memory.with(|it| it.queue_jobs(&jobs(60, 100)));
    let mut most = 0;
    for _ in 0..600 {
        rig.wait(1).await;
        most = most.max(rig.runners().await.len());
    }
    assert_eq!(most, 20);
    assert_eq!(rig.queue_depth().await, 0, "all are served in the end");
}

#[tokio::test(start_paused = true)]
async fn r1_just_5_queued_jobs_are_no_pressure() {
    let rig = Rig::of_the_specification().await;
    rig.memory.with(|it| it.queue_jobs(&jobs(7, 1_200)));
    rig.wait(100).await;
    assert_eq!((rig.runners().await.len(), rig.queue_depth().await), (2, 5));
}

#[tokio::test(start_paused = true)]
async fn r1_a_queue_that_is_deep_for_less_than_30_s_is_no_pressure() {
    let rig = Rig::of_the_specification().await;
    let queued = rig.memory.with(|it| it.queue_jobs(&jobs(12, 1_200)));
    rig.wait(25).await;
    rig.memory.with(|it| queued[2..].iter().for_each(|job| it.end_job(*job, "cancelled")));
    rig.wait(300).await;
    assert_eq!(rig.runners().await.len(), 2);
}

// R2: scale down on idle

/// 10 idle runners: jobs were queued, held back by GitHub, and finally cancelled.
async fn ten_idle() -> Rig {
    let rig = Rig::of_the_specification().await;
    let queued = rig.memory.with(|it| it.queue_jobs(&jobs(10, 1_200).held()));
    rig.wait(60).await;
    rig.memory.with(|it| queued.iter().for_each(|job| it.end_job(*job, "cancelled")));
    rig.wait(1).await;
    assert_eq!(rig.runners().await.len(), 10);
    rig
}

#[tokio::test(start_paused = true)]
async fn r2_runners_idle_for_more_than_10_minutes_are_terminated_down_to_the_minimum() {
    let rig = ten_idle().await;
    rig.wait(480).await;
    assert_eq!(rig.runners().await.len(), 10, "none was idle for 10 minutes");
    rig.wait(300).await;
    assert_eq!(rig.runners().await.len(), 2);
    rig.wait(3_600).await;
    assert_eq!(rig.runners().await.len(), 2, "and the minimum stays");
}

#[tokio::test(start_paused = true)]
async fn r2_no_runner_is_terminated_before_it_was_idle_for_10_minutes() {
    let rig = ten_idle().await;
    rig.wait(900).await;
    let lives: Vec<u64> = rig.happened(|it| match it.what {
        LogEvent::VmDeleted { alive_ms, .. } => Some(alive_ms),
        _ => None,
    });
    assert_eq!(lives.len(), 8);
    let least = u64::try_from(TEN_MINUTES.as_millis()).unwrap();
    assert!(lives.iter().all(|it| *it > least), "{lives:?}");
}

#[tokio::test(start_paused = true)]
async fn r2_a_busy_runner_is_never_terminated() {
    let rig = ten_idle().await;
    rig.memory.with(|it| it.queue_jobs(&jobs(6, 1_800)));
    rig.wait(1_500).await;
    assert_eq!(busy(&rig).await, 6);
    assert_eq!(rig.killed_jobs(), [0; 0]);
}

// R3: clean environment per job

/// Runs a job to this end, and checks what happened to its VM.
async fn after_a_job(conclusion: &str) {
    let rig = Rig::of_the_specification().await;
    let order = JobBatch { conclusion: conclusion.into(), ..jobs(1, 60) };
    let job = rig.memory.with(|it| it.queue_jobs(&order)).remove(0);
    rig.wait(120).await;
    let on = rig.starts().into_iter().find(|it| it.0 == job).unwrap().1;
    let destroyed = rig.happened(|it| match &it.what {
        LogEvent::VmDeleted { name, .. } => Some(name.clone()),
        _ => None,
    });
    assert_eq!(destroyed, [on.as_str()], "its VM, and no other");
    let names: Vec<String> =
        rig.runners().await.iter().map(|it| it.name.as_str().to_owned()).collect();
    assert_eq!(names.len(), 2, "a fresh one stands in its place");
    assert!(!names.contains(&on));
}

#[tokio::test(start_paused = true)]
async fn r3_after_a_successful_job_its_vm_is_destroyed_and_a_fresh_one_provisioned() {
    after_a_job("success").await;
}

#[tokio::test(start_paused = true)]
async fn r3_after_a_failed_job_its_vm_is_destroyed_and_a_fresh_one_provisioned() {
    after_a_job("failure").await;
}

// R4: no state persistence

#[tokio::test(start_paused = true)]
async fn r4_no_two_jobs_ever_share_a_runner_or_a_vm() {
    let rig = Rig::of_the_specification().await;
    for _ in 0..10 {
        rig.memory.with(|it| it.queue_jobs(&jobs(8, 20)));
        rig.wait(120).await;
    }
    let starts = rig.starts();
    assert_eq!(starts.len(), 80);
    let runners: BTreeSet<&str> = starts.iter().map(|it| it.1.as_str()).collect();
    assert_eq!(runners.len(), 80, "80 jobs, 80 runners");
    let mut vms = rig.happened(|it| match &it.what {
        LogEvent::VmCreated { name, .. } => Some(name.clone()),
        _ => None,
    });
    vms.sort();
    let all = vms.len();
    vms.dedup();
    assert_eq!(vms.len(), all, "no runner has ever got a second VM");
    assert!(runners.iter().all(|it| vms.iter().any(|vm| vm == it)), "each ran on a VM of its own");
}

// R5: metrics

#[tokio::test(start_paused = true)]
async fn r5_metrics_tell_active_and_idle_runners_and_the_depth_of_the_queue_of_each_pool() {
    let rig = Rig::of_the_specification().await;
    rig.memory.with(|it| it.queue_jobs(&jobs(7, 1_200)));
    rig.wait(10).await;
    let page = rig.metrics();
    for expected in [
        "# HELP runner_active Number of runners currently executing jobs\n\
         # TYPE runner_active gauge\n\
         runner_active{pool=\"default\"} 2\n",
        "# HELP runner_idle Number of runners waiting for jobs\n\
         # TYPE runner_idle gauge\n\
         runner_idle{pool=\"default\"} 0\n",
        "# HELP queue_depth Number of workflows waiting for a runner\n\
         # TYPE queue_depth gauge\n\
         queue_depth{pool=\"default\"} 5\n",
    ] {
        assert!(page.contains(expected), "{expected}\nis not in\n{page}");
    }
}

// R6: alerting

/// Evaluates the alert rules once a second, for this many seconds and with a queue of this depth.
/// Returns the second at which the alert fires.
async fn first_alert(depth: usize, seconds: u64) -> Option<u64> {
    let rig = Rig::of_the_specification().await;
    let mut rules = AlertRules::new(&[]);
    // GitHub assigns none of them, so the depth of the queue does not change.
    rig.memory.with(|it| it.queue_jobs(&jobs(depth, 60).held()));
    for second in 0..seconds {
        rig.wait(1).await;
        let now = rig.memory.with(|it| it.now());
        let depths = rig.queue_depths();
        let readings = SeriesValues::from([(AlertSeries::QueueDepth, SeriesValue::Pools(depths))]);
        if let Some(it) = rules.evaluate(&readings, now).first() {
            assert_eq!(it.pool, Some(name("default")));
            assert_eq!(it.receivers, [""; 0], "every receiver is notified");
            assert!(matches!(it.status, AlertStatus::Firing { .. }), "{it:?}");
            return Some(second);
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn r6_a_queue_deeper_than_20_for_more_than_5_minutes_is_told_to_the_on_call_channel() {
    let after = first_alert(21, 3_600).await.unwrap();
    assert!((300..=302).contains(&after), "{after} s");
}

#[tokio::test(start_paused = true)]
async fn r6_a_queue_of_just_20_is_no_alert() {
    assert_eq!(first_alert(20, 3_600).await, None);
}

#[tokio::test(start_paused = true)]
async fn r6_a_queue_that_is_deep_for_less_than_5_minutes_is_no_alert() {
    assert_eq!(first_alert(21, 299).await, None);
}
