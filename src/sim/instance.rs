//! An instance: GARM's row of one runner (GARM.md §e).

use jiff::Timestamp;

use super::row_key::{PoolRowKey, ScaleSetRowKey};

/// The state of the VM, in GARM's field `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VmStatus {
    PendingCreate,
    Creating,
    Running,
    Error,
    PendingDelete,
    PendingForceDelete,
    Deleting,
    /// Only for an instance of a scale set: just before the row is deleted.
    Deleted,
}

impl VmStatus {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::PendingCreate => "pending_create",
            Self::Creating => "creating",
            Self::Running => "running",
            Self::Error => "error",
            Self::PendingDelete => "pending_delete",
            Self::PendingForceDelete => "pending_force_delete",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }

    /// Whether DELETE accepts it; for any other status it is a 400 (GARM.md §e).
    pub(crate) fn can_be_deleted(self) -> bool {
        match self {
            Self::Running | Self::Error | Self::PendingDelete | Self::PendingForceDelete => true,
            Self::PendingCreate | Self::Creating | Self::Deleting | Self::Deleted => false,
        }
    }
}

/// GARM's `runner_status`: the runner inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunnerPhase {
    Pending,
    Installing,
    Idle,
    Active,
    Terminated,
    Failed,
}

impl RunnerPhase {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Installing => "installing",
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Terminated => "terminated",
            Self::Failed => "failed",
        }
    }
}

/// What a runner belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunnerOwner {
    Pool(PoolRowKey),
    ScaleSet(ScaleSetRowKey),
}

impl RunnerOwner {
    /// The pool, unless it is a scale set.
    pub(crate) fn pool(self) -> Option<PoolRowKey> {
        match self {
            Self::Pool(key) => Some(key),
            Self::ScaleSet(_) => None,
        }
    }

    /// The scale set, unless it is a pool.
    pub(crate) fn scale_set(self) -> Option<ScaleSetRowKey> {
        match self {
            Self::ScaleSet(key) => Some(key),
            Self::Pool(_) => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct InstanceRow {
    pub(crate) id: String,
    pub(crate) owner: RunnerOwner,
    pub(crate) name: String,
    pub(crate) provider: String,
    /// Empty until the provider has responded.
    pub(crate) provider_id: String,
    /// GitHub's id of the runner, set from the start (GARM.md §e).
    pub(crate) agent_id: i64,
    pub(crate) os_type: String,
    pub(crate) os_arch: String,
    /// Empty until the provider has responded.
    pub(crate) os_name: String,
    pub(crate) os_version: String,
    pub(crate) vm: VmStatus,
    pub(crate) phase: RunnerPhase,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// Why the provider failed, if it did. Every write of the row clears it.
    pub(crate) fault: String,
    pub(crate) messages: Vec<(Timestamp, String)>,
    /// The number of further calls of the provider after a failure; never shown (GARM.md §a).
    pub(crate) retries: u8,
    /// The queued job that GARM created it for.
    pub(crate) made_for: Option<i64>,
    /// The job that it runs or ran: a key of GARM's job rows.
    pub(crate) job: Option<i64>,
    pub(crate) group: String,
    pub(crate) generation: u64,
    /// Whether a provider call is pending.
    pub(crate) is_locked: bool,
}

impl InstanceRow {
    /// The row of an instance that the provider has not created yet. It lacks what its owner
    /// determines: provider, system, group and generation.
    pub(crate) fn pending(
        id: String,
        owner: RunnerOwner,
        (name, agent_id): (String, i64),
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            owner,
            name,
            provider: String::new(),
            provider_id: String::new(),
            agent_id,
            os_type: String::new(),
            os_arch: String::new(),
            os_name: String::new(),
            os_version: String::new(),
            vm: VmStatus::PendingCreate,
            phase: RunnerPhase::Pending,
            created_at: now,
            updated_at: now,
            fault: String::new(),
            messages: Vec::new(),
            retries: 0,
            made_for: None,
            job: None,
            group: String::new(),
            generation: 0,
            is_locked: false,
        }
    }

    /// Whether GARM counts it as idle: neither `active` nor `terminated`, so failed instances and
    /// those in deletion count (GARM.md §0.2). A deliberate copy of the rule, to test ours against.
    pub(crate) fn counts_as_idle(&self) -> bool {
        match self.phase {
            RunnerPhase::Active | RunnerPhase::Terminated => false,
            RunnerPhase::Pending
            | RunnerPhase::Installing
            | RunnerPhase::Idle
            | RunnerPhase::Failed => true,
        }
    }
}
