//! GARM's entities: the organizations, repositories and enterprises that runners register with at
//! GitHub.

use std::fmt;

use super::name::EntityId;

/// The three kinds of entities; each has its own list in GARM's API.
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
    /// All kinds, in the order in which they are requested.
    pub const ALL: [Self; 3] = [Self::Organization, Self::Repository, Self::Enterprise];

    /// The word used in files and output; it is also the key in a pool file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Repository => "repository",
            Self::Enterprise => "enterprise",
        }
    }
}

/// A reference to an entity in a pool file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntityRef {
    pub kind: EntityKind,
    /// `acme`, or `acme/app` for a repository.
    pub name: String,
    /// GARM's name for the GitHub endpoint; needed only where the same name exists at two
    /// endpoints.
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

/// Identifies the entity of a pool, job or instance by GARM's id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityKey {
    pub kind: EntityKind,
    pub id: EntityId,
}

/// An entity as GARM lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    pub key: EntityKey,
    /// `acme`, or `acme/app` for a repository.
    pub name: String,
    /// GARM's name for the GitHub endpoint.
    pub endpoint: String,
    /// Name of its GitHub credentials in GARM.
    pub credentials: String,
    /// Whether GARM's worker for this entity is running.
    pub manager: PoolManager,
    /// The kind of its server, `github` or `gitea`; empty if GARM did not say.
    pub forge: String,
    /// Whether GARM's agent mode is on, in which runners keep a channel to GARM.
    pub agent_mode: bool,
}

impl Entity {
    /// Whether `wanted` refers to this entity. GitHub ignores the case of these names.
    pub fn is(&self, wanted: &EntityRef) -> bool {
        self.key.kind == wanted.kind
            && self.name.eq_ignore_ascii_case(&wanted.name)
            && wanted.endpoint.as_ref().is_none_or(|endpoint| *endpoint == self.endpoint)
    }
}

/// The state of an entity's pool manager, which is GARM's worker for it (GARM.md §j).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolManager {
    Running,
    /// Stopped: GARM creates and removes no runners, whatever its API answers.
    Stopped {
        /// In GARM's own words; may be empty.
        reason: String,
    },
}
