//! The rows of `status --jobs` for the queued jobs of scale sets.

use super::jobs::{JobReason, QueuedJobRow, bare_row};
use super::scale_sets::{is_requested, set_queues};
use crate::domain::fleet::Fleet;
use crate::domain::job::{Job, JobStatus};
use crate::domain::name::PoolId;
use crate::domain::pool::Pool;
use crate::domain::runner::{Runner, Status};

/// The rows of all queued jobs of scale sets. `name` names a pool.
pub(super) fn set_job_rows(fleet: &Fleet, name: impl Fn(&PoolId) -> String) -> Vec<QueuedJobRow> {
    let mut rows = Vec::new();
    for (id, queue) in set_queues(fleet) {
        let Some(set) = fleet.pool(id) else { continue };
        for (older, job) in (0..).zip(queue.rows) {
            let mut row = set_row(job, set, older, fleet);
            row.pool = Some(name(id));
            rows.push(row);
        }
    }
    rows.extend(unserved(fleet).map(|job| no_set_row(job, fleet)));
    rows
}

/// Queued jobs of scale sets that no scale set in GARM fits.
fn unserved(fleet: &Fleet) -> impl Iterator<Item = &Job> {
    let is_queued = |job: &&Job| job.is_of_scale_set() && job.status == JobStatus::Queued;
    let is_served = |job: &Job| fleet.pools.iter().any(|set| is_requested(set, job));
    fleet.jobs.iter().filter(is_queued).filter(move |job| !is_served(job))
}

/// A job of a scale set before which `older` jobs of it wait.
fn set_row(job: &Job, set: &Pool, older: usize, fleet: &Fleet) -> QueuedJobRow {
    let runners = || fleet.runners_of(&set.id);
    let idle = runners().filter(|runner| runner.is_idle()).count();
    let live = runners().count();
    // GARM's own count of idle runners includes those that boot.
    let is_ready = |runner: &&Runner| {
        runner.counts_as_idle() && !runner.status.is_leaving() && runner.status != Status::Error
    };
    let ready = runners().filter(is_ready).count();
    let (reason, why) = if older < idle {
        (JobReason::IdleRunner, "an idle runner is about to take it")
    } else if older < ready {
        (JobReason::Booting, "a runner for it is booting")
    } else if !set.spec.enabled {
        (JobReason::PoolDisabled, "the scale set is disabled")
    } else if live >= set.spec.max_runners as usize {
        (JobReason::PoolFull, "the scale set has `max_runners` runners")
    } else {
        (JobReason::Starting, "GARM starts a runner for it")
    };
    bare_row(job, (reason, why.to_owned()), fleet)
}

fn no_set_row(job: &Job, fleet: &Fleet) -> QueuedJobRow {
    let why = "no scale set in GARM has its labels".to_owned();
    bare_row(job, (JobReason::Labels, why), fleet)
}
