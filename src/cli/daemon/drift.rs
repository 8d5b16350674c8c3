//! Detects pools in GARM that differ from their files.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use super::setup::DaemonConfig;
use crate::cli::log::{LogFields, LogLine};
use crate::cli::runner_kit;
use crate::domain::desired::DesiredPool;
use crate::domain::name::{FleetName, PoolName};
use crate::domain::poison::IgnorePoison;
use crate::domain::pool::{Pool, PoolDetail};
use crate::domain::text::code;
use crate::plan::{RunnerKit, drifts};
use jiff::Timestamp;

/// Compares pools in GARM with the declared ones, which a reload replaces.
#[derive(Clone)]
pub(super) struct DriftDetector(Arc<Mutex<DeclaredFleet>>);

struct DeclaredFleet {
    fleet: FleetName,
    kit: RunnerKit,
    pools: HashMap<PoolName, DesiredPool>,
    /// The result for each pool, with the time of its row and the detail that was read.
    found: HashMap<PoolName, (Timestamp, PoolDetail, Option<DifferingFields>)>,
}

/// The fields in which a pool differs from its declaration; empty if it does not differ.
pub(super) type DifferingFields = Arc<[String]>;

impl DeclaredFleet {
    fn by(setup: &DaemonConfig) -> Self {
        let complete =
            setup.pools.iter().filter_map(|pool| Some((pool.name.clone(), pool.complete()?)));
        Self {
            fleet: setup.file.fleet.clone(),
            kit: runner_kit::unread(&setup.file),
            pools: complete.collect(),
            found: HashMap::new(),
        }
    }
}

impl DriftDetector {
    pub(super) fn new(setup: &DaemonConfig) -> Self {
        Self(Arc::new(Mutex::new(DeclaredFleet::by(setup))))
    }

    pub(super) fn reload(&self, setup: &DaemonConfig) {
        let fresh = DeclaredFleet::by(setup);
        *self.0.lock().ignoring_poison() = fresh;
    }

    /// The fields in which each of these pools differs from its declaration. A pool is left out if
    /// its row lacks the detail to compare, or its declaration lacks fields that `plan` needs. Only
    /// changed rows are compared anew.
    pub(super) fn look<'a>(
        &self,
        pools: impl Iterator<Item = (&'a PoolName, &'a Pool)>,
    ) -> HashMap<&'a PoolName, DifferingFields> {
        let mut declared = self.0.lock().ignoring_poison();
        let DeclaredFleet { fleet, kit, pools: desired, found } = &mut *declared;
        let differs = |(name, pool): (&'a PoolName, &Pool)| {
            let state = (pool.updated_at, pool.detail);
            let known = found
                .get(name)
                .filter(|entry| (entry.0, entry.1) == state)
                .map(|entry| entry.2.clone());
            let differs = known.unwrap_or_else(|| {
                let differs =
                    desired.get(name).and_then(|declared| drifts(declared, fleet, pool, kit));
                let differs = differs.map(DifferingFields::from);
                found.insert(name.clone(), (state.0, state.1, differs.clone()));
                differs
            });
            Some((name, differs?))
        };
        pools.filter_map(differs).collect()
    }
}

impl DriftDetector {
    /// Calls `look` with the fleet and the declared pools.
    pub(super) fn with<T>(
        &self,
        look: impl FnOnce(&FleetName, &HashMap<PoolName, DesiredPool>) -> T,
    ) -> T {
        let declared = self.0.lock().ignoring_poison();
        look(&declared.fleet, &declared.pools)
    }
}

/// The differences that have been logged.
#[derive(Debug, Default)]
pub(super) struct ReportedDrift(BTreeMap<PoolName, DifferingFields>);

impl ReportedDrift {
    /// Log lines for the pools whose differences have changed or ended.
    pub(super) fn look(&mut self, found: &HashMap<&PoolName, DifferingFields>) -> Vec<LogLine> {
        let mut lines = Vec::new();
        for (name, fields) in found {
            let before = self.0.get(*name);
            if fields.is_empty() {
                if self.0.remove(*name).is_some() {
                    let text = "the pool in GARM matches its file again";
                    lines.push(LogLine::info("drift", text).of(name));
                }
            } else if before != Some(fields) {
                self.0.insert((*name).clone(), Arc::clone(fields));
                lines.push(differs(name, fields));
            }
        }
        lines.sort_by(|a, b| a.pool.cmp(&b.pool));
        lines
    }

    /// Forgets the pools that are no longer managed.
    pub(super) fn keep(&mut self, is_managed: impl Fn(&PoolName) -> bool) {
        self.0.retain(|name, _| is_managed(name));
    }
}

fn differs(pool: &PoolName, fields: &DifferingFields) -> LogLine {
    let names: Vec<String> = fields.iter().map(code).collect();
    let text = format!("the pool in GARM differs from its file in {}", names.join(", "));
    let line = LogLine::info("drift", text).of(pool);
    line.help("run `runnerctl apply` to change it")
        .with(&LogFields::Drift { fields: fields.to_vec() })
}

#[cfg(test)]
impl DriftDetector {
    /// A detector without declared pools.
    pub(super) fn none() -> Self {
        let fleet = FleetName::new("acme").unwrap();
        let (pools, found) = (HashMap::new(), HashMap::new());
        Self(Arc::new(Mutex::new(DeclaredFleet { fleet, kit: RunnerKit::None, pools, found })))
    }
}
