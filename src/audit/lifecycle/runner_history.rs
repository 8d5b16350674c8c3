//! What is known of one runner.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;

use super::super::entry::By;
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::runner::{Runner, RunnerStatus, Status};

/// Stages of one runner that are kept in mind. A life has about ten, six more when its provider
/// fails; an older row than all of these is taken for known.
const HISTORY_MAX: usize = 32;

/// What of a row is worth a record when it changes. Heartbeats are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordedState {
    pub(super) status: Status,
    pub(super) runner_status: RunnerStatus,
    pub(super) job: Option<i64>,
    pub(super) provider_id: Option<String>,
    pub(super) has_shell: bool,
}

impl RecordedState {
    pub(super) fn of(runner: &Runner) -> Self {
        Self {
            status: runner.status.clone(),
            runner_status: runner.runner_status.clone(),
            job: runner.job,
            provider_id: runner.provider_id.clone(),
            has_shell: runner.has_shell,
        }
    }

    /// GARM has just made the row.
    pub(super) fn is_first(&self) -> bool {
        self.status == Status::PendingCreate && self.runner_status == RunnerStatus::Pending
    }

    /// The row goes next.
    pub(super) fn is_last(&self) -> bool {
        matches!(self.status, Status::Deleting | Status::Deleted)
    }

    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let words = (self.status.word(), self.runner_status.word());
        (words, self.job, &self.provider_id, self.has_shell).hash(&mut hasher);
        hasher.finish()
    }
}

/// Where a row belongs among those that are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordOrder {
    /// It says nothing new.
    KnownPool,
    /// After them all.
    Next,
    /// Before one of them, and none of them says it.
    Late,
}

/// One runner.
#[derive(Debug)]
pub(super) struct RunnerHistory {
    pub(super) name: RunnerName,
    pub(super) pool: Option<PoolId>,
    pub(super) stage: RecordedState,
    /// Of the newest row, on GARM's clock.
    pub(super) updated_at: Timestamp,
    /// The last job that it carried.
    pub(super) job: Option<i64>,
    /// How that job ended; empty while it has not.
    pub(super) conclusion: String,
    /// Who has marked it for deletion.
    left_by: Option<By>,
    /// Every stage that is recorded and when its first row was written, in this order.
    history: Vec<(Timestamp, u64)>,
}

impl RunnerHistory {
    pub(super) fn new(runner: &Runner, stage: &RecordedState) -> Self {
        Self {
            name: runner.name.clone(),
            pool: runner.pool.clone(),
            stage: stage.clone(),
            updated_at: runner.updated_at,
            job: runner.job,
            conclusion: String::new(),
            left_by: None,
            history: vec![(runner.updated_at, stage.digest())],
        }
    }

    /// Where a row belongs; a row that is not known is from now on.
    pub(super) fn place(&mut self, at: Timestamp, stage: &RecordedState) -> RecordOrder {
        let digest = stage.digest();
        if at >= self.updated_at && *stage == self.stage {
            self.updated_at = at;
            return RecordOrder::KnownPool;
        }
        if self.history.contains(&(at, digest)) {
            return RecordOrder::KnownPool;
        }
        let place = self.history.partition_point(|it| it.0 <= at);
        if at < self.updated_at {
            // The same stage before or after it: a row of that stage, written earlier or later.
            let near = [place.checked_sub(1), Some(place)];
            let mut near = near.into_iter().flatten().filter_map(|it| self.history.get(it));
            let is_before_all = place == 0 && self.history.len() >= HISTORY_MAX;
            if is_before_all || near.any(|it| it.1 == digest) {
                return RecordOrder::KnownPool;
            }
        }
        self.history.insert(place, (at, digest));
        if self.history.len() > HISTORY_MAX {
            self.history.remove(0);
        }
        if at < self.updated_at { RecordOrder::Late } else { RecordOrder::Next }
    }

    /// Goes on to the next stage: the one before, and who did it.
    pub(super) fn enter(
        &mut self,
        stage: RecordedState,
        runner: &Runner,
        claim: DeleteRequest,
    ) -> (RecordedState, By) {
        let was_leaving = self.stage.status.is_leaving();
        let before = std::mem::replace(&mut self.stage, stage);
        self.updated_at = runner.updated_at;
        self.job = runner.job.or(self.job);
        if !self.stage.status.is_leaving() {
            self.left_by = None;
            return (before, By::Garm);
        }
        let by = match self.left_by {
            Some(by) if was_leaving => by,
            Some(_) | None => self.leave(claim),
        };
        (before, by)
    }

    /// Who has it removed: whoever has marked it, else we if we have asked for it, else GARM if
    /// its job is over, else nobody can tell.
    pub(super) fn leave(&mut self, claim: DeleteRequest) -> By {
        if let Some(by) = self.left_by {
            return by;
        }
        let is_done =
            self.stage.runner_status == RunnerStatus::Terminated || !self.conclusion.is_empty();
        let by = match (claim, is_done) {
            (DeleteRequest::Ours, _) => By::Us,
            (DeleteRequest::None, true) => By::Garm,
            (DeleteRequest::None, false) => By::Unknown,
        };
        self.left_by = Some(by);
        by
    }
}

/// Whether we have asked GARM to delete it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeleteRequest {
    Ours,
    None,
}

impl DeleteRequest {
    pub(super) fn of(found: Option<&Timestamp>) -> Self {
        if found.is_some() { Self::Ours } else { Self::None }
    }
}
