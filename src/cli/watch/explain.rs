//! What `/decisions` shows: the last decision of each pool, kept as it was made.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::name::{FleetName, PoolId, PoolName};
use crate::engine::watch::Sight;
use crate::scale::{Decision, Freeze, SiteMemory};
use crate::view::decision;

/// Everything that the page is made from; made into a page when somebody asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    fleet: String,
    at: Option<Timestamp>,
    decisions: BTreeMap<PoolName, (Arc<Decision>, Option<Freeze>)>,
    left_alone: Vec<(String, String)>,
}

impl Kept {
    pub(super) fn of(fleet: &FleetName, sight: &Sight<'_>) -> Self {
        let all = sight.memory.values().flat_map(SiteMemory::decisions);
        let by_id: BTreeMap<&PoolId, &Arc<Decision>> = all.map(|it| (&it.pool, it)).collect();
        let kept = sight.managed.iter().filter_map(|(name, it)| {
            let decision = Arc::clone(by_id.get(&it.id)?);
            Some((name.clone(), (decision, sight.freeze_of(&it.entity).cloned())))
        });
        let is_scaled = |id: &PoolId| by_id.contains_key(id);
        let at_rest = sight.managed.iter().filter(|it| !is_scaled(&it.1.id)).map(|(name, _)| {
            (name.to_string(), "it is disabled, or `autoscale` is false".to_owned())
        });
        let unmanaged =
            sight.unmanaged.iter().map(|(name, why)| (name.to_string(), why.sentence()));
        Self {
            fleet: fleet.to_string(),
            at: Some(sight.now),
            decisions: kept.collect(),
            left_alone: unmanaged.chain(at_rest).collect(),
        }
    }

    pub(super) fn value(&self) -> Value {
        let pools = self
            .decisions
            .iter()
            .map(|(name, (it, frozen))| decision::json(name, it, frozen.as_ref()));
        let at = self.at.unwrap_or(Timestamp::UNIX_EPOCH);
        decision::report(&self.fleet, at, &pools.collect::<Vec<_>>(), &self.left_alone)
    }
}
