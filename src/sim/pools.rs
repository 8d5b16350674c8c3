//! Creates, updates and deletes pools, with GARM's errors and its 200s without effect (GARM.md §b).

use std::collections::BTreeSet;
use std::time::Duration;

use super::body::Body;
use super::config::GarmDatabase;
use super::entity::EntityType;
use super::pool::{PoolRow, TagRowKey};
use super::reply::{ApiRefusal, ApiReply};
use super::rest_view::Depth;
use super::row_key::{EntityRowKey, PoolRowKey};
use super::world::{Due, World};

/// Usual maximum delay until an event reaches the cache of GARM's loops.
const SEEN_AFTER: Duration = Duration::from_micros(800);

/// Maximum delay of a late event. With 50 ms between two writes none is overtaken (GARM.md §0.10).
const SEEN_LATE: Duration = Duration::from_millis(30);

/// Width of the label column, in characters.
const LABEL_MAX: usize = 64;

/// Fraction of late events: of 200 pools written twice within 2 ms, 2 stayed stale.
const SEEN_LATE_RATE: f64 = 0.01;

impl World {
    pub(super) fn create_pool(
        &mut self,
        kind: EntityType,
        entity_id: &str,
        body: &[u8],
    ) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        let mut draft = NewPool::read(&body)?;
        // The message differs by kind.
        let checking = match kind {
            EntityType::Organization => "error fetching pool params",
            EntityType::Repository => "error appending tags to create pool params",
            EntityType::Enterprise => "failed to append tags to create pool params",
        };
        self.check_draft(&draft).map_err(|refusal| refusal.within(checking))?;
        let entity = self.find_entity(kind, entity_id).map_err(|refusal| {
            refusal.within(&format!(
                "failed to get repo: error failed to get entity from db: error fetching {}",
                kind.short()
            ))
        })?;
        let template = self
            .template_for(&draft.os_type, draft.template)
            .map_err(|refusal| refusal.within("failed to find suitable template"))?;
        // An organization's pool keeps 0 where a repository's gets 20 minutes.
        let timeout = match (kind, draft.timeout) {
            (EntityType::Repository, 0) => 20,
            (_, timeout) => timeout,
        };
        self.check_proxy(Some(draft.proxy))
            .map_err(|refusal| refusal.within("error creating pool"))?;
        self.check_labels(&draft.tags)?;
        draft.extra_specs = draft.extra_specs.map(|specs| self.kept(specs)).transpose()?;
        let key = self.insert_pool(entity, draft, template, timeout);
        self.emit_pool("create", key);
        let pool = self.pools.get(&key).ok_or(ApiRefusal::Server)?;
        Ok(ApiReply::json(self.show_pool(pool, Depth::Write)))
    }

    fn check_draft(&self, draft: &NewPool) -> Result<(), ApiRefusal> {
        let missing = [
            (draft.provider.is_empty(), "missing provider"),
            (draft.min_idle > draft.max, "min_idle_runners cannot be larger than max_runners"),
            (draft.max == 0, "max_runners cannot be 0"),
            (draft.tags.is_empty(), "missing tags"),
            (draft.flavor.is_empty(), "missing flavor"),
            (draft.image.is_empty(), "missing image"),
        ];
        if let Some((_, what)) = missing.iter().find(|rule| rule.0) {
            return Err(ApiRefusal::bad(format!(
                "failed to validate params (\"{what}\"): invalid request"
            )));
        }
        if !["linux", "windows"].contains(&draft.os_type.as_str()) {
            return Err(ApiRefusal::bad(format!("invalid OS type {}", draft.os_type)));
        }
        if !["amd64", "arm", "arm64"].contains(&draft.os_arch.as_str()) {
            return Err(ApiRefusal::bad(format!("invalid OS architecture {}", draft.os_arch)));
        }
        if !self.config.providers.contains(&draft.provider) {
            return Err(ApiRefusal::bad(format!("no such provider {}", draft.provider)));
        }
        Ok(())
    }

    /// The given template, or the built-in one for the OS (GARM.md §i).
    pub(super) fn template_for(
        &self,
        os_type: &str,
        given: Option<u64>,
    ) -> Result<u64, ApiRefusal> {
        let Some(id) = given else {
            return self
                .templates
                .values()
                .find(|template| {
                    template.os_type == os_type
                        && template.forge_type == "github"
                        && template.owner == super::seed::SYSTEM
                })
                .map(|template| template.id)
                .ok_or_else(|| {
                    ApiRefusal::bad("no template ID supplied and no default template can be found")
                });
        };
        let template = self.templates.get(&id).ok_or_else(|| {
            ApiRefusal::NotFound("failed to get template: failed to get template: not found".into())
        })?;
        if template.os_type != os_type {
            return Err(ApiRefusal::bad(format!(
                "selected template OS type ({}) and pool OS type ({}) do not match",
                template.os_type, os_type
            )));
        }
        if template.forge_type != "github" {
            return Err(ApiRefusal::bad(format!(
                "selected template forge type ({}) and pool forge type (github) do not match",
                template.forge_type
            )));
        }
        Ok(id)
    }

    pub(super) fn tags_of(&mut self, names: &[String]) -> Vec<TagRowKey> {
        let mut keys = Vec::new();
        for name in names {
            let key = self.tags.find_or_add(name, || self.rng.ids.uuid());
            // Duplicates are stored once (GARM.md §b).
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    pub(super) fn insert_pool(
        &mut self,
        entity: EntityRowKey,
        draft: NewPool,
        template: u64,
        timeout: u64,
    ) -> PoolRowKey {
        let key = PoolRowKey(self.next_row());
        let tags = self.tags_of(&draft.tags);
        let mut pool = PoolRow {
            id: self.rng.ids.uuid(),
            entity,
            provider: draft.provider,
            max_runners: draft.max,
            min_idle: draft.min_idle,
            prefix: if draft.prefix.is_empty() { "garm".into() } else { draft.prefix },
            image: draft.image,
            flavor: draft.flavor,
            os_type: draft.os_type,
            os_arch: draft.os_arch,
            tags,
            is_enabled: draft.is_enabled,
            timeout,
            extra_specs: draft.extra_specs,
            group: draft.group,
            priority: draft.priority,
            template,
            proxy: draft.proxy,
            has_shell: draft.has_shell,
            generation: 0,
            created_at: self.now,
            updated_at: self.now,
            instances: BTreeSet::new(),
            cached: super::pool::CachedPool {
                is_enabled: false,
                min_idle: 0,
                max_runners: 0,
                tags: Vec::new(),
            },
        };
        pool.cached = pool.to_cached();
        self.pool_ids.insert(pool.id.clone(), key);
        self.pools.insert(key, pool);
        key
    }

    /// `PUT /organizations/ID/pools/ID`: like `PUT /pools/ID`, except that it looks up the template
    /// with the OS in the body, and a timeout of 0 means "unchanged".
    pub(super) fn update_entity_pool(
        &mut self,
        key: PoolRowKey,
        text: &[u8],
    ) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(text)?;
        if let Some(template) = body.number("template_id")? {
            let os_type = body.text("os_type")?.unwrap_or_default();
            self.template_for(&os_type, Some(template))
                .map_err(|refusal| refusal.within("failed to find suitable template"))?;
        }
        self.change_pool(key, &super::pool_update::PoolUpdate::read(&body)?.without_zero_timeout())
    }

    /// `PUT /pools/ID`: a partial update. Unknown and immutable fields are ignored with a 200
    /// (GARM.md §0.5, §b).
    pub(super) fn update_pool(
        &mut self,
        key: PoolRowKey,
        body: &[u8],
    ) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        self.change_pool(key, &super::pool_update::PoolUpdate::read(&body)?)
    }

    fn change_pool(
        &mut self,
        key: PoolRowKey,
        change: &super::pool_update::PoolUpdate,
    ) -> Result<ApiReply, ApiRefusal> {
        let pool = self.pools.get(&key).ok_or(ApiRefusal::Server)?;
        change.check(pool)?;
        self.check_proxy(change.proxy)
            .map_err(|refusal| refusal.within("error updating pool: error updating pool"))?;
        // An unknown template fails at the database's foreign key (GARM.md §b).
        if change.template.is_some_and(|id| !self.templates.contains_key(&id)) {
            return Err(ApiRefusal::Server);
        }
        self.check_labels(&change.tags)?;
        let specs = change.extra_specs.clone().map(|specs| self.kept(specs)).transpose()?;
        let tags = self.tags_of(&change.tags);
        let now = self.now;
        let pool = self.pools.get_mut(&key).ok_or(ApiRefusal::Server)?;
        let is_changed = change.apply(pool);
        if specs.is_some() {
            pool.extra_specs = specs;
        }
        if !tags.is_empty() {
            pool.tags = tags;
        }
        if is_changed || !change.tags.is_empty() {
            pool.updated_at = now;
            let cached = pool.to_cached();
            self.tell_loops(key, cached);
            self.emit_pool("update", key);
        }
        let pool = self.pools.get(&key).ok_or(ApiRefusal::Server)?;
        Ok(ApiReply::json(self.show_pool(pool, Depth::Write)))
    }

    /// `extra_specs` as the database stores them.
    pub(super) fn kept(&self, specs: String) -> Result<String, ApiRefusal> {
        match self.config.variant.database {
            GarmDatabase::Sqlite => Ok(specs),
            GarmDatabase::Postgresql => super::jsonb::canonical(&specs).ok_or(ApiRefusal::Server),
        }
    }

    /// SQLite accepts any length, and NUL.
    pub(super) fn check_labels(&self, labels: &[String]) -> Result<(), ApiRefusal> {
        let fits = |text: &String| text.chars().count() <= LABEL_MAX && !text.contains('\0');
        match self.config.variant.database {
            GarmDatabase::Postgresql if !labels.iter().all(fits) => Err(ApiRefusal::Server),
            GarmDatabase::Sqlite | GarmDatabase::Postgresql => Ok(()),
        }
    }

    /// Each write's event reaches the loops' cache with its own delay, so an earlier write can
    /// arrive after a later one.
    fn tell_loops(&mut self, key: PoolRowKey, cached: super::pool::CachedPool) {
        let most = if self.rng.garm.chance(SEEN_LATE_RATE) { SEEN_LATE } else { SEEN_AFTER };
        let delay = self.rng.garm.up_to(most);
        self.scheduler.add(self.now + delay, Due::PoolCached(key, cached));
    }

    /// `DELETE /pools/ID`: 200 even for an absent pool (GARM.md §b).
    pub(super) fn delete_pool(&mut self, id: &str) -> Result<ApiReply, ApiRefusal> {
        let key = match self.find_pool(id) {
            Ok(key) => key,
            Err(ApiRefusal::NotFound(_)) => return Ok(ApiReply::done()),
            Err(other) => return Err(other.within("error fetching pool")),
        };
        if self.pools.get(&key).is_some_and(|pool| !pool.instances.is_empty()) {
            return Err(ApiRefusal::bad("pool has runners"));
        }
        self.drop_pool(key);
        Ok(ApiReply::done())
    }

    pub(super) fn drop_pool(&mut self, key: PoolRowKey) {
        if let Some(pool) = self.pools.remove(&key) {
            self.pool_ids.remove(&pool.id);
            self.emit_pool_gone(&pool.id);
        }
    }
}

