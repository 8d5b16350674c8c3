//! The fleet as it is known now: the last full reading and every event since.

use std::collections::{BTreeMap, HashMap, HashSet};
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

/// One row of GARM's that has changed.
#[derive(Debug, Clone, PartialEq)]
pub enum RowChange {
    /// A runner is as this row says.
    Runner(Runner),
    /// The runner with this id is gone.
    RunnerGone(String),
    /// A job is as this row says.
    Job(Job),
    /// The job with this id of GARM's is gone.
    JobGone(i64),
    /// A pool is as this row says.
    Pool(Pool),
    /// The pool with this id is gone.
    PoolGone(PoolId),
}

/// The fleet, by row and by entity.
///
/// Events are hints: they come late, twice, in the wrong order or not at all. An older row never
/// replaces a newer one, and what is gone stays gone until the next full reading.
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
    sites: BTreeMap<EntityKey, EntityIndex>,
}

impl FleetIndex {
    /// The fleet as it was read, and the policies of the pools that are ours.
    pub fn new(fleet: Fleet, policies: ScalePolicies) -> Self {
        let mut picture = Self {
            read_at: fleet.observed_at,
            backoff: fleet.controller.backoff,
            policies,
            pools: BTreeMap::new(),
            runners: HashMap::new(),
            jobs: HashMap::new(),
            gone_runners: HashSet::new(),
            gone_jobs: HashSet::new(),
            gone_pools: HashSet::new(),
            sites: BTreeMap::new(),
        };
        picture.read(fleet);
        picture
    }

    /// The fleet was read anew. What has been seen of runners and jobs before, and the rows do
    /// not tell, is kept.
    pub fn read(&mut self, fleet: Fleet) {
        self.read_at = fleet.observed_at;
        self.backoff = fleet.controller.backoff;
        self.pools = fleet.pools.into_iter().map(|it| (it.id.clone(), it)).collect();
        self.runners = fleet.runners.into_iter().map(|it| (it.id.clone(), it)).collect();
        self.jobs = fleet.jobs.into_iter().map(|it| (it.id, it)).collect();
        self.gone_runners.clear();
        self.gone_jobs.clear();
        self.gone_pools.clear();
        let before = std::mem::take(&mut self.sites);
        let rows =
            EntityRows::by_entity(self.pools.values(), self.runners.values(), self.jobs.values());
        for (entity, rows) in rows {
            let site = EntityIndex::read(&rows, &self.policies, before.get(entity), self.read_at);
            self.sites.insert(entity.clone(), site);
        }
    }

    /// Hands the `extra_specs` that are known over to the pools of a new reading, which lists leave
    /// out, where they still hold.
    pub fn hand_over_specs(&mut self, pools: &mut [Pool]) {
        for pool in pools.iter_mut().filter(|it| it.detail == PoolDetail::Listed) {
            let known = self.pools.get_mut(&pool.id).filter(|it| it.detail == PoolDetail::Whole);
            if let Some(known) = known.filter(|it| it.specs_version() == pool.specs_version()) {
                pool.complete(std::mem::take(&mut known.spec.extra_specs));
                known.detail = PoolDetail::Listed;
            }
        }
    }

    /// Other pools are ours now, or scale in another way.
    pub fn manage(&mut self, policies: ScalePolicies, now: Timestamp) {
        self.policies = policies;
        for stock in self.sites.values_mut().flat_map(|it| &mut it.stocks) {
            stock.policy = self.policies.get(stock.id()).cloned();
            stock.recount(now);
        }
    }

    /// GARM's `minimum_job_age_backoff` is another one now.
    pub fn set_backoff(&mut self, backoff: Duration) {
        self.backoff = backoff;
    }

    /// Takes one change in at `now`; returns the entities whose jobs are to be given out anew:
    /// none when the change is old or concerns no entity that is known, several for a job that
    /// names several.
    pub fn apply(&mut self, change: RowChange, now: Timestamp) -> Vec<EntityKey> {
        let one = |it: Option<EntityKey>| it.into_iter().collect();
        match change {
            RowChange::Runner(runner) => one(self.see_runner(runner, now)),
            RowChange::RunnerGone(id) => one(self.lose_runner(id, now)),
            RowChange::Job(job) => self.see_job(job, now),
            RowChange::JobGone(id) => self.lose_job(id, now),
            RowChange::Pool(pool) => one(self.see_pool(pool, now)),
            RowChange::PoolGone(id) => one(self.lose_pool(id, now)),
        }
    }

