//! What GARM's API does with one instance (GARM.md §e).

use super::github::Trouble;
use super::instance::{InstanceKey, Vm};
use super::query;
use super::reply::{Refusal, Reply};
use super::rest_view::Depth;
use super::world::World;

impl World {
    fn find_instance(&self, name: &str) -> Result<InstanceKey, Refusal> {
        self.instance_named(name)
            .or_else(|| self.instances.iter().find(|it| it.1.id == name).map(|it| *it.0))
            .ok_or_else(|| {
                Refusal::NotFound(
                    "error fetching instance: error fetching instance: error fetching instance by \
                     name: not found"
                        .into(),
                )
            })
    }

    pub(super) fn get_instance(&self, name: &str) -> Result<Reply, Refusal> {
        let key = self.find_instance(name)?;
        let instance = self.instances.get(&key).ok_or(Refusal::Server)?;
        Ok(Reply::json(self.show_instance(instance, Depth::One)))
    }

    /// `DELETE /instances/NAME`. GitHub decides: a busy runner is a 400, whatever GARM shows.
    /// `forceRemove` does not change that; `bypassGHUnauthorized` does, and kills the job
    /// (GARM.md §0.7, §e).
    pub(super) fn delete_instance(&mut self, name: &str, query: &str) -> Result<Reply, Refusal> {
        let key = self.find_instance(name)?;
        let instance = self.instances.get(&key).ok_or(Refusal::Server)?;
        if !instance.vm.can_be_deleted() {
            return Err(Refusal::bad(
                "runner must be in one of the following states: \"running, error, \
                 pending_force_delete, pending_delete\"",
            ));
        }
        let (agent, before, pool) = (instance.agent_id, instance.vm, instance.pool);
        if let Err(trouble) = self.remove_runner(agent)
            && trouble != Trouble::NotFound
        {
            if trouble == Trouble::Unauthorized
                && let Some(entity) = self.pools.get(&pool).map(|it| it.entity)
            {
                // GARM's own words, down to its slip (GARM.md §j).
                self.stop_manager(entity, "failed to remove runner: %!q(<nil>)");
            }
            if !query::is_true(query, "bypassGHUnauthorized") {
                return Err(match trouble {
                    Trouble::Unauthorized => Refusal::NotAuthorized,
                    Trouble::Busy => Refusal::bad(format!(
                        "error removing runner from github: error removing runner {agent}: \
                         invalid request"
                    )),
                    Trouble::Down | Trouble::NotFound => Refusal::Server,
                });
            }
        }
        let after = if query::is_true(query, "forceRemove") {
            Vm::PendingForceDelete
        } else {
            Vm::PendingDelete
        };
        // One that is already on its way to a forced delete stays there.
        if !(before == Vm::PendingForceDelete && after == Vm::PendingDelete) {
            self.set_vm(key, after);
        }
        Ok(Reply::done())
    }
}
