//! The part of a runner's state that scaling needs, including since when it is idle.

use jiff::Timestamp;

use super::deadline::{EvaluationClock, later};
use super::queue::PICK_UP;
use crate::domain::name::{PoolKind, RunnerName};
use crate::domain::runner::{Runner, RunnerStatus, Status};

/// The state of one runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunnerState {
    pub(super) name: RunnerName,
    pub(super) status: Status,
    pub(super) runner_status: RunnerStatus,
    pub(super) created_at: Timestamp,
    /// When GARM last wrote the row.
    pub(super) written_at: Timestamp,
    /// The `workflow_job_id` of the job that it carries.
    pub(super) job: Option<i64>,
    /// Present while the runner is idle.
    pub(super) idle: Option<IdleSince>,
    /// Present while it is idle and passed over: when the job started that a younger runner took.
    pub(super) passed_over: Option<Timestamp>,
    /// Present while it boots and a younger runner has arrived: when it becomes overdue.
    pub(super) overdue_at: Option<Timestamp>,
    /// Present from the moment at which the runner has a job.
    pub(super) pick_up: Option<JobPickUp>,
    /// Since when its job is over or its deletion is under way, as far as is known: GARM writes the
    /// row again at each attempt to delete the VM.
    pub(super) leaving_since: Option<Timestamp>,
    /// Whether the provider has had no quota or capacity for it: GARM may try again.
    pub(super) lacked_capacity: bool,
    /// Present once it has a VM: when GARM wrote that, as far as was observed; else its creation,
    /// which is earlier.
    pub(super) vm_at: Option<Timestamp>,
    /// Present once its job is over: when GARM first wrote that, as far as was observed.
    pub(super) ended_at: Option<Timestamp>,
}

/// How a runner picked up its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JobPickUp {
    /// When the job was picked up, according to the runner's row.
    pub(super) began: Timestamp,
    /// Since when the runner had been idle; its creation, which is earlier, where that was not
    /// observed.
    pub(super) idle_since: Timestamp,
    /// The runner was suspect at that time. It was not broken, so the other suspects may not be
    /// either.
    pub(super) was_suspect: bool,
}

/// Since when a runner is idle, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct IdleSince {
    /// Never later than the time at which it was observed.
    pub(super) since: Timestamp,
    pub(super) source: IdleSource,
}

/// The source of an idle time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum IdleSource {
    /// The runner was observed to become idle, its row has not been written since, or its history
    /// was read.
    Known,
    /// The runner was idle when first observed, with a heartbeat that keeps writing the row, so it
    /// may have been idle for longer. Its history, which only a single read returns, would show it
    /// (GARM.md §e).
    Row,
}

impl RunnerState {
    /// The state of the runner at `now`, given its `previous` state.
    pub(super) fn seen(runner: &Runner, previous: Option<&Self>, now: Timestamp) -> Self {
        let previous = previous.filter(|previous| previous.created_at == runner.created_at);
        Self {
            name: runner.name.clone(),
            status: runner.status.clone(),
            runner_status: runner.runner_status.clone(),
            created_at: runner.created_at,
            written_at: runner.updated_at,
            job: runner.job,
            idle: runner.is_idle().then(|| idle(runner, previous, now)),
            passed_over: previous
                .and_then(|previous| previous.passed_over)
                .filter(|_| runner.is_idle()),
            overdue_at: previous
                .filter(|previous| !previous.has_arrived())
                .and_then(|previous| previous.overdue_at),
            pick_up: pick_up(runner, previous, now),
            leaving_since: is_leaving(runner).then(|| {
                let known = previous.and_then(|previous| previous.leaving_since);
                known.unwrap_or(runner.updated_at).min(now)
            }),
            lacked_capacity: lacks_capacity(runner)
                || previous.is_some_and(|previous| previous.lacked_capacity),
            vm_at: (runner.status == Status::Running).then(|| match previous {
                Some(previous) => previous.vm_at.unwrap_or(runner.updated_at),
                None => runner.created_at,
            }),
            ended_at: (runner.runner_status == RunnerStatus::Terminated).then(|| {
                let known = previous.and_then(|previous| previous.ended_at);
                known.unwrap_or(runner.updated_at)
            }),
        }
    }

    /// Whether it is idle while younger runners take the jobs that wait beside it.
    pub(super) fn is_suspect(&self, clock: &mut EvaluationClock) -> bool {
        // Its own job may be reported shortly after the other one's.
        self.passed_over.is_some_and(|passed_at| clock.passed(passed_at, PICK_UP))
    }

    /// Whether it is or was idle, which shows that its provider works. A runner that has or had a
    /// job was idle before, observed or not.
    pub(super) fn has_arrived(&self) -> bool {
        let has_worked =
            matches!(self.runner_status, RunnerStatus::Active | RunnerStatus::Terminated);
        self.idle.is_some() || has_worked
    }

    /// Whether it is in `error` for lack of quota or capacity.
    pub(super) fn fails_for_capacity(&self) -> bool {
        self.lacked_capacity && self.status == Status::Error
    }

    /// Since when it is idle; the maximum timestamp if it is not.
    pub(super) fn idle_since(&self) -> Timestamp {
        self.idle.map_or(Timestamp::MAX, |idle| idle.since)
    }
}

