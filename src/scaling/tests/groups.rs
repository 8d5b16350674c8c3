//! Pools that share a limit: which jobs get a runner, and where the others go.

use proptest::prelude::*;

use super::scene::Scene;
use super::some::{Sight, some_sight};
use crate::domain::desired::GroupLimit;
use crate::domain::name::{GroupName, PoolId};
use crate::domain::pool::Pool;
use crate::scaling::testing::{at, job, pool, runner, scale_set};
use crate::scaling::{
    Decision, EntityState, FleetIndex, Reason, RowChange, ScalingState, evaluate_fleet,
};

fn group(name: &str, max_runners: u32) -> Option<GroupLimit> {
    Some(GroupLimit { name: GroupName::new(name), max_runners, garms: Vec::new() })
}

/// Pools without a floor, each in the group of this name and limit.
fn scene(pools: Vec<(Pool, &str, u32)>) -> Scene {
    let mut scene = Scene::without_floor();
    scene.pools.clear();
    let policy = scene.policy().clone();
    scene.policies.clear();
    for (pool, name, limit) in pools {
        let policy = crate::domain::desired::ScalePolicy {
            group: group(name, limit),
            scale_up_threshold: 0,
            scale_up_delay: std::time::Duration::ZERO,
            ..policy.clone()
        };
        scene.policies.insert(pool.id.clone(), policy);
        scene.pools.push(pool);
    }
    scene
}

/// Writes the limits and levels of all decisions, and looks again, until nothing changes; returns
/// the decisions about these pools.
fn settle(scene: &mut Scene, pools: &[&str], now: i64) -> Vec<Decision> {
    for _ in 0..8 {
        let looks: Vec<Decision> = pools.iter().map(|id| scene.look_at(id, now)).collect();
        let mut has_changed = false;
        for decision in &looks {
            let row = scene.pools.iter_mut().find(|row| row.id == decision.pool).unwrap();
            let max = decision.inputs.share.map_or(row.spec.max_runners, |share| share.write);
            has_changed |= row.spec.max_runners != max;
            row.spec.max_runners = max;
        }
        if !has_changed {
            return looks;
        }
    }
    panic!("the limits do not settle");
}

fn needs(decisions: &[Decision]) -> Vec<u32> {
    decisions.iter().map(|decision| decision.rules.need).collect()
}

#[test]
fn two_pools_divide_the_places_of_their_group_between_their_jobs() {
    let mut scene = scene(vec![(pool("a", &["x"]), "g", 10), (pool("b", &["y"]), "g", 10)]);
    scene.jobs = (1..=12).map(|id| job(id, &["x"], -9)).collect();
    scene.jobs.extend((13..=24).map(|id| job(id, &["y"], -5)));
    let decisions = settle(&mut scene, &["a", "b"], 0);
    assert_eq!(needs(&decisions), [5, 5]);
    scene.add_to("a", 5, "running/active", 1);
    scene.add_to("b", 5, "running/active", 1);
    let decisions = settle(&mut scene, &["a", "b"], 2);
    assert_eq!(needs(&decisions), [0, 0]);
    assert_eq!(decisions[0].reason, Reason::Group);
    let sum: u32 = scene.pools.iter().map(|row| row.spec.max_runners).sum();
    assert_eq!(sum, 10, "GARM itself cannot exceed the limit");
}

#[test]
fn a_place_goes_to_the_higher_priority_and_then_to_the_pool_with_fewer_runners() {
    let mut high = pool("high", &["h"]);
    high.spec.priority = 1;
    let pools = vec![(pool("a", &["x"]), "g", 5), (pool("b", &["y"]), "g", 5), (high, "g", 5)];
    let mut scene = scene(pools);
    scene.add_to("a", 3, "running/active", -60);
    scene.add_to("b", 1, "running/active", -60);
    scene.jobs = vec![job(1, &["x"], -50), job(2, &["y"], -40), job(3, &["h"], -1)];
    assert_eq!(needs(&settle(&mut scene, &["a", "b", "high"], 0)), [0, 0, 1]);
    scene.jobs.pop();
    assert_eq!(needs(&settle(&mut scene, &["a", "b", "high"], 0)), [0, 1, 0]);
}

