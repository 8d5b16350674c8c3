//! When a pool starts more runners, and how many: R1, `max_queue_wait` and GARM's own backoff.

use super::scene::Scene;
use crate::scaling::testing::{at, secs};
use crate::scaling::{Decision, Direction, Reason};

/// The requested runners, with the direction and the reason.
fn need(decision: &Decision) -> (u32, Direction, Reason) {
    (decision.rules.need, decision.direction, decision.reason)
}

const TOO_FEW: (u32, Direction, Reason) = (0, Direction::Stay, Reason::Threshold);

fn pressed(count: u32) -> (u32, Direction, Reason) {
    (count, Direction::Up, Reason::Pressure)
}

fn late(count: u32) -> (u32, Direction, Reason) {
    (count, Direction::Up, Reason::Late)
}

#[test]
fn more_than_5_jobs_for_30_seconds_each_get_a_runner_and_not_a_second_sooner() {
    let mut scene = Scene::without_floor();
    scene.queue(6, 0);
    assert_eq!(need(&scene.look(0)), TOO_FEW);
    assert_eq!(need(&scene.look(29)), TOO_FEW);
    let decision = scene.look(30);
    assert_eq!(need(&decision), pressed(6));
    assert_eq!((decision.level, decision.resting_level), (6, 0));
}

#[test]
fn just_5_jobs_wait_for_max_queue_wait() {
    let mut scene = Scene::without_floor();
    scene.queue(5, 0);
    assert_eq!(need(&scene.look(30)), TOO_FEW);
    assert_eq!(need(&scene.look(119)), TOO_FEW);
    assert_eq!(need(&scene.look(120)), late(5));
}

#[test]
fn only_the_jobs_that_are_late_get_a_runner_without_pressure() {
    let mut scene = Scene::without_floor();
    scene.queue(2, 0);
    scene.queue(3, 60);
    assert_eq!(need(&scene.look(120)), late(2));
    assert_eq!(need(&scene.look(180)), late(5));
}

#[test]
fn max_queue_wait_off_lets_few_jobs_wait_for_ever() {
    let mut scene = Scene::without_floor();
    scene.policy().max_queue_wait = None;
    scene.queue(5, 0);
    assert_eq!(need(&scene.look(120)), TOO_FEW);
    assert_eq!(need(&scene.look(86_399)), TOO_FEW);
}

#[test]
fn a_first_look_knows_by_the_jobs_age_that_they_have_waited() {
    let mut scene = Scene::without_floor();
    scene.queue(6, 0);
    assert_eq!(need(&scene.look(30)), pressed(6));
}

#[test]
fn many_new_jobs_count_although_none_of_them_is_old() {
    let mut scene = Scene::without_floor();
    scene.queue(6, 0);
    scene.look(0);
    scene.jobs.clear();
    scene.queue(6, 15);
    assert_eq!(need(&scene.look(15)), TOO_FEW);
    assert_eq!(need(&scene.wait(29)), TOO_FEW);
    assert_eq!(need(&scene.wait(30)), pressed(6));
}

#[test]
fn a_break_starts_the_30_seconds_again() {
    let mut scene = Scene::without_floor();
    scene.queue(6, 0);
    scene.look(0);
    scene.jobs.pop();
    scene.look(10);
    scene.queue(1, 12);
    scene.look(12);
    assert_eq!(need(&scene.wait(41)), TOO_FEW);
    assert_eq!(need(&scene.wait(42)), pressed(6));
}

#[test]
fn the_tail_of_a_burst_is_served_though_it_is_below_the_threshold() {
    let mut scene = Scene::without_floor();
    scene.queue(6, 0);
    scene.look(30);
    scene.jobs.truncate(3);
    assert_eq!(need(&scene.look(31)), pressed(3));
    assert_eq!(need(&scene.look(90)), pressed(3));
}

#[test]
fn pressure_ends_when_fewer_than_5_jobs_are_all_served_for_30_seconds() {
    let mut scene = Scene::without_floor();
    scene.queue(6, 0);
    scene.look(30);
    scene.jobs.truncate(4);
    scene.add(4, "creating/pending", 31);
    assert!(scene.look(31).rules.pressure.is_on());
    assert!(scene.look(60).rules.pressure.is_on());
    assert!(!scene.look(61).rules.pressure.is_on());
}

#[test]
fn pressure_stays_while_as_many_jobs_as_the_threshold_fit_though_all_are_served() {
    let mut scene = Scene::without_floor();
    scene.queue(6, 0);
    scene.look(30);
    scene.jobs.truncate(5);
    scene.add(5, "creating/pending", 31);
    assert!(scene.look(31).rules.pressure.is_on());
    assert!(scene.look(90).rules.pressure.is_on());
}

#[test]
fn a_runner_whose_creation_has_just_failed_serves_no_job() {
    let mut scene = Scene::without_floor();
    scene.queue(6, 0);
    scene.look(30);
    scene.jobs.truncate(1);
    scene.add(1, "error/pending", 31);
    scene.look(31);
    scene.runner("a01").updated_at = at(80);
    let decision = scene.look(90);
    assert!(decision.rules.pressure.is_on());
    assert_eq!(decision.rules.need, 0, "it boots nevertheless: GARM tries again");
}

#[test]
fn pressure_with_a_threshold_of_0_ends_with_the_last_job() {
    let mut scene = Scene::without_floor();
    scene.policy().scale_up_threshold = 0;
    scene.queue(1, 0);
    assert_eq!(need(&scene.look(30)), pressed(1));
    scene.jobs.clear();
    assert!(scene.look(31).rules.pressure.is_on());
    assert!(!scene.look(61).rules.pressure.is_on());
}

