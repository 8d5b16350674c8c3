//! Whether the pools in GARM are still what the files say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::setup::Setup;
use crate::cli::kit;
use crate::domain::desired::DesiredPool;
use crate::domain::name::{FleetName, PoolName};
use crate::domain::pool::{Pool, Reading};
use crate::plan::{RunnerKit, drifts};

/// What the files say, for the loop to hold against what it sees. Replaced when they are reloaded.
#[derive(Clone)]
pub(super) struct Drifts(Arc<Mutex<Declared>>);

struct Declared {
    fleet: FleetName,
    kit: RunnerKit,
    pools: HashMap<PoolName, DesiredPool>,
    /// What was found of each pool, and of which state of its row.
    found: HashMap<PoolName, (Timestamp, Reading, Option<bool>)>,
}

impl Declared {
    fn by(setup: &Setup) -> Self {
        let complete = setup.pools.iter().filter_map(|it| Some((it.name.clone(), it.complete()?)));
        Self {
            fleet: setup.file.fleet.clone(),
            kit: kit::unread(&setup.file),
            pools: complete.collect(),
            found: HashMap::new(),
        }
    }
}

impl Drifts {
    pub(super) fn new(setup: &Setup) -> Self {
        Self(Arc::new(Mutex::new(Declared::by(setup))))
    }

    /// Other files are in force.
    pub(super) fn reload(&self, setup: &Setup) {
        let fresh = Declared::by(setup);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    /// Whether each of these pools differs from its declaration; nothing where that is not known,
    /// or where the files leave open what `plan` needs. Compared is only what is new.
    pub(super) fn look<'a>(
        &self,
        pools: impl Iterator<Item = (&'a PoolName, &'a Pool)>,
    ) -> HashMap<&'a PoolName, bool> {
        let mut declared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Declared { fleet, kit, pools: desired, found } = &mut *declared;
        let differs = |(name, pool): (&'a PoolName, &Pool)| {
            let state = (pool.updated_at, pool.reading);
            let known = found.get(name).filter(|it| (it.0, it.1) == state).map(|it| it.2);
            let differs = known.unwrap_or_else(|| {
                let differs = desired.get(name).and_then(|it| drifts(it, fleet, pool, kit));
                found.insert(name.clone(), (state.0, state.1, differs));
                differs
            });
            Some((name, differs?))
        };
        pools.filter_map(differs).collect()
    }
}

#[cfg(test)]
impl Drifts {
    /// No file says anything.
    pub(super) fn none() -> Self {
        let fleet = FleetName::new("acme").unwrap();
        let (pools, found) = (HashMap::new(), HashMap::new());
        Self(Arc::new(Mutex::new(Declared { fleet, kit: RunnerKit::None, pools, found })))
    }
}
