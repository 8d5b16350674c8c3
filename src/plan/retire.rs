//! What goes: pools that are not declared any more, pools that a replace has retired, and what an
//! interrupted create or replace has left behind.

use super::make::{Desk, step};
use super::obstacle::Obstacle;
use super::resolve::{Begun, Case, Settled, in_force};
use super::{Action, Consent, Step, Work, consequences};
use crate::domain::desired::Scope;
use crate::domain::label::Mark;
use crate::domain::name::PoolName;
use crate::domain::owners::{Claims, is_switched_off};
use crate::domain::pool::Pool;
use crate::domain::text::code;

impl<'a> Desk<'a> {
    /// Whether all of the fleet is looked at. In a part of it nothing is deleted.
    pub(super) fn is_whole(&self) -> bool {
        self.picture.desired.scope == Scope::Whole && self.options.target.is_empty()
    }

    /// The declared pool of this name, if it is looked at.
    pub(super) fn looked_at(&self, name: &PoolName) -> Option<&Settled<'a>> {
        let found = self.settled.binary_search_by(|it| it.desired.name.cmp(name));
        found.ok().map(|at| &self.settled[at])
    }

    /// Retired pools of a declared name that no other step is about. None where the name is
    /// blocked: nothing is known to take their place.
    pub(super) fn outlived(&self, settled: &Settled<'a>) -> Vec<&'a Pool> {
        let claims = self.picture.owners.of(&settled.desired.name);
        match (&settled.case, claims) {
            (Case::Blocked(_), _) | (_, None) => Vec::new(),
            (Case::Create { .. } | Case::Keep { .. } | Case::Replace(_), Some(claims)) => {
                let retired = claims.retired.iter().copied();
                retired.filter(|it| !settled.uses(it)).collect()
            }
        }
    }
}

/// What interrupted creates and replaces have left beside the declared pools.
pub(super) fn leftovers(desk: &Desk<'_>) -> Vec<Step> {
    if !desk.is_whole() {
        return Vec::new();
    }
    let of = |it: &Settled<'_>| -> Vec<Step> {
        let leftovers = it.leftovers.iter();
        leftovers.map(|left| remove_leftover(desk, &it.desired.name, left)).collect()
    };
    desk.settled.iter().flat_map(of).collect()
}

/// Everything that goes after what comes, by name.
pub(super) fn leaving(desk: &Desk<'_>) -> Vec<Step> {
    if !desk.is_whole() {
        return Vec::new();
    }
    let mut steps = Vec::new();
    for (name, claims) in &desk.picture.owners.named {
        match desk.looked_at(name) {
            Some(settled) => {
                let consent = consent_to_outlived(settled);
                let outlived = desk.outlived(settled).into_iter();
                steps.extend(outlived.map(|it| finish(desk, name, it, consent)));
            }
            None => steps.extend(undeclared(desk, name, claims)),
        }
        steps.extend(claims.torn_others.iter().map(|it| Obstacle::torn(it).step(name)));
    }
    steps
}

/// A retired pool goes without being asked for again when the pool that replaced it is in force, or
/// is put in force by this plan.
fn consent_to_outlived(settled: &Settled<'_>) -> Consent {
    match &settled.case {
        Case::Replace(it) if it.begun == Begun::Otherwise => Consent::Destroy,
        Case::Replace(_) | Case::Keep { .. } | Case::Create { .. } | Case::Blocked(_) => {
            Consent::None
        }
    }
}

fn undeclared(desk: &Desk<'_>, name: &PoolName, claims: &Claims<'_>) -> Vec<Step> {
    let is_taken_over = |it: &&Pool| desk.picture.adoptions.want(&it.id);
    let in_force = in_force(claims, &desk.picture.index);
    let has_successor = matches!(&in_force, Ok((Some(_), _)));
    let consent = if has_successor { Consent::None } else { Consent::Destroy };
    let mut steps: Vec<Step> = Vec::new();
    if !claims.owned.iter().chain(&claims.torn).any(is_taken_over) {
        match in_force {
            Ok((live, leftovers)) => {
                let leftovers = leftovers.into_iter();
                steps.extend(leftovers.map(|it| remove_leftover(desk, name, it)));
                steps.extend(live.map(|it| delete(desk, name, it)));
            }
            Err(obstacle) => steps.push(obstacle.step(name)),
        }
    }
    let replacements = claims.replacements.iter();
    steps.extend(replacements.map(|it| remove_leftover(desk, name, it)));
    steps.extend(claims.retired.iter().map(|it| finish(desk, name, it, consent)));
    steps
}

fn delete(desk: &Desk<'_>, name: &PoolName, pool: &Pool) -> Step {
    match desk.protection(name) {
        None => Step {
            work: Work::Retire { id: pool.id.clone(), is_retired: false },
            ..retire(desk, name, (pool, Consent::Destroy), "not declared any more")
        },
        Some(glob) => {
            let reason =
                format!("not declared any more, but `policy.protected_pools` has {}", code(glob));
            Obstacle::new(reason).at(pool).help("declare it again, or change the policy").step(name)
        }
    }
}

/// The rest of a replace that was begun.
fn finish(desk: &Desk<'_>, name: &PoolName, pool: &Pool, consent: Consent) -> Step {
    let reason = match consent {
        Consent::None => "retired by a replace that was begun before",
        Consent::Destroy => "retired by a replace, and no pool has taken its place",
    };
    match desk.protection(name) {
        None => Step {
            work: Work::Retire { id: pool.id.clone(), is_retired: true },
            ..retire(desk, name, (pool, consent), reason)
        },
        Some(glob) => {
            let reason =
                format!("retired by a replace, but `policy.protected_pools` has {}", code(glob));
            Obstacle::new(reason)
                .at(pool)
                .help("delete it by hand, or change the policy")
                .step(name)
        }
    }
}

fn retire(
    desk: &Desk<'_>,
    name: &PoolName,
    (pool, consent): (&Pool, Consent),
    reason: &str,
) -> Step {
    Step {
        action: Action::Delete,
        pool_id: Some(pool.id.clone()),
        consequences: consequences::of_retiring(desk.picture.index.counts(&pool.id)),
        consent,
        ..step(name, reason.to_owned())
    }
}

/// One that has come into use is left alone: only somebody who knows why can say what it is for.
fn remove_leftover(desk: &Desk<'_>, name: &PoolName, left: &Pool) -> Step {
    let is_unused = is_switched_off(left) && desk.picture.index.counts(&left.id).live == 0;
    if !is_unused {
        let mark = Mark::replacement(&desk.picture.desired.fleet, name).to_string();
        let reason = format!("a pool with {} is in use, and no replace needs it", code(mark));
        return Obstacle::new(reason)
            .at(left)
            .help("delete it, or take the label off it")
            .step(name);
    }
    Step {
        action: Action::Delete,
        pool_id: Some(left.id.clone()),
        work: Work::RemoveLeftover { id: left.id.clone() },
        ..step(
            name,
            "left by a create that was interrupted: disabled and without runners".to_owned(),
        )
    }
}
