//! The class of each runner of a pool, and the number of runners in each class.

use std::time::Duration;

use jiff::Timestamp;

use super::deadline::{EvaluationClock, later};
use super::runner_state::{RunnerState, lacks_capacity};
use crate::domain::runner::{Runner, RunnerStatus, Status};

/// An `error` younger than this still counts as booting: GARM main retries a failed create six
/// times in a minute (GARM.md §d).
pub const ERROR_FINAL: Duration = Duration::from_secs(75);

/// A GARM that retries writes the row of a failed create within 5 to 10 s. Release v0.2.1 tries
/// once and leaves the row as it is (GARM.md §k).
pub const ERROR_QUIET: Duration = Duration::from_secs(15);

/// The class of a runner for scaling: the first row that applies.
///
/// | `runner_status` | `status` | age | class |
/// |---|---|---|---|
/// | `terminated` | any | any | ended |
/// | `active` | any | any | active |
/// | any | on its way out | any | leaving |
/// | `idle` | `running`, passed over by a job | any | suspect |
/// | `idle` | `running` | any | idle |
/// | `failed` | any | any | failed |
/// | any | any | `boot_grace` or more | failed |
/// | any | `error` for lack of quota or capacity, in a pool | any | failed |
/// | any | `error` | 75 s or more, or not written for 15 s | failed |
/// | any | `error` | less | retrying |
/// | any | any | less, overtaken | overdue |
/// | any | any | less | booting |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunnerClass {
    /// It is running a job.
    Active,
    /// It is ready and waiting for a job.
    Idle,
    /// It is idle according to its row, but a younger runner of the pool took a job that had waited
    /// beside it. It serves no job, while GARM counts it as idle.
    Suspect,
    /// It is pending, being created or installing.
    Booting,
    /// Booting for far longer than a younger runner of the pool did: not to be relied on.
    Overdue,
    /// Its creation has just failed and GARM retries it: booting, but not to be relied on.
    Retrying,
    /// It has failed or hangs: it serves no job, while GARM counts it as idle.
    Failed,
    Leaving,
    /// Its job is over; the row is about to be deleted.
    Ended,
}

/// The class of the runner by its row alone, in a pool with this `boot_grace`. Nothing is known
/// from earlier, so an idle runner is never suspect.
pub fn classify(runner: &Runner, boot_grace: Duration, clock: &mut EvaluationClock) -> RunnerClass {
    let row = (&runner.status, &runner.runner_status);
    match class_of(row, (runner.created_at, runner.updated_at), (boot_grace, clock)) {
        RunnerClass::Retrying if lacks_capacity(runner) => RunnerClass::Failed,
        class => class,
    }
}

fn class_of(
    (status, inside): (&Status, &RunnerStatus),
    (created_at, written_at): (Timestamp, Timestamp),
    (boot_grace, clock): (Duration, &mut EvaluationClock),
) -> RunnerClass {
    match (status, inside) {
        (_, RunnerStatus::Terminated) => RunnerClass::Ended,
        (_, RunnerStatus::Active) => RunnerClass::Active,
        (status, _) if status.is_leaving() => RunnerClass::Leaving,
        (Status::Running, RunnerStatus::Idle) => RunnerClass::Idle,
        (_, RunnerStatus::Failed) => RunnerClass::Failed,
        _ if clock.reached(later(created_at, boot_grace)) => RunnerClass::Failed,
        (Status::Error, _) if clock.reached(later(created_at, ERROR_FINAL)) => RunnerClass::Failed,
        (Status::Error, _) if clock.reached(later(written_at, ERROR_QUIET)) => RunnerClass::Failed,
        (Status::Error, _) => RunnerClass::Retrying,
        _ => RunnerClass::Booting,
    }
}

