//! One pass over the fleet, so that nothing afterwards walks it again.

use std::collections::HashMap;

use crate::domain::entity::{Entity, EntityKey, EntityKind, EntityRef};
use crate::domain::fleet::{Fleet, Proxy, Template};
use crate::domain::name::PoolId;
use crate::domain::pool::Pool;

/// The runners of one pool, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Every instance, also those on their way out.
    pub(super) live: usize,
    /// Up and waiting for a job.
    pub(super) idle: usize,
    /// With a job.
    pub(super) busy: usize,
    /// Of the idle ones: made from an older version of the pool.
    pub(super) outdated: usize,
}

/// The fleet, found by what a plan asks for.
pub(super) struct Index<'a> {
    fleet: &'a Fleet,
    pools: HashMap<String, &'a Pool>,
    counts: HashMap<&'a PoolId, Counts>,
    entities: HashMap<(EntityKind, String), Vec<&'a Entity>>,
    templates: HashMap<&'a str, &'a Template>,
}

impl<'a> Index<'a> {
    /// Reads the fleet once.
    pub(super) fn new(fleet: &'a Fleet) -> Self {
        let mut entities: HashMap<_, Vec<&Entity>> = HashMap::new();
        for entity in &fleet.entities {
            let key = (entity.key.kind, entity.name.to_ascii_lowercase());
            entities.entry(key).or_default().push(entity);
        }
        let pools =
            fleet.pools.iter().map(|it| (it.id.as_str().to_ascii_lowercase(), it)).collect();
        let templates = fleet.templates.iter().map(|it| (it.name.as_str(), it)).collect();
        Self { fleet, pools, counts: counts(fleet), entities, templates }
    }

    /// What was read.
    pub(super) fn fleet(&self) -> &'a Fleet {
        self.fleet
    }

    /// The pool that a person means by `id`, in whatever case.
    pub(super) fn pool(&self, id: &str) -> Option<&'a Pool> {
        self.pools.get(&id.to_ascii_lowercase()).copied()
    }

    /// The runners of a pool.
    pub(super) fn counts(&self, id: &PoolId) -> Counts {
        self.counts.get(id).copied().unwrap_or_default()
    }

    /// The entities that a manifest may mean, in the order of their endpoints.
    pub(super) fn entities(&self, wanted: &EntityRef) -> Vec<&'a Entity> {
        let key = (wanted.kind, wanted.name.to_ascii_lowercase());
        let mut found: Vec<&Entity> = self
            .entities
            .get(&key)
            .map(|all| all.iter().copied().filter(|it| it.is(wanted)).collect())
            .unwrap_or_default();
        found.sort_by(|a, b| (&a.endpoint, &a.key).cmp(&(&b.endpoint, &b.key)));
        found
    }

    /// The template of this name.
    pub(super) fn template(&self, name: &str) -> Option<&'a Template> {
        self.templates.get(name).copied()
    }

    /// The template with this id; nothing where templates were not read.
    pub(super) fn template_with(&self, id: u64) -> Option<&'a Template> {
        self.fleet.templates.iter().find(|it| it.id == id)
    }

    /// The one that GARM brings for pools of this system and forge.
    pub(super) fn system_template(&self, os_type: &str, forge: &str) -> Option<&'a Template> {
        self.fleet.templates.iter().find(|it| it.is_system && it.fits(os_type, forge))
    }

    /// The proxy of this name, in whatever case.
    pub(super) fn proxy(&self, name: &str) -> Option<&'a Proxy> {
        self.fleet.proxies.iter().find(|it| it.is_named(name))
    }

    /// The proxy with this id; nothing where proxies were not read.
    pub(super) fn proxy_with(&self, id: u64) -> Option<&'a Proxy> {
        self.fleet.proxies.iter().find(|it| it.id == id)
    }

    /// The kind of server that an entity is at; empty where that is not known.
    pub(super) fn forge(&self, entity: &EntityKey) -> &'a str {
        let found = self.fleet.entities.iter().find(|it| it.key == *entity);
        found.map_or("", |it| &it.forge)
    }
}

fn counts(fleet: &Fleet) -> HashMap<&PoolId, Counts> {
    let generations: HashMap<&PoolId, Option<u64>> =
        fleet.pools.iter().map(|it| (&it.id, it.generation)).collect();
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
