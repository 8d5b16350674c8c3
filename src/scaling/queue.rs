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
/// first, without `runner_name`, and the runner 2–11 ms later (GARM.md §f); beyond this a runner
/// that GARM does not know has it.
pub const PICK_UP: Duration = Duration::from_secs(5);

/// GARM deletes queued jobs older than this when it removes a runner (GARM.md §d).
pub const FORGETS_AFTER: Duration = Duration::from_mins(10);

/// For how long a job that GARM forgot is still served.
pub const FORGOTTEN_FOR: Duration = Duration::from_hours(1);

/// For how long a waiting job counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum QueueDeadline {
    /// Until something is heard.
    Open,
    /// It began without a runner's name: until then its runner's row may come.
    PickUp(Timestamp),
    /// GARM has forgotten it: it is served until then.
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

/// One job that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WaitingJob {
    pub(super) created_at: Timestamp,
    /// GARM's id.
    pub(super) id: i64,
    pub(super) workflow_job_id: i64,
    /// Which set of labels it asks for.
    pub(super) group: u32,
    pub(super) term: QueueDeadline,
    /// The other entities that it waits for.
    pub(super) others: Option<Arc<[EntityKey]>>,
}

impl WaitingJob {
    pub(super) fn new(workflow_job_id: i64, fact: &KnownJob, term: QueueDeadline) -> Self {
        let (created_at, id, group) = (fact.created_at, fact.id, fact.group);
        Self { created_at, id, workflow_job_id, group, term, others: fact.others.clone() }
    }

    /// The order in which jobs are served: oldest first.
    pub(super) fn rank(&self) -> (Timestamp, i64) {
        (self.created_at, self.id)
    }
}

/// Where a known job stands, by its own row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobStage {
    Queued,
    /// `in_progress`, and no runner named.
    Begun,
    /// `in_progress` on a runner that has a name.
    BegunOn,
    /// GARM deleted it while it was queued; it is served until then.
    Forgotten(Timestamp),
}

/// What is known of one job that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownJob {
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) id: i64,
    pub(super) group: u32,
    pub(super) stage: JobStage,
    /// How many starts had been seen in the entity when it started, itself included; absent until
    /// that was seen.
    pub(super) started: Option<u64>,
    /// The other entities that its row names.
    pub(super) others: Option<Arc<[EntityKey]>>,
}

impl KnownJob {
    /// For how long the job counts as waiting, if it does. The row of the runner decides, not
    /// that of the job:
    ///
    /// | job | an instance carries it | waits |
    /// |---|---|---|
    /// | `queued` | no | yes |
    /// | `in_progress`, no runner named | no | for [`PICK_UP`] since its last write |
    /// | `in_progress`, runner named | no | no |
    /// | forgotten, never started | no | for [`FORGOTTEN_FOR`] since it vanished |
    /// | forgotten, started | no | no |
    /// | any | yes | no |
    pub(super) fn term(&self, carried: Carried) -> Option<QueueDeadline> {
        match (self.stage, carried) {
            (_, Carried::Yes) | (JobStage::BegunOn, Carried::No) => None,
            (JobStage::Queued, Carried::No) => Some(QueueDeadline::Open),
            (JobStage::Begun, Carried::No) => {
                Some(QueueDeadline::PickUp(later(self.updated_at, PICK_UP)))
            }
            (JobStage::Forgotten(until), Carried::No) => {
                self.started.is_none().then_some(QueueDeadline::Forgotten(until))
            }
        }
    }

