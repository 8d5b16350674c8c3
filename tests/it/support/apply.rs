//! A simulated GARM at which tests carry out plans, with short notations for steps and outcomes.

use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runnerctl::audit::{Actor, Cause};
use runnerctl::domain::entity::{EntityKey, EntityKind};
use runnerctl::domain::fleet::{Fleet, ReleaseLine};
use runnerctl::domain::label::{Labels, OwnerMark};
use runnerctl::domain::name::{PoolId, PoolName};
use runnerctl::domain::pool::{Pool, PoolChange, PoolSpec};
use runnerctl::event::{ApplyEvent, ApplyListener, StepOutcome};
use runnerctl::garm::{GarmClient, GarmLogin, Request, ResponseFuture, Transport};
use runnerctl::host::audit_destination::AuditDestination;
use runnerctl::host::clock::Clock;
use runnerctl::plan::{Action, Consent, Creation, Operation, Plan, Resource, Step};
use runnerctl::reconcile::apply::apply;
use runnerctl::reconcile::audit_trail::AuditContext;
use runnerctl::reconcile::options::ApplyOptions;
use runnerctl::reconcile::read_fleet::{FleetRequest, read_fleet};
use runnerctl::reconcile::writer::Writer;
use runnerctl::sim::in_memory::InMemoryWorld;
use runnerctl::sim::{SimConfig, World};
use secrecy::SecretString;

use super::pools::plain;
pub(crate) use super::pools::{fleet, name};
use super::processors::take_processor;

pub(crate) struct ApplyRig {
    pub(crate) memory: Arc<InMemoryWorld>,
    pub(crate) client: GarmClient,
    pub(crate) entity: EntityKey,
    pub(crate) book: AuditDestination,
}

/// Delays the answer with the list of pools by `byte` for each of its bytes, and every other answer
/// by 4 ms.
pub(crate) struct SlowLists {
    door: Arc<dyn Transport>,
    byte: Duration,
}

impl SlowLists {
    pub(crate) fn new(rig: &ApplyRig, byte: Duration) -> Self {
        Self { door: rig.door(), byte }
    }
}

impl Transport for SlowLists {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        let is_list = !request.method.is_write() && request.path == "/pools";
        Box::pin(async move {
            let answer = self.door.send(request).await;
            let took = match &answer {
                Ok(answer) if is_list => {
                    self.byte * u32::try_from(answer.body.len()).unwrap_or(u32::MAX)
                }
                _ => Duration::from_millis(4),
            };
            tokio::time::sleep(took).await;
            answer
        })
    }

    fn address(&self) -> String {
        self.door.address()
    }
}

impl ApplyRig {
    pub(crate) async fn new() -> Self {
        Self::of(SimConfig { backoff: 86_400, ..SimConfig::default() }).await
    }

    pub(crate) async fn of(config: SimConfig) -> Self {
        take_processor();
        let memory = InMemoryWorld::new(World::new(config));
        let client = memory.client();
        let entity = client.entities(EntityKind::Organization).await.unwrap().remove(0).key;
        memory.with(World::forget_requests);
        Self { memory, client, entity, book: AuditDestination::memory() }
    }

    /// The transport to GARM, without anything in between.
    pub(crate) fn door(&self) -> Arc<dyn Transport> {
        Arc::<InMemoryWorld>::clone(&self.memory)
    }

    pub(crate) fn login(&self) -> GarmLogin {
        let (user, password) =
            (SimConfig::default().username, SecretString::from(SimConfig::default().password));
        GarmLogin::new(user, password)
    }

    pub(crate) fn writer(&self, door: Arc<dyn Transport>) -> Writer {
        self.writer_with(door, ReleaseLine::Current)
    }

    pub(crate) fn writer_with(&self, door: Arc<dyn Transport>, line: ReleaseLine) -> Writer {
        let client = Arc::new(GarmClient::new(door, self.login()));
        let actor =
            Actor { user: "ada".into(), host: "box".into(), pid: 7, version: "0.1.0".into() };
        let cause = Cause {
            command: "apply".into(),
            plan: Some("d1".into()),
            fleet: Some("acme".into()),
            ..Cause::default()
        };
        let epoch = self.memory.with(|it| it.now());
        let clock = Clock::starting_at(epoch);
        Writer::new(client, AuditContext { book: self.book.clone(), actor, cause, clock, line })
    }

    /// Carries out steps, directly at GARM.
    pub(crate) async fn apply(&self, steps: Vec<Step>) -> Vec<String> {
        self.apply_with(steps, &ApplyOptions::default()).await
    }

    pub(crate) async fn apply_with(&self, steps: Vec<Step>, options: &ApplyOptions) -> Vec<String> {
        let writer = self.writer(self.door());
        told(&apply(&plan(steps), &writer, options, &Heard::default()).await)
    }

    pub(crate) async fn apply_through(
        &self,
        door: Arc<dyn Transport>,
        steps: Vec<Step>,
    ) -> Vec<String> {
        let writer = self.writer(door);
        told(&apply(&plan(steps), &writer, &ApplyOptions::default(), &Heard::default()).await)
    }

    /// The specification of a pool of this name that is in force.
    pub(crate) fn spec(&self, pool: &str) -> PoolSpec {
        plain(pool, labels(pool), (2, 20))
    }

