//! The level: what `min_idle_runners` is to be.

use super::decision::{DecisionInputs, RuleResults};

/// The level, and the level without a pulse.
///
/// GARM compares the level with all rows that are neither active nor terminated. So a pulse is what
/// GARM counts now, less the jobs about to be picked up, and what is to be built; rows in deletion
/// and dead runners are in it by themselves. Without a pulse the level holds the floor, dead
/// runners counted in, and the idle runners that are kept; rows in deletion are counted in only
/// while runners are missing, because they go by themselves, and GARM would make up for them.
///
/// GARM builds up to the level inside each pick-up, and pick-ups of one moment do not see each
/// other's new runners: four of them at a level of 6 were seen to build 18 (BENCHMARKS.md). So a
/// pulse is divided among those about to happen; what they leave is asked for right after them.
pub(super) fn levels(inputs: &DecisionInputs, rules: &RuleResults) -> (u32, u32) {
    let census = &inputs.census;
    let supply = census.supply();
    let resting = match rules.circuit.open {
        None => (rules.keep + rules.dead_idle).max(rules.floor + rules.dead),
        // GARM counts the dead ones as idle: with no more than this it has no reason to build.
        Some(_) => rules.keep.max(rules.floor).min(supply) + rules.dead_idle,
    };
    let missing = match rules.circuit.open {
        None => rules.floor.saturating_sub(supply),
        Some(_) => 0,
    };
    let mut level = resting;
    if missing > 0 {
        level = level.max(census.garm_idle + missing);
    }
    if rules.need > 0 {
        let share = rules.need.div_ceil(rules.starting.max(1));
        level = level.max((census.garm_idle + share).saturating_sub(rules.starting));
    }
    let ceiling = ceiling(inputs, rules);
    (level.min(ceiling), resting.min(ceiling))
}

/// The highest level: the smaller `max_runners`. Where ours is smaller than GARM's, GARM would
/// not stop at ours by itself, so the level leaves it no more to build than there is room for,
/// although each pick-up that is to come builds by itself.
fn ceiling(inputs: &DecisionInputs, rules: &RuleResults) -> u32 {
    let ours = inputs.policy.max_runners;
    if ours < inputs.garm_max {
        let left = inputs.census.garm_idle.saturating_sub(rules.covered);
        ours.min(left.saturating_add(rules.room / rules.covered.max(1)))
    } else {
        inputs.garm_max
    }
}
