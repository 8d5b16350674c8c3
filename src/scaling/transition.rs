//! Changes of single runners, as the index takes them in.

use std::collections::HashSet;

use super::fleet_index::{FleetIndex, RowChange};
use crate::domain::fleet::Fleet;
use crate::domain::runner::{Runner, RunnerStatus};

/// A changed row of a runner, with the row that the index had before. Rows that are older than the
/// known one cause no transition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunnerTransition<'a> {
    /// Absent for a runner that was not known.
    pub before: Option<&'a Runner>,
    /// Absent for a runner that no longer exists.
    pub after: Option<&'a Runner>,
}

impl<'a> RunnerTransition<'a> {
    /// The runner that this change is about, if it was not known before.
    pub fn appeared(&self) -> Option<&'a Runner> {
        self.after.filter(|_| self.before.is_none())
    }

    /// The runner, if it was seen booting and is idle now.
    pub fn became_idle(&self) -> Option<&'a Runner> {
        let was_booting = self.before.is_some_and(is_booting);
        self.after.filter(|runner| was_booting && runner.runner_status == RunnerStatus::Idle)
    }

    /// The row before, if the runner no longer exists.
    pub fn gone(&self) -> Option<&'a Runner> {
        self.before.filter(|_| self.after.is_none())
    }
}

/// Whether a runner has not been up yet and may still be.
fn is_booting(runner: &Runner) -> bool {
    matches!(runner.runner_status, RunnerStatus::Pending | RunnerStatus::Installing)
        && !runner.status.is_leaving()
}

impl FleetIndex {
    /// The transitions between the known rows and those of a full read that is about to be applied,
    /// in the order of the read; runners that are gone come last.
    pub fn transitions<'a>(&'a self, fleet: &'a Fleet) -> Vec<RunnerTransition<'a>> {
        let listed: HashSet<&str> = fleet.runners.iter().map(|runner| runner.id.as_str()).collect();
        let changed = fleet
            .runners
            .iter()
            .map(|after| RunnerTransition { before: self.runner(&after.id), after: Some(after) })
            .filter(|transition| transition.before != transition.after);
        let gone = self.runners().filter(|known| !listed.contains(known.id.as_str()));
        changed
            .chain(gone.map(|before| RunnerTransition { before: Some(before), after: None }))
            .collect()
    }

    /// The runner that a change is about, as it is known.
    pub fn runner_of(&self, change: &RowChange) -> Option<&Runner> {
        match change {
            RowChange::Runner(runner) => self.runner(&runner.id),
            RowChange::RunnerGone(id) => self.runner(id),
            RowChange::Job(_)
            | RowChange::JobGone(_)
            | RowChange::Pool(_)
            | RowChange::PoolGone(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::ScalePolicies;
    use crate::scaling::testing::{fleet, pool, runner};

    #[test]
    fn a_read_shows_which_runners_appeared_became_idle_and_are_gone() {
        let read = |runners| fleet(0, vec![pool("a", &["x"])], runners, vec![]);
        let row = |name: &str, state: &str| runner("a", name, state, 0);
        let known = vec![
            row("boots", "running/installing"),
            row("stays", "running/idle"),
            row("goes", "deleting/terminated"),
            row("fails", "running/installing"),
        ];
        let index = FleetIndex::new(read(known), ScalePolicies::new());
        let next = read(vec![
            row("boots", "running/idle"),
            row("stays", "running/idle"),
            row("fails", "running/failed"),
            row("new", "pending_create/pending"),
        ]);
        let transitions = index.transitions(&next);
        let names = |of: fn(&RunnerTransition<'_>) -> Option<String>| -> Vec<String> {
            transitions.iter().filter_map(of).collect()
        };
        assert_eq!(names(|change| Some(change.after?.name.to_string())), ["boots", "fails", "new"]);
        assert_eq!(names(|change| Some(change.appeared()?.name.to_string())), ["new"]);
        assert_eq!(names(|change| Some(change.became_idle()?.name.to_string())), ["boots"]);
        assert_eq!(names(|change| Some(change.gone()?.name.to_string())), ["goes"]);
    }
}
