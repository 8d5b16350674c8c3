//! Removal of idle and failed runners.

use std::time::Duration;

use runnerctl::domain::desired::ScalePolicy;
use runnerctl::reconcile::watch::WriteAction;
use runnerctl::sim::Exchange;

use crate::support::scaling_loop::{LoopRig, policy, steady, wait};

/// A pool of four idle runners, three of them beyond the minimum, with a `scale_down_delay` of a
/// minute.
async fn four_idle() -> LoopRig {
    let delay = Duration::from_secs(60);
    let rig =
        LoopRig::new(ScalePolicy { min_runners: 1, scale_down_delay: delay, ..policy() }).await;
    rig.set_level(4).await;
    wait(15).await;
    assert_eq!(rig.runner_counts().await, (0, 4, 0));
    rig.forget();
    rig
}

fn deletes(rig: &LoopRig) -> Vec<Exchange> {
    rig.writes().into_iter().filter(|it| it.method == "DELETE").collect()
}

#[tokio::test(start_paused = true)]
async fn idle_runners_are_kept_for_the_delay_and_removed_one_by_one_down_to_the_minimum() {
    let rig = four_idle().await;
    let watch = rig.start(steady());
    wait(40).await;
    assert_eq!((rig.runner_counts().await, rig.level().await), ((0, 4, 0), 4));
    wait(120).await;
    assert_eq!((rig.runner_counts().await, rig.level().await), ((0, 1, 0), 1));
    let expected = [
        "lower 4 3 done",
        "retire done",
        "lower 3 2 done",
        "retire done",
        "lower 2 1 done",
        "retire done",
    ];
    assert_eq!(watch.heard.deeds(), expected);
    let gone = deletes(&rig);
    assert!(gone.iter().all(|it| !it.path.contains('?')), "never forced: {gone:?}");
    for pair in gone.windows(2) {
        assert!(pair[1].at.duration_since(pair[0].at).as_millis() >= 5_000, "{pair:?}");
    }
    assert_eq!(rig.tally().vms, 4, "nothing was rebuilt");
}

#[tokio::test(start_paused = true)]
async fn a_runner_is_observed_idle_for_two_seconds_and_read_again_before_its_removal() {
    let rig = four_idle().await;
    let _watch = rig.start(steady());
    wait(160).await;
    let asked = rig.requests();
    let first = asked.iter().position(|it| it.method == "DELETE").unwrap();
    let lowered = asked[..first].iter().rfind(|it| it.method == "PUT").unwrap();
    let delete = &asked[first];
    assert!(delete.at.duration_since(lowered.at).as_millis() >= 1_900, "{lowered:?} {delete:?}");
    let read = &asked[first - 1];
    assert_eq!(read.path, format!("/pools/{}", rig.id("default")));
    assert!(delete.at.duration_since(read.at).as_millis() < 100, "{read:?} {delete:?}");
}

/// GitHub has given the runners jobs, and GARM learns of them 30 s later.
#[tokio::test(start_paused = true)]
async fn busy_is_a_normal_answer_and_the_job_lives() {
    let rig = four_idle().await;
    let watch = rig.start(steady());
    wait(43).await;
    rig.memory.with(|it| it.knobs_mut().webhook_delay = Duration::from_secs(30));
    rig.jobs(4, 100);
    wait(20).await;
    assert_eq!(rig.runner_counts().await.0, 0, "GARM has not heard of the jobs yet");
    let deeds = watch.heard.deeds();
    assert!(deeds.contains(&"retire refused".to_owned()), "{deeds:?}");
    assert!(!deeds.contains(&"retire done".to_owned()), "{deeds:?}");
    wait(300).await;
    assert_eq!((rig.tally().killed, rig.tally().done), (0, 4));
    let asks = deletes(&rig);
    let busy = asks.iter().filter(|it| it.status == 400).count();
    assert!((1..=4).contains(&busy), "a busy runner is not asked again and again: {asks:?}");
}

/// One of the three runners beyond the minimum has a job that GARM does not know of: the other two
/// are removed on time.
#[tokio::test(start_paused = true)]
async fn a_busy_runner_does_not_block_the_others() {
    let rig = four_idle().await;
    let watch = rig.start(steady());
    wait(43).await;
    rig.memory.with(|it| it.knobs_mut().webhook_delay = Duration::from_secs(120));
    rig.jobs(1, 100);
    wait(60).await;
    let deeds = watch.heard.deeds();
    let retired: Vec<&String> = deeds.iter().filter(|it| it.starts_with("retire")).collect();
    assert_eq!(retired, ["retire done", "retire refused", "retire done"], "{deeds:?}");
    wait(300).await;
    assert_eq!((rig.tally().killed, rig.tally().done), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_runner_is_removed_after_its_grace_with_its_fault() {
    let rig = LoopRig::new(ScalePolicy { min_runners: 1, ..policy() }).await;
    rig.memory.with(|it| it.knobs_mut().create_fail_rate = 1.0);
    let watch = rig.start(steady());
    wait(80).await;
    rig.memory.with(|it| it.knobs_mut().create_fail_rate = 0.0);
    wait(90).await;
    assert_eq!(deletes(&rig), [], "it is kept to be looked at");
    wait(60).await;
    assert_eq!(rig.runner_counts().await, (0, 1, 0), "{:?}", watch.heard.deeds());
    let acts = watch.heard.acts();
    let removed = acts.iter().find(|it| matches!(&it.action, WriteAction::Remove { .. })).unwrap();
    let WriteAction::Remove { fault, .. } = &removed.action else {
        unreachable!("found by its kind")
    };
    assert!(fault.as_ref().is_some_and(|it| it.contains("injected")), "{fault:?}");
    let log = watch.log();
    assert!(log.contains("provider_fault"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn every_write_is_on_record_before_and_after_with_its_decision() {
    let rig = four_idle().await;
    let watch = rig.start(steady());
    wait(160).await;
    let log = watch.log();
    let records: Vec<serde_json::Value> =
        log.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let one = |it: &serde_json::Value| {
        let word = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        format!("{} {}: {}", word(&it["kind"]), word(&it["act"]), word(&it["cause"]["decision"]))
    };
    let said: Vec<String> = records.iter().take(4).map(one).collect();
    let expected = [
        "intent set level: idle: level 4 to 3",
        "outcome set level: idle: level 4 to 3",
        "intent delete runner: idle",
        "outcome delete runner: idle",
    ];
    assert_eq!(said, expected);
    assert_eq!(records.len(), 12);
}

/// GitHub registers no runner, so the two never become ready.
#[tokio::test(start_paused = true)]
async fn a_pool_below_its_minimum_is_reported_once() {
    let rig = LoopRig::new(ScalePolicy { min_runners: 2, ..policy() }).await;
    let watch = rig.start(steady());
    rig.memory.with(|it| it.knobs_mut().api_fail_rate = 1.0);
    wait(900).await;
    let kinds: Vec<&str> = watch.heard.findings().iter().map(|it| it.kind.word()).collect();
    assert_eq!(kinds, ["below_min"]);
}
