//! The world: a GARM, a GitHub and the VMs, in virtual time.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use super::config::{Config, Database, Knobs};
use super::controller::Controller;
use super::entity::{Credentials, Endpoint, Entity, EntityKey, Kind, Template};
use super::faults::Faults;
use super::github::GitHub;
use super::instance::{Instance, InstanceKey};
use super::job::JobRow;
use super::log::{Entry, What};
use super::loops::Loop;
use super::pool::{Pool, PoolKey, Seen, Tags};
use super::proxies::Proxy;
use super::rng::Dice;
use super::scheduler::Agenda;
use super::stream::{Event, Stream};
use super::vms::Machine;
use super::webhooks::{Hook, LANES};

/// A GARM and a GitHub in virtual time. Nothing happens but in [`World::advance_to`] and
/// [`World::handle`]; the same seed, the same calls and the same times give the same world.
#[derive(Debug)]
pub struct World {
    pub(super) config: Config,
    pub(super) now: Timestamp,
    pub(super) agenda: Agenda<Due>,
    pub(super) dice: DiceBox,
    pub(super) controller: Controller,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) credentials: BTreeMap<u64, Credentials>,
    /// The highest id of credentials so far.
    pub(super) credentials_made: u64,
    pub(super) templates: BTreeMap<u64, Template>,
    pub(super) proxies: BTreeMap<u64, Proxy>,
    pub(super) entities: BTreeMap<EntityKey, Entity>,
    pub(super) tags: Tags,
    pub(super) pools: BTreeMap<PoolKey, Pool>,
    pub(super) pool_ids: HashMap<String, PoolKey>,
    pub(super) instances: BTreeMap<InstanceKey, Instance>,
    pub(super) instance_names: HashMap<String, InstanceKey>,
    pub(super) jobs: BTreeMap<i64, JobRow>,
    pub(super) job_ids: HashMap<i64, i64>,
    pub(super) rows_made: u64,
    pub(super) jobs_made: i64,
    pub(super) github: GitHub,
    pub(super) machines: BTreeMap<String, Machine>,
    /// Until when each of GitHub's connections is busy.
    pub(super) lanes: [Timestamp; LANES],
    pub(super) arrivals: Option<Duration>,
    pub(super) log: Vec<Entry>,
    pub(super) stream: Stream,
    pub(super) requests: Vec<Exchange>,
    /// Faults of the doors.
    pub faults: Faults,
}

/// One request that the world answered, for tests that count and order them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// When.
    pub at: Timestamp,
    /// `GET`, `POST`, `PUT`, `DELETE`.
    pub method: String,
    /// Path below `/api/v1`, with its query.
    pub path: String,
    /// The body as it came; empty when there was none, and where it holds a secret.
    pub body: String,
    /// What was answered.
    pub status: u16,
}

impl Exchange {
    /// Whether it could have changed GARM; a login cannot.
    pub fn is_write(&self) -> bool {
        self.method != "GET" && self.path != "/auth/login"
    }
}

/// Streams of chance, one for each part of the world.
#[derive(Debug)]
pub(crate) struct DiceBox {
    pub(crate) ids: Dice,
    pub(crate) garm: Dice,
    pub(crate) github: Dice,
    pub(crate) provider: Dice,
}

/// What can be due.
#[derive(Debug, Clone)]
pub(crate) enum Due {
    /// A loop of an entity's pool manager.
    Tick(EntityKey, Loop),
    /// A pool's change reaches the cache that the loops read.
    Seen(PoolKey, Seen),
    /// The provider answers a create.
    Created(InstanceKey),
    /// The VM says its first word.
    Booted(InstanceKey),
    /// The VM says that the runner is installed.
    Installed(InstanceKey),
    /// GitHub may give the runner jobs.
    Online(i64),
    /// GARM calls the provider to delete.
    Delete(InstanceKey),
    /// The provider answers a delete.
    Deleted(InstanceKey),
    /// GitHub looks for runners.
    Assign,
    /// A job ends.
    Finish(i64),
    /// A webhook arrives.
    Hook(Hook),
    /// GARM writes the runner's row, a moment after the job's.
    PickedUp(Hook),
    /// GARM counts what a pick-up has left idle.
    Replace(PoolKey),
    /// GARM makes one more runner for it.
    AddRunner(PoolKey),
    /// A job comes by itself.
    Arrival,
}

impl World {
    /// A world at its beginning.
    pub fn new(config: Config) -> Self {
        let (seed, now) = (config.seed, config.start);
        let mut dice = DiceBox {
            ids: Dice::new(seed, 1),
            garm: Dice::new(seed, 2),
            github: Dice::new(seed, 3),
            provider: Dice::new(seed, 4),
        };
        let controller = Controller::new(&config, &mut dice.ids);
        let mut world = Self {
            now,
            agenda: Agenda::new(),
            dice,
            controller,
            endpoints: super::seed::endpoints(now),
            credentials: super::seed::credentials(now),
            credentials_made: 1,
            templates: super::seed::templates(now),
            proxies: BTreeMap::new(),
            entities: BTreeMap::new(),
            tags: Tags::default(),
            pools: BTreeMap::new(),
            pool_ids: HashMap::new(),
            instances: BTreeMap::new(),
            instance_names: HashMap::new(),
            jobs: BTreeMap::new(),
            job_ids: HashMap::new(),
            rows_made: 0,
            jobs_made: 0,
            github: GitHub::default(),
            machines: BTreeMap::new(),
            lanes: [now; LANES],
            arrivals: None,
            log: Vec::new(),
            stream: Stream::default(),
            requests: Vec::new(),
            faults: Faults::default(),
            config,
        };
        world.make_entities();
        world
    }

