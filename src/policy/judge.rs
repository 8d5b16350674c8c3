//! Checks pools against policies.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{kit, networks};
use crate::config::{Code, DeclaredPool, PolicySettings};
use crate::domain::desired::GroupLimit;
use crate::domain::glob;
use crate::domain::name::{FleetName, PoolName};
use crate::domain::pool::{Pool, PoolDetail};
use crate::domain::text::{code, count, list};

/// A value of a pool that a policy forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub pool: PoolName,
    pub field: &'static str,
    /// The top-level key of `extra_specs` that violates the policy, if there is one.
    pub key: Option<String>,
    pub code: Code,
    /// One sentence without a full stop.
    pub message: String,
    pub help: String,
}

/// Pools of this fleet in GARM that are not declared in the files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UndeclaredPools {
    /// The sum of their `max_runners`.
    pub runners: u32,
}

/// The checked fields of a pool, which is either declared or in GARM.
struct PoolRequest<'a> {
    name: PoolName,
    provider: Option<&'a str>,
    instance_type: &'a str,
    image: Option<&'a str>,
    labels: Vec<&'a str>,
    /// The key of the entity's field, and the entity's name.
    entity: Option<(&'static str, &'a str)>,
    runner_group: Option<&'a str>,
    /// `None` for a pool in GARM, which has only the id of its template.
    template: Option<&'a str>,
    enable_shell: bool,
    enabled: bool,
    max_runners: u32,
    /// The limit that it shares with other pools; `None` for a pool in GARM, whose `max_runners` is
    /// its part of the limit.
    group: Option<&'a GroupLimit>,
    /// `None` if they were not read.
    extra_specs: Option<Cow<'a, Map<String, Value>>>,
}

/// All violations of declared pools, in the order of the pools. A pool must satisfy each policy.
/// Fields that are not set yet (for example the provider, offline) are not checked.
pub fn judge(
    policies: &[&PolicySettings],
    pools: &[DeclaredPool],
    others: UndeclaredPools,
) -> Vec<Violation> {
    let asks = pools.iter().map(|pool| PoolRequest {
        name: pool.name.clone(),
        provider: pool.provider.as_deref(),
        instance_type: &pool.instance_type,
        image: pool.image.as_deref(),
        labels: pool.labels.iter().collect(),
        entity: pool.entity.as_ref().map(|entity| (entity.kind.word(), entity.name.as_str())),
        runner_group: pool.runner_group.as_deref(),
        template: pool.template.as_deref(),
        enable_shell: pool.enable_shell,
        enabled: pool.may_be_enabled(),
        max_runners: pool.scale.max_runners,
        group: shared_limit(pool),
        extra_specs: Some(Cow::Borrowed(&pool.extra_specs)),
    });
    judge_all(policies, &asks.collect::<Vec<_>>(), others)
}

/// All violations of this fleet's pools in GARM, which others may have changed. The runner kit in
/// `extra_specs` is not checked, nor are `extra_specs` that were not read.
pub fn judge_live(
    policies: &[&PolicySettings],
    fleet: &FleetName,
    pools: &[Pool],
) -> Vec<Violation> {
    let asks = pools.iter().filter_map(|pool| {
        let is_read = pool.detail == PoolDetail::Whole;
        Some(PoolRequest {
            name: pool.owned_name(fleet)?,
            provider: Some(&pool.spec.provider),
            instance_type: &pool.spec.flavor,
            image: Some(&pool.spec.image),
            labels: pool.spec.labels.iter().filter(|label| !is_mark(label)).collect(),
            entity: Some((pool.entity.kind.word(), &pool.entity_name)),
            runner_group: Some(pool.spec.runner_group.as_str()).filter(|group| !group.is_empty()),
            template: None,
            enable_shell: pool.spec.enable_shell,
            enabled: pool.spec.enabled,
            max_runners: pool.spec.max_runners,
            group: None,
            extra_specs: is_read.then(|| Cow::Owned(kit::without(&pool.spec.extra_specs))),
        })
    });
    judge_all(policies, &asks.collect::<Vec<_>>(), UndeclaredPools::default())
}

