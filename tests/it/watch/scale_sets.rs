//! Scale sets under the loop, beside a GARM left alone, over many seeds: waits, VM time, stalled
//! bursts, lost and repeated messages. `RUNNERCTL_SEEDS` gives more seeds than 8.

use std::time::Duration;

use runnerctl::domain::desired::ScalePolicy;
use runnerctl::domain::name::PoolKind;
use runnerctl::scaling::Reason;
use runnerctl::sim::{Knobs, SimConfig};

use super::waits::{Figures, Load, Stream, compare, config, fast, no_dearer, seeds, two_idle};
use crate::support::scaling_loop::{LoopRig, Tally, steady, wait};

fn set(policy: ScalePolicy, garms_idle: u32) -> Load {
    Load { kind: PoolKind::ScaleSet, ..Load::of(policy, garms_idle) }
}

/// GARM serves the jobs, so the loop must not make them wait: the means are equal to within the point
/// in GARM's five seconds at which each job comes.
fn no_slower((ours, alone): (Figures, Figures)) {
    assert!(ours.median <= alone.median + 1.0, "{ours:?} {alone:?}");
    assert!(ours.longest <= alone.longest + 1.0, "{ours:?} {alone:?}");
    no_dearer((ours, alone));
}

#[tokio::test(start_paused = true)]
async fn eighteen_jobs_from_zero() {
    let what = "scale set: 18 jobs of 20 s, from zero";
    no_slower(compare(Load { what, batches: vec![(0, 18, 20)], ..set(fast(), 0) }).await);
}

#[tokio::test(start_paused = true)]
async fn twelve_jobs_and_three_later_with_two_kept_idle() {
    let what = "scale set: 12 jobs of 20 s, later 3; 2 kept idle";
    let batches = vec![(0, 12, 20), (75, 3, 3)];
    no_slower(compare(Load { what, batches, ..set(two_idle(), 2) }).await);
}

#[tokio::test(start_paused = true)]
async fn thirty_jobs_with_two_kept_idle() {
    let what = "scale set: 30 jobs of 20 s; 2 kept idle";
    no_slower(compare(Load { what, batches: vec![(0, 30, 20)], ..set(two_idle(), 2) }).await);
}

#[tokio::test(start_paused = true)]
async fn a_job_each_three_seconds_with_two_kept_idle() {
    let what = "scale set: a job every 3 s, 30 of 10 s; 2 kept idle";
    let batches = (0..30).map(|it| (3 * it, 1, 10)).collect();
    no_slower(compare(Load { what, batches, ..set(two_idle(), 2) }).await);
}

/// GARM counts rows in deletion as runners and starts none in their place.
#[tokio::test(start_paused = true)]
async fn a_job_each_three_seconds_where_deletions_take_twenty_seconds() {
    let what = "scale set: a job every 3 s, 30 of 10 s, from zero; deletions of 20 s";
    let batches = (0..30).map(|it| (3 * it, 1, 10)).collect();
    let (ours, alone) = compare(Load { what, batches, deletion_s: 20, ..set(fast(), 0) }).await;
    assert!(ours.median <= 0.8 * alone.median, "{ours:?} {alone:?}");
    assert!(ours.longest <= 0.8 * alone.longest, "{ours:?} {alone:?}");
}

#[tokio::test(start_paused = true)]
async fn two_bursts_where_deletions_take_twenty_seconds() {
    let what = "scale set: 8 jobs of 10 s, then 8 each 25 s; deletions of 20 s";
    let batches = (0..4).map(|it| (25 * it, 8, 10)).collect();
    let (ours, alone) = compare(Load { what, batches, deletion_s: 20, ..set(fast(), 0) }).await;
    assert!(ours.longest <= 0.8 * alone.longest, "{ours:?} {alone:?}");
}

#[tokio::test(start_paused = true)]
async fn without_events_jobs_wait_no_longer_than_under_garm_alone() {
    let what = "scale set: 12 jobs of 10 s, then 12; no events";
    let batches = vec![(0, 12, 10), (60, 12, 10)];
    let load = Load { what, batches, stream: Stream::Refused, ..set(fast(), 0) };
    let (ours, alone) = compare(load).await;
    assert!(ours.longest <= alone.longest + 1.0, "{ours:?} {alone:?}");
}

/// Runs a burst at a scale set under the loop; returns the summary and the writes in words.
async fn burst(config: SimConfig, policy: &ScalePolicy, jobs: usize) -> (Tally, Vec<String>) {
    let rig = LoopRig::with_scale_set(config, policy).await;
    let watch = rig.start(steady());
    wait(9).await;
    rig.jobs(jobs, 20);
    wait(300).await;
    let deeds = watch.heard.deeds();
    watch.stop().await;
    (rig.tally(), deeds)
}

