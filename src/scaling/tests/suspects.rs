//! Idle runners that GitHub gives no job: passed over by younger ones, or beside jobs that never
//! start.

use super::scene::{Scene, names};
use crate::scaling::circuit_breaker::RunnerProbe;
use crate::scaling::testing::secs;
use crate::scaling::{Decision, Direction, Reason};

/// Idle and suspect runners, and the names of the suspect ones.
fn idle(decision: &Decision) -> (u32, u32, Vec<&str>) {
    let counts = &decision.inputs.counts;
    (counts.idle, counts.suspect, names(&decision.suspects))
}

/// Two runners idle since second 0, jobs 1 and 2 queued since 10, and a third runner, idle since
/// 30, that takes job 1 at 31.
fn passed_over() -> Scene {
    let mut scene = Scene::without_floor();
    scene.add(2, "running/idle", 0);
    scene.queue(2, 10);
    scene.look(10);
    scene.add(1, "running/installing", 20);
    scene.look(20);
    scene.set("a03", "running/idle", 30);
    scene.look(30);
    scene.start(1, "a03", 31);
    scene
}

#[test]
fn idle_runners_past_which_a_younger_one_takes_a_job_are_suspect_5_seconds_later() {
    let mut scene = passed_over();
    assert_eq!(idle(&scene.look(31)), (2, 0, vec![]));
    assert_eq!(idle(&scene.wait(35)), (2, 0, vec![]));
    let decision = scene.wait(36);
    assert_eq!(idle(&decision), (0, 2, vec!["a01", "a02"]));
    assert_eq!((decision.rules.covered, decision.rules.unserved), (0, 1));
}

#[test]
fn a_first_look_at_the_rows_finds_the_same_runners_suspect() {
    let mut scene = Scene::without_floor();
    scene.add(2, "running/idle", 0);
    scene.queue(2, 10);
    scene.add(1, "running/active", 20);
    scene.start(1, "a03", 31);
    assert_eq!(idle(&scene.look(40)), (0, 2, vec!["a01", "a02"]));
}

#[test]
fn suspect_runners_are_removed_after_failed_runner_grace_and_the_level_compensates_until_then() {
    let mut scene = passed_over();
    scene.policy().min_idle_runners = 2;
    let decision = scene.look(36);
    // Two idle runners are wanted besides the two that GARM counts but that serve no job.
    assert_eq!((decision.rules.dead, decision.level, decision.rules.need), (2, 4, 0));
    assert_eq!(names(&scene.wait(150).dismiss), [""; 0]);
    let decision = scene.wait(151);
    assert_eq!(names(&decision.dismiss), ["a01", "a02"]);
    assert_eq!((decision.remove, decision.retire), (vec![], vec![]));
}

#[test]
fn a_suspect_runner_that_takes_a_job_clears_the_others() {
    let mut scene = passed_over();
    scene.look(36);
    scene.start(2, "a01", 40);
    assert_eq!(idle(&scene.look(40)), (1, 0, vec![]));
    assert_eq!(idle(&scene.look(90)), (1, 0, vec![]), "the start before shows nothing any more");
}

#[test]
fn a_runner_whose_own_job_is_reported_a_moment_later_is_never_suspect() {
    let mut scene = passed_over();
    scene.look(31);
    scene.start(2, "a01", 34);
    let decision = scene.look(36);
    assert_eq!(idle(&decision), (0, 1, vec!["a02"]), "the other one was passed over all the same");
}

#[test]
fn a_job_that_has_just_come_may_go_to_any_idle_runner() {
    let mut scene = Scene::without_floor();
    scene.add(1, "running/idle", 0);
    scene.add(1, "running/idle", 50);
    scene.look(90);
    scene.queue(1, 100);
    scene.look(100);
    scene.start(1, "a02", 101);
    assert_eq!(idle(&scene.look(200)), (1, 0, vec![]));
}

#[test]
fn jobs_are_not_stuck_beside_a_runner_that_is_suspect() {
    let mut scene = passed_over();
    scene.look(36);
    let decision = scene.look(100);
    assert_eq!((decision.inputs.queued, decision.inputs.exceptions.stuck), (1, 0));
}

