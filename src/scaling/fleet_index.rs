//! The known state of the fleet: the last full read and every event since.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::entity_index::{EntityIndex, EntityRows, ScalePolicies};
use super::pool_index::PoolIndex;
use crate::domain::entity::EntityKey;
use crate::domain::fleet::Fleet;
use crate::domain::job::Job;
use crate::domain::name::PoolId;
use crate::domain::pool::{Pool, PoolDetail};
use crate::domain::runner::Runner;

/// A changed row of GARM's database.
#[derive(Debug, Clone, PartialEq)]
pub enum RowChange {
    /// A runner with its current row.
    Runner(Runner),
    /// The runner with this id no longer exists.
    RunnerGone(String),
    /// A job with its current row.
    Job(Job),
    /// The job with this GARM id no longer exists.
    JobGone(i64),
    /// A pool with its current row.
    Pool(Pool),
    /// The pool with this id no longer exists.
    PoolGone(PoolId),
}

/// The fleet, indexed by row and by entity.
///
/// Events are hints: they arrive late, twice, in the wrong order or not at all. An older row never
/// replaces a newer one, and a deleted row stays deleted until the next full read.
#[derive(Debug, Clone)]
pub struct FleetIndex {
    read_at: Timestamp,
    backoff: Duration,
    policies: ScalePolicies,
    pools: BTreeMap<PoolId, Pool>,
    runners: HashMap<String, Runner>,
    jobs: HashMap<i64, Job>,
    gone_runners: HashSet<String>,
    gone_jobs: HashSet<i64>,
    gone_pools: HashSet<PoolId>,
    entities: BTreeMap<EntityKey, EntityIndex>,
    /// Entities whose index no longer matches their pools.
    to_rebuild: BTreeSet<EntityKey>,
    /// The higher `max_runners` that are being written: GARM may have them in force already.
    pub(super) raising: BTreeMap<PoolId, u32>,
}

impl FleetIndex {
    /// Builds the index from a full read and the policies of this fleet's pools.
    pub fn new(fleet: Fleet, policies: ScalePolicies) -> Self {
        let mut fleet_index = Self::empty(&fleet, policies);
        fleet_index.read(fleet);
        fleet_index
    }

    /// Builds the index of one read without keeping its rows: it can be evaluated, but must not be
    /// given changes.
    pub(super) fn of_one_read(fleet: &Fleet, policies: ScalePolicies) -> Self {
        let mut fleet_index = Self::empty(fleet, policies);
        let rows = EntityRows::by_entity(&fleet.pools, &fleet.runners, &fleet.jobs);
        fleet_index.entities = fleet_index.read_entities(rows, &BTreeMap::new());
        fleet_index
    }

    fn empty(fleet: &Fleet, policies: ScalePolicies) -> Self {
        Self {
            read_at: fleet.observed_at,
            backoff: fleet.controller.backoff,
            policies,
            pools: BTreeMap::new(),
            runners: HashMap::new(),
            jobs: HashMap::new(),
            gone_runners: HashSet::new(),
            gone_jobs: HashSet::new(),
            gone_pools: HashSet::new(),
            entities: BTreeMap::new(),
            to_rebuild: BTreeSet::new(),
            raising: BTreeMap::new(),
        }
    }

    /// Replaces all rows by those of a new full read. Keeps what was observed of runners and jobs
    /// and is not in the rows.
    pub fn read(&mut self, fleet: Fleet) {
        self.read_at = fleet.observed_at;
        self.backoff = fleet.controller.backoff;
        self.pools = fleet.pools.into_iter().map(|pool| (pool.id.clone(), pool)).collect();
        self.runners =
            fleet.runners.into_iter().map(|runner| (runner.id.clone(), runner)).collect();
        self.jobs = fleet.jobs.into_iter().map(|job| (job.id, job)).collect();
        self.gone_runners.clear();
        self.gone_jobs.clear();
        self.gone_pools.clear();
        self.to_rebuild.clear();
        let before = std::mem::take(&mut self.entities);
        let rows =
            EntityRows::by_entity(self.pools.values(), self.runners.values(), self.jobs.values());
        self.entities = self.read_entities(rows, &before);
    }

    fn read_entities(
        &self,
        rows: BTreeMap<&EntityKey, EntityRows<'_>>,
        before: &BTreeMap<EntityKey, EntityIndex>,
    ) -> BTreeMap<EntityKey, EntityIndex> {
        let read = |(entity, rows): (&EntityKey, EntityRows<'_>)| {
            let index = EntityIndex::read(&rows, &self.policies, before.get(entity), self.read_at);
            (entity.clone(), index)
        };
        rows.into_iter().map(read).collect()
    }