fn rescues(deeds: &[String]) -> usize {
    deeds.iter().filter(|deed| deed.starts_with("rescue") && deed.ends_with("done")).count()
}

#[tokio::test(start_paused = true)]
async fn a_stalled_burst_is_rescued_within_twenty_seconds_and_no_other_is() {
    for seed in 1..=seeds() {
        for rate in [0.0, 1.0] {
            let mut config = config(seed, 300);
            config.knobs.first_burst_stall_rate = rate;
            let (tally, deeds) = burst(config, &fast(), 18).await;
            assert_eq!((tally.done, tally.killed), (18, 0), "seed {seed}: {tally:?}");
            assert_eq!(rescues(&deeds), usize::from(rate > 0.0), "seed {seed}: {deeds:?}");
            // Ten seconds, GARM's comparison, the manager's, boot and assignment.
            let longest = if rate > 0.0 { 10 + 5 + 13 } else { 5 + 13 };
            assert!(tally.longest_wait_s <= longest, "seed {seed}: {tally:?} {deeds:#?}");
            assert!(tally.vms <= 19, "seed {seed}: {tally:?}");
        }
    }
}

/// The event with the number of assigned jobs is lost: the job rows show that something is wrong,
/// and the scale set is read before the next full read.
#[tokio::test(start_paused = true)]
async fn a_stall_is_seen_when_its_events_are_lost() {
    use runnerctl::sim::{Fault, FaultRule};
    for seed in 1..=seeds() {
        let mut config = config(seed, 300);
        config.knobs.first_burst_stall_rate = 1.0;
        let rig = LoopRig::with_scale_set(config, &fast()).await;
        let watch = rig.start(steady());
        wait(32).await;
        rig.fault(FaultRule::always("EVENT", "scaleset/", Fault::LoseAnswer));
        rig.jobs(6, 20);
        wait(60).await;
        assert_eq!(rescues(&watch.heard.deeds()), 1, "{:?}", watch.heard.deeds());
        assert!(rig.tally().longest_wait_s <= 3 + 10 + 5 + 12 + 1, "{:?}", rig.tally());
        watch.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn lost_repeated_and_late_messages_kill_no_job_and_leave_nothing() {
    for seed in 1..=seeds() {
        let mut config = config(seed, 300);
        config.knobs = Knobs {
            message_twice_rate: 0.3,
            message_late_rate: 0.3,
            message_late_by: Duration::from_secs(4),
            event_late_rate: 0.2,
            event_loss_rate: 0.05,
            ..config.knobs
        };
        let rig = LoopRig::with_scale_set(config, &two_idle()).await;
        let watch = rig.start(steady());
        wait(20).await;
        for _ in 0..8 {
            rig.jobs(5, 15);
            wait(11).await;
        }
        wait(400).await;
        let tally = rig.tally();
        assert_eq!((tally.done, tally.killed), (40, 0), "seed {seed}: {tally:?}");
        assert!(tally.most <= 20, "seed {seed}: {tally:?}");
        assert_eq!(rig.runner_counts().await, (0, 2, 0), "seed {seed}");
        assert_eq!(rig.level().await, 2, "seed {seed}");
        watch.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_watchers_agree_and_double_no_runner() {
    for seed in 1..=seeds() {
        let rig = LoopRig::with_scale_set(config(seed, 300), &two_idle()).await;
        let watches = [rig.start(steady()), rig.start(steady())];
        wait(20).await;
        rig.jobs(10, 20);
        wait(60).await;
        rig.jobs(4, 20);
        wait(200).await;
        let tally = rig.tally();
        assert_eq!((tally.done, tally.killed), (14, 0), "seed {seed}: {tally:?}");
        assert!(tally.vms <= 14 + 2 + 2, "seed {seed}: {tally:?} {:?}", watches[0].heard.deeds());
        assert_eq!(rig.runner_counts().await, (0, 2, 0), "seed {seed}");
        for watch in watches {
            watch.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_garm_that_is_away_and_comes_back_loses_no_job() {
    let rig = LoopRig::with_scale_set(config(3, 300), &fast()).await;
    let watch = rig.start(steady());
    wait(20).await;
    rig.jobs(6, 30);
    wait(12).await;
    rig.go_away();
    wait(50).await;
    rig.come_back();
    rig.jobs(6, 10);
    wait(200).await;
    let tally = rig.tally();
    assert_eq!((tally.done, tally.killed), (12, 0), "{tally:?}");
    assert_eq!(rig.runner_counts().await, (0, 0, 0));
    watch.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_read_needs_one_request_for_all_scale_sets() {
    let mut asked = Vec::new();
    for scale_sets in [0, 40] {
        let mut rig = LoopRig::of(config(1, 300), &[("default", fast())]).await;
        for number in 0..scale_sets {
            rig.make_scale_set(&format!("set-{number}"), &fast()).await;
        }
        let watch = rig.start(steady());
        wait(15).await;
        rig.forget();
        wait(60).await;
        asked.push(rig.asked());
        watch.stop().await;
    }
    let of_sets = asked[0].iter().filter(|request| request.contains("scalesets")).count();
    assert_eq!((&asked[1], of_sets), (&asked[0], 2), "two full reads");
}

/// GARM is killed while jobs wait, boot and run, and GitHub refuses a new session (409) as long as it
/// keeps that of the dead GARM.
#[tokio::test(start_paused = true)]
async fn jobs_before_during_and_after_a_crash_are_served_and_levels_restored() {
    for seed in 1..=seeds() {
        for held in [0, 60] {
            let rig = LoopRig::with_scale_set(config(seed, 300), &two_idle()).await;
            let watch = rig.start(steady());
            wait(30).await;
            rig.jobs(6, 25);
            wait(6 + seed % 20).await;
            rig.memory.with(|world| {
                world.crash();
                world.take_over_sessions(Duration::from_secs(held));
            });
            rig.jobs(5, 20);
            wait(10).await;
            rig.jobs(3, 20);
            wait(120).await;
            rig.jobs(4, 20);
            wait(400).await;
            let (tally, deeds) = (rig.tally(), watch.heard.deeds());
            let what = format!("seed {seed}, session held for {held} s: {tally:?} {deeds:#?}");
            assert_eq!((tally.done, tally.killed), (18, 0), "{what}");
            // The worker starts within 10 s, and tries to open a session every 2 s.
            assert!(tally.longest_wait_s <= 10.max(held + 2) + 5 + 13, "{what}");
            assert_eq!(rig.runner_counts().await, (0, 2, 0), "{what}");
            assert_eq!(rig.level().await, 2, "{what}");
            watch.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_taken_over_and_given_back_loses_no_job() {
    for seed in 1..=seeds() {
        let rig = LoopRig::with_scale_set(config(seed, 300), &fast()).await;
        let watch = rig.start(steady());
        wait(20).await;
        for _ in 0..3 {
            rig.jobs(4, 15);
            wait(2 + seed % 7).await;
            rig.memory.with(|world| world.take_over_sessions(Duration::from_secs(30)));
            rig.jobs(2, 15);
            wait(50).await;
        }
        wait(400).await;
        let (tally, deeds) = (rig.tally(), watch.heard.deeds());
        assert_eq!((tally.done, tally.killed), (18, 0), "seed {seed}: {tally:?} {deeds:#?}");
        // The session, two of GARM's comparisons, the manager's, boot and assignment.
        assert!(tally.longest_wait_s <= 32 + 10 + 13, "seed {seed}: {tally:?} {deeds:#?}");
        assert_eq!(rig.runner_counts().await, (0, 0, 0), "seed {seed}");
        assert_eq!(rig.level().await, 0, "seed {seed}");
        watch.stop().await;
    }
}

/// GARM alone would remove idle runners at once, at random.
#[tokio::test(start_paused = true)]
async fn idle_runners_are_held_for_scale_down_delay_and_the_oldest_goes_first() {
    let policy = ScalePolicy { scale_down_delay: Duration::from_secs(120), ..fast() };
    let mut config = config(5, 300);
    config.knobs.assign_delay = Duration::from_secs(60);
    let rig = LoopRig::with_scale_set(config, &policy).await;
    let watch = rig.start(steady());
    wait(9).await;
    let jobs = rig.jobs(4, 60);
    wait(25).await;
    rig.memory.with(|world| jobs.iter().for_each(|job| world.end_job(*job, "cancelled")));
    wait(60).await;
    assert_eq!(rig.runner_counts().await, (0, 4, 0), "{:?}", watch.heard.deeds());
    assert_eq!(rig.level().await, 4);
    wait(200).await;
    assert_eq!(rig.runner_counts().await, (0, 0, 0));
    assert_eq!((rig.level().await, rig.tally().vms), (0, 4), "each was removed once");
    let reasons = watch.heard.reasons();
    assert!(reasons.contains(&Reason::Hold) && reasons.contains(&Reason::Idle), "{reasons:?}");
    watch.stop().await;
}
