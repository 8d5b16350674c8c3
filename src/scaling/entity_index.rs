//! Indexes one entity: its pools in routing order, its runners and its jobs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use super::job_starts::JobStarts;
use super::pool_index::{PoolIndex, RoutingKey};
use super::queue::{JobQueue, JobStage, KnownJob, WaitingJob, stage};
use super::runner_state::JobPickUp;
use super::scale_set_index::JobChoice;
use crate::domain::desired::ScalePolicy;
use crate::domain::entity::EntityKey;
use crate::domain::job::Job;
use crate::domain::label::Labels;
use crate::domain::name::PoolId;
use crate::domain::pool::Pool;
use crate::domain::runner::Runner;

/// The scaling policies of this fleet's pools, by pool id.
pub type ScalePolicies = BTreeMap<PoolId, ScalePolicy>;

/// The index of one entity. Routing never crosses entities: GARM serves a job only from pools of
/// the entity whose webhook delivered it.
#[derive(Debug, Clone, Default)]
pub struct EntityIndex {
    /// The key of the entity; absent while it has no pool.
    entity: Option<EntityKey>,
    /// Every pool in routing order: see [`PoolIndex::order`].
    pub(super) pools: Vec<PoolIndex>,
    /// The routing keys of the pools, in the same order.
    pub(super) places: Arc<[RoutingKey]>,
    /// Identifies one full read: state that refers to pools by index is valid for this read only.
    pub(super) reading: Arc<()>,
    pub(super) place_of: HashMap<PoolId, u32>,
    pub(super) queue: JobQueue,
    pub(super) starts: JobStarts,
    /// For each pool, the label sets that fit it.
    pub(super) groups_of: Vec<Vec<u32>>,
    /// For each label, the enabled pools, without scale sets, that bear it, in routing order.
    bearers: HashMap<String, Vec<u32>>,
    /// The pools that carry each job, by `workflow_job_id`. More than one is an error in GARM.
    pub(super) carriers: HashMap<i64, Vec<u32>>,
}

/// The rows of one entity, borrowed from a full read.
#[derive(Debug, Default)]
pub(super) struct EntityRows<'a> {
    pub(super) pools: Vec<&'a Pool>,
    pub(super) runners: Vec<&'a Runner>,
    pub(super) jobs: Vec<&'a Job>,
}

