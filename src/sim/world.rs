//! The world: GARM, GitHub and the VMs in virtual time.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use super::config::{GarmDatabase, Knobs, SimConfig};
use super::controller::ControllerRow;
use super::entity::{CredentialsRow, EndpointRow, EntityRow, EntityType, TemplateRow};
use super::faults::Faults;
use super::github::GitHub;
use super::instance::InstanceRow;
use super::job::JobRow;
use super::log::{LogEntry, LogEvent};
use super::loops::Loop;
use super::pool::{CachedPool, PoolRow, Tags};
use super::proxies::ProxyRow;
use super::rng::Rng;
use super::row_key::{EntityRowKey, InstanceRowKey, PoolRowKey, ScaleSetRowKey};
use super::scale_set::ScaleSetRow;
use super::scale_set_service::JobMessage;
use super::scale_set_worker::SeenScaleSet;
use super::scheduler::Scheduler;
use super::stream::{EventBuffer, GarmEvent};
use super::vms::VirtualMachine;
use super::webhooks::{LANES, Webhook};

/// GARM and GitHub in virtual time, which passes only in [`World::advance_to`]. The same seed,
/// calls and times give the same world.
#[derive(Debug)]
pub struct World {
    pub(super) config: SimConfig,
    pub(super) now: Timestamp,
    pub(super) scheduler: Scheduler<Due>,
    pub(super) rng: Rngs,
    pub(super) controller: ControllerRow,
    pub(super) endpoints: Vec<EndpointRow>,
    pub(super) credentials: BTreeMap<u64, CredentialsRow>,
    /// The highest id of credentials so far.
    pub(super) credentials_made: u64,
    pub(super) templates: BTreeMap<u64, TemplateRow>,
    pub(super) proxies: BTreeMap<u64, ProxyRow>,
    pub(super) entities: BTreeMap<EntityRowKey, EntityRow>,
    pub(super) tags: Tags,
    pub(super) pools: BTreeMap<PoolRowKey, PoolRow>,
    pub(super) pool_ids: HashMap<String, PoolRowKey>,
    pub(super) scale_sets: BTreeMap<ScaleSetRowKey, ScaleSetRow>,
    /// The highest id of a scale set so far.
    pub(super) scale_sets_made: u64,
    pub(super) instances: BTreeMap<InstanceRowKey, InstanceRow>,
    pub(super) instance_names: HashMap<String, InstanceRowKey>,
    pub(super) jobs: BTreeMap<i64, JobRow>,
    /// By GitHub's id, the rows of jobs that webhooks reported.
    pub(super) job_ids: HashMap<i64, i64>,
    /// By GitHub's id, the rows of jobs that came in messages.
    pub(super) scale_set_job_ids: HashMap<i64, i64>,
    pub(super) rows_made: u64,
    pub(super) jobs_made: i64,
    pub(super) github: GitHub,
    pub(super) vms: BTreeMap<String, VirtualMachine>,
    /// When each of GitHub's connections becomes free.
    pub(super) lanes: [Timestamp; LANES],
    pub(super) arrivals: Option<Duration>,
    pub(super) log: Vec<LogEntry>,
    pub(super) stream: EventBuffer,
    pub(super) requests: Vec<Exchange>,
    /// How many times GARM has crashed.
    pub(super) crashes: u64,
    /// When GARM is available again after its last crash.
    pub(super) back_at: Timestamp,
    /// Simulated faults of requests and events.
    pub faults: Faults,
}

/// A handled request, for tests that count and order them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub at: Timestamp,
    /// The HTTP method: `GET`, `POST`, `PUT` or `DELETE`.
    pub method: String,
    /// Path below `/api/v1`, with its query.
    pub path: String,
    /// The body; empty if there was none or if it contained a secret.
    pub body: String,
    pub status: u16,
}

impl Exchange {
    /// Whether it could have changed GARM; a login does not count.
    pub fn is_write(&self) -> bool {
        self.method != "GET" && self.path != "/auth/login"
    }
}

/// Random numbers, one stream for each part of the world.
#[derive(Debug)]
pub(crate) struct Rngs {
    pub(crate) ids: Rng,
    pub(crate) garm: Rng,
    pub(crate) github: Rng,
    pub(crate) provider: Rng,
}

