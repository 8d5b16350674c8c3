//! Resolves which pools of GARM the loop scales: for each declared pool, the one that is in force
//! under its name ([`owners`](crate::domain::owners)).

use std::collections::BTreeMap;

use crate::domain::desired::ScalePolicy;
use crate::domain::entity::EntityKey;
use crate::domain::name::{FleetName, PoolId, PoolName};
use crate::domain::owners::{AdoptedSets, NameResolution, Owners};
use crate::domain::pool::Pool;
use crate::scaling::ScalePolicies;

/// The declared pools of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredPools {
    /// The fleet to which they belong.
    pub fleet: FleetName,
    /// The scaling of each pool, by name.
    pub pools: BTreeMap<PoolName, DeclaredScaling>,
    /// The scale sets without a label that pools adopt.
    pub adopted: AdoptedSets,
    /// Whether these are all pools of the fleet. If so, a pool that bears the fleet's label but has
    /// no file is to have no level.
    pub is_whole: bool,
}

/// The scaling of a declared pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredScaling {
    /// Whether the pool is enabled in its file.
    pub enabled: bool,
    /// The scaling policy from its file.
    pub policy: ScalePolicy,
}

/// A declared pool that was resolved to a pool of GARM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedPool {
    /// GARM's id of the pool.
    pub id: PoolId,
    /// The entity whose jobs it serves.
    pub entity: EntityKey,
}

/// Why a declared pool is not scaled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnresolvedReason {
    /// No pool bears its label.
    Absent,
    /// This many pools that bear its label are in use.
    Twins(usize),
    /// The pool that bears its label bears a second reserved label.
    Torn(PoolId),
}

impl UnresolvedReason {
    /// One sentence without a full stop.
    pub fn sentence(&self) -> String {
        match self {
            Self::Absent => "no pool in GARM bears its label: `runnerctl apply` creates it".into(),
            Self::Twins(count) => {
                format!("{count} pools in GARM bear its label: `runnerctl plan` shows details")
            }
            Self::Torn(id) => {
                let id = crate::domain::text::quote(id.as_str());
                format!("pool {id} bears a second reserved label: `runnerctl plan` shows details")
            }
        }
    }
}

/// The declared pools, resolved or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResolvedPools {
    /// Those that resolve to exactly one pool of GARM.
    pub managed: BTreeMap<PoolName, ManagedPool>,
    /// Those that do not, with the reason.
    pub unmanaged: BTreeMap<PoolName, UnresolvedReason>,
}

