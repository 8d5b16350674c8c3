//! The groups that have pools in several GARMs: what each GARM tells the others, and which higher
//! `max_runners` may be written.
//!
//! Each GARM divides a group by what all have told. Two may do so at the same moment from different
//! reports, so a new `max_runners` is claimed first: [`GroupBoard::claim`] grants a higher one only
//! as far as the values of all pools, those being written included, stay within the limit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::group_shares::{GroupMember, GroupShare, shares};
use crate::domain::desired::GroupLimit;
use crate::domain::name::{GarmName, GroupName, PoolId};

/// The pools of a group in one GARM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPart {
    pub(super) limit: GroupLimit,
    /// Rows of pools that are not scaled: they occupy places.
    pub(super) unscaled: u32,
    pub(super) members: Vec<(PoolId, GroupMember)>,
}

/// What a GARM tells the others of the groups that it shares with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReport {
    pub certainty: LimitCertainty,
    pub groups: BTreeMap<GroupName, Arc<GroupPart>>,
}

/// Whether another process can have raised `max_runners` in a GARM since it was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LimitCertainty {
    /// It can: this process does not lead, or has not read the GARM since it leads.
    #[default]
    Unsure,
    /// It cannot, since this process leads there. It may lead in other GARMs of the group.
    Leads,
    /// There is no other process.
    Alone,
}

/// A `max_runners` that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitClaim<'a> {
    pub group: &'a GroupName,
    pub pool: &'a PoolId,
    pub max_runners: u32,
}

/// What one GARM knows of its groups beyond itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    garm: GarmName,
    /// The GARMs that have been read, and so have told of their pools.
    read: BTreeSet<GarmName>,
    groups: BTreeMap<GroupName, GroupBeyond>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct GroupBeyond {
    parts: BTreeMap<GarmName, Arc<GroupPart>>,
    /// What the pools of this GARM keep while not all GARMs are known.
    kept: Option<u32>,
}

/// What the GARMs of one process have told. Their last reports stand after their services have
/// ended.
#[derive(Debug, Default)]
pub struct GroupBoard {
    entries: BTreeMap<GarmName, BoardEntry>,
}

#[derive(Debug)]
struct BoardEntry {
    report: GroupReport,
    /// What the pools of each group had together when they were known to be within the limit, as long
    /// as not all GARMs are sure. Places that they give up stay theirs until then: only a process that
    /// is sure of this GARM, too, could give them to others.
    kept: BTreeMap<GroupName, u32>,
}

impl GroupPart {
    pub(super) fn new(limit: GroupLimit) -> Self {
        Self { limit, unscaled: 0, members: Vec::new() }
    }

    /// The places that GARM may fill by itself.
    fn held(&self) -> u64 {
        let members = self.members.iter().map(|(_, member)| u64::from(member.held()));
        members.sum::<u64>() + u64::from(self.unscaled)
    }

    /// The same part, if nothing is written to its GARM.
    #[must_use]
    pub fn at_rest(mut self) -> Self {
        self.members = self.members.into_iter().map(|(id, it)| (id, it.at_rest())).collect();
        self
    }

    /// The share of each member. While a GARM of the group has not been read, each GARM keeps what its
    /// pools have together, and divides that if no other process can take it.
    pub(super) fn shares(&self, view: Option<&GroupView>) -> Vec<GroupShare> {
        if self.limit.garms.is_empty() {
            return self.shares_within(self.limit.max_runners);
        }
        let beyond = view.and_then(|view| view.groups.get(&self.limit.name));
        let is_read = |view: &GroupView| {
            self.limit.garms.iter().all(|garm| *garm == view.garm || view.read.contains(garm))
        };
        if let Some(view) = view.filter(|view| is_read(view)) {
            return self.shares_among((&view.garm, beyond.map(|beyond| &beyond.parts)));
        }
        let cap = self.limit.max_runners;
        match beyond.and_then(|beyond| beyond.kept) {
            Some(kept) => self.shares_within(kept.min(cap)),
            None if self.held() <= u64::from(cap) => {
                self.members.iter().map(|(_, member)| member.kept_share()).collect()
            }
            None => self.shares_within(cap),
        }
    }

