//! What goes: pools that are not declared any more, pools that a replace has retired, and the
//! later of two pools that one interrupted create left behind.

use std::collections::BTreeSet;

use super::make::{Desk, step};
use super::obstacle::Obstacle;
use super::owners::Claims;
use super::settle::in_force;
use super::{Action, Consent, Step, Work, follow};
use crate::domain::desired::Scope;
use crate::domain::name::PoolName;
use crate::domain::pool::Pool;
use crate::domain::text::code;

/// How far a name of the fleet is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is declared and wanted.
    Declared,
    /// It is not declared in the whole of the fleet: it goes.
    Undeclared,
    /// Only a part of the fleet is looked at, and it is outside.
    Outside,
}

impl Desk<'_> {
    /// How far `name` is looked at.
    pub(super) fn place(&self, name: &PoolName, looked_at: &BTreeSet<&PoolName>) -> Place {
        let whole = self.picture.desired.scope == Scope::Whole && self.options.target.is_empty();
        if looked_at.contains(name) {
            Place::Declared
        } else if whole {
            Place::Undeclared
        } else {
            Place::Outside
        }
    }

    /// The declared names that are looked at.
    pub(super) fn looked_at(&self) -> BTreeSet<&PoolName> {
        self.settled.iter().map(|it| &it.desired.name).collect()
    }
}

/// Later twins of the declared pools that are looked at.
pub(super) fn twins(desk: &Desk<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for settled in &desk.settled {
        steps.extend(settled.twins.iter().map(|it| remove_twin(&settled.desired.name, it)));
    }
    steps
}

/// Everything that goes, by name.
pub(super) fn leftovers(desk: &Desk<'_>) -> Vec<Step> {
    let looked_at = desk.looked_at();
    let mut steps = Vec::new();
    for (name, claims) in &desk.picture.owners.named {
        match desk.place(name, &looked_at) {
            Place::Outside => continue,
            Place::Declared => {}
            Place::Undeclared => steps.extend(undeclared(desk, name, claims)),
        }
        steps.extend(claims.retired.iter().map(|it| finish(desk, name, it)));
        steps.extend(claims.torn_retired.iter().map(|it| Obstacle::torn(it).step(name)));
    }
    steps
}

fn undeclared(desk: &Desk<'_>, name: &PoolName, claims: &Claims<'_>) -> Vec<Step> {
    let is_taken_over = |it: &&Pool| desk.picture.adoptions.want(&it.id);
    if claims.owned.iter().chain(&claims.torn).any(is_taken_over) {
        return Vec::new();
    }
    let (live, twins) = match in_force(claims, &desk.picture.index) {
        Ok(found) => found,
        Err(obstacle) => return vec![obstacle.step(name)],
    };
    let mut steps: Vec<Step> = twins.into_iter().map(|it| remove_twin(name, it)).collect();
    steps.extend(live.map(|pool| match desk.protection(name) {
        None => retire(desk, name, pool, Consent::Destroy),
        Some(glob) => {
            let reason =
                format!("not declared any more, but `policy.protected_pools` has {}", code(glob));
            Obstacle::new(reason).at(pool).help("declare it again, or change the policy").step(name)
        }
    }));
    steps
}

/// The rest of a replace that was begun: it was consented to then.
fn finish(desk: &Desk<'_>, name: &PoolName, pool: &Pool) -> Step {
    match desk.protection(name) {
        None => retire(desk, name, pool, Consent::None),
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

fn retire(desk: &Desk<'_>, name: &PoolName, pool: &Pool, consent: Consent) -> Step {
    let reason = match consent {
        Consent::Destroy => "not declared any more",
        Consent::None => "retired by a replace that was begun before",
    };
    Step {
        action: Action::Delete,
        pool_id: Some(pool.id.clone()),
        consequences: follow::of_retiring(desk.picture.index.counts(&pool.id)),
        consent,
        work: Work::Retire { id: pool.id.clone() },
        ..step(name, reason.to_owned())
    }
}

fn remove_twin(name: &PoolName, twin: &Pool) -> Step {
    Step {
        action: Action::Delete,
        pool_id: Some(twin.id.clone()),
        work: Work::RemoveTwin { id: twin.id.clone() },
        ..step(name, "the later of two pools with one label, empty and disabled: a create that was interrupted".to_owned())
    }
}
