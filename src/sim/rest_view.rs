//! Rows as JSON: which fields a list has, and which only a single response (GARM.md §a).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::config::GarmDatabase;
use super::entity::{EntityRow, EntityType};
use super::instance::InstanceRow;
use super::job::JobRow;
use super::json::{Object, Truth, quoted, zero_time};
use super::pool::{PoolRow, TagRowKey};
use super::row_key::EntityRowKey;
use super::world::World;

/// Where a row is shown, which decides its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    List,
    /// In the response for one id or name.
    One,
    /// In the response to POST or PUT.
    Write,
    Event,
    Inner,
}

const NO_LOCK: &str = "00000000-0000-0000-0000-000000000000";

impl World {
    /// Lists never contain `instances`, `template_name` or `extra_specs` (measured: GARM omits that
    /// column from its list query). Inside an entity a pool has neither tags nor entity.
    pub(super) fn show_pool(&self, pool: &PoolRow, depth: Depth) -> String {
        let is_list = depth == Depth::List;
        let is_inner = depth == Depth::Inner;
        let timeout = if depth == Depth::One { pool.timeout_minutes() } else { pool.timeout };
        let mut shown = Object::new()
            .text_if("runner_prefix", &pool.prefix)
            .text("id", &pool.id)
            .text_if("provider_name", &pool.provider)
            .number_if("max_runners", pool.max_runners)
            .number_if("min_idle_runners", pool.min_idle)
            .text_if("image", &pool.image)
            .text_if("flavor", &pool.flavor)
            .text_if("os_type", &pool.os_type)
            .text_if("os_arch", &pool.os_arch);
        if !is_inner {
            shown = shown.list_if("tags", self.show_tags(&pool.tags, depth));
        }
        shown = shown.truth_if("enabled", Truth(pool.is_enabled));
        if !is_list && !is_inner {
            let rows = pool.instances.iter().filter_map(|key| self.instances.get(key));
            shown =
                shown.list_if("instances", rows.map(|row| self.show_instance(row, Depth::Inner)));
        }
        shown = shown
            .truth("enable_shell", Truth(pool.has_shell))
            .number("generation", pool.generation);
        shown = if is_inner {
            self.with_half_owner(shown, pool.entity)
        } else {
            self.with_owner(shown, pool.entity)
        };
        shown = shown
            .number_if("runner_bootstrap_timeout", timeout)
            .time("created_at", pool.created_at)
            .time("updated_at", pool.updated_at);
        if let Some(specs) = pool.extra_specs.as_ref().filter(|_| !is_list) {
            shown = shown.raw("extra_specs", &compact(specs));
        }
        shown = shown
            .text_if("github-runner-group", &pool.group)
            .number_if("priority", pool.priority)
            .number_if("template_id", pool.template);
        if !is_list && !is_inner {
            let template = self.templates.get(&pool.template);
            shown = shown.text_if("template_name", template.map_or("", |template| &template.name));
        }
        shown = shown.number_if("proxy_id", pool.proxy);
        if !is_list && !is_inner {
            let proxy = self.proxies.get(&pool.proxy);
            shown = shown.text_if("proxy_name", proxy.map_or("", |proxy| &proxy.name));
        }
        shown.end()
    }

    /// Lists keep the order in which tags were given; elsewhere tags are ordered by id (GARM.md
    /// §c).
    pub(super) fn show_tags(&self, tags: &[TagRowKey], depth: Depth) -> std::vec::IntoIter<String> {
        let mut tags: Vec<_> = tags.iter().map(|id| self.tags.get(*id)).collect();
        if depth != Depth::List {
            tags.sort_by(|a, b| a.id.cmp(&b.id));
        }
        let shown: Vec<_> = tags
            .into_iter()
            .map(|tag| Object::new().text("id", &tag.id).text_if("name", &tag.name).end())
            .collect();
        shown.into_iter()
    }

    /// Inside an entity a pool names only a repository, and only by id (measured).
    fn with_half_owner(&self, shown: Object, key: EntityRowKey) -> Object {
        let repository =
            self.entities.get(&key).filter(|entity| entity.kind == EntityType::Repository);
        shown
            .text_if("repo_id", repository.map_or("", |repository| &repository.id))
            .raw("endpoint", &self.show_no_endpoint())
    }

