//! Which runners can be removed without hurting a job.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::name::RunnerName;
use crate::domain::runner::{Runner, RunnerStatus, Status};

/// For how long a runner must have been seen without a job before it is removed. GitHub may just
/// be handing it one: GARM hears of that by a webhook, a moment later (GARM.md §0.7).
const IDLE_FOR: Duration = Duration::from_secs(2);

/// Since when each runner has been seen without a job, without a break.
#[derive(Debug, Default)]
pub(super) struct IdleWatch {
    since: BTreeMap<RunnerName, Instant>,
}

impl IdleWatch {
    /// Takes one look at all runners in question; brings those that can be removed now.
    pub(super) fn due<'a>(&mut self, runners: impl Iterator<Item = &'a Runner>) -> Vec<RunnerName> {
        let now = Instant::now();
        let free: Vec<&Runner> = runners.filter(|it| is_free(it)).collect();
        self.since.retain(|name, _| free.iter().any(|it| it.name == *name));
        free.into_iter()
            .filter(|it| {
                let since = *self.since.entry(it.name.clone()).or_insert(now);
                is_broken(it) || now.duration_since(since) >= IDLE_FOR
            })
            .map(|it| it.name.clone())
            .collect()
    }

    /// It has a job after all, or GARM is not done with it: its time begins anew.
    pub(super) fn forget(&mut self, name: &RunnerName) {
        self.since.remove(name);
    }
}

/// Neither busy nor on its way out, and in a state in which GARM lets it go (GARM.md §e).
pub(super) fn is_free(runner: &Runner) -> bool {
    let is_removable = matches!(runner.status, Status::Running | Status::Error);
    let has_ended = runner.runner_status == RunnerStatus::Terminated;
    is_removable && !has_ended && !runner.is_busy() && runner.job.is_none()
}

/// Serves nobody: no job can be handed to it.
pub(super) fn is_broken(runner: &Runner) -> bool {
    runner.status == Status::Error || runner.runner_status == RunnerStatus::Failed
}
