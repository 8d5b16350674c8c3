//! Properties of every input and every sequence of changes. `PROPTEST_CASES` sets the number of
//! cases.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::some::{Next, Sight, some_policy, some_run, some_sight};
use crate::domain::desired::ScalePolicy;
use crate::domain::fleet::Fleet;
use crate::domain::name::PoolId;
use crate::scaling::circuit_breaker::RunnerProbe;
use crate::scaling::testing::{at, fleet, job, pool, runner, secs};
use crate::scaling::{
    Decision, EntityState, EvaluationClock, FleetIndex, RunnerClass, ScalePolicies, ScalingState,
    classify, evaluate_fleet,
};

fn fleet_index(sight: &Sight) -> FleetIndex {
    FleetIndex::new(sight.fleet.clone(), sight.policies.clone())
}

/// Evaluates the fleet; returns the current decisions by pool.
fn evaluate(
    fleet_index: &mut FleetIndex,
    memory: ScalingState,
    now: Timestamp,
) -> (Vec<Arc<Decision>>, ScalingState) {
    let (_, memory) = evaluate_fleet(fleet_index, memory, now);
    let mut all: Vec<_> = memory.values().flat_map(EntityState::decisions).cloned().collect();
    all.sort_by(|a, b| a.pool.cmp(&b.pool));
    (all, memory)
}

fn first_look(sight: &Sight) -> Vec<Arc<Decision>> {
    evaluate(&mut fleet_index(sight), ScalingState::new(), at(0)).0
}

/// Decisions without the time at which they were made and until which they are valid.
fn timeless(decisions: &[Arc<Decision>]) -> Vec<Decision> {
    let timeless =
        |decision: &Arc<Decision>| Decision { at: at(0), until: None, ..Decision::clone(decision) };
    decisions.iter().map(timeless).collect()
}

/// Applies a sequence of changes event by event, with an evaluation after each; returns the end
/// time.
fn pass(
    sight: &mut Sight,
    fleet_index: &mut FleetIndex,
    mut memory: ScalingState,
    run: &[Next],
) -> (ScalingState, Timestamp) {
    let mut second = 0;
    for next in run {
        second += next.after;
        for change in sight.change(next, at(second)) {
            fleet_index.apply(change, at(second));
        }
        memory = evaluate(fleet_index, memory, at(second)).1;
    }
    (memory, at(second))
}

fn shuffled(sight: &Sight, by: usize) -> Sight {
    fn rotate<T>(rows: &mut [T], by: usize) {
        rows.reverse();
        if !rows.is_empty() {
            rows.rotate_left(by % rows.len());
        }
    }
    let mut sight = sight.clone();
    rotate(&mut sight.fleet.pools, by);
    rotate(&mut sight.fleet.runners, by);
    rotate(&mut sight.fleet.jobs, by);
    sight
}

/// How many runners GARM creates at this level before anything else happens.
fn created(decision: &Decision, level: u32) -> u32 {
    if let Some(set) = &decision.scale_set {
        // GARM serves the assigned jobs whatever the level is.
        let (live, garm_max) = (decision.inputs.counts.live, decision.inputs.garm_max);
        let most = |level: u32| (level + set.assigned).min(garm_max).max(live);
        return most(level) - most(0);
    }
    let (counts, garm_max) = (&decision.inputs.counts, decision.inputs.garm_max);
    level.saturating_sub(counts.garm_idle).min(garm_max.saturating_sub(counts.live))
}