    fn shares_within(&self, cap: u32) -> Vec<GroupShare> {
        let mut order: Vec<usize> = (0..self.members.len()).collect();
        order.sort_by_key(|at| &self.members[*at].0);
        let members: Vec<GroupMember> =
            order.iter().map(|at| self.members[*at].1.clone()).collect();
        let mut own = vec![GroupShare::default(); order.len()];
        let shares = shares(cap.saturating_sub(self.unscaled), &members);
        order.into_iter().zip(shares).for_each(|(at, share)| own[at] = share);
        own
    }

    /// The share of each member in the division among the pools of all GARMs.
    fn shares_among(
        &self,
        (garm, others): (&GarmName, Option<&BTreeMap<GarmName, Arc<Self>>>),
    ) -> Vec<GroupShare> {
        let others = others.into_iter().flatten();
        let mut parts: BTreeMap<&GarmName, &Self> =
            others.map(|(garm, part)| (garm, part.as_ref())).collect();
        parts.insert(garm, self);
        let mut all: Vec<(&GarmName, &PoolId, usize, &GroupMember)> = Vec::new();
        for (garm, part) in &parts {
            let members = part.members.iter().enumerate();
            all.extend(members.map(|(at, (pool, member))| (*garm, pool, at, member)));
        }
        all.sort_by_key(|row| (row.0, row.1));
        let members: Vec<GroupMember> = all.iter().map(|row| row.3.clone()).collect();
        let cap = parts.values().map(|part| part.limit.max_runners).min().unwrap_or(0);
        let unscaled: u32 = parts.values().map(|part| part.unscaled).sum();
        let mut own = vec![GroupShare::default(); self.members.len()];
        for ((of, _, at, _), share) in
            all.iter().zip(shares(cap.saturating_sub(unscaled), &members))
        {
            if *of == garm {
                own[*at] = share;
            }
        }
        own
    }
}

impl GroupBoard {
    /// Takes the report of a GARM.
    pub fn report(&mut self, garm: &GarmName, report: GroupReport) {
        let names: Vec<GroupName> = report.groups.keys().cloned().collect();
        match self.entries.get_mut(garm) {
            Some(entry) => entry.report = report,
            None => {
                let entry = BoardEntry { report, kept: BTreeMap::new() };
                self.entries.insert(garm.clone(), entry);
            }
        }
        if let Some(entry) = self.entries.get_mut(garm) {
            entry.kept.retain(|name, _| entry.report.groups.contains_key(name));
        }
        for name in &names {
            self.keep(garm, name);
        }
    }

    /// The service of a GARM has ended. What is known of its pools stands. Returns whether anything is.
    pub fn end(&mut self, garm: &GarmName) -> bool {
        let entry = self.entries.get_mut(garm);
        let is_known = entry.is_some();
        if let Some(entry) = entry {
            let groups = std::mem::take(&mut entry.report.groups).into_iter();
            let at_rest = |part: Arc<GroupPart>| Arc::new(Arc::unwrap_or_clone(part).at_rest());
            let groups = groups.map(|(name, part)| (name, at_rest(part))).collect();
            entry.report = GroupReport { certainty: LimitCertainty::Unsure, groups };
            entry.kept.clear();
        }
        is_known
    }

    /// A GARM is no longer declared.
    pub fn remove(&mut self, garm: &GarmName) {
        self.entries.remove(garm);
    }

