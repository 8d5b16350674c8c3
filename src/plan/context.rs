//! The data from which the steps and notes of a plan are made.

use std::collections::{BTreeSet, HashMap};

use super::level;
use super::options::PlanOptions;
use super::resolve::{Resolution, ResolvedPool, Resolver};
use crate::domain::desired::{Desired, DesiredPool, Scope};
use crate::domain::fleet::Fleet;
use crate::domain::glob;
use crate::domain::name::{PoolId, PoolName};
use crate::domain::pool::Pool;

pub(super) struct PlanContext<'a> {
    pub(super) resolver: Resolver<'a>,
    /// The declared pools that the plan is about, sorted by name.
    pub(super) resolved: Vec<ResolvedPool<'a>>,
    /// The scaler's floors, by pool.
    pub(super) floors: HashMap<&'a PoolId, u32>,
    pub(super) show: BTreeSet<&'a str>,
    pub(super) options: &'a PlanOptions,
}

impl<'a> PlanContext<'a> {
    /// The resolved pools and the floors for them.
    pub(super) fn new(desired: &'a Desired, fleet: &'a Fleet, options: &'a PlanOptions) -> Self {
        let resolver = Resolver::new(desired, fleet);
        let mut pools: Vec<&DesiredPool> = desired
            .pools
            .iter()
            .filter(|pool| options.target.is_empty() || options.target.contains(&pool.name))
            .collect();
        pools.sort_by(|a, b| a.name.cmp(&b.name));
        let resolved: Vec<ResolvedPool<'_>> =
            pools.into_iter().map(|pool| resolver.resolve(pool)).collect();
        let floors = level::floors(fleet, &resolved);
        let show = options.show_keys.iter().map(String::as_str).collect();
        Self { resolver, resolved, floors, show, options }
    }

    /// Whether the plan covers the whole fleet. Otherwise nothing is deleted.
    pub(super) fn is_whole(&self) -> bool {
        self.resolver.desired.scope == Scope::Whole && self.options.target.is_empty()
    }

    /// The declared pool with this name, if the plan covers it.
    pub(super) fn looked_at(&self, name: &PoolName) -> Option<&ResolvedPool<'a>> {
        let found = self.resolved.binary_search_by(|resolved| resolved.desired.name.cmp(name));
        found.ok().map(|at| &self.resolved[at])
    }

    /// Retired pools with a declared name that no other step is about. Empty if the name is
    /// blocked, because then nothing is known to replace them.
    pub(super) fn outlived(&self, resolved: &ResolvedPool<'a>) -> Vec<&'a Pool> {
        let claims = self.resolver.owners.of(&resolved.desired.name);
        match (&resolved.case, claims) {
            (Resolution::Blocked(_), _) | (_, None) => Vec::new(),
            (
                Resolution::Create { .. } | Resolution::Keep { .. } | Resolution::Replace(_),
                Some(claims),
            ) => {
                let retired = claims.retired.iter().copied();
                retired.filter(|pool| !resolved.uses(pool)).collect()
            }
        }
    }

    /// The glob in the policy that protects this name, if any.
    pub(super) fn protection(&self, name: &PoolName) -> Option<&str> {
        let globs = self.options.protected.iter();
        globs.map(String::as_str).find(|glob| glob::matches(glob, name.as_str()))
    }
}
