//! The page `/decisions`: the last decision of each pool.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::domain::name::{FleetName, PoolId, PoolName};
use crate::monitor::compliance::RequirementVerdict;
use crate::reconcile::watch::{LoopSnapshot, Writes};
use crate::render::decision::{self, DecisionEffect, DecisionsDocument, Stall};
use crate::render::leadership::LeadershipJson;
use crate::render::page::PoolScaling;
use crate::scaling::{Decision, Freeze};

/// The fleet and the GARM that the decisions are about.
#[derive(Debug, Clone)]
pub(super) struct WatchedFleet {
    pub(super) fleet: FleetName,
    /// The URL of the GARM that runs the fleet.
    pub(super) garm: String,
}

/// The data of the page; a request renders it.
#[derive(Debug, Clone, Default)]
pub(super) struct DecisionsPage {
    report: DecisionsDocument,
    decisions: BTreeMap<PoolName, PoolDecision>,
}

/// Why a pool that is in GARM is not scaled.
const AT_REST: &str = "it is disabled, or `autoscale` is false";

/// A decision, and what keeps it from being applied or followed.
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
        snapshot: &LoopSnapshot<'_>,
    ) -> Self {
        let by_id = snapshot.decisions;
        let kept = snapshot.managed.iter().filter_map(|(name, pool)| {
            let held = PoolDecision {
                decision: Arc::clone(by_id.get(&pool.id)?),
                frozen: snapshot.freeze_of(&pool.entity).cloned(),
                stall: snapshot.stalls.get(&pool.id).cloned(),
            };
            Some((name.clone(), held))
        });
        let is_scaled = |id: &PoolId| by_id.contains_key(id);
        let at_rest = snapshot.managed.iter().filter(|entry| !is_scaled(&entry.1.id));
        let at_rest = at_rest.map(|(name, _)| (name.to_string(), AT_REST.to_owned()));
        let unmanaged =
            snapshot.unmanaged.iter().map(|(name, why)| (name.to_string(), why.sentence()));
        let report = DecisionsDocument {
            fleet: origin.fleet.to_string(),
            garm: origin.garm.clone(),
            controller_id: controller,
            at: snapshot.now,
            is_applied: snapshot.applied == Writes::Sent,
            not_scaled: unmanaged.chain(at_rest).collect(),
        };
        Self { report, decisions: kept.collect() }
    }

    pub(super) fn value(
        &self,
        verdicts: Option<&[RequirementVerdict]>,
        leader: Option<&LeadershipJson>,
    ) -> Value {
        let pools = self.decisions.iter().map(|(name, pool)| {
            decision::json(name, &pool.decision, self.effect(pool), pool.stall.as_ref())
        });
        self.report.value(&pools.collect::<Vec<_>>(), verdicts, leader)
    }

    /// The decision about a pool, for the status page.
    pub(super) fn scaling(&self, pool: &PoolName) -> PoolScaling<'_> {
        if let Some(decided) = self.decisions.get(pool) {
            let (effect, stall) = (self.effect(decided), decided.stall.as_ref());
            return PoolScaling::Decided { decision: &decided.decision, effect, stall };
        }
        match self.report.not_scaled.iter().find(|entry| entry.0 == pool.as_str()) {
            Some((_, why)) if why == AT_REST => PoolScaling::AtRest(why),
            Some((_, why)) => PoolScaling::Unresolved(why),
            None => PoolScaling::Unresolved("nothing has been decided about it yet"),
        }
    }

    fn effect<'a>(&self, pool: &'a PoolDecision) -> DecisionEffect<'a> {
        match (&pool.frozen, self.report.is_applied) {
            (Some(why), _) => DecisionEffect::Frozen(why),
            (None, true) => DecisionEffect::Applied,
            (None, false) => DecisionEffect::NotWritten,
        }
    }
}
