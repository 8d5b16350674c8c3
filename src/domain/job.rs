//! A workflow job, as GARM has recorded it.

use jiff::Timestamp;

use super::entity::EntityKey;
use super::label::Labels;
use super::name::RunnerName;

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobStatus {
    /// Waits for a runner.
    Queued,
    /// A runner has it.
    InProgress,
    /// Over.
    Completed,
    /// `waiting`, `requested`, `pending` and whatever comes: not for a runner yet.
    Other(String),
}

impl JobStatus {
    /// Reads GARM's word; never fails.
    pub fn parse(word: &str) -> Self {
        match word {
            "queued" => Self::Queued,
            "in_progress" => Self::InProgress,
            "completed" => Self::Completed,
            other => Self::Other(other.to_owned()),
        }
    }

    /// GARM's word.
    pub fn word(&self) -> &str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Other(word) => word,
        }
    }
}

/// One job. Its age is `now − created_at` on GARM's clock (GARM.md §f).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// GARM's id, in order of arrival.
    pub id: i64,
    /// GitHub's id of the job.
    pub workflow_job_id: i64,
    /// GitHub's id of the run.
    pub run_id: i64,
    /// Where it stands.
    pub status: JobStatus,
    /// `success`, `failure`, `cancelled`, …; empty before the end.
    pub conclusion: String,
    /// The job's name in its workflow.
    pub name: String,
    /// What its `runs-on` asks for.
    pub labels: Labels,
    /// Who runs it; comes a moment after `in_progress` and never for a runner GARM does not know.
    pub runner: Option<RunnerName>,
    /// `owner/name` of its repository.
    pub repository: String,
    /// The entities whose webhooks brought it. Where an organization and one of its repositories
    /// both have one, GARM's row names both.
    pub entities: Vec<EntityKey>,
    /// A scale set has it: no pool is to serve it.
    pub is_of_scale_set: bool,
    /// GARM's own loop has taken it in hand.
    pub is_locked: bool,
    /// When GARM first heard of it.
    pub created_at: Timestamp,
    /// When GARM last wrote the row.
    pub updated_at: Timestamp,
}
