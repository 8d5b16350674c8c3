//! What a plan is to cover, to protect and to show.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::desired::Desired;
use crate::domain::name::{GarmName, PoolName};
use crate::policy::kit::Kit;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// If not empty, the plan covers only these declared pools and deletes nothing.
    pub target: Vec<PoolName>,
    /// `policy.protected_pools`: globs of pools that are never deleted or replaced.
    pub protected: Vec<String>,
    /// `policy.extra_specs.show`: keys of `extra_specs` whose scalar values may be shown.
    pub show_keys: Vec<String>,
    /// The pools that other GARMs of the fleet are to run now.
    pub elsewhere: BTreeMap<PoolName, GarmName>,
    /// The runner kit, which is merged into the `extra_specs` of all pools.
    pub kit: RunnerKit,
}

/// The runner kit, as far as the caller knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RunnerKit {
    /// There is none: a kit in GARM is to be removed.
    #[default]
    None,
    /// There is one, but the caller has not read its key: a kit in GARM is assumed to be right.
    Unread,
    Ready(Kit),
}

impl PlanOptions {
    /// The targets that are not declared: an error in the input, to be reported before planning.
    pub fn undeclared_targets(&self, desired: &Desired) -> Vec<&PoolName> {
        let declared: BTreeSet<&PoolName> = desired.pools.iter().map(|pool| &pool.name).collect();
        self.target.iter().filter(|name| !declared.contains(name)).collect()
    }
}
