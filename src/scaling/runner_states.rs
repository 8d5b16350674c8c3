//! Counts a pool's runners by state, for status and metrics.

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use super::pool_index::PoolIndex;
use super::runner_counts::RunnerClass;
use crate::domain::runner::Status;

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
    /// The word and count of every state, including zeros.
    pub fn by_state(&self) -> [(&'static str, u32); 8] {
        [
            ("pending", self.pending),
            ("creating", self.creating),
            ("installing", self.installing),
            ("idle", self.idle),
            ("suspect", self.suspect),
            ("active", self.active),
            ("failed", self.failed),
            ("deleting", self.deleting),
        ]
    }
}

impl PoolIndex {
    /// The pool's runners by state at `now`.
    pub fn states(&self, now: Timestamp) -> RunnerStateCounts {
        let mut clock = EvaluationClock::new(now);
        let mut states = RunnerStateCounts::default();
        for runner in &self.runners {
            let state = match runner.class(self.boot_grace(), &mut clock) {
                RunnerClass::Active => &mut states.active,
                RunnerClass::Idle => &mut states.idle,
                RunnerClass::Suspect => &mut states.suspect,
                RunnerClass::Failed => &mut states.failed,
                RunnerClass::Leaving | RunnerClass::Ended => &mut states.deleting,
                RunnerClass::Retrying => &mut states.creating,
                RunnerClass::Booting | RunnerClass::Overdue => match runner.status {
                    Status::PendingCreate => &mut states.pending,
                    Status::Creating => &mut states.creating,
                    _ => &mut states.installing,
                },
            };
            *state += 1;
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
