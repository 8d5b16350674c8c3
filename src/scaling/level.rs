//! Computes the level of a pool: the value for `min_idle_runners`.

use super::decision::{DecisionInputs, RuleResults};

/// The level, and the resting level, which requests no runners for waiting jobs.
///
/// GARM compares the level with all rows that are neither active nor terminated. The level that
/// requests new runners is therefore GARM's present count, minus the jobs about to be picked up,
/// plus the runners to create; rows in deletion and dead runners are part of that count. The
/// resting level covers the floor, the dead runners and the idle runners to keep. The level covers
/// rows in deletion only while runners are missing or requested: they disappear by themselves, and
/// GARM would replace them.
///
/// GARM creates runners up to the level during each pick-up, and simultaneous pick-ups do not see
/// each other's new runners: four of them at a level of 6 created 18 (BENCHMARKS.md). So the
/// request is divided by the number of imminent pick-ups, and the rest is requested right after
/// them.
pub(super) fn levels(inputs: &DecisionInputs, rules: &RuleResults) -> (u32, u32) {
    let counts = &inputs.counts;
    let supply = counts.supply();
    let resting = match rules.circuit.open {
        None => (rules.keep + rules.dead_idle).max(rules.floor + rules.dead),
        // GARM counts dead runners as idle, so at this level it has no reason to create any.
        Some(_) => rules.keep.max(rules.floor).min(supply) + rules.dead_idle,
    };
    let missing = match rules.circuit.open {
        None => rules.floor.saturating_sub(supply),
        Some(_) => 0,
    };
    let mut level = resting;
    if missing > 0 {
        level = level.max(counts.garm_idle + missing);
    }
    if rules.need > 0 {
        let capacity = rules.need.div_ceil(rules.starting.max(1));
        level = level.max((counts.garm_idle + capacity).saturating_sub(rules.starting));
    }
    let ceiling = ceiling(inputs, rules);
    (level.min(ceiling), resting.min(ceiling))
}

/// The highest allowed level: the smaller `max_runners`. If ours is smaller than GARM's, GARM would
/// not stop at ours. The level then lets GARM create no more runners than there is room for, even
/// though each imminent pick-up creates runners of its own.
fn ceiling(inputs: &DecisionInputs, rules: &RuleResults) -> u32 {
    let ours = inputs.own_max();
    if ours < inputs.garm_max {
        let left = inputs.counts.garm_idle.saturating_sub(rules.covered);
        ours.min(left.saturating_add(rules.room / rules.covered.max(1)))
    } else {
        inputs.garm_max
    }
}
