//! A simulated GARM in virtual time, and the real loop that steers it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use runnerctl::audit::{Actor, Cause};
use runnerctl::domain::desired::ScalePolicy;
use runnerctl::domain::entity::{EntityKey, EntityKind};
use runnerctl::domain::fleet::{Fleet, ReleaseLine};
use runnerctl::domain::job::JobStatus;
use runnerctl::domain::label::{Labels, OwnerMark};
use runnerctl::domain::name::{FleetName, PoolName};
use runnerctl::domain::pool::{Pool, PoolSpec};
use runnerctl::domain::runner::Runner;
use runnerctl::garm::{GarmClient, GarmError};
use runnerctl::host::book::Book;
use runnerctl::host::clock::Clock;
use runnerctl::metrics::{HealthLimits, MetricsState, PoolGauges, Snapshot};
use runnerctl::monitor::IsolationFinding;
use runnerctl::reconcile::audit_trail::AuditContext;
use runnerctl::reconcile::watch::{
    DeclaredPools, DeclaredScaling, Incident, LoopIo, LoopSettings, LoopSnapshot, Observer,
    RunMode, WatchCommand, WatchEnd, WriteReport, Writes, watch,
};
use runnerctl::reconcile::writer::Writer;
use runnerctl::scaling::{Decision, RowChange};
use runnerctl::sim::in_memory::InMemoryWorld;
use runnerctl::sim::{Knobs, LogEvent, SimConfig, World};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The specification's pool: 2 to 20 runners, more when more than 5 jobs have waited for 30 s,
/// one less after 10 minutes of idleness.
pub(crate) fn policy() -> ScalePolicy {
    ScalePolicy {
        min_runners: 2,
        max_runners: 20,
        min_idle_runners: 0,
        scale_up_threshold: 5,
        scale_up_delay: Duration::from_secs(30),
        scale_up_target: 0,
        scale_down_delay: Duration::from_mins(10),
        max_queue_wait: Some(Duration::from_mins(2)),
        boot_grace: Duration::from_mins(10),
        failed_runner_grace: Duration::from_mins(2),
        stale_job_age: Duration::from_hours(24),
        autoscale: true,
    }
}

/// An enabled pool of the simulated provider with nothing special, at this level and with so many
/// runners at most.
pub(crate) fn plain(prefix: &str, labels: Labels, (level, most): (u32, u32)) -> PoolSpec {
    PoolSpec {
        provider: "sim".into(),
        image: "ubuntu:24.04".into(),
        flavor: "small".into(),
        os_type: "linux".into(),
        os_arch: "amd64".into(),
        labels,
        enabled: true,
        max_runners: most,
        min_idle_runners: level,
        runner_prefix: prefix.into(),
        runner_group: String::new(),
        bootstrap_timeout_min: 20,
        priority: 0,
        template_id: None,
        proxy_id: None,
        enable_shell: false,
        extra_specs: serde_json::Map::new(),
    }
}

/// A pool as `apply` makes it, at the level of its minimum.
pub(crate) fn spec(pool: &str, labels: Labels, policy: &ScalePolicy) -> PoolSpec {
    let level = policy.min_runners.max(policy.min_idle_runners);
    PoolSpec { flavor: "m5.large".into(), ..plain(pool, labels, (level, policy.max_runners)) }
}

/// A GARM whose own backoff leaves the pools to us, as every example has it, and a GitHub that
/// hands a job out 1.5 s after a runner is free for it.
pub(crate) fn config(seed: u64) -> SimConfig {
    let assign_delay = Duration::from_millis(1_500);
    SimConfig {
        seed,
        backoff: 300,
        knobs: Knobs { assign_delay, ..Knobs::default() },
        ..SimConfig::default()
    }
}

/// A loop that runs: where its orders go, and its end.
type Watcher = (mpsc::Sender<WatchCommand>, JoinHandle<Result<WatchEnd, GarmError>>);

/// A GARM with pools of ours.
pub(crate) struct Rig {
    pub(crate) memory: Arc<InMemoryWorld>,
    pub(crate) client: GarmClient,
    pub(crate) heard: Arc<Heard>,
    entity: EntityKey,
    pools: BTreeMap<PoolName, DeclaredScaling>,
    watcher: Option<Watcher>,
}

fn fleet() -> FleetName {
    FleetName::new("acme").unwrap()
}

pub(crate) fn name(pool: &str) -> PoolName {
    PoolName::new(pool).unwrap()
}

impl Rig {
    /// Without a pool and without a watcher.
    pub(crate) async fn new(config: SimConfig) -> Self {
        let memory = InMemoryWorld::new(World::new(config));
        let client = memory.client();
        let entity = client.entities(EntityKind::Organization).await.unwrap().remove(0).key;
        let (heard, pools) = (Arc::default(), BTreeMap::new());
        Self { memory, client, heard, entity, pools, watcher: None }
    }

    /// The specification's pool `default` with its minimum of runners up, steered by the loop.
    pub(crate) async fn of_the_specification() -> Self {
        let mut rig = Self::new(config(1)).await;
        rig.add_pool("default", policy()).await;
        rig.start();
        rig.wait(60).await;
        rig
    }

    /// A pool that serves jobs for the label of its name, as `apply` makes it.
    pub(crate) async fn add_pool(&mut self, pool: &str, policy: ScalePolicy) -> Pool {
        let mark = OwnerMark::owned(&fleet(), &name(pool)).to_string();
        let labels: Labels = [pool.to_owned(), mark].into_iter().collect();
        let spec = spec(pool, labels, &policy);
        self.pools.insert(name(pool), DeclaredScaling { enabled: true, policy });
        self.client.create_pool(&self.entity, &spec).await.unwrap()
    }

