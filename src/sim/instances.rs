//! GARM's API for one instance (GARM.md §e).

use super::entity::EntityRow;
use super::github::GitHubError;
use super::instance::{RunnerOwner, VmStatus};
use super::query;
use super::reply::{ApiRefusal, ApiReply};
use super::rest_view::Depth;
use super::row_key::InstanceRowKey;
use super::seed::GITHUB_URL;
use super::world::World;

impl World {
    fn find_instance(&self, name: &str) -> Result<InstanceRowKey, ApiRefusal> {
        self.instance_named(name)
            .or_else(|| {
                self.instances.iter().find(|found| found.1.id == name).map(|found| *found.0)
            })
            .ok_or_else(|| {
                ApiRefusal::NotFound(
                    "error fetching instance: error fetching instance: error fetching instance by \
                     name: not found"
                        .into(),
                )
            })
    }

    pub(super) fn get_instance(&self, name: &str) -> Result<ApiReply, ApiRefusal> {
        let key = self.find_instance(name)?;
        let instance = self.instances.get(&key).ok_or(ApiRefusal::Server)?;
        Ok(ApiReply::json(self.show_instance(instance, Depth::One)))
    }

    /// `DELETE /instances/NAME`. GitHub decides: a busy runner is a 400, whatever its status in
    /// GARM. `forceRemove` does not change that; `bypassGHUnauthorized` does, and kills the job
    /// (GARM.md §0.7, §e).
    pub(super) fn delete_instance(
        &mut self,
        name: &str,
        query: &str,
    ) -> Result<ApiReply, ApiRefusal> {
        let key = self.find_instance(name)?;
        let instance = self.instances.get(&key).ok_or(ApiRefusal::Server)?;
        if !instance.vm.can_be_deleted() {
            return Err(ApiRefusal::bad(
                "runner must be in one of the following states: \"running, error, \
                 pending_force_delete, pending_delete\"",
            ));
        }
        let (agent, before, owner) = (instance.agent_id, instance.vm, instance.owner);
        if let Err(error) = self.remove_runner(agent)
            && error != GitHubError::NotFound
        {
            if error == GitHubError::Unauthorized
                && let Some(pool) = owner.pool().and_then(|pool| self.pools.get(&pool))
            {
                // GARM's message, including its formatting bug (GARM.md §j).
                let entity = pool.entity;
                self.stop_manager(entity, "failed to remove runner: %!q(<nil>)");
            }
            if !query::is_true(query, "bypassGHUnauthorized") {
                return Err(match error {
                    GitHubError::Unauthorized => ApiRefusal::NotAuthorized,
                    GitHubError::Busy => ApiRefusal::bad(self.busy_message(owner, agent)),
                    GitHubError::Down | GitHubError::NotFound => ApiRefusal::Server,
                });
            }
        }
        let after = if query::is_true(query, "forceRemove") {
            VmStatus::PendingForceDelete
        } else {
            VmStatus::PendingDelete
        };
        // A pending forced delete stays forced.
        if !(before == VmStatus::PendingForceDelete && after == VmStatus::PendingDelete) {
            self.set_vm(key, after);
        }
        Ok(ApiReply::done())
    }

    /// GARM's error for a busy runner. For a runner of a scale set it quotes GitHub's service.
    fn busy_message(&self, owner: RunnerOwner, agent: i64) -> String {
        let entity = match owner {
            RunnerOwner::Pool(_) => {
                return format!(
                    "error removing runner from github: error removing runner {agent}: invalid \
                     request"
                );
            }
            RunnerOwner::ScaleSet(key) => self.scale_sets.get(&key).map(|set| set.entity),
        };
        let entity = entity.and_then(|key| self.entities.get(&key));
        let url = format!(
            "{GITHUB_URL}/tenant/{}/_apis/distributedtask/pools/0/agents/{agent}\
             ?api-version=6.0-preview",
            entity.map(EntityRow::full_name).unwrap_or_default()
        );
        format!(
            "error removing runner from github: request failed for {url}: bad request while calling \
             {url}: \"{{\\\"message\\\": \\\"still running\\\", \\\"typeName\\\": \
             \\\"JobStillRunningException\\\"}}\""
        )
    }
}