impl<'a> EntityRows<'a> {
    /// Groups rows by entity; a job goes to every entity that it names. Leaves out entities without
    /// a pool, whose jobs nothing can serve.
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
            let entity = runner.pool.as_ref().and_then(|id| home.get(id));
            if let Some(rows) = entity.and_then(|key| rows.get_mut(key)) {
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
    /// Builds the index from its rows at `now`. From the index `before` it keeps what rows do not
    /// show: since when runners are idle, which jobs had started, and which jobs GARM has
    /// forgotten.
    pub(super) fn read(
        rows: &EntityRows<'_>,
        policies: &ScalePolicies,
        before: Option<&Self>,
        now: Timestamp,
    ) -> Self {
        let entity = rows.pools.first().map(|pool| pool.entity.clone());
        let mut index = Self { entity, ..Self::default() };
        for pool in &rows.pools {
            index.pools.push(PoolIndex::new(pool, policies.get(&pool.id)));
        }
        index.settle();
        index.fill(&rows.runners, before, now);
        if let Some(before) = before {
            index.starts = before.starts.clone();
            index.starts.clamp(now);
            index.remember(before, &rows.jobs, now);
        }
        for job in &rows.jobs {
            index.take_in(job, before);
        }
        index.line_up(now);
        index
    }

    /// Puts the pools in routing order and indexes their labels.
    fn settle(&mut self) {
        self.pools.sort_by(|a, b| a.order().cmp(&b.order()));
        self.places = self.pools.iter().map(|pool| pool.place.clone()).collect();
        self.place_of = self.pools.iter().map(|pool| pool.id().clone()).zip(0_u32..).collect();
        self.groups_of = vec![Vec::new(); self.pools.len()];
        for (place, pool) in (0_u32..).zip(&self.pools) {
            if pool.takes_queued_jobs() {
                for label in pool.place.labels.keys() {
                    self.bearers.entry(label.to_owned()).or_default().push(place);
                }
            }
        }
    }

    fn fill(&mut self, runners: &[&Runner], before: Option<&Self>, now: Timestamp) {
        let mut homes = vec![Vec::new(); self.pools.len()];
        for runner in runners {
            let Some(place) = runner.pool.as_ref().and_then(|id| self.place_of.get(id)) else {
                continue;
            };
            homes[*place as usize].push(*runner);
            if let Some(job) = runner.job {
                self.carriers.entry(job).or_default().push(*place);
            }
        }
        for (pool, runners) in self.pools.iter_mut().zip(&homes) {
            let before = before.and_then(|index| index.pool(pool.id()));
            pool.fill(runners, before, now);
        }
    }

    /// Keeps the jobs that have vanished since `before` and are still worth serving.
    fn remember(&mut self, before: &Self, jobs: &[&Job], now: Timestamp) {
        let listed: std::collections::HashSet<i64> =
            jobs.iter().map(|job| job.workflow_job_id).collect();
        for (id, known) in &before.queue.known_jobs {
            if listed.contains(id) {
                continue;
            }
            if let Some(mut known) = known.clone().vanish(now, self.is_carried(*id)) {
                known.group = self.group(&before.queue.groups[known.group as usize].labels);
                self.queue.known_jobs.insert(*id, known);
            }
        }
    }

    fn take_in(&mut self, job: &Job, before: Option<&Self>) {
        if job.waits_for_scale_set() {
            self.enter_set(job);
        }
        if let Some(stage) = stage(job) {
            let id = job.workflow_job_id;
            let started = before
                .and_then(|index| index.queue.known_jobs.get(&id))
                .and_then(|known| known.started);
            let known = self.known_job(job, stage, started);
            self.queue.known_jobs.insert(id, known);
        }
    }

    /// Adds a queued job to the scale set that it asks for. If several fit, only GitHub knows which
    /// of them it waits for.
    pub(super) fn enter_set(&mut self, job: &Job) {
        let fits = |set: &&mut super::scale_set_index::ScaleSetIndex| set.fits(job);
        let mut fitting: Vec<_> =
            self.pools.iter_mut().filter_map(|pool| pool.set.as_mut()).filter(fits).collect();
        let choice = if fitting.len() == 1 { JobChoice::OnlyThis } else { JobChoice::Several };
        fitting.iter_mut().for_each(|set| set.enter(job, choice));
    }

    /// Removes a job of a scale set.
    pub(super) fn leave_sets(&mut self, job: &Job) {
        for set in self.pools.iter_mut().filter_map(|pool| pool.set.as_mut()) {
            set.leave(job);
        }
    }

    /// Converts the row of one job.
    pub(super) fn known_job(
        &mut self,
        job: &Job,
        stage: JobStage,
        started: Option<u64>,
    ) -> KnownJob {
        let is_other = |key: &&EntityKey| self.entity.as_ref() != Some(*key);
        let others = || job.entities.iter().filter(is_other);
        KnownJob {
            others: others().next().is_some().then(|| others().cloned().collect()),
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
        for (workflow_job_id, known) in &self.queue.known_jobs {
            let workflow_job_id = *workflow_job_id;
            match known.deadline(self.is_carried(workflow_job_id)) {
                Some(deadline) => waiting.push(WaitingJob::new(workflow_job_id, known, deadline)),
                None => begun.push(workflow_job_id),
            }
        }
        self.queue.line_up(waiting);
        for workflow_job_id in begun {
            self.note_start(workflow_job_id, now);
        }
        self.expire(now);
    }

    /// Notes that a job has started, unless that is known already.
    pub(super) fn note_start(&mut self, workflow_job_id: i64, now: Timestamp) {
        let known = self.queue.known_jobs.get_mut(&workflow_job_id);
        if let Some(known) = known.filter(|known| known.started.is_none()) {
            // Even if the runner's row arrived first, the job's row shows when the job started.
            let at = match known.stage {
                JobStage::Begun | JobStage::BegunOn => known.updated_at.min(now),
                JobStage::Queued | JobStage::Forgotten(_) => now,
            };
            known.started = Some(self.starts.note(at));
        }
    }

    /// Removes the jobs that stop waiting through age alone.
    fn expire(&mut self, now: Timestamp) {
        for job in self.queue.expire(now) {
            let id = job.workflow_job_id;
            match self.queue.known_jobs.get(&id).map(|known| known.stage) {
                Some(JobStage::Forgotten(_)) => drop(self.queue.known_jobs.remove(&id)),
                Some(JobStage::Queued | JobStage::Begun | JobStage::BegunOn) => {
                    self.note_start(id, now);
                }
                None => {}
            }
        }
    }

    /// Evaluates the starts in each pool in which something has changed.
    fn judge_starts(&mut self, now: Timestamp) {
        let known_jobs = &self.queue.known_jobs;
        for pool in self.pools.iter_mut().filter(|pool| pool.starts.is_news) {
            pool.starts.is_news = false;
            let pick_ups: Vec<(JobPickUp, Timestamp)> = (pool.runners.iter())
                .filter_map(|runner| {
                    Some((runner.pick_up?, known_jobs.get(&runner.job?)?.created_at))
                })
                .collect();
            if pool.judge(&pick_ups) {
                pool.version += 1;
                pool.recount(now);
            }
        }
    }

    /// Updates everything that depends on age alone.
    pub(super) fn look(&mut self, clock: &mut EvaluationClock) {
        let now = clock.now();
        self.judge_starts(now);
        for pool in &mut self.pools {
            if pool.counts.until.is_some_and(|until| until <= now) {
                pool.recount(now);
            }
            if let Some(until) = pool.counts.until {
                clock.reached(until);
            }
        }
        self.expire(now);
        if let Some(end) = self.queue.next_end() {
            clock.reached(end);
        }
    }

    /// The pools of the entity, in routing order.
    pub fn pools(&self) -> &[PoolIndex] {
        &self.pools
    }

    /// Whether an enabled pool of the entity, scale sets excepted, bears all these labels.
    pub fn serves(&self, wanted: &Labels) -> bool {
        !fitting(wanted, &self.bearers, &self.pools).is_empty()
    }

    /// One pool of the entity, by its id.
    pub fn pool(&self, id: &PoolId) -> Option<&PoolIndex> {
        self.place_of.get(id).map(|place| &self.pools[*place as usize])
    }

    pub(super) fn pool_mut(&mut self, id: &PoolId) -> Option<&mut PoolIndex> {
        self.place_of.get(id).map(|place| &mut self.pools[*place as usize])
    }

    pub(super) fn is_carried(&self, workflow_job_id: i64) -> bool {
        self.carriers.contains_key(&workflow_job_id)
    }

    /// The index of a label set; a new set is added.
    pub(super) fn group(&mut self, labels: &Labels) -> u32 {
        let (bearers, pools) = (&self.bearers, &self.pools);
        let known = self.queue.groups.len();
        let group = self.queue.group(labels, |labels| fitting(labels, bearers, pools));
        if group as usize == known {
            for place in &self.queue.groups[known].fits {
                self.groups_of[*place as usize].push(group);
            }
        }
        group
    }
}

/// The enabled pools, without scale sets, that bear every one of `wanted`, in routing order.
fn fitting(wanted: &Labels, bearers: &HashMap<String, Vec<u32>>, pools: &[PoolIndex]) -> Vec<u32> {
    let rarest = wanted.keys().map(|label| bearers.get(label).map_or(&[][..], Vec::as_slice));
    let candidates = match rarest.min_by_key(|list| list.len()) {
        Some(places) => places.to_vec(),
        None => (0_u32..).take(pools.len()).collect(),
    };
    let fits = |place: &u32| {
        let pool = &pools[*place as usize];
        pool.takes_queued_jobs() && pool.place.labels.covers(wanted)
    };
    candidates.into_iter().filter(fits).collect()
}
