//! The loops of GARM's pool managers (GARM.md §d), one set per entity.

use std::time::Duration;

use super::config::GarmVersion;
use super::github::GitHubError;
use super::instance::{InstanceRow, RunnerOwner, RunnerPhase, VmStatus};
use super::pool::{CachedPool, PoolRow};
use super::row_key::{EntityRowKey, InstanceRowKey, PoolRowKey};
use super::world::{Due, World};

/// A loop of a pool manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loop {
    DeletePending,
    AddPending,
    EnsureIdle,
    RetryFailed,
    Consume,
    ScaleDown,
    Reap,
    Tools,
    StaleJobs,
}

/// When a loop of a stopped pool manager checks again.
const STOPPED_PAUSE: Duration = Duration::from_secs(60);

/// The number of retries of a failed create, which makes six attempts in total (GARM.md §d).
const RETRIES: u8 = 5;

/// A delete starts at a random time within this span after its tick (GARM.md §e).
const DELETE_JITTER: Duration = Duration::from_secs(2);

impl Loop {
    /// In the order in which they act when they tick together: a row that EnsureIdle creates or
    /// RetryFailed resets waits for the next AddPending (GARM.md §d).
    pub(crate) const ALL: [Self; 9] = [
        Self::DeletePending,
        Self::AddPending,
        Self::EnsureIdle,
        Self::RetryFailed,
        Self::Consume,
        Self::ScaleDown,
        Self::Reap,
        Self::Tools,
        Self::StaleJobs,
    ];

    pub(crate) fn period(self) -> Duration {
        match self {
            Self::DeletePending
            | Self::AddPending
            | Self::EnsureIdle
            | Self::RetryFailed
            | Self::Consume => Duration::from_secs(5),
            Self::ScaleDown => Duration::from_secs(60),
            Self::Reap | Self::Tools | Self::StaleJobs => Duration::from_secs(300),
        }
    }

    /// Whether it runs even while the pool manager is stopped.
    fn always_runs(self) -> bool {
        matches!(self, Self::DeletePending | Self::Tools)
    }
}

impl World {
    pub(super) fn tick(&mut self, entity: EntityRowKey, which: Loop) {
        let Some(is_running) = self.entities.get(&entity).map(|entity| entity.is_running) else {
            return;
        };
        if !is_running && !which.always_runs() {
            self.scheduler.add(self.now + STOPPED_PAUSE, Due::Tick(entity, which));
            return;
        }
        self.scheduler.add(self.now + which.period(), Due::Tick(entity, which));
        match which {
            Loop::DeletePending => self.delete_pending(entity),
            Loop::AddPending => self.add_pending(entity),
            Loop::EnsureIdle => {
                for (pool, cached) in self.cached_pools(entity) {
                    self.ensure_idle(pool, &cached);
                }
            }
            Loop::RetryFailed => self.retry_failed(entity),
            Loop::Consume => self.consume_jobs(entity),
            Loop::ScaleDown => self.scale_down(entity),
            Loop::Reap => {
                self.reap(entity);
                self.consolidate_scale_sets(entity);
            }
            Loop::Tools => self.update_tools(entity),
            Loop::StaleJobs => self.drop_stale_jobs(entity),
        }
    }

    fn cached_pools(&self, entity: EntityRowKey) -> Vec<(PoolRowKey, CachedPool)> {
        self.pools
            .iter()
            .filter(|(_, pool)| pool.entity == entity && pool.cached.is_enabled)
            .map(|(key, pool)| (*key, pool.cached.clone()))
            .collect()
    }

    /// The instances of an entity for which `fits` holds, oldest first.
    pub(super) fn instances_where(
        &self,
        entity: EntityRowKey,
        fits: impl Fn(&InstanceRow, &PoolRow) -> bool,
    ) -> Vec<InstanceRowKey> {
        self.instances
            .iter()
            .filter(|(_, instance)| {
                self.pool_of(instance)
                    .is_some_and(|pool| pool.entity == entity && fits(instance, pool))
            })
            .map(|found| *found.0)
            .collect()
    }

