//! The rows of endpoints, credentials, templates and entities.

use jiff::Timestamp;

use super::config::Forge;

#[derive(Debug, Clone)]
pub(crate) struct EndpointRow {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) api_url: String,
    pub(crate) upload_url: String,
    pub(crate) base_url: String,
    pub(crate) forge: Forge,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// GARM's credentials for GitHub. The secret is not stored, since no response contains it.
#[derive(Debug, Clone)]
pub(crate) struct CredentialsRow {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) endpoint: String,
    /// The kind of credentials: `pat` or `app`.
    pub(crate) auth_type: String,
    /// What no response contains: the ids, and the end of the key's modulus.
    pub(crate) made_of: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

#[derive(Debug, Clone)]
pub(crate) struct TemplateRow {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) os_type: String,
    pub(crate) forge_type: String,
    pub(crate) owner: String,
    pub(crate) body: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum EntityType {
    Organization,
    Repository,
    Enterprise,
}

impl EntityType {
    /// Parses the first segment of its paths.
    pub(crate) fn of_path(segment: &str) -> Option<Self> {
        match segment {
            "organizations" => Some(Self::Organization),
            "repositories" => Some(Self::Repository),
            "enterprises" => Some(Self::Enterprise),
            _ => None,
        }
    }

    /// GARM's short name for it in messages.
    pub(crate) fn short(self) -> &'static str {
        match self {
            Self::Organization => "org",
            Self::Repository => "repo",
            Self::Enterprise => "enterprise",
        }
    }

    /// The keys of its id and its name in pools and scale sets.
    pub(crate) fn id_and_name_keys(self) -> (&'static str, &'static str) {
        match self {
            Self::Organization => ("org_id", "org_name"),
            Self::Repository => ("repo_id", "repo_name"),
            Self::Enterprise => ("enterprise_id", "enterprise_name"),
        }
    }

    /// GARM's long name for it, also the entity type of events.
    pub(crate) fn long(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Repository => "repository",
            Self::Enterprise => "enterprise",
        }
    }
}

/// One entity, and its pool manager.
#[derive(Debug, Clone)]
pub(crate) struct EntityRow {
    pub(crate) id: String,
    pub(crate) kind: EntityType,
    /// Owner of a repository; empty for the other kinds.
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) credentials: u64,
    pub(crate) balancer: String,
    /// Whether its runners run GARM's agent.
    pub(crate) agent_mode: bool,
    /// GitHub's webhook for it: its id, and whether GitHub does not check certificates for it.
    pub(crate) hook: Option<(u64, bool)>,
    /// Whether the pool manager's loops run.
    pub(crate) is_running: bool,
    /// Why the entity's pool manager has stopped.
    pub(crate) failure: String,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl EntityRow {
    /// The name with its owner: `acme`, or `octo/tools`.
    pub(crate) fn full_name(&self) -> String {
        if self.owner.is_empty() {
            self.name.clone()
        } else {
            format!("{}/{}", self.owner, self.name)
        }
    }

    /// Whether GitHub sends this entity the webhooks of a repository and assigns that repository's
    /// jobs to its runners.
    pub(crate) fn covers(&self, owner: &str, repository: &str) -> bool {
        match self.kind {
            EntityType::Organization => self.name.eq_ignore_ascii_case(owner),
            EntityType::Repository => {
                self.owner.eq_ignore_ascii_case(owner) && self.name.eq_ignore_ascii_case(repository)
            }
            EntityType::Enterprise => true,
        }
    }
}
