//! Jobs that wait beside an idle runner because GitHub does not hand them to it.
//!
//! A job is stuck for a fitting pool if it still waits beside an idle runner of that pool a minute
//! after another job of the entity started, and both the job and the runner were there by then. A
//! webhook was lost, or a runner group excludes the job. A job is also stuck if it had waited there
//! for a minute when a younger job of the pool started. Without such a start no job is stuck,
//! because GitHub may be down. Jobs stay stuck until they no longer wait, or until a runner of the
//! pool takes one of them or becomes suspect.
//!
//! Let `t` be the latest start that is a minute old. Then the stuck jobs are those created before
//! `t`, for every pool with a runner that has been idle since before `t`. One bound on the creation
//! time therefore describes all stuck jobs of a pool. A suspect runner does not count as idle: when
//! a runner becomes suspect, the jobs stuck beside it are evaluated again.

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use super::entity_index::EntityIndex;
use super::pool_index::PoolIndex;

/// The stuck jobs of one pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StuckJobs {
    bound: Option<StuckBound>,
    /// When the pool last took a stuck job; earlier observations prove nothing.
    lifted_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StuckBound {
    /// Jobs created before this time are stuck.
    created_before: Timestamp,
    /// The number of starts observed when the first job was found stuck.
    starts: u64,
}

impl StuckJobs {
    /// Jobs created before this time are stuck.
    pub(super) fn created_before(&self) -> Option<Timestamp> {
        self.bound.map(|bound| bound.created_before)
    }

    /// Marks no job as stuck.
    pub(super) fn clear(&mut self) {
        self.bound = None;
    }

    fn raise(&mut self, start: Timestamp, starts: u64) {
        let bound = self.bound.get_or_insert(StuckBound { created_before: start, starts });
        bound.created_before = bound.created_before.max(start);
    }
}

/// Finds the stuck jobs of each pool of the entity, and clears them where a stuck job was taken
/// after all.
pub(super) fn mark(index: &mut EntityIndex, stuck: &mut [StuckJobs], clock: &mut EvaluationClock) {
    let evidence = index.starts.settle(clock);
    let starts = index.starts.count();
    for (pool, stuck) in index.pools.iter().zip(stuck) {
        if stuck.bound.is_some_and(|bound| took_one(index, pool, bound)) {
            *stuck = StuckJobs { bound: None, lifted_at: Some(clock.now()) };
        }
        let suspect_since = pool.suspect_since(clock);
        if suspect_since > stuck.lifted_at {
            *stuck = StuckJobs { bound: None, lifted_at: Some(clock.now()) };
        }
        let is_after_the_lift =
            |start: Timestamp| stuck.lifted_at.is_none_or(|lifted_at| lifted_at < start);
        let is_proof = |start: &Timestamp| {
            pool.counts.oldest_idle.is_some_and(|since| since < *start) && is_after_the_lift(*start)
        };
        let past = pool.starts.past_jobs.filter(|past| is_after_the_lift(past.at));
        let bounds = [evidence.filter(is_proof), past.map(|bound| bound.created_before)];
        if let Some(bound) = bounds.into_iter().flatten().max() {
            stuck.raise(bound, starts);
        }
    }
}

/// Whether a runner of the pool carries a job that was stuck for it.
fn took_one(index: &EntityIndex, pool: &PoolIndex, bound: StuckBound) -> bool {
    pool.runners.iter().filter_map(|runner| index.queue.known_jobs.get(&runner.job?)).any(|known| {
        known.created_at < bound.created_before
            && known.started.is_some_and(|start| start > bound.starts)
    })
}
