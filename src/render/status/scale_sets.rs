//! The waiting jobs of scale sets. GitHub tells GARM how many jobs it has assigned to each; GARM's rows
//! of these jobs may be late or missing.

use std::collections::HashMap;

use crate::domain::fleet::Fleet;
use crate::domain::job::{Job, JobStatus};
use crate::domain::name::{PoolId, PoolKind};
use crate::domain::pool::Pool;

/// The jobs that wait for one scale set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SetQueue<'a> {
    /// GARM's rows of queued jobs that request it, oldest first.
    pub(super) rows: Vec<&'a Job>,
    /// The number of waiting jobs: of those assigned and not running, or of the rows if there are
    /// more.
    pub(super) waiting: u32,
}

/// The queue of each scale set in GARM, by its id. A job that several scale sets fit is listed for the
/// first of them: only GitHub knows which one it has chosen.
pub(super) fn set_queues(fleet: &Fleet) -> HashMap<&PoolId, SetQueue<'_>> {
    let sets = || fleet.pools.iter().filter(|pool| pool.kind() == PoolKind::ScaleSet);
    let mut queues: HashMap<&PoolId, SetQueue<'_>> =
        sets().map(|set| (&set.id, SetQueue::default())).collect();
    let is_queued = |job: &&Job| job.is_of_scale_set() && job.status == JobStatus::Queued;
    for job in fleet.jobs.iter().filter(is_queued) {
        if let Some(set) = sets().find(|set| is_requested(set, job)) {
            queues.entry(&set.id).or_default().rows.push(job);
        }
    }
    for set in sets() {
        let queue = queues.entry(&set.id).or_default();
        queue.rows.sort_by_key(|job| (job.created_at, job.id));
        let busy = fleet.runners_of(&set.id).filter(|runner| runner.is_busy()).count();
        let assigned = set.scale_set.map_or(0, |state| state.desired_runner_count as usize);
        let waiting = assigned.saturating_sub(busy).max(queue.rows.len());
        queue.waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
    }
    queues
}

/// Whether the job requests this scale set, by its name or its labels.
pub(super) fn is_requested(set: &Pool, job: &Job) -> bool {
    let mut labels = set.spec.labels.clone();
    labels.insert(set.spec.scale_set_name.as_deref().unwrap_or_default());
    job.entities.contains(&set.entity) && labels.covers(&job.labels)
}
