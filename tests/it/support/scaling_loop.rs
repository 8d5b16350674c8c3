//! A simulated GARM with pools in virtual time, the real loop that scales them, and short summaries
//! of what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use runnerctl::audit::{Actor, Cause};
use runnerctl::domain::desired::ScalePolicy;
use runnerctl::domain::entity::{EntityKey, EntityKind};
use runnerctl::domain::fleet::{Fleet, ReleaseLine};
use runnerctl::domain::job::JobStatus;
use runnerctl::domain::label::OwnerMark;
use runnerctl::domain::name::{PoolId, PoolName};
use runnerctl::domain::owners::AdoptedSets;
use runnerctl::domain::pool::{Pool, PoolChange, PoolDetail, PoolSpec};
use runnerctl::domain::runner::Runner;
use runnerctl::garm::events::StreamLimits;
use runnerctl::garm::{GarmClient, GarmError, GarmLogin, Transport};
use runnerctl::host::audit_destination::AuditDestination;
use runnerctl::host::clock::Clock;
use runnerctl::metrics::{HealthLimits, MetricsState, PoolGauges, Snapshot};
use runnerctl::monitor::IsolationFinding;
use runnerctl::reconcile::audit_trail::AuditContext;
use runnerctl::reconcile::watch::{
    DeclaredPools, DeclaredScaling, GroupSeat, Incident, LoopIo, LoopSettings, LoopSnapshot,
    Observer, RunMode, WatchCommand, WatchEnd, WriteAction, WriteReport, Writes, watch,
};
use runnerctl::reconcile::writer::Writer;
use runnerctl::render::decision::{Mood, sentence};
use runnerctl::scaling::{Decision, Direction, EntityState, Reason, RowChange};
use runnerctl::sim::in_memory::InMemoryWorld;
use runnerctl::sim::{
    Exchange, Fault, FaultRule, JobBatch as Jobs, Knobs, LogEntry, LogEvent, SimConfig, World,
};
use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub(crate) use super::pools::name;
use super::pools::{self, fleet};
use super::processors::take_processor;

pub(crate) const RESYNC: Duration = Duration::from_secs(30);

/// The default settings of a loop.
pub(crate) fn steady() -> LoopSettings {
    LoopSettings { resync: RESYNC, course: RunMode::Steady, writes: Writes::Sent }
}

/// The specification's policy, but starting from zero runners.
pub(crate) fn policy() -> ScalePolicy {
    ScalePolicy { min_runners: 0, ..pools::policy() }
}

/// A simulated GARM with pools of the fleet, at which tests start loops.
pub(crate) struct LoopRig {
    pub(crate) memory: Arc<InMemoryWorld>,
    pub(crate) client: GarmClient,
    pub(crate) entity: EntityKey,
    pub(crate) pools: BTreeMap<PoolName, (PoolId, ScalePolicy)>,
}

impl LoopRig {
    /// A rig with one pool `default` that has this policy.
    pub(crate) async fn new(policy: ScalePolicy) -> Self {
        Self::of(SimConfig { backoff: 300, ..SimConfig::default() }, &[("default", policy)]).await
    }

    pub(crate) async fn of(config: SimConfig, pools: &[(&str, ScalePolicy)]) -> Self {
        take_processor();
        let memory = InMemoryWorld::new(World::new(config));
        let client = memory.client();
        let entity = client.entities(EntityKind::Organization).await.unwrap().remove(0).key;
        let mut rig = Self { memory, client, entity, pools: BTreeMap::new() };
        for (pool, policy) in pools {
            rig.make(pool, policy).await;
        }
        rig.forget();
        rig
    }

    /// Creates a pool as `apply` does, at the level of its minimum.
    pub(crate) async fn make(&mut self, pool: &str, policy: &ScalePolicy) -> Pool {
        self.make_as(pool, policy, |it| it).await
    }

    /// The same, with a changed specification.
    pub(crate) async fn make_as(
        &mut self,
        pool: &str,
        policy: &ScalePolicy,
        change: impl FnOnce(PoolSpec) -> PoolSpec,
    ) -> Pool {
        let entity = self.entity.clone();
        self.make_in(&entity, pool, (policy, change)).await
    }

