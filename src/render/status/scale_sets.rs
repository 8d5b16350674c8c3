//! The waiting jobs of scale sets. GitHub tells GARM how many jobs it has assigned to each; GARM's rows
//! of these jobs may be late or missing.

use std::collections::HashMap;

use crate::domain::fleet::Fleet;
use crate::domain::job::Job;
use crate::domain::label::Labels;
use crate::domain::name::PoolId;
use crate::domain::pool::Pool;

/// The jobs that wait for one scale set.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SetQueue<'a> {
    pub(super) set: &'a Pool,
    /// GARM's rows of queued jobs that ask for it, oldest first.
    pub(super) rows: Vec<&'a Job>,
    /// The number of waiting jobs: of those assigned and not running, or of the rows if there are
    /// more.
    pub(super) waiting: u32,
}

impl SetQueue<'_> {
    /// How many of the waiting jobs GARM has no row of.
    pub(super) fn unlisted(&self) -> u32 {
        self.waiting.saturating_sub(u32::try_from(self.rows.len()).unwrap_or(u32::MAX))
    }
}

/// The waiting jobs of all scale sets in GARM.
pub(super) struct SetQueues<'a> {
    /// By the id of the scale set. A job that several fit is listed for the first of them: only GitHub
    /// knows which one it has chosen.
    pub(super) by_set: HashMap<&'a PoolId, SetQueue<'a>>,
    /// Queued jobs of scale sets that no scale set in GARM fits.
    pub(super) unserved: Vec<&'a Job>,
}

impl<'a> SetQueues<'a> {
    pub(super) fn of(fleet: &'a Fleet) -> Self {
        let sets: Vec<(&Pool, Labels)> =
            fleet.pools.iter().filter_map(|pool| Some((pool, pool.asked_for()?))).collect();
        let mut by_set: HashMap<&PoolId, SetQueue<'_>> = sets
            .iter()
            .map(|(set, _)| (&set.id, SetQueue { set, rows: Vec::new(), waiting: 0 }))
            .collect();
        let mut unserved = Vec::new();
        for job in fleet.jobs.iter().filter(|job| job.waits_for_scale_set()) {
            let fits = |(set, asked_for): &&(&Pool, Labels)| {
                job.entities.contains(&set.entity) && asked_for.covers(&job.labels)
            };
            let first = sets.iter().find(fits).and_then(|(set, _)| by_set.get_mut(&set.id));
            match first {
                Some(queue) => queue.rows.push(job),
                None => unserved.push(job),
            }
        }
        let mut busy: HashMap<&PoolId, usize> = HashMap::new();
        for runner in fleet.runners.iter().filter(|runner| runner.is_busy()) {
            if let Some(pool) = &runner.pool {
                *busy.entry(pool).or_default() += 1;
            }
        }
        for (id, queue) in &mut by_set {
            queue.rows.sort_by_key(|job| (job.created_at, job.id));
            let busy = busy.get(id).copied().unwrap_or_default();
            let assigned =
                queue.set.scale_set.map_or(0, |state| state.desired_runner_count as usize);
            let waiting = assigned.saturating_sub(busy).max(queue.rows.len());
            queue.waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        }
        Self { by_set, unserved }
    }
}
