//! One entity: its pools in routing order, its runners and its waiting jobs, indexed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::queue::{Carried, Queue, Waiting, waits};
use super::stock::{Stock, Unit};
use crate::domain::desired::ScalePolicy;
use crate::domain::entity::EntityKey;
use crate::domain::fleet::Fleet;
use crate::domain::job::Job;
use crate::domain::label::Labels;
use crate::domain::name::PoolId;
use crate::domain::runner::Runner;

/// One entity. Routing never crosses its border: GARM serves a job only from pools of the entity
/// whose webhook brought it.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// Every pool in routing order: priority falling, then rank, then id.
    pub(super) stocks: Vec<Stock>,
    /// Their ids, in the same order.
    pub(super) places: Arc<[PoolId]>,
    pub(super) queue: Queue,
    /// The enabled pools that bear a label, in routing order.
    bearers: HashMap<String, Vec<u32>>,
    /// Which pool carries a job, by `workflow_job_id`.
    carriers: HashMap<i64, u32>,
}

/// The policies of the pools that are ours to scale.
pub type Policies<'a> = BTreeMap<&'a PoolId, &'a ScalePolicy>;

impl Site {
    /// Every entity of the fleet that has a pool.
    pub fn all(fleet: &Fleet, policies: &Policies<'_>) -> BTreeMap<EntityKey, Self> {
        let now = fleet.observed_at;
        let mut sites: BTreeMap<EntityKey, Self> = BTreeMap::new();
        for pool in &fleet.pools {
            let stock = Stock::new(pool, policies.get(&pool.id).copied());
            sites.entry(pool.entity.clone()).or_default().stocks.push(stock);
        }
        let mut home: HashMap<&PoolId, &EntityKey> = HashMap::new();
        for pool in &fleet.pools {
            home.insert(&pool.id, &pool.entity);
        }
        let mut runners: HashMap<&EntityKey, Vec<&Runner>> = HashMap::new();
        for runner in &fleet.runners {
            if let Some(entity) = runner.pool.as_ref().and_then(|it| home.get(it)) {
                runners.entry(entity).or_default().push(runner);
            }
        }
        let mut jobs: HashMap<&EntityKey, Vec<&Job>> = HashMap::new();
        for job in &fleet.jobs {
            if let Some(entity) = &job.entity {
                jobs.entry(entity).or_default().push(job);
            }
        }
        for (entity, site) in &mut sites {
            site.settle();
            site.place_runners(&runners.remove(entity).unwrap_or_default(), now);
            site.line_up(&jobs.remove(entity).unwrap_or_default());
        }
        sites
    }

    /// Puts the pools in routing order and indexes their labels.
    fn settle(&mut self) {
        self.stocks.sort_by(|a, b| {
            (b.priority.cmp(&a.priority))
                .then_with(|| a.rank.cmp(&b.rank))
                .then_with(|| a.id.cmp(&b.id))
        });
        self.places = self.stocks.iter().map(|it| it.id.clone()).collect();
        self.bearers.clear();
        for (place, stock) in (0_u32..).zip(&self.stocks) {
            if stock.is_enabled {
                for label in stock.labels.keys() {
                    self.bearers.entry(label.to_owned()).or_default().push(place);
                }
            }
        }
    }

    fn place_runners(&mut self, runners: &[&Runner], now: Timestamp) {
        let place_of: HashMap<PoolId, u32> = self.places.iter().cloned().zip(0_u32..).collect();
        for runner in runners {
            let place = runner.pool.as_ref().and_then(|it| place_of.get(it));
            if let Some(place) = place {
                if let Some(job) = runner.job {
                    self.carriers.insert(job, *place);
                }
                self.stocks[*place as usize].units.push(Unit::first_seen(runner, now));
            }
        }
        for stock in &mut self.stocks {
            stock.units.sort_by(|a, b| a.name.cmp(&b.name));
            stock.recount(now);
        }
    }

    fn line_up(&mut self, jobs: &[&Job]) {
        for job in jobs {
            let carried = match self.carriers.contains_key(&job.workflow_job_id) {
                true => Carried::Yes,
                false => Carried::No,
            };
            if let Some(until) = waits(job, carried) {
                let (bearers, stocks) = (&self.bearers, &self.stocks);
                let group = self.queue.group(&job.labels, |it| fitting(it, bearers, stocks));
                let (created_at, id) = (job.created_at, job.id);
                self.queue.waiting.push(Waiting { created_at, id, group, until });
            }
        }
        self.queue.waiting.sort_by_key(Waiting::rank);
    }

    /// Counts again, where age alone has changed what a runner is.
    pub(super) fn recount(&mut self, now: Timestamp) {
        for stock in &mut self.stocks {
            if stock.census.until.is_some_and(|it| it <= now) {
                stock.recount(now);
            }
        }
    }

    /// The pools of the entity, in routing order.
    pub fn stocks(&self) -> &[Stock] {
        &self.stocks
    }
}

/// The enabled pools that bear every one of `wanted`, in routing order.
fn fitting(wanted: &Labels, bearers: &HashMap<String, Vec<u32>>, stocks: &[Stock]) -> Vec<u32> {
    let rarest = wanted.keys().map(|it| bearers.get(it).map_or(&[][..], Vec::as_slice));
    let candidates = match rarest.min_by_key(|it| it.len()) {
        Some(places) => places.to_vec(),
        None => (0_u32..).take(stocks.len()).collect(),
    };
    let fits = |place: &u32| {
        let stock = &stocks[*place as usize];
        stock.is_enabled && stock.labels.covers(wanted)
    };
    candidates.into_iter().filter(fits).collect()
}