    /// The same, for this entity.
    pub(crate) async fn make_in(
        &mut self,
        entity: &EntityKey,
        pool: &str,
        (policy, change): (&ScalePolicy, impl FnOnce(PoolSpec) -> PoolSpec),
    ) -> Pool {
        let labels = [pool.to_owned(), OwnerMark::owned(&fleet(), &name(pool)).to_string()];
        let spec = change(pools::spec(pool, labels.into_iter().collect(), policy));
        let made = self.client.create_pool(entity, &spec).await.unwrap();
        self.pools.insert(name(pool), (made.id.clone(), policy.clone()));
        made
    }

    /// Creates a scale set that jobs request by its name.
    pub(crate) async fn make_scale_set(&mut self, pool: &str, policy: &ScalePolicy) -> Pool {
        let named = |spec| PoolSpec { scale_set_name: Some(pool.to_owned()), ..spec };
        self.make_as(pool, policy, named).await
    }

    /// A rig with one scale set `default` that has this policy, under this configuration.
    pub(crate) async fn with_scale_set(config: SimConfig, policy: &ScalePolicy) -> Self {
        let mut rig = Self::of(config, &[]).await;
        rig.make_scale_set("default", policy).await;
        rig.forget();
        rig
    }

    /// Creates a pool by hand that no loop scales, for jobs that ask for `label`.
    pub(crate) async fn make_by_hand(&self, label: &str, (level, most): (u32, u32)) -> Pool {
        let spec = pools::plain("by-hand", [label].into_iter().collect(), (level, most));
        let spec = PoolSpec { priority: 1, ..spec };
        self.client.create_pool(&self.entity, &spec).await.unwrap()
    }

    pub(crate) fn id(&self, pool: &str) -> PoolId {
        self.pools[&name(pool)].0.clone()
    }

    /// Changes a field of a pool by hand.
    pub(crate) async fn change(&self, pool: &str, change: PoolChange) -> Pool {
        self.client.update_pool(&self.id(pool), &change).await.unwrap()
    }

    pub(crate) async fn set_level(&self, level: u32) -> Pool {
        let change = PoolChange { min_idle_runners: Some(level), ..PoolChange::default() };
        self.change("default", change).await
    }

    pub(crate) fn roll(&self) -> DeclaredPools {
        let enrolled =
            |it: &(PoolId, ScalePolicy)| DeclaredScaling { enabled: true, policy: it.1.clone() };
        let pools = self.pools.iter().map(|(name, it)| (name.clone(), enrolled(it)));
        DeclaredPools {
            fleet: fleet(),
            pools: pools.collect(),
            adopted: AdoptedSets::default(),
            is_whole: true,
        }
    }

    /// The transport to GARM, without anything in between.
    pub(crate) fn door(&self) -> Arc<dyn Transport> {
        Arc::<InMemoryWorld>::clone(&self.memory)
    }

    /// Starts a loop with these settings.
    pub(crate) fn start(&self, settings: LoopSettings) -> RunningLoop {
        self.start_through(self.door(), settings)
    }

    pub(crate) fn start_through(
        &self,
        door: Arc<dyn Transport>,
        settings: LoopSettings,
    ) -> RunningLoop {
        let config = SimConfig::default();
        let login = GarmLogin::new(config.username, SecretString::from(config.password));
        let client = Arc::new(GarmClient::new(door, login));
        self.start_with(client, settings, self.clock())
    }

    /// Starts a loop with these declared pools.
    pub(crate) fn start_by(&self, settings: LoopSettings, roll: DeclaredPools) -> RunningLoop {
        let config = SimConfig::default();
        let login = GarmLogin::new(config.username, SecretString::from(config.password));
        let client = Arc::new(GarmClient::new(self.door(), login));
        self.run(client, (settings, roll), self.clock(), None)
    }

    pub(crate) fn start_with(
        &self,
        client: Arc<GarmClient>,
        settings: LoopSettings,
        clock: Clock,
    ) -> RunningLoop {
        self.run(client, (settings, self.roll()), clock, None)
    }

    /// Starts a loop that shares groups with those of other GARMs.
    pub(crate) fn start_at(&self, door: Arc<dyn Transport>, seat: GroupSeat) -> RunningLoop {
        let config = SimConfig::default();
        let login = GarmLogin::new(config.username, SecretString::from(config.password));
        let client = Arc::new(GarmClient::new(door, login));
        self.run(client, (steady(), self.roll()), self.clock(), Some(seat))
    }