/// The number of one pool's runners in each class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunnerCounts {
    /// Runners that are running a job.
    pub active: u32,
    /// Runners that are waiting for a job.
    pub idle: u32,
    /// Runners that are idle according to their rows and passed over.
    pub suspect: u32,
    /// Runners on their way to idle, including those whose creation GARM retries.
    pub booting: u32,
    /// Those of `booting` that have been overtaken by younger runners.
    pub overdue: u32,
    /// Those of `booting` whose creation has just failed.
    pub retrying: u32,
    /// Runners that have failed or hang.
    pub failed: u32,
    /// Runners that are being deleted, except for those in `ended`.
    pub leaving: u32,
    /// Runners whose job is over and whose row still exists.
    pub ended: u32,
    /// All runners: the number that GARM compares with `max_runners`.
    pub live: u32,
    /// The number that GARM compares with `min_idle_runners`.
    pub garm_idle: u32,
    /// Since when the longest-idle runner has been idle.
    pub oldest_idle: Option<Timestamp>,
    /// Since when the first of `leaving` and `ended` has been in that class.
    pub leaving_since: Option<Timestamp>,
    /// When one of the counts first changes through age alone.
    pub until: Option<Timestamp>,
}

impl RunnerCounts {
    /// Counts the runners of one pool with this `boot_grace` at `now`.
    pub(super) fn take(runners: &[RunnerState], boot_grace: Duration, now: Timestamp) -> Self {
        let mut clock = EvaluationClock::new(now);
        let mut counts = Self::default();
        for runner in runners {
            let class = runner.class(boot_grace, &mut clock);
            counts.add(class, runner);
        }
        counts.until = clock.next();
        counts
    }

    fn add(&mut self, class: RunnerClass, runner: &RunnerState) {
        self.live += 1;
        let counts_as_idle =
            !matches!(runner.runner_status, RunnerStatus::Active | RunnerStatus::Terminated);
        self.garm_idle += u32::from(counts_as_idle);
        match class {
            RunnerClass::Active => self.active += 1,
            RunnerClass::Idle => {
                self.idle += 1;
                let since = runner.idle_since();
                self.oldest_idle = Some(self.oldest_idle.map_or(since, |oldest| oldest.min(since)));
            }
            RunnerClass::Suspect => self.suspect += 1,
            RunnerClass::Booting => self.booting += 1,
            RunnerClass::Overdue => {
                self.booting += 1;
                self.overdue += 1;
            }
            RunnerClass::Retrying => {
                self.booting += 1;
                self.retrying += 1;
            }
            RunnerClass::Failed => self.failed += 1,
            RunnerClass::Leaving => {
                self.leaving += 1;
                self.note_leaving(runner);
            }
            RunnerClass::Ended => {
                self.ended += 1;
                self.note_leaving(runner);
            }
        }
    }

    fn note_leaving(&mut self, runner: &RunnerState) {
        self.leaving_since = self.leaving_since.into_iter().chain(runner.leaving_since).min();
    }

    /// Idle and booting runners, without the overdue ones: those on which waiting jobs can count.
    pub fn supply(&self) -> u32 {
        self.idle + self.coming()
    }

    /// Booting runners without the overdue ones.
    pub fn coming(&self) -> u32 {
        self.booting - self.overdue
    }
}

impl RunnerState {
    /// The class of this runner.
    pub(super) fn class(&self, boot_grace: Duration, clock: &mut EvaluationClock) -> RunnerClass {
        match self.class_by_row(boot_grace, clock) {
            RunnerClass::Retrying if self.lacked_capacity => RunnerClass::Failed,
            RunnerClass::Idle if self.is_suspect(clock) => RunnerClass::Suspect,
            RunnerClass::Booting if self.overdue_at.is_some_and(|at| clock.reached(at)) => {
                RunnerClass::Overdue
            }
            class => class,
        }
    }

    /// Its class as far as its status and its times show it.
    pub(super) fn class_by_row(
        &self,
        boot_grace: Duration,
        clock: &mut EvaluationClock,
    ) -> RunnerClass {
        let row = (&self.status, &self.runner_status);
        class_of(row, (self.created_at, self.written_at), (boot_grace, clock))
    }
}
