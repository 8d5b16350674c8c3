//! Creates, updates and deletes scale sets, with GARM's errors and its 200s without effect
//! (GARM.md §scale-sets, measured on v0.2.1 and main).

use std::collections::BTreeSet;

use super::body::Body;
use super::config::{Forge, GarmVersion};
use super::entity::{EntityRow, EntityType};
use super::github::GitHubError;
use super::json::list;
use super::reply::{ApiRefusal, ApiReply};
use super::rest_view::Depth;
use super::row_key::{EntityRowKey, ScaleSetRowKey};
use super::scale_set::ScaleSetRow;
use super::scale_set_update::{NewScaleSet, ScaleSetUpdate};
use super::scale_set_worker::Worker;
use super::seed::GITHUB_URL;
use super::world::World;

const NO_SET: &str = "error fetching scale set: error fetching scale set by ID: not found";

impl World {
    /// `/scalesets` and what is below it. GARM v0.1 has no such path.
    pub(super) fn route_scale_sets(
        &mut self,
        method: &str,
        segments: &[&str],
        (query, body): (&str, &[u8]),
    ) -> Result<ApiReply, ApiRefusal> {
        if self.config.variant.version == GarmVersion::V0_1_8 {
            return Err(ApiRefusal::NoRoute);
        }
        // Any 32-bit number is a valid id.
        let id = |text: &str| {
            text.parse::<u32>()
                .map(|id| ScaleSetRowKey(u64::from(id)))
                .map_err(|_| ApiRefusal::body())
        };
        match (method, segments) {
            ("GET", []) => Ok(ApiReply::json(list(
                self.scale_sets.values().map(|set| self.show_scale_set(set, Depth::List)),
            ))),
            ("GET", [key]) => {
                let set = self.scale_sets.get(&id(key)?);
                let set = set.ok_or_else(|| ApiRefusal::NotFound(NO_SET.into()))?;
                Ok(ApiReply::json(self.show_scale_set(set, Depth::One)))
            }
            ("PUT", [key]) => self.update_scale_set(id(key)?, body),
            ("DELETE", [key]) => self.delete_scale_set(id(key)?),
            ("GET", [key, "instances"]) => Ok(self.scale_set_instances(id(key)?, query)),
            _ => Err(ApiRefusal::NoRoute),
        }
    }

    /// `/organizations/ID/scalesets` and the like.
    pub(super) fn route_entity_scale_sets(
        &mut self,
        method: &str,
        (kind, id): (EntityType, &str),
        body: &[u8],
    ) -> Result<ApiReply, ApiRefusal> {
        match method {
            _ if self.config.variant.version == GarmVersion::V0_1_8 => Err(ApiRefusal::NoRoute),
            "POST" => self.create_scale_set(kind, id, body),
            "GET" => {
                let what = "error fetching scale sets: error fetching scale sets";
                let key = self.existing_entity(kind, id).map_err(|refusal| refusal.within(what))?;
                let rows = self.scale_sets_of(key);
                Ok(ApiReply::json(list(rows.map(|set| self.show_scale_set(set, Depth::Inner)))))
            }
            _ => Err(ApiRefusal::NoRoute),
        }
    }

    /// An unknown scale set has no instances, without an error. `outdatedOnly` returns those of an
    /// earlier generation, which all have: instances of scale sets always have generation 0.
    fn scale_set_instances(&self, key: ScaleSetRowKey, query: &str) -> ApiReply {
        let only_outdated = super::query::is_true(query, "outdatedOnly");
        let set = self.scale_sets.get(&key);
        let rows = set
            .into_iter()
            .flat_map(|set| set.instances.iter().map(move |key| (set.generation, key)))
            .filter_map(|(generation, key)| Some((generation, self.instances.get(key)?)))
            .filter(|(generation, row)| !only_outdated || row.generation < *generation)
            .map(|(_, row)| self.show_instance(row, Depth::List));
        ApiReply::json(list(rows))
    }