#[derive(Debug, Clone)]
pub(crate) enum Due {
    /// A loop of an entity's pool manager.
    Tick(EntityRowKey, Loop),
    /// A pool's change reaches the loops' cache.
    PoolCached(PoolRowKey, CachedPool),
    /// The provider responds to a create.
    Created(InstanceRowKey),
    /// The VM reports its first status.
    Booted(InstanceRowKey),
    /// The VM reports that the runner is installed.
    Installed(InstanceRowKey),
    /// The runner comes online at GitHub.
    Online(i64),
    /// GARM calls the provider to delete.
    Delete(InstanceRowKey),
    /// The provider responds to a delete.
    Deleted(InstanceRowKey),
    Assign,
    Finish(i64),
    Webhook(Webhook),
    /// GARM writes the runner's row, shortly after the job's.
    PickedUp(Webhook),
    /// GARM counts the idle runners after a pick-up.
    Replace(PoolRowKey),
    /// GARM creates one more runner for it.
    AddRunner(PoolRowKey),
    /// A job arrives by itself.
    Arrival,
    /// GARM starts the worker of a scale set.
    WorkerStarts(ScaleSetRowKey),
    /// A row reaches the worker.
    WorkerSees(ScaleSetRowKey, SeenScaleSet),
    /// The worker compares the rows with their target.
    WorkerCompares(ScaleSetRowKey),
    /// The worker opens its session at GitHub.
    SessionStarts(ScaleSetRowKey),
    /// The manager of a scale set's instance looks at its row.
    SetInstance(InstanceRowKey),
    /// GitHub sends the next message of a scale set, by GitHub's number of it.
    Message(u64),
    /// A late message reaches GARM.
    MessageArrives(ScaleSetRowKey, JobMessage),
    /// GARM's poll of a scale set ends, by GitHub's number and the poll's.
    PollEnds(u64, u64),
}

impl World {
    pub fn new(config: SimConfig) -> Self {
        let (seed, now) = (config.seed, config.start);
        let mut rng = Rngs {
            ids: Rng::new(seed, 1),
            garm: Rng::new(seed, 2),
            github: Rng::new(seed, 3),
            provider: Rng::new(seed, 4),
        };
        let controller = ControllerRow::new(&config, &mut rng.ids);
        let mut world = Self {
            now,
            scheduler: Scheduler::new(),
            rng,
            controller,
            endpoints: super::seed::endpoints(now, config.forge),
            credentials: super::seed::credentials(now),
            credentials_made: 1,
            templates: super::seed::templates(now),
            proxies: BTreeMap::new(),
            entities: BTreeMap::new(),
            tags: Tags::default(),
            pools: BTreeMap::new(),
            pool_ids: HashMap::new(),
            scale_sets: BTreeMap::new(),
            scale_sets_made: 0,
            instances: BTreeMap::new(),
            instance_names: HashMap::new(),
            jobs: BTreeMap::new(),
            job_ids: HashMap::new(),
            scale_set_job_ids: HashMap::new(),
            rows_made: 0,
            jobs_made: 0,
            github: GitHub::default(),
            vms: BTreeMap::new(),
            lanes: [now; LANES],
            arrivals: None,
            log: Vec::new(),
            stream: EventBuffer::default(),
            requests: Vec::new(),
            crashes: 0,
            back_at: now,
            faults: Faults::default(),
            config,
        };
        world.make_entities();
        world
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Performs every action that is due by `to`, in order. Does nothing if `to` is in the past.
    pub fn advance_to(&mut self, to: Timestamp) {
        while let Some((at, due)) = self.scheduler.take_due(to) {
            self.now = self.now.max(self.kept_time(at));
            self.carry_out(due);
        }
        self.now = self.now.max(self.kept_time(to));
    }

    /// A time as the database stores it.
    fn kept_time(&self, at: Timestamp) -> Timestamp {
        match self.config.variant.database {
            GarmDatabase::Sqlite => at,
            GarmDatabase::Postgresql => {
                Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
            }
        }
    }

    pub fn advance(&mut self, span: Duration) {
        self.advance_to(self.now + span);
    }

    /// When the next action is due, for callers that advance the world in time.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.scheduler.next_at()
    }

    fn carry_out(&mut self, due: Due) {
        match due {
            Due::Tick(entity, which) => self.tick(entity, which),
            Due::PoolCached(pool, cached) => {
                if let Some(pool) = self.pools.get_mut(&pool) {
                    pool.cached = cached;
                }
            }
            Due::Created(instance) => self.vm_created(instance),
            Due::Booted(instance) => self.vm_booted(instance),
            Due::Installed(instance) => self.vm_installed(instance),
            Due::Online(runner) => self.runner_online(runner),
            Due::Delete(instance) => self.delete_vm(instance),
            Due::Deleted(instance) => self.vm_deleted(instance),
            Due::Assign => self.assign(),
            Due::Finish(job) => self.finish_job(job, None),
            Due::Webhook(hook) => self.deliver(hook),
            Due::PickedUp(hook) => self.picked_up(&hook),
            Due::Replace(pool) => self.replace(pool),
            Due::AddRunner(pool) => {
                // The loops see GitHub's refusal as well and try again.
                self.add_runner(pool, None).ok();
            }
            Due::Arrival => self.arrival(),
            other => self.carry_out_for_scale_set(other),
        }
    }

