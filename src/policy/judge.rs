//! Holds declared pools against policies.

use super::networks;
use crate::domain::glob;
use crate::domain::name::PoolName;
use crate::domain::text::{code, count};
use crate::manifest::{Code, DeclaredPool, PolicySettings};

/// A pool that asks for what a policy forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which pool.
    pub pool: PoolName,
    /// The field that is to blame.
    pub field: &'static str,
    /// Which kind of problem.
    pub code: Code,
    /// One sentence without full stop.
    pub message: String,
    /// What would be allowed.
    pub help: String,
}

/// Pools of ours that GARM has and the files at hand do not speak of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Others {
    /// Sum of their `max_runners`.
    pub runners: u32,
}

/// Every violation, in the order of the pools. Each policy is held by itself: a pool has to satisfy
/// all of them. What a pool does not say yet (a provider, offline) is not judged.
pub fn judge(
    policies: &[&PolicySettings],
    pools: &[DeclaredPool],
    others: Others,
) -> Vec<Violation> {
    let mut all = Vec::new();
    for pool in pools {
        for policy in policies {
            let rules = [provider, instance_type, shell];
            all.extend(rules.iter().filter_map(|rule| rule(policy, pool)));
            all.extend(specs_keys(policy, pool));
            all.extend(network(policy, pool));
        }
    }
    let bound = policies.iter().filter_map(|it| it.max_total_runners).min();
    all.extend(bound.and_then(|it| total(it, pools, others)));
    let mut seen: Vec<Violation> = Vec::new();
    for violation in all {
        // Two policies may forbid the same thing.
        if !seen.contains(&violation) {
            seen.push(violation);
        }
    }
    seen
}

fn provider(policy: &PolicySettings, pool: &DeclaredPool) -> Option<Violation> {
    let allowed = policy.allowed_providers.as_ref()?;
    let provider = pool.provider.as_ref()?;
    if allowed.contains(provider) {
        return None;
    }
    Some(Violation {
        pool: pool.name.clone(),
        field: "provider",
        code: Code::ForbiddenProvider,
        message: format!("provider {} is not in `policy.allowed_providers`", code(provider)),
        help: one_of(allowed),
    })
}

fn instance_type(policy: &PolicySettings, pool: &DeclaredPool) -> Option<Violation> {
    let allowed = policy.allowed_instance_types.as_ref()?;
    if allowed.iter().any(|it| glob::matches(it, &pool.instance_type)) {
        return None;
    }
    Some(Violation {
        pool: pool.name.clone(),
        field: "instance_type",
        code: Code::ForbiddenInstanceType,
        message: format!(
            "instance type {} is not in `policy.allowed_instance_types`",
            code(&pool.instance_type)
        ),
        help: one_of(allowed),
    })
}

fn shell(policy: &PolicySettings, pool: &DeclaredPool) -> Option<Violation> {
    (policy.forbid_enable_shell && pool.enable_shell).then(|| Violation {
        pool: pool.name.clone(),
        field: "enable_shell",
        code: Code::ForbiddenShell,
        message: "shell access to runners is forbidden by `policy.forbid_enable_shell`".into(),
        help: "leave `enable_shell` out".into(),
    })
}

fn specs_keys(policy: &PolicySettings, pool: &DeclaredPool) -> Vec<Violation> {
    let Some(allowed) = &policy.extra_specs_allow_keys else { return Vec::new() };
    let strange = pool.extra_specs.keys().filter(|it| !allowed.contains(it));
    let violation = |key: &String| Violation {
        pool: pool.name.clone(),
        field: "extra_specs",
        code: Code::ForbiddenSpec,
        message: format!(
            "key {} of `extra_specs` is not in `policy.extra_specs.allow_keys`",
            code(key)
        ),
        help: one_of(allowed),
    };
    strange.map(violation).collect()
}

fn network(policy: &PolicySettings, pool: &DeclaredPool) -> Vec<Violation> {
    let Some(provider) = &pool.provider else { return Vec::new() };
    let rules = policy.networks.iter().filter(|it| it.provider == *provider);
    let found = rules.flat_map(|it| networks::violations(&pool.extra_specs, it));
    found
        .map(|(message, help)| Violation {
            pool: pool.name.clone(),
            field: "extra_specs",
            code: Code::ForbiddenNetwork,
            message,
            help,
        })
        .collect()
}

/// The pool whose runners are one too many is named, in the order of the files. A disabled pool
/// starts none.
fn total(bound: u32, pools: &[DeclaredPool], others: Others) -> Option<Violation> {
    let enabled = || pools.iter().filter(|it| it.enabled);
    let mut sum = u64::from(others.runners);
    let culprit = enabled().find(|it| {
        sum += u64::from(it.scale.max_runners);
        sum > u64::from(bound)
    })?;
    let all = enabled().map(|it| u64::from(it.scale.max_runners)).sum::<u64>();
    let whose = match others.runners {
        0 => "all pools together".to_owned(),
        n => format!("all pools together, with {n} of pools of ours that are not declared here,"),
    };
    let whole = all + u64::from(others.runners);
    Some(Violation {
        pool: culprit.name.clone(),
        field: "max_runners",
        code: Code::TooManyRunners,
        message: format!(
            "{whose} may have {}, and `policy.max_total_runners` is {bound}",
            count(usize::try_from(whole).unwrap_or(usize::MAX), "runner")
        ),
        help: format!("lower `max_runners` of some pools by {} in all", whole - u64::from(bound)),
    })
}

fn one_of(allowed: &[String]) -> String {
    const SHOWN: usize = 8;
    let words: Vec<String> = allowed.iter().take(SHOWN).map(code).collect();
    match allowed.len().checked_sub(SHOWN) {
        None | Some(0) if words.is_empty() => "none is allowed".into(),
        None | Some(0) => format!("allowed: {}", words.join(", ")),
        Some(more) => format!("allowed: {} and {more} more", words.join(", ")),
    }
}
