//! Which pools share a limit: `groups:` of the fleet file.

use std::collections::{BTreeSet, HashMap};

use super::declared::DeclaredPool;
use super::diagnostic_code::Code;
use super::diagnostics::{Diagnostic, Diagnostics, FileSpan};
use super::suggest;
use super::value::{LocatedValue, Mapping, Value};
use crate::domain::desired::GroupLimit;
use crate::domain::name::{GarmName, GroupName, PoolKind};
use crate::domain::text::{count, quote};

/// Gives each pool the limit of its group, and reports groups that cannot be as they are declared.
pub(super) fn assign(fleet: &Mapping, pools: &mut [DeclaredPool], diagnostics: &mut Diagnostics) {
    let Some(Value::Named(groups, _)) = fleet.value("groups") else { return };
    let mut seen: HashMap<String, FileSpan> = HashMap::new();
    for (name, _, item) in groups {
        let Value::Mapping(keys) = &item.value else { continue };
        let max_runners = keys.number("max_runners").and_then(|max| u32::try_from(max).ok());
        let Some(max_runners) = max_runners else { continue };
        let limit = GroupLimit { name: GroupName::new(name), max_runners, garms: Vec::new() };
        let mut floors = 0;
        for member in keys.list("pools").unwrap_or(&[]) {
            let Some(pool) = member.text() else { continue };
            if let Some(first) = seen.get(pool) {
                let message = format!("pool `{}` is in two groups", quote(pool));
                let diagnostic = Diagnostic::error(Code::TwoGroups, member.at, message);
                diagnostics.report(diagnostic.context(*first, "first here"));
                continue;
            }
            seen.insert(pool.to_owned(), member.at);
            floors += add(&limit, member, pools, diagnostics);
        }
        name_garms(&limit, pools);
        holds_floors(&limit, (floors, keys), diagnostics);
    }
}

/// Tells the pools of a group in which GARMs the others are.
fn name_garms(limit: &GroupLimit, pools: &mut [DeclaredPool]) {
    let is_member = |pool: &DeclaredPool| pool.scale.group.as_ref() == Some(limit);
    let members = pools.iter().filter(|pool| is_member(pool));
    let garms: BTreeSet<GarmName> = members.filter_map(|pool| pool.garm.clone()).collect();
    if garms.len() > 1 {
        let group = GroupLimit { garms: garms.into_iter().collect(), ..limit.clone() };
        for pool in pools.iter_mut().filter(|pool| is_member(pool)) {
            pool.settings.scale.group = Some(group.clone());
        }
    }
}

/// Puts the pool into the group. Returns how many runners its floor may need.
fn add(
    limit: &GroupLimit,
    member: &LocatedValue,
    pools: &mut [DeclaredPool],
    diagnostics: &mut Diagnostics,
) -> u64 {
    let name = member.text().unwrap_or_default();
    let Some(at) = pools.iter().position(|pool| pool.name.as_str() == name) else {
        // Some commands read the fleet file alone.
        if pools.is_empty() {
            return 0;
        }
        let known: Vec<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
        let help = match suggest::near(name, &known) {
            Some(near) => format!("did you mean `{}`?", quote(near)),
            None => "declare it in a pool file, or remove it from the group".to_owned(),
        };
        let message = format!("there is no pool named `{}`", quote(name));
        diagnostics.report(Diagnostic::error(Code::UnknownMember, member.at, message).help(help));
        return 0;
    };
    let settings = &mut pools[at].settings;
    if !settings.scale.autoscale {
        let message = format!("pool `{name}` is in a group and has `autoscale: false`");
        let help = "`watch` keeps the limit of a group, and does not scale this pool: \
                    remove the pool from the group, or `autoscale: false` from the pool";
        diagnostics.report(Diagnostic::error(Code::UnscaledMember, member.at, message).help(help));
    }
    settings.scale.group = Some(limit.clone());
    let least = match settings.kind {
        PoolKind::Pool => 0,
        PoolKind::ScaleSet => 1,
    };
    u64::from(settings.plain_level().max(least))
}

fn holds_floors(
    limit: &GroupLimit,
    (floors, keys): (u64, &Mapping),
    diagnostics: &mut Diagnostics,
) {
    let Some(item) = keys.get("max_runners").filter(|_| floors > u64::from(limit.max_runners))
    else {
        return;
    };
    let message = format!(
        "the pools of group `{}` keep {}, and it may have {}",
        quote(limit.name.as_str()),
        count(usize::try_from(floors).unwrap_or(usize::MAX), "runner"),
        limit.max_runners
    );
    let help = "raise it, or lower `min_runners` and `min_idle_runners` of its pools; a scale set \
                needs one at least";
    diagnostics.report(Diagnostic::error(Code::GroupTooSmall, item.at, message).help(help));
}

#[cfg(test)]
mod tests {
    use crate::config::{DeclaredPool, Manifest, Severity, SourceFile, load};

