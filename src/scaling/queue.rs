//! The jobs of one entity that wait for a runner, in the order in which they are served.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::deadline::later;
use crate::domain::entity::EntityKey;
use crate::domain::job::{Job, JobStatus};
use crate::domain::label::Labels;

/// How long a job's row may say `in_progress` before its runner's row does. GARM writes the job
/// first, without `runner_name`, and the runner 2–11 ms later (GARM.md §f). After this time the job
/// is on a runner that GARM does not know.
pub const PICK_UP: Duration = Duration::from_secs(5);

/// GARM deletes queued jobs older than this when it removes a runner (GARM.md §d).
pub const FORGETS_AFTER: Duration = Duration::from_mins(10);

/// How long a job that GARM has forgotten is still served.
pub const FORGOTTEN_FOR: Duration = Duration::from_hours(1);

/// How long a waiting job counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueueDeadline {
    /// It counts until an event says otherwise.
    Open,
    /// It started without a runner's name; until this time its runner's row may still arrive.
    PickUp(Timestamp),
    /// GARM has forgotten it; it is served until this time.
    Forgotten(Timestamp),
}

impl QueueDeadline {
    pub(super) fn end(self) -> Option<Timestamp> {
        match self {
            Self::Open => None,
            Self::PickUp(at) | Self::Forgotten(at) => Some(at),
        }
    }
}

/// One job that waits for a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WaitingJob {
    pub(super) created_at: Timestamp,
    /// GARM's id of the job.
    pub(super) id: i64,
    pub(super) workflow_job_id: i64,
    /// The index of the label set that it asks for.
    pub(super) group: u32,
    pub(super) deadline: QueueDeadline,
    /// The other entities in which it waits.
    pub(super) others: Option<Arc<[EntityKey]>>,
}

impl WaitingJob {
    pub(super) fn new(workflow_job_id: i64, known: &KnownJob, deadline: QueueDeadline) -> Self {
        let (created_at, id, group) = (known.created_at, known.id, known.group);
        Self { created_at, id, workflow_job_id, group, deadline, others: known.others.clone() }
    }

    /// The order in which jobs are served: oldest first.
    pub(super) fn rank(&self) -> (Timestamp, i64) {
        (self.created_at, self.id)
    }
}

/// The stage of a known job according to its own row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobStage {
    Queued,
    /// The job is `in_progress`, and no runner is named.
    Begun,
    /// The job is `in_progress` on a named runner.
    BegunOn,
    /// GARM deleted it while it was queued; it is served until this time.
    Forgotten(Timestamp),
}

/// A job that is not over, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownJob {
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) id: i64,
    pub(super) group: u32,
    pub(super) stage: JobStage,
    /// The number of starts in the entity when this job started, including its own; absent until
    /// its start has been observed.
    pub(super) started: Option<u64>,
    /// The other entities that its row names.
    pub(super) others: Option<Arc<[EntityKey]>>,
}

impl KnownJob {
    /// How long the job counts as waiting, if it does. The runner's row decides, not the job's:
    ///
    /// | job | an instance carries it | waits |
    /// |---|---|---|
    /// | `queued` | no | yes |
    /// | `in_progress`, no runner named | no | for [`PICK_UP`] since its last write |
    /// | `in_progress`, runner named | no | no |
    /// | forgotten, never started | no | for [`FORGOTTEN_FOR`] since it vanished |
    /// | forgotten, started | no | no |
    /// | any | yes | no |
    pub(super) fn deadline(&self, is_carried: bool) -> Option<QueueDeadline> {
        match (self.stage, is_carried) {
            (_, true) | (JobStage::BegunOn, false) => None,
            (JobStage::Queued, false) => Some(QueueDeadline::Open),
            (JobStage::Begun, false) => {
                Some(QueueDeadline::PickUp(later(self.updated_at, PICK_UP)))
            }
            (JobStage::Forgotten(until), false) => {
                self.started.is_none().then_some(QueueDeadline::Forgotten(until))
            }
        }
    }

