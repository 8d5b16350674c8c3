//! How many runners of a pool are in each state of a runner's life, for people and their graphs.

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use super::pool_index::PoolIndex;
use super::runner_counts::RunnerClass;
use crate::domain::runner::Status;

/// Every runner of a pool, each in one state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunnerStateCounts {
    /// Asked for, not yet begun.
    pub pending: u32,
    /// The provider makes the machine, or failed and is asked again.
    pub creating: u32,
    /// The machine runs, the runner is not ready.
    pub installing: u32,
    /// Waits for a job.
    pub idle: u32,
    /// Idle by its row, and takes no job.
    pub suspect: u32,
    /// Runs a job.
    pub active: u32,
    /// Failed or hung.
    pub failed: u32,
    /// On its way out.
    pub deleting: u32,
}

impl RunnerStateCounts {
    /// Word and count of every state, zeros included.
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
        let mut moment = EvaluationClock::new(now);
        let mut states = RunnerStateCounts::default();
        for unit in &self.units {
            let state = match unit.class(self.boot_grace(), &mut moment) {
                RunnerClass::Active => &mut states.active,
                RunnerClass::Idle => &mut states.idle,
                RunnerClass::Suspect => &mut states.suspect,
                RunnerClass::Failed => &mut states.failed,
                RunnerClass::Leaving | RunnerClass::Ended => &mut states.deleting,
                RunnerClass::Retrying => &mut states.creating,
                RunnerClass::Booting => match unit.status {
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
        let picture = FleetIndex::new(fleet, crate::scaling::ScalePolicies::new());
        let site = picture.sites().values().next().unwrap();
        let states = site.stocks()[0].states(at(0));
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
