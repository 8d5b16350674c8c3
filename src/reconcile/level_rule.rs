//! What a plan writes if `watch` has changed the level of a pool since the plan was made.

use crate::domain::pool::{Pool, PoolChange};
use crate::plan::{ShownValue, Step};

/// What to do with a level that has changed since the plan was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LevelRule {
    Exact,
    /// `watch` controls the level. A plan only raises it, and a level that was raised above the
    /// plan's since then stays.
    AtLeast,
}

impl LevelRule {
    pub(super) fn of(step: &Step) -> Self {
        let is_level = |value: &ShownValue| matches!(value, ShownValue::Level(_));
        if step.changes.iter().any(|change| is_level(&change.after)) {
            Self::AtLeast
        } else {
            Self::Exact
        }
    }
}

/// The change, adjusted to the pool's present state.
pub(super) fn fitted(change: &PoolChange, rule: LevelRule, live: &Pool) -> PoolChange {
    let mut fitted = change.clone();
    let max = fitted.max_runners.unwrap_or(live.spec.max_runners);
    let level = match (fitted.min_idle_runners, rule) {
        (Some(level), LevelRule::AtLeast) => level.max(live.spec.min_idle_runners),
        (Some(level), LevelRule::Exact) => level,
        (None, _) => live.spec.min_idle_runners,
    };
    // GARM validates `min_idle_runners` against `max_runners`, using the stored value of the one
    // that is not sent.
    let level = level.min(max);
    fitted.min_idle_runners = (level != live.spec.min_idle_runners).then_some(level);
    fitted
}