#[test]
fn a_job_that_waits_beside_an_idle_runner_while_a_young_one_starts_is_stuck_at_once() {
    let mut scene = Scene::without_floor();
    scene.add(2, "running/idle", 0);
    scene.queue(1, 0);
    scene.look(10);
    scene.queue(1, 100);
    scene.look(100);
    scene.start(2, "a02", 102);
    let decision = scene.look(102);
    assert_eq!((decision.inputs.queued, decision.inputs.exceptions.stuck), (0, 1));
}

/// One idle runner and a job beside it, both since second 0; no job starts.
fn quiet() -> Scene {
    let mut scene = Scene::without_floor();
    scene.policy().scale_down_delay = secs(600);
    scene.add(1, "running/idle", 0);
    scene.queue(1, 0);
    scene
}

#[test]
fn a_job_beside_an_idle_runner_for_max_queue_wait_requests_one_more_runner() {
    let mut scene = quiet();
    let decision = scene.look(59);
    assert_eq!((decision.reason, decision.rules.hand_out.untaken), (Reason::Served, 0));
    let decision = scene.look(60);
    assert_eq!((decision.reason, decision.rules.hand_out.untaken), (Reason::NotHandedOut, 1));
    assert_eq!(scene.wait(119).rules.need, 0);
    let decision = scene.wait(120);
    assert_eq!((decision.direction, decision.reason), (Direction::Up, Reason::HandOutProbe));
    assert_eq!((decision.rules.need, decision.level), (1, 2));
    scene.add(1, "pending_create/pending", 124);
    let decision = scene.look(124);
    assert_eq!((decision.rules.need, decision.level), (0, 0), "one is on its way");
}

/// The seconds at which one more runner is requested; each boots at once and is idle 5 s later.
fn probes(scene: &mut Scene, until: i64) -> Vec<i64> {
    let mut probes = Vec::new();
    for second in (0..until).step_by(5) {
        let decision = scene.look(second);
        if decision.rules.hand_out.probe == RunnerProbe::Now {
            probes.push(second);
            scene.add(1, "running/idle", second);
        }
    }
    probes
}

#[test]
fn further_ones_come_in_ever_longer_steps_up_to_half_an_hour() {
    let mut scene = quiet();
    let probes = probes(&mut scene, 10_000);
    assert_eq!(probes, [120, 240, 480, 960, 1_920, 3_720, 5_520, 7_320, 9_120]);
}

/// Three idle runners are released one after the other, each after `scale_down_delay`, and each
/// probe makes another. A real GARM was seen to create a runner every 25 s for as long as the rows
/// of two jobs that were long over stayed queued.
#[test]
fn runners_that_are_released_do_not_begin_the_steps_anew_and_the_jobs_are_given_up() {
    let mut scene = Scene::without_floor();
    scene.policy().scale_down_delay = secs(60);
    scene.policy().max_queue_wait = Some(secs(30));
    scene.add(3, "running/idle", 0);
    scene.queue(2, 0);
    let (mut probes, mut given_up) = (Vec::new(), None);
    for second in (0..3_600).step_by(5) {
        let decision = scene.look(second);
        for runner in &decision.retire {
            scene.remove(runner.as_str());
        }
        if decision.rules.hand_out.given_up == 2 {
            given_up.get_or_insert(second);
        }
        // In one evaluation in which a runner is missing, GARM creates one.
        if decision.rules.need > 0 {
            probes.push(second);
            scene.add(decision.rules.need as usize, "running/idle", second);
        }
    }
    assert_eq!((probes, given_up), (vec![30, 60, 120, 240, 480, 960, 1_920], Some(600)));
}

#[test]
fn one_that_starts_anew_asks_for_no_more_runners_than_one_that_remembers() {
    let mut scene = quiet();
    probes(&mut scene, 500);
    let rows = (scene.runners.clone(), scene.jobs.clone());
    let mut fresh = Scene::without_floor();
    (fresh.runners, fresh.jobs) = rows;
    for second in [500, 700, 955, 960] {
        let (old, new) = (scene.look(second), fresh.look(second));
        assert_eq!(old.level, new.level, "at {second}");
        assert_eq!(old.rules.hand_out.probe, new.rules.hand_out.probe, "at {second}");
    }
}

