//! The burst of the demo: the same jobs on a simulated GARM that `watch` scales and on a second one
//! that scales by itself. Every number comes from the two simulations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::cli::daemon::log_lines;
use crate::cli::failure::Failure;
use crate::domain::desired::{ControllerSettings, Desired, ScalePolicy};
use crate::domain::fleet::Fleet;
use crate::domain::name::PoolName;
use crate::domain::owners::AdoptedSets;
use crate::domain::poison::IgnorePoison;
use crate::event::SilentListener;
use crate::garm::{GarmClient, events};
use crate::host::audit_destination::AuditDestination;
use crate::host::clock::Clock;
use crate::monitor::IsolationFinding;
use crate::plan;
use crate::reconcile::apply::apply;
use crate::reconcile::options::ApplyOptions;
use crate::reconcile::read_fleet::read_fleet;
use crate::reconcile::watch::{
    DeclaredPools, DeclaredScaling, Incident, LoopIo, LoopSettings, LoopSnapshot, Observer,
    RunMode, WatchCommand as Command, WriteReport, Writes, watch,
};
use crate::reconcile::writer::Writer;
use crate::render::style::{NAME, QUIET, paint};
use crate::render::timeline::{ChartSample, ChartScale, draw, legend};
use crate::render::words::{count, span};
use crate::scaling::{Decision, Direction, Reason, RowChange, ScaledPool, snapshot};
use crate::sim::in_memory::InMemoryWorld;
use crate::sim::{JobBatch, LogEntry, LogEvent, World};

use super::stage::{DemoStage, ask, audit_context, config, name};

/// The number of jobs that are queued at once.
const JOBS: usize = 18;

/// How long each job runs.
const JOB: Duration = Duration::from_secs(120);

/// How many of the youngest jobs are cancelled while they wait, so that their runners are not
/// needed.
const CANCELLED: usize = 4;
const CANCELLED_AT: usize = 2;

/// Time between two columns of the timeline.
const STEP: Duration = Duration::from_secs(20);

/// Number of columns: until the idle runners have been held for ten minutes and removed.
const COLUMNS: usize = 54;

/// The figures of one burst.
pub(super) struct BurstFigures {
    samples: Vec<ChartSample>,
    /// The wait of each job, shortest first.
    waits: Vec<Duration>,
    vm_time: Duration,
    vms: usize,
}

/// A simulated GARM with the pool that gets the burst.
struct BurstSetup<'a> {
    memory: &'a Arc<InMemoryWorld>,
    client: &'a GarmClient,
    clock: Clock,
    pool: &'a PoolName,
    policy: &'a ScalePolicy,
}

/// Runs both bursts and prints them. Returns the number of jobs that were to run.
pub(super) async fn burst(stage: &DemoStage<'_>, desired: &Desired) -> Result<usize, Failure> {
    let pool = name("web");
    stage.tell(&format!(
        "Now the scaling loop runs. {} of {} each are queued at once for `{pool}`; {CANCELLED} of them\n\
         are cancelled after {}, while they wait:",
        count(JOBS, "job"),
        span(JOB),
        span(STEP * 2)
    ))?;
    stage.command("watch")?;
    let ours = with_loop(stage, desired, &pool).await?;
    let alone = without_loop(desired, &pool).await?;
    let scale = ChartScale::of(ours.samples.iter().chain(&alone.samples));
    stage.tell(&legend())?;
    stage.tell(&format!("{}\n{}", title("with `runnerctl watch`"), fleet_index(&ours, scale)))?;
    stage.tell(&format!(
        "{}\n{}",
        title("the same burst, GARM alone"),
        fleet_index(&alone, scale)
    ))?;
    stage.tell(&table(&ours, &alone))?;
    Ok(JOBS - CANCELLED)
}

fn title(text: &str) -> String {
    format!("  {}", paint(NAME, text))
}

fn fleet_index(figures: &BurstFigures, scale: ChartScale) -> String {
    draw(&figures.samples, STEP, scale)
}

/// The table of both bursts, and what explains the difference.
fn table(ours: &BurstFigures, alone: &BurstFigures) -> String {
    let row = |what: &str, of: &dyn Fn(&BurstFigures) -> String| {
        format!("  {what:<24}{:>14}{:>14}\n", of(ours), of(alone))
    };
    let head = format!("  {:<24}{:>14}{:>14}\n", "", "runnerctl", "GARM alone");
    let minutes = |figures: &BurstFigures| format!("{}", (figures.vm_time.as_secs() + 30) / 60);
    [
        paint(QUIET, head),
        row("median wait of a job", &|figures| span(figures.wait(2))),
        row("longest wait", &|figures| span(figures.wait(1))),
        row("VMs made", &|figures| figures.vms.to_string()),
        row("VM-minutes", &minutes),
        "\nBoth keep 2 runners idle beside the busy ones, and both may have 20. GARM alone starts a\n\
         runner for each job older than its own 30s, whatever the pool; the loop goes by the pool's\n\
         policy: more than 5 jobs for 10s. It holds idle runners for the 10m of\n\
         `scale_down_delay`, which costs VM-minutes; GARM lets half of them go each minute."
            .to_owned(),
    ]
    .concat()
}

