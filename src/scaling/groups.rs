//! Keeps the shares of pools that have a `max_runners` together.
//!
//! The demand of a pool follows from the last evaluation of its entity, and the shares from the
//! demand of all pools of the group. A changed share is a reason to evaluate the entity again: jobs
//! then go to the pools that have got places. Of a group in several GARMs, the pools of the others
//! are known from the [board](super::group_board).

use std::collections::{BTreeMap, BTreeSet};

use super::circuit_breaker::RunnerProbe;
use super::decision::Decision;
use super::entity_index::EntityIndex;
use super::fleet_index::FleetIndex;
use super::group_board::{GroupPart, GroupView};
use super::group_shares::GroupMember;
use super::pool_index::PoolIndex;
use super::routing::Routing;
use super::state::{EntityState, ScalingState};
use crate::domain::entity::EntityKey;
use crate::domain::name::{GroupName, PoolKind};

/// The pools of one group in one GARM.
#[derive(Debug)]
struct Group {
    part: GroupPart,
    /// The entity of each pool and its index in the entity's routing order.
    places: Vec<(EntityKey, usize)>,
}

/// The runners and the limit of a group, for metrics and output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupUsage {
    /// All rows of its pools in GARM.
    pub runners: u32,
    pub max_runners: u32,
}

impl FleetIndex {
    /// Divides each group among its pools. `view` shows the pools of other GARMs; it is absent if
    /// nothing is known of other GARMs. Returns the entities whose pools have another share than
    /// before, and must be evaluated again.
    pub fn share_groups(
        &mut self,
        state: &ScalingState,
        view: Option<&GroupView>,
    ) -> BTreeSet<EntityKey> {
        let mut changed = BTreeSet::new();
        if !self.has_groups() {
            return changed;
        }
        for group in self.groups(state).into_values() {
            let shares = group.part.shares(view);
            for ((entity, place), share) in group.places.into_iter().zip(shares) {
                let index = self.entity_mut(&entity);
                if index.is_some_and(|index| index.pools[place].take_share(share)) {
                    changed.insert(entity);
                }
            }
        }
        changed
    }

    /// The parts of this GARM in the groups that have pools in several.
    pub fn group_parts(&self, state: &ScalingState) -> BTreeMap<GroupName, GroupPart> {
        let groups = self.groups(state).into_iter();
        groups
            .filter(|(_, group)| !group.part.limit.garms.is_empty())
            .map(|(name, group)| (name, group.part))
            .collect()
    }

    /// Whether a pool has no share yet: the groups are to be divided before jobs are assigned, since
    /// a job that goes elsewhere for lack of room stays there.
    pub fn lacks_shares(&self) -> bool {
        let lacks =
            |pool: &PoolIndex| pool.is_scaled() && pool.group().is_some() && pool.share.is_none();
        self.has_groups() && self.entities().values().any(|index| index.pools().iter().any(lacks))
    }

    /// The groups of the fleet's pools, by name.
    pub fn group_usage(&self) -> BTreeMap<GroupName, GroupUsage> {
        let mut groups: BTreeMap<GroupName, GroupUsage> = BTreeMap::new();
        for pool in self.entities().values().flat_map(EntityIndex::pools) {
            if let Some(limit) = pool.group() {
                let usage = groups.entry(limit.name.clone()).or_default();
                usage.runners += pool.counts().live;
                usage.max_runners = limit.max_runners;
            }
        }
        groups
    }

    fn groups(&self, state: &ScalingState) -> BTreeMap<GroupName, Group> {
        let mut groups: BTreeMap<GroupName, Group> = BTreeMap::new();
        for (entity, index) in self.entities() {
            let before = state.get(entity);
            for (place, pool) in index.pools().iter().enumerate() {
                let Some(limit) = pool.group() else { continue };
                let group = groups.entry(limit.name.clone()).or_insert_with(|| Group {
                    part: GroupPart::new(limit.clone()),
                    places: Vec::new(),
                });
                if !pool.is_scaled() {
                    group.part.unscaled += pool.counts.live;
                    continue;
                }
                let raised = self.raising.get(pool.id()).copied();
                let known = before.and_then(|state| evaluated(state, &index.reading, place));
                let member = member(index, place, raised, known);
                group.part.members.push((pool.id().clone(), member));
                group.places.push((entity.clone(), place));
            }
        }
        groups
    }
}

type Evaluated<'a> = (&'a Routing, &'a Decision);

fn evaluated<'a>(
    state: &'a EntityState,
    reading: &std::sync::Arc<()>,
    place: usize,
) -> Option<Evaluated<'a>> {
    let last = state.last.as_ref().filter(|last| std::sync::Arc::ptr_eq(&last.reading, reading))?;
    Some((&last.routing, last.decisions.get(place)?.as_deref()?))
}

fn member(
    index: &EntityIndex,
    place: usize,
    raised: Option<u32>,
    known: Option<Evaluated<'_>>,
) -> GroupMember {
    let pool = &index.pools[place];
    let counts = &pool.counts;
    let mut member = GroupMember {
        live: counts.live,
        limit: pool.policy().map_or(0, |policy| policy.max_runners),
        written: raised.unwrap_or(0).max(pool.garm_max),
        kind: pool.kind,
        priority: pool.priority,
        floor: 0,
        asking: 0,
        oldest: None,
        later: 0,
        leaving: counts.leaving + counts.ended,
        spare: 0,
        takes_slack: true,
    };
    let Some((routing, decision)) = known else {
        let policy = pool.policy();
        let floor = policy.map_or(0, |policy| pool.floor(policy, 0));
        member.floor = floor.saturating_sub(counts.supply());
        return member;
    };
    let rules = &decision.rules;
    member.takes_slack = rules.circuit.open.is_none();
    let supply = counts.supply();
    let (jobs, unserved) = (routing.jobs(place), rules.asking.saturating_sub(supply));
    member.oldest = jobs.get(supply as usize).or(jobs.first()).copied();
    member.spare = rules.surplus.min(counts.idle);
    if rules.circuit.open.is_some() {
        member.asking = u32::from(rules.circuit.probe == RunnerProbe::Now);
        return member;
    }
    member.floor = rules.floor.saturating_sub(supply);
    let spilled = routing.spilled_to(index, place);
    if pool.kind == PoolKind::ScaleSet {
        member.floor = rules.wanted.saturating_sub(rules.unserved);
        member.asking = unserved;
        member.later = hidden(pool);
        return member;
    }
    let wanted = rules.wanted.max(rules.hand_out.tried).max(rules.boot_probe.into());
    member.asking = wanted.min(unserved.max(rules.hand_out.tried).max(rules.boot_probe.into()));
    member.later = unserved.saturating_sub(member.asking);
    match rules.pressure.is_on() {
        true => member.asking = member.asking.saturating_add(spilled),
        false => member.later = member.later.saturating_add(spilled),
    }
    member
}

/// The jobs that may wait at GitHub for a scale set that has as many as its `max_runners` allows:
/// GitHub assigns no more, and does not tell how many more there are.
fn hidden(pool: &PoolIndex) -> u32 {
    match &pool.set {
        Some(set) if set.assigned >= pool.garm_max => (set.assigned / 2).max(1),
        Some(_) | None => 0,
    }
}
