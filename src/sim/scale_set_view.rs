//! Scale sets as JSON (GARM.md §scale-sets, recorded).

use super::json::{Object, Truth};
use super::rest_view::{Depth, compact};
use super::scale_set::ScaleSetRow;
use super::world::World;

impl World {
    /// Only [`Depth::One`] and [`Depth::Write`] name the template and the proxy. Neither an
    /// entity's own list ([`Depth::Inner`]) nor the events of GARM's worker ([`Depth::Event`]) have
    /// an endpoint, and the latter have no tags. All but lists have instances; `status_messages` is
    /// always null.
    pub(super) fn show_scale_set(&self, set: &ScaleSetRow, depth: Depth) -> String {
        let is_whole = matches!(depth, Depth::One | Depth::Write);
        let is_list = matches!(depth, Depth::List | Depth::Inner);
        let mut shown = Object::new()
            .text_if("runner_prefix", &set.prefix)
            .time("created_at", set.created_at)
            .time("updated_at", set.updated_at)
            .number("id", set.id)
            .number_if("scale_set_id", set.github_id)
            .text_if("name", &set.name)
            .truth("disable_update", Truth(set.disable_update))
            .text("state", &set.state)
            .text_if("extended_state", &set.extended_state)
            .text_if("provider_name", &set.provider)
            .number_if("max_runners", set.max_runners)
            .number_if("min_idle_runners", set.min_idle)
            .text_if("image", &set.image)
            .text_if("flavor", &set.flavor)
            .text_if("os_type", &set.os_type)
            .text_if("os_arch", &set.os_arch)
            .truth_if("enabled", Truth(set.is_enabled));
        if !is_list {
            let rows = set.instances.iter().filter_map(|key| self.instances.get(key));
            shown =
                shown.list_if("instances", rows.map(|row| self.show_instance(row, Depth::Inner)));
        }
        let entity = self.entities.get(&set.entity);
        let endpoint = match entity {
            Some(entity) if is_whole || depth == Depth::List => self.show_endpoint_of(entity),
            Some(_) | None => self.show_no_endpoint(),
        };
        shown = shown
            .number_if("desired_runner_count", set.desired)
            .truth("enable_shell", Truth(set.has_shell))
            .number("generation", set.generation)
            .raw("endpoint", &endpoint)
            .number_if("runner_bootstrap_timeout", set.timeout);
        if let Some(specs) = &set.extra_specs {
            shown = shown.raw("extra_specs", &compact(specs));
        }
        shown = shown.text_if("github-runner-group", &set.group);
        if depth != Depth::Event {
            shown = shown.list_if("tags", self.show_tags(&set.tags, Depth::One));
        }
        shown = shown.raw("status_messages", "null");
        if let Some(entity) = entity {
            let (id, name) = entity.kind.id_and_name_keys();
            shown = shown.text(id, &entity.id).text(name, &entity.full_name());
        }
        let template = self.templates.get(&set.template).filter(|_| is_whole);
        let proxy = self.proxies.get(&set.proxy).filter(|_| is_whole);
        shown
            .number_if("template_id", set.template)
            .text_if("template_name", template.map_or("", |template| &template.name))
            .number_if("proxy_id", set.proxy)
            .text_if("proxy_name", proxy.map_or("", |proxy| &proxy.name))
            .end()
    }

    /// Emits an event. That of a write through the API has the whole row; that of a write by GARM's
    /// own worker has less.
    pub(super) fn emit_scale_set(
        &mut self,
        operation: &'static str,
        key: super::row_key::ScaleSetRowKey,
        depth: Depth,
    ) {
        if let Some(set) = self.scale_sets.get(&key).filter(|_| self.stream.is_open()) {
            let payload = self.show_scale_set(set, depth);
            self.emit("scaleset", operation, payload);
        }
    }
}
