//! A plan and its steps, as data.

use jiff::Timestamp;
use serde_json::Value;

use super::diff;
use super::note::Note;
use crate::domain::credential::DesiredCredential;
use crate::domain::entity::EntityKey;
use crate::domain::label::Labels;
use crate::domain::name::{FleetName, PoolId, PoolKind, PoolName};
use crate::domain::pool::{PoolChange, PoolSpec};

#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub fleet: FleetName,
    /// The id of the GARM that it is for.
    pub controller_id: String,
    /// When the fleet was read, by GARM's clock.
    pub observed_at: Timestamp,
    /// The steps, in the order in which they are begun.
    pub steps: Vec<Step>,
    /// Information that is not a step, such as what is left alone.
    pub notes: Vec<Note>,
    /// How many pools the files declare, including those that the plan leaves out.
    pub declared: usize,
    /// How many pools of this fleet are in force; retired ones do not count.
    pub owned: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Creates a pool or a credential that is declared but does not exist.
    Create,
    Update,
    /// Labels a pool that was created by hand, or that this fleet owns under another name, as this
    /// fleet's.
    Adopt,
    /// Creates a new pool, then drains and deletes the old one, because the provider, the entity or
    /// the kind differs; for a scale set the other way round.
    Replace,
    /// Deletes a pool of this fleet that is not declared any more, or that a replace has retired.
    Delete,
    /// Does nothing: what is needed is impossible, or would require a guess.
    Blocked,
}

impl Action {
    /// All actions, in the order of the summary line.
    pub const ALL: [Self; 6] =
        [Self::Create, Self::Update, Self::Adopt, Self::Replace, Self::Delete, Self::Blocked];

    /// The word used in output and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Adopt => "adopt",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Blocked => "blocked",
        }
    }
}

/// The resource that a step changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    Controller,
    Credential(String),
    Pool(PoolName),
}

impl Resource {
    pub fn pool(&self) -> Option<&PoolName> {
        match self {
            Self::Pool(pool) => Some(pool),
            Self::Controller | Self::Credential(_) => None,
        }
    }

    pub fn credential(&self) -> Option<&str> {
        match self {
            Self::Credential(name) => Some(name),
            Self::Controller | Self::Pool(_) => None,
        }
    }
}

/// One side of a change, reduced to what may be shown.
#[derive(Debug, Clone, PartialEq)]
pub enum ShownValue {
    Absent,
    Value(Value),
    /// The level (`min_idle_runners`) of a pool that `watch` controls: it changes between two runs,
    /// so a saved plan remembers only that it is raised.
    Level(u32),
    /// Must not be shown: only its size and its digest leave this program.
    Hidden {
        /// Size of its JSON, in bytes.
        bytes: usize,
        /// First 16 hex digits of the SHA-256 of its canonical JSON, so that two plans can be
        /// compared.
        digest: String,
    },
    /// The runner kit, which contains a private key.
    Kit {
        /// First 16 hex digits of the SHA-256 of the whole kit. A private key has too much entropy
        /// to be guessed from it.
        digest: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// The name of the field in the files; `extra_specs.KEY` for one key of that map.
    pub field: String,
    pub before: ShownValue,
    /// The value after the step.
    pub after: ShownValue,
}

/// Whether a step needs permission to delete in addition to the consent to the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// No: it deletes nothing, or finishes what was permitted before.
    None,
    /// Yes: `--allow-destroy`, or the word `destroy` at a terminal.
    Destroy,
}

/// A pool to create, completely specified.
#[derive(Debug, Clone, PartialEq)]
pub struct Creation {
    /// The entity to create it at.
    pub entity: EntityKey,
    /// The final state, including the owner mark. The pool is first created disabled and at level
    /// 0.
    pub spec: PoolSpec,
}

/// A pool to put in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Promotion {
    pub id: PoolId,
    /// The changes that make it as declared, including its label.
    pub change: PoolChange,
    /// Whether a replace had retired it, so that it may have runners; otherwise a replace created
    /// it.
    pub is_retired: bool,
}

