//! Failed runners, and the circuit breaker that opens when a provider keeps failing.

use super::scene::{Scene, names};
use crate::scaling::circuit_breaker::RunnerProbe;
use crate::scaling::testing::at;
use crate::scaling::{Decision, Reason};

fn is_open(decision: &Decision) -> bool {
    decision.rules.circuit.open.is_some()
}

#[test]
fn a_failed_create_counts_after_75_seconds_and_is_removed_2_minutes_later() {
    let mut scene = Scene::without_floor();
    scene.add(1, "error/pending", 0);
    // GARM retries the create and writes the row each time.
    scene.runner("a01").updated_at = at(60);
    let decision = scene.look(74);
    assert_eq!((decision.inputs.counts.retrying, decision.inputs.counts.failed), (1, 0));
    assert_eq!(decision.inputs.counts.until, Some(at(75)));
    let decision = scene.wait(75);
    assert_eq!((decision.inputs.counts.retrying, decision.inputs.counts.failed), (0, 1));
    assert_eq!(names(&scene.wait(194).remove), [""; 0]);
    assert_eq!(names(&scene.wait(195).remove), ["a01"]);
}

#[test]
fn a_create_that_garm_does_not_retry_counts_as_failed_after_15_seconds() {
    let mut scene = Scene::without_floor();
    scene.add(1, "error/pending", 0);
    let decision = scene.look(14);
    assert_eq!((decision.inputs.counts.retrying, decision.inputs.counts.failed), (1, 0));
    assert_eq!(scene.wait(15).inputs.counts.failed, 1);
    assert_eq!(names(&scene.wait(135).remove), ["a01"]);
}

#[test]
fn a_runner_that_outlives_boot_grace_has_failed() {
    let mut scene = Scene::without_floor();
    scene.add(1, "running/installing", 0);
    assert_eq!(scene.look(599).inputs.counts.booting, 1);
    assert_eq!(scene.wait(600).inputs.counts.failed, 1);
    assert_eq!(names(&scene.wait(720).remove), ["a01"]);
}

#[test]
fn a_failed_runner_is_replaced_at_once_and_the_level_falls_before_its_removal() {
    let mut scene = Scene::new();
    scene.add(1, "running/failed", 0);
    scene.add(1, "running/idle", 0);
    // GARM counts the failed runner as idle: 2 to keep and 1 dead.
    let decision = scene.look(0);
    assert_eq!((decision.rules.dead, decision.level), (1, 3));
    scene.add(1, "running/idle", 20);
    assert_eq!(scene.look(20).level, 3);
    let decision = scene.look(120);
    assert_eq!((names(&decision.remove), decision.level), (vec!["a01"], 2));
}

#[test]
fn three_failures_in_10_minutes_open_the_circuit_and_nothing_is_asked_for() {
    let mut scene = Scene::without_floor();
    scene.queue(9, 0);
    scene.add(2, "running/failed", 0);
    assert!(!is_open(&scene.look(40)));
    scene.add(1, "running/failed", 41);
    let decision = scene.look(41);
    assert!(is_open(&decision));
    assert_eq!((decision.level, decision.reason), (0, Reason::CircuitOpen));
}

#[test]
fn failures_that_are_10_minutes_old_are_forgotten() {
    for (third, opens) in [(599, true), (600, false)] {
        let mut scene = Scene::without_floor();
        scene.add(2, "running/failed", 0);
        scene.look(0);
        scene.add(1, "running/failed", third);
        assert_eq!(is_open(&scene.look(third)), opens, "third failure at {third}");
    }
}

#[test]
fn one_runner_is_one_failure_however_often_it_fails() {
    let mut scene = Scene::without_floor();
    scene.add(1, "error/pending", 0);
    for second in [80, 100, 120, 140] {
        scene.set("a01", "error/pending", second);
        assert_eq!(scene.look(second).rules.circuit.failures, 1);
        scene.set("a01", "creating/pending", second + 10);
        assert_eq!(scene.look(second + 10).inputs.counts.booting, 1);
    }
}

#[test]
fn a_runner_that_becomes_idle_in_between_resets_the_failures() {
    let mut scene = Scene::without_floor();
    scene.add(2, "running/failed", 0);
    scene.add(1, "creating/pending", 0);
    scene.look(0);
    scene.set("a03", "running/idle", 5);
    assert_eq!(scene.look(5).rules.circuit.failures, 0);
    scene.add(1, "running/failed", 6);
    assert!(!is_open(&scene.look(6)));
}

/// The circuit of a pool with three failed runners, open since second 0.
fn open() -> Scene {
    let mut scene = Scene::without_floor();
    scene.queue(9, -40);
    scene.add(3, "running/failed", 0);
    assert!(is_open(&scene.look(0)));
    scene
}

#[test]
fn the_first_runner_to_become_idle_closes_the_circuit() {
    let mut scene = open();
    scene.add(1, "creating/pending", 60);
    scene.look(60);
    scene.set("a04", "running/idle", 66);
    let decision = scene.look(66);
    assert!(!is_open(&decision));
    assert_eq!(decision.rules.need, 8);
}

#[test]
fn a_runner_first_seen_at_work_was_idle_before_and_closes_the_circuit() {
    let mut scene = open();
    scene.add(1, "creating/pending", 60);
    scene.look(60);
    scene.start(1, "a04", 67);
    assert!(!is_open(&scene.look(90)));
}

#[test]
fn an_open_circuit_is_probed_after_15_seconds_with_one_runner() {
    let mut scene = open();
    assert_eq!(scene.wait(14).rules.circuit.probe, RunnerProbe::No);
    let decision = scene.wait(15);
    assert_eq!((decision.rules.need, decision.reason), (1, Reason::Probe));
    // Three failed runners that count as idle, and one more.
    assert_eq!((decision.level, decision.resting_level), (4, 0));
    scene.add(1, "pending_create/pending", 20);
    let decision = scene.look(20);
    assert_eq!((decision.rules.need, decision.level), (0, 0));
}

#[test]
fn probes_come_ever_more_seldom_up_to_half_an_hour() {
    let mut scene = open();
    scene.runners.clear();
    let mut probes = Vec::new();
    let mut second = 1;
    while probes.len() < 10 {
        if scene.look(second).rules.circuit.probe == RunnerProbe::Now {
            probes.push(second);
            scene.add(1, "pending_create/pending", second);
            scene.look(second);
            scene.runners.clear();
        }
        second += 1;
    }
    let waits: Vec<i64> = probes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(probes[0], 15);
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1_800, 1_800, 1_800]);
}

#[test]
fn an_open_circuit_keeps_idle_runners_and_gives_garm_no_reason_to_create_any() {
    let mut scene = Scene::new();
    scene.add(1, "running/idle", -60);
    scene.look(-1);
    scene.add(3, "running/failed", 0);
    let decision = scene.look(0);
    assert!(is_open(&decision));
    // The floor is 2, and GARM counts 4 as idle: it must neither create a runner nor remove the
    // idle one.
    assert_eq!((decision.rules.floor, decision.level), (2, 1));
}
