//! The groups of pools that share a limit.

use std::collections::BTreeMap;

use super::fleet_status::{PoolStanding, PoolStatus};
use crate::config::DeclaredPool;
use crate::domain::text::{code, count, list};
use crate::render::wrap::hanging;

/// A group and how much of its limit is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    pub name: String,
    pub max_runners: u32,
    /// All runners of its pools in GARM.
    pub runners: u32,
    /// The names of its pools, in order.
    pub pools: Vec<String>,
}

/// The groups of the declared pools, by name.
pub(super) fn groups(declared: &[DeclaredPool], pools: &[PoolStatus]) -> Vec<GroupStatus> {
    let mut groups: BTreeMap<&str, GroupStatus> = BTreeMap::new();
    for pool in declared {
        let Some(limit) = &pool.scale.group else { continue };
        let name = limit.name.as_str();
        let group = groups.entry(name).or_insert_with(|| GroupStatus {
            name: name.to_owned(),
            max_runners: limit.max_runners,
            runners: 0,
            pools: Vec::new(),
        });
        let is_it = |line: &&PoolStatus| {
            line.standing == PoolStanding::Declared && line.name == pool.name.as_str()
        };
        group.runners += pools.iter().filter(is_it).map(|line| line.snapshot.live).sum::<u32>();
        group.pools.push(pool.name.to_string());
    }
    let mut groups: Vec<GroupStatus> = groups.into_values().collect();
    groups.iter_mut().for_each(|group| group.pools.sort());
    groups
}

/// One line for each group.
pub(super) fn lines(groups: &[GroupStatus], width: usize) -> String {
    const SHOWN: usize = 6;
    let line = |group: &GroupStatus| {
        let line = format!(
            "group {}: {} of at most {} in {}",
            code(&group.name),
            count(group.runners as usize, "runner"),
            group.max_runners,
            list(group.pools.iter().map(code), SHOWN)
        );
        format!("{}\n", hanging("", &line, width))
    };
    groups.iter().map(line).collect()
}
