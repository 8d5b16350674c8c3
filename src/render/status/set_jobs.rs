//! The rows of `status --jobs` for the queued jobs of scale sets.

use super::jobs::{JobReason, QueuedJobRow, bare_row};
use super::scale_sets::{SetQueue, SetQueues};
use crate::domain::fleet::Fleet;
use crate::domain::name::PoolId;
use crate::domain::runner::{Runner, Status};

/// The rows of all queued jobs of scale sets. `name` names a pool.
pub(super) fn set_job_rows(fleet: &Fleet, name: impl Fn(&PoolId) -> String) -> Vec<QueuedJobRow> {
    let queues = SetQueues::of(fleet);
    let mut rows = Vec::new();
    for queue in queues.by_set.values().filter(|queue| !queue.rows.is_empty()) {
        let (counts, pool) = (SetRunners::of(queue, fleet), name(&queue.set.id));
        for (older, job) in queue.rows.iter().enumerate() {
            let (reason, why) = reason(queue, older, &counts);
            let mut row = bare_row(job, (reason, why.to_owned()), fleet);
            row.pool = Some(pool.clone());
            rows.push(row);
        }
    }
    let why = "no scale set in GARM has its labels";
    let unserved = queues.unserved.into_iter();
    rows.extend(unserved.map(|job| bare_row(job, (JobReason::Labels, why.to_owned()), fleet)));
    rows
}

/// The runners of one scale set.
struct SetRunners {
    idle: usize,
    /// Idle or booting, as GARM counts idle runners, without those that fail or leave.
    ready: usize,
    live: usize,
}

impl SetRunners {
    fn of(queue: &SetQueue<'_>, fleet: &Fleet) -> Self {
        let runners = || fleet.runners_of(&queue.set.id);
        let is_ready = |runner: &&Runner| {
            runner.counts_as_idle() && !runner.status.is_leaving() && runner.status != Status::Error
        };
        Self {
            idle: runners().filter(|runner| runner.is_idle()).count(),
            ready: runners().filter(is_ready).count(),
            live: runners().count(),
        }
    }
}

/// Why a job waits before which `older` jobs of the scale set wait.
fn reason(queue: &SetQueue<'_>, older: usize, counts: &SetRunners) -> (JobReason, &'static str) {
    let spec = &queue.set.spec;
    if older < counts.idle {
        (JobReason::IdleRunner, "an idle runner is about to take it")
    } else if older < counts.ready {
        (JobReason::Booting, "a runner for it is booting")
    } else if !spec.enabled {
        (JobReason::PoolDisabled, "the scale set is disabled")
    } else if counts.live >= spec.max_runners as usize {
        (JobReason::PoolFull, "the scale set has `max_runners` runners")
    } else {
        (JobReason::Starting, "GARM starts a runner for it")
    }
}