#[test]
fn jobs_that_a_newer_runner_does_not_get_either_hold_one_runner_after_10_minutes() {
    let mut scene = Scene::without_floor();
    scene.queue(20, 0);
    scene.look(30);
    scene.add(20, "running/idle", 45);
    let decision = scene.look(644);
    assert_eq!((decision.rules.hand_out.given_up, decision.rules.covered), (0, 20));
    let decision = scene.look(645);
    assert_eq!((decision.rules.hand_out.given_up, decision.rules.asking), (20, 1));
    assert_eq!((decision.inputs.queued, decision.rules.surplus), (20, 19));
    assert_eq!((decision.rules.need, decision.retire.len()), (0, 5));
    // While they are removed, none is created for the jobs again.
    scene.runners.truncate(7);
    let decision = scene.look(700);
    assert_eq!((decision.rules.wanted, decision.rules.covered), (0, 1));
    // A new job gets a runner of its own.
    scene.queue(1, 701);
    let decision = scene.look(702);
    assert_eq!((decision.rules.asking, decision.rules.covered), (2, 2));
}

/// Eight given-up jobs, after all runners but one were removed.
fn given_up() -> Scene {
    let mut scene = Scene::without_floor();
    scene.queue(8, 0);
    scene.look(30);
    scene.add(8, "running/idle", 45);
    scene.look(700);
    scene.runners.truncate(1);
    scene
}

#[test]
fn when_one_of_them_starts_all_of_them_count_again() {
    let mut scene = given_up();
    assert_eq!(scene.look(710).rules.wanted, 0);
    scene.start(1, "a01", 720);
    let decision = scene.look(720);
    assert_eq!((decision.rules.asking, decision.rules.need), (7, 7));
}

#[test]
fn when_a_younger_one_starts_they_are_stuck_and_none_is_built_for_them() {
    let mut scene = given_up();
    scene.queue(1, 720);
    scene.look(720);
    scene.start(9, "a01", 722);
    let decision = scene.look(722);
    assert_eq!((decision.inputs.queued, decision.inputs.exceptions.stuck), (0, 8));
    assert_eq!(decision.rules.need, 0);
}

#[test]
fn a_suspect_runner_goes_at_once_where_its_place_is_needed() {
    let mut scene = passed_over();
    scene.queue(9, 31);
    scene.policy().max_runners = 6;
    scene.add(3, "running/installing", 35);
    let decision = scene.look(36);
    assert_eq!((decision.rules.room, names(&decision.dismiss)), (0, vec![]), "not late yet");
    let decision = scene.wait(62);
    assert_eq!(names(&decision.dismiss), ["a01", "a02"]);
    // One is leaving, and its place will do for one of the jobs.
    scene.set("a01", "pending_delete/idle", 63);
    let decision = scene.look(63);
    assert_eq!(names(&decision.dismiss), ["a02"]);
}

/// A full pool of three runners, idle since second 0, and as many jobs beside them.
fn full() -> Scene {
    let mut scene = Scene::without_floor();
    scene.policy().max_runners = 3;
    scene.policy().max_queue_wait = Some(secs(30));
    scene.add(3, "running/idle", 0);
    scene.queue(3, 10);
    scene
}

#[test]
fn in_a_full_pool_one_idle_runner_makes_room_for_another() {
    let mut scene = full();
    let decision = scene.look(39);
    assert_eq!((decision.reason, names(&decision.retire)), (Reason::Served, vec![]));
    let decision = scene.wait(40);
    assert_eq!((decision.direction, decision.reason), (Direction::Down, Reason::HandOutProbe));
    assert_eq!((names(&decision.retire), decision.level), (vec!["a01"], 0));
    assert_eq!(names(&decision.reserve), ["a02", "a03"], "where GitHub calls it busy");
    scene.set("a01", "pending_delete/idle", 43);
    assert_eq!(names(&scene.look(43).retire), [""; 0], "one at a time");
    scene.remove("a01");
    let decision = scene.look(48);
    assert_eq!((decision.direction, decision.rules.need), (Direction::Up, 1));
}

#[test]
fn the_first_probe_is_one_runner_for_each_job_and_three_at_most() {
    for (jobs, tried) in [(1, 1), (2, 2), (9, 3)] {
        let mut scene = Scene::without_floor();
        scene.policy().max_queue_wait = Some(secs(30));
        scene.add(9, "running/idle", 0);
        scene.queue(jobs, 10);
        let decision = scene.look(40);
        assert_eq!((decision.reason, decision.rules.need), (Reason::HandOutProbe, tried));
        scene.add(tried as usize, "running/idle", 45);
        assert_eq!(scene.look(79).rules.need, 0);
        assert_eq!(scene.wait(80).rules.need, 1, "and one later");
    }
}