    /// How GitHub and the providers behave.
    pub fn knobs(&self) -> &Knobs {
        &self.config.knobs
    }

    /// Mutable access to the knobs. Also schedules an assignment of the waiting jobs.
    pub fn knobs_mut(&mut self) -> &mut Knobs {
        self.scheduler.add(self.now, Due::Assign);
        &mut self.config.knobs
    }

    /// The events so far, oldest first; [`SimConfig::history`] bounds their number.
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// The jobs whose VM was deleted while they ran. A scaler must never cause one.
    pub fn killed_jobs(&self) -> Vec<i64> {
        self.log
            .iter()
            .filter_map(|entry| match entry.what {
                LogEvent::VmDeleted { killed_job, .. } => killed_job,
                _ => None,
            })
            .collect()
    }

    /// The requests so far, oldest first; [`SimConfig::history`] bounds their number.
    pub fn requests(&self) -> &[Exchange] {
        &self.requests
    }

    pub fn forget_requests(&mut self) {
        self.requests.clear();
    }

    /// Starts recording the events that GARM's WebSocket would send.
    pub fn watch_events(&mut self) {
        self.stream.open();
    }

    /// Removes and returns the recorded events, in the order of the writes that caused them. Empty
    /// before [`World::watch_events`].
    pub fn take_events(&mut self) -> Vec<GarmEvent> {
        self.stream.take()
    }

    pub(super) fn note(&mut self, what: LogEvent) {
        self.log.push(LogEntry { at: self.now, what });
        forget(&mut self.log, self.config.history);
    }

    pub(super) fn remember(&mut self, exchange: Exchange) {
        self.requests.push(exchange);
        forget(&mut self.requests, self.config.history);
    }

    pub(super) fn next_row(&mut self) -> u64 {
        self.rows_made += 1;
        self.rows_made
    }

    pub(super) fn entity_of(&self, id: &str, kind: EntityType) -> Option<EntityRowKey> {
        self.entities
            .iter()
            .find(|(_, entity)| entity.kind == kind && entity.id == id)
            .map(|found| *found.0)
    }

    pub(super) fn instance_named(&self, name: &str) -> Option<InstanceRowKey> {
        self.instance_names.get(name).copied()
    }
}

/// Drops the oldest entries beyond `most`, but only once there are twice as many, since each drop
/// moves the rest.
fn forget<T>(all: &mut Vec<T>, most: usize) {
    if all.len() >= most.saturating_mul(2).max(1) {
        all.drain(..all.len() - most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{ApiRequest, JobBatch};

    #[test]
    fn a_world_with_a_history_forgets_what_is_older() {
        let mut world = World::new(SimConfig { history: 10, ..SimConfig::default() });
        let order = JobBatch {
            count: 40,
            labels: vec!["x".into()],
            duration: Duration::from_secs(1),
            repository: String::new(),
            name: "build".into(),
            is_held: true,
            conclusion: "success".into(),
        };
        let jobs = world.queue_jobs(&order);
        for job in &jobs {
            let request =
                ApiRequest { method: "GET", path: "/pools", authorization: None, body: b"" };
            world.handle(request);
            world.end_job(*job, "cancelled");
        }
        assert!((10..20).contains(&world.requests().len()));
        assert!((10..20).contains(&world.log().len()));
        assert!((10..20).contains(&world.github.jobs.len()));
        let last = jobs.last().unwrap();
        assert!(world.github.jobs.contains_key(last));
        // The id of a deleted row is not used again.
        assert_eq!(world.queue_jobs(&JobBatch { count: 1, ..order }), [last + 1]);
    }

    #[test]
    fn tokens_that_have_expired_are_forgotten_at_the_next_login() {
        let mut world = World::new(SimConfig::default());
        let old = world.admin_token();
        world.advance(Duration::from_secs(25 * 3600));
        let new = world.admin_token();
        assert_ne!(old, new);
        assert_eq!(world.controller.tokens.len(), 1);
    }
}