    /// Creates the runners missing for `min_idle_runners`.
    fn ensure_idle(&mut self, key: PoolRowKey, cached: &CachedPool) {
        for _ in 0..self.lacking(key, cached) {
            if self.add_runner(key, None).is_err() {
                return;
            }
        }
    }

    /// How many runners are missing for `min_idle_runners`, within `max_runners`. Every instance
    /// that is neither active nor terminated counts as idle; `max_runners` counts all (GARM.md
    /// §0.2).
    pub(super) fn lacking(&self, key: PoolRowKey, cached: &CachedPool) -> u64 {
        let Some(pool) = self.pools.get(&key).filter(|_| cached.is_enabled && cached.min_idle > 0)
        else {
            return 0;
        };
        let all = pool.instances.len() as u64;
        let idle = pool
            .instances
            .iter()
            .filter(|key| self.instances.get(key).is_some_and(InstanceRow::counts_as_idle))
            .count() as u64;
        let wanted = cached.min_idle.saturating_sub(idle);
        wanted.min(cached.max_runners.saturating_sub(all))
    }

    /// Adds a row in `pending_create` that is already registered at GitHub. Fails if GitHub
    /// refuses; refused credentials stop the pool manager (GARM.md §j).
    pub(super) fn add_runner(
        &mut self,
        key: PoolRowKey,
        made_for: Option<i64>,
    ) -> Result<(), GitHubError> {
        let pool = self.pools.get(&key).cloned().ok_or(GitHubError::NotFound)?;
        // The database row also enforces `max_runners`, whatever the loops' cache says.
        if pool.instances.len() as u64 >= pool.max_runners {
            return Err(GitHubError::NotFound);
        }
        let name = format!("{}-{}", pool.prefix, self.rng.ids.word(12)).to_lowercase();
        let mut labels = self.tags.names(&pool.tags);
        labels.push(format!("runner-controller-id={}", self.controller.id));
        labels.push(format!("runner-pool-id={}", pool.id));
        let agent_id = match self.register_runner(pool.entity, &name, labels) {
            Ok(id) => id,
            Err(error) => {
                if error == GitHubError::Unauthorized {
                    self.stop_manager(pool.entity, "failed to generate JIT config: unauthorized");
                }
                return Err(error);
            }
        };
        let (id, owner) = (self.rng.ids.uuid(), RunnerOwner::Pool(key));
        self.insert_instance(InstanceRow {
            provider: pool.provider,
            os_type: pool.os_type,
            os_arch: pool.os_arch,
            made_for,
            group: pool.group,
            generation: pool.generation,
            ..InstanceRow::pending(id, owner, (name, agent_id), self.now)
        });
        Ok(())
    }

    pub(super) fn insert_instance(&mut self, instance: InstanceRow) -> InstanceRowKey {
        let key = InstanceRowKey(self.next_row());
        if let Some(rows) = self.rows_of(instance.owner) {
            rows.insert(key);
        }
        self.instance_names.insert(instance.name.clone(), key);
        self.instances.insert(key, instance);
        self.emit_instance("create", key);
        key
    }

    fn add_pending(&mut self, entity: EntityRowKey) {
        let due = self.instances_where(entity, |instance, _| {
            instance.vm == VmStatus::PendingCreate && !instance.is_locked
        });
        for key in due {
            self.set_vm(key, VmStatus::Creating);
            self.create_vm(key);
        }
    }

    fn delete_pending(&mut self, entity: EntityRowKey) {
        let leaving = |instance: &InstanceRow, _: &PoolRow| {
            matches!(instance.vm, VmStatus::PendingDelete | VmStatus::PendingForceDelete)
                && !instance.is_locked
        };
        for key in self.instances_where(entity, leaving) {
            if let Some(instance) = self.instances.get_mut(&key) {
                instance.is_locked = true;
            }
            let jitter = self.rng.garm.up_to(DELETE_JITTER);
            self.scheduler.add(self.now + jitter, Due::Delete(key));
        }
    }

