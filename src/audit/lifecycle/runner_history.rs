//! The recorded states of a runner.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;

use super::super::entry::Initiator;
use super::first_sight::FirstSight;
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::runner::{Runner, RunnerStatus, Status};

/// The number of states that are remembered per runner. A runner has about ten, and six more if its
/// provider fails. A row older than all of them is treated as known.
const HISTORY_MAX: usize = 32;

/// The part of a runner's row whose changes are recorded. Heartbeats change only the rest of the
/// row.
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

    /// Whether this is the first state of a runner.
    pub(super) fn is_first(&self) -> bool {
        self.status == Status::PendingCreate && self.runner_status == RunnerStatus::Pending
    }

    /// Whether GARM deletes the runner's row after this state.
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

/// The position of a row among the recorded ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordOrder {
    /// The row shows nothing new.
    Known,
    /// The row is newer than all recorded ones.
    Next,
    /// The row is older than a recorded one, and shows a state that is not recorded.
    Late,
}

/// The current state of a runner and its history.
#[derive(Debug)]
pub(super) struct RunnerHistory {
    pub(super) name: RunnerName,
    pub(super) pool: Option<PoolId>,
    pub(super) stage: RecordedState,
    /// The time of the newest row, on GARM's clock.
    pub(super) updated_at: Timestamp,
    /// The last job of the runner.
    pub(super) job: Option<i64>,
    /// The conclusion of that job; empty until it ends.
    pub(super) conclusion: String,
    /// How it was observed for the first time, until that is recorded.
    pub(super) first_sight: Option<Box<FirstSight>>,
    /// The initiator of the removal, once the runner is marked for deletion.
    left_by: Option<Initiator>,
    /// For each recorded state, the time of its first row and its digest, in chronological order.
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
            first_sight: None,
            left_by: None,
            history: vec![(runner.updated_at, stage.digest())],
        }
    }

    /// Finds the position of a row among the recorded ones, and remembers the row.
    pub(super) fn place(&mut self, at: Timestamp, stage: &RecordedState) -> RecordOrder {
        let digest = stage.digest();
        if at >= self.updated_at && *stage == self.stage {
            self.updated_at = at;
            return RecordOrder::Known;
        }
        if self.history.contains(&(at, digest)) {
            return RecordOrder::Known;
        }
        let place = self.history.partition_point(|(time, _)| *time <= at);
        if at < self.updated_at {
            // The row repeats the state of a neighbour.
            let near = [place.checked_sub(1), Some(place)];
            let mut near = near.into_iter().flatten().filter_map(|index| self.history.get(index));
            let is_before_all = place == 0 && self.history.len() >= HISTORY_MAX;
            if is_before_all || near.any(|(_, state)| *state == digest) {
                return RecordOrder::Known;
            }
        }
        self.history.insert(place, (at, digest));
        if self.history.len() > HISTORY_MAX {
            self.history.remove(0);
        }
        if at < self.updated_at { RecordOrder::Late } else { RecordOrder::Next }
    }

    /// Enters the next state. Returns the previous state and the initiator of the change.
    pub(super) fn enter(
        &mut self,
        stage: RecordedState,
        runner: &Runner,
        request: DeleteRequest,
    ) -> (RecordedState, Initiator) {
        let was_leaving = self.stage.status.is_leaving();
        let before = std::mem::replace(&mut self.stage, stage);
        self.updated_at = runner.updated_at;
        self.job = runner.job.or(self.job);
        if !self.stage.status.is_leaving() {
            self.left_by = None;
            return (before, Initiator::Garm);
        }
        let by = match self.left_by {
            Some(by) if was_leaving => by,
            Some(_) | None => self.leave(request),
        };
        (before, by)
    }

    /// The initiator of the removal: the one that marked the runner for deletion; else this
    /// process, if it requested the deletion; else GARM, if the job is over; else unknown.
    pub(super) fn leave(&mut self, request: DeleteRequest) -> Initiator {
        if let Some(by) = self.left_by {
            return by;
        }
        let is_done =
            self.stage.runner_status == RunnerStatus::Terminated || !self.conclusion.is_empty();
        let by = match (request, is_done) {
            (DeleteRequest::Ours, _) => Initiator::Us,
            (DeleteRequest::None, true) => Initiator::Garm,
            (DeleteRequest::None, false) => Initiator::Unknown,
        };
        self.left_by = Some(by);
        by
    }
}

/// Whether this process has asked GARM to delete a runner.
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
