//! Failed runners, and the circuit breaker that opens when a provider keeps failing or has no quota
//! or capacity left.

use super::scene::{Scene, names};
use crate::scaling::circuit_breaker::{CircuitCause, RunnerProbe};
use crate::scaling::testing::{at, pool};
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

/// Puts the runner into `error` for lack of quota, as GARM writes it.
fn refuse(scene: &mut Scene, name: &str, second: i64) {
    scene.set(name, "error/pending", second);
    scene.runner(name).provider_fault = Some("sim: Quota exceeded for instances".into());
}

fn cause(decision: &Decision) -> Option<CircuitCause> {
    decision.rules.circuit.open.map(|open| open.cause)
}

/// Three runners are being created for eight jobs, and the provider has refused the first.
fn refused() -> Scene {
    let mut scene = Scene::without_floor();
    scene.queue(8, -40);
    scene.add(3, "creating/pending", 0);
    assert!(!is_open(&scene.look(4)));
    refuse(&mut scene, "a01", 5);
    scene
}

#[test]
fn one_failure_for_lack_of_quota_opens_the_circuit_at_its_first_sight() {
    let mut scene = refused();
    let decision = scene.look(5);
    assert_eq!(cause(&decision), Some(CircuitCause::NoCapacity));
    assert_eq!((decision.level, decision.reason), (0, Reason::CircuitOpen));
    assert_eq!((decision.inputs.counts.failed, decision.rules.circuit.failures), (1, 1));
    let open = decision.rules.circuit.open.unwrap();
    assert_eq!((open.since, open.probe_at), (at(5), at(20)));

    let mut scene = refused();
    scene.runner("a01").provider_fault = Some("image not found".into());
    assert!(!is_open(&scene.look(5)), "another failure counts as before");
}

#[test]
fn runners_of_the_same_burst_keep_their_jobs_until_they_fail_and_the_rest_goes_elsewhere() {
    let mut scene = refused();
    scene.add_pool(pool("b", &["x"]));
    scene.pools[0].spec.priority = 1;
    let queued = |scene: &mut Scene, now| {
        (scene.look_at("a", now).inputs.queued, scene.look_at("b", now).inputs.queued)
    };
    assert_eq!(queued(&mut scene, 5), (2, 6));
    refuse(&mut scene, "a02", 6);
    assert_eq!(queued(&mut scene, 6), (1, 7));
    scene.set("a03", "running/installing", 7);
    assert_eq!(queued(&mut scene, 7), (1, 7));
    // GARM tries again: no job comes back for that.
    scene.set("a01", "creating/pending", 10);
    assert_eq!(queued(&mut scene, 10), (1, 7));
    scene.set("a01", "running/installing", 12);
    scene.runner("a01").provider_fault = None;
    let decision = scene.look(12);
    assert!(!is_open(&decision), "the provider has quota again");
    assert_eq!((decision.inputs.queued, scene.look_at("b", 12).inputs.queued), (2, 6));
}

#[test]
fn a_vm_closes_it_unless_it_is_of_the_burst_in_which_the_quota_ran_out() {
    let mut scene = refused();
    assert!(is_open(&scene.look(5)));
    scene.set("a02", "running/installing", 6);
    assert!(is_open(&scene.look(6)));
    scene.set("a02", "running/idle", 16);
    assert!(is_open(&scene.look(16)), "nor when it becomes idle");
    scene.add(1, "creating/pending", 25);
    assert!(is_open(&scene.look(25)));
    scene.set("a04", "running/pending", 30);
    assert!(!is_open(&scene.look(30)), "a later one does");
    // A row that has not changed since is no new failure.
    assert!(!is_open(&scene.look(31)));
    refuse(&mut scene, "a03", 32);
    assert!(is_open(&scene.look(32)));
}

#[test]
fn a_vm_that_is_gone_makes_a_probe_due() {
    let mut scene = Scene::without_floor();
    scene.queue(8, -40);
    scene.add(2, "running/active", -60);
    scene.add(1, "creating/pending", 0);
    scene.look(4);
    refuse(&mut scene, "a03", 5);
    assert_eq!(scene.look(5).rules.circuit.probe, RunnerProbe::No);
    scene.look(20);
    scene.add(1, "creating/pending", 21);
    scene.look(21);
    refuse(&mut scene, "a04", 22);
    assert_eq!(scene.look(22).rules.circuit.open.unwrap().probe_at, at(51));
    assert_eq!(scene.look(40).rules.circuit.probe, RunnerProbe::No);
    scene.remove("a01");
    assert_eq!(scene.look(41).rules.circuit.probe, RunnerProbe::Now);
}

#[test]
fn while_garm_tries_again_its_attempts_are_the_probes() {
    let mut scene = refused();
    refuse(&mut scene, "a02", 5);
    refuse(&mut scene, "a03", 5);
    assert_eq!(scene.look(5).rules.circuit.failures, 3);
    assert_eq!(scene.wait(19).rules.circuit.probe, RunnerProbe::No);
    for second in [15, 25, 35, 45, 55] {
        scene.set("a01", "creating/pending", second - 5);
        assert_eq!(scene.look(second - 5).rules.circuit.probe, RunnerProbe::No, "{second}");
        refuse(&mut scene, "a01", second);
        assert_eq!(scene.look(second).rules.circuit.probe, RunnerProbe::No, "{second}");
    }
    assert_eq!(scene.wait(69).rules.circuit.probe, RunnerProbe::No);
    assert_eq!(scene.wait(70).rules.circuit.probe, RunnerProbe::Now);
    // A GARM that tries once leaves the rows as they are.
    let mut scene = refused();
    refuse(&mut scene, "a02", 5);
    refuse(&mut scene, "a03", 5);
    scene.look(5);
    let decision = scene.wait(20);
    assert_eq!((decision.rules.circuit.probe, decision.reason), (RunnerProbe::Now, Reason::Probe));
    assert_eq!(names(&scene.wait(124).remove), [""; 0]);
    assert_eq!(names(&scene.wait(125).remove), ["a01", "a02", "a03"]);
}