    /// Moves known `extra_specs` to the pools of a new read, whose list omits them, if the pool has
    /// not changed since.
    pub fn hand_over_specs(&mut self, pools: &mut [Pool]) {
        for pool in pools.iter_mut().filter(|pool| pool.detail == PoolDetail::Listed) {
            let known =
                self.pools.get_mut(&pool.id).filter(|known| known.detail == PoolDetail::Whole);
            if let Some(known) = known.filter(|known| known.specs_version() == pool.specs_version())
            {
                pool.complete(std::mem::take(&mut known.spec.extra_specs));
                known.detail = PoolDetail::Listed;
            }
        }
    }

    /// Applies a changed set of managed pools or changed policies.
    pub fn manage(&mut self, policies: ScalePolicies, now: Timestamp) {
        self.policies = policies;
        for (entity, index) in &mut self.entities {
            let before: Vec<_> = index.pools.iter().map(PoolIndex::price).collect();
            for pool in &mut index.pools {
                pool.policy = self.policies.get(pool.id()).cloned();
                pool.recount(now);
            }
            if !index.pools.iter().map(PoolIndex::price).eq(before) {
                self.to_rebuild.insert(entity.clone());
            }
        }
        self.rebuild_entities(now);
    }

    /// Completes the row of a scale set: the events of GARM's worker for it have neither its labels,
    /// which never change, nor its endpoint. Returns false if they are not known.
    pub fn complete(&self, change: &mut RowChange) -> bool {
        let RowChange::Pool(set) = change else { return true };
        if set.scale_set.is_none() || !set.spec.labels.is_empty() {
            return true;
        }
        let Some(known) = self.pools.get(&set.id) else { return false };
        set.spec.labels = known.spec.labels.clone();
        set.endpoint.clone_from(&known.endpoint);
        true
    }

    /// Applies one change at `now`; returns the entities to evaluate again: none if the change is
    /// old or concerns no known entity, several for a job that names several. After the last of
    /// several changes, [`Self::rebuild_entities`] completes them.
    pub fn apply(&mut self, change: RowChange, now: Timestamp) -> Vec<EntityKey> {
        let one = |entity: Option<EntityKey>| entity.into_iter().collect();
        match change {
            RowChange::Runner(runner) => one(self.see_runner(runner, now)),
            RowChange::RunnerGone(id) => one(self.lose_runner(id, now)),
            RowChange::Job(job) => self.see_job(job, now),
            RowChange::JobGone(id) => self.lose_job(id, now),
            RowChange::Pool(pool) => one(self.see_pool(pool, now)),
            RowChange::PoolGone(id) => one(self.lose_pool(id)),
        }
    }

    fn see_runner(&mut self, runner: Runner, now: Timestamp) -> Option<EntityKey> {
        let known = self.runners.get(&runner.id);
        if self.gone_runners.contains(&runner.id)
            || known.is_some_and(|known| known.updated_at > runner.updated_at)
        {
            return None;
        }
        // A runner's event may arrive before its pool's: the runner is kept until the pool is
        // known.
        let pool = runner.pool.as_ref().and_then(|id| self.pools.get(id));
        let entity = pool.map(|pool| pool.entity.clone());
        if let Some(index) = entity.as_ref().and_then(|key| self.entities.get_mut(key)) {
            index.see_runner(&runner, now);
        }
        self.runners.insert(runner.id.clone(), runner);
        entity
    }

    fn lose_runner(&mut self, id: String, now: Timestamp) -> Option<EntityKey> {
        let lost = self.runners.remove(&id);
        self.gone_runners.insert(id);
        let lost = lost?;
        let pool = self.pools.get(lost.pool.as_ref()?)?;
        self.entities.get_mut(&pool.entity)?.lose_runner(&pool.id, &lost.name, now);
        Some(pool.entity.clone())
    }

    fn see_job(&mut self, job: Job, now: Timestamp) -> Vec<EntityKey> {
        let known = self.jobs.get(&job.id);
        if self.gone_jobs.contains(&job.id)
            || known.is_some_and(|known| known.updated_at > job.updated_at)
        {
            return Vec::new();
        }
        let touched = self.at_each_site(&job, |index| index.see_job(&job, now));
        self.jobs.insert(job.id, job);
        touched
    }