    fn run(
        &self,
        client: Arc<GarmClient>,
        (settings, roll): (LoopSettings, DeclaredPools),
        clock: Clock,
        groups: Option<GroupSeat>,
    ) -> RunningLoop {
        let heard = Arc::new(Heard::default());
        let (orders, inbox) = mpsc::channel(8);
        let book = AuditDestination::memory();
        let (audience, log) = (Arc::clone(&heard), book.clone());
        let task = tokio::spawn(async move {
            let actor =
                Actor { user: "ada".into(), host: "box".into(), pid: 7, version: "0.1.0".into() };
            let cause = Cause { command: "watch".into(), ..Cause::default() };
            let warrant = AuditContext { book, actor, cause, clock, line: ReleaseLine::Current };
            let writer = Writer::new(Arc::clone(&client), warrant);
            let feed = client.events(StreamLimits::default());
            let doors = LoopIo {
                client,
                writer: &writer,
                feed,
                orders: inbox,
                observer: &*audience,
                clock,
                groups,
            };
            watch(doors, settings, roll).await
        });
        RunningLoop { heard, orders, task, log }
    }

    /// This machine's clock, in step with GARM's.
    pub(crate) fn clock(&self) -> Clock {
        Clock::starting_at(self.memory.with(|it| it.now()))
    }

    /// Queues `count` jobs of this duration for `default`; returns GitHub's ids.
    pub(crate) fn jobs(&self, count: usize, seconds: u64) -> Vec<i64> {
        let jobs = Jobs::new(count, &["default"]).lasting(Duration::from_secs(seconds));
        self.memory.with(|it| it.queue_jobs(&jobs))
    }

    /// Changes the knobs of the simulated world.
    pub(crate) fn turn(&self, turn: impl FnOnce(&mut Knobs)) {
        self.memory.with(|it| turn(it.knobs_mut()));
    }

    /// The whole seconds that each of these jobs waited, longest last; without those that still
    /// wait.
    pub(crate) fn waits(&self, jobs: &[i64]) -> Vec<u64> {
        self.memory.with(|world| {
            let wait = |it: &LogEntry| match &it.what {
                LogEvent::JobStarted { job, waited_ms, .. } if jobs.contains(job) => {
                    Some(waited_ms / 1000)
                }
                _ => None,
            };
            let mut waits: Vec<u64> = world.log().iter().filter_map(wait).collect();
            waits.sort_unstable();
            waits
        })
    }

    /// Makes GARM's events unavailable.
    pub(crate) fn mute(&self) {
        self.fault(FaultRule::always("GET", "/ws/events", Fault::Refuse));
    }

    /// Makes GARM unreachable and breaks all streams.
    pub(crate) fn go_away(&self) {
        self.fault(FaultRule::always("", "", Fault::Refuse));
        self.memory.cut_streams();
    }

    pub(crate) fn come_back(&self) {
        self.memory.with(|it| it.faults.clear());
    }

    pub(crate) fn fault(&self, rule: FaultRule) {
        self.memory.with(|it| it.faults.add(rule));
    }

    /// The present level of the pool `default`.
    pub(crate) async fn level(&self) -> u32 {
        self.client.pool(&self.id("default")).await.unwrap().0.spec.min_idle_runners
    }

    /// The numbers of active, idle and other runners.
    pub(crate) async fn runner_counts(&self) -> (usize, usize, usize) {
        let all = self.client.runners().await.unwrap();
        let active = all.iter().filter(|it| it.is_busy()).count();
        let idle = all.iter().filter(|it| it.is_idle()).count();
        (active, idle, all.len() - active - idle)
    }

    /// Forgets all requests so far.
    pub(crate) fn forget(&self) {
        self.memory.with(World::forget_requests);
    }

    pub(crate) fn requests(&self) -> Vec<Exchange> {
        self.memory.with(|it| it.requests().to_vec())
    }

    /// The requests since they were last forgotten, as `METHOD path`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.requests().iter().map(|it| format!("{} {}", it.method, it.path)).collect()
    }

    /// The levels that were written, in order.
    pub(crate) fn levels(&self) -> Vec<u64> {
        let level = |it: &Exchange| {
            let body: Value = serde_json::from_str(&it.body).ok()?;
            body["min_idle_runners"].as_u64()
        };
        let writes = self.requests();
        writes
            .iter()
            .filter(|it| it.method == "PUT" && it.status == 200)
            .filter_map(level)
            .collect()
    }

    /// All writes since they were last forgotten.
    pub(crate) fn writes(&self) -> Vec<Exchange> {
        self.requests().into_iter().filter(Exchange::is_write).collect()
    }

    /// A summary of everything that has happened.
    pub(crate) fn tally(&self) -> Tally {
        self.memory.with(|world| {
            let mut tally = Tally { killed: world.killed_jobs().len(), ..Tally::default() };
            let mut alive = 0;
            for entry in world.log() {
                match &entry.what {
                    LogEvent::VmCreated { .. } => {
                        tally.vms += 1;
                        alive += 1;
                        tally.most = tally.most.max(alive);
                    }
                    LogEvent::VmDeleted { .. } => alive -= 1,
                    LogEvent::JobStarted { waited_ms, .. } => {
                        tally.longest_wait_s = tally.longest_wait_s.max(waited_ms / 1000);
                    }
                    LogEvent::JobCompleted { .. } => tally.done += 1,
                    _ => {}
                }
            }
            tally
        })
    }
}

