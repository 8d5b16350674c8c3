//! Indexes of the fleet, built in one pass.

use std::collections::HashMap;

use crate::domain::entity::{Entity, EntityKey, EntityKind, EntityRef};
use crate::domain::fleet::{Fleet, Proxy, Template};
use crate::domain::name::PoolId;
use crate::domain::pool::Pool;

/// The numbers of runners of one pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// All instances, including those being deleted.
    pub(super) live: usize,
    pub(super) idle: usize,
    pub(super) busy: usize,
    /// Idle runners from an older version of the pool.
    pub(super) outdated: usize,
}

/// The fleet with the lookups that a plan needs.
pub(super) struct Index<'a> {
    fleet: &'a Fleet,
    pools: HashMap<String, &'a Pool>,
    counts: HashMap<&'a PoolId, Counts>,
    entities: HashMap<(EntityKind, String), Vec<&'a Entity>>,
    templates: HashMap<&'a str, &'a Template>,
}

impl<'a> Index<'a> {
    pub(super) fn new(fleet: &'a Fleet) -> Self {
        let mut entities: HashMap<_, Vec<&Entity>> = HashMap::new();
        for entity in &fleet.entities {
            let key = (entity.key.kind, entity.name.to_ascii_lowercase());
            entities.entry(key).or_default().push(entity);
        }
        let pools =
            fleet.pools.iter().map(|pool| (pool.id.as_str().to_ascii_lowercase(), pool)).collect();
        let templates =
            fleet.templates.iter().map(|template| (template.name.as_str(), template)).collect();
        Self { fleet, pools, counts: counts(fleet), entities, templates }
    }

    pub(super) fn fleet(&self) -> &'a Fleet {
        self.fleet
    }

    /// Finds a pool by its id, without regard to case.
    pub(super) fn pool(&self, id: &str) -> Option<&'a Pool> {
        self.pools.get(&id.to_ascii_lowercase()).copied()
    }

    pub(super) fn counts(&self, id: &PoolId) -> Counts {
        self.counts.get(id).copied().unwrap_or_default()
    }

    /// The entities that `wanted` may refer to, in the order of their endpoints.
    pub(super) fn entities(&self, wanted: &EntityRef) -> Vec<&'a Entity> {
        let key = (wanted.kind, wanted.name.to_ascii_lowercase());
        let mut found: Vec<&Entity> = self
            .entities
            .get(&key)
            .map(|all| all.iter().copied().filter(|entity| entity.is(wanted)).collect())
            .unwrap_or_default();
        found.sort_by(|a, b| (&a.endpoint, &a.key).cmp(&(&b.endpoint, &b.key)));
        found
    }

    pub(super) fn template(&self, name: &str) -> Option<&'a Template> {
        self.templates.get(name).copied()
    }

    /// The template with this id; `None` if templates were not read.
    pub(super) fn template_with(&self, id: u64) -> Option<&'a Template> {
        self.fleet.templates.iter().find(|template| template.id == id)
    }

    /// The template that ships with GARM for this operating system and forge.
    pub(super) fn system_template(&self, os_type: &str, forge: &str) -> Option<&'a Template> {
        self.fleet
            .templates
            .iter()
            .find(|template| template.is_system && template.fits(os_type, forge))
    }

    /// Finds a proxy by name, without regard to case.
    pub(super) fn proxy(&self, name: &str) -> Option<&'a Proxy> {
        self.fleet.proxies.iter().find(|proxy| proxy.is_named(name))
    }

    /// The proxy with this id; `None` if proxies were not read.
    pub(super) fn proxy_with(&self, id: u64) -> Option<&'a Proxy> {
        self.fleet.proxies.iter().find(|proxy| proxy.id == id)
    }

    /// The forge of an entity; empty if unknown.
    pub(super) fn forge(&self, entity: &EntityKey) -> &'a str {
        let found = self.fleet.entities.iter().find(|known| known.key == *entity);
        found.map_or("", |entity| &entity.forge)
    }
}

fn counts(fleet: &Fleet) -> HashMap<&PoolId, Counts> {
    let generations: HashMap<&PoolId, Option<u64>> =
        fleet.pools.iter().map(|pool| (&pool.id, pool.generation)).collect();
    let mut counts: HashMap<&PoolId, Counts> = HashMap::new();
    for runner in &fleet.runners {
        let Some(id) = &runner.pool else { continue };
        let generation = generations.get(id).copied().flatten();
        let of = counts.entry(id).or_default();
        of.live += 1;
        of.busy += usize::from(runner.is_busy());
        of.idle += usize::from(runner.is_idle());
        of.outdated += usize::from(runner.is_idle() && runner.is_outdated(generation));
    }
    counts
}
