//! The burst of the demo: the same jobs for a pool and for a scale set, on a simulated GARM that
//! `watch` scales and on a second one that scales by itself. Every number comes from the two
//! simulations.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::cli::daemon::log_lines;
use crate::cli::failure::Failure;
use crate::domain::desired::{ControllerSettings, Desired, DesiredPool};
use crate::domain::fleet::Fleet;
use crate::domain::name::PoolName;
use crate::domain::owners::AdoptedSets;
use crate::domain::poison::IgnorePoison;
use crate::domain::pool::Pool;
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

use super::stage::{DemoStage, ask, audit_context, config};

/// The pool and the scale set that get the burst.
const BURST_POOLS: [&str; 2] = ["web", "build"];

/// The number of jobs that are queued at once for each of them.
const JOBS: usize = 18;

/// How long each job runs.
const JOB: Duration = Duration::from_secs(120);

/// How many of the youngest jobs of each are cancelled.
const CANCELLED: usize = 4;
const CANCELLED_AT: usize = 2;

/// Time between two columns of the timeline.
const STEP: Duration = Duration::from_secs(20);

/// Number of columns: until the idle runners have been held for ten minutes and removed.
const COLUMNS: usize = 54;

/// The figures of one burst for one pool.
struct BurstFigures {
    samples: Vec<ChartSample>,
    /// The wait of each job, shortest first.
    waits: Vec<Duration>,
    vm_time: Duration,
    vms: usize,
}

/// A simulated GARM with the pools that get the burst.
struct BurstSetup<'a> {
    memory: &'a Arc<InMemoryWorld>,
    client: &'a GarmClient,
    clock: Clock,
    pools: Vec<&'a DesiredPool>,
}

/// Runs both bursts and prints them. Returns the number of jobs that were to run.
pub(super) async fn burst(stage: &DemoStage<'_>, desired: &Desired) -> Result<usize, Failure> {
    let [pool, scale_set] = BURST_POOLS;
    stage.tell(&format!(
        "Now the scaling loop runs. {} of {} each are queued at once for the pool\n\
         `{pool}`, and as many for the scale set `{scale_set}`; {CANCELLED} of each are cancelled\n\
         after {}:",
        count(JOBS, "job"),
        span(JOB),
        span(STEP * 2)
    ))?;
    stage.command("watch")?;
    let ours = with_loop(stage, desired).await?;
    let alone = without_loop(desired).await?;
    let scale = ChartScale::of(ours.iter().chain(&alone).flat_map(|figures| &figures.samples));
    stage.tell(&legend())?;
    for (title, figures) in [
        (format!("the pool `{pool}`, with `runnerctl watch`"), &ours[0]),
        (format!("the pool `{pool}`, the same burst, GARM alone"), &alone[0]),
        (format!("the scale set `{scale_set}`, with `runnerctl watch`"), &ours[1]),
    ] {
        stage.tell(&format!(
            "  {}\n{}",
            paint(NAME, title),
            draw(&figures.samples, STEP, scale)
        ))?;
    }
    stage.tell(&table(&ours, &alone))?;
    Ok((JOBS - CANCELLED) * BURST_POOLS.len())
}