/// The body of a POST.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewPool {
    pub(crate) provider: String,
    pub(crate) max: u64,
    pub(crate) min_idle: u64,
    pub(crate) prefix: String,
    pub(crate) image: String,
    pub(crate) flavor: String,
    pub(crate) os_type: String,
    pub(crate) os_arch: String,
    pub(crate) tags: Vec<String>,
    pub(crate) is_enabled: bool,
    pub(crate) timeout: u64,
    pub(crate) extra_specs: Option<String>,
    pub(crate) group: String,
    pub(crate) priority: u64,
    pub(crate) template: Option<u64>,
    pub(crate) proxy: u64,
    pub(crate) has_shell: bool,
}

impl NewPool {
    fn read(body: &Body<'_>) -> Result<Self, ApiRefusal> {
        let text = |key| body.text(key).map(Option::unwrap_or_default);
        let number = |key| body.number(key).map(Option::unwrap_or_default);
        let truth = |key| body.truth(key).map(Option::unwrap_or_default);
        Ok(Self {
            provider: text("provider_name")?,
            max: number("max_runners")?,
            min_idle: number("min_idle_runners")?,
            prefix: text("runner_prefix")?,
            image: text("image")?,
            flavor: text("flavor")?,
            os_type: text("os_type")?,
            os_arch: text("os_arch")?,
            tags: body.texts("tags")?.unwrap_or_default(),
            is_enabled: truth("enabled")?,
            timeout: number("runner_bootstrap_timeout")?,
            extra_specs: body.raw("extra_specs").map(str::to_owned),
            group: text("github-runner-group")?,
            priority: number("priority")?,
            template: body.number("template_id")?,
            proxy: number("proxy_id")?,
            has_shell: truth("enable_shell")?,
        })
    }
}