    pub(crate) fn create(&self, pool: &str) -> Step {
        self.create_as(pool, self.spec(pool))
    }

    pub(crate) fn create_as(&self, pool: &str, spec: PoolSpec) -> Step {
        let work = Operation::Create(Creation { entity: self.entity.clone(), spec });
        step(Action::Create, pool, None, work)
    }

    pub(crate) fn replace(&self, pool: &str, old: &PoolId, spec: PoolSpec) -> Step {
        let mut retired_labels: Labels = [pool].into_iter().collect();
        retired_labels.insert(OwnerMark::retired(&fleet(), &name(pool)).to_string());
        let new = Creation { entity: self.entity.clone(), spec };
        let work = Operation::Replace { old: old.clone(), retired_labels, new, successor: None };
        step(Action::Replace, pool, Some(old), work)
    }

    /// Creates a pool by hand.
    pub(crate) async fn make(&self, spec: &PoolSpec) -> Pool {
        self.client.create_pool(&self.entity, spec).await.unwrap()
    }

    pub(crate) async fn fleet(&self) -> Fleet {
        let ask = FleetRequest { kinds: EntityKind::ALL.to_vec(), ..FleetRequest::default() };
        read_fleet(&self.client, &ask, &Clock::Real).await.unwrap()
    }

    /// Each pool as `labels enabled level/max runners`, in GARM's order.
    pub(crate) async fn pools(&self) -> Vec<String> {
        let fleet = self.fleet().await;
        fleet.pools.iter().map(|it| shown(it, fleet.runners_of(&it.id).count())).collect()
    }

    /// The writes that reached GARM, as `METHOD path body`.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.memory.with(|world| {
            let writes = world.requests().iter().filter(|it| it.is_write());
            writes.map(|it| format!("{} {} {}", it.method, it.path, it.body)).collect()
        })
    }

    /// Forgets all requests so far.
    pub(crate) fn forget(&self) {
        self.memory.with(World::forget_requests);
    }

    pub(crate) fn killed_jobs(&self) -> usize {
        self.memory.with(|it| it.killed_jobs().len())
    }

    /// The audit log so far, one line per record: kind, act, verdict.
    pub(crate) fn records(&self) -> Vec<String> {
        let lines = self.log();
        let values = lines.lines().map(|it| serde_json::from_str(it).unwrap());
        values
            .map(|it: serde_json::Value| {
                let word = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
                format!("{} {} {}", word("kind"), word("act"), word("verdict")).trim().to_owned()
            })
            .collect()
    }

    pub(crate) fn log(&self) -> String {
        match &self.book {
            AuditDestination::Memory(memory) => memory.lock().unwrap().text.clone(),
            AuditDestination::File(_) | AuditDestination::Sink(_) | AuditDestination::Off => {
                String::new()
            }
        }
    }
}

pub(crate) fn shown(pool: &Pool, runners: usize) -> String {
    let labels: Vec<&str> = pool.spec.labels.keys().collect();
    let state = if pool.spec.enabled { "on" } else { "off" };
    let (level, max) = (pool.spec.min_idle_runners, pool.spec.max_runners);
    format!("{} {state} {level}/{max} {runners}", labels.join(","))
}

pub(crate) fn labels(pool: &str) -> Labels {
    [pool.to_owned(), OwnerMark::owned(&fleet(), &name(pool)).to_string()].into_iter().collect()
}

pub(crate) fn step(action: Action, pool: &str, id: Option<&PoolId>, work: Operation) -> Step {
    Step {
        action,
        about: PoolName::new(pool).map_or(Resource::Controller, Resource::Pool),
        pool_id: id.cloned(),
        changes: Vec::new(),
        reason: "a reason".into(),
        help: None,
        consequences: Vec::new(),
        policy: None,
        consent: Consent::None,
        work,
    }
}

pub(crate) fn change(pool: &str, id: &PoolId, change: PoolChange) -> Step {
    step(Action::Update, pool, Some(id), Operation::Change { id: id.clone(), change })
}

pub(crate) fn retire(pool: &str, id: &PoolId) -> Step {
    let work = Operation::Retire { id: id.clone(), is_retired: false };
    Step { consent: Consent::Destroy, ..step(Action::Delete, pool, Some(id), work) }
}

pub(crate) fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        fleet: fleet(),
        controller_id: "c".into(),
        observed_at: jiff::Timestamp::UNIX_EPOCH,
        steps,
        notes: Vec::new(),
        declared: 0,
        owned: 0,
    }
}

/// Outcomes as `pool action outcome: detail`.
pub(crate) fn told(outcomes: &[StepOutcome]) -> Vec<String> {
    let one = |it: &StepOutcome| {
        let pool = it.about.pool().map_or("-", PoolName::as_str);
        let mut text = format!("{pool} {} {}", it.action.word(), it.kind.word());
        if !it.detail.is_empty() {
            write!(text, ": {}", it.detail).unwrap();
        }
        text
    };
    outcomes.iter().map(one).collect()
}

/// Records the events that it receives.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<ApplyEvent>>);

impl Heard {
    pub(crate) fn events(&self) -> Vec<ApplyEvent> {
        self.0.lock().unwrap().clone()
    }
}

impl ApplyListener for Heard {
    fn hear(&self, event: &ApplyEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

pub(crate) async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}
