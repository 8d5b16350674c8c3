//! Decisions about scale sets, and what GARM's worker makes of them.

use proptest::prelude::*;

use super::scene::{Scene, names};
use super::some::some_sight;
use crate::domain::label::Labels;
use crate::domain::pool::Pool;
use crate::scaling::testing::{at, pool, scale_set, secs, set_job};
use crate::scaling::{
    Decision, Direction, EntityState, FleetIndex, Reason, RowChange, ScalingState, evaluate_fleet,
};

/// The scale set `a` for the label `x`, without a floor, with this many assigned jobs.
fn scene(assigned: u32) -> Scene {
    let mut scene = Scene::without_floor();
    scene.pools = vec![scale_set("a", &["x"], assigned)];
    scene
}

fn assign(scene: &mut Scene, assigned: u32, now: i64) -> Pool {
    let set = &mut scene.pools[0];
    set.scale_set.as_mut().unwrap().desired_runner_count = assigned;
    set.updated_at = at(now);
    set.clone()
}

/// The queue depth, the level, the direction and the reason.
fn summary(decision: &Decision) -> (u32, u32, Direction, Reason) {
    (decision.inputs.queued, decision.level, decision.direction, decision.reason)
}

#[test]
fn garm_serves_assigned_jobs_and_the_level_asks_for_none_of_their_runners() {
    use Direction::{Stay, Up};
    assert_eq!(summary(&scene(0).look(0)), (0, 0, Stay, Reason::Steady));
    assert_eq!(summary(&scene(4).look(0)), (4, 0, Stay, Reason::Assigned));
    let mut served = scene(4);
    served.add(3, "running/installing", -5);
    served.add(1, "running/active", -60);
    assert_eq!(summary(&served.look(0)), (3, 0, Stay, Reason::Served));
    served.policy().min_idle_runners = 2;
    assert_eq!(summary(&served.look(1)), (3, 2, Up, Reason::Floor));
}

#[test]
fn assigned_jobs_count_towards_min_runners() {
    let mut scene = scene(3);
    scene.policy().min_runners = 4;
    scene.add(1, "running/active", -60);
    let decision = scene.look(0);
    assert_eq!((decision.rules.floor, decision.level), (1, 1));
}

#[test]
fn idle_runners_beyond_the_jobs_are_held_until_scale_down_delay_and_booting_ones_are_not() {
    let mut scene = scene(1);
    scene.add(3, "running/idle", -10);
    scene.add(1, "running/installing", -10);
    let decision = scene.look(0);
    assert_eq!(summary(&decision), (1, 2, Direction::Stay, Reason::Served));
    assign(&mut scene, 0, 1);
    let decision = scene.look(1);
    assert_eq!(summary(&decision), (0, 3, Direction::Stay, Reason::Hold));
    assert_eq!(decision.until, Some(at(590)));
}

#[test]
fn the_longest_idle_goes_first_and_the_level_follows_as_its_row_disappears() {
    let mut scene = scene(0);
    scene.add(1, "running/idle", -700);
    scene.add(1, "running/idle", -900);
    scene.add(1, "running/idle", -10);
    let decision = scene.look(0);
    assert_eq!(names(&decision.retire), ["a02"]);
    assert_eq!(summary(&decision), (0, 3, Direction::Down, Reason::Idle));
    scene.set("a02", "pending_delete/idle", 1);
    assert_eq!(scene.look(1).level, 3, "GARM counts the row until it is gone");
    scene.remove("a02");
    assert_eq!(scene.look(2).level, 2);
}

#[test]
fn a_batch_of_ended_jobs_raises_no_level_while_garm_writes_it() {
    let mut scene = scene(6);
    scene.add(6, "running/active", -60);
    scene.add(1, "running/idle", -5);
    assert_eq!(scene.look(0).level, 1);
    for (second, name) in [(1, "a01"), (2, "a02"), (3, "a03"), (4, "a04")] {
        scene.set(name, "pending_delete/terminated", second);
        let decision = scene.look(second);
        assert_eq!((decision.inputs.queued, decision.level), (0, 1), "{name}");
    }
    assign(&mut scene, 2, 5);
    assert_eq!(scene.look(5).level, 5, "from now on GARM would take the idle runner");
}

