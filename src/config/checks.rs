//! Checks that need all pools together.

use std::collections::{BTreeMap, HashMap};

use super::declared::DeclaredPool;
use super::diagnostic_code::Code;
use super::diagnostics::{Diagnostic, Diagnostics, FileSpan};
use super::value::Mapping;
use crate::domain::name::{GarmName, PoolKind};
use crate::domain::text;

/// A declared pool and the location of its name.
pub(super) struct LocatedPool<'p> {
    pub(super) pool: &'p DeclaredPool,
    pub(super) at: FileSpan,
}

/// Reports pools of one entity with equal labels: which of them gets a job is undefined.
pub(super) fn equal_labels(pools: &[LocatedPool<'_>], diagnostics: &mut Diagnostics) {
    let mut seen: HashMap<String, &LocatedPool<'_>> = HashMap::new();
    for placed in pools {
        let labels: Vec<&str> = placed.pool.labels.keys().collect();
        let entity = placed.pool.entity.as_ref().map(|entity| entity.to_string().to_lowercase());
        // Jobs request a scale set by its name, and one beside a pool is how a pool is moved.
        if placed.pool.kind == PoolKind::ScaleSet {
            continue;
        }
        let key = format!("{entity:?} {labels:?}");
        let Some(first) = seen.get(&key) else {
            seen.insert(key, placed);
            continue;
        };
        let message = format!(
            "pools `{}` and `{}` have the same labels, so a job may go to either of them",
            first.pool.name, placed.pool.name
        );
        let diagnostic = Diagnostic::warning(Code::EqualLabels, placed.at, message)
            .context(first.at, "has the same labels")
            .help("give one of them a label of its own that jobs can request");
        diagnostics.report(diagnostic);
    }
}

/// Reports scale sets of one entity and runner group with the same name, which GitHub refuses.
pub(super) fn equal_set_names(pools: &[LocatedPool<'_>], diagnostics: &mut Diagnostics) {
    let mut seen: HashMap<(String, &str, &str), &LocatedPool<'_>> = HashMap::new();
    for placed in pools {
        let Some(name) = placed.pool.requested_as() else { continue };
        let entity = placed.pool.entity.as_ref().map(|entity| entity.to_string().to_lowercase());
        let group = placed.pool.runner_group.as_deref().unwrap_or_default();
        let Some(first) = seen.insert((entity.unwrap_or_default(), group, name), placed) else {
            continue;
        };
        let message = format!(
            "pools `{}` and `{}` are scale sets with the same name, `{}`: GitHub accepts only one",
            first.pool.name,
            placed.pool.name,
            text::quote(name)
        );
        let diagnostic = Diagnostic::error(Code::ScaleSetName, placed.at, message)
            .context(first.at, "has the same name")
            .help("give one of them another `scale_set_name`");
        diagnostics.report(diagnostic);
    }
}

/// Reports pools that adopt the same pool.
pub(super) fn one_adopter(pools: &[LocatedPool<'_>], diagnostics: &mut Diagnostics) {
    let mut seen: HashMap<(Option<&GarmName>, &str), &LocatedPool<'_>> = HashMap::new();
    for placed in pools {
        let Some(adopt) = placed.pool.adopt.as_deref() else { continue };
        // Each GARM numbers its scale sets from 1.
        let adopt = (placed.pool.garm.as_ref(), adopt);
        match seen.get(&adopt) {
            Some(first) => {
                let message = format!(
                    "pools `{}` and `{}` adopt the same pool",
                    first.pool.name, placed.pool.name
                );
                let diagnostic = Diagnostic::error(Code::DuplicateAdopt, placed.at, message);
                diagnostics.report(diagnostic.context(first.at, "also adopts it"));
            }
            None => drop(seen.insert(adopt, placed)),
        }
    }
}

/// Reports pools that autoscale without a `watch`, which does the scaling.
pub(super) fn watched(fleet: &Mapping, pools: &[DeclaredPool], diagnostics: &mut Diagnostics) {
    let scaled = pools.iter().filter(|pool| pool.scale.autoscale).count();
    let Some(at) = fleet.key_at("fleet").filter(|_| scaled > 0 && !fleet.has("watch")) else {
        return;
    };
    let noun = if scaled == 1 {
        "1 pool autoscales".to_owned()
    } else {
        format!("{scaled} pools autoscale")
    };
    let message = format!("{noun}, but the fleet file has no `watch`, which does the scaling");
    let diagnostic = Diagnostic::warning(Code::NoWatch, at, message);
    diagnostics.report(diagnostic.help("add `watch: {}`, or set `autoscale: false`"));
}

/// Reports the fields that `plan` still needs, once per set of fields that pools lack.
pub(super) fn needed(
    pools: &[LocatedPool<'_>],
    make: fn(Code, FileSpan, String) -> Diagnostic,
) -> Vec<Diagnostic> {
    let mut groups: BTreeMap<Vec<&str>, Vec<&LocatedPool<'_>>> = BTreeMap::new();
    for placed in pools {
        let missing = placed.pool.missing();
        if !missing.is_empty() {
            groups.entry(missing).or_default().push(placed);
        }
    }
    groups.into_iter().map(|(missing, pools)| one_needed(&missing, &pools, make)).collect()
}

fn one_needed(
    missing: &[&str],
    pools: &[&LocatedPool<'_>],
    make: fn(Code, FileSpan, String) -> Diagnostic,
) -> Diagnostic {
    let words: Vec<String> = missing
        .iter()
        .map(|field| match *field {
            "organization" => "one of `organization`, `repository` or `enterprise`".to_owned(),
            key => format!("`{key}`"),
        })
        .collect();
    let message = format!("`plan` needs {} for {}", text::list(&words, usize::MAX), names(pools));
    make(Code::NeededForPlan, pools[0].at, message)
        .help("add it to the pool, or to `defaults:` in the fleet file for all pools")
}

/// "pool `a`", "pools `a` and `b`".
pub(super) fn names(pools: &[&LocatedPool<'_>]) -> String {
    const SHOWN: usize = 3;
    let noun = if pools.len() == 1 { "pool" } else { "pools" };
    let names = pools.iter().map(|pool| format!("`{}`", pool.pool.name));
    format!("{noun} {}", text::list(names, SHOWN))
}
