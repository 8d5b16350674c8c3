//! What the start of a job in a pool shows about the jobs and idle runners that it left waiting.
//!
//! If a job waited beside an idle runner and went to a younger runner as soon as that one was idle,
//! GitHub does not give jobs to the older runner. The older runner is *suspect* unless its own job
//! is reported within [`PICK_UP`]: it is not connected, or it has a job whose webhook was lost.
//!
//! If a new job started while an older one had waited beside an idle runner for [`STUCK_AFTER`],
//! GitHub does not hand the older job to this pool, where it is *stuck*.
//!
//! GitHub promises no order among idle runners. A runner is therefore not suspect merely because a
//! younger one was given a job that had just arrived: that happens to all runners but one each
//! time.

use jiff::Timestamp;

use super::deadline::{earlier, later};
use super::job_starts::STUCK_AFTER;
use super::pool_index::{OvertakingStart, PoolIndex};
use super::queue::PICK_UP;
use super::runner_state::JobPickUp;

impl PoolIndex {
    /// Evaluates these starts: how each runner picked up its job, and when the job was created.
    /// Returns whether the set of suspect runners has changed.
    pub(super) fn judge(&mut self, pick_ups: &[(JobPickUp, Timestamp)]) -> bool {
        let latest = pick_ups.iter().map(|entry| entry.0.began).max();
        self.starts.latest = self.starts.latest.max(latest);
        let cleared_at =
            pick_ups.iter().filter(|entry| entry.0.was_suspect).map(|entry| entry.0.began).max();
        let mut has_changed = false;
        if cleared_at > self.starts.cleared_at {
            self.starts.cleared_at = cleared_at;
            for runner in &mut self.runners {
                has_changed |= runner.passed_over.take().is_some();
            }
        }
        for (pick_up, created_at) in pick_ups {
            has_changed |= self.pass_runners(pick_up, *created_at);
            self.pass_jobs(pick_up, *created_at);
        }
        has_changed
    }

    /// Marks the runners that were idle beside the job before its own runner was.
    fn pass_runners(&mut self, pick_up: &JobPickUp, created_at: Timestamp) -> bool {
        let is_shown = self.starts.cleared_at.is_none_or(|cleared_at| cleared_at < pick_up.began);
        if !is_shown || later(created_at, PICK_UP) > pick_up.idle_since {
            return false;
        }
        let bound = earlier(pick_up.idle_since, PICK_UP);
        let mut has_changed = false;
        for runner in self.runners.iter_mut().filter(|runner| runner.job.is_none()) {
            if runner.passed_over.is_none() && runner.idle.is_some_and(|idle| idle.since <= bound) {
                runner.passed_over = Some(pick_up.began);
                has_changed = true;
            }
        }
        has_changed
    }

    /// Notes the jobs that had waited beside an idle runner before this one arrived.
    fn pass_jobs(&mut self, pick_up: &JobPickUp, created_at: Timestamp) {
        let created_before = earlier(pick_up.began, STUCK_AFTER);
        if created_at <= created_before {
            return;
        }
        let trusted = self.runners.iter().filter(|runner| runner.passed_over.is_none());
        let idle = trusted.filter_map(|runner| runner.idle).map(|idle| idle.since);
        if idle.chain([pick_up.idle_since]).any(|since| since <= created_before) {
            let past = OvertakingStart { at: pick_up.began, created_before };
            self.starts.past_jobs = self.starts.past_jobs.max(Some(past));
        }
    }
}