/// The table of both bursts, and what explains the differences.
fn table(ours: &[BurstFigures; 2], alone: &[BurstFigures; 2]) -> String {
    let line = |what: &str, cells: [String; 4]| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>12}")).collect();
        format!("  {what:<22}{cells}\n")
    };
    let row = |what: &str, of: &dyn Fn(&BurstFigures) -> String| {
        line(what, [of(&ours[0]), of(&alone[0]), of(&ours[1]), of(&alone[1])])
    };
    let kinds = format!("  {:<22}{:>24}{:>24}\n", "", "pool", "scale set");
    let heads = ["watch", "GARM alone", "watch", "GARM alone"].map(str::to_owned);
    let minutes = |figures: &BurstFigures| format!("{}", (figures.vm_time.as_secs() + 30) / 60);
    [
        paint(QUIET, kinds + &line("", heads)),
        row("median wait of a job", &|figures| span(figures.wait(2))),
        row("longest wait", &|figures| span(figures.wait(1))),
        row("VMs made", &|figures| figures.vms.to_string()),
        row("VM-minutes", &minutes),
        "\nEach keeps 2 runners idle beside the busy ones, and may have 20. For a pool,\n\
         GARM alone starts a runner for each job older than its own 30s; the loop goes\n\
         by the pool's policy: more than 5 jobs for 10s. GitHub assigns the jobs of a\n\
         scale set, and GARM starts a runner for each at once. The loop holds idle\n\
         runners for the 10m of `scale_down_delay`, which costs VM-minutes; GARM removes\n\
         those of a scale set at once, and half of a pool's each minute."
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

/// The bursts with the scaling loop, which is stopped at the end as by SIGTERM.
async fn with_loop(stage: &DemoStage<'_>, desired: &Desired) -> Result<[BurstFigures; 2], Failure> {
    let ground = BurstSetup {
        memory: stage.memory(),
        client: stage.client(),
        clock: stage.clock(),
        pools: burst_pools(desired),
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
        groups: None,
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

/// The bursts on a second GARM with the same pools and GARM's default backoff.
async fn without_loop(desired: &Desired) -> Result<[BurstFigures; 2], Failure> {
    let memory = InMemoryWorld::new(World::new(config()));
    let clock = Clock::starting_at(memory.with(|world| world.now()));
    let client = Arc::new(memory.client());
    let ground =
        BurstSetup { memory: &memory, client: &client, clock, pools: burst_pools(desired) };
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

fn burst_pools(desired: &Desired) -> Vec<&DesiredPool> {
    let find = |name: &str| desired.pools.iter().find(|pool| pool.name.as_str() == name);
    BURST_POOLS.into_iter().filter_map(find).collect()
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

/// Waits two minutes for idle runners, queues the jobs, and samples the pools.
async fn play(ground: &BurstSetup<'_>) -> Result<[BurstFigures; 2], Failure> {
    tokio::time::sleep(Duration::from_secs(120)).await;
    let from = ground.clock.now();
    let mut samples = vec![ground.look().await?];
    let jobs = BURST_POOLS.map(|pool| {
        let batch = JobBatch::new(JOBS, &[pool]).lasting(JOB);
        ground.memory.with(|world| world.queue_jobs(&batch))
    });
    for column in 1..COLUMNS {
        tokio::time::sleep(STEP).await;
        if column == CANCELLED_AT {
            let given_up = jobs.iter().flat_map(|jobs| jobs.iter().rev().take(CANCELLED));
            given_up.for_each(|job| ground.memory.with(|world| world.end_job(*job, "cancelled")));
        }
        samples.push(ground.look().await?);
    }
    let to = ground.clock.now();
    let of = |index: usize| {
        let own = samples.iter().map(|sample| sample[index]).collect();
        let subject = (BURST_POOLS[index], jobs[index].as_slice());
        ground.memory.with(|world| figures(world.log(), subject, (from, to), own))
    };
    Ok([of(0), of(1)])
}

impl BurstSetup<'_> {
    async fn read(&self) -> Result<Fleet, Failure> {
        Ok(read_fleet(self.client, &ask(), &self.clock).await?)
    }

    async fn look(&self) -> Result<[ChartSample; 2], Failure> {
        let fleet = self.read().await?;
        let managed: Vec<ScaledPool<'_>> = self
            .pools
            .iter()
            .filter_map(|declared| {
                let is_it = |pool: &&Pool| {
                    pool.spec
                        .labels
                        .marks()
                        .iter()
                        .any(|mark| mark.pool() == declared.name.as_str())
                };
                let pool = fleet.pools.iter().find(is_it)?;
                Some(ScaledPool { pool, policy: &declared.scale })
            })
            .collect();
        let mut samples = snapshot(&fleet, &managed).into_iter().map(|gauges| ChartSample {
            queued: gauges.queue_depth,
            active: gauges.active,
            idle: gauges.idle,
            booting: gauges.booting,
        });
        Ok([samples.next().unwrap_or_default(), samples.next().unwrap_or_default()])
    }
}

/// The figures of these jobs and of the pool's VMs in that period, from the log of the simulator.
fn figures(
    log: &[LogEntry],
    (pool, jobs): (&str, &[i64]),
    (from, to): (Timestamp, Timestamp),
    samples: Vec<ChartSample>,
) -> BurstFigures {
    let mut waits = Vec::new();
    let mut born: BTreeMap<&str, Timestamp> = BTreeMap::new();
    let (mut vm_time, mut vms) = (Duration::ZERO, 0);
    // The prefix of the runners is the name of the pool.
    let is_own = |vm: &str| vm.strip_prefix(pool).is_some_and(|rest| rest.starts_with('-'));
    let within = |a: Timestamp, b: Timestamp| {
        Duration::try_from(b.min(to).duration_since(a.max(from))).unwrap_or_default()
    };
    for entry in log {
        match &entry.what {
            LogEvent::JobStarted { job, waited_ms, .. } if jobs.contains(job) => {
                waits.push(Duration::from_millis(*waited_ms));
            }
            LogEvent::VmCreated { name, .. } if is_own(name) => {
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
            | LogEvent::VmCreated { .. }
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