    const POOLS: &str = "pools:\n\
        - { name: a, min_runners: 2, max_runners: 20, instance_type: m }\n\
        - { name: b, min_idle_runners: 3, max_runners: 20, instance_type: m }\n\
        - { name: s, kind: scale_set, max_runners: 20, instance_type: m }\n\
        - { name: off, autoscale: false, max_runners: 20, instance_type: m }\n";

    fn read(groups: &str) -> Manifest {
        let fleet = format!(
            "fleet: acme\ngarm: {{ url: 'https://garm.example.com', password: env:P }}\n\
             watch: {{}}\nreceivers: {{}}\ngroups: {groups}\n"
        );
        let file =
            |path: &str, text: String| SourceFile { path: path.to_owned(), text, folder: None };
        load(Some(&file("runnerctl.yaml", fleet)), &[file("pools/p.yaml", POOLS.to_owned())])
    }

    #[track_caller]
    fn check(groups: &str, expected: &[(&str, u32, &str)]) {
        let manifest = read(groups);
        let errors = manifest.problems.iter().filter(|it| it.severity == Severity::Error);
        let said: Vec<_> = errors
            .map(|it| {
                (it.code.text(), it.place.spot.map_or(0, |spot| spot.line), it.message.as_str())
            })
            .collect();
        assert_eq!(said, expected);
    }

    #[test]
    fn a_pool_has_the_limit_of_its_group() {
        let manifest = read("{ rack-1: { max_runners: 6, pools: [a, b, s] } }");
        let limit = |name: &str| {
            let pool = manifest.pools.iter().find(|pool| pool.name.as_str() == name).unwrap();
            pool.scale.group.as_ref().map(|it| (it.name.as_str().to_owned(), it.max_runners))
        };
        assert_eq!(limit("a"), Some(("rack-1".to_owned(), 6)));
        assert_eq!(limit("s"), Some(("rack-1".to_owned(), 6)));
        assert_eq!(limit("off"), None);
        check("{ rack-1: { max_runners: 6, pools: [a, b, s] } }", &[]);
    }

    #[test]
    fn a_pool_knows_the_garms_of_its_group_if_there_are_several() {
        let garms = "fleet: acme\ngarms:\n  \
             east: { url: 'https://east.example.com', password: env:P }\n  \
             west: { url: 'https://west.example.com', password: env:P }\n\
             watch: {}\nreceivers: {}\ngroups: { r: { max_runners: 9, pools: [b, a] } }\n";
        let known = |of_b: &str| -> Vec<Vec<String>> {
            let pools = format!(
                "pools:\n- {{ name: a, max_runners: 1, instance_type: m, garm: east }}\n\
                 - {{ name: b, max_runners: 1, instance_type: m, garm: {of_b} }}\n"
            );
            let file =
                |path: &str, text: String| SourceFile { path: path.to_owned(), text, folder: None };
            let manifest =
                load(Some(&file("runnerctl.yaml", garms.to_owned())), &[file("p.yaml", pools)]);
            assert!(manifest.problems.iter().all(|it| it.severity != Severity::Error));
            let garms = |pool: &DeclaredPool| {
                let limit = pool.scale.group.as_ref().unwrap();
                limit.garms.iter().map(ToString::to_string).collect()
            };
            manifest.pools.iter().map(garms).collect()
        };
        assert_eq!(known("east"), [Vec::<String>::new(), Vec::new()]);
        assert_eq!(known("west"), [["east", "west"], ["east", "west"]]);
    }

    #[test]
    fn a_fleet_file_that_is_read_alone_may_name_pools() {
        let text = "fleet: acme\ngarm: { url: 'https://a', password: env:P }\nwatch: {}\n\
             receivers: {}\ngroups: { r: { max_runners: 9, pools: [a] } }\n";
        let path = "runnerctl.yaml".to_owned();
        let manifest = load(Some(&SourceFile { path, text: text.to_owned(), folder: None }), &[]);
        assert_eq!(manifest.problems, []);
    }

    #[test]
    fn a_group_that_cannot_be_kept_is_a_problem() {
        check(
            "{ rack-1: { max_runners: 5, pools: [a, b, s] } }",
            &[("RC0527", 5, "the pools of group `rack-1` keep 6 runners, and it may have 5")],
        );
        check(
            "{ r: { max_runners: 9, pools: [a, of] } }",
            &[("RC0525", 5, "there is no pool named `of`")],
        );
        check(
            "{ r: { max_runners: 9, pools: [a] }, q: { max_runners: 9, pools: [a] } }",
            &[("RC0526", 5, "pool `a` is in two groups")],
        );
        check(
            "{ r: { max_runners: 9, pools: [off] } }",
            &[("RC0528", 5, "pool `off` is in a group and has `autoscale: false`")],
        );
        check(
            "{ r: { max_runners: 0, pools: [] } }",
            &[
                ("RC0401", 5, "`max_runners` is out of range: `0`"),
                ("RC0302", 5, "`pools` is an empty list"),
            ],
        );
    }
}
