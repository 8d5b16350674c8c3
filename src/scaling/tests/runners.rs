//! The floor, the ceiling, and which runners are kept or removed: R2.

use super::scene::{Scene, names};
use crate::scaling::testing::{at, pool, secs};
use crate::scaling::{Decision, Direction, Reason};

fn level(decision: &Decision) -> (u32, Direction, Reason) {
    (decision.level, decision.direction, decision.reason)
}

#[test]
fn an_empty_pool_is_filled_to_min_runners() {
    assert_eq!(level(&Scene::new().look(0)), (2, Direction::Up, Reason::Floor));
}

#[test]
fn busy_runners_count_for_min_runners_and_not_for_min_idle_runners() {
    let mut scene = Scene::new();
    scene.add(2, "running/active", 0);
    assert_eq!(level(&scene.look(0)), (0, Direction::Stay, Reason::Steady));
    scene.policy().min_idle_runners = 1;
    assert_eq!(level(&scene.look(0)), (1, Direction::Up, Reason::Floor));
}

#[test]
fn a_job_about_to_be_picked_up_makes_its_runner_busy_in_advance() {
    let mut scene = Scene::new();
    scene.add(2, "running/idle", 0);
    scene.queue(1, 10);
    let decision = scene.look(10);
    assert_eq!((decision.rules.covered, decision.rules.floor, decision.level), (1, 1, 1));
}

#[test]
fn idle_runners_are_kept_for_10_minutes_and_then_removed_down_to_the_minimum() {
    let mut scene = Scene::new();
    scene.add(3, "running/idle", 0);
    assert_eq!(level(&scene.look(599)), (3, Direction::Stay, Reason::Hold));
    let decision = scene.look(600);
    assert_eq!(level(&decision), (2, Direction::Down, Reason::Idle));
    assert_eq!(names(&decision.retire), ["a01"]);
    scene.remove("a01");
    assert_eq!(level(&scene.look(601)), (2, Direction::Stay, Reason::Steady));
}

#[test]
fn a_decision_says_when_a_runner_has_been_idle_long_enough() {
    let mut scene = Scene::new();
    scene.add(3, "running/idle", 0);
    assert_eq!(scene.look(100).until, Some(at(600)));
}

#[test]
fn a_quarter_of_the_candidates_is_removed_at_once_longest_idle_first_and_never_more_than_5() {
    let mut scene = Scene::new();
    scene.policy().max_runners = 50;
    scene.pools[0].spec.max_runners = 50;
    scene.add(4, "running/idle", 30);
    scene.add(6, "running/idle", 10);
    // Ten are idle, two of them the floor: eight are due.
    let decision = scene.look(700);
    assert_eq!((decision.rules.surplus, decision.rules.due), (8, 8));
    assert_eq!(names(&decision.retire), ["a05", "a06"]);
    assert_eq!(decision.level, 8);
    scene.add(40, "running/idle", 20);
    let decision = scene.look(700);
    assert_eq!(names(&decision.retire), ["a05", "a06", "a07", "a08", "a09"]);
    assert_eq!(decision.level, 45);
}

#[test]
fn busy_and_idle_together_never_fall_below_min_runners() {
    let mut scene = Scene::new();
    scene.policy().min_runners = 4;
    scene.add(3, "running/active", 0);
    scene.add(3, "running/idle", 0);
    // Six runners, four to keep: one of the three idle ones belongs to the floor.
    assert_eq!(scene.look(600).rules.surplus, 2);
    scene.queue(2, 600);
    // Two of the three idle runners are about to work, so the third is surplus.
    let decision = scene.look(601);
    assert_eq!((decision.rules.surplus, decision.retire.len()), (1, 1));
}

#[test]
fn a_runner_linked_to_a_job_is_not_removed_although_its_row_says_idle() {
    let mut scene = Scene::new();
    scene.add(3, "running/idle", 0);
    scene.add(1, "running/idle", 5);
    scene.runner("a01").job = Some(1_001);
    let decision = scene.look(700);
    assert_eq!(names(&decision.retire), ["a02"]);
}

#[test]
fn runners_on_their_way_out_are_neither_supply_nor_room() {
    let mut scene = Scene::without_floor();
    scene.add(18, "pending_delete/idle", 0);
    scene.queue(6, 0);
    let decision = scene.look(30);
    // GARM counts the 18 as idle and creates what exceeds them.
    assert_eq!((decision.rules.room, decision.rules.need, decision.level), (2, 2, 20));
    assert_eq!(decision.resting_level, 0);
}

#[test]
fn runners_in_deletion_are_replaced_only_while_the_floor_is_not_met() {
    let mut scene = Scene::new();
    scene.add(4, "deleting/idle", 0);
    assert_eq!((scene.look(0).level, scene.look(0).resting_level), (6, 2));
    scene.add(2, "pending_create/pending", 3);
    // They disappear by themselves, and GARM would replace each of them.
    assert_eq!(scene.look(3).level, 2);
}

