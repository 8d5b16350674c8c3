//! Workflow jobs as GARM records them.

use jiff::Timestamp;

use super::entity::EntityKey;
use super::label::Labels;
use super::name::RunnerName;

/// The status of a job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobStatus {
    Queued,
    InProgress,
    Completed,
    /// `waiting`, `requested`, `pending` or any other word: it does not need a runner yet.
    Other(String),
}

impl JobStatus {
    /// Parses GARM's word; never fails.
    pub fn parse(word: &str) -> Self {
        match word {
            "queued" => Self::Queued,
            "in_progress" => Self::InProgress,
            "completed" => Self::Completed,
            other => Self::Other(other.to_owned()),
        }
    }

    pub fn word(&self) -> &str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Other(word) => word,
        }
    }
}

/// A job. Its age is `now − created_at` by GARM's clock (GARM.md §f).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// GARM's id; ascending in order of arrival.
    pub id: i64,
    /// GitHub's id of the job; for a job of a scale set, whose row has none, GARM's id.
    pub workflow_job_id: i64,
    /// GitHub's id of the run.
    pub run_id: i64,
    pub status: JobStatus,
    /// `success`, `failure`, `cancelled`, …; empty until the job ends.
    pub conclusion: String,
    /// The job's name in its workflow.
    pub name: String,
    /// The labels of its `runs-on`.
    pub labels: Labels,
    /// The runner that has it. It is set a moment after `in_progress`, and never for a runner that
    /// GARM does not know.
    pub runner: Option<RunnerName>,
    /// Its repository, as `owner/name`.
    pub repository: String,
    /// The entities whose webhooks reported it. If an organization and one of its repositories both
    /// have a webhook, GARM's row names both.
    pub entities: Vec<EntityKey>,
    /// The id of the job in GitHub's scale-set service, if a scale set handles it. No pool should
    /// serve it then.
    pub scale_set_job: Option<String>,
    /// Whether GARM's own loop is handling it.
    pub is_locked: bool,
    /// When GARM first heard of it.
    pub created_at: Timestamp,
    /// When GARM last wrote the row.
    pub updated_at: Timestamp,
}

impl Job {
    /// Whether a scale set handles it.
    pub fn is_of_scale_set(&self) -> bool {
        self.scale_set_job.is_some()
    }

    /// Whether it waits for a runner of a scale set, according to its row.
    pub fn waits_for_scale_set(&self) -> bool {
        self.is_of_scale_set() && self.status == JobStatus::Queued
    }
}
