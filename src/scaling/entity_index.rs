//! One entity: its pools in routing order, its runners and its jobs, indexed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use super::job_starts::JobStarts;
use super::passed;
use super::pool_index::{PoolIndex, RoutingKey};
use super::queue::{Carried, JobQueue, JobStage, KnownJob, WaitingJob, stage};
use crate::domain::desired::ScalePolicy;
use crate::domain::entity::EntityKey;
use crate::domain::job::Job;
use crate::domain::label::Labels;
use crate::domain::name::PoolId;
use crate::domain::pool::Pool;
use crate::domain::runner::Runner;

/// The policies of the pools that are ours.
pub type ScalePolicies = BTreeMap<PoolId, ScalePolicy>;

/// One entity. Routing never crosses its border: GARM serves a job only from pools of the entity
/// whose webhook brought it.
#[derive(Debug, Clone, Default)]
pub struct EntityIndex {
    /// Which one; absent while it has no pool.
    entity: Option<EntityKey>,
    /// Every pool in routing order: priority falling, then rank, then id.
    pub(super) stocks: Vec<PoolIndex>,
    /// Their places, in the same order.
    pub(super) places: Arc<[RoutingKey]>,
    /// One for each reading: what is remembered by number is meant for this one only.
    pub(super) reading: Arc<()>,
    pub(super) place_of: HashMap<PoolId, u32>,
    pub(super) queue: JobQueue,
    pub(super) starts: JobStarts,
    /// The groups of jobs that each pool fits.
    pub(super) groups_of: Vec<Vec<u32>>,
    /// The enabled pools that bear a label, in routing order.
    bearers: HashMap<String, Vec<u32>>,
    /// The pools that carry a job, by `workflow_job_id`; more than one is a fault of GARM's.
    pub(super) carriers: HashMap<i64, Vec<u32>>,
}

/// The rows of one entity.
#[derive(Debug, Default)]
pub(super) struct EntityRows<'a> {
    pub(super) pools: Vec<&'a Pool>,
    pub(super) runners: Vec<&'a Runner>,
    pub(super) jobs: Vec<&'a Job>,
}

impl<'a> EntityRows<'a> {
    /// Sorts rows by entity, a job to each one that it names; those of an entity without a pool,
    /// which nothing can serve, and instances of scale sets, which are not ours to look at, are
    /// left out.
    pub(super) fn by_entity(
        pools: impl IntoIterator<Item = &'a Pool>,
        runners: impl IntoIterator<Item = &'a Runner>,
        jobs: impl IntoIterator<Item = &'a Job>,
    ) -> BTreeMap<&'a EntityKey, Self> {
        let mut rows: BTreeMap<&EntityKey, Self> = BTreeMap::new();
        let mut home: HashMap<&PoolId, &EntityKey> = HashMap::new();
        for pool in pools {
            home.insert(&pool.id, &pool.entity);
            rows.entry(&pool.entity).or_default().pools.push(pool);
        }
        for runner in runners {
            let entity = runner.pool.as_ref().and_then(|it| home.get(it));
            if let Some(rows) = entity.and_then(|it| rows.get_mut(it)) {
                rows.runners.push(runner);
            }
        }
        for job in jobs {
            for entity in &job.entities {
                if let Some(rows) = rows.get_mut(entity) {
                    rows.jobs.push(job);
                }
            }
        }
        rows
    }
}

impl EntityIndex {
    /// The entity as its rows show it at `now`, and what was known of it before: since when
    /// runners are idle, which jobs had started, which ones GARM has forgotten.
    pub(super) fn read(
        rows: &EntityRows<'_>,
        policies: &ScalePolicies,
        before: Option<&Self>,
        now: Timestamp,
    ) -> Self {
        let entity = rows.pools.first().map(|it| it.entity.clone());
        let mut site = Self { entity, ..Self::default() };
        for pool in &rows.pools {
            site.stocks.push(PoolIndex::new(pool, policies.get(&pool.id)));
        }
        site.settle();
        site.fill(&rows.runners, before, now);
        if let Some(before) = before {
            site.starts = before.starts.clone();
            site.starts.clamp(now);
            site.remember(before, &rows.jobs, now);
        }
        for job in &rows.jobs {
            site.take_in(job, before);
        }
        site.line_up(now);
        site
    }

