//! The loads of DESIGN §5 under the loop, beside a GARM left to its own scaling, over many seeds:
//! the bounds of DESIGN §9 on waits and on VM time. `RUNNERCTL_SEEDS` gives more seeds than 8, and
//! `cargo test --test it watch::waits -- --nocapture` prints the figures.

use std::collections::HashMap;
use std::time::Duration;

use runnerctl::domain::desired::ScalePolicy;
use runnerctl::domain::name::PoolKind;
use runnerctl::sim::{Knobs, LogEntry, LogEvent, SimConfig};

use crate::support::scaling_loop::{LoopRig, RESYNC, policy, steady};

/// One load and the way it is served.
pub(super) struct Load {
    pub(super) what: &'static str,
    /// The start, the number of jobs and their duration in seconds.
    pub(super) batches: Vec<(u64, usize, u64)>,
    pub(super) policy: ScalePolicy,
    /// How many runners GARM alone keeps idle.
    pub(super) garms_idle: u32,
    /// GARM's backoff while the loop scales.
    pub(super) backoff: u64,
    pub(super) stream: Stream,
    pub(super) kind: PoolKind,
    /// How long the deletion of a VM takes, in seconds.
    pub(super) deletion_s: u64,
}

#[derive(PartialEq)]
pub(super) enum Stream {
    Open,
    Refused,
}

