//! The findings of the isolation auditor.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::name::{PoolId, PoolName, RunnerName};

/// The kind of a finding (DESIGN §7; R3, R4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// A runner was seen with two jobs.
    TwoJobs,
    /// A runner still exists after its job has ended.
    OutlivedJob,
    /// A runner offers a shell.
    ShellAccess,
    /// A runner does not seem to be registered for a single job: GitHub may assign it a second one.
    RegistrationUnknown,
    /// Two runners ran on one VM.
    VmReused,
    /// A pool stays below its `min_runners` although it has room and its provider works.
    BelowMin,
}

/// The consequence of a finding for the requirements that it concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequirementImpact {
    Violated,
    Undetermined,
}

impl FindingKind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::TwoJobs,
        Self::OutlivedJob,
        Self::ShellAccess,
        Self::RegistrationUnknown,
        Self::VmReused,
        Self::BelowMin,
    ];

    /// The word in `runnerctl_ephemeral_violations_total{reason}` and in audit records.
    pub const fn word(self) -> &'static str {
        match self {
            Self::TwoJobs => "two_jobs",
            Self::OutlivedJob => "outlived_job",
            Self::ShellAccess => "shell_access",
            Self::RegistrationUnknown => "registration_unknown",
            Self::VmReused => "vm_reused",
            Self::BelowMin => "below_min",
        }
    }

    pub const fn impact(self) -> RequirementImpact {
        match self {
            Self::RegistrationUnknown => RequirementImpact::Undetermined,
            Self::TwoJobs
            | Self::OutlivedJob
            | Self::ShellAccess
            | Self::VmReused
            | Self::BelowMin => RequirementImpact::Violated,
        }
    }

    /// Whether it concerns R3, a clean environment for each job: the VM of a finished job is
    /// destroyed and replaced by a fresh one.
    pub const fn concerns_fresh_vms(self) -> bool {
        match self {
            Self::TwoJobs
            | Self::OutlivedJob
            | Self::RegistrationUnknown
            | Self::VmReused
            | Self::BelowMin => true,
            Self::ShellAccess => false,
        }
    }

    /// Whether it concerns R4: a job cannot reach anything of an earlier job.
    pub const fn concerns_traces(self) -> bool {
        match self {
            Self::TwoJobs
            | Self::OutlivedJob
            | Self::ShellAccess
            | Self::RegistrationUnknown
            | Self::VmReused => true,
            Self::BelowMin => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Remove the runner, without force: its job is over, and GARM is not deleting it.
    Remove,
    /// An operator must investigate.
    Inspect,
}

/// A finding; each is reported once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsolationFinding {
    pub kind: FindingKind,
    /// The current or last name of the pool in the fleet.
    pub pool: PoolName,
    /// GARM's id of the pool.
    pub pool_id: PoolId,
    /// `None` if the finding is about the whole pool.
    pub runner: Option<RunnerName>,
    /// The observation, as one sentence without a full stop; foreign names are quoted.
    pub evidence: String,
    pub remedy: Remedy,
    /// When it was found, on GARM's clock.
    pub at: Timestamp,
}

/// Everything observed so far, for the report on the requirements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IsolationSummary {
    /// The start of the observation; `None` before the first full read.
    pub since: Option<Timestamp>,
    /// Number of runners of this fleet that had a job and have disappeared.
    pub jobs: u64,
    pub findings: BTreeMap<FindingKind, u64>,
}
