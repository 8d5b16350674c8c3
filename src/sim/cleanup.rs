//! GARM's cleanup loop, every five minutes (GARM.md §d, §j).

use std::time::Duration;

use super::github::GitHubError;
use super::instance::{RunnerPhase, VmStatus};
use super::row_key::{EntityRowKey, InstanceRowKey};
use super::world::World;

impl World {
    /// Removes runners that were silent for too long, rows whose runner GitHub no longer knows, and
    /// offline runners at GitHub that have no row.
    pub(super) fn reap(&mut self, entity: EntityRowKey) {
        match self.call_github() {
            Ok(()) => {}
            Err(GitHubError::Unauthorized) => {
                self.stop_manager(entity, "failed to fetch github runners: unauthorized");
                return;
            }
            Err(GitHubError::Busy | GitHubError::NotFound | GitHubError::Down) => return,
        }
        for key in self.instances_where(entity, |instance, _| !instance.is_locked) {
            if self.is_silent_too_long(key) {
                // A refusal ends this round; the next is in 5 minutes.
                if self.remove_idle(key).is_err() {
                    return;
                }
            } else if self.is_orphan(key) {
                self.set_vm(key, VmStatus::PendingDelete);
            }
        }
        self.forget_failed(entity);
        self.drop_offline_runners(entity);
    }

    /// A row whose creation failed has a registration at GitHub that is offline, and no VM: both go
    /// at once, however young they are, and GARM makes another row at its next tick (measured: made
    /// at 28:15, six attempts up to 29:10, gone at 32:10, with a bootstrap timeout of 20 minutes).
    fn forget_failed(&mut self, entity: EntityRowKey) {
        for key in self.instances_where(entity, |instance, _| {
            !instance.is_locked && instance.vm == VmStatus::Error
        }) {
            let Some(agent) = self.instances.get(&key).map(|instance| instance.agent_id) else {
                continue;
            };
            let is_offline =
                self.github.runners.get(&agent).is_some_and(|runner| !runner.is_online);
            if is_offline {
                self.remove_runner(agent).ok();
                self.vm_deleted(key);
            }
        }
    }

    /// Silent for the pool's bootstrap timeout and not online at GitHub.
    fn is_silent_too_long(&self, key: InstanceRowKey) -> bool {
        let Some(instance) = self.instances.get(&key) else {
            return false;
        };
        let silent = self.now.duration_since(instance.updated_at).unsigned_abs();
        let is_online =
            self.github.runners.get(&instance.agent_id).is_some_and(|runner| runner.is_online);
        silent >= self.timeout_of(key) && !is_online
    }

    /// GitHub no longer knows the runner, because its `completed` webhook was lost.
    fn is_orphan(&self, key: InstanceRowKey) -> bool {
        let Some(instance) = self.instances.get(&key) else {
            return false;
        };
        if matches!(
            instance.vm,
            VmStatus::PendingCreate | VmStatus::PendingDelete | VmStatus::PendingForceDelete
        ) {
            return false;
        }
        let age = self.now.duration_since(instance.created_at).unsigned_abs();
        let is_young = matches!(instance.phase, RunnerPhase::Pending | RunnerPhase::Installing)
            && age < self.timeout_of(key);
        !is_young && !self.github.runners.contains_key(&instance.agent_id)
    }

    fn timeout_of(&self, key: InstanceRowKey) -> Duration {
        let pool = self.instances.get(&key).and_then(|instance| self.pool_of(instance));
        let minutes = pool.map_or(20, super::pool::PoolRow::timeout_minutes);
        Duration::from_secs(minutes.saturating_mul(60))
    }

    fn drop_offline_runners(&mut self, entity: EntityRowKey) {
        let orphans: Vec<_> = self
            .github
            .runners
            .iter()
            .filter(|(_, runner)| runner.scope == entity && !runner.is_online)
            .filter(|(_, runner)| self.instance_named(&runner.name).is_none())
            .map(|found| *found.0)
            .collect();
        for runner in orphans {
            self.remove_runner(runner).ok();
        }
    }
}
