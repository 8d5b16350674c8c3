//! Warns of runners whose provider fails to delete them, once for each different message of the
//! provider.

use std::collections::BTreeMap;

use super::log_lines;
use crate::cli::log::LogLine;
use crate::domain::fleet::Fleet;
use crate::domain::name::{FleetName, PoolId, PoolName};
use crate::domain::runner::Runner;
use crate::scaling::RunnerTransition;

/// The last logged message about each existing runner, by GARM's id.
#[derive(Debug, Default)]
pub(super) struct UndeletableRunners {
    told: BTreeMap<String, String>,
}

impl UndeletableRunners {
    /// Takes in a full read. Returns the new warnings about runners in the pools of `owner`.
    pub(super) fn read(&mut self, fleet: &Fleet, owner: &FleetName) -> Vec<LogLine> {
        let pools =
            || fleet.pools.iter().filter_map(|pool| Some((&pool.id, pool.owned_name(owner)?)));
        let failing = || fleet.runners.iter().filter(|runner| runner.deletion_fault().is_some());
        if failing().next().is_none() {
            return Vec::new();
        }
        let names: BTreeMap<&PoolId, PoolName> = pools().collect();
        failing().filter_map(|runner| self.see(runner, names.get(runner.pool.as_ref()?)?)).collect()
    }

    /// Takes in the change of one runner. `names` are the managed pools.
    pub(super) fn runner_changed(
        &mut self,
        transition: &RunnerTransition<'_>,
        names: &BTreeMap<PoolId, PoolName>,
    ) -> Option<LogLine> {
        if let Some(runner) = transition.gone() {
            self.told.remove(&runner.id);
        }
        let runner = transition.after?;
        self.see(runner, names.get(runner.pool.as_ref()?)?)
    }

    fn see(&mut self, runner: &Runner, pool: &PoolName) -> Option<LogLine> {
        let fault = runner.deletion_fault()?;
        let before = self.told.insert(runner.id.clone(), fault.to_owned());
        (before.as_deref() != Some(fault))
            .then(|| log_lines::undeletable(&runner.name, fault, pool))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::testing::{fleet, pool, runner};

    fn leaving(state: &str, fault: Option<&str>) -> Runner {
        Runner { provider_fault: fault.map(str::to_owned), ..runner("web", "r-1", state, -9) }
    }

    #[test]
    fn the_message_of_the_provider_is_logged_once_until_it_changes() {
        let owner = FleetName::new("acme").unwrap();
        let names = [(PoolId::new("web"), PoolName::new("web").unwrap())].into();
        let mut told = UndeletableRunners::default();
        let mut hear = |state: &str, fault| {
            let runner = leaving(state, fault);
            let change = RunnerTransition { before: None, after: Some(&runner) };
            told.runner_changed(&change, &names).map(|line| line.text)
        };
        // GARM forgets the words at each attempt.
        assert_eq!(hear("pending_delete/idle", None), None);
        assert_eq!(hear("deleting/idle", None), None);
        let first = hear("pending_delete/idle", Some("volume is removed\n"));
        let expected = "runner `r-1` cannot be deleted: its provider says: volume is removed";
        assert_eq!(first.as_deref(), Some(expected));
        assert_eq!(hear("deleting/idle", None), None);
        assert_eq!(hear("pending_delete/idle", Some("volume is removed\n")), None);
        assert!(hear("pending_delete/idle", Some("quota")).is_some());
        assert_eq!(hear("error/pending", Some("no image")), None, "that is no deletion");

        let read = |told: &mut UndeletableRunners, runners| {
            let fleet = fleet(0, vec![pool("web", &["x"])], runners, vec![]);
            told.read(&fleet, &owner).len()
        };
        let still = || vec![leaving("pending_delete/idle", Some("quota"))];
        assert_eq!(read(&mut told, still()), 0, "told by the event");
        let last = leaving("x/y", None);
        let gone = RunnerTransition { before: Some(&last), after: None };
        assert_eq!(told.runner_changed(&gone, &names), None);
        assert!(told.told.is_empty());
        assert_eq!(read(&mut told, still()), 1, "another one of that id, or a restart");
    }
}
