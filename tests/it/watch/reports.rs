//! How often the loop reports its state for metrics, alerts and pages.

use std::time::Duration;

use crate::support::scaling_loop::{LoopRig, policy, steady};

async fn pass(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_events_is_reported_five_times_a_second_and_its_last_state_without_another_event()
 {
    let rig = LoopRig::new(policy()).await;
    // No runner is ready before the end.
    rig.turn(|knobs| knobs.boot_delay = Duration::from_mins(1));
    let watch = rig.start(steady());
    pass(5_000).await;
    let (before, changes) = (watch.heard.reports(), watch.heard.changes());
    for _ in 0..50 {
        rig.jobs(1, 60);
        pass(20).await;
    }
    pass(200).await;
    let reports = watch.heard.reports() - before;
    assert!(watch.heard.changes() - changes >= 50);
    assert!((5..=8).contains(&reports), "{reports} reports");
    assert_eq!(watch.heard.queued(), 50);
    watch.kill().await;
}

#[tokio::test(start_paused = true)]
async fn the_state_at_the_end_of_the_loop_is_reported() {
    let rig = LoopRig::new(policy()).await;
    let watch = rig.start(steady());
    pass(5_000).await;
    rig.jobs(1, 60);
    pass(50).await;
    // Less than the time between two reports after the last one.
    rig.jobs(1, 60);
    pass(50).await;
    assert_eq!(watch.heard.queued(), 1);
    let heard = std::sync::Arc::clone(&watch.heard);
    watch.stop().await;
    assert_eq!(heard.queued(), 2);
}
