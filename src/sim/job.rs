//! The row of a job (GARM.md §f).

use jiff::Timestamp;

use super::entity::EntityType;
use super::row_key::{EntityRowKey, InstanceRowKey};

#[derive(Debug, Clone)]
pub(crate) struct JobRow {
    /// GARM's id, in order of arrival.
    pub(crate) id: i64,
    pub(crate) workflow_job_id: i64,
    /// GitHub's id of a job that came through a scale set's queue; empty for all others.
    pub(crate) scale_set_job_id: String,
    pub(crate) run_id: i64,
    /// `queued`, `in_progress`, `completed`.
    pub(crate) status: &'static str,
    pub(crate) conclusion: String,
    pub(crate) name: String,
    pub(crate) started_at: Timestamp,
    pub(crate) completed_at: Timestamp,
    /// 0 before a runner takes it.
    pub(crate) runner_id: i64,
    /// The runner group of a scale set's job; empty for all others.
    pub(crate) group: String,
    pub(crate) repository: String,
    pub(crate) owner: String,
    pub(crate) run_url: String,
    pub(crate) labels: Vec<String>,
    /// The entities whose webhooks reported it, at most one per kind.
    pub(crate) entities: Vec<(EntityType, EntityRowKey)>,
    pub(crate) locked_by: Option<EntityRowKey>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// The runner, if it is GARM's.
    pub(crate) instance: Option<InstanceRowKey>,
}

impl JobRow {
    /// `action` in lists and events: the status, except for a scale set's job, which has the event
    /// that triggered its workflow.
    pub(crate) fn action(&self) -> &'static str {
        if self.scale_set_job_id.is_empty() { self.status } else { "push" }
    }

    /// Whether this entity's pool manager handles it.
    pub(crate) fn is_of(&self, entity: EntityRowKey) -> bool {
        self.entities.iter().any(|found| found.1 == entity)
    }

    /// The order of statuses; GARM refuses to go back.
    pub(crate) fn rank(status: &str) -> u8 {
        match status {
            "queued" => 1,
            "in_progress" => 2,
            "completed" => 3,
            _ => 0,
        }
    }
}