    /// Puts the pools in routing order and indexes their labels.
    fn settle(&mut self) {
        self.stocks.sort_by(|a, b| {
            (b.priority.cmp(&a.priority))
                .then_with(|| a.rank.cmp(&b.rank))
                .then_with(|| a.id().cmp(b.id()))
        });
        self.places = self.stocks.iter().map(|it| it.place.clone()).collect();
        self.place_of = self.stocks.iter().map(|it| it.id().clone()).zip(0_u32..).collect();
        self.groups_of = vec![Vec::new(); self.stocks.len()];
        for (place, stock) in (0_u32..).zip(&self.stocks) {
            if stock.is_enabled {
                for label in stock.place.labels.keys() {
                    self.bearers.entry(label.to_owned()).or_default().push(place);
                }
            }
        }
    }

    fn fill(&mut self, runners: &[&Runner], before: Option<&Self>, now: Timestamp) {
        let mut homes = vec![Vec::new(); self.stocks.len()];
        for runner in runners {
            let Some(place) = runner.pool.as_ref().and_then(|it| self.place_of.get(it)) else {
                continue;
            };
            homes[*place as usize].push(*runner);
            if let Some(job) = runner.job {
                self.carriers.entry(job).or_default().push(*place);
            }
        }
        for (stock, runners) in self.stocks.iter_mut().zip(&homes) {
            let before = before.and_then(|it| it.stock(stock.id()));
            stock.fill(runners, before, now);
        }
    }

    /// Keeps the jobs that have vanished since `before` and are still worth serving.
    fn remember(&mut self, before: &Self, jobs: &[&Job], now: Timestamp) {
        let listed: std::collections::HashSet<i64> =
            jobs.iter().map(|it| it.workflow_job_id).collect();
        for (id, fact) in &before.queue.facts {
            if listed.contains(id) {
                continue;
            }
            if let Some(mut fact) = fact.clone().vanish(now, self.carried(*id)) {
                fact.group = self.group(&before.queue.groups[fact.group as usize].labels);
                self.queue.facts.insert(*id, fact);
            }
        }
    }

    fn take_in(&mut self, job: &Job, before: Option<&Self>) {
        if let Some(stage) = stage(job) {
            let id = job.workflow_job_id;
            let started = before.and_then(|it| it.queue.facts.get(&id)).and_then(|it| it.started);
            let fact = self.fact(job, stage, started);
            self.queue.facts.insert(id, fact);
        }
    }

    /// What one job's row says.
    pub(super) fn fact(&mut self, job: &Job, stage: JobStage, started: Option<u64>) -> KnownJob {
        let is_other = |it: &&EntityKey| self.entity.as_ref() != Some(*it);
        let others: Arc<[EntityKey]> = job.entities.iter().filter(is_other).cloned().collect();
        KnownJob {
            others: Some(others).filter(|it| !it.is_empty()),
            created_at: job.created_at,
            updated_at: job.updated_at,
            id: job.id,
            group: self.group(&job.labels),
            stage,
            started,
        }
    }

    fn line_up(&mut self, now: Timestamp) {
        let mut waiting = Vec::new();
        let mut begun = Vec::new();
        for (workflow_job_id, fact) in &self.queue.facts {
            let workflow_job_id = *workflow_job_id;
            match fact.term(self.carried(workflow_job_id)) {
                Some(term) => waiting.push(WaitingJob::new(workflow_job_id, fact, term)),
                None => begun.push(workflow_job_id),
            }
        }
        self.queue.line_up(waiting);
        for workflow_job_id in begun {
            self.note_start(workflow_job_id, now);
        }
        self.expire(now);
    }