    /// What becomes of a job that GARM lists no more: one that was queued for longer than GARM
    /// keeps such jobs, and was never seen to start, has been forgotten and still waits at GitHub;
    /// any other is over.
    pub(super) fn vanish(mut self, now: Timestamp, carried: Carried) -> Option<Self> {
        if self.started.is_some() {
            return None;
        }
        match (self.stage, carried) {
            (JobStage::Queued, Carried::No) if later(self.created_at, FORGETS_AFTER) <= now => {
                self.stage = JobStage::Forgotten(later(now, FORGOTTEN_FOR));
                Some(self)
            }
            (JobStage::Forgotten(until), Carried::No) if now < until => Some(self),
            (
                JobStage::Queued | JobStage::Forgotten(_) | JobStage::Begun | JobStage::BegunOn,
                _,
            ) => None,
        }
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
pub(super) struct LabelSet {
    pub(super) labels: Labels,
    /// The pools that fit, in routing order.
    pub(super) fits: Vec<u32>,
}

/// The jobs of one entity: those that wait, oldest first, and the distinct sets of labels.
#[derive(Debug, Clone, Default)]
pub(super) struct JobQueue {
    pub(super) waiting: Vec<WaitingJob>,
    /// What is known of each job that is not over, by `workflow_job_id`.
    pub(super) facts: HashMap<i64, KnownJob>,
    /// The distinct sets of labels.
    pub(super) groups: Vec<LabelSet>,
    by_labels: HashMap<Labels, u32>,
    /// The earliest end of a term among those that wait.
    next_end: Option<Timestamp>,
}

impl JobQueue {
    /// The number of a set of labels; for a new one, `fits` finds the pools.
    pub(super) fn group(&mut self, labels: &Labels, fits: impl Fn(&Labels) -> Vec<u32>) -> u32 {
        if let Some(group) = self.by_labels.get(labels) {
            return *group;
        }
        let group = u32::try_from(self.groups.len()).expect("fewer than 2^32 sets of labels");
        self.groups.push(LabelSet { labels: labels.clone(), fits: fits(labels) });
        self.by_labels.insert(labels.clone(), group);
        group
    }

    /// Makes the job wait, if it does and is not waiting already under that term.
    pub(super) fn enter(&mut self, workflow_job_id: i64, fact: &KnownJob, term: QueueDeadline) {
        let job = WaitingJob::new(workflow_job_id, fact, term);
        self.note_end(term);
        match self.waiting.binary_search_by_key(&job.rank(), WaitingJob::rank) {
            Ok(at) => self.waiting[at] = job,
            Err(at) => self.waiting.insert(at, job),
        }
    }

    /// Makes the job wait no more.
    pub(super) fn leave(&mut self, fact: &KnownJob) {
        let rank = (fact.created_at, fact.id);
        if let Ok(at) = self.waiting.binary_search_by_key(&rank, WaitingJob::rank) {
            self.waiting.remove(at);
        }
    }

    /// Lines up many jobs at once.
    pub(super) fn line_up(&mut self, waiting: Vec<WaitingJob>) {
        self.waiting = waiting;
        self.waiting.sort_by_key(WaitingJob::rank);
        self.next_end = self.waiting.iter().filter_map(|it| it.term.end()).min();
    }

    /// Takes out the jobs whose term has ended at `now`.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<WaitingJob> {
        if self.next_end.is_none_or(|it| now < it) {
            return Vec::new();
        }
        let has_ended = |it: &mut WaitingJob| it.term.end().is_some_and(|end| end <= now);
        let ended = self.waiting.extract_if(.., has_ended).collect();
        self.next_end = self.waiting.iter().filter_map(|it| it.term.end()).min();
        ended
    }

    /// When the first of those that wait stops waiting by age alone.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.next_end
    }

    fn note_end(&mut self, term: QueueDeadline) {
        if let Some(end) = term.end() {
            self.next_end = Some(self.next_end.map_or(end, |it| it.min(end)));
        }
    }
}

/// Where a job stands by its row; nothing when it is over, not for a runner yet, or a scale set's.
pub(super) fn stage(job: &Job) -> Option<JobStage> {
    if job.is_of_scale_set {
        return None;
    }
    match &job.status {
        JobStatus::Queued => Some(JobStage::Queued),
        JobStatus::InProgress if job.runner.is_some() => Some(JobStage::BegunOn),
        JobStatus::InProgress => Some(JobStage::Begun),
        JobStatus::Completed | JobStatus::Other(_) => None,
    }
}
