//! The page `/decisions`: the last decision of each pool.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::domain::name::{FleetName, PoolId, PoolName};
use crate::reconcile::watch::{LoopSnapshot, Writes};
use crate::render::decision::{self, DecisionEffect, DecisionsDocument, Stall};
use crate::scaling::{Decision, EntityState, Freeze};

/// The fleet and the GARM that the decisions are about.
#[derive(Debug, Clone)]
pub(super) struct WatchedFleet {
    pub(super) fleet: FleetName,
    /// URL of GARM.
    pub(super) garm: String,
}

/// The data of the page, which is rendered on request.
#[derive(Debug, Clone, Default)]
pub(super) struct DecisionsPage {
    report: DecisionsDocument,
    decisions: BTreeMap<PoolName, PoolDecision>,
}

/// One decision, and what becomes of it.
#[derive(Debug, Clone)]
struct PoolDecision {
    decision: Arc<Decision>,
    frozen: Option<Freeze>,
    stall: Option<Stall>,
}

impl DecisionsPage {
    pub(super) fn of(
        origin: &WatchedFleet,
        controller: Option<String>,
        sight: &LoopSnapshot<'_>,
    ) -> Self {
        let all = sight.memory.values().flat_map(EntityState::decisions);
        let by_id: BTreeMap<&PoolId, &Arc<Decision>> = all.map(|it| (&it.pool, it)).collect();
        let kept = sight.managed.iter().filter_map(|(name, it)| {
            let held = PoolDecision {
                decision: Arc::clone(by_id.get(&it.id)?),
                frozen: sight.freeze_of(&it.entity).cloned(),
                stall: sight.stalls.get(&it.id).cloned(),
            };
            Some((name.clone(), held))
        });
        let is_scaled = |id: &PoolId| by_id.contains_key(id);
        let at_rest = sight.managed.iter().filter(|it| !is_scaled(&it.1.id)).map(|(name, _)| {
            (name.to_string(), "it is disabled, or `autoscale` is false".to_owned())
        });
        let unmanaged =
            sight.unmanaged.iter().map(|(name, why)| (name.to_string(), why.sentence()));
        let report = DecisionsDocument {
            fleet: origin.fleet.to_string(),
            garm: origin.garm.clone(),
            controller_id: controller,
            at: sight.now,
            is_applied: sight.applied == Writes::Sent,
            not_scaled: unmanaged.chain(at_rest).collect(),
        };
        Self { report, decisions: kept.collect() }
    }

    pub(super) fn value(&self) -> Value {
        let at_large = if self.report.is_applied {
            DecisionEffect::Applied
        } else {
            DecisionEffect::NotWritten
        };
        let pools = self.decisions.iter().map(|(name, it)| {
            let fate = it.frozen.as_ref().map_or(at_large, DecisionEffect::Frozen);
            decision::json(name, &it.decision, fate, it.stall.as_ref())
        });
        self.report.value(&pools.collect::<Vec<_>>())
    }
}
