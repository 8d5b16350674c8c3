//! The possible transitions between the states of a runner (GARM.md §e).

use super::runner_history::RecordedState;
use crate::domain::runner::{RunnerStatus, Status};

/// Whether `after` directly follows `before`, so that no state between them can have been missed:
/// only one of the two statuses has changed, by a transition of the tables below.
pub(super) fn follows(before: &RecordedState, after: &RecordedState) -> bool {
    let is_status_same = before.status == after.status;
    let is_runner_same = before.runner_status == after.runner_status;
    match (is_status_same, is_runner_same) {
        (true, true) => true,
        (false, true) => status(&before.status, &after.status),
        (true, false) => runner(&before.runner_status, &after.runner_status),
        (false, false) => false,
    }
}

fn status(before: &Status, after: &Status) -> bool {
    use Status as S;
    let is_marked = matches!(after, S::PendingDelete | S::PendingForceDelete);
    match before {
        S::PendingCreate => matches!(after, S::Creating),
        S::Creating => matches!(after, S::Running | S::Error) || is_marked,
        S::Running => matches!(after, S::Error) || is_marked,
        // GARM retries, up to six times in all.
        S::Error => matches!(after, S::Creating | S::PendingCreate) || is_marked,
        S::PendingDelete => matches!(after, S::Deleting | S::PendingForceDelete),
        S::PendingForceDelete => matches!(after, S::Deleting),
        // The provider failed to delete the machine, and GARM marks the runner again.
        S::Deleting => matches!(after, S::Deleted | S::Error) || is_marked,
        S::Deleted | S::Other(_) => false,
    }
}

fn runner(before: &RunnerStatus, after: &RunnerStatus) -> bool {
    use RunnerStatus as R;
    match before {
        R::Pending => matches!(after, R::Installing | R::Failed),
        R::Installing => matches!(after, R::Idle | R::Failed),
        R::Idle => matches!(after, R::Active | R::Offline),
        R::Active => matches!(after, R::Terminated | R::Offline),
        R::Offline => matches!(after, R::Idle | R::Active | R::Terminated),
        R::Terminated | R::Failed | R::Other(_) => false,
    }
}

/// The `act` of the record about a row.
pub(super) fn act(stage: &RecordedState) -> &'static str {
    match &stage.status {
        Status::PendingCreate => "runner pending",
        Status::Creating => "runner creating",
        Status::Error => "runner create failed",
        Status::PendingDelete | Status::PendingForceDelete => "runner marked for deletion",
        Status::Deleting => "runner deleting",
        Status::Deleted => "runner deleted",
        Status::Running => match &stage.runner_status {
            RunnerStatus::Pending => "runner running",
            RunnerStatus::Installing => "runner installing",
            RunnerStatus::Idle => "runner idle",
            RunnerStatus::Active => "runner active",
            RunnerStatus::Terminated => "runner terminated",
            RunnerStatus::Failed => "runner install failed",
            RunnerStatus::Offline => "runner offline",
            RunnerStatus::Other(_) => "runner changed",
        },
        Status::Other(_) => "runner changed",
    }
}
