//! The level (`min_idle_runners`) that a plan sets: the declared one, or the scaler's floor.

use std::collections::HashMap;

use super::resolve::{Resolution, ResolvedPool};
use crate::domain::desired::DesiredPool;
use crate::domain::fleet::Fleet;
use crate::domain::name::{PoolId, PoolKind};
use crate::domain::pool::Pool;
use crate::scaling::{self, ScaledPool};

/// The scaler's floor for each pool with `autoscale: true`, computed for the fleet that was read.
pub(super) fn floors<'a>(
    fleet: &'a Fleet,
    resolved: &[ResolvedPool<'a>],
) -> HashMap<&'a PoolId, u32> {
    let managed: Vec<ScaledPool<'a>> = resolved
        .iter()
        .filter_map(|resolved| match &resolved.case {
            Resolution::Keep { pool, .. } if resolved.desired.scale.autoscale => {
                Some(ScaledPool { pool, policy: &resolved.desired.scale })
            }
            Resolution::Keep { .. }
            | Resolution::Create { .. }
            | Resolution::Replace(_)
            | Resolution::Blocked(_) => None,
        })
        .collect();
    let glances = scaling::snapshot(fleet, &managed);
    managed.iter().zip(glances).map(|(managed, glance)| (&managed.pool.id, glance.floor)).collect()
}

/// Whether `watch` controls the level of such a pool.
pub(super) fn is_steered(pool: &DesiredPool) -> bool {
    pool.may_be_enabled() && pool.scale.autoscale
}

/// The `max_runners` that a pool in GARM should have. In a group, `watch` lowers and raises it within
/// the declared one, and it stays as it is, but never below the level.
pub(super) fn wanted_max(desired: &DesiredPool, live: &Pool, level: u32) -> u32 {
    let declared = desired.scale.max_runners;
    // A scale set with 0 is retired.
    let is_kept = desired.shares_limit() && (live.kind() == PoolKind::Pool || !live.is_retired());
    if is_kept { live.spec.max_runners.max(level).min(declared) } else { declared }
}

/// The level that a pool in GARM should have.
///
/// | autoscale | level |
/// |---|---|
/// | no | the declared one |
/// | yes | the live one, raised to the floor, and never above `max_runners` |
///
/// This includes disabled pools: their level has no effect until they are enabled, and is then
/// right from the start.
pub(super) fn wanted(desired: &DesiredPool, live: &Pool, floor: Option<u32>) -> u32 {
    if !desired.scale.autoscale {
        return desired.plain_level();
    }
    live.spec.min_idle_runners.max(floor.unwrap_or(0)).min(desired.scale.max_runners)
}