#[test]
fn a_job_goes_to_the_next_pool_at_once_if_the_group_of_the_first_is_full() {
    let mut first = pool("a", &["x"]);
    first.spec.priority = 1;
    let mut scene = scene(vec![(first, "full", 2), (pool("b", &["x"]), "other", 9)]);
    scene.add_to("a", 2, "running/active", -60);
    scene.queue(3, -1);
    assert_eq!(needs(&settle(&mut scene, &["a", "b"], 0)), [0, 3]);
    let mut scene = scene_of_two_groups();
    scene.add_to("c", 3, "running/active", -60);
    scene.queue(3, -1);
    let needs = needs(&settle(&mut scene, &["a", "b", "c"], 0));
    assert_eq!(needs, [0, 3, 0], "places that no pool uses are not kept from them");
}

/// `a` is full, `b` and `c` share a group whose places all belong to `c` at first.
fn scene_of_two_groups() -> Scene {
    let (mut a, mut b, mut c) = (pool("a", &["x"]), pool("b", &["x"]), pool("c", &["z"]));
    (a.spec.priority, a.spec.max_runners) = (1, 2);
    b.spec.max_runners = 0;
    c.spec.max_runners = 12;
    c.entity = crate::scaling::testing::entity("other");
    let mut scene = scene(vec![(a, "full", 2), (b, "wide", 12), (c, "wide", 12)]);
    scene.add_to("a", 2, "running/active", -60);
    scene
}

#[test]
fn runners_that_keep_failing_leave_the_places_to_other_pools() {
    let mut scene = scene(vec![(pool("a", &["x"]), "g", 6), (pool("b", &["y"]), "g", 6)]);
    scene.jobs = (1..=6).map(|id| job(id, &["x"], -9)).collect();
    scene.jobs.extend((7..=12).map(|id| job(id, &["y"], -5)));
    scene.add_to("a", 3, "running/failed", -1);
    let decisions = settle(&mut scene, &["a", "b"], 0);
    assert!(decisions[0].rules.circuit.open.is_some());
    assert_eq!(needs(&decisions), [0, 3]);
}

#[test]
fn idle_runners_go_early_if_jobs_of_another_pool_need_their_places() {
    let mut scene = scene(vec![(pool("a", &["x"]), "g", 4), (pool("b", &["y"]), "g", 4)]);
    scene.add_to("a", 4, "running/idle", -60);
    assert!(settle(&mut scene, &["a", "b"], 0)[0].retire.is_empty());
    scene.jobs = vec![job(1, &["y"], -5), job(2, &["y"], -5)];
    let decisions = settle(&mut scene, &["a", "b"], 1);
    assert_eq!((decisions[0].retire.len(), decisions[0].reserve.len()), (1, 1));
    assert_eq!(decisions[1].reason, Reason::Group);
}

#[test]
fn a_scale_set_at_its_limit_gets_more_while_places_are_free() {
    let mut set = scale_set("s", &["s"], 2);
    set.spec.max_runners = 2;
    let mut other = pool("a", &["x"]);
    other.spec.max_runners = 10;
    let mut scene = scene(vec![(set, "g", 12), (other, "g", 12)]);
    scene.add_to("s", 2, "running/active", -60);
    settle(&mut scene, &["s", "a"], 0);
    let max: Vec<u32> = scene.pools.iter().map(|row| row.spec.max_runners).collect();
    assert!(max[0] > 4 && max[0] + max[1] <= 12, "{max:?}");
}

#[test]
fn a_write_in_flight_counts_until_it_is_answered() {
    let (mut a, mut b) = (pool("a", &["x"]), pool("b", &["y"]));
    (a.spec.max_runners, b.spec.max_runners) = (2, 2);
    let scene = scene(vec![(a, "g", 8), (b, "g", 8)]);
    let mut index = FleetIndex::new(scene.fleet(0), scene.policies.clone());
    index.raising(&PoolId::new("a"), Some(6));
    index.apply(RowChange::Job(job(1, &["y"], -9)), at(0));
    let many = (2..=9).map(|id| RowChange::Job(job(id, &["y"], -9)));
    many.for_each(|change| drop(index.apply(change, at(0))));
    let (_, state) = evaluate_fleet(&mut index, ScalingState::new(), at(0));
    let write = |state: &ScalingState| {
        let all = state.values().flat_map(EntityState::decisions);
        all.map(|it| it.inputs.share.unwrap().write).collect::<Vec<_>>()
    };
    assert!(write(&state)[1] <= 2, "{:?}", write(&state));
    index.raising(&PoolId::new("a"), None);
    let (_, state) = evaluate_fleet(&mut index, state, at(0));
    assert!(write(&state)[1] > 2, "{:?}", write(&state));
}

