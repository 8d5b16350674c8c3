//! The row of a scale set, and what GARM's worker and GitHub hold beside it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::instance::{InstanceRow, RunnerOwner};
use super::pool::{PoolRow, TagRowKey};
use super::row_key::{EntityRowKey, InstanceRowKey, ScaleSetRowKey};
use super::scale_set_worker::Worker;
use super::world::{Due, World};

/// GARM's row of a scale set (GARM.md §scale-sets).
#[derive(Debug, Clone)]
pub(crate) struct ScaleSetRow {
    /// GARM's number, which paths and instances contain.
    pub(crate) id: u64,
    /// GitHub's number.
    pub(crate) github_id: u64,
    pub(crate) entity: EntityRowKey,
    pub(crate) name: String,
    pub(crate) disable_update: bool,
    pub(crate) state: String,
    pub(crate) extended_state: String,
    /// GARM does not check it; a scale set with an unknown provider never has a runner.
    pub(crate) provider: String,
    pub(crate) max_runners: u64,
    pub(crate) min_idle: u64,
    /// GitHub's number of assigned jobs, running ones included, as GARM last heard it.
    pub(crate) desired: u64,
    pub(crate) prefix: String,
    pub(crate) image: String,
    pub(crate) flavor: String,
    pub(crate) os_type: String,
    pub(crate) os_arch: String,
    /// Set at creation; no update changes them.
    pub(crate) tags: Vec<TagRowKey>,
    pub(crate) is_enabled: bool,
    pub(crate) has_shell: bool,
    pub(crate) generation: u64,
    /// The bootstrap timeout in minutes.
    pub(crate) timeout: u64,
    /// As written; absent if never set.
    pub(crate) extra_specs: Option<String>,
    pub(crate) group: String,
    pub(crate) template: u64,
    /// The id of the proxy; 0 if there is none.
    pub(crate) proxy: u64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) instances: BTreeSet<InstanceRowKey>,
    pub(crate) worker: Worker,
}

impl World {
    /// The scale sets of an entity, in order of creation.
    pub(super) fn scale_sets_of(&self, entity: EntityRowKey) -> impl Iterator<Item = &ScaleSetRow> {
        self.scale_sets.values().filter(move |set| set.entity == entity)
    }

    /// A scale set at GitHub with this name in this runner group. GitHub's names ignore case.
    pub(super) fn is_name_taken(
        &self,
        (entity, group, name): (EntityRowKey, &str, &str),
        besides: Option<ScaleSetRowKey>,
    ) -> bool {
        self.github.scale_sets.values().any(|set| {
            set.scope == entity
                && set.group.eq_ignore_ascii_case(group)
                && set.name.eq_ignore_ascii_case(name)
                && Some(set.row) != besides
        })
    }

    /// The pool of a runner, unless it belongs to a scale set.
    pub(super) fn pool_of(&self, instance: &InstanceRow) -> Option<&PoolRow> {
        self.pools.get(&instance.owner.pool()?)
    }

    /// The instances of a pool or a scale set.
    pub(super) fn rows_of(&mut self, owner: RunnerOwner) -> Option<&mut BTreeSet<InstanceRowKey>> {
        match owner {
            RunnerOwner::Pool(key) => self.pools.get_mut(&key).map(|pool| &mut pool.instances),
            RunnerOwner::ScaleSet(key) => {
                self.scale_sets.get_mut(&key).map(|set| &mut set.instances)
            }
        }
    }

    /// The pool id that the provider is given for a runner, and the `extra_specs`. A scale set has
    /// no such id; GARM builds one from its name and its entity's id.
    pub(super) fn provider_pool_of(&self, instance: InstanceRowKey) -> (String, Option<String>) {
        match self.instances.get(&instance).map(|row| row.owner) {
            Some(RunnerOwner::Pool(key)) => match self.pools.get(&key) {
                Some(pool) => (pool.id.clone(), pool.extra_specs.clone()),
                None => (String::new(), None),
            },
            Some(RunnerOwner::ScaleSet(key)) => match self.scale_sets.get(&key) {
                Some(set) => {
                    let entity = self.entities.get(&set.entity).map_or("", |entity| &entity.id);
                    (format!("{}-{entity}", set.name), set.extra_specs.clone())
                }
                None => (String::new(), None),
            },
            None => (String::new(), None),
        }
    }

    pub(super) fn carry_out_for_scale_set(&mut self, due: Due) {
        match due {
            Due::WorkerStarts(key) => self.start_worker(key),
            Due::WorkerSees(key, row) => self.worker_sees(key, row),
            Due::WorkerCompares(key) => self.worker_compares(key),
            Due::SessionStarts(key) => self.start_session(key),
            Due::SetInstance(key) => self.tend_instance(key),
            Due::Message(scale_set) => self.send_message(scale_set),
            Due::MessageArrives(key, message) => self.take_message(key, message),
            Due::PollEnds(scale_set, poll) => self.poll_ends(scale_set, poll),
            _ => {}
        }
    }
}