#[test]
fn rows_in_deletion_are_covered_while_jobs_lack_runners_or_others_would_go_in_their_place() {
    let mut scene = scene(2);
    scene.add(2, "running/active", -60);
    scene.add(3, "deleting/terminated", -20);
    assert_eq!(scene.look(0).level, 0, "GARM leaves active runners alone");
    assign(&mut scene, 4, 1);
    let decision = scene.look(1);
    assert_eq!(summary(&decision), (2, 3, Direction::Up, Reason::Deleting));
    assert_eq!((decision.rules.need, decision.resting_level), (2, 0));
    scene.add(2, "pending_create/pending", 2);
    assert_eq!(summary(&scene.look(2)), (2, 3, Direction::Stay, Reason::Served));
    scene.set("a03", "deleted/terminated", 3);
    assert_eq!(scene.look(3).level, 2, "GARM removes the row before it compares");
    assign(&mut scene, 2, 4);
    assert_eq!(scene.look(4).level, 0, "the jobs were cancelled");
}

#[test]
fn runners_that_failed_before_they_worked_are_replaced_at_garms_own_pace() {
    let mut scene = scene(2);
    scene.add(2, "pending_delete/pending", -3);
    assert_eq!(scene.look(0).level, 0);
}

#[test]
fn a_job_that_has_just_ended_may_still_be_assigned() {
    let mut scene = scene(1);
    scene.add(1, "running/active", -60);
    scene.look(0);
    scene.set("a01", "running/terminated", 1);
    let decision = scene.look(1);
    assert_eq!(summary(&decision), (0, 0, Direction::Stay, Reason::Steady));
    assert_eq!(decision.until, Some(at(6)), "the number may be lost");
    assign(&mut scene, 1, 2);
    assert_eq!(summary(&scene.look(2)).0, 0, "the row was written for the message's number");
    let decision = scene.wait(3);
    assert_eq!(summary(&decision), (1, 1, Direction::Up, Reason::Deleting));
    assign(&mut scene, 2, 4);
    assert_eq!(summary(&scene.look(4)).0, 2, "a changed number counts at once");
}

#[test]
fn failed_runners_are_made_up_for_until_the_provider_keeps_failing() {
    let mut scene = scene(3);
    scene.add(2, "running/failed", -1);
    assert_eq!(scene.look(0).level, 2);
    scene.add(1, "running/failed", 1);
    let decision = scene.look(1);
    assert_eq!(summary(&decision), (3, 0, Direction::Stay, Reason::CircuitOpen));
}

#[test]
fn an_active_row_whose_job_is_over_costs_no_idle_runner() {
    let mut scene = scene(0);
    scene.add(1, "running/active", -60);
    assert_eq!(scene.look(0).level, 0);
    scene.add(1, "running/idle", -10);
    assert_eq!(scene.look(1).level, 2);
}

#[test]
fn the_level_never_lets_garm_exceed_the_smaller_max_runners_of_the_file() {
    let mut scene = scene(4);
    scene.policy().max_runners = 5;
    scene.policy().min_idle_runners = 3;
    assert_eq!(scene.look(0).level, 1);
    assign(&mut scene, 9, 1);
    assert_eq!(scene.look(1).level, 0);
}

#[test]
fn a_job_that_github_has_not_assigned_gets_one_runner_after_two_minutes_and_once() {
    let mut scene = scene(0);
    scene.jobs.push(set_job(1, &["a"], -119));
    assert_eq!(summary(&scene.look(0)), (1, 0, Direction::Stay, Reason::Unassigned));
    let decision = scene.wait(1);
    assert_eq!(summary(&decision), (1, 1, Direction::Up, Reason::Late));
    assert_eq!(decision.resting_level, 1);
    scene.add(1, "pending_create/pending", 4);
    assert_eq!(summary(&scene.look(4)), (1, 1, Direction::Stay, Reason::Unassigned));
    scene.set("a01", "running/idle", 20);
    assert_eq!(names(&scene.look(620).retire), ["a01"]);
    scene.remove("a01");
    assert_eq!(summary(&scene.look(630)), (1, 0, Direction::Stay, Reason::Unassigned));
}

#[test]
fn a_job_that_several_scale_sets_fit_or_that_is_assigned_causes_no_pulse() {
    let mut several = scene(0);
    several.add_pool(scale_set("b", &["x"], 0));
    several.jobs.push(set_job(1, &["x"], -500));
    assert_eq!(summary(&several.look(0)), (0, 0, Direction::Stay, Reason::Steady));
    let mut assigned = scene(1);
    assigned.jobs.push(set_job(1, &["x"], -500));
    let decision = assigned.look(0);
    assert_eq!(summary(&decision), (1, 0, Direction::Stay, Reason::Assigned));
    assert_eq!(decision.inputs.oldest_queued, Some(at(-500)));
}

