//! Which jobs wait for a pool: routing with remembered state, stuck and forgotten jobs, pick-ups.

use super::scene::Scene;
use crate::domain::job::{Job, JobStatus};
use crate::scaling::testing::{at, job, pool, runner};
use crate::scaling::{Decision, RowChange};

/// Jobs that wait here, are stuck, or are forgotten.
fn waiting(decision: &Decision) -> (u32, u32, u32) {
    let inputs = &decision.inputs;
    (inputs.queued, inputs.exceptions.stuck, inputs.exceptions.forgotten)
}

#[test]
fn a_job_stays_with_its_former_pool_while_that_has_room() {
    let mut scene = Scene::without_floor();
    scene.add_pool(pool("b", &["x"]));
    scene.add_to("b", 1, "running/idle", 0);
    scene.queue(1, 0);
    assert_eq!(scene.look_at("b", 0).inputs.queued, 1);
    scene.runners.clear();
    assert_eq!(scene.look_at("b", 1).inputs.queued, 1);
    scene.pools[1].spec.max_runners = 1;
    scene.add_to("b", 1, "running/active", 2);
    assert_eq!(scene.look_at("b", 2).inputs.queued, 0);
    assert_eq!(scene.look(2).inputs.queued, 1);
}

#[test]
fn a_job_that_began_without_a_runners_name_waits_for_5_seconds_more() {
    let mut scene = Scene::without_floor();
    scene.queue(1, 0);
    assert_eq!(waiting(&scene.look(10)), (1, 0, 0));
    let begun = Job { status: JobStatus::InProgress, updated_at: at(12), ..scene.jobs[0].clone() };
    let decision = scene.hear(RowChange::Job(begun), 12);
    assert_eq!(waiting(&decision), (1, 0, 0));
    assert_eq!(waiting(&scene.wait(16)), (1, 0, 0));
    assert_eq!(waiting(&scene.wait(17)), (0, 0, 0));
}

#[test]
fn the_row_of_a_runner_ends_the_wait_whatever_the_job_says() {
    let mut scene = Scene::without_floor();
    scene.queue(1, 0);
    scene.look(10);
    let mut carrier = runner("a", "a01", "running/active", 11);
    carrier.job = Some(1_001);
    assert_eq!(waiting(&scene.hear(RowChange::Runner(carrier), 11)), (0, 0, 0));
}

/// An idle runner and two jobs for it, one of which another pool's runner took at second 10.
fn beside_an_idle_runner() -> Scene {
    let mut scene = Scene::without_floor();
    scene.add(1, "running/idle", 0);
    scene.add_pool(pool("b", &["y"]));
    scene.add_to("b", 1, "running/idle", 0);
    scene.queue(1, 5);
    scene.jobs.push(job(2, &["y"], 5));
    scene.look(5);
    scene.start(2, "b02", 10);
    scene.look(10);
    scene
}

#[test]
fn a_job_beside_an_idle_runner_is_stuck_a_minute_after_another_one_started() {
    let mut scene = beside_an_idle_runner();
    assert_eq!(waiting(&scene.look(69)), (1, 0, 0));
    assert_eq!(waiting(&scene.look(70)), (0, 1, 0));
    assert_eq!(waiting(&scene.look(700)), (0, 1, 0));
}

#[test]
fn without_another_start_nothing_is_stuck() {
    let mut scene = Scene::without_floor();
    scene.add(1, "running/idle", 0);
    scene.queue(1, 5);
    scene.look(5);
    assert_eq!(waiting(&scene.look(599)), (1, 0, 0));
}

#[test]
fn a_job_or_a_runner_that_came_after_the_start_is_not_stuck() {
    let mut scene = beside_an_idle_runner();
    scene.jobs[0].created_at = at(11);
    scene.look(11);
    assert_eq!(waiting(&scene.look(200)), (1, 0, 0));
    let mut scene = beside_an_idle_runner();
    scene.remove("a01");
    scene.look(11);
    scene.add(1, "running/idle", 12);
    assert_eq!(waiting(&scene.look(200)), (1, 0, 0));
}

#[test]
fn a_stuck_job_that_starts_in_the_pool_after_all_lifts_its_marks() {
    let mut scene = beside_an_idle_runner();
    scene.queue(1, 6);
    assert_eq!(waiting(&scene.look(70)), (0, 2, 0));
    scene.start(1, "a01", 80);
    assert_eq!(waiting(&scene.look(80)), (1, 0, 0));
}

#[test]
fn a_stuck_job_is_free_in_another_pool_that_fits() {
    let mut scene = beside_an_idle_runner();
    scene.add_pool(pool("c", &["x"]));
    scene.look(11);
    assert_eq!(waiting(&scene.look(70)), (0, 1, 0));
    assert_eq!(waiting(&scene.look_at("c", 70)), (1, 0, 0));
}

#[test]
fn a_job_that_vanishes_while_queued_for_10_minutes_is_served_for_an_hour_more() {
    let mut scene = Scene::without_floor();
    scene.queue(1, 0);
    scene.look(599);
    scene.jobs.clear();
    assert_eq!(waiting(&scene.look(600)), (1, 0, 1));
    assert_eq!(waiting(&scene.look(4_199)), (1, 0, 1));
    assert_eq!(waiting(&scene.look(4_200)), (0, 0, 0));
}

#[test]
fn a_younger_job_that_vanishes_is_over() {
    let mut scene = Scene::without_floor();
    scene.queue(1, 0);
    scene.look(590);
    scene.jobs.clear();
    assert_eq!(waiting(&scene.look(599)), (0, 0, 0));
}

#[test]
fn a_forgotten_job_that_reappears_or_starts_is_no_longer_forgotten() {
    let mut scene = Scene::without_floor();
    scene.add(1, "running/idle", 500);
    scene.queue(1, 0);
    scene.look(599);
    assert_eq!(waiting(&scene.hear(RowChange::JobGone(1), 600)), (1, 0, 1));
    // Its next webhook restores it under another id of GARM's.
    let back = Job { id: 9, created_at: at(610), updated_at: at(610), ..job(1, &["x"], 610) };
    assert_eq!(waiting(&scene.hear(RowChange::Job(back), 610)), (1, 0, 0));
    let mut carrier = runner("a", "a01", "running/active", 500);
    (carrier.job, carrier.updated_at) = (Some(1_001), at(611));
    assert_eq!(waiting(&scene.hear(RowChange::Runner(carrier), 611)), (0, 0, 0));
}

#[test]
fn a_late_deletion_of_the_old_row_does_not_remove_the_new_one() {
    let mut scene = Scene::without_floor();
    scene.queue(1, 0);
    scene.look(10);
    let anew = Job { id: 9, ..job(1, &["x"], 11) };
    scene.hear(RowChange::Job(anew), 11);
    assert_eq!(waiting(&scene.hear(RowChange::JobGone(1), 11)), (1, 0, 0));
}
