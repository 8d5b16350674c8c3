//! How many runners of a pool are in each state of a runner's life, for people and their graphs.

use jiff::Timestamp;

use super::deadline::Moment;
use super::pool_index::Stock;
use super::runner_counts::Class;
use crate::domain::runner::Status;

/// Every runner of a pool, each in one state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct States {
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

impl States {
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

impl Stock {
    /// The pool's runners by state at `now`.
    pub fn states(&self, now: Timestamp) -> States {
        let mut moment = Moment::new(now);
        let mut states = States::default();
        for unit in &self.units {
            let state = match unit.class(self.boot_grace(), &mut moment) {
                Class::Active => &mut states.active,
                Class::Idle => &mut states.idle,
                Class::Suspect => &mut states.suspect,
                Class::Failed => &mut states.failed,
                Class::Leaving | Class::Ended => &mut states.deleting,
                Class::Retrying => &mut states.creating,
                Class::Booting => match unit.status {
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
    use crate::scaling::Picture;
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
        let picture = Picture::new(fleet, crate::scaling::Policies::new());
        let site = picture.sites().values().next().unwrap();
        let states = site.stocks()[0].states(at(0));
        let expected = States {
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