/// The writes of a step, completely specified.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// No writes: the step is blocked.
    Nothing,
    /// No writes: the step is one of a saved plan, which is only shown. Holds [`Step::kind`].
    Shown(Option<PoolKind>),
    /// A change of GARM's settings: `PUT /controller`.
    Controller {
        /// The new `minimum_job_age_backoff`, in seconds.
        backoff_s: u64,
    },
    /// `POST /github/credentials`, or `PUT` if the credential exists. The private key is not in the
    /// plan: it is passed separately to the executor and must have this fingerprint.
    Credential {
        /// GARM's id; `None` for a new credential.
        id: Option<u64>,
        wanted: DesiredCredential,
    },
    Create(Creation),
    /// A `PUT` of the pool or scale set with just these fields, for updates and adoptions.
    Change {
        id: PoolId,
        change: PoolChange,
    },
    /// A `PUT` that puts in force a pool that a replace has created or retired.
    Promote(Promotion),
    /// Creates the new pool under a label of its own, retires the label of the old pool, puts the
    /// new pool in force, then drains and deletes the old one. One of the two may be a scale set.
    Replace {
        old: PoolId,
        /// The labels of the old pool once it is retired.
        retired_labels: Labels,
        new: Creation,
        /// The new pool if it already exists: then it is not created.
        successor: Option<Box<Promotion>>,
    },
    /// Drains and deletes a scale set, then creates the one that takes its name.
    Rebuild {
        old: PoolId,
        new: Creation,
        /// Whether it was being drained when the plan was made; if so, it must still be.
        is_retired: bool,
    },
    /// Disables the pool, removes idle runners, waits for busy ones, and deletes it.
    Retire {
        id: PoolId,
        /// Whether a replace had retired it when the plan was made; if so, it must still be
        /// retired.
        is_retired: bool,
    },
    /// Deletes a pool that an interrupted create or replace has left over: disabled, empty and at
    /// level 0. If it no longer is, it is left alone.
    RemoveLeftover {
        id: PoolId,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub action: Action,
    pub about: Resource,
    /// GARM's id of the existing pool, if there is one.
    pub pool_id: Option<PoolId>,
    pub changes: Vec<FieldChange>,
    /// The reason, as one sentence without a full stop.
    pub reason: String,
    /// The consequences, each one sentence without a full stop.
    pub consequences: Vec<String>,
    /// The pool's scaling policy in words, if the step creates the pool or changes its policy.
    pub policy: Option<String>,
    /// What to do about a blocked step, as one sentence without a full stop.
    pub help: Option<String>,
    pub consent: Consent,
    pub work: Operation,
}

impl Step {
    /// Whether the pool is a pool or a scale set after the step; `None` for a step about no pool, and
    /// for a blocked one about a pool that GARM does not have.
    pub fn kind(&self) -> Option<PoolKind> {
        self.about.pool()?;
        match &self.work {
            Operation::Create(new)
            | Operation::Replace { new, .. }
            | Operation::Rebuild { new, .. } => Some(new.spec.kind()),
            Operation::Shown(kind) => kind.or_else(|| self.pool_id.as_ref().map(PoolId::kind)),
            Operation::Nothing
            | Operation::Controller { .. }
            | Operation::Credential { .. }
            | Operation::Change { .. }
            | Operation::Promote(_)
            | Operation::Retire { .. }
            | Operation::RemoveLeftover { .. } => self.pool_id.as_ref().map(PoolId::kind),
        }
    }

    /// Whether it changes a field of an existing pool in a way that makes its runners outdated.
    pub fn outdates_runners(&self) -> bool {
        matches!(self.work, Operation::Change { .. } | Operation::Promote(_))
            && self.changes.iter().any(|change| diff::outdates(&change.field))
    }

    /// A step with nothing else set.
    pub(super) fn bare(action: Action, about: Resource, reason: String) -> Self {
        Self {
            action,
            about,
            pool_id: None,
            changes: Vec::new(),
            reason,
            consequences: Vec::new(),
            policy: None,
            help: None,
            consent: Consent::None,
            work: Operation::Nothing,
        }
    }
    /// A step for a pool with nothing else set, to be completed by the caller.
    pub(super) fn for_pool(pool: &PoolName, reason: String) -> Self {
        Self::bare(Action::Blocked, Resource::Pool(pool.clone()), reason)
    }
}

/// The number of steps of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Pools and credentials to create.
    pub create: usize,
    /// Pools, credentials and controller to update.
    pub update: usize,
    pub adopt: usize,
    pub replace: usize,
    pub delete: usize,
    /// Steps that cannot be taken.
    pub blocked: usize,
}

impl Plan {
    /// The number of steps of each kind.
    pub fn summary(&self) -> Summary {
        let count = |action| self.steps.iter().filter(|step| step.action == action).count();
        Summary {
            create: count(Action::Create),
            update: count(Action::Update),
            adopt: count(Action::Adopt),
            replace: count(Action::Replace),
            delete: count(Action::Delete),
            blocked: count(Action::Blocked),
        }
    }

    /// Whether there are no steps, not even blocked ones.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}
