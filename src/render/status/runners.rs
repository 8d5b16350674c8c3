//! The runners of one pool for `status --runners`.

use std::time::Duration;

use super::index::StatusIndex;
use crate::domain::name::RunnerName;
use crate::domain::pool::Pool;
use crate::domain::runner::Runner;
use crate::domain::text;
use crate::scaling::{EvaluationClock, LifeState, RunnerClass, classify};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerRow {
    pub name: String,
    /// The class that scaling decisions use.
    pub class: RunnerClass,
    pub state: LifeState,
    /// GARM's status of the VM.
    pub status: String,
    /// GARM's status of the runner in the VM.
    pub runner_status: String,
    /// The time since its creation.
    pub age: Duration,
    /// The job that it runs: its name and repository if GARM lists the job, or else its number.
    pub job: Option<String>,
    /// Whether the runner was created before the last change of the pool.
    pub is_outdated: bool,
    /// The provider's error on creation or deletion; escaped and shortened.
    pub fault: Option<String>,
    /// Whether that error says that the provider has no quota or capacity left.
    pub lacks_capacity: bool,
}

/// The runners of `pool`, ordered by name. `suspects` come from the pool's decision.
pub(super) fn runner_lines(
    pool: &Pool,
    boot_grace: Duration,
    suspects: &[RunnerName],
    index: &StatusIndex<'_>,
) -> Vec<RunnerRow> {
    let observed_at = index.inputs.fleet.observed_at;
    let mut moment = EvaluationClock::new(observed_at);
    let mut class = |runner: &Runner| match suspects.contains(&runner.name) {
        true => RunnerClass::Suspect,
        false => classify(runner, boot_grace, &mut moment),
    };
    let now = EvaluationClock::new(observed_at);
    let mut lines: Vec<RunnerRow> = index
        .runners_of(&pool.id)
        .iter()
        .map(|runner| (runner, class(runner)))
        .map(|(runner, class)| RunnerRow {
            name: runner.name.to_string(),
            class,
            state: LifeState::of(class, &runner.status),
            status: runner.status.word().to_owned(),
            runner_status: runner.runner_status.word().to_owned(),
            age: now.age(runner.created_at),
            job: job(runner, index),
            is_outdated: runner.is_outdated(pool.generation),
            fault: runner.provider_fault.as_deref().map(text::said),
            lacks_capacity: runner.lacks_capacity(),
        })
        .collect();
    lines.sort_by(|a, b| a.name.cmp(&b.name));
    lines
}

fn job(runner: &Runner, index: &StatusIndex<'_>) -> Option<String> {
    let number = runner.job?;
    Some(match index.job(number) {
        Some(job) => text::quote(&format!("{} ({})", job.name, job.repository)),
        None => number.to_string(),
    })
}
