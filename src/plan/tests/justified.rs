//! Which blocked steps the drawn world justifies, judged from its rows and not by the planner.

use super::build::acme;
use crate::domain::credential::Auth;
use crate::domain::desired::{Desired, DesiredPool, Scope};
use crate::domain::fleet::Fleet;
use crate::domain::label::OwnerMark;
use crate::domain::name::{PoolKind, PoolName};
use crate::domain::pool::Pool;
use crate::plan::{Action, Plan, Resource, Step};

/// The steps that a settled plan must not have: all but the justified blocks.
pub(super) fn left_to_do<'p>(plan: &'p Plan, desired: &Desired, fleet: &Fleet) -> Vec<&'p Step> {
    let is_left = |step: &&Step| {
        step.action != Action::Blocked || !World { desired, fleet }.justifies(&step.about)
    };
    plan.steps.iter().filter(is_left).collect()
}

struct World<'a> {
    desired: &'a Desired,
    fleet: &'a Fleet,
}

impl<'a> World<'a> {
    fn justifies(&self, about: &Resource) -> bool {
        match about {
            // The setting is of every fleet and every pool in GARM.
            Resource::Controller => {
                let is_of_others = |pool: &Pool| {
                    let marks = pool.spec.labels.marks();
                    pool.spec.enabled && !pool.is_owned_by(&acme())
                        || marks.iter().any(|mark| mark.fleet() != acme().as_str())
                };
                self.fleet.pools.iter().any(is_of_others)
            }
            Resource::Credential(name) => self.justifies_credential(name),
            Resource::Pool(name) => {
                self.is_ambiguous(name)
                    || self.declared(name).is_some_and(|pool| {
                        self.has_no_entity(pool)
                            || self.adopts_wrongly(pool)
                            || self.has_no_name(pool)
                            || self.would_lose_values(pool)
                            || self.has_twin_in_the_way(pool)
                    })
            }
        }
    }

    fn justifies_credential(&self, name: &str) -> bool {
        let Some(wanted) = self.desired.credentials.iter().find(|wanted| wanted.name == name)
        else {
            return false;
        };
        let all = self.fleet.credentials.iter().flatten();
        all.filter(|there| there.is_named(name)).any(|there| {
            there.auth != Auth::App
                || there.endpoint != wanted.endpoint
                || there.mark().is_none_or(|mark| mark.fleet != acme().as_str())
        })
    }

