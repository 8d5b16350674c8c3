//! A finding of the isolation auditor.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::name::{PoolId, PoolName, RunnerName};

/// What was found (DESIGN §7; R3, R4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// A runner was seen with two jobs.
    TwoJobs,
    /// A runner lives on after its job has ended.
    OutlivedJob,
    /// A runner offers a shell.
    ShellAccess,
    /// A runner without single-job registration: nothing says that GitHub gives it one job only.
    RegistrationUnknown,
    /// Two runners were made of one VM.
    VmReused,
    /// A pool stays below its `min_runners` though there is room and its provider works.
    BelowMin,
}

/// What is known against a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequirementImpact {
    /// It is broken.
    Violated,
    /// Nobody can tell whether it holds.
    Undetermined,
}

impl FindingKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::TwoJobs,
        Self::OutlivedJob,
        Self::ShellAccess,
        Self::RegistrationUnknown,
        Self::VmReused,
        Self::BelowMin,
    ];

    /// The word of `runnerctl_ephemeral_violations_total{reason}` and of audit records.
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

    /// How much it says.
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

    /// Whether it speaks against R3, a clean environment for each job: the VM of a finished job is
    /// destroyed and a fresh one made.
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

    /// Whether it speaks against R4: nothing of an earlier job can be reached from a later one.
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

/// What is to be done about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The runner is to be removed, without force: its job is over and GARM has left it alone.
    Remove,
    /// Somebody has to look.
    Inspect,
}

/// One finding. Each is told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsolationFinding {
    /// What was found.
    pub kind: FindingKind,
    /// The pool, by the name that the fleet has, or had, for it.
    pub pool: PoolName,
    /// GARM's id of the pool.
    pub pool_id: PoolId,
    /// The runner; absent when the pool itself is meant.
    pub runner: Option<RunnerName>,
    /// What was seen: one sentence without full stop, names of others quoted.
    pub evidence: String,
    /// What is to be done.
    pub remedy: Remedy,
    /// When it was found, on GARM's clock.
    pub at: Timestamp,
}

/// What has been watched so far, for the report on the requirements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IsolationSummary {
    /// Since when; absent before the first reading.
    pub since: Option<Timestamp>,
    /// Runners of ours that had a job and were seen to go.
    pub jobs: u64,
    /// Findings, by kind.
    pub findings: BTreeMap<FindingKind, u64>,
}
