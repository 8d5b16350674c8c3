//! Desired × fleet → plan: what would be done, why, and what follows from it.
//!
//! Decides every step and its order. Never asks anything, never fails: what cannot be done is a
//! blocked step with its reason. A plan is data; carrying it out leaves no choice open.

mod adopt;
mod blocker;
pub mod consent;
mod consequences;
mod controller;
mod credentials;
mod diff;
mod drift;
mod index;
mod level;
mod make;
mod notes;
mod policy_text;
mod resolve;
mod retire;
mod runner_kit;
pub mod saved;
mod specs;
mod stranded;
mod systems;
#[cfg(test)]
pub(crate) mod tests;
mod wanted_spec;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

pub use self::drift::drifts;
pub use self::make::plan;
pub use self::resolve::has_create_in_flight;
pub use self::specs::are_same as are_same_specs;

use crate::domain::credential::DesiredCredential;
use crate::domain::desired::Desired;
use crate::domain::entity::EntityKey;
use crate::domain::label::Labels;
use crate::domain::name::{FleetName, PoolId, PoolName};
use crate::domain::pool::{PoolChange, PoolSpec};
use crate::policy::kit::Kit;

/// What a step does to one pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// A pool, or credentials, declared and not there.
    Create,
    /// Fields that GARM changes in place.
    Update,
    /// A pool made by hand, or one of ours under an old name, gets this fleet's label.
    Adopt,
    /// Provider or entity differ: a new pool, and the old one is drained and deleted.
    Replace,
    /// A pool of ours that is not declared any more, or one that a replace has retired.
    Delete,
    /// What would be needed cannot be done, or must not be guessed.
    Blocked,
}

impl Action {
    /// Every action, in the order of the closing line.
    pub const ALL: [Self; 6] =
        [Self::Create, Self::Update, Self::Adopt, Self::Replace, Self::Delete, Self::Blocked];

    /// The word of output and JSON.
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

/// What a step is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// GARM's own settings.
    Controller,
    /// GARM's credentials of this name.
    Credential(String),
    /// A pool.
    Pool(PoolName),
}

impl Resource {
    /// The pool, if it is about one.
    pub fn pool(&self) -> Option<&PoolName> {
        match self {
            Self::Pool(pool) => Some(pool),
            Self::Controller | Self::Credential(_) => None,
        }
    }

    /// The credentials, if it is about some.
    pub fn credential(&self) -> Option<&str> {
        match self {
            Self::Credential(name) => Some(name),
            Self::Controller | Self::Pool(_) => None,
        }
    }
}

/// One side of a change, as it may be shown.
#[derive(Debug, Clone, PartialEq)]
pub enum ShownValue {
    /// Not there.
    Absent,
    /// As it is.
    Value(Value),
    /// The level (`min_idle_runners`) of a pool that `watch` steers: it moves by itself, so a saved
    /// plan remembers only that it is raised.
    Level(u32),
    /// Not to be shown: only its size and its digest leave this program.
    Hidden {
        /// Bytes of its JSON.
        bytes: usize,
        /// First 16 hex digits of the SHA-256 of its canonical JSON: two plans can be compared.
        digest: String,
    },
    /// The runner kit, which holds a private key.
    Kit {
        /// First 16 hex digits of the SHA-256 of all of it. Nobody guesses a key from that.
        digest: String,
    },
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldChange {
    /// The field in the words of the manifests; `extra_specs.KEY` for one key of the map.
    pub field: String,
    /// In GARM now.
    pub before: ShownValue,
    /// After the step.
    pub after: ShownValue,
}

/// What leave a step needs beyond the plan's own consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// None: it takes nothing away, or was consented to when it began.
    None,
    /// `--allow-destroy`, or the word `destroy` at the terminal.
    Destroy,
}

/// A pool to be created: everything is resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Creation {
    /// Where.
    pub entity: EntityKey,
    /// As it shall stand at the end, mark included. It is created disabled and at level 0 first.
    pub spec: PoolSpec,
}

/// A pool that is put in force under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Promotion {
    /// Which pool.
    pub id: PoolId,
    /// What makes it as declared, the label among it.
    pub change: PoolChange,
    /// Whether a replace had retired it, so that it may have runners; else one has created it.
    pub is_retired: bool,
}