    fn declared(&self, name: &PoolName) -> Option<&'a DesiredPool> {
        self.desired.pools.iter().find(|pool| pool.name == *name)
    }

    /// The pools with a label of this name.
    fn bearing(&self, name: &PoolName) -> Vec<&'a Pool> {
        let is_of =
            |mark: &OwnerMark| mark.fleet() == acme().as_str() && mark.pool() == name.as_str();
        let bears = |pool: &&Pool| pool.spec.labels.marks().iter().any(is_of);
        self.fleet.pools.iter().filter(bears).collect()
    }

    /// The pools that `adopt` refers to.
    fn adopted(&self, pool: &DesiredPool) -> Vec<&'a Pool> {
        let Some(text) = &pool.adopt else { return Vec::new() };
        match self.fleet.pools.iter().find(|there| there.id.as_str() == text) {
            Some(there) => vec![there],
            None => PoolName::new(text).map(|name| self.bearing(&name)).unwrap_or_default(),
        }
    }

    /// The pools that may be the declared one.
    fn candidates(&self, pool: &DesiredPool) -> Vec<&'a Pool> {
        let mut all = self.bearing(&pool.name);
        all.extend(self.adopted(pool));
        all
    }

    fn is_in_use(&self, pool: &Pool) -> bool {
        pool.spec.enabled
            || pool.spec.min_idle_runners > 0
            || self.fleet.runners_of(&pool.id).count() > 0
    }

    /// Whether a pool has two reserved labels, two pools in use have the same one, or one that waits
    /// to replace another is in use.
    fn is_ambiguous(&self, name: &PoolName) -> bool {
        let bearing = self.bearing(name);
        let has = |pool: &&&Pool, wanted: fn(&OwnerMark) -> bool| {
            pool.spec.labels.marks().iter().any(wanted) && self.is_in_use(pool)
        };
        let is_drained =
            |pool: &Pool| pool.kind() == PoolKind::ScaleSet && pool.spec.max_runners == 0;
        let in_force = |pool: &&&Pool| {
            has(pool, |mark| matches!(mark, OwnerMark::Owned { .. })) && !is_drained(pool)
        };
        let waiting =
            |pool: &&&Pool| has(pool, |mark| matches!(mark, OwnerMark::Replacement { .. }));
        bearing.iter().any(|pool| pool.spec.labels.marks().len() > 1)
            || bearing.iter().filter(in_force).count() > 1
            || bearing.iter().any(|pool| waiting(&pool))
    }

    fn has_no_entity(&self, pool: &DesiredPool) -> bool {
        !self.fleet.entities.iter().any(|entity| entity.name == pool.entity.name)
    }

    /// Whether `adopt` refers to none, to several, to one that is not free, or to one that would have
    /// to be replaced.
    fn adopts_wrongly(&self, pool: &DesiredPool) -> bool {
        if pool.adopt.is_none() {
            return false;
        }
        let targets = self.adopted(pool);
        let [target] = targets.as_slice() else { return true };
        let is_rival = |other: &&DesiredPool| {
            other.name != pool.name && self.adopted(other).iter().any(|at| at.id == target.id)
        };
        let is_taken = match target.spec.labels.marks().as_slice() {
            [] => false,
            [OwnerMark::Owned { fleet, pool: name }] => {
                fleet != acme().as_str()
                    || target.kind() == PoolKind::ScaleSet
                    || PoolName::new(name).is_ok_and(|name| {
                        self.declared(&name).is_some() || self.bearing(&name).len() > 1
                    })
            }
            _ => true,
        };
        is_taken
            || self.desired.pools.iter().any(|other| is_rival(&other))
            || needs_replace(pool, target)
    }

    /// Whether a scale set that is not this pool's has the name that it requests.
    fn has_no_name(&self, pool: &DesiredPool) -> bool {
        let candidates = self.candidates(pool);
        let has_it = |there: &&Pool| {
            pool.kind == PoolKind::ScaleSet
                && there.spec.scale_set_name.as_deref() == pool.requested_as()
                && there.entity_name == pool.entity.name
        };
        let mut others = self.fleet.pools.iter().filter(has_it);
        others.any(|there| candidates.iter().all(|own| own.id != there.id))
    }

    /// Whether an interruption of its replace by a scale set would lose what only GARM knows.
    fn would_lose_values(&self, pool: &DesiredPool) -> bool {
        let loses = |there: &&Pool| {
            let is_set = there.kind() == PoolKind::ScaleSet;
            needs_replace(pool, there)
                && (pool.enabled.is_none() && !there.spec.enabled
                    || is_set && pool.runner_group.is_none() && !there.spec.runner_group.is_empty()
                    || is_set && pool.proxy.is_none() && there.spec.proxy_id.is_some())
        };
        pool.kind == PoolKind::ScaleSet && self.candidates(pool).iter().any(loses)
    }

    /// Whether a part of the files would replace a pool that has a twin.
    fn has_twin_in_the_way(&self, pool: &DesiredPool) -> bool {
        let bearing = self.bearing(&pool.name);
        self.desired.scope == Scope::Part
            && bearing.len() > 1
            && bearing.iter().any(|there| needs_replace(pool, there))
    }
}

/// Whether no write makes the pool as declared.
fn needs_replace(pool: &DesiredPool, there: &Pool) -> bool {
    let is_same_set = there.spec.scale_set_name.as_deref() == pool.requested_as()
        && there.spec.labels.without_marks() == pool.labels.without_marks();
    there.spec.provider != pool.provider
        || there.entity_name != pool.entity.name
        || there.kind() != pool.kind
        || pool.kind == PoolKind::ScaleSet && !is_same_set
}
