//! Explanations for a runner that the level does not ask for, and for one that failed.

use crate::domain::entity::EntityKey;
use crate::domain::job::JobStatus;
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::runner::{Runner, RunnerStatus};
use crate::scaling::FleetIndex;

/// Whether GARM may have created a runner for a job that has waited for GARM's backoff.
pub(super) fn is_explained(
    fleet_index: &FleetIndex,
    entity: &EntityKey,
    now: jiff::Timestamp,
) -> bool {
    let backoff = fleet_index.backoff();
    fleet_index.jobs().filter(|job| job.entities.contains(entity)).any(|job| {
        let age = std::time::Duration::try_from(now.duration_since(job.created_at));
        job.is_locked || (job.status == JobStatus::Queued && age.is_ok_and(|age| age >= backoff))
    })
}

/// GARM counts runners before it creates any, so simultaneous pick-ups each create a replacement,
/// and together more than the level asks for.
const ONE_MOMENT: jiff::SignedDuration = jiff::SignedDuration::from_secs(2);

/// Whether the pool's newest runner may come from such simultaneous pick-ups.
pub(super) fn is_of_pick_ups(fleet_index: &FleetIndex, pool: &PoolId) -> bool {
    let runners = || fleet_index.runners().filter(|runner| runner.pool.as_ref() == Some(pool));
    let Some(newest) = runners().map(|runner| runner.created_at).max() else { return false };
    let picked_up = runners().filter(|runner| {
        runner.runner_status == RunnerStatus::Active
            && newest.duration_since(runner.updated_at).abs() <= ONE_MOMENT
    });
    picked_up.count() > 1
}

/// Why the provider failed, in GARM's words.
pub(super) fn fault(fleet_index: &FleetIndex, pool: &PoolId, name: &RunnerName) -> Option<String> {
    let is_it = |runner: &&Runner| runner.pool.as_ref() == Some(pool) && runner.name == *name;
    fleet_index.runners().find(is_it)?.provider_fault.clone()
}