#[test]
fn jobs_of_scale_sets_and_jobs_of_pools_never_change_sides() {
    let mut scene = scene(0);
    scene.add_pool(pool("b", &["x", "a"]));
    scene.jobs.push(set_job(1, &["x"], -10));
    scene.queue(2, -10);
    assert_eq!(scene.look_at("b", 0).inputs.queued, 2);
    assert_eq!(scene.look(0).inputs.queued, 1);
}

#[test]
fn an_assigned_job_without_a_row_has_waited_since_it_was_assigned() {
    let mut scene = scene(0);
    scene.look(0);
    let grown = assign(&mut scene, 2, 5);
    assert_eq!(scene.hear(RowChange::Pool(grown), 5).inputs.oldest_queued, Some(at(5)));
    let again = assign(&mut scene, 2, 9);
    let decision = scene.hear(RowChange::Pool(again), 9);
    assert_eq!((decision.inputs.queued, decision.inputs.oldest_queued), (2, Some(at(5))));
    assert_eq!(scene.look(30).inputs.oldest_queued, Some(at(5)), "a full read changes nothing");
    let mut job = set_job(7, &["x"], 4);
    assert_eq!(scene.hear(RowChange::Job(job.clone()), 31).inputs.oldest_queued, Some(at(4)));
    job.status = crate::domain::job::JobStatus::InProgress;
    assert_eq!(scene.hear(RowChange::Job(job), 32).inputs.oldest_queued, Some(at(5)));
}

/// An event of GARM's worker for the scale set has no labels.
#[test]
fn an_event_without_labels_keeps_those_that_are_known() {
    let mut scene = scene(0);
    scene.look(0);
    let mut change = RowChange::Pool(assign(&mut scene, 2, 5));
    let RowChange::Pool(row) = &mut change else { unreachable!() };
    let labels = std::mem::take(&mut row.spec.labels);
    let index = FleetIndex::new(scene.fleet(0), scene.policies.clone());
    assert!(index.complete(&mut change));
    let RowChange::Pool(row) = &mut change else { unreachable!() };
    assert_eq!(row.spec.labels, labels);
    (row.id, row.spec.labels) = (crate::domain::name::PoolId::new("unknown"), Labels::new());
    assert!(!index.complete(&mut change));
}

#[test]
fn what_garm_has_yet_to_create_by_its_own_rule_is_known() {
    let mut scene = scene(3);
    scene.add(1, "creating/pending", -1);
    let set = scene.look(0).scale_set.unwrap();
    assert_eq!((set.missing, set.newest), (2, Some(at(-1))));
    scene.pools[0].spec.max_runners = 2;
    assert_eq!(scene.look(1).scale_set.unwrap().missing, 1);
    assert_eq!(scene.policy().scale_down_delay, secs(600));
}

proptest! {
    /// With the decided level, GARM's worker neither takes a runner that could serve a job nor
    /// creates one that is not asked for.
    #[test]
    fn at_the_decided_level_garm_keeps_what_is_there_and_adds_what_lacks(sight in some_sight()) {
        let mut fleet_index = FleetIndex::new(sight.fleet.clone(), sight.policies.clone());
        let (_, memory) = evaluate_fleet(&mut fleet_index, ScalingState::new(), at(0));
        for it in memory.values().flat_map(EntityState::decisions) {
            let Some(set) = it.scale_set else { continue };
            let (counts, garm_max) = (&it.inputs.counts, it.inputs.garm_max);
            let is_capped = it.inputs.policy.max_runners < garm_max;
            if is_capped || it.rules.circuit.open.is_some() || counts.live > garm_max {
                continue;
            }
            let target = (it.level + set.assigned).min(garm_max);
            let room = garm_max - counts.live;
            let asked = it.rules.floor.max(set.pulse.into());
            let spare = counts.supply().saturating_sub(it.rules.asking);
            let needed = it.rules.unserved + asked.saturating_sub(spare);
            // Booting runners that neither the jobs nor the floor need, and deleted rows.
            let kept = it.rules.keep.max(asked);
            let beyond = spare.saturating_sub(kept);
            prop_assert!(target <= counts.live + needed.min(room), "creates too many: {it:#?}");
            if needed == 0 && counts.idle + it.rules.asking + it.rules.floor > 0 {
                prop_assert_eq!(target, counts.live - beyond, "{:#?}", it);
            }
            let uncovered = counts.leaving + counts.ended - set.leaving;
            let lacking = needed.min(room).saturating_sub(uncovered + beyond);
            if needed > 0 {
                prop_assert!(target >= counts.live + lacking, "creates too few: {it:#?}");
            }
        }
    }
}
