//! Runners: in GARM, a runner is one instance (a VM) and its registration at GitHub.

use jiff::Timestamp;

use super::capacity_fault;
use super::name::{PoolId, RunnerName};

/// The state of the VM: GARM's `status`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Waiting for GARM's loop to create it.
    PendingCreate,
    /// The provider is creating it.
    Creating,
    /// The provider has returned success; the VM may not be up yet.
    Running,
    /// The provider failed; GARM makes six attempts within a minute.
    Error,
    PendingDelete,
    /// Marked for deletion even if the provider fails.
    PendingForceDelete,
    Deleting,
    /// Deleted; GARM is about to remove the row.
    Deleted,
    Other(String),
}

impl Status {
    /// Parses GARM's word; never fails.
    pub fn parse(word: &str) -> Self {
        match word {
            "pending_create" => Self::PendingCreate,
            "creating" => Self::Creating,
            "running" => Self::Running,
            "error" => Self::Error,
            "pending_delete" => Self::PendingDelete,
            "pending_force_delete" => Self::PendingForceDelete,
            "deleting" => Self::Deleting,
            "deleted" => Self::Deleted,
            other => Self::Other(other.to_owned()),
        }
    }

    pub fn word(&self) -> &str {
        match self {
            Self::PendingCreate => "pending_create",
            Self::Creating => "creating",
            Self::Running => "running",
            Self::Error => "error",
            Self::PendingDelete => "pending_delete",
            Self::PendingForceDelete => "pending_force_delete",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Other(word) => word,
        }
    }

    /// Whether it is being deleted, so that it will not take a job any more.
    pub fn is_leaving(&self) -> bool {
        matches!(
            self,
            Self::PendingDelete | Self::PendingForceDelete | Self::Deleting | Self::Deleted
        )
    }
}

/// The state of the runner on the VM: GARM's `runner_status`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunnerStatus {
    /// It has not reported yet.
    Pending,
    /// Its install script has reported.
    Installing,
    Idle,
    Active,
    /// Its job has ended; it will be deleted.
    Terminated,
    Failed,
    /// Registered at GitHub but not connected.
    Offline,
    Other(String),
}

impl RunnerStatus {
    /// Parses GARM's word; never fails.
    pub fn parse(word: &str) -> Self {
        match word {
            "pending" => Self::Pending,
            "installing" => Self::Installing,
            "idle" => Self::Idle,
            "active" => Self::Active,
            "terminated" => Self::Terminated,
            "failed" => Self::Failed,
            "offline" => Self::Offline,
            other => Self::Other(other.to_owned()),
        }
    }

    pub fn word(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Installing => "installing",
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Terminated => "terminated",
            Self::Failed => "failed",
            Self::Offline => "offline",
            Self::Other(word) => word,
        }
    }
}

/// One entry of a runner's history; GARM includes them only in events and in requests for a single
/// instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusMessage {
    /// When GARM recorded it, on GARM's clock.
    pub at: Timestamp,
    /// The text, by GARM or by the install script.
    pub text: String,
    /// GARM's level: `info`, `warning` or `error`.
    pub level: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    /// GARM's id of the instance, a UUID.
    pub id: String,
    /// The name, which is unique in GARM.
    pub name: RunnerName,
    /// GARM's id of its pool or scale set; `None` if GARM did not say.
    pub pool: Option<PoolId>,
    /// Name of the provider; empty for instances that GARM embeds in a pool.
    pub provider: String,
    /// The provider's id of the VM; `None` until it exists.
    pub provider_id: Option<String>,
    /// GitHub's id of the runner; known from the start with just-in-time registration.
    pub agent_id: Option<i64>,
    pub status: Status,
    pub runner_status: RunnerStatus,
    /// When GARM created the row, by GARM's clock.
    pub created_at: Timestamp,
    /// When GARM last wrote the row, by GARM's clock: for an idle runner without heartbeat, this is
    /// when it became idle (GARM.md §e).
    pub updated_at: Timestamp,
    /// The `workflow_job_id` of the job that it is running.
    pub job: Option<i64>,
    /// The provider's error, decoded from GARM's base64 and limited in length.
    pub provider_fault: Option<String>,
    /// Last heartbeat; `None` without GARM's agent.
    pub heartbeat: Option<Timestamp>,
    /// Whether GARM's agent offers a shell.
    pub has_shell: bool,
    /// The pool's generation when the runner was created. `None` before GARM 0.2.
    pub generation: Option<u64>,
    /// Its history; empty in GARM's lists.
    pub messages: Vec<StatusMessage>,
}

impl Runner {
    /// Whether it is running a job. We never delete such a runner.
    pub fn is_busy(&self) -> bool {
        self.runner_status == RunnerStatus::Active
    }

    /// Whether it is up, waiting for a job, and not being deleted.
    pub fn is_idle(&self) -> bool {
        self.runner_status == RunnerStatus::Idle && self.status == Status::Running
    }

    /// Whether GARM counts it as idle, to compare with `min_idle_runners`: every runner that is
    /// neither `active` nor `terminated`, including failed runners and those being deleted (GARM.md
    /// §0.2).
    pub fn counts_as_idle(&self) -> bool {
        !matches!(self.runner_status, RunnerStatus::Active | RunnerStatus::Terminated)
    }

    /// The provider's error if it failed to delete the runner. While a runner is being deleted,
    /// GARM records the error of each attempt and nothing else.
    pub fn deletion_fault(&self) -> Option<&str> {
        self.provider_fault.as_deref().filter(|_| self.status.is_leaving())
    }

    /// Whether its creation has failed because the provider has no quota or capacity left.
    pub fn lacks_capacity(&self) -> bool {
        self.status == Status::Error
            && self.provider_fault.as_deref().is_some_and(capacity_fault::lacks_capacity)
    }

    /// Whether it was created from an older version of its pool.
    pub fn is_outdated(&self, generation: Option<u64>) -> bool {
        match (self.generation, generation) {
            (Some(mine), Some(pools)) => mine < pools,
            (Some(_) | None, None) | (None, Some(_)) => false,
        }
    }
}
