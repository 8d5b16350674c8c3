//! One pool as scaling sees it: its settings and its runners.

use std::time::Duration;

use jiff::Timestamp;

use super::census::Census;
use crate::domain::desired::ScalePolicy;
use crate::domain::label::{Labels, Mark};
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::pool::Pool;
use crate::domain::runner::{Runner, RunnerStatus, Status};

/// `boot_grace` of a pool that is not ours: the default of ours.
pub const BOOT_GRACE: Duration = Duration::from_mins(10);

/// `stale_job_age` of a pool that is not ours: the default of ours.
pub const STALE_JOB_AGE: Duration = Duration::from_hours(24);

/// One runner, as little of it as scaling needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) name: RunnerName,
    pub(super) status: Status,
    pub(super) runner_status: RunnerStatus,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    /// `workflow_job_id` of the job that it carries.
    pub(super) job: Option<i64>,
    /// Since when we know it idle; set while it is.
    pub(super) idle_since: Option<Timestamp>,
}

impl Unit {
    /// A runner seen for the first time at `now`.
    pub(super) fn first_seen(runner: &Runner, now: Timestamp) -> Self {
        Self {
            name: runner.name.clone(),
            status: runner.status.clone(),
            runner_status: runner.runner_status.clone(),
            created_at: runner.created_at,
            updated_at: runner.updated_at,
            job: runner.job,
            idle_since: runner.is_idle().then(|| idle_since(runner, now)),
        }
    }
}

/// Since when an idle runner is idle, from its row alone: its last message, which only a single
/// read has, else the row's last write, which is the same without a heartbeat (GARM.md §e). Never
/// ahead of `now`.
fn idle_since(runner: &Runner, now: Timestamp) -> Timestamp {
    let said = runner.messages.iter().map(|it| it.at).max();
    said.unwrap_or(runner.updated_at).min(now)
}

/// One pool, ours or not, with its runners.
#[derive(Debug, Clone)]
pub struct Stock {
    pub(super) id: PoolId,
    /// Decides between pools of one priority; the same whoever looks.
    pub(super) rank: String,
    pub(super) labels: Labels,
    pub(super) is_enabled: bool,
    pub(super) priority: u32,
    pub(super) max_runners: u32,
    /// How it scales; absent for a pool that is not ours, which is supply and no more.
    pub(super) policy: Option<ScalePolicy>,
    /// By name.
    pub(super) units: Vec<Unit>,
    pub(super) census: Census,
}

impl Stock {
    /// The pool, with no runner yet.
    pub(super) fn new(pool: &Pool, policy: Option<&ScalePolicy>) -> Self {
        let spec = &pool.spec;
        let name = spec.labels.marks().into_iter().find_map(|mark| match mark {
            Mark::Owned { pool, .. } => Some(pool),
            Mark::Retired { .. } => None,
        });
        Self {
            id: pool.id.clone(),
            rank: name.unwrap_or_else(|| pool.id.to_string()),
            labels: spec.labels.clone(),
            is_enabled: spec.enabled,
            priority: spec.priority,
            max_runners: spec.max_runners,
            policy: policy.cloned(),
            units: Vec::new(),
            census: Census::default(),
        }
    }

    /// GARM's id of the pool.
    pub fn id(&self) -> &PoolId {
        &self.id
    }

    /// The pool's runners, counted when the site was last looked at.
    pub fn census(&self) -> &Census {
        &self.census
    }

    /// The bound on all its runners: the smaller of the policy's and GARM's.
    pub fn max_runners(&self) -> u32 {
        self.policy.as_ref().map_or(self.max_runners, |it| it.max_runners.min(self.max_runners))
    }

    pub(super) fn boot_grace(&self) -> Duration {
        self.policy.as_ref().map_or(BOOT_GRACE, |it| it.boot_grace)
    }

    pub(super) fn stale_job_age(&self) -> Duration {
        self.policy.as_ref().map_or(STALE_JOB_AGE, |it| it.stale_job_age)
    }

    /// How many more runners GARM would create.
    pub(super) fn room(&self) -> u32 {
        self.max_runners().saturating_sub(self.census.live)
    }

    pub(super) fn recount(&mut self, now: Timestamp) {
        self.census = Census::take(&self.units, self.boot_grace(), now);
    }
}
