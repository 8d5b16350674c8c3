//! The fleet: one reading of GARM.

use std::time::Duration;

use jiff::Timestamp;

use super::credential::Credential;
use super::entity::{Entity, EntityKind, EntityRef};
use super::job::Job;
use super::name::PoolId;
use super::pool::Pool;
use super::runner::Runner;

/// GARM's own settings, as far as we use them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// GARM's id of itself, a UUID.
    pub id: String,
    /// Version text, empty where GARM does not say.
    pub version: String,
    /// `minimum_job_age_backoff`: GARM starts a runner for each job older than this.
    pub backoff: Duration,
    /// The name of GARM's machine; empty where GARM does not say.
    pub hostname: String,
    /// Where runners fetch metadata; empty when not set.
    pub metadata_url: String,
    /// Where runners report to; empty when not set.
    pub callback_url: String,
    /// Where GitHub delivers to; empty when not set.
    pub webhook_url: String,
}

/// An install template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// GARM's id.
    pub id: u64,
    /// Unique name.
    pub name: String,
    /// `linux` or `windows`.
    pub os_type: String,
    /// `github` or `gitea`; empty if GARM did not say.
    pub forge: String,
    /// Whether GARM itself brings it, as what pools without a template of their own get.
    pub is_system: bool,
}

impl Template {
    /// Whether GARM lets pools of this system, at an entity of this forge, use it. What GARM does
    /// not say is no obstacle.
    pub fn fits(&self, os_type: &str, forge: &str) -> bool {
        self.mismatch(os_type, forge).is_none()
    }

    /// What it is for and what such a pool is for, where the two differ.
    pub fn mismatch<'a>(&'a self, os_type: &'a str, forge: &'a str) -> Option<(&'a str, &'a str)> {
        [(self.os_type.as_str(), os_type), (self.forge.as_str(), forge)]
            .into_iter()
            .find(|(is, wants)| !is.is_empty() && !wants.is_empty() && is != wants)
    }
}

/// A proxy that runners can be told to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// GARM's id.
    pub id: u64,
    /// Unique name, whatever its case.
    pub name: String,
}

impl Proxy {
    /// Whether this name is its own, in whatever case.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.to_lowercase() == name.to_lowercase()
    }
}

/// A provider in GARM's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// `external` as a rule.
    pub kind: String,
    /// GARM's description.
    pub description: String,
}

/// Which line of GARM answers (GARM.md §k).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseLine {
    /// 0.2.0 and later: all of it works.
    Current,
    /// 0.1.x: other rules of scaling, no generation. Reads work, writes are refused.
    Old,
}

/// One reading of GARM: pools, runners and jobs, in GARM's own order.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// When it was read, on GARM's clock. Every age is measured against this.
    pub observed_at: Timestamp,
    /// GARM itself.
    pub controller: Controller,
    /// The entities of the kinds that were asked for.
    pub entities: Vec<Entity>,
    /// The kinds that were asked for: an entity of another kind is unknown, not absent.
    pub entity_kinds: Vec<EntityKind>,
    /// Every pool of GARM, ours and others'.
    pub pools: Vec<Pool>,
    /// Every instance of GARM.
    pub runners: Vec<Runner>,
    /// Every job that GARM has recorded.
    pub jobs: Vec<Job>,
    /// The install templates, read only when a plan needs them.
    pub templates: Vec<Template>,
    /// The proxies, read only when a manifest names one.
    pub proxies: Vec<Proxy>,
    /// The names of GARM's providers; absent when they were not asked for.
    pub providers: Option<Vec<String>>,
    /// GARM's credentials for GitHub; absent when they were not asked for.
    pub credentials: Option<Vec<Credential>>,
}

impl Fleet {
    /// The pool with this id.
    pub fn pool(&self, id: &PoolId) -> Option<&Pool> {
        self.pools.iter().find(|it| it.id == *id)
    }

    /// The instances of one pool.
    pub fn runners_of<'a>(&'a self, id: &'a PoolId) -> impl Iterator<Item = &'a Runner> {
        self.runners.iter().filter(move |it| it.pool.as_ref() == Some(id))
    }

    /// The entities that a manifest may mean: none, one, or several at different endpoints.
    pub fn entities_named(&self, wanted: &EntityRef) -> Vec<&Entity> {
        self.entities.iter().filter(|it| it.is(wanted)).collect()
    }

    /// Which line of GARM answers: any pool without `generation` tells; without pools, the
    /// version text does.
    pub fn line(&self) -> ReleaseLine {
        let old_version = self.controller.version.trim_start_matches('v').starts_with("0.1.");
        let is_old = match self.pools.first() {
            Some(_) => self.pools.iter().any(|it| it.generation.is_none()),
            None => old_version,
        };
        if is_old { ReleaseLine::Old } else { ReleaseLine::Current }
    }
}
