//! Jobs that wait beside an idle runner which GitHub does not give them.
//!
//! A job still waiting beside an idle runner of a fitting pool a minute after another job of the
//! entity started, both present by then, is stuck for that pool until it waits no more: a webhook
//! was lost, or a runner group excludes it. So is one that had waited there for a minute when a
//! younger job of the pool started. Without such a start nothing is stuck: GitHub may be down.
//!
//! With `t` the latest start that is a minute old, these are the jobs created before `t` beside a
//! pool with a runner idle since before `t`. So what is stuck beside a pool is one bound on the
//! jobs' creation, however many there are. A suspect runner is no idle one: which jobs were stuck
//! beside it is open again when it becomes suspect.

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use super::entity_index::EntityIndex;
use super::pool_index::PoolIndex;

/// What is stuck beside one pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StuckJobs {
    bound: Option<StuckBound>,
    /// When the pool last took a job that was stuck: what was seen before proves nothing.
    lifted_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StuckBound {
    /// Jobs created before this are stuck.
    created_before: Timestamp,
    /// How many starts had been seen when the first was found stuck.
    starts: u64,
}

impl StuckJobs {
    /// Jobs created before this are stuck.
    pub(super) fn created_before(&self) -> Option<Timestamp> {
        self.bound.map(|it| it.created_before)
    }

    /// No job is stuck any more.
    pub(super) fn clear(&mut self) {
        self.bound = None;
    }

    fn raise(&mut self, start: Timestamp, starts: u64) {
        let bound = self.bound.get_or_insert(StuckBound { created_before: start, starts });
        bound.created_before = bound.created_before.max(start);
    }
}

/// Finds what is stuck now beside each pool of the site, and frees it where a stuck job was taken
/// after all.
pub(super) fn mark(site: &mut EntityIndex, stuck: &mut [StuckJobs], moment: &mut EvaluationClock) {
    let evidence = site.starts.settle(moment);
    let starts = site.starts.count();
    for (stock, stuck) in site.stocks.iter().zip(stuck) {
        if stuck.bound.is_some_and(|it| took_one(site, stock, it)) {
            *stuck = StuckJobs { bound: None, lifted_at: Some(moment.now()) };
        }
        let suspect_since = stock.suspect_since(moment);
        if suspect_since > stuck.lifted_at {
            *stuck = StuckJobs { bound: None, lifted_at: Some(moment.now()) };
        }
        let is_after_the_lift = |start: Timestamp| stuck.lifted_at.is_none_or(|it| it < start);
        let is_proof = |start: &Timestamp| {
            stock.census.oldest_idle.is_some_and(|it| it < *start) && is_after_the_lift(*start)
        };
        let past = stock.starts.past_jobs.filter(|it| is_after_the_lift(it.at));
        let bounds = [evidence.filter(is_proof), past.map(|it| it.created_before)];
        if let Some(bound) = bounds.into_iter().flatten().max() {
            stuck.raise(bound, starts);
        }
    }
}

/// Whether a runner of the pool carries a job that was stuck beside it.
fn took_one(site: &EntityIndex, stock: &PoolIndex, bound: StuckBound) -> bool {
    stock.units.iter().filter_map(|it| site.queue.facts.get(&it.job?)).any(|fact| {
        fact.created_at < bound.created_before && fact.started.is_some_and(|it| it > bound.starts)
    })
}