impl Load {
    pub(super) fn of(policy: ScalePolicy, garms_idle: u32) -> Self {
        Self {
            what: "",
            batches: Vec::new(),
            policy,
            garms_idle,
            backoff: 300,
            stream: Stream::Open,
            kind: PoolKind::Pool,
            deletion_s: 0,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Who {
    Ours,
    Alone,
}

pub(super) fn fast() -> ScalePolicy {
    ScalePolicy {
        scale_up_threshold: 1,
        scale_up_delay: Duration::from_secs(10),
        scale_down_delay: Duration::from_secs(60),
        ..policy()
    }
}

pub(super) fn two_idle() -> ScalePolicy {
    ScalePolicy { min_idle_runners: 2, ..fast() }
}

/// The results of a load in seconds, for one run or as means of several.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figures {
    pub(super) median: f64,
    pub(super) longest: f64,
    pub(super) vm: f64,
    /// The part of it for idle runners beyond the minimum, which R2 asks to keep.
    pub(super) held: f64,
    pub(super) vms: f64,
}

pub(super) fn seeds() -> u64 {
    std::env::var("RUNNERCTL_SEEDS").ok().and_then(|it| it.parse().ok()).unwrap_or(8)
}

/// The measured machine: it boots in 5 to 6 s, and a job is assigned 1.5 s after a runner is free.
pub(super) fn config(seed: u64, backoff: u64) -> SimConfig {
    let knobs = Knobs {
        boot_delay: Duration::from_secs(5),
        boot_jitter: Duration::from_secs(1),
        install_delay: Duration::from_millis(300),
        assign_delay: Duration::from_millis(1500),
        ..Knobs::default()
    };
    SimConfig { seed, backoff, knobs, ..SimConfig::default() }
}

/// Runs the load on a GARM, with the loop or with GARM alone.
async fn run(load: &Load, seed: u64, who: Who) -> Figures {
    let (idle, backoff) = match who {
        Who::Ours => (load.policy.min_idle_runners, load.backoff),
        Who::Alone => (load.garms_idle, 30),
    };
    let floor = ScalePolicy { min_runners: idle, ..load.policy.clone() };
    let mut config = config(seed, backoff);
    config.knobs.delete_delay = Duration::from_secs(load.deletion_s);
    let mut rig = match load.kind {
        PoolKind::Pool => LoopRig::of(config, &[("default", floor)]).await,
        PoolKind::ScaleSet => LoopRig::with_scale_set(config, &floor).await,
    };
    rig.pools.values_mut().for_each(|it| it.1 = load.policy.clone());
    if load.stream == Stream::Refused {
        rig.mute();
    }
    let watch = (who == Who::Ours).then(|| rig.start(steady()));
    // The burst starts at another point of GARM's five-second cycle each time.
    tokio::time::sleep(Duration::from_millis(40_000 + seed * 1_370 % 5_000)).await;
    let from = rig.memory.with(|it| it.log().len());
    let began = rig.memory.with(|it| it.now());
    let mut second = 0;
    for (at, count, seconds) in &load.batches {
        tokio::time::sleep(Duration::from_secs(at - second)).await;
        second = *at;
        rig.jobs(*count, *seconds);
    }
    tokio::time::sleep(Duration::from_secs(400)).await;
    let jobs: usize = load.batches.iter().map(|it| it.1).sum();
    let tally = rig.tally();
    assert_eq!((tally.done, tally.killed), (jobs, 0), "{}, seed {seed}", load.what);
    assert!(tally.most <= 20, "{}, seed {seed}: {tally:?}", load.what);
    let figures = rig.memory.with(|it| {
        let since = |at: jiff::Timestamp| it.now().duration_since(at).as_secs_f64();
        measure(&it.log()[..from], &it.log()[from..], since(began), idle, &since)
    });
    if let Some(watch) = watch {
        watch.stop().await;
    }
    figures
}

fn measure(
    before: &[LogEntry],
    log: &[LogEntry],
    span: f64,
    kept: u32,
    since: &dyn Fn(jiff::Timestamp) -> f64,
) -> Figures {
    let mut figures = Figures::default();
    let (mut waits, mut idle, mut beyond, mut last) = (Vec::new(), 0_i64, 0.0, span);
    let mut alive: HashMap<&str, f64> = HashMap::new();
    for entry in before {
        match &entry.what {
            LogEvent::VmCreated { name, .. } => drop(alive.insert(name, span)),
            LogEvent::VmDeleted { name, .. } => drop(alive.remove(name.as_str())),
            LogEvent::RunnerOnline { .. } => idle += 1,
            LogEvent::JobStarted { .. } => idle -= 1,
            LogEvent::RunnerRemoved { why, .. } if *why == "api" => idle -= 1,
            _ => {}
        }
    }
    for entry in log {
        let left = since(entry.at);
        #[expect(clippy::cast_precision_loss, reason = "a number of runners")]
        let spare = (idle - i64::from(kept)).max(0) as f64;
        beyond += (last - left) * spare;
        last = left;
        match &entry.what {
            LogEvent::JobStarted { waited_ms, .. } => {
                waits.push(*waited_ms);
                idle -= 1;
            }
            LogEvent::RunnerOnline { .. } => idle += 1,
            LogEvent::RunnerRemoved { why, .. } if *why == "api" => idle -= 1,
            LogEvent::VmCreated { name, .. } => {
                figures.vms += 1.0;
                alive.insert(name, left);
            }
            LogEvent::VmDeleted { name, .. } => {
                figures.vm += alive.remove(name.as_str()).unwrap_or(left) - left;
            }
            _ => {}
        }
    }
    waits.sort_unstable();
    let seconds = |it: u64| Duration::from_millis(it).as_secs_f64();
    figures.median = seconds(waits[(waits.len() - 1) / 2]);
    figures.longest = seconds(waits[waits.len() - 1]);
    figures.vm += alive.values().sum::<f64>();
    figures.held = beyond;
    figures
}

/// The means over all seeds: for the loop, and for GARM alone.
#[expect(clippy::print_stdout, reason = "figures to be printed on demand")]
pub(super) async fn compare(load: Load) -> (Figures, Figures) {
    let mut both = (Figures::default(), Figures::default());
    #[expect(clippy::cast_precision_loss, reason = "a number of seeds")]
    let share = 1.0 / seeds() as f64;
    for seed in 1..=seeds() {
        let (ours, alone) = (run(&load, seed, Who::Ours).await, run(&load, seed, Who::Alone).await);
        for (sum, it) in [(&mut both.0, ours), (&mut both.1, alone)] {
            sum.median += it.median * share;
            sum.longest += it.longest * share;
            sum.vm += it.vm * share;
            sum.held += it.held * share;
            sum.vms += it.vms * share;
        }
    }
    for (who, it) in [("ours", both.0), ("alone", both.1)] {
        println!(
            "{} | {who} | {:.1} / {:.1} / {:.0}, {:.0} of them held | {:.1} VMs",
            load.what, it.median, it.longest, it.vm, it.held, it.vms
        );
    }
    both
}

/// The bounds if GARM alone keeps as many idle: its waits and its cost, except for what R2 keeps.
fn like_for_like((ours, alone): (Figures, Figures)) {
    assert!(ours.median <= 1.02 * alone.median, "{ours:?} {alone:?}");
    assert!(ours.longest <= alone.longest, "{ours:?} {alone:?}");
    no_dearer((ours, alone));
}

pub(super) fn no_dearer((ours, alone): (Figures, Figures)) {
    assert!(ours.vm - ours.held <= 1.05 * (alone.vm - alone.held), "{ours:?} {alone:?}");
}

/// `scale_up_delay`, two of GARM's ticks, boot and assignment, if `max_runners` does not limit.
fn near_the_floor(ours: Figures, delay: f64) {
    assert!(ours.longest <= 1.05 * (delay + 10.0 + 5.8 + 1.5), "{ours:?}");
}

#[tokio::test(start_paused = true)]
async fn twelve_jobs_with_two_kept_idle() {
    let batches = vec![(0, 12, 20), (75, 3, 3)];
    let what = "12 jobs of 20 s, later 3; 2 kept idle";
    let both = compare(Load { what, batches, ..Load::of(two_idle(), 2) }).await;
    like_for_like(both);
    near_the_floor(both.0, 10.0);
}

#[tokio::test(start_paused = true)]
async fn thirty_jobs_with_two_kept_idle() {
    let what = "30 jobs of 20 s; 2 kept idle";
    let batches = vec![(0, 30, 20)];
    like_for_like(compare(Load { what, batches, ..Load::of(two_idle(), 2) }).await);
}

#[tokio::test(start_paused = true)]
async fn a_job_each_three_seconds_with_two_kept_idle() {
    let policy = ScalePolicy { scale_up_delay: Duration::from_secs(30), ..two_idle() };
    let batches = (0..30).map(|it| (3 * it, 1, 10)).collect();
    let what = "a job every 3 s, 30 of 10 s; 2 kept idle, delay 30 s";
    let both = compare(Load { what, batches, ..Load::of(policy, 2) }).await;
    like_for_like(both);
    near_the_floor(both.0, 30.0);
}

#[tokio::test(start_paused = true)]
async fn eighteen_jobs_from_zero() {
    let what = "18 jobs of 20 s, from zero";
    let both = compare(Load { what, batches: vec![(0, 18, 20)], ..Load::of(fast(), 0) }).await;
    assert!(both.0.median <= 0.6 * both.1.median, "{both:?}");
    assert!(both.0.longest <= 0.6 * both.1.longest, "{both:?}");
    no_dearer(both);
    near_the_floor(both.0, 10.0);
}

/// Without events the loop has only its full reads.
#[tokio::test(start_paused = true)]
async fn ten_jobs_from_zero_without_any_event() {
    let what = "10 jobs of 10 s, from zero, no events";
    let batches = vec![(0, 10, 10)];
    let load = Load { what, batches, stream: Stream::Refused, ..Load::of(fast(), 0) };
    let both = compare(load).await;
    assert!(both.0.longest <= 27.3 + RESYNC.as_secs_f64(), "{both:?}");
    assert!(both.0.vms < 10.5, "one runner per job: {both:?}");
    no_dearer(both);
}

/// `min_runners` includes busy runners, so no idle runner is kept beside them. Jobs wait for the
/// policy's own level changes, which take less VM time than two runners that are kept idle.
#[tokio::test(start_paused = true)]
async fn twelve_jobs_with_min_runners_two() {
    let policy = ScalePolicy { min_runners: 2, ..fast() };
    let batches = vec![(0, 12, 20), (75, 3, 3)];
    let what = "12 jobs of 20 s, later 3; `min_runners: 2`";
    let both = compare(Load { what, batches, ..Load::of(policy, 2) }).await;
    near_the_floor(both.0, 10.0);
    no_dearer(both);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_short_jobs() {
    let policy = ScalePolicy { min_runners: 2, ..fast() };
    let what = "100 jobs of 3 s; `min_runners: 2`";
    let both = compare(Load { what, batches: vec![(0, 100, 3)], ..Load::of(policy, 2) }).await;
    like_for_like(both);
}

/// The policy's own wait: at most five jobs, each for at most `max_queue_wait`.
#[tokio::test(start_paused = true)]
async fn seven_long_jobs_at_the_threshold_of_the_specification() {
    let policy = ScalePolicy { min_runners: 2, scale_up_threshold: 5, ..fast() };
    let what = "7 jobs of 60 s; `min_runners: 2`, threshold 5";
    let both = compare(Load { what, batches: vec![(0, 7, 60)], ..Load::of(policy, 2) }).await;
    assert!(both.0.longest <= 120.0 + 17.3, "{both:?}");
    no_dearer(both);
}

/// With GARM's default backoff, GARM's own scaling serves the jobs, and ours does not interfere.
#[tokio::test(start_paused = true)]
async fn twelve_jobs_under_garms_default_backoff() {
    let policy = ScalePolicy { scale_up_delay: Duration::from_secs(30), ..two_idle() };
    let what = "12 jobs of 20 s; 2 kept idle, GARM's backoff left as it is";
    let load = Load { what, batches: vec![(0, 12, 20)], backoff: 30, ..Load::of(policy, 2) };
    let both = compare(load).await;
    assert!(both.0.longest <= 1.05 * both.1.longest, "{both:?}");
    no_dearer(both);
}