#[test]
fn scale_up_target_lets_this_many_jobs_wait_until_they_are_late() {
    let mut scene = Scene::without_floor();
    scene.policy().scale_up_target = 2;
    scene.queue(6, 0);
    assert_eq!(need(&scene.look(30)), pressed(4));
    scene.add(4, "creating/pending", 31);
    assert_eq!(need(&scene.look(31)), (0, Direction::Stay, Reason::Target));
    assert_eq!(need(&scene.look(120)), pressed(2));
}

#[test]
fn runners_that_are_idle_or_on_their_way_are_not_asked_for_again() {
    let mut scene = Scene::without_floor();
    scene.queue(10, 0);
    scene.add(2, "running/idle", 20);
    scene.add(3, "creating/pending", 29);
    let decision = scene.look(30);
    assert_eq!(need(&decision), pressed(5));
    // Three are booting, two are idle and not being picked up, and five more are requested.
    assert_eq!((decision.level, decision.resting_level), (10, 0));
}

#[test]
fn the_level_falls_as_rows_appear() {
    let mut scene = Scene::without_floor();
    scene.queue(6, 0);
    assert_eq!(scene.look(30).level, 6);
    scene.add(4, "pending_create/pending", 32);
    assert_eq!(scene.look(32).level, 6);
    scene.add(2, "pending_create/pending", 33);
    assert_eq!(scene.look(33).level, 0);
}

#[test]
fn a_request_is_divided_among_imminent_pick_ups() {
    let mut scene = Scene::without_floor();
    scene.queue(10, 0);
    scene.add(4, "running/idle", 29);
    let decision = scene.look(30);
    assert_eq!((need(&decision), decision.rules.starting), (pressed(6), 4));
    assert_eq!(decision.level, 2, "each of the 4 makes 2 at most");
    assert_eq!(decision.until, Some(at(34)));
    for (job, name) in [(1, "a01"), (2, "a02"), (3, "a03")] {
        scene.start(job, name, 31);
    }
    scene.add(4, "pending_create/pending", 31);
    assert_eq!(scene.look(31).level, 6, "the 2 that are missing besides 4");
}

#[test]
fn a_request_does_not_wait_for_pick_ups_that_do_not_happen() {
    let mut scene = Scene::without_floor();
    scene.queue(10, 0);
    scene.add(4, "running/idle", 29);
    scene.look(30);
    let decision = scene.wait(34);
    // GARM counts the four as idle until they are picked up, and creates what exceeds them.
    assert_eq!((decision.rules.starting, decision.level), (0, 10));
}

#[test]
fn eight_held_jobs_beside_two_idle_runners_get_six_more_and_no_fewer() {
    let mut scene = Scene::new();
    scene.add(2, "running/idle", -600);
    scene.queue(8, 0);
    let decision = scene.look(30);
    assert_eq!((need(&decision), decision.level), (pressed(6), 8));
    // Some rows have arrived; the rest is still requested.
    scene.add(4, "pending_create/pending", 33);
    let decision = scene.look(33);
    assert_eq!((need(&decision), decision.level), (pressed(2), 8));
    scene.add(2, "pending_create/pending", 38);
    assert_eq!(scene.look(38).rules.need, 0);
}

#[test]
fn a_young_job_beside_an_old_idle_runner_is_about_to_be_picked_up() {
    let mut scene = Scene::without_floor();
    scene.policy().scale_up_delay = secs(0);
    scene.add(2, "running/idle", 0);
    scene.queue(8, 100);
    let decision = scene.look(101);
    assert_eq!((decision.rules.need, decision.rules.starting, decision.level), (6, 2, 3));
}

#[test]
fn jobs_elsewhere_that_would_fit_count_for_pressure_and_not_for_need() {
    let mut scene = Scene::without_floor();
    scene.add_pool(crate::scaling::testing::pool("b", &["x"]));
    scene.add_to("b", 5, "creating/pending", 0);
    scene.queue(6, 0);
    let decision = scene.look(30);
    assert_eq!((decision.inputs.fits, decision.inputs.queued), (6, 1));
    assert_eq!(need(&decision), pressed(1));
}

#[test]
fn garm_with_a_short_backoff_serves_jobs_until_15_seconds_after_it() {
    let mut scene = Scene::without_floor();
    scene.backoff = 30;
    scene.queue(6, 0);
    let waits = (0, Direction::Stay, Reason::NativeBackoff);
    assert_eq!(need(&scene.look(30)), waits);
    assert_eq!(need(&scene.look(44)), waits);
    assert_eq!(need(&scene.look(45)), pressed(6));
}

#[test]
fn a_late_job_is_left_to_a_garm_with_a_short_backoff_until_that_is_over() {
    let mut scene = Scene::without_floor();
    scene.backoff = 30;
    scene.policy().max_queue_wait = Some(secs(20));
    scene.queue(2, 0);
    let waits = (0, Direction::Stay, Reason::NativeBackoff);
    assert_eq!(need(&scene.look(20)), waits);
    assert_eq!(need(&scene.look(44)), waits);
    assert_eq!(need(&scene.look(45)), late(2));
}

#[test]
fn a_backoff_of_scale_up_delay_and_2_minutes_leaves_the_pool_to_us() {
    let mut scene = Scene::without_floor();
    scene.queue(6, 0);
    scene.backoff = 149;
    assert_eq!(need(&scene.look(30)), (0, Direction::Stay, Reason::NativeBackoff));
    scene.backoff = 150;
    assert_eq!(need(&scene.look(30)), pressed(6));
}

#[test]
fn a_decision_says_when_age_alone_changes_it() {
    let mut scene = Scene::without_floor();
    scene.queue(6, 0);
    let decision = scene.look(10);
    assert_eq!(decision.until, Some(at(30)));
    assert_eq!(decision.inputs.policy.scale_up_delay, secs(30));
}
