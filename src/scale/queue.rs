//! The jobs of one entity that wait for a runner, in the order in which they are served.

use std::collections::HashMap;

use jiff::Timestamp;

use super::moment::later;
use crate::domain::job::{Job, JobStatus};
use crate::domain::label::Labels;

/// How long a job's row may say `in_progress` before its runner's row does. GARM writes the job
/// first, without `runner_name`, and the runner 2–11 ms later (GARM.md §f); beyond this a runner
/// that GARM does not know has it.
pub const PICK_UP: std::time::Duration = std::time::Duration::from_secs(5);

/// One job that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) created_at: Timestamp,
    /// GARM's id.
    pub(super) id: i64,
    /// Which set of labels it asks for.
    pub(super) group: u32,
    /// When it no longer counts, if nothing else is heard.
    pub(super) until: Option<Timestamp>,
}

impl Waiting {
    /// The order in which jobs are served: oldest first.
    pub(super) fn rank(&self) -> (Timestamp, i64) {
        (self.created_at, self.id)
    }
}

/// Whether the job waits, given whether an instance carries it; if so, until when it may be
/// counted as waiting. The instance's row decides, not the job's:
///
/// | job | carried by an instance | waits |
/// |---|---|---|
/// | `queued` | no | yes |
/// | `queued` | yes | no |
/// | `in_progress`, no runner named | no | for [`PICK_UP`] since its last write |
/// | `in_progress`, runner named | any | no |
/// | anything else | any | no |
pub(super) fn waits(job: &Job, carried: Carried) -> Option<Option<Timestamp>> {
    match (&job.status, carried) {
        (JobStatus::Queued, Carried::No) => Some(None),
        (JobStatus::InProgress, Carried::No) if job.runner.is_none() => {
            Some(Some(later(job.updated_at, PICK_UP)))
        }
        (JobStatus::Queued, Carried::Yes)
        | (JobStatus::InProgress, Carried::No | Carried::Yes)
        | (JobStatus::Completed | JobStatus::Other(_), _) => None,
    }
}

/// Whether an instance says that it runs a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    Yes,
    No,
}

/// Jobs that ask for the same labels: what fits one fits all.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// The pools that fit, in routing order.
    pub(super) fits: Vec<u32>,
}

/// The jobs of one entity that wait, oldest first, and the distinct sets of labels among them.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    pub(super) waiting: Vec<Waiting>,
    pub(super) groups: Vec<Group>,
    by_labels: HashMap<Labels, u32>,
}

impl Queue {
    /// The number of a set of labels; a new one is found the pools that fit by `fits`.
    pub(super) fn group(&mut self, labels: &Labels, fits: impl Fn(&Labels) -> Vec<u32>) -> u32 {
        if let Some(group) = self.by_labels.get(labels) {
            return *group;
        }
        let group = u32::try_from(self.groups.len()).expect("fewer than 2^32 sets of labels");
        self.groups.push(Group { fits: fits(labels) });
        self.by_labels.insert(labels.clone(), group);
        group
    }
}
