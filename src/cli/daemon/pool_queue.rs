//! The jobs that wait for each pool of GARM.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::name::PoolId;
use crate::reconcile::watch::LoopSnapshot;
use crate::scaling::{EntityState, JobExceptions};

/// The queued jobs that are assigned to one pool.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PoolQueue {
    /// Without stuck and stale jobs.
    pub(super) depth: u32,
    oldest_assigned: Option<Timestamp>,
    pub(super) exceptions: JobExceptions,
}

impl PoolQueue {
    /// When the oldest waiting job was created. Stuck jobs count: they wait for longest.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.oldest_assigned.into_iter().chain(self.exceptions.oldest_stuck).min()
    }
}

/// The queue of each pool that was evaluated.
pub(super) fn queues<'a>(snapshot: &LoopSnapshot<'a>) -> BTreeMap<&'a PoolId, PoolQueue> {
    let waiting = snapshot.memory.values().flat_map(EntityState::waiting);
    let queue = |(id, jobs, exceptions): (&'a PoolId, &[Timestamp], JobExceptions)| {
        let depth = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        (id, PoolQueue { depth, oldest_assigned: jobs.first().copied(), exceptions })
    };
    waiting.map(queue).collect()
}