    /// The release does not retry a failed create: the row stays in `error` (GARM.md §k).
    fn retry_failed(&mut self, entity: EntityRowKey) {
        if self.config.variant.version != GarmVersion::Main {
            return;
        }
        let failed = |instance: &InstanceRow, pool: &PoolRow| {
            instance.vm == VmStatus::Error
                && !instance.is_locked
                && instance.retries < RETRIES
                && pool.cached.is_enabled
        };
        for key in self.instances_where(entity, failed) {
            let now = self.now;
            if let Some(instance) = self.instances.get_mut(&key) {
                instance.vm = VmStatus::PendingCreate;
                instance.phase = RunnerPhase::Pending;
                instance.retries += 1;
                instance.fault.clear();
                // A retry rewrites `updated_at`, not `created_at` (GARM.md §f).
                instance.updated_at = now;
            }
            self.emit_instance("update", key);
        }
    }

    /// Removes half of the surplus in list order, without an idle grace period. Every queued job of
    /// the entity counts, whatever its labels; jobs that have waited for 10 minutes for a pool that
    /// is scaled down are deleted (GARM.md §d).
    fn scale_down(&mut self, entity: EntityRowKey) {
        let queued = self.queued_jobs(entity).len() as u64;
        for (key, cached) in self.cached_pools(entity) {
            let Some(pool) = self.pools.get(&key) else {
                continue;
            };
            let is_idle = |instance: &InstanceRow| {
                instance.phase == RunnerPhase::Idle
                    && instance.vm == VmStatus::Running
                    && !instance.is_locked
            };
            let idle: Vec<_> = pool
                .instances
                .iter()
                .copied()
                .filter(|key| self.instances.get(key).is_some_and(is_idle))
                .collect();
            let wanted = cached.min_idle.saturating_add(queued);
            let surplus = (idle.len() as u64).saturating_sub(wanted);
            if surplus == 0 {
                continue;
            }
            let going = usize::try_from(surplus.div_ceil(2)).unwrap_or(usize::MAX);
            for instance in idle.into_iter().take(going) {
                // A runner that is busy at GitHub stays; GARM only logs that.
                self.remove_idle(instance).ok();
            }
            self.forget_jobs(entity, &cached);
        }
    }

    /// Removes a runner from GitHub and marks its VM for deletion.
    pub(super) fn remove_idle(&mut self, key: InstanceRowKey) -> Result<(), GitHubError> {
        let Some((agent, owner)) =
            self.instances.get(&key).map(|instance| (instance.agent_id, instance.owner))
        else {
            return Err(GitHubError::NotFound);
        };
        match self.remove_runner(agent) {
            Ok(()) | Err(GitHubError::NotFound) => {
                self.set_vm(key, VmStatus::PendingDelete);
                Ok(())
            }
            Err(error) => {
                if error == GitHubError::Unauthorized
                    && let Some(pool) = owner.pool().and_then(|pool| self.pools.get(&pool))
                {
                    let entity = pool.entity;
                    self.stop_manager(entity, "failed to remove runner: unauthorized");
                }
                Err(error)
            }
        }
    }

    /// Sets the VM's status; like every write of the row it clears the fault.
    pub(super) fn set_vm(&mut self, key: InstanceRowKey, vm: VmStatus) {
        let now = self.now;
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.vm = vm;
            instance.fault.clear();
            instance.updated_at = now;
            self.emit_instance("update", key);
        }
    }

    pub(super) fn stop_manager(&mut self, entity: EntityRowKey, why: &str) {
        let now = self.now;
        if let Some(entity) = self.entities.get_mut(&entity) {
            entity.is_running = false;
            why.clone_into(&mut entity.failure);
            entity.updated_at = now;
        }
    }

    /// Restarts a stopped pool manager when its tools loop reaches GitHub again, within 5 minutes
    /// (GARM.md §j). Only refused credentials stop it, not an outage.
    fn update_tools(&mut self, entity: EntityRowKey) {
        match self.call_github() {
            Ok(()) => {
                let now = self.now;
                if let Some(entity) =
                    self.entities.get_mut(&entity).filter(|entity| !entity.is_running)
                {
                    entity.is_running = true;
                    entity.failure.clear();
                    entity.updated_at = now;
                }
            }
            Err(GitHubError::Unauthorized) => {
                self.stop_manager(entity, "failed to update tools: unauthorized");
            }
            Err(GitHubError::Busy | GitHubError::NotFound | GitHubError::Down) => {}
        }
    }
}