    /// Notes that a job has started, if that is news.
    pub(super) fn note_start(&mut self, workflow_job_id: i64, now: Timestamp) {
        let fact = self.queue.facts.get_mut(&workflow_job_id);
        if let Some(fact) = fact.filter(|it| it.started.is_none()) {
            // The row of a job that a runner's row has overtaken still tells of the past.
            let at = match fact.stage {
                JobStage::Begun | JobStage::BegunOn => fact.updated_at.min(now),
                JobStage::Queued | JobStage::Forgotten(_) => now,
            };
            fact.started = Some(self.starts.note(at));
        }
    }

    /// Lets go of the jobs that wait no more by age alone.
    fn expire(&mut self, now: Timestamp) {
        for job in self.queue.expire(now) {
            let id = job.workflow_job_id;
            match self.queue.facts.get(&id).map(|it| it.stage) {
                Some(JobStage::Forgotten(_)) => drop(self.queue.facts.remove(&id)),
                Some(JobStage::Queued | JobStage::Begun | JobStage::BegunOn) => {
                    self.note_start(id, now)
                }
                None => {}
            }
        }
    }

    /// Brings what depends on age alone up to `moment`.
    pub(super) fn look(&mut self, moment: &mut EvaluationClock) {
        let now = moment.now();
        passed::judge(self, now);
        for stock in &mut self.stocks {
            if stock.census.until.is_some_and(|it| it <= now) {
                stock.recount(now);
            }
            if let Some(until) = stock.census.until {
                moment.reached(until);
            }
        }
        self.expire(now);
        if let Some(end) = self.queue.next_end() {
            moment.reached(end);
        }
    }

    /// The pools of the entity, in routing order.
    pub fn stocks(&self) -> &[PoolIndex] {
        &self.stocks
    }

    /// Whether an enabled pool of the entity bears all these labels.
    pub fn serves(&self, wanted: &Labels) -> bool {
        !fitting(wanted, &self.bearers, &self.stocks).is_empty()
    }

    /// One pool of the entity.
    pub fn stock(&self, id: &PoolId) -> Option<&PoolIndex> {
        self.place_of.get(id).map(|it| &self.stocks[*it as usize])
    }

    pub(super) fn stock_mut(&mut self, id: &PoolId) -> Option<&mut PoolIndex> {
        self.place_of.get(id).map(|it| &mut self.stocks[*it as usize])
    }

    pub(super) fn carried(&self, workflow_job_id: i64) -> Carried {
        match self.carriers.contains_key(&workflow_job_id) {
            true => Carried::Yes,
            false => Carried::No,
        }
    }

    /// The number of a set of labels.
    pub(super) fn group(&mut self, labels: &Labels) -> u32 {
        let (bearers, stocks) = (&self.bearers, &self.stocks);
        let known = self.queue.groups.len();
        let group = self.queue.group(labels, |it| fitting(it, bearers, stocks));
        if group as usize == known {
            for place in &self.queue.groups[known].fits {
                self.groups_of[*place as usize].push(group);
            }
        }
        group
    }
}

/// The enabled pools that bear every one of `wanted`, in routing order.
fn fitting(wanted: &Labels, bearers: &HashMap<String, Vec<u32>>, stocks: &[PoolIndex]) -> Vec<u32> {
    let rarest = wanted.keys().map(|it| bearers.get(it).map_or(&[][..], Vec::as_slice));
    let candidates = match rarest.min_by_key(|it| it.len()) {
        Some(places) => places.to_vec(),
        None => (0_u32..).take(stocks.len()).collect(),
    };
    let fits = |place: &u32| {
        let stock = &stocks[*place as usize];
        stock.is_enabled && stock.place.labels.covers(wanted)
    };
    candidates.into_iter().filter(fits).collect()
}