impl DeclaredPools {
    /// Resolves the declared pools among those of GARM. `runners` counts the runners of a pool; it
    /// is called only where several pools bear the same label.
    pub fn find<'a>(
        &self,
        pools: impl Iterator<Item = &'a Pool>,
        runners: impl Fn(&PoolId) -> usize,
    ) -> ResolvedPools {
        let owners = Owners::with_adopted(pools, &self.fleet, &self.adopted);
        let mut found = ResolvedPools::default();
        for name in self.pools.keys() {
            let holder =
                owners.of(name).map_or(NameResolution::NoPool, |claims| claims.holder(&runners));
            let why = match holder {
                NameResolution::Pool { pool, .. } => {
                    let managed = ManagedPool { id: pool.id.clone(), entity: pool.entity.clone() };
                    found.managed.insert(name.clone(), managed);
                    continue;
                }
                NameResolution::NoPool => UnresolvedReason::Absent,
                NameResolution::Conflicting(pool) => UnresolvedReason::Torn(pool.id.clone()),
                NameResolution::SeveralInUse(pools) => UnresolvedReason::Twins(pools.len()),
            };
            found.unmanaged.insert(name.clone(), why);
        }
        found
    }

    /// The policies of the resolved pools. A pool that is disabled in its file is not scaled,
    /// whatever GARM says.
    pub fn policies(&self, found: &ResolvedPools) -> ScalePolicies {
        let policy = |(name, managed): (&PoolName, &ManagedPool)| {
            let enrolled = self.pools.get(name)?;
            let autoscale = enrolled.policy.autoscale && enrolled.enabled;
            Some((managed.id.clone(), ScalePolicy { autoscale, ..enrolled.policy.clone() }))
        };
        found.managed.iter().filter_map(policy).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::testing::{policy, pool, scale_set, settings};

    fn roll(names: &[&str]) -> DeclaredPools {
        let enrolled = DeclaredScaling { enabled: true, policy: policy() };
        let pools = names.iter().map(|name| (PoolName::new(name).unwrap(), enrolled.clone()));
        DeclaredPools {
            fleet: FleetName::new("acme").unwrap(),
            pools: pools.collect(),
            adopted: AdoptedSets::default(),
            is_whole: true,
        }
    }

    #[track_caller]
    fn check(pools: &[Pool], expected: Result<&str, UnresolvedReason>) {
        let found = roll(&["a"]).find(pools.iter(), |_| 0);
        let name = PoolName::new("a").unwrap();
        let managed = found.managed.get(&name).map(|pool| pool.id.as_str());
        let unmanaged = found.unmanaged.get(&name).cloned();
        assert_eq!((managed, unmanaged), (expected.as_ref().ok().copied(), expected.err()));
    }

    fn twin(id: &str) -> Pool {
        Pool { id: PoolId::new(id), ..pool("a", &["x"]) }
    }

    fn fresh(id: &str) -> Pool {
        let mut pool = twin(id);
        pool.spec.enabled = false;
        pool
    }

    #[test]
    fn a_pool_is_scaled_if_it_alone_bears_the_label_and_no_other() {
        let mut torn = twin("a1");
        torn.spec.labels.insert("runnerctl-old=acme/b");
        let mut foreign = twin("a1");
        foreign.spec.labels = ["x", "runnerctl=octo/a"].into_iter().collect();
        let mut retired = twin("a1");
        retired.spec.labels = ["x", "runnerctl-old=acme/a"].into_iter().collect();
        check(&[twin("a1"), pool("b", &["x"])], Ok("a1"));
        check(&[], Err(UnresolvedReason::Absent));
        check(&[foreign], Err(UnresolvedReason::Absent));
        check(&[retired], Err(UnresolvedReason::Absent));
        check(&[torn], Err(UnresolvedReason::Torn(PoolId::new("a1"))));
        check(&[twin("a1"), twin("a2")], Err(UnresolvedReason::Twins(2)));
    }

    #[test]
    fn a_create_in_flight_beside_the_pool_does_not_matter_whichever_is_older() {
        check(&[twin("a1"), fresh("a2")], Ok("a1"));
        check(&[fresh("a1"), twin("a2")], Ok("a2"));
        check(&[fresh("a1")], Ok("a1"));
        check(&[fresh("a1"), fresh("a2")], Ok("a1"));
    }

    /// GARM cannot give a scale set a label after its creation.
    #[test]
    fn a_scale_set_without_a_label_is_scaled_if_a_pool_adopts_it() {
        let mut set = scale_set("7", &[], 0);
        set.spec.labels = crate::domain::label::Labels::new();
        check(&[set.clone()], Err(UnresolvedReason::Absent));
        let mut settings = settings("a");
        settings.kind = crate::domain::name::PoolKind::ScaleSet;
        settings.adopt = Some("7".into());
        let declared = DeclaredPools { adopted: AdoptedSets::of([&settings]), ..roll(&["a"]) };
        let found = declared.find([set].iter(), |_| 0);
        assert_eq!(found.managed[&PoolName::new("a").unwrap()].id, PoolId::new("7"));
    }

    #[test]
    fn a_pool_disabled_in_its_file_has_a_policy_and_is_not_scaled() {
        let mut declared = roll(&["a"]);
        declared.pools.values_mut().for_each(|pool| pool.enabled = false);
        let found = declared.find([twin("a1")].iter(), |_| 0);
        let policies = declared.policies(&found);
        assert_eq!(policies[&PoolId::new("a1")], ScalePolicy { autoscale: false, ..policy() });
    }
}
