//! Stopping, `--once`, `--release`, `--dry-run`, two loops at once, and the requests of an idle
//! fleet.

use std::collections::BTreeMap;
use std::time::Duration;

use runnerctl::domain::desired::ScalePolicy;
use runnerctl::garm::ErrorKind;
use runnerctl::reconcile::watch::{
    HoldReason, Incident, LoopSettings, RunMode, WatchCommand, Writes,
};
use runnerctl::scaling::Freeze;
use runnerctl::sim::{Fault, FaultRule, JobBatch as Jobs, SimConfig};

use crate::support::scaling_loop::{LoopRig, RESYNC, name, policy, steady, wait};

fn config() -> SimConfig {
    SimConfig { backoff: 300, ..SimConfig::default() }
}

fn once() -> LoopSettings {
    LoopSettings { course: RunMode::Once, ..steady() }
}

/// `held` keeps three idle runners; `default` has a raised level, because GitHub registers no more
/// runners.
async fn held_and_pulsing() -> LoopRig {
    let rig = LoopRig::of(config(), &[("default", policy()), ("held", policy())]).await;
    let level = runnerctl::domain::pool::PoolChange {
        min_idle_runners: Some(3),
        ..runnerctl::domain::pool::PoolChange::default()
    };
    rig.change("held", level).await;
    wait(15).await;
    rig.memory.with(|it| it.knobs_mut().api_fail_rate = 1.0);
    rig.jobs(12, 20);
    rig.forget();
    rig
}

async fn levels(rig: &LoopRig) -> (u32, u32) {
    let level = async |pool| rig.client.pool(&rig.id(pool)).await.unwrap().0.spec.min_idle_runners;
    (level("default").await, level("held").await)
}

