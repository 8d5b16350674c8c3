//! What each runner of a pool is, and how many there are of each.

use std::time::Duration;

use jiff::Timestamp;

use super::deadline::{EvaluationClock, later};
use super::runner_state::RunnerState;
use crate::domain::runner::{Runner, RunnerStatus, Status};

/// An `error` younger than this still boots: GARM main retries a failed create six times in a
/// minute (GARM.md §d).
pub const ERROR_FINAL: Duration = Duration::from_secs(75);

/// A GARM that retries writes the row of a failed create within 5 to 10 s. Release v0.2.1 tries
/// once: its row stays as it is (GARM.md §k).
pub const ERROR_QUIET: Duration = Duration::from_secs(20);

/// What one runner is, for scaling. Rows are tried in this order:
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
/// | any | `error` | 75 s or more, or not written for 20 s | failed |
/// | any | `error` | less | retrying |
/// | any | any | less | booting |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunnerClass {
    /// Runs a job.
    Active,
    /// Up and waiting for a job.
    Idle,
    /// Idle by its row, while a younger runner of the pool took a job that had waited beside it:
    /// serves nobody, while GARM counts it as idle.
    Suspect,
    /// On its way to idle.
    Booting,
    /// Its creation failed a moment ago and GARM tries again: booting, though nobody should count
    /// on it.
    Retrying,
    /// Failed or hung: serves nobody, while GARM counts it as idle.
    Failed,
    /// On its way out.
    Leaving,
    /// Its job is over; the row is about to go.
    Ended,
}

impl RunnerClass {
    /// The word of output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Suspect => "suspect",
            Self::Booting | Self::Retrying => "booting",
            Self::Failed => "failed",
            Self::Leaving | Self::Ended => "leaving",
        }
    }
}

/// What the runner is at `moment` by its row alone, in a pool with this `boot_grace`: nothing of
/// it is known from before, so an idle one is never suspect.
pub fn classify(
    runner: &Runner,
    boot_grace: Duration,
    moment: &mut EvaluationClock,
) -> RunnerClass {
    let row = (&runner.status, &runner.runner_status);
    class_of(row, (runner.created_at, runner.updated_at), (boot_grace, moment))
}

fn class_of(
    (status, inside): (&Status, &RunnerStatus),
    (created_at, written_at): (Timestamp, Timestamp),
    (boot_grace, moment): (Duration, &mut EvaluationClock),
) -> RunnerClass {
    match (status, inside) {
        (_, RunnerStatus::Terminated) => RunnerClass::Ended,
        (_, RunnerStatus::Active) => RunnerClass::Active,
        (status, _) if status.is_leaving() => RunnerClass::Leaving,
        (Status::Running, RunnerStatus::Idle) => RunnerClass::Idle,
        (_, RunnerStatus::Failed) => RunnerClass::Failed,
        _ if moment.reached(later(created_at, boot_grace)) => RunnerClass::Failed,
        (Status::Error, _) if moment.reached(later(created_at, ERROR_FINAL)) => RunnerClass::Failed,
        (Status::Error, _) if moment.reached(later(written_at, ERROR_QUIET)) => RunnerClass::Failed,
        (Status::Error, _) => RunnerClass::Retrying,
        _ => RunnerClass::Booting,
    }
}

/// One pool's runners, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunnerCounts {
    /// Running a job.
    pub active: u32,
    /// Waiting for one.
    pub idle: u32,
    /// Idle by their rows, and passed over.
    pub suspect: u32,
    /// On their way to idle, those that GARM creates again included.
    pub booting: u32,
    /// Those of `booting` whose creation failed a moment ago.
    pub retrying: u32,
    /// Failed or hung.
    pub failed: u32,
    /// On their way out, job or not; without those that ended.
    pub leaving: u32,
    /// Job over, row still there.
    pub ended: u32,
    /// All of them: GARM holds `max_runners` against this.
    pub live: u32,
    /// What GARM compares `min_idle_runners` with.
    pub garm_idle: u32,
    /// Since when the longest-idle runner is idle.
    pub oldest_idle: Option<Timestamp>,
    /// Since when the runner is leaving that has been leaving or over for longest.
    pub leaving_since: Option<Timestamp>,
    /// When the first of the counts changes by age alone.
    pub until: Option<Timestamp>,
}

impl RunnerCounts {
    /// Counts the runners of one pool with this `boot_grace` at `now`.
    pub(super) fn take(units: &[RunnerState], boot_grace: Duration, now: Timestamp) -> Self {
        let mut moment = EvaluationClock::new(now);
        let mut census = Self::default();
        for unit in units {
            let class = unit.class(boot_grace, &mut moment);
            census.add(class, unit);
        }
        census.until = moment.next();
        census
    }

    fn add(&mut self, class: RunnerClass, unit: &RunnerState) {
        self.live += 1;
        let counts_as_idle =
            !matches!(unit.runner_status, RunnerStatus::Active | RunnerStatus::Terminated);
        self.garm_idle += u32::from(counts_as_idle);
        match class {
            RunnerClass::Active => self.active += 1,
            RunnerClass::Idle => {
                self.idle += 1;
                let since = unit.idle_since();
                self.oldest_idle = Some(self.oldest_idle.map_or(since, |it| it.min(since)));
            }
            RunnerClass::Suspect => self.suspect += 1,
            RunnerClass::Booting => self.booting += 1,
            RunnerClass::Retrying => {
                self.booting += 1;
                self.retrying += 1;
            }
            RunnerClass::Failed => self.failed += 1,
            RunnerClass::Leaving => {
                self.leaving += 1;
                self.note_leaving(unit);
            }
            RunnerClass::Ended => {
                self.ended += 1;
                self.note_leaving(unit);
            }
        }
    }

    fn note_leaving(&mut self, unit: &RunnerState) {
        self.leaving_since = self.leaving_since.into_iter().chain(unit.leaving_since).min();
    }

    /// Idle or booting: what a waiting job may count on.
    pub fn supply(&self) -> u32 {
        self.idle + self.booting
    }
}

impl RunnerState {
    /// What this runner is.
    pub(super) fn class(&self, boot_grace: Duration, moment: &mut EvaluationClock) -> RunnerClass {
        let row = (&self.status, &self.runner_status);
        let times = (self.created_at, self.written_at);
        let class = class_of(row, times, (boot_grace, moment));
        if class == RunnerClass::Idle && self.is_suspect(moment) {
            RunnerClass::Suspect
        } else {
            class
        }
    }
}