fn judge_all(
    policies: &[&PolicySettings],
    pools: &[PoolRequest<'_>],
    others: UndeclaredPools,
) -> Vec<Violation> {
    let mut all = Vec::new();
    for pool in pools {
        for policy in policies {
            let rules = [provider, instance_type, shell];
            all.extend(rules.iter().filter_map(|rule| rule(policy, pool)));
            all.extend(words(policy, pool));
            all.extend(specs_keys(policy, pool));
            all.extend(network(policy, pool));
        }
    }
    let bound = policies.iter().filter_map(|policy| policy.max_total_runners).min();
    all.extend(bound.and_then(|bound| total(bound, pools, others)));
    let mut seen: Vec<Violation> = Vec::new();
    for violation in all {
        // Two policies may report the same violation.
        if !seen.contains(&violation) {
            seen.push(violation);
        }
    }
    seen
}

fn provider(policy: &PolicySettings, pool: &PoolRequest<'_>) -> Option<Violation> {
    let allowed = policy.allowed_providers.as_ref()?;
    let provider = pool.provider?;
    if allowed.iter().any(|name| name == provider) {
        return None;
    }
    Some(Violation {
        pool: pool.name.clone(),
        field: "provider",
        key: None,
        code: Code::ForbiddenProvider,
        message: format!("provider {} is not in `policy.allowed_providers`", code(provider)),
        help: one_of(allowed),
    })
}

fn instance_type(policy: &PolicySettings, pool: &PoolRequest<'_>) -> Option<Violation> {
    let allowed = policy.allowed_instance_types.as_ref()?;
    if allowed.iter().any(|pattern| glob::matches(pattern, pool.instance_type)) {
        return None;
    }
    Some(Violation {
        pool: pool.name.clone(),
        field: "instance_type",
        key: None,
        code: Code::ForbiddenInstanceType,
        message: format!(
            "instance type {} is not in `policy.allowed_instance_types`",
            code(pool.instance_type)
        ),
        help: one_of(allowed),
    })
}

/// Checks the fields for which a policy has a list of globs. The comparison ignores case: GitHub
/// ignores the case of labels and accounts, and for simplicity the other fields are treated alike.
fn words(policy: &PolicySettings, pool: &PoolRequest<'_>) -> Vec<Violation> {
    let (entity_field, entity) = pool.entity.unzip();
    let one = |value: Option<&'_ str>| value.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let labels = pool.labels.iter().map(|label| (*label).to_owned()).collect();
    let rows = [
        ("image", "image", "allowed_images", &policy.allowed_images, one(pool.image)),
        ("labels", "label", "allowed_labels", &policy.allowed_labels, labels),
        (
            entity_field.unwrap_or("organization"),
            entity_field.unwrap_or("organization"),
            "allowed_entities",
            &policy.allowed_entities,
            one(entity),
        ),
        (
            "runner_group",
            "runner group",
            "allowed_runner_groups",
            &policy.allowed_runner_groups,
            one(pool.runner_group),
        ),
        (
            "template",
            "template",
            "allowed_templates",
            &policy.allowed_templates,
            one(pool.template),
        ),
    ];
    let mut found = Vec::new();
    for (field, what, key, globs, values) in rows {
        let Some(globs) = globs else { continue };
        let is_allowed = |value: &str| {
            let value = value.to_lowercase();
            globs.iter().any(|pattern| glob::matches(&pattern.to_lowercase(), &value))
        };
        found.extend(values.iter().filter(|value| !is_allowed(value)).map(|value| Violation {
            pool: pool.name.clone(),
            field,
            key: None,
            code: Code::ForbiddenWord,
            message: format!("{what} {} is not in `policy.{key}`", code(value)),
            help: one_of(globs),
        }));
    }
    found
}

fn is_mark(label: &str) -> bool {
    let label = label.to_ascii_lowercase();
    label.starts_with("runnerctl=") || label.starts_with("runnerctl-old=")
}

fn shell(policy: &PolicySettings, pool: &PoolRequest<'_>) -> Option<Violation> {
    (policy.forbid_enable_shell && pool.enable_shell).then(|| Violation {
        pool: pool.name.clone(),
        field: "enable_shell",
        key: None,
        code: Code::ForbiddenShell,
        message: "shell access to runners is forbidden by `policy.forbid_enable_shell`".into(),
        help: "remove `enable_shell`".into(),
    })
}

fn specs_keys(policy: &PolicySettings, pool: &PoolRequest<'_>) -> Vec<Violation> {
    let Some(allowed) = &policy.extra_specs_allow_keys else { return Vec::new() };
    let keys = pool.extra_specs.iter().flat_map(|specs| specs.keys());
    let strange = keys.filter(|key| !allowed.contains(key));
    let violation = |key: &String| Violation {
        pool: pool.name.clone(),
        field: "extra_specs",
        key: Some(key.clone()),
        code: Code::ForbiddenSpec,
        message: format!(
            "key {} of `extra_specs` is not in `policy.extra_specs.allow_keys`",
            code(key)
        ),
        help: one_of(allowed),
    };
    strange.map(violation).collect()
}

fn network(policy: &PolicySettings, pool: &PoolRequest<'_>) -> Vec<Violation> {
    let (Some(provider), Some(specs)) = (pool.provider, &pool.extra_specs) else {
        return Vec::new();
    };
    let rules = policy.networks.iter().filter(|rule| rule.provider == provider);
    let found = rules.flat_map(|rule| networks::violations(specs, rule));
    found
        .map(|(message, help, key)| Violation {
            pool: pool.name.clone(),
            field: "extra_specs",
            key,
            code: Code::ForbiddenNetwork,
            message,
            help,
        })
        .collect()
}

/// The most runners that these pools may have together. Disabled pools start no runners and do not
/// count.
pub fn most_runners<'p>(pools: impl Iterator<Item = &'p DeclaredPool>) -> u32 {
    let mut sum = RunnerSum::default();
    for pool in pools.filter(|pool| pool.may_be_enabled()) {
        sum.add(pool.scale.max_runners, shared_limit(pool));
    }
    u32::try_from(sum.runners).unwrap_or(u32::MAX)
}