    /// The world's clock.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets everything happen that is due by `to`, in order. A time that is past already is no
    /// error: nothing happens.
    pub fn advance_to(&mut self, to: Timestamp) {
        while let Some((at, due)) = self.agenda.take_due(to) {
            self.now = self.now.max(self.kept_time(at));
            self.carry_out(due);
        }
        self.now = self.now.max(self.kept_time(to));
    }

    /// A time as the database keeps it.
    fn kept_time(&self, at: Timestamp) -> Timestamp {
        match self.config.flavour.database {
            Database::Sqlite => at,
            Database::Postgresql => Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at),
        }
    }

    /// Lets `span` pass.
    pub fn advance(&mut self, span: Duration) {
        self.advance_to(self.now + span);
    }

    /// When the next thing is due, for a door that wants to be there in time.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.agenda.next_at()
    }

    fn carry_out(&mut self, due: Due) {
        match due {
            Due::Tick(entity, which) => self.tick(entity, which),
            Due::Seen(pool, seen) => {
                if let Some(pool) = self.pools.get_mut(&pool) {
                    pool.seen = seen;
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
            Due::Hook(hook) => self.deliver(hook),
            Due::PickedUp(hook) => self.picked_up(&hook),
            Due::Replace(pool) => self.replace(pool),
            Due::AddRunner(pool) => {
                // GitHub's refusal is seen by the loops, too, which try again.
                self.add_runner(pool, None).ok();
            }
            Due::Arrival => self.arrival(),
        }
    }

    /// How GitHub and the providers behave.
    pub fn knobs(&self) -> &Knobs {
        &self.config.knobs
    }

    /// The same, to turn. Jobs that wait are looked at again.
    pub fn knobs_mut(&mut self) -> &mut Knobs {
        self.agenda.add(self.now, Due::Assign);
        &mut self.config.knobs
    }

    /// What happened so far, as far as it is remembered ([`Config::history`]).
    pub fn log(&self) -> &[Entry] {
        &self.log
    }

    /// The jobs whose VM was destroyed under them. A scaler must never cause one.
    pub fn killed_jobs(&self) -> Vec<i64> {
        self.log
            .iter()
            .filter_map(|it| match it.what {
                What::VmDeleted { killed_job, .. } => killed_job,
                _ => None,
            })
            .collect()
    }

    /// The requests that were answered so far, oldest first, as far as they are remembered
    /// ([`Config::history`]).
    pub fn requests(&self) -> &[Exchange] {
        &self.requests
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&mut self) {
        self.requests.clear();
    }

    /// Begins to keep the events that GARM's WebSocket would send.
    pub fn watch_events(&mut self) {
        self.stream.open();
    }

    /// Takes the events since the last call, in the order of the writes that made them. Empty
    /// before [`World::watch_events`].
    pub fn take_events(&mut self) -> Vec<Event> {
        self.stream.take()
    }

    pub(super) fn note(&mut self, what: What) {
        self.log.push(Entry { at: self.now, what });
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

    pub(super) fn entity_of(&self, id: &str, kind: Kind) -> Option<EntityKey> {
        self.entities.iter().find(|(_, it)| it.kind == kind && it.id == id).map(|it| *it.0)
    }

    pub(super) fn instance_named(&self, name: &str) -> Option<InstanceKey> {
        self.instance_names.get(name).copied()
    }
}

/// Drops the oldest beyond `most`, but only once there are twice as many: each costs a move of the
/// rest.
fn forget<T>(all: &mut Vec<T>, most: usize) {
    if all.len() >= most.saturating_mul(2).max(1) {
        all.drain(..all.len() - most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{HandOut, Order, Request};

    #[test]
    fn a_world_with_a_history_forgets_what_is_older() {
        let mut world = World::new(Config { history: 10, ..Config::default() });
        let order = Order {
            count: 40,
            labels: vec!["x".into()],
            duration: Duration::from_secs(1),
            repository: String::new(),
            name: "build".into(),
            hand_out: HandOut::Held,
            conclusion: "success".into(),
        };
        let jobs = world.queue_jobs(&order);
        for job in &jobs {
            let request = Request { method: "GET", path: "/pools", authorization: None, body: b"" };
            world.handle(request);
            world.end_job(*job, "cancelled");
        }
        assert!((10..20).contains(&world.requests().len()));
        assert!((10..20).contains(&world.log().len()));
        assert!((10..20).contains(&world.github.jobs.len()));
        let last = jobs.last().unwrap();
        assert!(world.github.jobs.contains_key(last));
        // A forgotten number is not given out again.
        assert_eq!(world.queue_jobs(&Order { count: 1, ..order }), [last + 1]);
    }

    #[test]
    fn tokens_that_have_expired_are_forgotten_at_the_next_login() {
        let mut world = World::new(Config::default());
        let old = world.admin_token();
        world.advance(Duration::from_secs(25 * 3600));
        let new = world.admin_token();
        assert_ne!(old, new);
        assert_eq!(world.controller.tokens.len(), 1);
    }
}
