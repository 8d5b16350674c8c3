//! What runners are registered with at GitHub: an organization, a repository or an enterprise.

use std::fmt;

use super::name::EntityId;

/// The three kinds of GARM's entities; each has its own list in GARM's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// `organization: acme`
    Organization,
    /// `repository: acme/app`
    Repository,
    /// `enterprise: acme`
    Enterprise,
}

impl EntityKind {
    /// Every kind, in the order in which they are asked for.
    pub const ALL: [Self; 3] = [Self::Organization, Self::Repository, Self::Enterprise];

    /// The word of manifests and output, which is also the manifest's key.
    pub fn word(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Repository => "repository",
            Self::Enterprise => "enterprise",
        }
    }
}

/// An entity as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntityRef {
    /// Which kind.
    pub kind: EntityKind,
    /// `acme`, or `acme/app` for a repository.
    pub name: String,
    /// GARM's name of the GitHub endpoint; needed only where two endpoints have the same name.
    pub endpoint: Option<String>,
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.word(), self.name)?;
        match &self.endpoint {
            Some(endpoint) => write!(f, " at {endpoint}"),
            None => Ok(()),
        }
    }
}

/// Which entity a pool, a job or an instance belongs to, in GARM's own terms.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey {
    /// Which kind.
    pub kind: EntityKind,
    /// GARM's id.
    pub id: EntityId,
}

/// An entity as GARM lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Kind and id.
    pub key: EntityKey,
    /// `acme`, or `acme/app` for a repository.
    pub name: String,
    /// GARM's name of the GitHub endpoint.
    pub endpoint: String,
    /// Name of the GitHub credentials in GARM.
    pub credentials: String,
    /// Whether GARM's loops for this entity run.
    pub manager: PoolManager,
    /// The kind of server it is at: `github` or `gitea`; empty if GARM did not say.
    pub forge: String,
    /// GARM's agent mode: runners keep a channel to GARM.
    pub agent_mode: bool,
}

impl Entity {
    /// Whether a manifest that says `wanted` means this entity. GitHub folds case in these names.
    pub fn is(&self, wanted: &EntityRef) -> bool {
        self.key.kind == wanted.kind
            && self.name.eq_ignore_ascii_case(&wanted.name)
            && wanted.endpoint.as_ref().is_none_or(|it| *it == self.endpoint)
    }
}

/// The state of an entity's pool manager, GARM's worker for it (GARM.md §j).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolManager {
    /// It works.
    Running,
    /// It does not: nothing is created or removed, whatever the API answers.
    Stopped {
        /// GARM's own words, possibly empty.
        reason: String,
    },
}