#[test]
fn nothing_is_asked_for_beyond_the_smaller_max_runners() {
    for (ours, garms) in [(4, 20), (20, 4)] {
        let mut scene = Scene::without_floor();
        scene.policy().max_runners = ours;
        scene.pools[0].spec.max_runners = garms;
        scene.add(3, "running/active", 0);
        scene.queue(9, 0);
        let decision = scene.look(30);
        assert_eq!(level(&decision), (1, Direction::Up, Reason::Pressure));
        scene.add(1, "creating/pending", 31);
        assert_eq!(level(&scene.look(31)), (0, Direction::Stay, Reason::MaxRunners));
    }
}

#[test]
fn garm_does_not_exceed_our_max_runners_which_it_does_not_know() {
    let mut scene = Scene::new();
    scene.policy().max_runners = 10;
    scene.policy().min_idle_runners = 5;
    scene.add(8, "running/active", 0);
    // GARM, with a maximum of 20, would create 5 at a level of 5 and have 13.
    assert_eq!(level(&scene.look(0)), (2, Direction::Up, Reason::Floor));
    scene.add(2, "running/idle", 1);
    assert_eq!(level(&scene.look(1)), (2, Direction::Stay, Reason::MaxRunners));
    scene.pools[0].spec.max_runners = 10;
    assert_eq!(scene.look(1).level, 5, "GARM stops by itself at its own");
}

#[test]
fn pools_that_are_disabled_not_ours_or_not_autoscaled_are_not_decided_about() {
    let mut scene = Scene::new();
    scene.pools.push(pool("foreign", &["x"]));
    scene.add_pool(pool("off", &["x"]));
    scene.pools[2].spec.enabled = false;
    scene.add_pool(pool("still", &["x"]));
    scene.policies.get_mut(&crate::domain::name::PoolId::new("still")).unwrap().autoscale = false;
    let fleet = scene.fleet(0);
    let mut fleet_index = crate::scaling::FleetIndex::new(fleet, scene.policies.clone());
    let (evaluation, _) =
        crate::scaling::evaluate_fleet(&mut fleet_index, Default::default(), at(0));
    let about: Vec<&str> =
        evaluation.decisions.iter().map(|decision| decision.pool.as_str()).collect();
    assert_eq!(about, ["a"]);
}

/// Two runners made at second 0, of which one is idle at 10.
fn overtaken() -> Scene {
    let mut scene = Scene::without_floor();
    scene.add(2, "creating/pending", 0);
    scene.look(0);
    scene.set("a01", "running/idle", 10);
    scene
}

#[test]
fn a_runner_that_boots_for_far_longer_than_a_younger_one_is_no_supply() {
    let mut scene = overtaken();
    scene.policy().scale_up_threshold = 0;
    scene.policy().scale_up_delay = secs(10);
    scene.queue(2, 0);
    let decision = scene.look(29);
    assert_eq!((decision.inputs.counts.overdue, decision.rules.need), (0, 0));
    assert_eq!(decision.inputs.counts.until, Some(at(30)));
    let decision = scene.wait(30);
    let counts = &decision.inputs.counts;
    assert_eq!((counts.booting, counts.overdue, counts.supply()), (1, 1, 1));
    // GARM counts the one that hangs as idle.
    assert_eq!((decision.rules.need, decision.level), (1, 3));
    // It comes after all.
    scene.set("a02", "running/idle", 50);
    let decision = scene.look(50);
    assert_eq!((decision.inputs.counts.overdue, decision.inputs.counts.idle), (0, 2));
}

#[test]
fn where_every_boot_is_slow_no_runner_is_overtaken() {
    let mut scene = Scene::without_floor();
    scene.add(2, "creating/pending", 0);
    scene.look(0);
    scene.add(2, "creating/pending", 100);
    let decision = scene.look(500);
    assert_eq!((decision.inputs.counts.booting, decision.inputs.counts.overdue), (4, 0));
    // A runner created later by more than GARM's tick is younger than the one that arrives.
    scene.set("a01", "running/idle", 550);
    assert_eq!(scene.look(550).inputs.counts.overdue, 0);
    scene.set("a03", "running/idle", 560);
    assert_eq!(scene.look(599).inputs.counts.overdue, 0, "and `boot_grace` ends first");
}

