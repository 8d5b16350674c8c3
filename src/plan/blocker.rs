//! Why a step is blocked, and what to do about it.

use super::step::{Action, Consent, FieldChange, Operation, Resource, Step};
use crate::domain::name::PoolName;
use crate::domain::pool::Pool;
use crate::domain::text::{LISTED_MAX, code, list};

/// Why a pool is left as it is.
#[derive(Debug, Clone)]
pub(super) struct Blocker<'a> {
    pool: Option<&'a Pool>,
    reason: String,
    help: Option<String>,
    changes: Vec<FieldChange>,
}

impl<'a> Blocker<'a> {
    /// `reason` is one sentence without a full stop.
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { pool: None, reason: reason.into(), help: None, changes: Vec::new() }
    }

    /// One pool has several reserved labels.
    pub(super) fn conflicting(pool: &'a Pool) -> Self {
        let marks = pool.marks();
        let labels = list(marks.iter().map(|mark| code(mark.to_string())), LISTED_MAX);
        Self::new(format!("one pool has the labels {labels}"))
            .at(pool)
            .help("remove all but one of these labels")
    }

    /// Several pools have the same name.
    pub(super) fn twins(pools: &[&'a Pool]) -> Self {
        let ids = list(pools.iter().map(|pool| code(pool.id.as_str())), LISTED_MAX);
        let reason = format!("{} pools have the same label of this fleet: {ids}", pools.len());
        let found =
            Self::new(reason).help("delete the unwanted ones, or remove the label from them");
        match pools.first() {
            Some(oldest) => found.at(oldest),
            None => found,
        }
    }

    /// Sets the pool that it is about.
    pub(super) fn at(self, pool: &'a Pool) -> Self {
        Self { pool: Some(pool), ..self }
    }

    /// Sets what to do about it.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Sets what would have been changed.
    pub(super) fn changes(self, changes: Vec<FieldChange>) -> Self {
        Self { changes, ..self }
    }

    pub(super) fn step(self, name: &PoolName) -> Step {
        Step {
            action: Action::Blocked,
            about: Resource::Pool(name.clone()),
            pool_id: self.pool.map(|pool| pool.id.clone()),
            changes: self.changes,
            reason: self.reason,
            consequences: Vec::new(),
            policy: None,
            help: self.help,
            consent: Consent::None,
            work: Operation::Nothing,
        }
    }
}