proptest! {
    #[test]
    fn nothing_ever_goes_beyond_the_smaller_max_runners(sight in some_sight()) {
        for it in first_look(&sight) {
            let max = it.inputs.policy.max_runners.min(it.inputs.garm_max);
            prop_assert!(it.level <= max, "{it:#?}");
            prop_assert!(it.resting_level <= it.level, "{it:#?}");
            let own = it.scale_set.map_or(0, |set| set.assigned.min(it.inputs.garm_max));
            let beyond = max.max(it.inputs.counts.live).max(own);
            let live = it.inputs.counts.live.max(own);
            prop_assert!(live + created(&it, it.level) <= beyond, "{it:#?}");
        }
    }

    #[test]
    fn who_is_busy_or_elsewhere_is_never_let_go_or_removed(sight in some_sight()) {
        for it in first_look(&sight) {
            let grace = sight.policy(&it.pool).boot_grace;
            for name in it.retire.iter().chain(&it.reserve).chain(&it.remove) {
                let row = sight.runner(name);
                prop_assert_eq!(row.pool.as_ref(), Some(&it.pool));
                prop_assert!(!row.is_busy(), "{row:#?}");
            }
            for name in it.retire.iter().chain(&it.reserve) {
                let row = sight.runner(name);
                prop_assert!(row.is_idle() && row.job.is_none(), "{row:#?}");
            }
            let mut overdue = it.rules.overdue_removed;
            for name in &it.remove {
                match classify(sight.runner(name), grace, &mut EvaluationClock::new(at(0))) {
                    RunnerClass::Failed => {}
                    RunnerClass::Booting if overdue > 0 => overdue -= 1,
                    other => prop_assert!(false, "{name:?}: {other:?}"),
                }
            }
            for name in &it.dismiss {
                let row = sight.runner(name);
                prop_assert!(row.is_idle() && row.job.is_none(), "{row:#?}");
            }
        }
    }

    #[test]
    fn only_pools_of_ours_that_scale_are_decided_about(sight in some_sight()) {
        for it in first_look(&sight) {
            let pool = sight.fleet.pool(&it.pool).unwrap();
            prop_assert!(pool.spec.enabled && sight.policies.contains_key(&it.pool));
        }
    }

    #[test]
    fn letting_go_leaves_min_runners_and_the_floor(sight in some_sight()) {
        for it in first_look(&sight) {
            let (counts, rules) = (&it.inputs.counts, &it.rules);
            let retired = u32::try_from(it.retire.len()).unwrap();
            // GARM may rebuild the runner that makes room for a probe: the new one is the probe.
            if rules.makes_room(counts) {
                prop_assert!(retired <= 1, "{it:#?}");
                continue;
            }
            let up = counts.active + counts.idle;
            prop_assert!(up - retired >= it.inputs.policy.min_runners.min(up), "{it:#?}");
            let bound = (rules.floor + rules.covered).min(counts.idle);
            prop_assert!(retired == 0 || counts.idle - retired >= bound, "{it:#?}");
            let all = retired + u32::try_from(it.reserve.len()).unwrap();
            prop_assert!(all <= rules.surplus, "{it:#?}");
            prop_assert!(retired == 0 || it.scale_set.is_some() || it.level <= counts.garm_idle, "GARM rebuilds: {it:#?}");
        }
    }

    #[test]
    fn the_order_of_rows_changes_nothing(sight in some_sight(), by in 0..9_usize) {
        prop_assert_eq!(first_look(&sight), first_look(&shuffled(&sight, by)));
    }

    #[test]
    fn a_level_that_is_applied_is_decided_again(sight in some_sight()) {
        let mut fleet_index = fleet_index(&sight);
        let (before, memory) = evaluate(&mut fleet_index, ScalingState::new(), at(0));
        let mut applied = sight.fleet.clone();
        for it in &before {
            let pool = applied.pools.iter_mut().find(|row| row.id == it.pool).unwrap();
            pool.spec.min_idle_runners = it.level;
        }
        fleet_index.read(applied);
        let (after, _) = evaluate(&mut fleet_index, memory, at(0));
        let what = |decision: &Arc<Decision>| (decision.level, decision.resting_level, decision.retire.clone(), decision.reason);
        let before: Vec<_> = before.iter().map(what).collect();
        prop_assert_eq!(before, after.iter().map(what).collect::<Vec<_>>());
    }

    #[test]
    fn a_kept_decision_is_what_a_fresh_one_would_be(sight in some_sight(), run in some_run(24, 40)) {
        let (mut sight, mut memory) = (sight, ScalingState::new());
        let mut fleet_index = fleet_index(&sight);
        let mut second = 0;
        for next in &run {
            second += next.after;
            for change in sight.change(next, at(second)) {
                fleet_index.apply(change, at(second));
            }
            let mut forgetful = memory.clone();
            forgetful.values_mut().for_each(|state| state.last = None);
            let (fresh, _) = evaluate(&mut fleet_index.clone(), forgetful, at(second));
            let (kept, after) = evaluate(&mut fleet_index, memory, at(second));
            memory = after;
            prop_assert_eq!(timeless(&kept), timeless(&fresh));
        }
    }

    #[test]
    fn reading_everything_again_changes_nothing(sight in some_sight(), run in some_run(40, 40)) {
        let mut sight = sight;
        let mut fleet_index = fleet_index(&sight);
        let (memory, now) = pass(&mut sight, &mut fleet_index, ScalingState::new(), &run);
        let (before, memory) = evaluate(&mut fleet_index, memory, now);
        sight.fleet.observed_at = now;
        fleet_index.read(sight.fleet);
        prop_assert_eq!(timeless(&before), timeless(&evaluate(&mut fleet_index, memory, now).0));
    }

    #[test]
    fn changes_one_by_one_come_to_what_a_first_reading_shows(
        sight in some_sight(),
        run in some_run(40, 1),
    ) {
        // Within a minute no job is stuck or forgotten and no runner fails: those need remembered
        // state.
        let empty = Fleet { runners: Vec::new(), jobs: Vec::new(), ..sight.fleet.clone() };
        let mut sight = Sight { fleet: empty, ..sight };
        let mut heard = fleet_index(&sight);
        let (_, now) = pass(&mut sight, &mut heard, ScalingState::new(), &run);
        // A first reading cannot tell a job that has just ended from a row that was written again.
        let now = now.checked_add(secs(6)).unwrap();
        // Only an index that received the events knows since when a busy runner had been idle, how
        // long another one took to boot, and that one became idle although another had failed.
        sight.fleet.observed_at = now;
        let mut first = fleet_index(&sight);
        for index in [&heard, &first] {
            let pools = index.entities().values().flat_map(|index| &index.pools);
            let mut runners = pools.flat_map(|pool| &pool.runners);
            prop_assume!(runners.all(|runner| runner.passed_over.is_none() && runner.overdue_at.is_none()));
        }
        let pools = heard.entities().values().flat_map(|index| &index.pools);
        let arrived: BTreeSet<PoolId> =
            pools.filter(|pool| pool.arrivals > 0).map(|pool| pool.id().clone()).collect();
        let read = evaluate(&mut first, ScalingState::new(), now).0;
        // At first sight a row does not show since when its runner is leaving.
        let at_first_sight = |decisions: &[Arc<Decision>]| -> Vec<Decision> {
            let mut decisions: Vec<_> = decisions.iter().map(|decision| decision.as_ref().clone()).collect();
            decisions.iter_mut().for_each(|decision| decision.inputs.counts.leaving_since = None);
            // Nor since when a scale set has had its assigned jobs.
            let sets = decisions.iter_mut().filter(|decision| decision.scale_set.is_some());
            sets.for_each(|decision| decision.inputs.oldest_queued = None);
            decisions
        };
        let heard = evaluate(&mut heard, ScalingState::new(), now).0;
        if heard.iter().any(|it| it.inputs.counts.failed > 0 && arrived.contains(&it.pool)) {
            return Ok(());
        }
        prop_assert_eq!(at_first_sight(&heard), at_first_sight(&read));
    }

    #[test]
    fn events_twice_or_late_change_nothing(sight in some_sight(), run in some_run(30, 20)) {
        let mut sight = sight;
        let mut fleet_index = fleet_index(&sight);
        let (mut heard, mut second) = (Vec::new(), 0);
        for next in &run {
            second += next.after + 1;
            for change in sight.change(next, at(second)) {
                fleet_index.apply(change.clone(), at(second));
                heard.push(change);
            }
        }
        let before = evaluate(&mut fleet_index.clone(), ScalingState::new(), at(second)).0;
        for change in heard.into_iter().rev() {
            fleet_index.apply(change, at(second));
        }
        let after = evaluate(&mut fleet_index, ScalingState::new(), at(second)).0;
        prop_assert_eq!(timeless(&before), timeless(&after));
    }

    #[test]
    fn an_open_circuit_lets_garm_create_one_runner_for_each_probe(
        sight in some_sight(),
        failed in 3..6_usize,
        waits in prop::collection::vec(1..400_i64, 1..20),
    ) {
        let mut sight = sight;
        let mut fleet_index = fleet_index(&sight);
        let (_, mut memory) = evaluate(&mut fleet_index, ScalingState::new(), at(0));
        let home = sight.fleet.pools[0].id.clone();
        for number in 0..failed {
            let name = format!("f{number}");
            sight.fleet.runners.push(runner(home.as_str(), &name, "running/failed", 1));
        }
        sight.fleet.observed_at = at(1);
        fleet_index.read(sight.fleet.clone());
        let mut second = 1;
        for wait in waits {
            let (decisions, after) = evaluate(&mut fleet_index, memory, at(second));
            memory = after;
            for it in decisions.iter().filter(|decision| decision.rules.circuit.open.is_some()) {
                let probes = u32::from(it.rules.circuit.probe == RunnerProbe::Now);
                prop_assert!(created(it, it.level) <= probes, "{it:#?}");
                prop_assert_eq!(created(it, it.resting_level), 0);
            }
            second += wait;
        }
        let is_decided = sight.policies.contains_key(&home) && sight.fleet.pools[0].spec.enabled;
        let is_open = memory.values().flat_map(EntityState::decisions).any(|decision| {
            decision.pool == home && decision.rules.circuit.open.is_some()
        });
        prop_assert_eq!(is_decided, is_open);
    }

    /// One pool, with any earlier observations of its queue by one of the watchers. A watcher that
    /// remembers pressure serves the end of its burst immediately; one that does not serves it
    /// after `max_queue_wait`. With `off` the definition itself depends on the past.
    #[test]
    fn two_watchers_of_one_sight_come_to_agree(
        policy in some_policy(),
        queues in prop::collection::vec((0..12_i64, 1..50_i64), 0..8),
        states in prop::collection::vec(prop::sample::select(vec!["running/idle", "running/active"]), 0..8),
        jobs in 0..12_i64,
    ) {
        let wait = Some(policy.max_queue_wait.unwrap_or(secs(120)));
        let policy = ScalePolicy { max_queue_wait: wait, ..policy };
        let policies = ScalePolicies::from([(PoolId::new("a"), policy)]);
        let rows = |now, jobs: i64, first: i64| {
            let runner = |(n, state): (usize, &&str)| runner("a", &format!("r{n}"), state, -90);
            let runners = states.iter().enumerate().map(runner).collect();
            let jobs = (first..first + jobs).map(|id| job(id, &["x"], now)).collect();
            fleet(now, vec![pool("a", &["x"])], runners, jobs)
        };
        let (mut old, mut memory) = (FleetIndex::new(rows(0, 0, 0), policies.clone()), ScalingState::new());
        let (mut second, mut first) = (0, 100);
        for (count, wait) in queues {
            old.read(rows(second, count, first));
            memory = evaluate(&mut old, memory, at(second)).1;
            second += wait;
            first += count;
        }
        let last = rows(second, jobs, 1);
        old.read(last.clone());
        let (mut new, mut fresh) = (FleetIndex::new(last, policies), ScalingState::new());
        let mut levels = (Vec::new(), Vec::new());
        for wait in [0, 10, 30, 30, 60, 120, 300, 600] {
            second += wait;
            (levels.0, memory) = evaluate(&mut old, memory, at(second));
            (levels.1, fresh) = evaluate(&mut new, fresh, at(second));
        }
        let what = |decisions: &Vec<Arc<Decision>>| (decisions[0].level, decisions[0].resting_level, decisions[0].retire.clone());
        prop_assert_eq!(what(&levels.0), what(&levels.1));
    }
}
