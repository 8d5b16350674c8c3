//! The names of scale sets, which GitHub accepts once in a runner group.

use super::blocker::Blocker;
use super::resolve::Resolver;
use crate::domain::desired::{DesiredPool, Scope};
use crate::domain::entity::Entity;
use crate::domain::name::PoolName;
use crate::domain::pool::Pool;
use crate::domain::text::code;

impl<'a> Resolver<'a> {
    /// Checks that no other scale set has the name of the one to be created: GitHub would refuse it.
    pub(super) fn set_name_is_free(
        &self,
        pool: &DesiredPool,
        entity: &Entity,
        old: Option<&Pool>,
    ) -> Result<(), Blocker<'a>> {
        let Some(name) = pool.requested_as() else { return Ok(()) };
        // What the files leave open is taken from the predecessor at the same entity.
        let kept = old.filter(|old| old.entity == entity.key).map(|old| &*old.spec.runner_group);
        let group = pool.runner_group.as_deref().or(kept).unwrap_or_default();
        let holder = self.index.fleet().pools.iter().find(|other| {
            other.spec.scale_set_name.as_deref() == Some(name)
                && other.entity == entity.key
                && other.spec.runner_group == group
                && old.is_none_or(|old| old.id != other.id)
        });
        let Some(holder) = holder else { return Ok(()) };
        let reason = format!(
            "GARM already has a scale set with the name {}, {}, and GitHub accepts only one",
            code(name),
            code(holder.id.as_str())
        );
        Err(Blocker::new(reason).help(self.how_to_free(pool, holder)))
    }

    fn how_to_free(&self, pool: &DesiredPool, holder: &Pool) -> String {
        let other = "set another `scale_set_name`";
        let Some(owner) = self.owner_of(holder) else {
            return match holder.is_unmarked_scale_set() {
                true => format!("take it over with `adopt: {}`, or {other}", holder.id),
                false => other.to_owned(),
            };
        };
        let applies = |does: &str| {
            format!(
                "apply this plan, which {does} that scale set, and then apply again; or {other}"
            )
        };
        match self.desired.pools.iter().find(|declared| declared.name == *owner) {
            None if self.desired.scope == Scope::Whole => applies("deletes"),
            Some(declared) if declared.requested_as() == pool.requested_as() => other.to_owned(),
            Some(declared) if self.waits_for(declared, pool) => format!(
                "{} waits for the name of this one: give one of them a third `scale_set_name`, apply, and then declare both as wanted",
                code(owner.as_str())
            ),
            Some(_) => applies("replaces"),
            None => format!("apply the whole fleet, which deletes that scale set; or {other}"),
        }
    }

    /// The name of this fleet to which a scale set belongs.
    fn owner_of(&self, set: &Pool) -> Option<&PoolName> {
        let has = |pools: &[&Pool]| pools.iter().any(|pool| pool.id == set.id);
        let mut named = self.owners.named.iter();
        let found = named.find(|(_, claims)| has(&claims.owned) || has(&claims.retired));
        found.map(|(name, _)| name)
    }

    /// Whether `waiting` requests a name that `pool` still has, or waits for one that does.
    fn waits_for(&self, waiting: &DesiredPool, pool: &DesiredPool) -> bool {
        let declared = &self.desired.pools;
        let mut waiting = waiting;
        for _ in 0..declared.len() {
            let Some(name) = waiting.requested_as() else { return false };
            let has_it = |set: &&Pool| set.spec.scale_set_name.as_deref() == Some(name);
            let holder = self.index.fleet().pools.iter().find(has_it);
            let owner = holder.and_then(|holder| self.owner_of(holder));
            let next = owner.and_then(|owner| declared.iter().find(|next| next.name == *owner));
            match next {
                Some(next) if next.name == pool.name => return true,
                Some(next) if next.name != waiting.name => waiting = next,
                Some(_) | None => return false,
            }
        }
        false
    }
}