    fn lose_job(&mut self, id: i64, now: Timestamp) -> Vec<EntityKey> {
        self.gone_jobs.insert(id);
        let Some(lost) = self.jobs.remove(&id) else { return Vec::new() };
        self.at_each_site(&lost, |index| index.lose_job(&lost, now))
    }

    /// Runs `act` for each known entity that the job names; returns those entities.
    fn at_each_site(&mut self, job: &Job, mut act: impl FnMut(&mut EntityIndex)) -> Vec<EntityKey> {
        let mut touched = Vec::with_capacity(1);
        for entity in &job.entities {
            if let Some(index) = self.entities.get_mut(entity) {
                act(index);
                touched.push(entity.clone());
            }
        }
        touched
    }

    fn see_pool(&mut self, pool: Pool, now: Timestamp) -> Option<EntityKey> {
        let known = self.pools.get(&pool.id);
        if self.gone_pools.contains(&pool.id)
            || known.is_some_and(|known| known.updated_at > pool.updated_at)
        {
            return None;
        }
        let (entity, id) = (pool.entity.clone(), pool.id.clone());
        let fresh = PoolIndex::new(&pool, self.policies.get(&id));
        self.pools.insert(id.clone(), pool);
        let pool = self.entities.get_mut(&entity).and_then(|index| index.pool_mut(&id));
        match pool.filter(|old| old.routes_like(&fresh)) {
            Some(pool) => pool.take_numbers(&fresh, now),
            None => drop(self.to_rebuild.insert(entity.clone())),
        }
        Some(entity)
    }

    fn lose_pool(&mut self, id: PoolId) -> Option<EntityKey> {
        let lost = self.pools.remove(&id);
        self.gone_pools.insert(id);
        let entity = lost?.entity;
        self.to_rebuild.insert(entity.clone());
        Some(entity)
    }

    /// Builds the index of each entity again in which a pool has appeared, gone or fits other jobs
    /// than before, which affects all its jobs. Required before an evaluation.
    pub fn rebuild_entities(&mut self, now: Timestamp) {
        let entities = std::mem::take(&mut self.to_rebuild);
        if entities.is_empty() {
            return;
        }
        let pools = self.pools.values().filter(|pool| entities.contains(&pool.entity));
        let mut rows = EntityRows::by_entity(pools, self.runners.values(), self.jobs.values());
        let mut rebuilt = Vec::new();
        for entity in entities {
            let before = self.entities.remove(&entity);
            if let Some(rows) = rows.remove(&entity) {
                let index = EntityIndex::read(&rows, &self.policies, before.as_ref(), now);
                rebuilt.push((entity, index));
            }
        }
        self.entities.extend(rebuilt);
    }

    /// Whether any pool of this fleet shares a limit with others.
    pub(super) fn has_groups(&self) -> bool {
        self.policies.values().any(|policy| policy.group.is_some())
    }

    /// Notes that this `max_runners` is being written to a pool, or that no write is in flight any
    /// more.
    pub fn raising(&mut self, pool: &PoolId, max_runners: Option<u32>) {
        match max_runners {
            Some(max_runners) => drop(self.raising.insert(pool.clone(), max_runners)),
            None => drop(self.raising.remove(pool)),
        }
    }

    /// When the fleet was last read completely, on GARM's clock.
    pub fn read_at(&self) -> Timestamp {
        self.read_at
    }

    /// GARM's `minimum_job_age_backoff`, as last read.
    pub fn backoff(&self) -> Duration {
        self.backoff
    }

    /// Every entity that has a pool.
    pub fn entities(&self) -> &BTreeMap<EntityKey, EntityIndex> {
        &self.entities
    }

    /// Every entity that has a pool, to be evaluated.
    pub(super) fn entities_mut(&mut self) -> impl Iterator<Item = (&EntityKey, &mut EntityIndex)> {
        self.entities.iter_mut()
    }

    /// One entity, to be evaluated.
    pub fn entity_mut(&mut self, entity: &EntityKey) -> Option<&mut EntityIndex> {
        self.entities.get_mut(entity)
    }

    /// Every known pool, by its id.
    pub fn pools(&self) -> &BTreeMap<PoolId, Pool> {
        &self.pools
    }

    /// Every known runner, in no particular order.
    pub fn runners(&self) -> impl Iterator<Item = &Runner> {
        self.runners.values()
    }

    /// The runner with this GARM id.
    pub fn runner(&self, id: &str) -> Option<&Runner> {
        self.runners.get(id)
    }

    /// Every known job, in no particular order.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    /// The job with this GARM id.
    pub fn job(&self, id: i64) -> Option<&Job> {
        self.jobs.get(&id)
    }
}