/// A summary of what has happened in a world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The number of VMs created.
    pub(crate) vms: usize,
    /// The largest number of VMs at one time.
    pub(crate) most: usize,
    /// The number of jobs that have ended.
    pub(crate) done: usize,
    /// The number of jobs whose VM was destroyed while they ran.
    pub(crate) killed: usize,
    /// The longest wait of a job, in whole seconds.
    pub(crate) longest_wait_s: u64,
}

/// A loop that is running.
pub(crate) struct RunningLoop {
    pub(crate) heard: Arc<Heard>,
    orders: mpsc::Sender<WatchCommand>,
    task: JoinHandle<Result<WatchEnd, GarmError>>,
    log: AuditDestination,
}

impl RunningLoop {
    pub(crate) async fn order(&self, order: WatchCommand) {
        self.orders.send(order).await.unwrap();
    }

    /// Tells the loop to stop and waits until it has ended.
    pub(crate) async fn stop(self) -> WatchEnd {
        self.order(WatchCommand::Stop).await;
        self.end().await.unwrap()
    }

    pub(crate) async fn end(self) -> Result<WatchEnd, GarmError> {
        self.task.await.unwrap()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Ends the loop abruptly, as by SIGKILL.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    pub(crate) fn log(&self) -> String {
        match &self.log {
            AuditDestination::Memory(memory) => memory.lock().unwrap().text.clone(),
            AuditDestination::File(_) | AuditDestination::Sink(_) | AuditDestination::Off => {
                String::new()
            }
        }
    }
}

/// Records everything that the loop reports.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Told>);

#[derive(Default)]
struct Told {
    reads: usize,
    acts: Vec<WriteReport>,
    incidents: Vec<Incident>,
    changes: usize,
    findings: Vec<IsolationFinding>,
    beats: usize,
    /// The `extra_specs` of the first pool in the last full read.
    specs: Option<(PoolDetail, Map<String, Value>)>,
    /// The largest number of stuck jobs at one time.
    stuck: u32,
    /// The reasons of all decisions so far.
    reasons: BTreeSet<Reason>,
    /// The decisions that change a pool or hold runners, in words, without repetitions.
    sentences: Vec<(Timestamp, String)>,
    /// How often the loop has reported its state.
    reports: usize,
    /// Jobs that wait for all pools together, in the last evaluation.
    queued: usize,
    /// For each pool, after the last evaluation.
    gauges: BTreeMap<PoolName, LastGauges>,
}

/// Active runners, idle runners and queue depth of a pool.
type LastGauges = (u32, u32, u32);

impl Heard {
    pub(crate) fn reads(&self) -> usize {
        self.0.lock().unwrap().reads
    }

    pub(crate) fn acts(&self) -> Vec<WriteReport> {
        self.0.lock().unwrap().acts.clone()
    }

    /// Writes as words: `raise 0 12 done`.
    pub(crate) fn deeds(&self) -> Vec<String> {
        self.acts().iter().map(said).collect()
    }

    pub(crate) fn incidents(&self) -> Vec<Incident> {
        self.0.lock().unwrap().incidents.clone()
    }

    pub(crate) fn has(&self, is_it: impl Fn(&Incident) -> bool) -> bool {
        self.incidents().iter().any(is_it)
    }

    pub(crate) fn findings(&self) -> Vec<IsolationFinding> {
        self.0.lock().unwrap().findings.clone()
    }

    pub(crate) fn specs(&self) -> Option<(PoolDetail, Map<String, Value>)> {
        self.0.lock().unwrap().specs.clone()
    }

    pub(crate) fn beats(&self) -> usize {
        self.0.lock().unwrap().beats
    }

    /// The largest number of stuck jobs at one time.
    pub(crate) fn stuck(&self) -> u32 {
        self.0.lock().unwrap().stuck
    }

