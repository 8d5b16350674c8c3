//! The groups of pools that share a limit.

use std::collections::BTreeMap;

use super::fleet_status::{PoolStanding, PoolStatus};
use crate::config::DeclaredPool;
use crate::domain::name::GarmName;
use crate::domain::text::{code, count, list};
use crate::render::wrap::hanging;

/// A group and how much of its limit is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStatus {
    pub name: String,
    pub max_runners: u32,
    /// All runners of its pools in this GARM.
    pub runners: u32,
    /// The names of its pools in this GARM, in order.
    pub pools: Vec<String>,
    /// The names of the GARMs of its pools, in order, if there are several; otherwise empty.
    pub garms: Vec<String>,
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
            garms: limit.garms.iter().map(ToString::to_string).collect(),
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

/// The most names that a line lists.
const SHOWN: usize = 6;

/// One line for each group.
pub(super) fn lines(groups: &[GroupStatus], width: usize) -> String {
    let line = |group: &GroupStatus| {
        let (runners, pools) = (group.runners as usize, list(group.pools.iter().map(code), SHOWN));
        let line = match group.garms.is_empty() {
            true => format!(
                "group {}: {} of at most {} in {pools}",
                code(&group.name),
                count(runners, "runner"),
                group.max_runners
            ),
            false => format!(
                "group {}: {} in {pools}, of at most {} in {}",
                code(&group.name),
                count(runners, "runner"),
                group.max_runners,
                list(group.garms.iter().map(code), SHOWN)
            ),
        };
        format!("{}\n", hanging("", &line, width))
    };
    groups.iter().map(line).collect()
}

/// One line for each group that has pools in several GARMs, with the runners in all of them. `read` has
/// the groups of each GARM that was read.
pub fn across(read: &[(&GarmName, &[GroupStatus])], width: usize) -> String {
    let mut groups: BTreeMap<&str, (GroupStatus, Vec<&str>)> = BTreeMap::new();
    for (garm, groups_there) in read {
        for group in groups_there.iter().filter(|group| !group.garms.is_empty()) {
            let entry = groups.entry(&group.name);
            let (all, seen) =
                entry.or_insert_with(|| (GroupStatus { runners: 0, ..group.clone() }, Vec::new()));
            all.runners += group.runners;
            seen.push(garm.as_str());
        }
    }
    let line = |(group, seen): &(GroupStatus, Vec<&str>)| {
        let is_unread = |garm: &&String| !seen.contains(&garm.as_str());
        let unread: Vec<&String> = group.garms.iter().filter(is_unread).collect();
        let unread = match unread.is_empty() {
            true => String::new(),
            false => format!(", without those in {}", list(unread.into_iter().map(code), SHOWN)),
        };
        let line = format!(
            "group {}: {} of at most {} in {}{unread}",
            code(&group.name),
            count(group.runners as usize, "runner"),
            group.max_runners,
            list(group.garms.iter().map(code), SHOWN)
        );
        format!("{}\n", hanging("", &line, width))
    };
    groups.values().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_of_a_group_in_several_garms_are_counted_together() {
        let group = |runners| GroupStatus {
            name: "rack".into(),
            max_runners: 9,
            runners,
            pools: vec!["a".into()],
            garms: vec!["east".into(), "west".into()],
        };
        assert_eq!(
            lines(&[group(2)], 100),
            "group `rack`: 2 runners in `a`, of at most 9 in `east` and `west`\n"
        );
        let (east, west) = (GarmName::new("east").unwrap(), GarmName::new("west").unwrap());
        let (of_east, of_west) = ([group(2)], [group(3)]);
        assert_eq!(
            across(&[(&east, of_east.as_slice()), (&west, &of_west)], 100),
            "group `rack`: 5 runners of at most 9 in `east` and `west`\n"
        );
        assert_eq!(
            across(&[(&east, &of_east)], 100),
            "group `rack`: 2 runners of at most 9 in `east` and `west`, without those in `west`\n"
        );
    }
}
