//! Creates, updates and deletes organizations, repositories and enterprises (measured).

use super::body::Body;
use super::config::GarmVersion;
use super::entity::EntityType;
use super::json::{Object, Truth};
use super::reply::{ApiRefusal, ApiReply};
use super::rest_view::Depth;
use super::row_key::EntityRowKey;
use super::world::World;

/// GARM's names for the order in which pools with equal labels are used; empty means the first.
const BALANCERS: [&str; 3] = ["", "roundrobin", "pack"];

impl World {
    /// `POST /organizations` and the like. GARM does not check at GitHub that the entity exists.
    pub(super) fn create_entity(
        &mut self,
        kind: EntityType,
        body: &[u8],
    ) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        let text = |key| body.text(key).map(Option::unwrap_or_default);
        let (owner, name) = (text("owner")?, text("name")?);
        let (credentials, secret) = (text("credentials_name")?, text("webhook_secret")?);
        let (forge, balancer) = (text("forge_type")?, text("pool_balancer_type")?);
        let agent_mode = body.truth("agent_mode")?.unwrap_or_default();
        let is_repository = kind == EntityType::Repository;
        let missing = [
            (is_repository && owner.is_empty(), "missing owner".to_owned()),
            (name.is_empty(), format!("missing {} name", kind.short())),
            (credentials.is_empty(), "missing credentials name".to_owned()),
            (secret.is_empty(), "missing secret".to_owned()),
            (!["", "github", "gitea"].contains(&forge.as_str()), "invalid forge type".to_owned()),
            (!BALANCERS.contains(&balancer.as_str()), "invalid pool balancer type".to_owned()),
        ];
        if let Some((_, what)) = missing.into_iter().find(|rule| rule.0) {
            // The release returns a 500 without a reason (measured).
            if what == "missing secret" && self.config.variant.version != GarmVersion::Main {
                return Err(ApiRefusal::Server);
            }
            return Err(ApiRefusal::bad(format!("error validating params: {what}")));
        }
        let Some(credentials) = self.credentials_named(&credentials) else {
            return Err(ApiRefusal::bad(format!("credentials {credentials} not defined")));
        };
        let owner = if is_repository { owner } else { String::new() };
        let is_there = self.entities.values().any(|entity| {
            entity.kind == kind
                && entity.name.eq_ignore_ascii_case(&name)
                && entity.owner.eq_ignore_ascii_case(&owner)
        });
        if is_there {
            let full = if is_repository { format!("{owner}/{name}") } else { name };
            return Err(ApiRefusal::Conflict(format!("{} {full} already exists", kind.long())));
        }
        let key = self.make_entity(kind, owner, name);
        if let Some(entity) = self.entities.get_mut(&key) {
            entity.credentials = credentials;
            entity.agent_mode = agent_mode;
            // No webhook is installed yet, except that of an enterprise, which GARM never installs
            // itself.
            entity.hook = entity.hook.filter(|_| kind == EntityType::Enterprise);
            if !balancer.is_empty() {
                entity.balancer = balancer;
            }
        }
        self.emit_entity("create", key);
        self.shown_entity(key)
    }

    /// `PUT /organizations/ID` and the like: credentials, secret, balancer, agent mode. Empty and
    /// unknown fields change nothing.
    pub(super) fn update_entity(
        &mut self,
        kind: EntityType,
        id: &str,
        body: &[u8],
    ) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        let text = |key| body.text(key).map(Option::unwrap_or_default);
        let (credentials, secret) = (text("credentials_name")?, text("webhook_secret")?);
        let (balancer, agent_mode) = (text("pool_balancer_type")?, body.truth("agent_mode")?);
        if !BALANCERS.contains(&balancer.as_str()) {
            return Err(ApiRefusal::bad(format!("invalid pool balancer type: {balancer}")));
        }
        let saving = match kind {
            EntityType::Organization => "error updating org: error saving org",
            EntityType::Repository => "error updating repo: error saving repo",
            EntityType::Enterprise => "error updating enterprise: error updating enterprise",
        };
        let fetching = format!("{saving}: error fetching {}", kind.short());
        let key = self.find_entity(kind, id).map_err(|refusal| refusal.within(&fetching))?;
        let chosen = (!credentials.is_empty()).then(|| self.credentials_named(&credentials));
        if chosen == Some(None) {
            return Err(ApiRefusal::NotFound(format!(
                "{saving}: error fetching credentials: github credentials not found: not found"
            )));
        }
        let now = self.now;
        let entity = self.entities.get_mut(&key).ok_or(ApiRefusal::Server)?;
        let before = (entity.credentials, entity.balancer.clone(), entity.agent_mode);
        entity.credentials = chosen.flatten().unwrap_or(entity.credentials);
        if !balancer.is_empty() {
            entity.balancer = balancer;
        }
        entity.agent_mode = agent_mode.unwrap_or(entity.agent_mode);
        let after = (entity.credentials, entity.balancer.clone(), entity.agent_mode);
        // The simulator signs nothing, so the secret is not stored.
        if before != after || !secret.is_empty() {
            entity.updated_at = now;
            self.emit_entity("update", key);
        }
        self.shown_entity(key)
    }

    /// An entity with pools or scale sets cannot be deleted (GARM.md §b).
    pub(super) fn delete_entity(
        &mut self,
        kind: EntityType,
        id: &str,
    ) -> Result<ApiReply, ApiRefusal> {
        let what = format!("error fetching {0}: error fetching {0}", kind.short());
        let key = self.find_entity(kind, id).map_err(|refusal| refusal.within(&what))?;
        let pools: Vec<_> = self
            .pools
            .values()
            .filter(|pool| pool.entity == key)
            .map(|pool| pool.id.clone())
            .collect();
        if !pools.is_empty() {
            return Err(ApiRefusal::bad(format!(
                "{} has pools defined ({})",
                kind.short(),
                pools.join(", ")
            )));
        }
        if self.scale_sets_of(key).next().is_some() {
            let what = match kind {
                EntityType::Repository => kind.short(),
                EntityType::Organization | EntityType::Enterprise => kind.long(),
            };
            return Err(ApiRefusal::bad(format!(
                "{what} has scale sets defined; delete them first"
            )));
        }
        self.entities.remove(&key);
        Ok(ApiReply::done())
    }

    /// Shows, installs or removes the webhook of an organization or a repository.
    pub(super) fn entity_hook(
        &mut self,
        method: &str,
        (kind, id): (EntityType, &str),
        body: &[u8],
    ) -> Result<ApiReply, ApiRefusal> {
        let is_insecure =
            method == "POST" && Body::read(body)?.truth("insecure_ssl")?.unwrap_or_default();
        let what = format!("error fetching {0}: error fetching {0}", kind.short());
        let key = self.find_entity(kind, id).map_err(|refusal| refusal.within(&what))?;
        let url = self.controller.own_webhook_url();
        let entity = self.entities.get_mut(&key).ok_or(ApiRefusal::Server)?;
        match (method, entity.hook) {
            ("GET", None) => {
                let what = "error fetching webhook info: hook not found";
                return Err(ApiRefusal::NotFound(what.into()));
            }
            ("GET", Some(_)) => {}
            ("POST", None) => entity.hook = Some((1_000 + key.0, is_insecure)),
            ("POST", Some(_)) => {
                let what = "error installing webhook: error validating hook request: hook already installed";
                return Err(ApiRefusal::Conflict(what.into()));
            }
            ("DELETE", _) => {
                entity.hook = None;
                return Ok(ApiReply::done());
            }
            _ => return Err(ApiRefusal::NoRoute),
        }
        let (id, is_insecure) = entity.hook.ok_or(ApiRefusal::Server)?;
        let shown = Object::new()
            .number("id", id)
            .text("url", &url)
            .raw("events", r#"["workflow_job"]"#)
            .truth("active", Truth(true))
            .truth_if("insecure_ssl", Truth(is_insecure));
        Ok(ApiReply::json(shown.end()))
    }

    /// The response to POST and PUT.
    fn shown_entity(&self, key: EntityRowKey) -> Result<ApiReply, ApiRefusal> {
        let entity = self.entities.get(&key).ok_or(ApiRefusal::Server)?;
        Ok(ApiReply::json(self.show_entity(key, entity, Depth::Write)))
    }

    fn credentials_named(&self, name: &str) -> Option<u64> {
        self.credentials
            .values()
            .find(|credentials| credentials.name.eq_ignore_ascii_case(name))
            .map(|credentials| credentials.id)
    }
}