    /// A pool of somebody else, made by hand, that serves the same jobs.
    pub(crate) async fn add_foreign_pool(&self, label: &str) {
        let mut spec = self.client.pools().await.unwrap().remove(0).spec;
        spec.labels = [label.to_owned()].into_iter().collect();
        (spec.max_runners, spec.min_idle_runners) = (3, 1);
        spec.runner_prefix = "foreign".into();
        self.client.create_pool(&self.entity, &spec).await.unwrap();
    }

    fn writer(&self) -> Writer {
        let actor =
            Actor { user: "ada".into(), host: "box".into(), pid: 7, version: "0.1.0".into() };
        let cause = Cause {
            command: "watch".into(),
            plan: None,
            fleet: Some("acme".into()),
            decision: None,
        };
        let (book, clock) = (Book::memory(), self.clock());
        let client = Arc::new(self.memory.client());
        Writer::new(client, AuditContext { book, actor, cause, clock, line: ReleaseLine::Current })
    }

    fn clock(&self) -> Clock {
        Clock::starting_at(self.memory.with(|it| it.now()))
    }

    /// Starts a watcher.
    pub(crate) fn start(&mut self) {
        let (orders, receiver) = mpsc::channel(8);
        let client = Arc::new(self.memory.client());
        let (writer, clock, heard) = (self.writer(), self.clock(), Arc::clone(&self.heard));
        let settings = LoopSettings {
            resync: Duration::from_secs(30),
            course: RunMode::Steady,
            writes: Writes::Sent,
        };
        let roll = DeclaredPools { fleet: fleet(), pools: self.pools.clone(), is_whole: true };
        let task = tokio::spawn(async move {
            let feed = client.events(runnerctl::garm::events::StreamLimits::default());
            let doors = LoopIo {
                client,
                writer: &writer,
                feed,
                orders: receiver,
                observer: heard.as_ref(),
                clock,
            };
            watch(doors, settings, roll).await
        });
        self.watcher = Some((orders, task));
    }

    /// Asks the watcher to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) -> WatchEnd {
        let (orders, task) = self.watcher.take().unwrap();
        orders.send(WatchCommand::Stop).await.unwrap();
        task.await.unwrap().unwrap()
    }

    /// The watcher's process is gone from one moment to the next.
    pub(crate) async fn kill(&mut self) {
        let (_, task) = self.watcher.take().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }

    /// Lets time pass.
    pub(crate) async fn wait(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    /// All runners as GARM lists them.
    pub(crate) async fn runners(&self) -> Vec<Runner> {
        self.client.runners().await.unwrap()
    }

    /// How many jobs wait, as GARM has it.
    pub(crate) async fn queue_depth(&self) -> usize {
        let jobs = self.client.jobs().await.unwrap();
        jobs.iter().filter(|it| it.status == JobStatus::Queued).count()
    }

    /// What `/metrics` answers to what the loop last saw.
    pub(crate) fn metrics(&self) -> String {
        let board = MetricsState::new(HealthLimits::of(Duration::from_secs(30)));
        let seen = self.heard.gauges.lock().unwrap().clone();
        let gauges = |(name, (active, idle, queue_depth))| {
            (name, PoolGauges { active, idle, queue_depth, ..PoolGauges::default() })
        };
        board.publish(Snapshot {
            pools: seen.into_iter().map(gauges).collect(),
            read_at: tokio::time::Instant::now(),
            reconciled_at: Timestamp::UNIX_EPOCH,
            clock_skew_s: None,
        });
        board.metrics_page()
    }

    /// The depth of each pool's queue, as the loop last saw it.
    pub(crate) fn queue_depths(&self) -> BTreeMap<PoolName, Option<f64>> {
        let seen = self.heard.gauges.lock().unwrap();
        seen.iter().map(|(name, it)| (name.clone(), Some(f64::from(it.2)))).collect()
    }

    /// Jobs that died with their VM.
    pub(crate) fn killed_jobs(&self) -> Vec<i64> {
        self.memory.with(|it| it.killed_jobs())
    }

    /// Picks from everything that has happened.
    pub(crate) fn happened<T>(
        &self,
        pick: impl FnMut(&runnerctl::sim::LogEntry) -> Option<T>,
    ) -> Vec<T> {
        self.memory.with(|it| it.log().iter().filter_map(pick).collect())
    }

    /// How many jobs GitHub has that are not over.
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

/// What the loop has said.
#[derive(Default)]
pub(crate) struct Heard {
    /// The gauges of each pool after the last turn: active, idle, queue depth.
    pub(crate) gauges: Mutex<BTreeMap<PoolName, (u32, u32, u32)>>,
}

impl Observer for Heard {
    fn read(&self, _: &Fleet, _: Duration) {}

    fn changed(&self, _: &RowChange, _: Timestamp) {}

    fn evaluated(&self, sight: &LoopSnapshot<'_>) {
        let decisions = sight.decisions();
        let gauges = sight.managed.iter().filter_map(|(name, managed)| {
            let inputs = &decisions.get(&managed.id)?.inputs;
            Some((name.clone(), (inputs.counts.active, inputs.counts.idle, inputs.queued)))
        });
        *self.gauges.lock().unwrap() = gauges.collect();
    }

    fn decided(&self, _: &PoolName, _: &Decision, _: Writes) {}

    fn acted(&self, _: &WriteReport) {}

    fn found(&self, _: &IsolationFinding) {}

    fn trouble(&self, _: &Incident) {}

    fn beat(&self) {}
}