/// Puts the pools of ours into one or two groups.
fn grouped(mut sight: Sight, cap: u32, apart: bool) -> Sight {
    for (id, policy) in &mut sight.policies {
        policy.group = group(if apart && id.as_str() == "b" { "h" } else { "g" }, cap);
    }
    sight
}

fn decisions(sight: &Sight) -> Vec<Decision> {
    let mut index = FleetIndex::new(sight.fleet.clone(), sight.policies.clone());
    let (_, state) = evaluate_fleet(&mut index, ScalingState::new(), at(0));
    let all = state.values().flat_map(EntityState::decisions);
    let mut all: Vec<Decision> = all.map(|decision| Decision::clone(decision)).collect();
    all.sort_by(|a, b| a.pool.cmp(&b.pool));
    all
}

proptest! {
    #[test]
    fn no_levels_together_ask_for_more_than_the_group_may_have(
        sight in some_sight(),
        cap in 1..24_u32,
    ) {
        let sight = grouped(sight, cap, false);
        let all = decisions(&sight);
        let is_member = |row: &&Pool| sight.policies.contains_key(&row.id);
        let rows = |row: &Pool| {
            let live = u32::try_from(sight.fleet.runners_of(&row.id).count()).unwrap();
            live.max(u32::from(row.scale_set.is_some() && row.spec.enabled))
        };
        let occupied: u32 = sight.fleet.pools.iter().filter(is_member).map(rows).sum();
        let asked: u32 = all.iter().filter(|it| it.scale_set.is_none()).map(|it| {
            let counts = &it.inputs.counts;
            let room = it.inputs.garm_max.saturating_sub(counts.live);
            it.level.saturating_sub(counts.garm_idle).min(room)
        }).sum();
        prop_assert!(asked <= cap.saturating_sub(occupied), "{asked} of {cap}, {occupied}: {all:#?}");
    }

    #[test]
    fn equal_sights_give_equal_shares_in_whatever_order(
        sight in some_sight(),
        cap in 1..24_u32,
        apart in any::<bool>(),
    ) {
        let sight = grouped(sight, cap, apart);
        let mut other = sight.clone();
        other.fleet.pools.reverse();
        other.fleet.runners.reverse();
        other.fleet.jobs.reverse();
        prop_assert_eq!(decisions(&sight), decisions(&other));
    }

    #[test]
    fn a_group_that_is_wide_enough_changes_no_decision(sight in some_sight()) {
        let mut sight = sight;
        for row in &mut sight.fleet.pools {
            let declared = sight.policies.get(&row.id).map(|policy| policy.max_runners);
            row.spec.max_runners = declared.unwrap_or(row.spec.max_runners);
        }
        let plain = decisions(&sight);
        let wide = decisions(&grouped(sight, 1_000, false));
        let what = |it: &Decision| (it.level, it.resting_level, it.retire.clone(), it.reason, it.inputs.queued);
        prop_assert_eq!(
            plain.iter().map(what).collect::<Vec<_>>(),
            wide.iter().map(what).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_busy_runner_is_never_removed_for_a_group_that_is_too_full() {
    let mut scene = scene(vec![(pool("a", &["x"]), "g", 2), (pool("b", &["y"]), "g", 2)]);
    scene.runners = (0..5).map(|n| runner("a", &format!("a{n}"), "running/active", -60)).collect();
    scene.jobs = vec![job(1, &["y"], -200)];
    let decisions = settle(&mut scene, &["a", "b"], 0);
    assert!(decisions[0].retire.is_empty() && decisions[0].remove.is_empty());
    assert_eq!(scene.pools[0].spec.max_runners, 5, "what lives stays within the limit in GARM");
    assert_eq!((decisions[1].rules.need, decisions[1].reason), (0, Reason::Group));
}
