//! What is remembered of one runner while it is there.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::finding::FindingKind;
use crate::domain::duration;
use crate::domain::name::PoolId;
use crate::domain::runner::{Runner, RunnerStatus};
use crate::domain::text::code;

/// One runner.
#[derive(Debug, Clone)]
pub(super) struct RunnerTrack {
    /// GARM's id of the instance.
    pub(super) id: String,
    pub(super) pool: Option<PoolId>,
    /// Provider and its id of the VM.
    pub(super) vm: Option<(String, String)>,
    /// The jobs that it was seen with, at most two: GitHub's ids.
    pub(super) jobs: Vec<i64>,
    /// When its job had ended at the latest.
    pub(super) ended_at: Option<Timestamp>,
    /// The latest time at which it was certainly there.
    pub(super) seen_at: Timestamp,
    pub(super) is_busy: bool,
    pub(super) is_leaving: bool,
    /// `status`/`runner_status` of its last row.
    state: String,
    /// The last reading that listed it.
    pub(super) reading: u64,
    /// What was told of it.
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

    /// It was as its row says at `seen_at`.
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
            // The row was written then or later: the job had ended by that time.
            self.end(runner.updated_at.min(seen_at));
        }
    }

    /// Its job had ended by `at`.
    pub(super) fn end(&mut self, at: Timestamp) {
        self.ended_at = Some(self.ended_at.map_or(at, |it| it.min(at)));
    }

    /// It has this job. 0 is no job: GARM 0.1 writes it where this program looks.
    pub(super) fn take_job(&mut self, job: i64) {
        if job != 0 && self.jobs.len() < 2 && !self.jobs.contains(&job) {
            self.jobs.push(job);
        }
    }

    /// Told to have outlived its job, idle or hung, and left alone by GARM.
    pub(super) fn is_to_go(&self) -> bool {
        self.told.contains(&FindingKind::OutlivedJob) && !self.is_busy && !self.is_leaving
    }

    /// How it outlived its job, in words.
    pub(super) fn afterlife(&self, ended: Timestamp) -> String {
        let lived = Duration::try_from(self.seen_at.duration_since(ended)).unwrap_or_default();
        let job = match self.jobs.first() {
            Some(job) => format!("job {job}"),
            None => "its job".to_owned(),
        };
        let (lived, state) = (duration::format(lived), code(&self.state));
        match (self.is_leaving, self.is_busy) {
            (true, _) => format!(
                "{job} had ended {lived} before it was last seen, and GARM is not done deleting \
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
