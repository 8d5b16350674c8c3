//! Fills a world with pools, runners and jobs, and lets jobs keep arriving; for the sandbox.

use std::time::Duration;

use super::entity::EntityType;
use super::github::JobBatch;
use super::instance::{InstanceRow, RunnerOwner, RunnerPhase, VmStatus};
use super::log::LogEvent;
use super::pools::NewPool;
use super::row_key::{EntityRowKey, PoolRowKey};
use super::scale_set_update::NewScaleSet;
use super::vms::VirtualMachine;
use super::world::{Due, World};

/// The initial contents of a world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InitialLoad {
    /// Unmanaged pools with one label each: `by-hand-1` and so on.
    pub pools: u32,
    /// Idle runners, spread over the pools. Requires a pool.
    pub runners: u32,
    /// Held jobs, spread over the pools. Requires a pool.
    pub jobs: u32,
    /// Unmanaged scale sets, each of up to 5 runners: `by-hand-set-1` and so on.
    pub scale_sets: u32,
}

/// `max_runners` of each loaded scale set.
const SET_MAX: u64 = 5;

/// Minimum duration of arriving jobs; the maximum is three times as long.
const ARRIVAL_LASTS: Duration = Duration::from_secs(10);

impl World {
    /// Fills the first organization. The load is stable: each pool's `max_runners` and
    /// `min_idle_runners` equal its number of runners.
    pub fn load(&mut self, load: InitialLoad) {
        self.load_scale_sets(load.scale_sets);
        let organization =
            self.entities.iter().find(|found| found.1.kind == EntityType::Organization);
        let Some(entity) = organization.map(|found| *found.0).filter(|_| load.pools > 0) else {
            return;
        };
        let share =
            |total: u32, place: u32| total / load.pools + u32::from(place < total % load.pools);
        for place in 0..load.pools {
            let label = format!("by-hand-{}", place + 1);
            let runners = share(load.runners, place);
            let pool = self.load_pool(entity, &label, runners);
            for _ in 0..runners {
                self.load_runner(pool, entity, &label);
            }
            let jobs = usize::try_from(share(load.jobs, place)).unwrap_or(0);
            let order = JobBatch::new(jobs, &[&label]).held();
            self.queue_jobs(&JobBatch { labels: vec![label], ..order });
        }
    }

    fn load_scale_sets(&mut self, count: u32) {
        for place in 1..=count {
            self.add_scale_set(&format!("by-hand-set-{place}"), &[], SET_MAX);
        }
    }

    /// Adds an enabled scale set to the first organization, and returns GARM's id of it. Jobs
    /// request it by its name or its labels. It uses the first provider.
    pub fn add_scale_set(&mut self, name: &str, labels: &[&str], max_runners: u64) -> Option<u64> {
        let organization =
            self.entities.iter().find(|found| found.1.kind == EntityType::Organization);
        let entity = organization.map(|found| *found.0)?;
        let draft = NewScaleSet {
            name: name.to_owned(),
            provider: self.config.providers.first().cloned().unwrap_or_default(),
            max: max_runners,
            prefix: "garm".into(),
            image: "ubuntu-24.04".into(),
            flavor: "m5.large".into(),
            os_type: "linux".into(),
            os_arch: "amd64".into(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            is_enabled: true,
            timeout: 20,
            group: "Default".into(),
            ..NewScaleSet::default()
        };
        self.github.scale_sets_made += 1;
        Some(self.insert_scale_set(entity, draft, 2).0)
    }

    fn load_pool(&mut self, entity: EntityRowKey, label: &str, runners: u32) -> PoolRowKey {
        let provider = self.config.providers.first().cloned().unwrap_or_default();
        let draft = NewPool {
            provider,
            max: u64::from(runners.max(1)),
            min_idle: u64::from(runners),
            image: "ubuntu-24.04".into(),
            flavor: "m5.large".into(),
            os_type: "linux".into(),
            os_arch: "amd64".into(),
            tags: vec![label.to_owned()],
            is_enabled: true,
            ..NewPool::default()
        };
        self.insert_pool(entity, draft, 2, 20)
    }

    fn load_runner(&mut self, key: PoolRowKey, entity: EntityRowKey, label: &str) {
        let Some(pool) = self.pools.get(&key).cloned() else {
            return;
        };
        let name = format!("{}-{}", pool.prefix, self.rng.ids.word(12));
        let Ok(agent_id) = self.register_runner(entity, &name, vec![label.to_owned()]) else {
            return;
        };
        let provider_id = format!("vm-{name}-{}", self.rng.ids.word(6));
        let vm = VirtualMachine {
            name: name.clone(),
            provider: pool.provider.clone(),
            pool: pool.id.clone(),
            created_at: self.now,
            state: "ready",
        };
        self.vms.insert(provider_id.clone(), vm);
        self.note(LogEvent::VmCreated {
            name: name.clone(),
            provider: pool.provider.clone(),
            pool: pool.id,
        });
        let (id, owner) = (self.rng.ids.uuid(), RunnerOwner::Pool(key));
        self.insert_instance(InstanceRow {
            provider: pool.provider,
            provider_id,
            os_type: pool.os_type,
            os_arch: pool.os_arch,
            os_name: "Ubuntu".into(),
            os_version: "24.04".into(),
            vm: VmStatus::Running,
            phase: RunnerPhase::Idle,
            messages: vec![(self.now, "runner successfully installed".into())],
            group: pool.group,
            generation: pool.generation,
            ..InstanceRow::pending(id, owner, (name, agent_id), self.now)
        });
        if let Some(runner) = self.github.runners.get_mut(&agent_id) {
            runner.is_online = true;
        }
    }

    /// Lets jobs arrive from now on, at an average interval of `every`, each with the labels of a
    /// random enabled pool, without those of runnerctl, or with the name of a random enabled scale
    /// set. If neither is enabled, none arrives.
    pub fn keep_arriving(&mut self, every: Duration) {
        self.arrivals = Some(every);
        self.scheduler.add(self.now + every, Due::Arrival);
    }

    pub(super) fn arrival(&mut self) {
        let Some(every) = self.arrivals else {
            return;
        };
        let pause = every / 2 + self.rng.github.up_to(every);
        self.scheduler.add(self.now + pause.max(Duration::from_millis(1)), Due::Arrival);
        let pools = self.pools.values().filter(|pool| pool.is_enabled);
        let pools = pools.map(|pool| (pool.entity, self.tags.names(&pool.tags)));
        let sets = self.scale_sets.values().filter(|set| set.is_enabled);
        let sets = sets.map(|set| (set.entity, vec![set.name.clone()]));
        let mut targets: Vec<_> = pools.chain(sets).collect();
        let place = self.rng.github.below(targets.len() as u64);
        let place = usize::try_from(place).unwrap_or(0);
        if targets.is_empty() {
            return;
        }
        let (entity, mut labels) = targets.swap_remove(place);
        labels.retain(|label| !label.starts_with("runnerctl"));
        let repository = match self.entities.get(&entity) {
            Some(entity) if entity.kind == EntityType::Repository => entity.full_name(),
            Some(entity) => format!("{}/app", entity.name),
            None => return,
        };
        let lasts = ARRIVAL_LASTS + self.rng.github.up_to(ARRIVAL_LASTS * 2);
        if !labels.is_empty() {
            let order = JobBatch::new(1, &[]).lasting(lasts).of(&repository);
            self.queue_jobs(&JobBatch { labels, ..order });
        }
    }
}
