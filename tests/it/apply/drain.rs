//! The retirement of a pool interrupts no job.

use std::time::Duration;

use runnerctl::domain::name::{PoolId, RunnerName};
use runnerctl::domain::pool::{PoolChange, PoolSpec};
use runnerctl::domain::runner::Runner;
use runnerctl::event::ApplyEvent;
use runnerctl::reconcile::apply::apply;
use runnerctl::reconcile::options::ApplyOptions;
use runnerctl::sim::{Fault, FaultRule, JobBatch, Knobs};

use super::wire::Ambush;
use crate::support::apply::{ApplyRig, Heard, plan, retire, told, wait};

/// A pool with its two runners idle.
async fn idle_pool() -> (ApplyRig, PoolId) {
    let rig = ApplyRig::new().await;
    let pool = rig.make(&rig.spec("default")).await;
    wait(30).await;
    assert_eq!(rig.pools().await, ["default,runnerctl=acme/default on 2/20 2"]);
    rig.forget();
    (rig, pool.id)
}

fn jobs(rig: &ApplyRig, count: usize, seconds: u64) {
    let order = JobBatch::new(count, &["default"]).lasting(Duration::from_secs(seconds));
    rig.memory.with(|it| it.queue_jobs(&order));
}

#[tokio::test(start_paused = true)]
async fn idle_runners_are_removed_and_then_the_pool() {
    let (rig, id) = idle_pool().await;
    let told = rig.apply(vec![retire("default", &id)]).await;
    assert_eq!(told, ["default delete done: 2 runners removed"]);
    assert_eq!(rig.pools().await, [""; 0]);
    let writes = rig.writes();
    assert_eq!(writes.len(), 4, "{writes:?}");
    let off = format!(r#"PUT /pools/{id} {{"enabled":false,"min_idle_runners":0}}"#);
    assert_eq!((writes[0].as_str(), writes[3].as_str()), (&*off, &*format!("DELETE /pools/{id} ")));
    assert!(writes.iter().all(|it| !it.contains("bypass") && !it.contains("force")));
    assert_eq!(rig.records().len(), 8);
}

/// The provider cannot delete its VMs: the drain waits and reports the reason immediately.
#[tokio::test(start_paused = true)]
async fn the_providers_reason_for_a_failed_deletion_is_reported_immediately_and_once() {
    let (rig, id) = idle_pool().await;
    rig.memory.with(|it| it.knobs_mut().delete_fail_rate = 1.0);
    let heard = Heard::default();
    let writer = rig.writer(rig.door());
    let options =
        ApplyOptions { drain_timeout: Duration::from_secs(120), ..ApplyOptions::default() };
    let plan = plan(vec![retire("default", &id)]);
    let mut run = std::pin::pin!(apply(&plan, &writer, &options, &heard));
    let early = tokio::time::timeout(Duration::from_secs(15), &mut run).await;
    assert!(early.is_err(), "{early:?}");
    let is_told = |it: &ApplyEvent| matches!(it, ApplyEvent::Undeletable { .. });
    assert!(heard.events().iter().any(is_told), "{:?}", heard.events());
    let outcomes = run.await;
    let faults: Vec<String> = heard
        .events()
        .iter()
        .filter_map(|it| match it {
            ApplyEvent::Undeletable { fault, .. } => Some(fault.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(faults.len(), 2, "one per runner: {faults:?}");
    assert!(faults[0].ends_with("sim: injected delete failure"), "{faults:?}");
    let told = told(&outcomes);
    assert!(told[0].starts_with("default delete timed out: 2 runners left after 2m"), "{told:?}");
    assert!(told[0].contains("cannot be deleted: its provider says:"), "{told:?}");
    assert!(told[0].ends_with("sim: injected delete failure"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_pool_is_deleted_at_once() {
    let rig = ApplyRig::new().await;
    let pool = rig.make(&rig.spec("default")).await;
    assert_eq!(rig.apply(vec![retire("default", &pool.id)]).await, ["default delete done"]);
    let gone = rig.apply(vec![retire("default", &pool.id)]).await;
    assert_eq!(gone, ["default delete already done: already deleted"]);
}

#[tokio::test(start_paused = true)]
async fn busy_runners_are_waited_for_and_no_job_dies() {
    let (rig, id) = idle_pool().await;
    jobs(&rig, 2, 300);
    wait(2).await;
    let heard = Heard::default();
    let writer = rig.writer(rig.door());
    let began = tokio::time::Instant::now();
    let steps = vec![retire("default", &id)];
    let outcomes = apply(&plan(steps), &writer, &ApplyOptions::default(), &heard).await;
    // The replacements that GARM began at the pick-up are removed; the apply waits for the two busy
    // runners.
    assert_eq!(told(&outcomes).len(), 1);
    assert!(outcomes[0].kind.is_good(), "{outcomes:?}");
    assert!(began.elapsed() > Duration::from_secs(290) && began.elapsed().as_secs() < 330);
    assert_eq!((rig.pools().await, rig.killed_jobs()), (vec![], 0));
    let drained =
        heard.events().iter().any(|it| matches!(it, ApplyEvent::Draining { busy: 2, .. }));
    assert!(drained, "{:?}", heard.events());
}

#[tokio::test(start_paused = true)]
async fn after_a_time_out_the_pool_stays_disabled_and_the_next_run_continues() {
    let (rig, id) = idle_pool().await;
    jobs(&rig, 2, 600);
    wait(2).await;
    let drain_timeout = Duration::from_secs(60);
    let options = ApplyOptions { drain_timeout, ..ApplyOptions::default() };
    let told = rig.apply_with(vec![retire("default", &id)], &options).await;
    assert_eq!(
        told,
        ["default delete timed out: 2 runners left after 1m; the pool stays disabled, and the \
          next run continues"]
    );
    assert_eq!(rig.pools().await, ["default,runnerctl=acme/default off 0/20 2"]);
    assert_eq!(rig.apply(vec![retire("default", &id)]).await, ["default delete done"]);
    assert_eq!((rig.pools().await, rig.killed_jobs()), (vec![], 0));
}

#[tokio::test(start_paused = true)]
async fn a_stop_signal_ends_a_drain_and_the_next_run_continues() {
    let (rig, id) = idle_pool().await;
    jobs(&rig, 2, 600);
    wait(2).await;
    let options = ApplyOptions::default();
    let stop = options.stop.clone();
    let signal = async {
        wait(20).await;
        stop.cancel();
    };
    let (told, ()) = tokio::join!(rig.apply_with(vec![retire("default", &id)], &options), signal);
    assert_eq!(
        told,
        ["default delete interrupted: the pool stays disabled, and the next run continues"]
    );
    assert!(rig.apply(vec![retire("default", &id)]).await[0].starts_with("default delete done"));
    assert_eq!(rig.killed_jobs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_inside_a_job_of_the_pool_does_not_wait_for_itself() {
    let (rig, id) = idle_pool().await;
    jobs(&rig, 1, 3_600);
    wait(2).await;
    let busy = rig.fleet().await.runners.into_iter().find(Runner::is_busy).unwrap().name;
    let options = ApplyOptions { own_runner: Some(busy.clone()), ..ApplyOptions::default() };
    let began = tokio::time::Instant::now();
    let told = rig.apply_with(vec![retire("default", &id)], &options).await;
    let expected = format!(
        "default delete blocked: this run is itself a job on `{}`, a runner of the pool, and does \
         not wait for it; the pool stays disabled, and the next run elsewhere continues",
        busy.as_str()
    );
    assert_eq!(told, [expected]);
    assert!(began.elapsed().as_secs() < 60);
    let left = rig.fleet().await.runners;
    assert!(left.iter().any(|it| it.name == busy && it.is_busy()));
}

#[tokio::test(start_paused = true)]
async fn another_runner_of_that_name_does_not_matter() {
    let (rig, id) = idle_pool().await;
    let own_runner = Some(RunnerName::new("elsewhere"));
    let options = ApplyOptions { own_runner, ..ApplyOptions::default() };
    let told = rig.apply_with(vec![retire("default", &id)], &options).await;
    assert_eq!(told, ["default delete done: 2 runners removed"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_handed_out_as_its_runner_is_removed_lives() {
    let (rig, id) = idle_pool().await;
    rig.memory.with(|it| it.knobs_mut().webhook_delay = Duration::from_secs(6));
    let memory = rig.memory.clone();
    // GARM still lists it as idle, but GitHub has given it a job.
    let door = Ambush::new(
        rig.door(),
        |it| it.method.word() == "DELETE" && it.path.starts_with("/instances/"),
        0,
        move || {
            let order = JobBatch::new(1, &["default"]).lasting(Duration::from_secs(60));
            memory.with(|it| it.queue_jobs(&order));
        },
    );
    let told = rig.apply_through(door, vec![retire("default", &id)]).await;
    assert_eq!(told, ["default delete done: 1 runner removed"]);
    assert_eq!((rig.pools().await, rig.killed_jobs()), (vec![], 0));
    let refused = rig.records();
    assert!(refused.contains(&"outcome delete runner refused".to_owned()), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn runners_that_never_became_ready_are_removed_too() {
    let rig = ApplyRig::new().await;
    rig.memory.with(|it| {
        *it.knobs_mut() = Knobs { create_fail_rate: 0.5, boot_hang_rate: 0.5, ..Knobs::default() };
    });
    let pool = rig.make(&PoolSpec { min_idle_runners: 8, ..rig.spec("default") }).await;
    wait(7).await;
    let told = rig.apply(vec![retire("default", &pool.id)]).await;
    assert!(told[0].starts_with("default delete done"), "{told:?}");
    assert_eq!(rig.pools().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_switched_on_again_is_switched_off_again() {
    let (rig, id) = idle_pool().await;
    jobs(&rig, 1, 60);
    wait(1).await;
    let meddling = async {
        wait(20).await;
        let change =
            PoolChange { enabled: Some(true), min_idle_runners: Some(3), ..PoolChange::default() };
        rig.client.update_pool(&id, &change).await.unwrap();
    };
    let (told, ()) = tokio::join!(rig.apply(vec![retire("default", &id)]), meddling);
    assert!(told[0].starts_with("default delete done"), "{told:?}");
    assert_eq!((rig.pools().await, rig.killed_jobs()), (vec![], 0));
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_changes_hands_while_it_drains_is_left_alone() {
    let (rig, id) = idle_pool().await;
    jobs(&rig, 1, 600);
    wait(1).await;
    let taking = async {
        wait(20).await;
        let labels = ["x", "runnerctl=other/x"].into_iter().collect();
        let change = PoolChange { labels: Some(labels), ..PoolChange::default() };
        rig.client.update_pool(&id, &change).await.unwrap();
        rig.forget();
    };
    let (told, ()) = tokio::join!(rig.apply(vec![retire("default", &id)]), taking);
    assert_eq!(told, ["default delete blocked: the pool now bears `runnerctl=other/x`"]);
    assert_eq!(rig.writes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn refused_github_credentials_end_the_step_with_their_reason() {
    let (rig, id) = idle_pool().await;
    rig.memory.with(|it| it.knobs_mut().pat = "revoked".into());
    let told = rig.apply(vec![retire("default", &id)]).await;
    assert!(told[0].starts_with("default delete failed: DELETE /instances/"), "{told:?}");
    assert!(told[0].contains("401 Not Authorized"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn deletions_whose_answers_are_lost_are_read_back() {
    let (rig, id) = idle_pool().await;
    rig.memory.with(|it| {
        it.faults.add(FaultRule::once("DELETE", "/instances/", Fault::LoseAnswer));
        it.faults.add(FaultRule::once("DELETE", "/instances/", Fault::Drop));
        it.faults.add(FaultRule::once("DELETE", "/pools/", Fault::LoseAnswer));
        it.faults.add(FaultRule::once("PUT", "/pools/", Fault::Drop));
    });
    let told = rig.apply(vec![retire("default", &id)]).await;
    assert_eq!(told, ["default delete done: 2 runners removed"]);
    assert_eq!(rig.pools().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_pool_drains_while_the_new_one_serves() {
    let (rig, old) = idle_pool().await;
    jobs(&rig, 2, 120);
    wait(2).await;
    let spec = PoolSpec { provider: "sim2".into(), ..rig.spec("default") };
    let told = rig.apply(vec![rig.replace("default", &old, spec)]).await;
    assert!(told[0].starts_with("default replace done"), "{told:?}");
    let fleet = rig.fleet().await;
    let pools: Vec<_> = fleet.pools.iter().map(|it| it.spec.provider.as_str()).collect();
    assert_eq!((pools, rig.killed_jobs()), (vec!["sim2"], 0));
}

#[tokio::test(start_paused = true)]
async fn idle_runners_are_removed_however_short_the_drain_timeout() {
    let (rig, id) = idle_pool().await;
    let options = ApplyOptions { drain_timeout: Duration::from_secs(1), ..ApplyOptions::default() };
    let told = rig.apply_with(vec![retire("default", &id)], &options).await;
    assert_eq!(told, ["default delete done: 2 runners removed"]);
    assert_eq!(rig.pools().await, [""; 0]);
}
