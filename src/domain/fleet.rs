//! The fleet: the state of GARM at one moment.

use std::time::Duration;

use jiff::Timestamp;

use super::credential::Credential;
use super::entity::{Entity, EntityKind, EntityRef};
use super::job::Job;
use super::name::PoolId;
use super::pool::Pool;
use super::runner::Runner;

/// The GARM settings that we use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// The controller's id, a UUID.
    pub id: String,
    /// GARM's version; empty if it did not say.
    pub version: String,
    /// `minimum_job_age_backoff`: GARM itself starts a runner for each job older than this.
    pub backoff: Duration,
    /// The host name of GARM's machine; empty if GARM did not say.
    pub hostname: String,
    /// Where runners fetch metadata; empty if not set.
    pub metadata_url: String,
    /// Where runners report their status; empty if not set.
    pub callback_url: String,
    /// Where GitHub delivers webhooks; empty if not set.
    pub webhook_url: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub id: u64,
    pub name: String,
    /// The operating system: `linux` or `windows`.
    pub os_type: String,
    /// `github` or `gitea`; empty if GARM did not say.
    pub forge: String,
    /// Whether it ships with GARM: pools without a template of their own use such a one.
    pub is_system: bool,
}

impl Template {
    /// Whether pools with this operating system and forge can use the template. What GARM did not
    /// say is no obstacle.
    pub fn fits(&self, os_type: &str, forge: &str) -> bool {
        self.mismatch(os_type, forge).is_none()
    }

    /// If the template does not fit such a pool: what the template is for, and what the pool is
    /// for.
    pub fn mismatch<'a>(&'a self, os_type: &'a str, forge: &'a str) -> Option<(&'a str, &'a str)> {
        [(self.os_type.as_str(), os_type), (self.forge.as_str(), forge)]
            .into_iter()
            .find(|(is, wants)| !is.is_empty() && !wants.is_empty() && is != wants)
    }
}

/// A proxy in GARM that runners can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    pub id: u64,
    /// Unique without regard to case.
    pub name: String,
}

impl Proxy {
    /// Compares names without regard to case.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.to_lowercase() == name.to_lowercase()
    }
}

/// A provider in GARM's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    pub name: String,
    /// GARM's word for its kind, usually `external`.
    pub kind: String,
    pub description: String,
}

/// Why nothing is written to GARM 0.1, whose scaling rules differ and whose pools have no
/// `generation` (GARM.md §k).
pub const GARM_0_1_REFUSAL: &str = "this is GARM 0.1, which runnerctl reads but never writes to";

/// What to do about [`GARM_0_1_REFUSAL`].
pub const GARM_0_1_HELP: &str = "upgrade GARM to 0.2.0 or later";

/// Which release line of GARM responds (GARM.md §k).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseLine {
    Current,
    /// 0.1, to which runnerctl does not write.
    Old,
}

/// The state of GARM at one moment: pools, runners and jobs, in GARM's own order.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// When it was read, by GARM's clock. All ages are measured against this.
    pub observed_at: Timestamp,
    pub controller: Controller,
    /// The entities of the kinds in `entity_kinds`.
    pub entities: Vec<Entity>,
    /// The kinds that were requested: an entity of another kind is unknown, not absent.
    pub entity_kinds: Vec<EntityKind>,
    /// All pools, of any owner.
    pub pools: Vec<Pool>,
    pub runners: Vec<Runner>,
    /// All jobs that GARM has recorded.
    pub jobs: Vec<Job>,
    /// The install templates, read only when a plan needs them.
    pub templates: Vec<Template>,
    /// The proxies, read only when a file names one.
    pub proxies: Vec<Proxy>,
    /// The names of GARM's providers; `None` if they were not requested.
    pub providers: Option<Vec<String>>,
    /// GARM's GitHub credentials; `None` if they were not requested.
    pub credentials: Option<Vec<Credential>>,
}

impl Fleet {
    pub fn pool(&self, id: &PoolId) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.id == *id)
    }

    pub fn runners_of<'a>(&'a self, id: &'a PoolId) -> impl Iterator<Item = &'a Runner> {
        self.runners.iter().filter(move |runner| runner.pool.as_ref() == Some(id))
    }

    /// The entities that `wanted` may refer to: none, one, or several at different endpoints.
    pub fn entities_named(&self, wanted: &EntityRef) -> Vec<&Entity> {
        self.entities.iter().filter(|entity| entity.is(wanted)).collect()
    }

    /// The release line of this GARM.
    pub fn line(&self) -> ReleaseLine {
        ReleaseLine::of(&self.controller, &self.pools)
    }
}

impl ReleaseLine {
    /// The release line: a pool without `generation` shows the old one; if there are no pools, the
    /// version decides.
    pub fn of(controller: &Controller, pools: &[Pool]) -> Self {
        let old_version = controller.version.trim_start_matches('v').starts_with("0.1.");
        let is_old = match pools.first() {
            Some(_) => pools.iter().any(|pool| pool.generation.is_none()),
            None => old_version,
        };
        if is_old { Self::Old } else { Self::Current }
    }
}