    /// `POST /organizations/ID/scalesets` and the like. GARM creates the scale set at GitHub before
    /// it checks the fields, and deletes it there if they are invalid. It never checks the
    /// provider, the architecture or the labels.
    fn create_scale_set(
        &mut self,
        kind: EntityType,
        entity_id: &str,
        body: &[u8],
    ) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        let draft = NewScaleSet::read(&body)?;
        let entity = self.find_entity(kind, entity_id).map_err(|refusal| {
            refusal.within(&format!(
                "error getting entity: error failed to get entity from db: error fetching {}",
                kind.short()
            ))
        })?;
        if self.config.forge == Forge::Gitea {
            return Err(ApiRefusal::bad("scale sets are only supported for github entities"));
        }
        let template = self
            .template_for(&draft.os_type, draft.template)
            .map_err(|refusal| refusal.within("failed to find suitable template"))?;
        self.call_github().map_err(refusal_of)?;
        if !self.has_runner_group(&draft.group) {
            return Err(ApiRefusal::NotFound(format!(
                "failed to get github runner group for entity {entity_id}: getting runner group \
                 ID: runner group {} not found",
                draft.group
            )));
        }
        if draft.name.is_empty() {
            return Err(ApiRefusal::Server);
        }
        if self.is_name_taken((entity, &draft.group, &draft.name), None) {
            return Err(ApiRefusal::bad(self.taken_at_github(entity, &draft.name)));
        }
        self.github.scale_sets_made += 1;
        draft.check()?;
        if self.config.variant.version == GarmVersion::Main {
            self.check_scale_set_proxy(draft.proxy)
                .map_err(|refusal| refusal.within("error creating scale set"))?;
        }
        self.check_labels(&draft.labels)?;
        let extra_specs = draft.extra_specs.clone().map(|specs| self.kept(specs)).transpose()?;
        let key = self.insert_scale_set(entity, NewScaleSet { extra_specs, ..draft }, template);
        let set = self.scale_sets.get(&key).ok_or(ApiRefusal::Server)?;
        Ok(ApiReply::json(self.show_scale_set(set, Depth::Write)))
    }

    /// Inserts the row, the scale set at GitHub and the worker, and emits the event.
    pub(super) fn insert_scale_set(
        &mut self,
        entity: EntityRowKey,
        draft: NewScaleSet,
        template: u64,
    ) -> ScaleSetRowKey {
        self.scale_sets_made += 1;
        let key = ScaleSetRowKey(self.scale_sets_made);
        let tags = self.tags_of(&draft.labels);
        let set = ScaleSetRow {
            id: key.0,
            github_id: self.github.scale_sets_made,
            entity,
            name: draft.name,
            disable_update: draft.disable_update,
            state: "pending_create".into(),
            extended_state: String::new(),
            provider: draft.provider,
            max_runners: draft.max,
            min_idle: draft.min_idle,
            desired: 0,
            prefix: draft.prefix,
            image: draft.image,
            flavor: draft.flavor,
            os_type: draft.os_type,
            os_arch: draft.os_arch,
            tags,
            is_enabled: draft.is_enabled,
            has_shell: draft.has_shell,
            generation: 0,
            timeout: draft.timeout,
            extra_specs: draft.extra_specs,
            group: draft.group,
            template,
            proxy: draft.proxy,
            created_at: self.now,
            updated_at: self.now,
            instances: BTreeSet::new(),
            worker: Worker::default(),
        };
        self.add_to_github(&set, &draft.labels);
        self.scale_sets.insert(key, set);
        self.emit_scale_set("create", key, Depth::Write);
        self.start_worker_soon(key);
        key
    }

    /// `PUT /scalesets/ID`: a partial update. Unknown and immutable fields, among them the labels
    /// and the provider, are ignored with a 200. GitHub checks a new name or runner group.
    fn update_scale_set(
        &mut self,
        key: ScaleSetRowKey,
        body: &[u8],
    ) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        let change = ScaleSetUpdate::read(&body, self.config.variant.version)?;
        let set = self.scale_sets.get(&key).ok_or_else(|| ApiRefusal::NotFound(NO_SET.into()))?;
        change.check(set)?;
        if let Some(id) = change.template {
            let os_type = if change.os_type.is_empty() { &set.os_type } else { &change.os_type };
            self.template_for(os_type, Some(id))
                .map_err(|refusal| refusal.within("failed to find suitable template"))?;
        }
        let (entity, name, group) = (set.entity, set.name.clone(), set.group.clone());
        self.check_scale_set_proxy(change.proxy.unwrap_or_default())
            .map_err(|refusal| refusal.within("error updating pool: error updating scale set"))?;
        self.check_at_github((key, entity), (&name, &group), &change).map_err(|refusal| {
            refusal.within("error updating pool: error executing update callback")
        })?;
        let specs = change.extra_specs.clone().map(|specs| self.kept(specs)).transpose()?;
        let now = self.now;
        let set = self.scale_sets.get_mut(&key).ok_or(ApiRefusal::Server)?;
        if change.apply(set, specs) {
            set.updated_at = now;
            self.rename_at_github(key);
            self.emit_scale_set("update", key, Depth::Write);
            self.tell_worker(key);
        }
        let set = self.scale_sets.get(&key).ok_or(ApiRefusal::Server)?;
        Ok(ApiReply::json(self.show_scale_set(set, Depth::Write)))
    }

    /// GitHub's checks during a PUT, for a new name or runner group. GARM also sends a changed
    /// `disable_update`, which is not simulated.
    fn check_at_github(
        &mut self,
        (key, entity): (ScaleSetRowKey, EntityRowKey),
        (name, group): (&str, &str),
        change: &ScaleSetUpdate,
    ) -> Result<(), ApiRefusal> {
        let new_name = change.name_besides(name);
        let new_group = change.group_besides(group);
        if new_name.is_none() && new_group.is_none() {
            return Ok(());
        }
        self.call_github().map_err(refusal_of)?;
        if let Some(group) = new_group.filter(|group| !self.has_runner_group(group)) {
            return Err(ApiRefusal::NotFound(format!(
                "error fetching runner group from github: runner group {group} does not exist"
            )));
        }
        let (name, group) = (new_name.unwrap_or(name), new_group.unwrap_or(group));
        if self.is_name_taken((entity, group, name), Some(key)) {
            return Err(ApiRefusal::bad(self.taken_at_github(entity, name))
                .within("failed to update scaleset in github"));
        }
        Ok(())
    }

    /// `DELETE /scalesets/ID`: 200 even for an absent one. GARM also returns 200, and keeps its
    /// row, if GitHub refuses, since it takes every failure for "not found".
    fn delete_scale_set(&mut self, key: ScaleSetRowKey) -> Result<ApiReply, ApiRefusal> {
        let Some(set) = self.scale_sets.get(&key) else {
            return Ok(ApiReply::done());
        };
        if !set.instances.is_empty() {
            return Err(ApiRefusal::bad("scale set has runners"));
        }
        if set.is_enabled {
            return Err(ApiRefusal::bad("scale set is enabled; disable it first"));
        }
        if self.call_github().is_err() {
            return Ok(ApiReply::done());
        }
        self.crash_if_worker_is_busy(key);
        self.emit_scale_set("delete", key, Depth::Event);
        if let Some(set) = self.scale_sets.remove(&key) {
            self.remove_from_github(set.github_id);
        }
        Ok(ApiReply::done())
    }

    fn has_runner_group(&self, group: &str) -> bool {
        self.config.runner_groups.iter().any(|known| known.eq_ignore_ascii_case(group))
    }

    fn check_scale_set_proxy(&self, id: u64) -> Result<(), ApiRefusal> {
        if id == 0 || self.proxies.contains_key(&id) {
            return Ok(());
        }
        Err(ApiRefusal::bad(format!(
            "error checking scale set proxy: proxy with ID {id} does not exist"
        )))
    }

    /// GARM's error if GitHub already has a scale set of this name.
    fn taken_at_github(&self, entity: EntityRowKey, name: &str) -> String {
        let owner = self.entities.get(&entity).map(EntityRow::full_name).unwrap_or_default();
        format!(
            "error creating runner scale set: failed to create runner scale set: bad request while \
             calling {GITHUB_URL}/tenant/{owner}/_apis/runtime/runnerscalesets\
             ?api-version=6.0-preview: \"{{\\\"message\\\": \\\"a runner scale set named {name} \
             exists\\\"}}\""
        )
    }
}

fn refusal_of(error: GitHubError) -> ApiRefusal {
    match error {
        GitHubError::Unauthorized => ApiRefusal::NotAuthorized,
        GitHubError::Busy | GitHubError::NotFound | GitHubError::Down => ApiRefusal::Server,
    }
}