impl BurstFigures {
    /// The longest wait of the shorter half (`part` 2: the median), or of all (`part` 1).
    fn wait(&self, part: usize) -> Duration {
        let at = (self.waits.len() / part).saturating_sub(1);
        self.waits.get(at).copied().unwrap_or_default()
    }
}

/// The burst with the scaling loop, which is stopped at the end as by SIGTERM.
async fn with_loop(
    stage: &DemoStage<'_>,
    desired: &Desired,
    pool: &PoolName,
) -> Result<BurstFigures, Failure> {
    let policy = policy(desired, pool)?;
    let ground = BurstSetup {
        memory: stage.memory(),
        client: stage.client(),
        clock: stage.clock(),
        pool,
        policy: &policy,
    };
    let teller = BurstObserver { stage, last: Mutex::default() };
    let writer = Writer::new(Arc::clone(stage.client()), stage.audit_context().await?);
    let (orders, taken) = mpsc::channel(1);
    let io = LoopIo {
        client: Arc::clone(stage.client()),
        writer: &writer,
        feed: stage.client().events(events::StreamLimits::default()),
        orders: taken,
        observer: &teller,
        clock: ground.clock,
    };
    let settings = LoopSettings {
        resync: Duration::from_secs(30),
        course: RunMode::Steady,
        writes: Writes::Sent,
    };
    let script = async {
        let figures = play(&ground).await;
        // The receiver is dropped if the loop has ended by itself; its error is returned below.
        let _ = orders.send(Command::Stop).await;
        figures
    };
    let (ended, figures) = tokio::join!(watch(io, settings, declared_pools(desired)), script);
    ended?;
    figures
}

/// The burst on a second GARM with the same pools and GARM's default backoff.
async fn without_loop(desired: &Desired, pool: &PoolName) -> Result<BurstFigures, Failure> {
    let memory = InMemoryWorld::new(World::new(config()));
    let clock = Clock::starting_at(memory.with(|world| world.now()));
    let client = Arc::new(memory.client());
    let policy = policy(desired, pool)?;
    let ground = BurstSetup { memory: &memory, client: &client, clock, pool, policy: &policy };
    let alone = Desired { controller: ControllerSettings::default(), ..desired.clone() };
    let fleet = ground.read().await?;
    let plan = plan::plan(&alone, &fleet, &plan::PlanOptions::default());
    let writer = Writer::new(
        Arc::clone(&client),
        audit_context(AuditDestination::Off, clock, &fleet, &alone.fleet),
    );
    apply(&plan, &writer, &ApplyOptions::default(), &SilentListener).await;
    play(&ground).await
}

fn policy(desired: &Desired, pool: &PoolName) -> Result<ScalePolicy, Failure> {
    let found = desired.pools.iter().find(|declared| declared.name == *pool);
    let missing = || Failure::input(format!("the demo has no pool `{pool}`"));
    found.map(|pool| pool.scale.clone()).ok_or_else(missing)
}

fn declared_pools(desired: &Desired) -> DeclaredPools {
    let enrolled = desired.pools.iter().map(|pool| {
        (
            pool.name.clone(),
            DeclaredScaling { enabled: pool.may_be_enabled(), policy: pool.scale.clone() },
        )
    });
    DeclaredPools {
        fleet: desired.fleet.clone(),
        pools: enrolled.collect(),
        adopted: AdoptedSets::default(),
        is_whole: true,
    }
}

/// Waits two minutes for idle runners, queues the jobs, and samples the pool.
async fn play(ground: &BurstSetup<'_>) -> Result<BurstFigures, Failure> {
    tokio::time::sleep(Duration::from_secs(120)).await;
    let from = ground.clock.now();
    let mut samples = vec![ground.look().await?];
    let order = JobBatch::new(JOBS, &["linux", ground.pool.as_str()]).lasting(JOB);
    let jobs = ground.memory.with(|world| world.queue_jobs(&order));
    for column in 1..COLUMNS {
        tokio::time::sleep(STEP).await;
        if column == CANCELLED_AT {
            let given_up = jobs.iter().rev().take(CANCELLED);
            given_up.for_each(|job| ground.memory.with(|world| world.end_job(*job, "cancelled")));
        }
        samples.push(ground.look().await?);
    }
    let to = ground.clock.now();
    Ok(ground.memory.with(|world| figures(world.log(), &jobs, (from, to), samples)))
}