    fn with_owner(&self, shown: Object, key: EntityRowKey) -> Object {
        let Some(entity) = self.entities.get(&key) else {
            return shown.raw("endpoint", &self.show_no_endpoint());
        };
        let (id, name) = entity.kind.id_and_name_keys();
        shown
            .text(id, &entity.id)
            .text(name, &entity.full_name())
            .raw("endpoint", &self.show_endpoint_of(entity))
    }

    /// Only single responses and events contain addresses and status messages; instances inside a
    /// pool have no provider and no job (GARM.md §a).
    pub(super) fn show_instance(&self, instance: &InstanceRow, depth: Depth) -> String {
        let is_inner = depth == Depth::Inner;
        let is_full = matches!(depth, Depth::One | Depth::Event);
        let mut shown = Object::new()
            .text("id", &instance.id)
            .text_if("provider_id", &instance.provider_id)
            .text("provider_name", if is_inner { "" } else { &instance.provider })
            .number_if("agent_id", instance.agent_id)
            .text("name", &instance.name)
            .text_if("os_type", &instance.os_type)
            .text_if("os_name", &instance.os_name)
            .text_if("os_version", &instance.os_version)
            .text_if("os_arch", &instance.os_arch);
        if is_full && !instance.provider_id.is_empty() {
            shown = shown.raw("addresses", r#"[{"address":"127.0.0.1","type":"private"}]"#);
        }
        let pool = self.pool_of(instance).map_or("", |pool| pool.id.as_str());
        let scale_set = instance.owner.scale_set().map_or(0, |key| key.0);
        shown = shown
            .text("status", instance.vm.word())
            .text("runner_status", instance.phase.word())
            .text_if("pool_id", pool)
            .number_if("scale_set_id", scale_set)
            .text_if("provider_fault", &STANDARD.encode(&instance.fault));
        if is_full {
            let order = in_order(instance.messages.len(), self.config.variant.database);
            let messages = order.filter_map(|at| instance.messages.get(at)).map(|(at, message)| {
                Object::new()
                    .time("created_at", *at)
                    .text("message", message)
                    .text("event_type", "status")
                    .text("event_level", "info")
                    .end()
            });
            shown = shown.list_if("status_messages", messages);
        }
        shown = shown
            .time("created_at", instance.created_at)
            .time("updated_at", instance.updated_at)
            .text_if("github-runner-group", &instance.group);
        if let Some(job) = instance.job.filter(|_| !is_inner).and_then(|key| self.jobs.get(&key)) {
            shown = shown.raw("job", &self.show_job(job, Depth::Inner));
        }
        shown
            .time("heartbeat", zero_time())
            .raw("capabilities", r#"{"has_shell":false}"#)
            .number("generation", instance.generation)
            .end()
    }

    /// The runner's name is present only where GARM has also read the runner's row.
    pub(super) fn show_job(&self, job: &JobRow, depth: Depth) -> String {
        let runner = job.instance.filter(|_| depth == Depth::List);
        let runner =
            runner.and_then(|key| self.instances.get(&key)).map_or("", |instance| &instance.name);
        let has_runner = job.runner_id != 0;
        let group = match job.group.as_str() {
            "" if has_runner => "Default",
            group => group,
        };
        let id_of = |kind| {
            let key = job.entities.iter().find(|entity| entity.0 == kind).map(|entity| entity.1);
            key.and_then(|key| self.entities.get(&key)).map_or("", |entity| entity.id.as_str())
        };
        let lock = job.locked_by.and_then(|key| self.entities.get(&key));
        Object::new()
            .number("id", job.id)
            .number_if("workflow_job_id", job.workflow_job_id)
            .text_if("scaleset_job_id", &job.scale_set_job_id)
            .number_if("run_id", job.run_id)
            .text("action", job.action())
            .text_if("conclusion", &job.conclusion)
            .text("status", job.status)
            .text_if("name", &job.name)
            .time("started_at", job.started_at)
            .time("completed_at", job.completed_at)
            .number_if("runner_id", job.runner_id)
            .text_if("runner_name", runner)
            .number_if("runner_group_id", i64::from(has_runner && job.group.is_empty()))
            .text_if("runner_group_name", group)
            .text_if("repository_name", &job.repository)
            .text_if("repository_owner", &job.owner)
            .text_if("workflow_run_url", &job.run_url)
            .list_if("labels", job.labels.iter().map(|label| quoted(label)))
            .text_if("repo_id", id_of(EntityType::Repository))
            .text_if("org_id", id_of(EntityType::Organization))
            .text_if("enterprise_id", id_of(EntityType::Enterprise))
            .text("locked_by", lock.map_or(NO_LOCK, |entity| &entity.id))
            .time("created_at", job.created_at)
            .time("updated_at", job.updated_at)
            .end()
    }

    /// Only the response for one id contains `events` and the pools (as `pool`).
    pub(super) fn show_entity(
        &self,
        key: EntityRowKey,
        entity: &EntityRow,
        depth: Depth,
    ) -> String {
        let pools = self.pools.values().filter(|pool| pool.entity == key && depth == Depth::One);
        let status = Object::new()
            .truth_if("running", Truth(entity.is_running))
            .text_if("failure_reason", &entity.failure)
            .end();
        let credentials = self.credentials.get(&entity.credentials);
        let credentials_name = credentials.map_or("", |credentials| &credentials.name);
        let is_inner = depth == Depth::Inner;
        let nothing = self.show_no_endpoint();
        let credentials_shown = match credentials.filter(|_| !is_inner) {
            Some(credentials) => self.show_credentials(credentials),
            None => Object::new()
                .raw("endpoint", &nothing)
                .time("created_at", zero_time())
                .time("updated_at", zero_time())
                .end(),
        };
        let endpoint = if is_inner { nothing } else { self.show_endpoint_of(entity) };
        let shown = Object::new()
            .text("id", &entity.id)
            .text_if("owner", &entity.owner)
            .text("name", &entity.name)
            .list_if("pool", pools.map(|pool| self.show_pool(pool, Depth::Inner)))
            .text("credentials_name", credentials_name);
        // The kinds differ in the order of their fields.
        let is_repository = entity.kind == EntityType::Repository;
        let shown = if is_repository {
            shown
                .number("credentials_id", entity.credentials)
                .raw("credentials", &credentials_shown)
                .truth("agent_mode", Truth(entity.agent_mode))
        } else {
            shown
                .raw("credentials", &credentials_shown)
                .number("credentials_id", entity.credentials)
        };
        let shown = shown
            .raw("pool_manager_status", &status)
            .text("pool_balancing_type", &entity.balancer)
            .raw("endpoint", &endpoint)
            .time("created_at", entity.created_at)
            .time("updated_at", entity.updated_at);
        let events = (depth == Depth::One).then(|| tools_event(entity));
        let shown = shown.list_if("events", events.into_iter());
        if is_repository {
            shown.end()
        } else {
            shown.truth("agent_mode", Truth(entity.agent_mode)).end()
        }
    }
}

/// The order in which the database lists a runner's messages. PostgreSQL keeps none (measured: the
/// newest was once not the last); here it starts with the newest.
fn in_order(count: usize, database: GarmDatabase) -> impl Iterator<Item = usize> {
    let first = match database {
        GarmDatabase::Sqlite => 0,
        GarmDatabase::Postgresql => count.saturating_sub(1),
    };
    (first..count).chain(0..first)
}

/// The event that every entity has.
fn tools_event(entity: &EntityRow) -> String {
    Object::new()
        .number("id", 1)
        .time("created_at", entity.created_at)
        .text("event_type", "status")
        .text("event_level", "info")
        .text("message", "successfully updated tools")
        .end()
}

/// JSON without insignificant whitespace, as Go re-encodes it.
pub(crate) fn compact(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in json.chars() {
        match c {
            ' ' | '\t' | '\n' | '\r' if !is_quoted => continue,
            '<' | '>' | '&' => {
                text.push_str(&format!("\\u{:04x}", u32::from(c)));
                continue;
            }
            '"' if !is_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        is_escaped = is_quoted && c == '\\' && !is_escaped;
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn whitespace_is_removed_outside_strings_only() {
        assert_eq!(compact(r#"{ "a b" : [1, "\" x" ] }"#), r#"{"a b":[1,"\" x"]}"#);
        assert_eq!(compact("null"), "null");
    }
}