    /// The reasons of all decisions so far.
    pub(crate) fn reasons(&self) -> BTreeSet<Reason> {
        self.0.lock().unwrap().reasons.clone()
    }

    /// The decisions that change a pool or hold runners, in words, without repetitions.
    pub(crate) fn sentences(&self) -> Vec<(Timestamp, String)> {
        self.0.lock().unwrap().sentences.clone()
    }

    /// Jobs that wait for all pools together.
    pub(crate) fn queued(&self) -> usize {
        self.0.lock().unwrap().queued
    }

    /// How often the loop has reported its state.
    pub(crate) fn reports(&self) -> usize {
        self.0.lock().unwrap().reports
    }

    /// The suspect runners that were reported.
    pub(crate) fn suspects(&self) -> Vec<String> {
        let name = |it: &Incident| match it {
            Incident::RunnerSuspect { runner, .. } => Some(runner.to_string()),
            _ => None,
        };
        self.incidents().iter().filter_map(name).collect()
    }

    fn gauges(&self) -> BTreeMap<PoolName, LastGauges> {
        self.0.lock().unwrap().gauges.clone()
    }

    pub(crate) fn changes(&self) -> usize {
        self.0.lock().unwrap().changes
    }
}

fn said(act: &WriteReport) -> String {
    let action = match &act.action {
        WriteAction::Raise { from, to } => format!("raise {from} {to}"),
        WriteAction::Lower { from, to } => format!("lower {from} {to}"),
        WriteAction::Resend { level } => format!("resend {level}"),
        WriteAction::Limit { from, to, .. } => format!("limit {from} {to}"),
        WriteAction::Rescue { level, missing } => format!("rescue {level}, {missing} missing,"),
        other => other.word().to_owned(),
    };
    let outcome = act.outcome.as_ref().map_or("failed", |it| it.word());
    format!("{action} {outcome}")
}

impl Observer for Heard {
    fn read(&self, fleet: &Fleet, _took: Duration) {
        let mut told = self.0.lock().unwrap();
        told.reads += 1;
        told.specs = fleet.pools.first().map(|it| (it.detail, it.spec.extra_specs.clone()));
    }

    fn changed(&self, _change: &RowChange, _now: Timestamp) {
        self.0.lock().unwrap().changes += 1;
    }

    fn evaluated(&self, sight: &LoopSnapshot<'_>) {
        let mut told = self.0.lock().unwrap();
        let waiting = || sight.memory.values().flat_map(EntityState::waiting);
        told.reports += 1;
        told.stuck = waiting().map(|it| it.2.stuck).sum::<u32>().max(told.stuck);
        told.queued = waiting().map(|it| it.1.len()).sum();
        let decisions = sight.decisions;
        let gauges = sight.managed.iter().filter_map(|(name, managed)| {
            let inputs = &decisions.get(&managed.id)?.inputs;
            Some((name.clone(), (inputs.counts.active, inputs.counts.idle, inputs.queued)))
        });
        told.gauges = gauges.collect();
    }

    fn decided(&self, _: &PoolName, decision: &Decision, _: Writes) {
        let mut told = self.0.lock().unwrap();
        told.reasons.insert(decision.reason);
        let is_told = decision.direction != Direction::Stay || decision.reason == Reason::Hold;
        let sentence = sentence(decision, Mood::Does);
        if is_told && told.sentences.last().is_none_or(|it| it.1 != sentence) {
            told.sentences.push((decision.at, sentence));
        }
    }

    fn acted(&self, act: &WriteReport) {
        self.0.lock().unwrap().acts.push(act.clone());
    }

    fn found(&self, finding: &IsolationFinding) {
        self.0.lock().unwrap().findings.push(finding.clone());
    }

    fn beat(&self) {
        self.0.lock().unwrap().beats += 1;
    }

    fn trouble(&self, incident: &Incident) {
        self.0.lock().unwrap().incidents.push(incident.clone());
    }
}

pub(crate) async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// A rig with one loop, which a test can stop, kill and start again.
pub(crate) struct Rig {
    rig: LoopRig,
    /// What the last loop has reported.
    heard: Arc<Heard>,
    watcher: Option<RunningLoop>,
}

impl Deref for Rig {
    type Target = LoopRig;

    fn deref(&self) -> &LoopRig {
        &self.rig
    }
}

impl Rig {
    /// Without pools and without a loop.
    pub(crate) async fn new(config: SimConfig) -> Self {
        Self { rig: LoopRig::of(config, &[]).await, heard: Arc::default(), watcher: None }
    }

