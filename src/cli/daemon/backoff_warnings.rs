//! Warns if GARM's own backoff is too short or too long for the policies of the pools.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::cli::log::LogLine;
use crate::domain::name::{PoolId, PoolKind, PoolName};
use crate::reconcile::watch::LoopSnapshot;
use crate::render::status::{impatience, left_to_garm};
use crate::scaling::EntityIndex;

/// Interval at which the warning about a long backoff is repeated.
const REPEAT: SignedDuration = SignedDuration::from_hours(1);

/// The warnings that were logged last.
#[derive(Debug, Default)]
pub(super) struct BackoffWarnings {
    short: Option<String>,
    long: Option<(String, Timestamp)>,
}

impl BackoffWarnings {
    /// The new warnings and the ends of earlier ones. `names` are the managed pools.
    pub(super) fn check(
        &mut self,
        snapshot: &LoopSnapshot<'_>,
        names: &BTreeMap<PoolId, PoolName>,
    ) -> Vec<LogLine> {
        self.short(snapshot).into_iter().chain(self.long(snapshot, names)).collect()
    }

    /// Warns, at each change, if GARM scales before the policies of the pools can.
    fn short(&mut self, snapshot: &LoopSnapshot<'_>) -> Option<LogLine> {
        let pools = snapshot.fleet_index.entities().values().flat_map(EntityIndex::pools);
        // GARM's backoff is for webhooks; a scale set has no use for it.
        let scaled = pools.filter(|pool| pool.is_scaled() && pool.id().kind() == PoolKind::Pool);
        let delays = scaled.filter_map(|pool| Some(pool.policy()?.scale_up_delay));
        let warning = impatience(snapshot.fleet_index.backoff(), delays);
        if warning == self.short {
            return None;
        }
        let line = match &warning {
            Some(text) => LogLine::warn("backoff", text.clone()).help(
                "set `controller: { minimum_job_age_backoff: 5m }` in the fleet file and apply it",
            ),
            None => {
                LogLine::info("backoff", "GARM now leaves scaling to the policies of the pools")
            }
        };
        self.short = warning;
        Some(line)
    }

    /// Warns, at each change and every hour, of a long backoff that is the only scaling of some
    /// pools.
    fn long(
        &mut self,
        snapshot: &LoopSnapshot<'_>,
        names: &BTreeMap<PoolId, PoolName>,
    ) -> Option<LogLine> {
        let rows = snapshot.fleet_index.pools();
        let pools = snapshot.fleet_index.entities().values().flat_map(EntityIndex::pools);
        let unscaled = pools.filter_map(|pool| {
            let policy = pool.policy().filter(|policy| !policy.autoscale)?;
            let is_enabled = rows.get(pool.id()).is_some_and(|row| row.spec.enabled);
            let is_pool = pool.id().kind() == PoolKind::Pool;
            let name = names.get(pool.id()).filter(|_| is_enabled && is_pool)?;
            Some((name.as_str(), policy.scale_up_delay))
        });
        let warning = left_to_garm(snapshot.fleet_index.backoff(), unscaled);
        let is_due = match (&warning, &self.long) {
            (Some(text), Some((before, at))) => {
                text != before || snapshot.now.duration_since(*at) >= REPEAT
            }
            (warning, before) => warning.is_some() != before.is_some(),
        };
        if !is_due {
            return None;
        }
        let line = match &warning {
            Some(text) => LogLine::warn("backoff", text.clone()).help(
                "turn `autoscale` on for them, or lower `controller.minimum_job_age_backoff`",
            ),
            None => LogLine::info("backoff", "no pool depends on GARM's backoff any longer"),
        };
        self.long = warning.map(|text| (text, snapshot.now));
        Some(line)
    }
}