    fn see_runner(&mut self, runner: Runner, now: Timestamp) -> Option<EntityKey> {
        let known = self.runners.get(&runner.id);
        if self.gone_runners.contains(&runner.id)
            || known.is_some_and(|it| it.updated_at > runner.updated_at)
        {
            return None;
        }
        // A runner may be heard of before its pool: it is kept until the pool comes.
        let pool = runner.pool.as_ref().and_then(|it| self.pools.get(it));
        let entity = pool.map(|it| it.entity.clone());
        if let Some(site) = entity.as_ref().and_then(|it| self.sites.get_mut(it)) {
            site.see_runner(&runner, now);
        }
        self.runners.insert(runner.id.clone(), runner);
        entity
    }

    fn lose_runner(&mut self, id: String, now: Timestamp) -> Option<EntityKey> {
        let lost = self.runners.remove(&id);
        self.gone_runners.insert(id);
        let lost = lost?;
        let pool = self.pools.get(lost.pool.as_ref()?)?;
        self.sites.get_mut(&pool.entity)?.lose_runner(&pool.id, &lost.name, now);
        Some(pool.entity.clone())
    }

    fn see_job(&mut self, job: Job, now: Timestamp) -> Vec<EntityKey> {
        let known = self.jobs.get(&job.id);
        if self.gone_jobs.contains(&job.id)
            || known.is_some_and(|it| it.updated_at > job.updated_at)
        {
            return Vec::new();
        }
        let touched = self.at_each_site(&job, |site| site.see_job(&job, now));
        self.jobs.insert(job.id, job);
        touched
    }

    fn lose_job(&mut self, id: i64, now: Timestamp) -> Vec<EntityKey> {
        self.gone_jobs.insert(id);
        let Some(lost) = self.jobs.remove(&id) else { return Vec::new() };
        self.at_each_site(&lost, |site| site.lose_job(&lost, now))
    }

    /// Does it at each entity that the job names and that is known; returns those.
    fn at_each_site(&mut self, job: &Job, mut act: impl FnMut(&mut EntityIndex)) -> Vec<EntityKey> {
        let mut touched = Vec::with_capacity(1);
        for entity in &job.entities {
            if let Some(site) = self.sites.get_mut(entity) {
                act(site);
                touched.push(entity.clone());
            }
        }
        touched
    }

    fn see_pool(&mut self, pool: Pool, now: Timestamp) -> Option<EntityKey> {
        let known = self.pools.get(&pool.id);
        if self.gone_pools.contains(&pool.id)
            || known.is_some_and(|it| it.updated_at > pool.updated_at)
        {
            return None;
        }
        let (entity, id) = (pool.entity.clone(), pool.id.clone());
        let fresh = PoolIndex::new(&pool, self.policies.get(&id));
        self.pools.insert(id.clone(), pool);
        let stock = self.sites.get_mut(&entity).and_then(|it| it.stock_mut(&id));
        match stock.filter(|it| it.routes_like(&fresh)) {
            Some(stock) => stock.take_numbers(&fresh),
            None => self.rebuild(&entity, now),
        }
        Some(entity)
    }

    fn lose_pool(&mut self, id: PoolId, now: Timestamp) -> Option<EntityKey> {
        let lost = self.pools.remove(&id);
        self.gone_pools.insert(id);
        let entity = lost?.entity;
        self.rebuild(&entity, now);
        Some(entity)
    }

    /// Indexes one entity anew: another pool, or one that fits other jobs, moves all of them.
    fn rebuild(&mut self, entity: &EntityKey, now: Timestamp) {
        let before = self.sites.remove(entity);
        let pools = self.pools.values().filter(|it| it.entity == *entity);
        let mut rows = EntityRows::by_entity(pools, self.runners.values(), self.jobs.values());
        if let Some(rows) = rows.remove(entity) {
            let site = EntityIndex::read(&rows, &self.policies, before.as_ref(), now);
            self.sites.insert(entity.clone(), site);
        }
    }

    /// When the fleet was last read as a whole, on GARM's clock.
    pub fn read_at(&self) -> Timestamp {
        self.read_at
    }

    /// GARM's `minimum_job_age_backoff`.
    pub fn backoff(&self) -> Duration {
        self.backoff
    }

    /// Every entity that has a pool.
    pub fn sites(&self) -> &BTreeMap<EntityKey, EntityIndex> {
        &self.sites
    }

    /// One entity, to give its jobs out.
    pub fn site_mut(&mut self, entity: &EntityKey) -> Option<&mut EntityIndex> {
        self.sites.get_mut(entity)
    }

    /// Every pool, by id.
    pub fn pools(&self) -> &BTreeMap<PoolId, Pool> {
        &self.pools
    }

    /// Every runner, in no order.
    pub fn runners(&self) -> impl Iterator<Item = &Runner> {
        self.runners.values()
    }

    /// The runner with this id of GARM's.
    pub fn runner(&self, id: &str) -> Option<&Runner> {
        self.runners.get(id)
    }

    /// Every job, in no order.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    /// The job with this id of GARM's.
    pub fn job(&self, id: i64) -> Option<&Job> {
        self.jobs.get(&id)
    }
}
