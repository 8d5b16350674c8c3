//! What the start of a job in a pool shows about the jobs and the idle runners that it left waiting.
//!
//! A job that waited beside an idle runner, and went to a younger one as soon as that was idle:
//! GitHub does not give jobs to the older runner, which is *suspect* unless its own job is told of
//! within [`PICK_UP`]. It is not connected, or it has a job and the webhook was lost.
//!
//! A job that had just come, and went past one that had waited beside an idle runner for [`SIDE`]:
//! GitHub does not hand out the older job to this pool, where it is *stuck*.
//!
//! GitHub promises no order among idle runners. So a runner that sees a younger one preferred for
//! a job that has just come is not suspect: it would be every time but one.

use jiff::Timestamp;

use super::deadline::{earlier, later};
use super::entity_index::EntityIndex;
use super::job_starts::SIDE;
use super::pool_index::PoolIndex;
use super::queue::PICK_UP;
use super::runner_state::JobPickUp;

/// What the starts in one pool have shown so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PoolStarts {
    /// A runner or its job has changed since they were last judged.
    pub(super) is_news: bool,
    /// The latest start.
    pub(super) latest: Option<Timestamp>,
    /// A start that went past jobs, and before when those were created.
    pub(super) past_jobs: Option<OvertakingStart>,
    /// When a runner that was suspect took a job: earlier starts show nothing about runners.
    cleared_at: Option<Timestamp>,
}

/// A start that went past jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OvertakingStart {
    /// When it was.
    pub(super) at: Timestamp,
    /// The jobs that had waited long enough were created before this.
    pub(super) created_before: Timestamp,
}

/// Judges the starts in each pool in which something has changed.
pub(super) fn judge(site: &mut EntityIndex, now: Timestamp) {
    let facts = &site.queue.facts;
    for stock in site.stocks.iter_mut().filter(|it| it.starts.is_news) {
        stock.starts.is_news = false;
        let works: Vec<(JobPickUp, Timestamp)> = (stock.units.iter())
            .filter_map(|it| Some((it.work?, facts.get(&it.job?)?.created_at)))
            .collect();
        if stock.judge(&works) {
            stock.version += 1;
            stock.recount(now);
        }
    }
}

impl PoolIndex {
    /// Judges these starts: how each runner came to its job, and when the job was created. Says
    /// whether a runner is suspect now, or none any more.
    fn judge(&mut self, works: &[(JobPickUp, Timestamp)]) -> bool {
        let latest = works.iter().map(|it| it.0.began).max();
        self.starts.latest = self.starts.latest.max(latest);
        let redeemed = works.iter().filter(|it| it.0.was_suspect).map(|it| it.0.began).max();
        let mut has_changed = false;
        if redeemed > self.starts.cleared_at {
            self.starts.cleared_at = redeemed;
            for unit in &mut self.units {
                has_changed |= unit.passed_over.take().is_some();
            }
        }
        for (work, created_at) in works {
            has_changed |= self.pass_runners(work, *created_at);
            self.pass_jobs(work, *created_at);
        }
        has_changed
    }

    /// The runners that had been idle beside the job before its runner was.
    fn pass_runners(&mut self, work: &JobPickUp, created_at: Timestamp) -> bool {
        let is_shown = self.starts.cleared_at.is_none_or(|it| it < work.began);
        if !is_shown || later(created_at, PICK_UP) > work.idle_since {
            return false;
        }
        let bound = earlier(work.idle_since, PICK_UP);
        let mut has_changed = false;
        for unit in self.units.iter_mut().filter(|it| it.job.is_none()) {
            if unit.passed_over.is_none() && unit.idle.is_some_and(|it| it.since <= bound) {
                unit.passed_over = Some(work.began);
                has_changed = true;
            }
        }
        has_changed
    }

    /// The jobs that had waited beside an idle runner before this one came.
    fn pass_jobs(&mut self, work: &JobPickUp, created_at: Timestamp) {
        let created_before = earlier(work.began, SIDE);
        if created_at <= created_before {
            return;
        }
        let trusted = self.units.iter().filter(|it| it.passed_over.is_none());
        let idle = trusted.filter_map(|it| it.idle).map(|it| it.since);
        if idle.chain([work.idle_since]).any(|it| it <= created_before) {
            let past = OvertakingStart { at: work.began, created_before };
            self.starts.past_jobs = self.starts.past_jobs.max(Some(past));
        }
    }
}
