//! Deletions: pools that are not declared any more, pools that a replace has retired, and leftovers
//! of an interrupted create or replace.

use super::blocker::Blocker;
use super::make::{PlanContext, step};
use super::resolve::{ReplaceProgress, Resolution, ResolvedPool, in_force};
use super::{Action, Consent, Operation, Step, consequences};
use crate::domain::desired::Scope;
use crate::domain::label::OwnerMark;
use crate::domain::name::PoolName;
use crate::domain::owners::{Claims, is_switched_off};
use crate::domain::pool::Pool;
use crate::domain::text::code;

impl<'a> PlanContext<'a> {
    /// Whether the plan covers the whole fleet. Otherwise nothing is deleted.
    pub(super) fn is_whole(&self) -> bool {
        self.resolver.desired.scope == Scope::Whole && self.options.target.is_empty()
    }

    /// The declared pool with this name, if the plan covers it.
    pub(super) fn looked_at(&self, name: &PoolName) -> Option<&ResolvedPool<'a>> {
        let found = self.resolved.binary_search_by(|it| it.desired.name.cmp(name));
        found.ok().map(|at| &self.resolved[at])
    }

    /// Retired pools with a declared name that no other step is about. Empty if the name is
    /// blocked, because then nothing is known to replace them.
    pub(super) fn outlived(&self, resolved: &ResolvedPool<'a>) -> Vec<&'a Pool> {
        let claims = self.resolver.owners.of(&resolved.desired.name);
        match (&resolved.case, claims) {
            (Resolution::Blocked(_), _) | (_, None) => Vec::new(),
            (
                Resolution::Create { .. } | Resolution::Keep { .. } | Resolution::Replace(_),
                Some(claims),
            ) => {
                let retired = claims.retired.iter().copied();
                retired.filter(|it| !resolved.uses(it)).collect()
            }
        }
    }
}

/// Deletes what interrupted creates and replaces have left beside the declared pools.
pub(super) fn leftovers(context: &PlanContext<'_>) -> Vec<Step> {
    if !context.is_whole() {
        return Vec::new();
    }
    let of = |it: &ResolvedPool<'_>| -> Vec<Step> {
        let leftovers = it.leftovers.iter();
        leftovers.map(|left| remove_leftover(context, &it.desired.name, left)).collect()
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
                steps.extend(outlived.map(|it| finish(context, name, it, consent)));
            }
            None => steps.extend(undeclared(context, name, claims)),
        }
        steps
            .extend(claims.conflicting_others.iter().map(|it| Blocker::conflicting(it).step(name)));
    }
    steps
}

/// A retired pool is deleted without new consent if the pool that replaced it is in force, or is
/// put in force by this plan.
fn consent_to_outlived(resolved: &ResolvedPool<'_>) -> Consent {
    match &resolved.case {
        Resolution::Replace(it) if it.begun == ReplaceProgress::SuccessorMissing => {
            Consent::Destroy
        }
        Resolution::Replace(_)
        | Resolution::Keep { .. }
        | Resolution::Create { .. }
        | Resolution::Blocked(_) => Consent::None,
    }
}

fn undeclared(context: &PlanContext<'_>, name: &PoolName, claims: &Claims<'_>) -> Vec<Step> {
    let is_taken_over = |it: &&Pool| context.resolver.adoptions.want(&it.id);
    let in_force = in_force(claims, &context.resolver.index);
    let has_successor = matches!(&in_force, Ok((Some(_), _)));
    let consent = if has_successor { Consent::None } else { Consent::Destroy };
    let mut steps: Vec<Step> = Vec::new();
    if !claims.owned.iter().chain(&claims.conflicting).any(is_taken_over) {
        match in_force {
            Ok((live, leftovers)) => {
                let leftovers = leftovers.into_iter();
                steps.extend(leftovers.map(|it| remove_leftover(context, name, it)));
                steps.extend(live.map(|it| delete(context, name, it)));
            }
            Err(blocker) => steps.push(blocker.step(name)),
        }
    }
    let replacements = claims.replacements.iter();
    steps.extend(replacements.map(|it| remove_leftover(context, name, it)));
    steps.extend(claims.retired.iter().map(|it| finish(context, name, it, consent)));
    steps
}

fn delete(context: &PlanContext<'_>, name: &PoolName, pool: &Pool) -> Step {
    match context.protection(name) {
        None => Step {
            work: Operation::Retire { id: pool.id.clone(), is_retired: false },
            ..retire(context, name, (pool, Consent::Destroy), "not declared any more")
        },
        Some(glob) => {
            let reason = format!(
                "not declared any more, but `policy.protected_pools` contains {}",
                code(glob)
            );
            Blocker::new(reason).at(pool).help("declare it again, or change the policy").step(name)
        }
    }
}

/// Finishes a replace that was begun.
fn finish(context: &PlanContext<'_>, name: &PoolName, pool: &Pool, consent: Consent) -> Step {
    let reason = match consent {
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
        consequences: consequences::of_retiring(context.resolver.index.counts(&pool.id)),
        consent,
        ..step(name, reason.to_owned())
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
        ..step(
            name,
            "left over from an interrupted create: disabled and without runners".to_owned(),
        )
    }
}