#[tokio::test(start_paused = true)]
async fn a_stop_lowers_raised_levels_and_keeps_held_runners() {
    let rig = held_and_pulsing().await;
    let watch = rig.start(steady());
    wait(45).await;
    assert_eq!(levels(&rig).await, (12, 3), "{:?}", watch.heard.deeds());
    let began = tokio::time::Instant::now();
    assert_eq!(watch.stop().await.left_raised, []);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(levels(&rig).await, (0, 3));
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_garm_is_away_ends_in_time_and_names_what_is_left() {
    let rig = held_and_pulsing().await;
    let watch = rig.start(steady());
    wait(45).await;
    rig.go_away();
    let began = tokio::time::Instant::now();
    assert_eq!(watch.stop().await.left_raised, [name("default")]);
    assert!(began.elapsed() <= Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn once_stays_until_the_level_is_lowered() {
    let rig = LoopRig::new(policy()).await;
    rig.jobs(12, 20);
    wait(40).await;
    let watch = rig.start(once());
    let heard = std::sync::Arc::clone(&watch.heard);
    let began = tokio::time::Instant::now();
    assert_eq!(watch.end().await.unwrap().left_raised, []);
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert_eq!(heard.deeds(), ["raise 0 12 done", "lower 12 0 done"]);
    wait(60).await;
    let tally = rig.tally();
    assert_eq!((tally.vms, tally.done), (12, 12));
}

#[tokio::test(start_paused = true)]
async fn once_lowers_a_level_that_stays_raised_for_a_minute() {
    let rig = held_and_pulsing().await;
    wait(40).await;
    let watch = rig.start(once());
    let began = tokio::time::Instant::now();
    assert_eq!(watch.end().await.unwrap().left_raised, []);
    assert!((60..=64).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(levels(&rig).await, (0, 3));
}

#[tokio::test(start_paused = true)]
async fn once_without_work_reads_and_leaves() {
    let rig = LoopRig::new(policy()).await;
    rig.mute();
    let watch = rig.start(once());
    assert_eq!(watch.end().await.unwrap().left_raised, []);
    let asked = rig.asked();
    let one = format!("GET /organizations/{}", rig.entity.id);
    let expected = [
        "POST /auth/login",
        "GET /controller-info",
        "GET /pools",
        "GET /scalesets",
        &one,
        "GET /instances",
        "GET /jobs",
        "GET /organizations",
    ];
    assert_eq!(asked, expected);
}

#[tokio::test(start_paused = true)]
async fn once_raises_only_what_it_decided_first() {
    let rig = LoopRig::new(policy()).await;
    rig.jobs(12, 20);
    wait(40).await;
    rig.memory.with(|it| it.knobs_mut().api_fail_rate = 1.0);
    let watch = rig.start(once());
    wait(5).await;
    rig.jobs(6, 20);
    assert_eq!(watch.end().await.unwrap().left_raised, []);
    assert_eq!(rig.levels(), [12, 0]);
}

#[tokio::test(start_paused = true)]
async fn release_lowers_every_level_to_its_floor_and_leaves() {
    let kept = ScalePolicy { min_idle_runners: 1, ..policy() };
    let rig = LoopRig::of(config(), &[("default", policy()), ("held", kept)]).await;
    for pool in ["default", "held"] {
        let level = runnerctl::domain::pool::PoolChange {
            min_idle_runners: Some(3),
            ..runnerctl::domain::pool::PoolChange::default()
        };
        rig.change(pool, level).await;
    }
    wait(15).await;
    let watch = rig.start(LoopSettings { course: RunMode::Release, ..steady() });
    assert_eq!(watch.end().await.unwrap().left_raised, []);
    assert_eq!(levels(&rig).await, (0, 1));
    assert_eq!(rig.runner_counts().await.1, 6, "runners are left to GARM");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_decides_and_writes_nothing_and_asks_no_more_than_in_a_quiet_fleet() {
    let rig = held_and_pulsing().await;
    rig.set_level(7).await;
    rig.forget();
    let watch = rig.start(LoopSettings { writes: Writes::Withheld, ..steady() });
    wait(300).await;
    assert_eq!(rig.writes(), []);
    let slack = |it: &Incident| matches!(it, Incident::LeaseExpired(_));
    assert!(!watch.heard.has(slack), "no write of ours will lower it");
    assert_eq!(watch.heard.deeds(), [""; 0]);
    let kinds = kinds(&rig);
    let known = ["GET /controller-info", "GET /instances", "GET /jobs", "GET /organizations"];
    let one = format!("GET /organizations/{}", rig.entity.id);
    assert!(
        kinds.keys().all(|it| known.contains(&it.as_str())
            || it == "GET /pools"
            || it == "GET /scalesets"
            || *it == one
            || it == "POST /auth/login"),
        "{kinds:?}"
    );
    assert_eq!(watch.stop().await.left_raised, []);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_does_not_report_the_raised_level_of_another_process() {
    for course in [RunMode::Once, RunMode::Release] {
        let rig = LoopRig::new(policy()).await;
        rig.set_level(7).await;
        let settings = LoopSettings { course, writes: Writes::Withheld, ..steady() };
        assert_eq!(rig.start(settings).end().await.unwrap().left_raised, []);
        assert_eq!(rig.level().await, 7);
    }
}

#[tokio::test(start_paused = true)]
async fn once_and_release_give_up_a_garm_that_stays_away_for_half_a_minute() {
    for course in [RunMode::Once, RunMode::Release] {
        let settings = LoopSettings { course, ..steady() };
        let rig = LoopRig::new(policy()).await;
        rig.go_away();
        let began = tokio::time::Instant::now();
        let error = rig.start(settings).end().await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Transport(_)), "{error}");
        assert_eq!(began.elapsed().as_secs(), 30);

        // The loop waits for a GARM that is only being restarted.
        let watch = rig.start(settings);
        wait(9).await;
        rig.come_back();
        assert_eq!(watch.end().await.unwrap().left_raised, []);
    }
}

#[tokio::test(start_paused = true)]
async fn once_gives_up_on_a_garm_that_accepts_the_request_and_never_answers() {
    let rig = LoopRig::new(policy()).await;
    rig.fault(FaultRule::always("GET", "/", Fault::Slow(Duration::from_secs(55))));
    let began = tokio::time::Instant::now();
    let error = rig.start(once()).end().await.unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 30);
    assert_eq!(error.to_string(), "read GARM: no response within 30s");
}

/// The number of requests by method and path.
fn kinds(rig: &LoopRig) -> BTreeMap<String, usize> {
    rig.asked().into_iter().fold(BTreeMap::new(), |mut kinds, it| {
        *kinds.entry(it).or_default() += 1;
        kinds
    })
}

#[tokio::test(start_paused = true)]
async fn a_quiet_fleet_costs_four_requests_a_resync_and_a_handful_in_five_minutes() {
    let kept = ScalePolicy { min_idle_runners: 2, ..policy() };
    let names: Vec<String> = (1..=20).map(|it| format!("p{it}")).collect();
    let pools: Vec<(&str, ScalePolicy)> =
        names.iter().map(|it| (it.as_str(), kept.clone())).collect();
    let rig = LoopRig::of(config(), &pools).await;
    wait(60).await;
    let _watch = rig.start(steady());
    wait(60).await;
    rig.forget();
    // In an hour the controller and the entities are read twelve times.
    tokio::time::sleep(RESYNC * 120).await;
    let expected = [
        ("GET /controller-info", 12),
        ("GET /instances", 120),
        ("GET /jobs", 120),
        ("GET /organizations", 12),
        ("GET /pools", 120),
        ("GET /scalesets", 120),
    ];
    let expected: BTreeMap<String, usize> =
        expected.into_iter().map(|it| (it.0.to_owned(), it.1)).collect();
    assert_eq!(kinds(&rig), expected);
}

#[tokio::test(start_paused = true)]
async fn two_at_once_agree_and_no_runner_is_one_too_many() {
    for (seed, later) in [(1, 0), (2, 0), (3, 7), (4, 20)] {
        let rig = LoopRig::of(SimConfig { seed, ..config() }, &[("default", policy())]).await;
        let one = rig.start(steady());
        wait(later).await;
        let two = rig.start(steady());
        wait(40).await;
        rig.jobs(12, 20);
        wait(240).await;
        let tally = rig.tally();
        let deeds = (one.heard.deeds(), two.heard.deeds());
        assert_eq!((tally.vms, tally.done, tally.killed), (12, 12, 0), "seed {seed}: {deeds:?}");
        assert!(rig.levels().len() <= 4, "seed {seed}: {:?}", rig.levels());
        assert_eq!(rig.level().await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn other_pools_of_the_entity_are_supply_and_are_never_written_to() {
    let mut rig = LoopRig::of(config(), &[("default", policy()), ("other", policy())]).await;
    let other = rig.id("other");
    rig.pools.remove(&name("other"));
    let _watch = rig.start(steady());
    wait(40).await;
    rig.jobs(12, 20);
    let jobs = Jobs::new(12, &["other"]).lasting(Duration::from_secs(20));
    rig.memory.with(|it| it.queue_jobs(&jobs));
    wait(120).await;
    let path = format!("/pools/{other}");
    assert!(rig.writes().iter().all(|it| it.path != path));
    assert_eq!(rig.tally().vms, 12);
}

#[tokio::test(start_paused = true)]
async fn held_from_the_start_it_decides_and_writes_nothing_until_it_may() {
    let rig = LoopRig::new(policy()).await;
    let watch = rig.start(steady());
    watch
        .order(WatchCommand::Hold(HoldReason::Unproven, "mTLS is not proven to be enforced".into()))
        .await;
    wait(5).await;
    rig.jobs(12, 20);
    wait(60).await;
    assert!(watch.heard.has(|it| matches!(it, Incident::Frozen { why: Freeze::Unproven(_), .. })));
    assert_eq!((watch.heard.deeds(), rig.writes().len()), (vec![], 0));
    watch.order(WatchCommand::Go(HoldReason::Unproven)).await;
    wait(10).await;
    assert!(watch.heard.has(|it| matches!(it, Incident::Thawed { entity: None, .. })));
    assert_eq!(watch.heard.deeds(), ["raise 0 12 done", "lower 12 0 done"]);
}

#[tokio::test(start_paused = true)]
async fn while_held_levels_only_fall_and_no_runner_is_removed() {
    let rig = held_and_pulsing().await;
    let watch = rig.start(steady());
    wait(45).await;
    assert_eq!(levels(&rig).await, (12, 3), "{:?}", watch.heard.deeds());
    watch.order(WatchCommand::Hold(HoldReason::Unproven, "mTLS is not enforced".into())).await;
    wait(2).await;
    assert_eq!(levels(&rig).await, (0, 3), "{:?}", watch.heard.deeds());
    let before = watch.heard.deeds().len();
    // After more than ten minutes of idleness the idle runners of `held` would be removed.
    rig.jobs(12, 20);
    wait(900).await;
    let since = watch.heard.deeds().split_off(before);
    assert!(since.iter().all(|it| it.starts_with("lower ")), "{since:?}");
}

/// A standby sends no request that only serves writing; once it leads, it goes on where the previous
/// leader was, and a raised level that it has not polled is not lowered.
#[tokio::test(start_paused = true)]
async fn a_standby_writes_nothing_even_when_it_stops_and_writes_once_it_leads() {
    let rig = LoopRig::new(policy()).await;
    let standby = || WatchCommand::Hold(HoldReason::Standby, "host-a:1 leads in term 3".into());
    let watch = rig.start(steady());
    watch.order(standby()).await;
    wait(5).await;
    rig.jobs(12, 20);
    rig.set_level(7).await;
    rig.forget();
    wait(120).await;
    let asked = rig.asked();
    assert!(asked.iter().all(|request| !request.contains("/instances/")), "{asked:?}");
    assert_eq!((watch.heard.deeds(), rig.writes().len()), (vec![], 0));
    assert!(!watch.heard.has(|it| matches!(it, Incident::LeaseExpired(_))));
    rig.jobs(20, 60);
    watch.order(WatchCommand::Go(HoldReason::Standby)).await;
    wait(45).await;
    assert!(
        watch.heard.deeds().iter().any(|it| it.starts_with("raise ")),
        "{:?}",
        watch.heard.deeds()
    );
    assert!(!watch.heard.has(|it| matches!(it, Incident::LeaseExpired(_))));
    // A leader that is deposed leaves the level to its successor, and so does its stop.
    watch.order(standby()).await;
    wait(1).await;
    rig.set_level(9).await;
    rig.forget();
    wait(60).await;
    assert_eq!(watch.stop().await.left_raised, []);
    assert_eq!((rig.level().await, rig.writes().len()), (9, 0));
}