impl BurstSetup<'_> {
    async fn read(&self) -> Result<Fleet, Failure> {
        Ok(read_fleet(self.client, &ask(), &self.clock).await?)
    }

    async fn look(&self) -> Result<ChartSample, Failure> {
        let fleet = self.read().await?;
        let is_ours = |pool: &&crate::domain::pool::Pool| {
            pool.spec.labels.marks().iter().any(|mark| mark.pool() == self.pool.as_str())
        };
        let found = fleet.pools.iter().find(is_ours);
        let managed: Vec<ScaledPool<'_>> =
            found.map(|pool| ScaledPool { pool, policy: self.policy }).into_iter().collect();
        let sample = snapshot(&fleet, &managed).into_iter().next().map(|gauges| ChartSample {
            queued: gauges.queue_depth,
            active: gauges.active,
            idle: gauges.idle,
            booting: gauges.booting,
        });
        Ok(sample.unwrap_or_default())
    }
}

/// The figures of these jobs and of all VMs in that period, from the log of the simulator.
fn figures(
    log: &[LogEntry],
    jobs: &[i64],
    (from, to): (Timestamp, Timestamp),
    samples: Vec<ChartSample>,
) -> BurstFigures {
    let mut waits = Vec::new();
    let mut born: BTreeMap<&str, Timestamp> = BTreeMap::new();
    let (mut vm_time, mut vms) = (Duration::ZERO, 0);
    let within = |a: Timestamp, b: Timestamp| {
        Duration::try_from(b.min(to).duration_since(a.max(from))).unwrap_or_default()
    };
    for entry in log {
        match &entry.what {
            LogEvent::JobStarted { job, waited_ms, .. } if jobs.contains(job) => {
                waits.push(Duration::from_millis(*waited_ms));
            }
            LogEvent::VmCreated { name, .. } => {
                vms += usize::from(from <= entry.at && entry.at < to);
                born.insert(name, entry.at);
            }
            LogEvent::VmDeleted { name, .. } => {
                if let Some(at) = born.remove(name.as_str()) {
                    vm_time += within(at, entry.at);
                }
            }
            LogEvent::JobQueued { .. }
            | LogEvent::JobStarted { .. }
            | LogEvent::JobCompleted { .. }
            | LogEvent::RunnerRegistered { .. }
            | LogEvent::RunnerOnline { .. }
            | LogEvent::RunnerRemoved { .. }
            | LogEvent::RemovalRefused { .. }
            | LogEvent::VmCreateFailed { .. }
            | LogEvent::MessageLost { .. }
            | LogEvent::Crashed
            | LogEvent::WebhookDropped { .. }
            | LogEvent::WebhookAnswered { .. } => {}
        }
    }
    vm_time += born.into_values().map(|at| within(at, to)).sum::<Duration>();
    waits.sort_unstable();
    BurstFigures { samples, waits, vm_time, vms }
}

/// Prints the decisions of the loop, each change once.
struct BurstObserver<'a> {
    stage: &'a DemoStage<'a>,
    last: Mutex<BTreeMap<PoolName, Reason>>,
}

impl Observer for BurstObserver<'_> {
    fn read(&self, _fleet: &Fleet, _took: Duration) {}

    fn changed(&self, _change: &RowChange, _now: Timestamp) {}

    fn evaluated(&self, _sight: &LoopSnapshot<'_>) {}

    fn decided(&self, pool: &PoolName, decision: &Decision, applied: Writes) {
        let mut last = self.last.lock().ignoring_poison();
        let is_same = last.insert(pool.clone(), decision.reason) == Some(decision.reason);
        let is_told = decision.direction != Direction::Stay || decision.reason == Reason::Hold;
        if is_told && !is_same {
            self.stage.beat(&format!(
                "{}: {}",
                paint(NAME, pool),
                log_lines::decided(pool, decision, applied).text
            ));
        }
    }

    fn acted(&self, _act: &WriteReport) {}

    fn found(&self, finding: &IsolationFinding) {
        self.stage.beat(&log_lines::found(finding).text);
    }

    fn beat(&self) {}

    fn trouble(&self, incident: &Incident) {
        if !matches!(incident, Incident::StreamUp | Incident::Managed(_)) {
            self.stage.beat(&log_lines::incident(incident, &log_lines::EntityNames::new()).text);
        }
    }
}
