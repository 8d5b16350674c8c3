//! The events of GARM's `/api/v1/ws/events` (GARM.md §g).

use jiff::Timestamp;

use super::json::{Object, zero_time};
use super::rest_view::Depth;
use super::row_key::{EntityRowKey, InstanceRowKey, PoolRowKey};
use super::world::World;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GarmEvent {
    /// When the row was written.
    pub at: Timestamp,
    /// `instance`, `pool`, `job`, `controller`, `organization`, …
    pub entity_type: &'static str,
    /// The operation: `create`, `update` or `delete`.
    pub operation: &'static str,
    pub payload: String,
}

impl GarmEvent {
    /// The event as GARM sends it.
    pub fn to_json(&self) -> String {
        Object::new()
            .text("entity-type", self.entity_type)
            .text("operation", self.operation)
            .raw("payload", &self.payload)
            .end()
    }
}

/// The recorded events that have not been taken yet; nothing is recorded without a subscriber.
#[derive(Debug, Default)]
pub(crate) struct EventBuffer {
    is_open: bool,
    /// How many have subscribed so far.
    listeners: u64,
    events: Vec<GarmEvent>,
}

impl EventBuffer {
    /// Starts recording events, and returns the number of this subscriber.
    pub(crate) fn open(&mut self) -> u64 {
        self.is_open = true;
        self.listeners += 1;
        self.listeners
    }

    /// Whether anyone has subscribed.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(crate) fn take(&mut self) -> Vec<GarmEvent> {
        std::mem::take(&mut self.events)
    }
}

impl World {
    pub(super) fn emit(
        &mut self,
        entity_type: &'static str,
        operation: &'static str,
        payload: String,
    ) {
        self.stream.events.push(GarmEvent { at: self.now, entity_type, operation, payload });
    }

    pub(super) fn emit_instance(&mut self, operation: &'static str, key: InstanceRowKey) {
        if let Some(instance) = self.instances.get(&key).filter(|_| self.stream.is_open) {
            let payload = self.show_instance(instance, Depth::Event);
            self.emit("instance", operation, payload);
        }
    }

    /// Deletes are stubs (GARM.md §g). Must be called before the row is deleted.
    pub(super) fn emit_instance_gone(&mut self, key: InstanceRowKey) {
        let Some(instance) = self.instances.get(&key).filter(|_| self.stream.is_open) else {
            return;
        };
        let pool = self.pool_of(instance).map_or("", |pool| pool.id.as_str());
        let scale_set = instance.owner.scale_set().map_or(0, |key| key.0);
        let payload = Object::new()
            .text("id", &instance.id)
            .text_if("provider_id", &instance.provider_id)
            .text("provider_name", "")
            .number_if("agent_id", instance.agent_id)
            .text("name", &instance.name)
            .text_if("pool_id", pool)
            .number_if("scale_set_id", scale_set)
            .time("created_at", zero_time())
            .time("updated_at", zero_time())
            .time("heartbeat", zero_time())
            .raw("capabilities", r#"{"has_shell":false}"#)
            .number("generation", 0)
            .end();
        self.emit("instance", "delete", payload);
    }

    pub(super) fn emit_pool(&mut self, operation: &'static str, key: PoolRowKey) {
        if let Some(pool) = self.pools.get(&key).filter(|_| self.stream.is_open) {
            let payload = self.show_pool(pool, Depth::Event);
            self.emit("pool", operation, payload);
        }
    }

    pub(super) fn emit_pool_gone(&mut self, id: &str) {
        if !self.stream.is_open {
            return;
        }
        let endpoint = self.show_no_endpoint();
        let payload = Object::new()
            .text("id", id)
            .raw("enable_shell", "false")
            .number("generation", 0)
            .raw("endpoint", &endpoint)
            .time("created_at", zero_time())
            .time("updated_at", zero_time())
            .end();
        self.emit("pool", "delete", payload);
    }

    /// `Depth::Event` omits the runner's name, as GARM does where it has not also read the runner's
    /// row (GARM.md §f).
    pub(super) fn emit_job(&mut self, operation: &'static str, id: i64, depth: Depth) {
        if let Some(job) = self.jobs.get(&id).filter(|_| self.stream.is_open) {
            let payload = self.show_job(job, depth);
            self.emit("job", operation, payload);
        }
    }

    pub(super) fn emit_entity(&mut self, operation: &'static str, key: EntityRowKey) {
        if let Some(entity) = self.entities.get(&key).filter(|_| self.stream.is_open) {
            let (kind, payload) = (entity.kind.long(), self.show_entity(key, entity, Depth::Write));
            self.emit(kind, operation, payload);
        }
    }

    pub(super) fn emit_controller(&mut self) {
        if self.stream.is_open {
            let payload = self.show_controller(Depth::Event);
            self.emit("controller", "update", payload);
        }
    }
}
