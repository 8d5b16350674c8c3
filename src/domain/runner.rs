//! A runner, which in GARM is one instance (a VM) and its registration at GitHub.

use jiff::Timestamp;

use super::name::{PoolId, RunnerName};

/// The state of the VM, as GARM's `status` says it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Waits for GARM's loop to create it.
    PendingCreate,
    /// The provider is at work.
    Creating,
    /// The provider has answered: the VM need not be up.
    Running,
    /// The provider failed; GARM tries six times within a minute.
    Error,
    /// Marked for deletion.
    PendingDelete,
    /// Marked for deletion, whatever the provider answers.
    PendingForceDelete,
    /// The provider is deleting it.
    Deleting,
    /// Deleted; the row is about to go.
    Deleted,
    /// A word that this version does not know.
    Other(String),
}

impl Status {
    /// Reads GARM's word; never fails.
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

    /// GARM's word.
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

    /// On its way out: it will not take a job any more.
    pub fn is_leaving(&self) -> bool {
        matches!(
            self,
            Self::PendingDelete | Self::PendingForceDelete | Self::Deleting | Self::Deleted
        )
    }
}

/// The state of the runner inside, as GARM's `runner_status` says it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunnerStatus {
    /// Not heard of yet.
    Pending,
    /// Its install script reports.
    Installing,
    /// Waits for a job.
    Idle,
    /// Runs a job.
    Active,
    /// Its job has ended; it is about to be deleted.
    Terminated,
    /// The install failed.
    Failed,
    /// Registered, not connected.
    Offline,
    /// A word that this version does not know.
    Other(String),
}

impl RunnerStatus {
    /// Reads GARM's word; never fails.
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

    /// GARM's word.
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

/// One line of a runner's history; GARM gives them only for a single instance and in events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusMessage {
    /// When, on GARM's clock.
    pub at: Timestamp,
    /// GARM's or the install script's words.
    pub text: String,
    /// `info`, `warning`, `error`.
    pub level: String,
}

/// One runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    /// GARM's id of the instance, a UUID.
    pub id: String,
    /// Its name, unique in GARM.
    pub name: RunnerName,
    /// Its pool; absent for an instance of a scale set.
    pub pool: Option<PoolId>,
    /// Name of the provider; GARM leaves it empty where instances are embedded in a pool.
    pub provider: String,
    /// The provider's id of the VM; absent until it exists.
    pub provider_id: Option<String>,
    /// GitHub's id of the runner; set from the start with single-job registration.
    pub agent_id: Option<i64>,
    /// State of the VM.
    pub status: Status,
    /// State of the runner inside.
    pub runner_status: RunnerStatus,
    /// When GARM made the row, on GARM's clock.
    pub created_at: Timestamp,
    /// When GARM last wrote the row, on GARM's clock: for an idle runner without heartbeat, since
    /// when it is idle (GARM.md §e).
    pub updated_at: Timestamp,
    /// GARM's (and GitHub's) id of the job that it runs: `workflow_job_id`.
    pub job: Option<i64>,
    /// Why the provider failed, decoded from GARM's base64 and bounded.
    pub provider_fault: Option<String>,
    /// Last heartbeat; absent without GARM's agent.
    pub heartbeat: Option<Timestamp>,
    /// Whether GARM's agent offers a shell on it.
    pub has_shell: bool,
    /// The pool's generation when it was created. Absent before GARM 0.2.
    pub generation: Option<u64>,
    /// Its history; empty in GARM's lists.
    pub messages: Vec<StatusMessage>,
}

impl Runner {
    /// Runs a job. Such a runner is never deleted by us.
    pub fn is_busy(&self) -> bool {
        self.runner_status == RunnerStatus::Active
    }

    /// Up, waiting for a job, and not on its way out.
    pub fn is_idle(&self) -> bool {
        self.runner_status == RunnerStatus::Idle && self.status == Status::Running
    }

    /// Counts as idle in GARM's eyes, which compares `min_idle_runners` with this: everything
    /// that is neither `active` nor `terminated`, failed ones and those being deleted included
    /// (GARM.md §0.2).
    pub fn counts_as_idle(&self) -> bool {
        !matches!(self.runner_status, RunnerStatus::Active | RunnerStatus::Terminated)
    }

    /// Why its provider has failed to delete it, if that is so: GARM writes the words down with
    /// each attempt, and nothing else of a runner on its way out.
    pub fn deletion_fault(&self) -> Option<&str> {
        self.provider_fault.as_deref().filter(|_| self.status.is_leaving())
    }

    /// Made from an older version of its pool.
    pub fn is_outdated(&self, generation: Option<u64>) -> bool {
        match (self.generation, generation) {
            (Some(mine), Some(pools)) => mine < pools,
            (Some(_) | None, None) | (None, Some(_)) => false,
        }
    }
}
