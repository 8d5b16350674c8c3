//! A GARM whose full reads are slow: they are further apart, and nothing is taken for stale.

use std::time::Duration;

use runnerctl::reconcile::watch::Incident;
use runnerctl::scaling::Freeze;
use runnerctl::sim::{Fault, FaultRule};

use crate::support::scaling_loop::{LoopRig, policy, steady, wait};

/// The last request of each full read takes this long.
fn slow(rig: &LoopRig, seconds: u64) {
    let late = Fault::Slow(Duration::from_secs(seconds));
    rig.fault(FaultRule::always("GET", "/jobs", late));
}

fn is_frozen(it: &Incident) -> bool {
    matches!(it, Incident::Frozen { entity: None, .. })
}

/// Jobs of 20 s that are queued now; how many of them end within the next two minutes.
async fn served(rig: &LoopRig) -> usize {
    let before = rig.tally().done;
    rig.jobs(6, 20);
    wait(120).await;
    rig.tally().done - before
}

#[tokio::test(start_paused = true)]
async fn slow_reads_are_further_apart_and_events_scale_meanwhile() {
    let rig = LoopRig::new(policy()).await;
    slow(&rig, 6);
    let watch = rig.start(steady());
    // Reads at 0 s and when the stream connects; then every seven and a half.
    wait(60).await;
    let first = watch.heard.reads();
    for _ in 0..10 {
        assert_eq!(served(&rig).await, 6);
        wait(240).await;
    }
    let reads = watch.heard.reads() - first;
    assert!((7..=9).contains(&reads), "{reads} reads in an hour");
    assert!(!watch.heard.has(is_frozen), "{:?}", watch.heard.incidents());
    assert_eq!(rig.tally().killed, 0);
}

#[tokio::test(start_paused = true)]
async fn without_events_slow_reads_come_every_two_minutes_and_quick_ones_every_half() {
    for (seconds, expected) in [(0, 115..=121), (6, 26..=31)] {
        let rig = LoopRig::new(policy()).await;
        rig.mute();
        slow(&rig, seconds);
        let watch = rig.start(steady());
        wait(3_600).await;
        let reads = watch.heard.reads();
        assert!(expected.contains(&reads), "{seconds} s: {reads} reads in an hour");
        assert!(!watch.heard.has(is_frozen), "{:?}", watch.heard.incidents());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_stream_does_not_make_the_last_slow_read_stale() {
    let rig = LoopRig::new(policy()).await;
    slow(&rig, 6);
    let watch = rig.start(steady());
    // More than four minutes after a read: without events, one is overdue then.
    wait(400).await;
    let before = watch.heard.reads();
    rig.memory.cut_streams();
    rig.mute();
    wait(20).await;
    assert_eq!(watch.heard.reads(), before + 1);
    assert!(!watch.heard.has(is_frozen), "{:?}", watch.heard.incidents());
}

#[tokio::test(start_paused = true)]
async fn reads_that_fail_still_freeze() {
    let rig = LoopRig::new(policy()).await;
    slow(&rig, 6);
    let watch = rig.start(steady());
    wait(60).await;
    rig.go_away();
    // The stream is lost, too, so the next read comes after two minutes.
    wait(150).await;
    let is_unreachable =
        |it: &Incident| matches!(it, Incident::Frozen { why: Freeze::Unreachable, .. });
    assert!(watch.heard.has(is_unreachable), "{:?}", watch.heard.incidents());
}
