//! What a pool must be at the last moment before it is written to.

use crate::domain::label::Mark;
use crate::domain::name::{FleetName, PoolName};
use crate::domain::pool::Pool;
use crate::domain::text;

/// Whose the pool must be.
#[derive(Debug, Clone)]
pub(super) enum Owner {
    /// It bears this reserved label and no other.
    Exactly(Mark),
    /// It is to bear this label: it bears none, or one of the same fleet that is in force.
    Adoptable(Mark),
    /// It bears the label of this pool in force or its label as a retired one, and no other.
    Leaving {
        /// In force.
        owned: Mark,
        /// Retired.
        retired: Mark,
    },
}

/// In what state it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Any.
    Any,
    /// Disabled and at level 0, as a create leaves it before its last write.
    Fresh,
    /// Enabled.
    Enabled,
}

/// The condition of a write.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// Whose.
    pub(super) owner: Owner,
    /// In what state.
    pub(super) form: Form,
}

impl Guard {
    /// In force under this name.
    pub(super) fn owned(fleet: &FleetName, pool: &PoolName) -> Self {
        Self { owner: Owner::Exactly(Mark::owned(fleet, pool)), form: Form::Any }
    }

    /// As a create left it, in force under this name.
    pub(super) fn fresh(fleet: &FleetName, pool: &PoolName) -> Self {
        Self { owner: Owner::Exactly(Mark::owned(fleet, pool)), form: Form::Fresh }
    }

    /// In force under this name and at work.
    pub(super) fn steered(fleet: &FleetName, pool: &PoolName) -> Self {
        Self { owner: Owner::Exactly(Mark::owned(fleet, pool)), form: Form::Enabled }
    }

    /// Retired under this name.
    pub(super) fn retired(fleet: &FleetName, pool: &PoolName) -> Self {
        Self { owner: Owner::Exactly(Mark::retired(fleet, pool)), form: Form::Any }
    }

    /// To be adopted under this name.
    pub(super) fn adoptable(fleet: &FleetName, pool: &PoolName) -> Self {
        Self { owner: Owner::Adoptable(Mark::owned(fleet, pool)), form: Form::Any }
    }

    /// To be deleted, under this name.
    pub(super) fn leaving(fleet: &FleetName, pool: &PoolName) -> Self {
        let owner =
            Owner::Leaving { owned: Mark::owned(fleet, pool), retired: Mark::retired(fleet, pool) };
        Self { owner, form: Form::Any }
    }

    /// The same guard, narrowed to the mark that the pool bears now: a retired pool that comes
    /// into force again is not to be deleted.
    pub(super) fn narrowed(&self, pool: &Pool) -> Self {
        match (&self.owner, pool.spec.labels.marks().as_slice()) {
            (Owner::Leaving { .. }, [mark]) => {
                Self { owner: Owner::Exactly(mark.clone()), form: self.form }
            }
            (Owner::Leaving { .. } | Owner::Exactly(_) | Owner::Adoptable(_), _) => self.clone(),
        }
    }

    /// Errors with what the pool is instead, one sentence without full stop.
    pub(super) fn check(&self, pool: &Pool) -> Result<(), String> {
        let marks = pool.spec.labels.marks();
        let is_owner = match &self.owner {
            Owner::Exactly(mark) => marks == [mark.clone()],
            Owner::Adoptable(mark) => match marks.as_slice() {
                [] => true,
                [Mark::Owned { fleet, .. }] => fleet == mark.fleet(),
                [_, ..] => false,
            },
            Owner::Leaving { owned, retired } => {
                marks == [owned.clone()] || marks == [retired.clone()]
            }
        };
        if !is_owner {
            return Err(match marks.as_slice() {
                [] => "the pool does not bear this fleet's label any more".to_owned(),
                marks => {
                    let said: Vec<String> = marks
                        .iter()
                        .map(|it| format!("`{}`", text::quote(&it.to_string())))
                        .collect();
                    format!("the pool now bears {}", said.join(" and "))
                }
            });
        }
        match self.form {
            Form::Fresh if !is_fresh(pool) => {
                Err("the pool is in use by now: it is enabled or keeps runners".to_owned())
            }
            Form::Enabled if !pool.spec.enabled => {
                Err("the pool is switched off by now".to_owned())
            }
            Form::Any | Form::Fresh | Form::Enabled => Ok(()),
        }
    }
}

/// Disabled and at level 0.
pub(super) fn is_fresh(pool: &Pool) -> bool {
    !pool.spec.enabled && pool.spec.min_idle_runners == 0
}