/// The writes of a step, resolved to the last value.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Nothing: blocked.
    Nothing,
    /// `PUT /controller`.
    Controller {
        /// `minimum_job_age_backoff`, in seconds.
        backoff_s: u64,
    },
    /// `POST /github/credentials`, or `PUT` where GARM has them. The private key is not here: it
    /// is given to whoever carries the plan out, and must have this fingerprint.
    Credential {
        /// GARM's id; absent where they are new.
        id: Option<u64>,
        /// As they shall be.
        wanted: DesiredCredential,
    },
    /// A new pool.
    Create(Creation),
    /// `PUT /pools/ID` with just these fields. Serves update and adopt.
    Change {
        /// Which pool.
        id: PoolId,
        /// What.
        change: PoolChange,
    },
    /// `PUT /pools/ID` that puts a pool in force which a replace has created or retired.
    Promote(Promotion),
    /// Create the new pool under a label of its own, retire the label of the old one, put the new
    /// one in force, drain and delete the old one.
    Replace {
        /// The pool that goes.
        old: PoolId,
        /// Its labels once it is retired.
        retired_labels: Labels,
        /// The pool that comes.
        new: Creation,
        /// The pool that comes, where it is there already: it is not created then.
        successor: Option<Box<Promotion>>,
    },
    /// Disable, remove idle runners, wait for busy ones, delete.
    Retire {
        /// The pool that goes.
        id: PoolId,
        /// Whether a replace had retired it when the plan was made: then it must still be.
        is_retired: bool,
    },
    /// Delete a pool that an interrupted create or replace has left: disabled, empty and at level
    /// 0. If it is anything else by then, it is left alone.
    RemoveLeftover {
        /// Which pool.
        id: PoolId,
    },
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What it does.
    pub action: Action,
    /// To what.
    pub about: Resource,
    /// GARM's id of the pool that is there, if one is.
    pub pool_id: Option<PoolId>,
    /// The fields that differ.
    pub changes: Vec<FieldChange>,
    /// Why, as one sentence without full stop.
    pub reason: String,
    /// What follows from it, each one sentence without full stop.
    pub consequences: Vec<String>,
    /// What the pool's numbers mean, where the step creates it or changes its policy.
    pub policy: Option<String>,
    /// What to do about a blocked step, as one sentence without full stop.
    pub help: Option<String>,
    /// What leave it needs.
    pub consent: Consent,
    /// The writes.
    pub work: Operation,
}

impl Step {
    /// One with nothing in it yet.
    fn bare(action: Action, about: Resource, reason: String) -> Self {
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
}

/// How much a note asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteSeverity {
    /// The declared numbers will not act as they say, until a person does something.
    Warning,
    /// Good to know.
    Remark,
}

/// Something that is not a step and that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How much it asks for.
    pub weight: NoteSeverity,
    /// The pool it is about, if it is about exactly one.
    pub pool: Option<PoolName>,
    /// One sentence without full stop.
    pub text: String,
    /// What to do about it, as one sentence without full stop.
    pub help: Option<String>,
}

/// What would be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Whose plan.
    pub fleet: FleetName,
    /// For which GARM.
    pub controller_id: String,
    /// When the fleet was read, on GARM's clock.
    pub observed_at: Timestamp,
    /// The steps, in the order in which they are begun.
    pub steps: Vec<Step>,
    /// What is left alone, and why.
    pub notes: Vec<Note>,
    /// How many pools the manifests declare, whatever was looked at.
    pub declared: usize,
    /// How many pools in force bear this fleet's label; retired ones are not counted.
    pub owned: usize,
}

/// What a caller chooses besides the manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanOptions {
    /// Only these declared pools are looked at, and nothing is deleted; all of them when empty.
    pub target: Vec<PoolName>,
    /// `policy.protected_pools`: globs of the names that are never deleted or replaced.
    pub protected: Vec<String>,
    /// `policy.extra_specs.show`: keys of `extra_specs` whose scalar values may be shown.
    pub show_keys: Vec<String>,
    /// What every pool's runners get besides their pool's own `extra_specs`.
    pub kit: RunnerKit,
}

/// The runner kit, as far as a caller knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RunnerKit {
    /// There is none: one that stands in GARM is to go.
    #[default]
    None,
    /// There is one, and the caller has not read its key: one that stands in GARM is right.
    Unread,
    /// This one.
    Ready(Kit),
}

impl PlanOptions {
    /// The targets that no manifest declares: an error in the input, before anything is planned.
    pub fn undeclared_targets(&self, desired: &Desired) -> Vec<&PoolName> {
        let declared: BTreeSet<&PoolName> = desired.pools.iter().map(|it| &it.name).collect();
        self.target.iter().filter(|it| !declared.contains(it)).collect()
    }
}

/// How many steps of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Pools and credentials to create.
    pub create: usize,
    /// Pools, credentials and controller to update.
    pub update: usize,
    /// Pools to adopt.
    pub adopt: usize,
    /// Pools to replace.
    pub replace: usize,
    /// Pools to delete.
    pub delete: usize,
    /// Steps that cannot be taken.
    pub blocked: usize,
}

impl Plan {
    /// How many steps of each kind.
    pub fn summary(&self) -> Summary {
        let count = |action| self.steps.iter().filter(|it| it.action == action).count();
        Summary {
            create: count(Action::Create),
            update: count(Action::Update),
            adopt: count(Action::Adopt),
            replace: count(Action::Replace),
            delete: count(Action::Delete),
            blocked: count(Action::Blocked),
        }
    }

    /// Whether there is nothing to do and nothing blocked.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}