fn shared_limit(pool: &DeclaredPool) -> Option<&GroupLimit> {
    pool.scale.group.as_ref().filter(|_| pool.shares_limit())
}

/// Adds up `max_runners` of pools. Those of a group count with the limit of the group at most.
#[derive(Default)]
struct RunnerSum<'a> {
    runners: u64,
    of_groups: BTreeMap<&'a str, u64>,
}

impl<'a> RunnerSum<'a> {
    fn add(&mut self, max_runners: u32, group: Option<&'a GroupLimit>) {
        let mut more = u64::from(max_runners);
        if let Some(limit) = group {
            let counted = self.of_groups.entry(limit.name.as_str()).or_default();
            more = more.min(u64::from(limit.max_runners).saturating_sub(*counted));
            *counted += more;
        }
        self.runners += more;
    }
}

/// Checks the total number of runners. The violation is reported for the first pool, in the order
/// of the files, that exceeds the limit. Disabled pools start no runners and do not count.
fn total(bound: u32, pools: &[PoolRequest<'_>], others: UndeclaredPools) -> Option<Violation> {
    let enabled = || pools.iter().filter(|pool| pool.enabled);
    let mut sum = RunnerSum { runners: others.runners.into(), ..RunnerSum::default() };
    let mut culprit = None;
    for pool in enabled() {
        sum.add(pool.max_runners, pool.group);
        if sum.runners > bound.into() {
            culprit = culprit.or(Some(pool));
        }
    }
    let culprit = culprit?;
    let elsewhere = match others.runners {
        0 => String::new(),
        n => format!(" ({n} of them in pools of this fleet that are not checked here)"),
    };
    Some(Violation {
        pool: culprit.name.clone(),
        field: "max_runners",
        key: None,
        code: Code::TooManyRunners,
        message: format!(
            "all pools together may have {}{elsewhere}, but `policy.max_total_runners` is {bound}",
            count(usize::try_from(sum.runners).unwrap_or(usize::MAX), "runner")
        ),
        help: format!(
            "lower `max_runners` of some pools by {} in total",
            sum.runners - u64::from(bound)
        ),
    })
}

fn one_of(allowed: &[String]) -> String {
    const SHOWN: usize = 8;
    if allowed.is_empty() {
        return "none is allowed".into();
    }
    format!("allowed: {}", list(allowed.iter().map(code), SHOWN))
}
