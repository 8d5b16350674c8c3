//! Finds runners that can be removed without interrupting a job.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::name::RunnerName;
use crate::domain::runner::{Runner, RunnerStatus, Status};

/// How long a runner must have been observed without a job before it is removed. GitHub may just be
/// assigning it one, and GARM learns of that from a webhook a moment later (GARM.md §0.7).
const IDLE_FOR: Duration = Duration::from_secs(2);

/// Since when each runner has been observed without a job, without interruption.
#[derive(Debug, Default)]
pub(super) struct IdleWatch {
    since: BTreeMap<RunnerName, Instant>,
}

impl IdleWatch {
    /// Records one observation of all runners in question. Returns those that can be removed now.
    pub(super) fn due<'a>(&mut self, runners: impl Iterator<Item = &'a Runner>) -> Vec<RunnerName> {
        let now = Instant::now();
        let free: Vec<&Runner> = runners.filter(|runner| is_free(runner)).collect();
        self.since.retain(|name, _| free.iter().any(|runner| runner.name == *name));
        free.into_iter()
            .filter(|runner| {
                let since = *self.since.entry(runner.name.clone()).or_insert(now);
                is_broken(runner) || now.duration_since(since) >= IDLE_FOR
            })
            .map(|runner| runner.name.clone())
            .collect()
    }

    /// Restarts the runner's waiting time: it has a job after all, or GARM cannot remove it yet.
    pub(super) fn forget(&mut self, name: &RunnerName) {
        self.since.remove(name);
    }
}

/// Whether the runner is neither busy nor being deleted, and in a state in which GARM removes it
/// (GARM.md §e).
pub(super) fn is_free(runner: &Runner) -> bool {
    let is_removable = matches!(runner.status, Status::Running | Status::Error);
    let has_ended = runner.runner_status == RunnerStatus::Terminated;
    is_removable && !has_ended && !runner.is_busy() && runner.job.is_none()
}

/// Whether the runner cannot take a job any more.
pub(super) fn is_broken(runner: &Runner) -> bool {
    runner.status == Status::Error || runner.runner_status == RunnerStatus::Failed
}
