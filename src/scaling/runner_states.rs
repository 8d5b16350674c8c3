//! Counts a pool's runners by state, for status and metrics.

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use super::pool_index::PoolIndex;
use super::runner_counts::RunnerClass;
use crate::domain::runner::Status;

/// A state of a runner's life, by the word that `status`, the metrics and all JSON use for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeState {
    /// GARM has recorded the runner but has not asked its provider for a machine yet.
    Pending,
    /// The provider is creating the machine, or failed to and will be asked again.
    Creating,
    /// The machine is up and is installing the runner.
    Installing,
    /// The runner waits for a job.
    Idle,
    /// GARM reports the runner as idle, but GitHub gives it no job.
    Suspect,
    /// The runner runs a job.
    Active,
    /// The runner failed or hangs.
    Failed,
    /// The runner's job is over, or GARM is deleting the runner.
    Deleting,
}

impl LifeState {
    /// Every state, in the order of a runner's life.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Creating,
        Self::Installing,
        Self::Idle,
        Self::Suspect,
        Self::Active,
        Self::Failed,
        Self::Deleting,
    ];

    /// The state of a runner of this class whose instance has this status in GARM.
    pub fn of(class: RunnerClass, status: &Status) -> Self {
        match class {
            RunnerClass::Active => Self::Active,
            RunnerClass::Idle => Self::Idle,
            RunnerClass::Suspect => Self::Suspect,
            RunnerClass::Failed => Self::Failed,
            RunnerClass::Leaving | RunnerClass::Ended => Self::Deleting,
            RunnerClass::Retrying => Self::Creating,
            RunnerClass::Booting | RunnerClass::Overdue => match status {
                Status::PendingCreate => Self::Pending,
                Status::Creating => Self::Creating,
                _ => Self::Installing,
            },
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Creating => "creating",
            Self::Installing => "installing",
            Self::Idle => "idle",
            Self::Suspect => "suspect",
            Self::Active => "active",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
        }
    }
}

/// The runners of a pool, each counted in one state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunnerStateCounts {
    /// Requested, but creation has not begun.
    pub pending: u32,
    /// The provider is creating the machine, or has failed and GARM retries.
    pub creating: u32,
    /// The machine is running, and the runner is not ready.
    pub installing: u32,
    /// Waiting for a job to be assigned.
    pub idle: u32,
    /// Idle according to its row, but takes no job.
    pub suspect: u32,
    /// Running a job at the moment.
    pub active: u32,
    /// Failed or hanging, and serving no job.
    pub failed: u32,
    /// Being deleted, or about to be.
    pub deleting: u32,
}

impl RunnerStateCounts {
    /// Word and count of every state, zeros included.
    pub fn by_state(mut self) -> [(&'static str, u32); 8] {
        LifeState::ALL.map(|state| (state.word(), *self.of(state)))
    }

    /// The counts of two pools together.
    #[must_use]
    pub fn plus(mut self, mut other: Self) -> Self {
        for state in LifeState::ALL {
            *self.of(state) += *other.of(state);
        }
        self
    }

    fn of(&mut self, state: LifeState) -> &mut u32 {
        match state {
            LifeState::Pending => &mut self.pending,
            LifeState::Creating => &mut self.creating,
            LifeState::Installing => &mut self.installing,
            LifeState::Idle => &mut self.idle,
            LifeState::Suspect => &mut self.suspect,
            LifeState::Active => &mut self.active,
            LifeState::Failed => &mut self.failed,
            LifeState::Deleting => &mut self.deleting,
        }
    }
}

impl PoolIndex {
    /// The pool's runners by state at `now`.
    pub fn states(&self, now: Timestamp) -> RunnerStateCounts {
        let mut clock = EvaluationClock::new(now);
        let mut states = RunnerStateCounts::default();
        for runner in &self.runners {
            let class = runner.class(self.boot_grace(), &mut clock);
            *states.of(LifeState::of(class, &runner.status)) += 1;
        }
        states
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::FleetIndex;
    use crate::scaling::testing::{at, fleet, pool, runner};

    #[test]
    fn every_runner_is_in_one_state() {
        let rows = [
            ("a", "pending_create/pending", 0),
            ("b", "creating/pending", 0),
            ("c", "error/pending", -10),
            ("d", "running/installing", 0),
            ("e", "running/idle", 0),
            ("f", "running/active", 0),
            ("g", "running/failed", 0),
            ("h", "deleting/idle", 0),
            ("i", "running/terminated", 0),
        ];
        let runners = rows.map(|(name, state, since)| runner("a", name, state, since)).to_vec();
        let fleet = fleet(0, vec![pool("a", &["x"])], runners, vec![]);
        let fleet_index = FleetIndex::new(fleet, crate::scaling::ScalePolicies::new());
        let index = fleet_index.entities().values().next().unwrap();
        let states = index.pools()[0].states(at(0));
        let expected = RunnerStateCounts {
            pending: 1,
            creating: 2,
            installing: 1,
            idle: 1,
            suspect: 0,
            active: 1,
            failed: 1,
            deleting: 2,
        };
        assert_eq!(states, expected);
    }
}