    /// What happens to a job that GARM no longer lists. If it was queued for longer than GARM keeps
    /// such jobs and never started, GARM has forgotten it and it still waits at GitHub. Any other
    /// job is over.
    pub(super) fn vanish(mut self, now: Timestamp, is_carried: bool) -> Option<Self> {
        if self.started.is_some() {
            return None;
        }
        match (self.stage, is_carried) {
            (JobStage::Queued, false) if later(self.created_at, FORGETS_AFTER) <= now => {
                self.stage = JobStage::Forgotten(later(now, FORGOTTEN_FOR));
                Some(self)
            }
            (JobStage::Forgotten(until), false) if now < until => Some(self),
            (
                JobStage::Queued | JobStage::Forgotten(_) | JobStage::Begun | JobStage::BegunOn,
                _,
            ) => None,
        }
    }
}

/// A set of labels that jobs ask for; all jobs with the same set fit the same pools.
#[derive(Debug, Clone)]
pub(super) struct LabelSet {
    pub(super) labels: Labels,
    /// The pools that fit, in routing order.
    pub(super) fits: Vec<u32>,
}

/// The jobs of one entity: those that wait, oldest first, and the distinct label sets.
#[derive(Debug, Clone, Default)]
pub(super) struct JobQueue {
    pub(super) waiting: Vec<WaitingJob>,
    /// The known jobs that are not over, by `workflow_job_id`.
    pub(super) known_jobs: HashMap<i64, KnownJob>,
    /// The distinct label sets of all jobs.
    pub(super) groups: Vec<LabelSet>,
    by_labels: HashMap<Labels, u32>,
    /// The earliest deadline of a waiting job.
    next_end: Option<Timestamp>,
}

impl JobQueue {
    /// The index of a label set; for a new one, `fits` finds the pools.
    pub(super) fn group(&mut self, labels: &Labels, fits: impl Fn(&Labels) -> Vec<u32>) -> u32 {
        if let Some(group) = self.by_labels.get(labels) {
            return *group;
        }
        let group = u32::try_from(self.groups.len()).expect("fewer than 2^32 sets of labels");
        self.groups.push(LabelSet { labels: labels.clone(), fits: fits(labels) });
        self.by_labels.insert(labels.clone(), group);
        group
    }

    /// Adds the job to the queue, or replaces its deadline.
    pub(super) fn enter(
        &mut self,
        workflow_job_id: i64,
        known: &KnownJob,
        deadline: QueueDeadline,
    ) {
        let job = WaitingJob::new(workflow_job_id, known, deadline);
        self.note_end(deadline);
        match self.waiting.binary_search_by_key(&job.rank(), WaitingJob::rank) {
            Ok(at) => self.waiting[at] = job,
            Err(at) => self.waiting.insert(at, job),
        }
    }

    /// Removes the job from the queue.
    pub(super) fn leave(&mut self, known: &KnownJob) {
        let rank = (known.created_at, known.id);
        if let Ok(at) = self.waiting.binary_search_by_key(&rank, WaitingJob::rank) {
            self.waiting.remove(at);
        }
    }

    /// Replaces the whole queue at once.
    pub(super) fn line_up(&mut self, waiting: Vec<WaitingJob>) {
        self.waiting = waiting;
        self.waiting.sort_by_key(WaitingJob::rank);
        self.next_end = self.waiting.iter().filter_map(|job| job.deadline.end()).min();
    }

    /// Removes the jobs whose deadline has passed at `now`.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<WaitingJob> {
        if self.next_end.is_none_or(|end| now < end) {
            return Vec::new();
        }
        let has_ended = |job: &mut WaitingJob| job.deadline.end().is_some_and(|end| end <= now);
        let ended = self.waiting.extract_if(.., has_ended).collect();
        self.next_end = self.waiting.iter().filter_map(|job| job.deadline.end()).min();
        ended
    }

    /// When the first waiting job stops waiting through age alone.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.next_end
    }

    fn note_end(&mut self, deadline: QueueDeadline) {
        if let Some(end) = deadline.end() {
            self.next_end = Some(self.next_end.map_or(end, |next| next.min(end)));
        }
    }
}

/// The stage of a job according to its row; none if it is over, in an unknown state, or belongs to
/// a scale set.
pub(super) fn stage(job: &Job) -> Option<JobStage> {
    if job.is_of_scale_set() {
        return None;
    }
    match &job.status {
        JobStatus::Queued => Some(JobStage::Queued),
        JobStatus::InProgress if job.runner.is_some() => Some(JobStage::BegunOn),
        JobStatus::InProgress => Some(JobStage::Begun),
        JobStatus::Completed | JobStatus::Other(_) => None,
    }
}
