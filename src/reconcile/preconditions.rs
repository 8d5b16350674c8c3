//! The conditions that a pool must meet immediately before it is written to.

use crate::domain::label::OwnerMark;
use crate::domain::name::{FleetName, PoolName};
use crate::domain::owners::is_switched_off;
use crate::domain::pool::Pool;
use crate::domain::text;

/// The owner that the pool must have.
#[derive(Debug, Clone)]
pub(super) enum OwnerRule {
    /// It bears exactly one reserved label, which is one of these.
    OneOf(Vec<OwnerMark>),
    /// It is to be given this label: it bears none, or one of the same fleet that is in force.
    Adoptable(OwnerMark),
}

/// The state that the pool must be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StateRule {
    Any,
    /// Disabled and at level 0, as a create leaves it before its last write. The caller checks that
    /// it has no runners.
    Unused,
    /// The pool must be enabled.
    Enabled,
}

/// The precondition of a write.
#[derive(Debug, Clone)]
pub(super) struct Precondition {
    /// The owner that the pool must have.
    pub(super) owner: OwnerRule,
    /// The state that the pool must be in.
    pub(super) form: StateRule,
}

impl Precondition {
    fn of(marks: impl Into<Vec<OwnerMark>>) -> Self {
        Self { owner: OwnerRule::OneOf(marks.into()), form: StateRule::Any }
    }

    /// A pool that is in force under this name.
    pub(super) fn owned(fleet: &FleetName, pool: &PoolName) -> Self {
        Self::of([OwnerMark::owned(fleet, pool)])
    }

    /// A pool that a create or replace has left under this name before its last write.
    pub(super) fn unused(fleet: &FleetName, pool: &PoolName) -> Self {
        let marks = [OwnerMark::owned(fleet, pool), OwnerMark::replacement(fleet, pool)];
        Self { form: StateRule::Unused, ..Self::of(marks) }
    }

    /// An enabled pool that is in force under this name.
    pub(super) fn scaled(fleet: &FleetName, pool: &PoolName) -> Self {
        Self { form: StateRule::Enabled, ..Self::owned(fleet, pool) }
    }

    /// A pool that is retired under this name.
    pub(super) fn retired(fleet: &FleetName, pool: &PoolName) -> Self {
        Self::of([OwnerMark::retired(fleet, pool)])
    }

    /// A pool that may be adopted under this name.
    pub(super) fn adoptable(fleet: &FleetName, pool: &PoolName) -> Self {
        Self { owner: OwnerRule::Adoptable(OwnerMark::owned(fleet, pool)), form: StateRule::Any }
    }

    /// A pool that is to be put in force under this name, or that another run has put in force.
    pub(super) fn promotable(fleet: &FleetName, pool: &PoolName) -> Self {
        Self::of(
            [OwnerMark::replacement, OwnerMark::retired, OwnerMark::owned]
                .map(|mark| mark(fleet, pool)),
        )
    }

    /// A pool that is to be deleted under this name.
    pub(super) fn leaving(fleet: &FleetName, pool: &PoolName) -> Self {
        Self::of([OwnerMark::owned, OwnerMark::retired].map(|mark| mark(fleet, pool)))
    }

    /// The same precondition, limited to the mark that the pool bears now: a retired pool that is
    /// put in force again must not be deleted.
    pub(super) fn narrowed(&self, pool: &Pool) -> Self {
        match (&self.owner, self.marks_of(pool).as_slice()) {
            (OwnerRule::OneOf(marks), [mark]) if marks.contains(mark) => {
                Self { owner: OwnerRule::OneOf(vec![mark.clone()]), form: self.form }
            }
            (OwnerRule::OneOf(_) | OwnerRule::Adoptable(_), _) => self.clone(),
        }
    }

    /// The same precondition for a pool that has been switched off and must stay so.
    pub(super) fn unused_now(self) -> Self {
        Self { form: StateRule::Unused, ..self }
    }

    /// The reserved labels that count. A scale set without any is here because a file adopts it by its
    /// id: it counts as the owner's, or as retired once it is being drained.
    fn marks_of(&self, pool: &Pool) -> Vec<OwnerMark> {
        let OwnerRule::OneOf(allowed) = &self.owner else { return pool.marks() };
        if !pool.is_unmarked_scale_set() {
            return pool.marks();
        }
        let fits = |mark: &&OwnerMark| match mark {
            OwnerMark::Owned { .. } => !pool.is_retired(),
            OwnerMark::Retired { .. } => pool.is_retired(),
            OwnerMark::Replacement { .. } => false,
        };
        allowed.iter().find(fits).cloned().into_iter().collect()
    }

    /// Checks the pool; the error says what it is instead, in one sentence without a full stop.
    pub(super) fn check(&self, pool: &Pool) -> Result<(), String> {
        let marks = self.marks_of(pool);
        let is_owner = match &self.owner {
            OwnerRule::OneOf(allowed) => {
                matches!(marks.as_slice(), [mark] if allowed.contains(mark))
            }
            OwnerRule::Adoptable(mark) => match marks.as_slice() {
                [] => true,
                [OwnerMark::Owned { fleet, .. }] => fleet == mark.fleet(),
                [_, ..] => false,
            },
        };
        if !is_owner {
            return Err(match marks.as_slice() {
                [] => "the pool no longer bears this fleet's label".to_owned(),
                marks => {
                    let said: Vec<String> = marks
                        .iter()
                        .map(|mark| format!("`{}`", text::quote(&mark.to_string())))
                        .collect();
                    format!("the pool now bears {}", said.join(" and "))
                }
            });
        }
        match self.form {
            StateRule::Unused if !is_switched_off(pool) => {
                Err("the pool is in use now: it is enabled or has a level".to_owned())
            }
            StateRule::Enabled if !pool.spec.enabled => Err("the pool is disabled now".to_owned()),
            StateRule::Any | StateRule::Unused | StateRule::Enabled => Ok(()),
        }
    }
}