/// Whether the row shows that the provider has no quota or capacity for it. In a scale set that is a
/// failure like any other: its jobs cannot go to another pool.
pub(super) fn lacks_capacity(runner: &Runner) -> bool {
    let is_of_pool = runner.pool.as_ref().is_some_and(|pool| pool.kind() == PoolKind::Pool);
    is_of_pool && runner.lacks_capacity()
}

fn pick_up(runner: &Runner, previous: Option<&RunnerState>, now: Timestamp) -> Option<JobPickUp> {
    let known = previous.and_then(|previous| previous.pick_up);
    if let (Some(known), RunnerStatus::Active | RunnerStatus::Terminated) =
        (known, &runner.runner_status)
    {
        return Some(JobPickUp { began: known.began.min(now), ..known });
    }
    if runner.runner_status != RunnerStatus::Active {
        return None;
    }
    let began = runner.updated_at.min(now);
    let idle = previous.and_then(|previous| previous.idle).map(|idle| idle.since);
    let was_suspect = previous
        .and_then(|previous| previous.passed_over)
        .is_some_and(|passed_at| later(passed_at, PICK_UP) <= began);
    Some(JobPickUp { began, idle_since: idle.unwrap_or(runner.created_at), was_suspect })
}

/// Whether its job is over or its deletion is under way.
fn is_leaving(runner: &Runner) -> bool {
    runner.status.is_leaving() || runner.runner_status == RunnerStatus::Terminated
}

/// Since when an idle runner is idle:
///
/// | before | row | since |
/// |---|---|---|
/// | not seen | no heartbeat | last write |
/// | not seen | heartbeat, with history | last message |
/// | not seen | heartbeat, without history | last write, and the history would show more |
/// | not idle | any | last write: that was the change |
/// | idle | any | as before; but a history shows what the row could not |
fn idle(runner: &Runner, previous: Option<&RunnerState>, now: Timestamp) -> IdleSince {
    let told = runner.messages.iter().map(|message| message.at).max();
    let known = |since: Timestamp| IdleSince { since: since.min(now), source: IdleSource::Known };
    match (previous.map(|previous| previous.idle), told) {
        (Some(Some(IdleSince { source: IdleSource::Row, .. })), Some(at)) => known(at),
        (Some(Some(before)), _) => IdleSince { since: before.since.min(now), ..before },
        (Some(None), _) => known(runner.updated_at),
        (None, _) if runner.heartbeat.is_none() => known(runner.updated_at),
        (None, Some(at)) => known(at),
        (None, None) => IdleSince { since: runner.updated_at.min(now), source: IdleSource::Row },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::runner::StatusMessage;
    use crate::scaling::testing::{at, runner};

    fn since(runner: &Runner, previous: Option<&RunnerState>, now: i64) -> (Timestamp, IdleSource) {
        let idle = RunnerState::seen(runner, previous, at(now)).idle.unwrap();
        (idle.since, idle.source)
    }

    fn beating(since: i64) -> Runner {
        let row = runner("a", "a1", "running/idle", since);
        Runner { heartbeat: Some(at(since)), created_at: at(0), ..row }
    }

    fn told(since: i64) -> Runner {
        let message = |second| StatusMessage {
            at: at(second),
            text: "runner successfully installed".into(),
            level: "info".into(),
        };
        let messages = vec![message(since), message(since - 9)];
        Runner { messages, ..beating(90) }
    }

    #[test]
    fn at_first_sight_the_last_write_counts_and_is_never_in_the_future() {
        let row = runner("a", "a1", "running/idle", 50);
        assert_eq!(since(&row, None, 100), (at(50), IdleSource::Known));
        assert_eq!(since(&row, None, 40), (at(40), IdleSource::Known));
    }

    #[test]
    fn with_a_heartbeat_only_the_history_tells() {
        assert_eq!(since(&beating(90), None, 100), (at(90), IdleSource::Row));
        assert_eq!(since(&told(20), None, 100), (at(20), IdleSource::Known));
        let before = RunnerState::seen(&beating(80), None, at(80));
        assert_eq!(since(&beating(90), Some(&before), 100), (at(80), IdleSource::Row));
        assert_eq!(since(&told(20), Some(&before), 100), (at(20), IdleSource::Known));
    }

    #[test]
    fn an_observed_change_counts_from_its_write_and_not_from_later_ones() {
        let mut row = runner("a", "a1", "running/installing", 0);
        let booting = RunnerState::seen(&row, None, at(10));
        row.runner_status = RunnerStatus::Idle;
        row.updated_at = at(12);
        row.heartbeat = Some(at(12));
        let idle = RunnerState::seen(&row, Some(&booting), at(13));
        assert_eq!(idle.idle, Some(IdleSince { since: at(12), source: IdleSource::Known }));
        row.updated_at = at(60);
        assert_eq!(since(&row, Some(&idle), 61), (at(12), IdleSource::Known));
        row.created_at = at(55);
        assert_eq!(since(&row, Some(&idle), 61).0, at(60), "another runner of that name");
    }

    #[test]
    fn a_clock_that_is_set_back_moves_the_idle_time() {
        let row = runner("a", "a1", "running/idle", 50);
        let idle = RunnerState::seen(&row, None, at(100));
        assert_eq!(since(&row, Some(&idle), 20), (at(20), IdleSource::Known));
    }
}