    /// The `max_runners` that may be written: a lower value than the known one at once, a higher one as
    /// far as there are places; absent if none. The result counts as written.
    pub fn claim(&mut self, garm: &GarmName, claim: LimitClaim<'_>) -> Option<u32> {
        let all_sure = self.is_sure(claim.group);
        let cap = u64::from(self.parts(claim.group).map(|(_, part)| part.limit.max_runners).min()?);
        let sum: u64 = self.parts(claim.group).map(|(_, part)| part.held()).sum();
        let entry = self.entries.get_mut(garm)?;
        let part = Arc::make_mut(entry.report.groups.get_mut(claim.group)?);
        let own = part.held();
        let (_, member) = part.members.iter_mut().find(|(id, _)| id == claim.pool)?;
        let of_all = if all_sure { cap.saturating_sub(sum) } else { 0 };
        let kept = entry.kept.get(claim.group).map_or(0, |kept| u64::from(*kept));
        let of_own = kept.min(cap).saturating_sub(own);
        let free = u32::try_from(of_all.max(of_own)).unwrap_or(u32::MAX);
        if entry.report.certainty == LimitCertainty::Unsure {
            // The present value may be lower than the known one.
            return None;
        }
        if claim.max_runners < member.written {
            return Some(claim.max_runners);
        }
        let granted = claim.max_runners.min(member.held().saturating_add(free));
        if granted <= member.written {
            return None;
        }
        member.written = granted;
        self.keep(garm, claim.group);
        Some(granted)
    }

    /// What a GARM has to know of the others.
    pub fn view(&self, garm: &GarmName) -> GroupView {
        let mut groups: BTreeMap<GroupName, GroupBeyond> = BTreeMap::new();
        for (other, entry) in &self.entries {
            for (name, part) in &entry.report.groups {
                if other != garm && part.limit.garms.contains(garm) {
                    let beyond = groups.entry(name.clone()).or_default();
                    beyond.parts.insert(other.clone(), Arc::clone(part));
                }
            }
        }
        if let Some(own) = self.entries.get(garm) {
            let is_unread = |garm: &GarmName| !self.entries.contains_key(garm);
            let parts = own.report.groups.iter();
            for (name, _) in parts.filter(|(_, part)| part.limit.garms.iter().any(is_unread)) {
                groups.entry(name.clone()).or_default().kept = own.kept.get(name).copied();
            }
        }
        GroupView { garm: garm.clone(), read: self.entries.keys().cloned().collect(), groups }
    }

    /// Notes what the pools of the group have in each GARM, if that is within the limit and sure.
    fn keep(&mut self, garm: &GarmName, group: &GroupName) {
        let all_sure = self.is_sure(group);
        let cap = self.parts(group).map(|(_, part)| part.limit.max_runners).min().unwrap_or(0);
        let sum: u64 = self.parts(group).map(|(_, part)| part.held()).sum();
        let is_read = |garm: &GarmName| self.entries.contains_key(garm);
        let all_read = self.parts(group).all(|(_, part)| part.limit.garms.iter().all(is_read));
        let is_within = all_read && sum <= u64::from(cap);
        for (name, entry) in &mut self.entries {
            let held = entry.report.groups.get(group).map(|part| part.held());
            let held = held.map(|held| u32::try_from(held).unwrap_or(u32::MAX));
            let is_known = match entry.report.certainty {
                LimitCertainty::Unsure => false,
                LimitCertainty::Leads => is_within,
                LimitCertainty::Alone => true,
            };
            match held.filter(|_| entry.report.certainty != LimitCertainty::Unsure) {
                Some(held) if all_sure && is_known => drop(entry.kept.insert(group.clone(), held)),
                Some(held) if name == garm && is_known && !all_sure => {
                    entry.kept.entry(group.clone()).or_insert(held);
                }
                Some(_) if !all_sure => {}
                Some(_) | None => drop(entry.kept.remove(group)),
            }
        }
    }

    /// Whether no other process can have raised `max_runners` of any pool of the group.
    fn is_sure(&self, group: &GroupName) -> bool {
        let is_sure = |garm: &GarmName| {
            let entry = self.entries.get(garm);
            entry.is_some_and(|entry| entry.report.certainty != LimitCertainty::Unsure)
        };
        self.parts(group).all(|(garm, part)| is_sure(garm) && part.limit.garms.iter().all(is_sure))
    }

    fn parts<'a>(
        &'a self,
        group: &'a GroupName,
    ) -> impl Iterator<Item = (&'a GarmName, &'a GroupPart)> {
        self.entries
            .iter()
            .filter_map(|(garm, entry)| Some((garm, entry.report.groups.get(group)?.as_ref())))
    }
}
