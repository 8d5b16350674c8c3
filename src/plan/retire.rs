//! Deletions: pools that are not declared any more, pools that a replace has retired, and leftovers
//! of an interrupted create or replace.

use super::blocker::Blocker;
use super::consequences;
use super::context::PlanContext;
use super::resolve::{ReplaceProgress, Resolution, ResolvedPool, in_force};
use super::step::{Action, Consent, Operation, Step};
use crate::domain::label::OwnerMark;
use crate::domain::name::{PoolKind, PoolName};
use crate::domain::owners::{Claims, is_switched_off};
use crate::domain::pool::Pool;
use crate::domain::text::code;

/// Deletes what interrupted creates and replaces have left beside the declared pools.
pub(super) fn leftovers(context: &PlanContext<'_>) -> Vec<Step> {
    if !context.is_whole() {
        return Vec::new();
    }
    let of = |resolved: &ResolvedPool<'_>| -> Vec<Step> {
        let leftovers = resolved.leftovers.iter();
        leftovers.map(|left| remove_leftover(context, &resolved.desired.name, left)).collect()
    };
    context.resolved.iter().flat_map(of).collect()
}

/// The deletions that come after all creations, by name.
pub(super) fn leaving(context: &PlanContext<'_>) -> Vec<Step> {
    if !context.is_whole() {
        return Vec::new();
    }
    let mut steps = Vec::new();
    for (name, claims) in &context.resolver.owners.named {
        match context.looked_at(name) {
            Some(resolved) => {
                let consent = consent_to_outlived(resolved);
                let outlived = context.outlived(resolved).into_iter();
                steps.extend(outlived.map(|old| finish(context, name, old, consent)));
            }
            None => steps.extend(undeclared(context, name, claims)),
        }
        steps.extend(
            claims.conflicting_others.iter().map(|pool| Blocker::conflicting(pool).step(name)),
        );
    }
    steps
}

/// A retired pool is deleted without new consent if the pool that replaced it is in force, or is
/// put in force by this plan.
fn consent_to_outlived(resolved: &ResolvedPool<'_>) -> Consent {
    match &resolved.case {
        Resolution::Replace(replacement)
            if replacement.begun == ReplaceProgress::SuccessorMissing =>
        {
            Consent::Destroy
        }
        Resolution::Replace(_)
        | Resolution::Keep { .. }
        | Resolution::Create { .. }
        | Resolution::Blocked(_) => Consent::None,
    }
}

fn undeclared(context: &PlanContext<'_>, name: &PoolName, claims: &Claims<'_>) -> Vec<Step> {
    let is_taken_over = |pool: &&Pool| context.resolver.adoptions.want(&pool.id);
    let in_force = in_force(claims, &context.resolver.index);
    let has_successor = matches!(&in_force, Ok((Some(_), _)));
    let consent = if has_successor { Consent::None } else { Consent::Destroy };
    let mut steps: Vec<Step> = Vec::new();
    if !claims.owned.iter().chain(&claims.conflicting).any(is_taken_over) {
        match in_force {
            Ok((live, leftovers)) => {
                let leftovers = leftovers.into_iter();
                steps.extend(leftovers.map(|leftover| remove_leftover(context, name, leftover)));
                steps.extend(live.map(|pool| delete(context, name, pool)));
            }
            Err(blocker) => steps.push(blocker.step(name)),
        }
    }
    let replacements = claims.replacements.iter();
    steps.extend(replacements.map(|pool| remove_leftover(context, name, pool)));
    steps.extend(claims.retired.iter().map(|old| finish(context, name, old, consent)));
    steps
}

fn delete(context: &PlanContext<'_>, name: &PoolName, pool: &Pool) -> Step {
    let why = match context.options.elsewhere.get(name) {
        Some(garm) => format!("the files declare it for the GARM {} now", code(garm.as_str())),
        None => "not declared any more".to_owned(),
    };
    match context.protection(name) {
        None => Step {
            work: Operation::Retire { id: pool.id.clone(), is_retired: false },
            ..retire(context, name, (pool, Consent::Destroy), &why)
        },
        Some(glob) => {
            let reason = format!("{why}, but `policy.protected_pools` contains {}", code(glob));
            Blocker::new(reason).at(pool).help("declare it again, or change the policy").step(name)
        }
    }
}

/// Finishes a replace that was begun.
fn finish(context: &PlanContext<'_>, name: &PoolName, pool: &Pool, consent: Consent) -> Step {
    let reason = match consent {
        Consent::Destroy if pool.kind() == PoolKind::ScaleSet => {
            "not declared any more, and an earlier run has begun to drain it"
        }
        Consent::None => "retired by an unfinished replace",
        Consent::Destroy => "retired by a replace, but no pool has replaced it",
    };
    match context.protection(name) {
        None => Step {
            work: Operation::Retire { id: pool.id.clone(), is_retired: true },
            ..retire(context, name, (pool, consent), reason)
        },
        Some(glob) => {
            let reason = format!(
                "retired by a replace, but `policy.protected_pools` contains {}",
                code(glob)
            );
            Blocker::new(reason).at(pool).help("delete it by hand, or change the policy").step(name)
        }
    }
}

fn retire(
    context: &PlanContext<'_>,
    name: &PoolName,
    (pool, consent): (&Pool, Consent),
    reason: &str,
) -> Step {
    Step {
        action: Action::Delete,
        pool_id: Some(pool.id.clone()),
        consequences: consequences::of_retiring(pool, context.resolver.index.counts(&pool.id)),
        consent,
        ..Step::for_pool(name, reason.to_owned())
    }
}

/// A leftover that has come into use is left alone: only its user can say what it is for.
fn remove_leftover(context: &PlanContext<'_>, name: &PoolName, left: &Pool) -> Step {
    let is_unused = is_switched_off(left) && context.resolver.index.counts(&left.id).live == 0;
    if !is_unused {
        let mark = OwnerMark::replacement(&context.resolver.desired.fleet, name).to_string();
        let reason =
            format!("a pool with the label {} is in use, but no replace needs it", code(mark));
        return Blocker::new(reason)
            .at(left)
            .help("delete it, or remove the label from it")
            .step(name);
    }
    Step {
        action: Action::Delete,
        pool_id: Some(left.id.clone()),
        work: Operation::RemoveLeftover { id: left.id.clone() },
        ..Step::for_pool(
            name,
            "left over from an interrupted create: disabled and without runners".to_owned(),
        )
    }
}