/// A real GARM with two runners whose VMs hung let a job wait for 314 s. GARM alone, which starts a
/// runner for each job that is 30 s old, took 47 s.
#[test]
fn a_late_job_whose_runners_all_boot_for_long_gets_one_more_in_growing_intervals() {
    let mut scene = Scene::without_floor();
    scene.policy().max_queue_wait = Some(secs(30));
    scene.add(2, "creating/pending", 0);
    scene.queue(1, 5);
    let mut probes = Vec::new();
    for second in 0..500 {
        let decision = scene.look(second);
        if decision.reason == Reason::BootProbe {
            assert_eq!((decision.direction, decision.rules.need), (Direction::Up, 1));
            probes.push(second);
            scene.add(1, "creating/pending", second);
        }
    }
    assert_eq!(probes, [35, 70, 140, 280]);
    // A runner arrives: the others are overtaken, and there is nothing left to try.
    scene.set("a06", "running/idle", 500);
    assert_eq!(scene.look(500).rules.need, 0);
}

/// A pool whose first runner is idle and then active at these times, when a second job comes;
/// another runner is created at the third.
fn beside_a_known_boot([idle, active, created]: [i64; 3]) -> Scene {
    let mut scene = Scene::without_floor();
    scene.policy().max_queue_wait = Some(secs(30));
    scene.add(1, "creating/pending", 0);
    scene.look(0);
    scene.set("a01", "running/idle", idle);
    scene.look(idle);
    scene.set("a01", "running/active", active);
    scene.queue(1, active);
    scene.add(1, "creating/pending", created);
    scene
}

#[test]
fn no_runner_is_tried_before_twice_the_boot_of_another_runner_of_the_pool() {
    let mut scene = beside_a_known_boot([100, 101, 110]);
    assert!(!scene.look(309).rules.boot_probe);
    assert!(scene.look(310).rules.boot_probe);
}

#[test]
fn a_job_that_an_idle_runner_can_take_is_no_reason_to_try_another() {
    let mut scene = Scene::without_floor();
    scene.policy().max_queue_wait = Some(secs(30));
    scene.add(1, "creating/pending", 0);
    scene.add(1, "running/idle", 60);
    scene.queue(1, 5);
    assert!(!scene.look(60).rules.boot_probe);
}

#[test]
fn an_overdue_runner_leaves_the_floor_to_be_made_up_for() {
    let mut scene = overtaken();
    scene.policy().min_idle_runners = 2;
    let decision = scene.look(30);
    assert_eq!((decision.reason, decision.rules.dead, decision.level), (Reason::Floor, 1, 3));
}

/// A real GARM with four hung VMs in a full pool of eight let a job wait for 133 s.
#[test]
fn in_a_full_pool_a_runner_that_boots_for_too_long_makes_room_for_a_waiting_job() {
    let mut scene = overtaken();
    scene.policy().max_runners = 2;
    scene.policy().scale_up_threshold = 0;
    scene.policy().scale_up_delay = secs(10);
    scene.set("a01", "running/active", 15);
    scene.queue(1, 12);
    let decision = scene.look(29);
    assert_eq!((decision.reason, names(&decision.remove)), (Reason::Served, vec![]));
    let decision = scene.look(30);
    assert_eq!((decision.direction, decision.reason), (Direction::Down, Reason::Failed));
    assert_eq!((names(&decision.remove), decision.rules.dead), (vec!["a02"], 0));
    // Its place is about to become free: nothing more is removed.
    scene.set("a02", "pending_delete/installing", 32);
    assert_eq!(names(&scene.look(32).remove), Vec::<&str>::new());
}

/// A real GARM with four hung VMs and two idle runners in a full pool let a job wait for 313 s.
#[test]
fn in_a_full_pool_where_all_boot_for_too_long_the_oldest_makes_room_for_another() {
    let mut scene = Scene::without_floor();
    scene.policy().max_runners = 2;
    scene.policy().max_queue_wait = Some(secs(30));
    scene.add(2, "creating/pending", 0);
    scene.queue(1, 5);
    assert_eq!(names(&scene.look(34).remove), Vec::<&str>::new());
    let decision = scene.look(35);
    assert_eq!((decision.direction, decision.reason), (Direction::Down, Reason::Failed));
    assert_eq!((names(&decision.remove), decision.rules.need), (vec!["a01"], 0));
    scene.set("a01", "pending_delete/pending", 36);
    assert_eq!(names(&scene.look(36).remove), Vec::<&str>::new());
    scene.remove("a01");
    let decision = scene.look(40);
    assert_eq!((decision.reason, decision.rules.need), (Reason::BootProbe, 1));
}

/// The time that a runner had been idle before it took its job is not part of its boot.
#[test]
fn a_runner_that_was_idle_for_long_does_not_hold_off_another() {
    let mut scene = beside_a_known_boot([10, 500, 505]);
    assert!(!scene.look(534).rules.boot_probe);
    assert!(scene.look(535).rules.boot_probe);
}

#[test]
fn a_loop_that_starts_again_finds_the_same_runners_overdue() {
    let mut fresh = Scene::without_floor();
    fresh.runners = overtaken().runners;
    assert_eq!(fresh.look(29).inputs.counts.overdue, 0);
    assert_eq!(fresh.wait(30).inputs.counts.overdue, 1);
}
