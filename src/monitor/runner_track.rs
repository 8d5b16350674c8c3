//! The observations of one runner while it exists.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::finding::FindingKind;
use crate::domain::duration;
use crate::domain::name::PoolId;
use crate::domain::runner::{Runner, RunnerStatus};
use crate::domain::text::code;

#[derive(Debug, Clone)]
pub(super) struct RunnerTrack {
    /// The id of the instance in GARM.
    pub(super) id: String,
    pub(super) pool: Option<PoolId>,
    /// The provider and its id of the VM.
    pub(super) vm: Option<(String, String)>,
    /// GitHub's ids of the jobs that the runner was seen with, at most two.
    pub(super) jobs: Vec<i64>,
    /// The earliest time at which its job is known to have ended.
    pub(super) ended_at: Option<Timestamp>,
    /// The latest time at which the runner is known to have existed.
    pub(super) seen_at: Timestamp,
    pub(super) is_busy: bool,
    pub(super) is_leaving: bool,
    /// `status`/`runner_status` of its last row.
    state: String,
    /// The number of the last full read that listed the runner.
    pub(super) reading: u64,
    /// The findings that were reported for it, except that it outlived its job.
    pub(super) told: BTreeSet<FindingKind>,
}

impl RunnerTrack {
    pub(super) fn new(runner: &Runner) -> Self {
        Self {
            id: runner.id.clone(),
            pool: runner.pool.clone(),
            vm: None,
            jobs: Vec::new(),
            ended_at: None,
            seen_at: runner.created_at,
            is_busy: false,
            is_leaving: false,
            state: String::new(),
            reading: 0,
            told: BTreeSet::new(),
        }
    }

    /// Records the state in the runner's row, which shows the runner at `seen_at`.
    pub(super) fn see(&mut self, runner: &Runner, seen_at: Timestamp) {
        self.pool.clone_from(&runner.pool);
        self.seen_at = self.seen_at.max(seen_at);
        self.is_busy = runner.is_busy();
        self.is_leaving = runner.status.is_leaving();
        self.state.clear();
        self.state.push_str(runner.status.word());
        self.state.push('/');
        self.state.push_str(runner.runner_status.word());
        if runner.runner_status == RunnerStatus::Terminated {
            // The job had ended when the row was written.
            self.end(runner.updated_at.min(seen_at));
        }
    }

    /// Records that the job had ended by `at`.
    pub(super) fn end(&mut self, at: Timestamp) {
        self.ended_at = Some(self.ended_at.map_or(at, |known| known.min(at)));
    }

    /// Records that the runner has this job. GARM 0.1 writes 0 for no job.
    pub(super) fn take_job(&mut self, job: i64) {
        if job != 0 && self.jobs.len() < 2 && !self.jobs.contains(&job) {
            self.jobs.push(job);
        }
    }

    /// Whether the runner is neither busy nor being deleted by GARM.
    pub(super) fn is_removable(&self) -> bool {
        !self.is_busy && !self.is_leaving
    }

    /// The evidence that the runner outlived its job, which had ended by `ended`.
    pub(super) fn afterlife(&self, ended: Timestamp) -> String {
        let lived = Duration::try_from(self.seen_at.duration_since(ended)).unwrap_or_default();
        let job = match self.jobs.first() {
            Some(job) => format!("job {job}"),
            None => "its job".to_owned(),
        };
        let (lived, state) = (duration::format(lived), code(&self.state));
        match (self.is_leaving, self.is_busy) {
            (true, _) => format!(
                "{job} had ended {lived} before it was last seen, and GARM has not finished deleting \
                 it: {state}"
            ),
            (false, true) => format!(
                "{job} had ended {lived} before it was last seen, and GARM shows it busy: {state}; \
                 a busy runner is not removed"
            ),
            (false, false) => format!(
                "{job} had ended {lived} before it was last seen, and its deletion has not begun: {state}"
            ),
        }
    }
}