    /// The specification's pool `default` with its minimum of runners ready, scaled by the loop.
    pub(crate) async fn of_the_specification() -> Self {
        let mut rig = Self::new(pools::config(1)).await;
        rig.add_pool("default", pools::policy()).await;
        rig.start();
        rig.wait(60).await;
        rig
    }

    /// A pool that serves jobs for the label of its name, as `apply` creates it.
    pub(crate) async fn add_pool(&mut self, pool: &str, policy: ScalePolicy) -> Pool {
        self.rig.make(pool, &policy).await
    }

    /// A pool of another owner, created by hand, that serves the same jobs.
    pub(crate) async fn add_foreign_pool(&self, label: &str) {
        let mut spec = self.client.pools().await.unwrap().remove(0).spec;
        spec.labels = [label.to_owned()].into_iter().collect();
        (spec.max_runners, spec.min_idle_runners) = (3, 1);
        spec.runner_prefix = "foreign".into();
        self.client.create_pool(&self.entity, &spec).await.unwrap();
    }

    /// Starts the loop.
    pub(crate) fn start(&mut self) {
        let watcher = self.rig.start(steady());
        self.heard = Arc::clone(&watcher.heard);
        self.watcher = Some(watcher);
    }

    /// Asks the loop to stop, and waits until it has ended.
    pub(crate) async fn stop(&mut self) -> WatchEnd {
        self.watcher.take().unwrap().stop().await
    }

    /// Ends the loop abruptly, as if its process were killed.
    pub(crate) async fn kill(&mut self) {
        self.watcher.take().unwrap().kill().await;
    }

    /// Lets time pass.
    pub(crate) async fn wait(&self, seconds: u64) {
        wait(seconds).await;
    }

    /// All runners as GARM lists them.
    pub(crate) async fn runners(&self) -> Vec<Runner> {
        self.client.runners().await.unwrap()
    }

    /// The number of queued jobs according to GARM.
    pub(crate) async fn queue_depth(&self) -> usize {
        let jobs = self.client.jobs().await.unwrap();
        jobs.iter().filter(|it| it.status == JobStatus::Queued).count()
    }

    /// The `/metrics` page for the state that the loop last reported.
    pub(crate) fn metrics(&self) -> String {
        let board = MetricsState::new(HealthLimits::of(Duration::from_secs(30)));
        let seen = self.heard.gauges();
        let gauges = |(name, (active, idle, queue_depth))| {
            (name, PoolGauges { active, idle, queue_depth, ..PoolGauges::default() })
        };
        board.publish(Snapshot {
            pools: seen.into_iter().map(gauges).collect(),
            groups: BTreeMap::new(),
            read_at: tokio::time::Instant::now(),
            reconciled_at: Timestamp::UNIX_EPOCH,
            read_interval: Duration::from_secs(30),
            stale_after: Duration::from_mins(1),
            clock_skew_s: None,
        });
        board.metrics_page()
    }

    /// The depth of each pool's queue, as the loop last reported it.
    pub(crate) fn queue_depths(&self) -> BTreeMap<PoolName, Option<f64>> {
        let seen = self.heard.gauges().into_iter();
        seen.map(|(name, it)| (name, Some(f64::from(it.2)))).collect()
    }

    /// Jobs whose VM was destroyed while they ran.
    pub(crate) fn killed_jobs(&self) -> Vec<i64> {
        self.memory.with(|it| it.killed_jobs())
    }

    /// Selects from everything that has happened.
    pub(crate) fn happened<T>(&self, pick: impl FnMut(&LogEntry) -> Option<T>) -> Vec<T> {
        self.memory.with(|it| it.log().iter().filter_map(pick).collect())
    }

    /// The number of GitHub's jobs that are not over.
    pub(crate) fn jobs_left(&self) -> usize {
        let count =
            |is: fn(&LogEvent) -> bool| self.happened(|it| is(&it.what).then_some(())).len();
        count(|it| matches!(it, LogEvent::JobQueued { .. }))
            - count(|it| matches!(it, LogEvent::JobCompleted { .. }))
    }

    /// Jobs and the runners that took them, in order.
    pub(crate) fn starts(&self) -> Vec<(i64, String)> {
        self.happened(|it| match &it.what {
            LogEvent::JobStarted { job, runner, .. } => Some((*job, runner.clone())),
            _ => None,
        })
    }
}
