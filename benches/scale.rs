//! What the scaling loop costs by itself: 1,000 pools, 10,000 runners, 5,000 queued jobs of one
//! organization. `cargo bench --bench scale`.
#![expect(clippy::unwrap_used, reason = "a bench that cannot set its scene ends")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use runnerctl::domain::desired::ScalePolicy;
use runnerctl::domain::fleet::Fleet;
use runnerctl::domain::job::JobStatus;
use runnerctl::domain::runner::RunnerStatus;
use runnerctl::garm::{GarmClient, GarmLogin, Request, Response, ResponseFuture, Transport};
use runnerctl::host::clock::Clock;
use runnerctl::reconcile::read_fleet::{FleetRequest, read_fleet};
use runnerctl::scaling::{
    FleetIndex, RoutingContext, RowChange, ScalePolicies, ScalingState, evaluate_entity,
    evaluate_fleet,
};
use runnerctl::sim::in_memory::InMemoryWorld as Door;
use runnerctl::sim::{InitialLoad, SimConfig, World};
use tokio::runtime::Runtime;

const WHOLE: InitialLoad =
    InitialLoad { pools: 1_000, runners: 10_000, jobs: 5_000, scale_sets: 0 };

/// The same jobs, all for one pool.
const CROWD: InitialLoad = InitialLoad { pools: 1, runners: 20, jobs: 5_000, scale_sets: 0 };

/// Answers that were given once, again without the work of making them.
struct Recorded {
    door: Arc<Door>,
    answers: Mutex<HashMap<String, Response>>,
}

impl Transport for Recorded {
    fn send(&self, request: Request) -> ResponseFuture<'_> {
        Box::pin(async move {
            let key = format!("{} {}", request.method.word(), request.path);
            if let Some(known) = self.answers.lock().unwrap().get(&key) {
                return Ok(known.clone());
            }
            let answer = self.door.send(request).await?;
            self.answers.lock().unwrap().insert(key, answer.clone());
            Ok(answer)
        })
    }

    fn address(&self) -> String {
        self.door.address()
    }
}

fn client(load: InitialLoad) -> GarmClient {
    let mut world = World::new(SimConfig { backoff: 300, ..SimConfig::default() });
    world.load(load);
    let config = SimConfig::default();
    let recorded = Recorded { door: Door::new(world), answers: Mutex::default() };
    GarmClient::new(Arc::new(recorded), GarmLogin::new(config.username, config.password.into()))
}

async fn read(client: &GarmClient) -> Fleet {
    read_fleet(client, &FleetRequest::default(), &Clock::Real).await.unwrap()
}

/// The specification's policy for every pool.
fn policies(fleet: &Fleet) -> ScalePolicies {
    let policy = ScalePolicy {
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
        price: None,
        group: None,
    };
    fleet.pools.iter().map(|it| (it.id.clone(), policy.clone())).collect()
}

fn loaded(runtime: &Runtime, load: InitialLoad) -> (Fleet, ScalePolicies) {
    let fleet = runtime.block_on(async { read(&client(load)).await });
    let policies = policies(&fleet);
    assert_eq!(fleet.pools.len(), load.pools as usize);
    assert_eq!(fleet.runners.len(), load.runners as usize);
    assert_eq!(fleet.jobs.len(), load.jobs as usize);
    (fleet, policies)
}

fn decide(c: &mut Criterion, runtime: &Runtime) {
    let (fleet, policies) = loaded(runtime, WHOLE);
    let now = fleet.observed_at;
    let mut fleet_index = FleetIndex::new(fleet, policies);
    c.bench_function("decide for the whole fleet", |b| {
        b.iter(|| black_box(evaluate_fleet(&mut fleet_index, ScalingState::new(), now)));
    });
    let (first, memory) = evaluate_fleet(&mut fleet_index, ScalingState::new(), now);
    assert_eq!(first.decisions.len(), WHOLE.pools as usize);
    c.bench_function("turn of the whole fleet, nothing new", |b| {
        let begin = || memory.clone();
        b.iter_batched(
            begin,
            |it| evaluate_fleet(&mut fleet_index, it, now),
            BatchSize::LargeInput,
        );
    });
}

/// Events that bring a job and take it away again: the queue stays as long as it is.
fn job_events(fleet: &Fleet) -> [RowChange; 2] {
    let mut job = fleet.jobs[0].clone();
    (job.id, job.workflow_job_id) = (1 << 40, 1 << 40);
    let mut gone = job.clone();
    gone.status = JobStatus::Completed;
    [RowChange::Job(job), RowChange::Job(gone)]
}

/// Events by which a runner takes a job and is idle again.
fn runner_events(fleet: &Fleet) -> [RowChange; 2] {
    let idle = fleet.runners[0].clone();
    let mut busy = idle.clone();
    busy.runner_status = RunnerStatus::Active;
    busy.job = Some(fleet.jobs[0].workflow_job_id);
    [RowChange::Runner(busy), RowChange::Runner(idle)]
}

/// One event at a time: applied, its entity's jobs given out, its pools decided about.
fn event(
    c: &mut Criterion,
    name: &str,
    (fleet, policies): (Fleet, ScalePolicies),
    events: &[RowChange; 2],
) {
    let now: Timestamp = fleet.observed_at;
    let mut fleet_index = FleetIndex::new(fleet, policies);
    let backoff = fleet_index.backoff();
    let (_, mut all) = evaluate_fleet(&mut fleet_index, ScalingState::new(), now);
    let mut count = 0;
    c.bench_function(name, |b| {
        b.iter(|| {
            count += 1;
            let entity = fleet_index.apply(events[count % 2].clone(), now).remove(0);
            let memory = all.remove(&entity).unwrap_or_default();
            let around = RoutingContext { backoff, others: &all };
            let (turn, after) =
                evaluate_entity(fleet_index.entity_mut(&entity).unwrap(), memory, around, now);
            all.insert(entity, after);
            turn
        });
    });
}

fn events(c: &mut Criterion, runtime: &Runtime) {
    for (load, what) in [(WHOLE, "1,000 pools"), (CROWD, "one pool")] {
        let scene = loaded(runtime, load);
        let jobs = job_events(&scene.0);
        event(c, &format!("a job comes or goes, 5,000 queued, {what}"), scene.clone(), &jobs);
        let runners = runner_events(&scene.0);
        event(
            c,
            &format!("a runner takes a job or is idle, 5,000 queued, {what}"),
            scene,
            &runners,
        );
    }
}

fn full_read(c: &mut Criterion, runtime: &Runtime) {
    let client = client(WHOLE);
    let policies = policies(&runtime.block_on(read(&client)));
    c.bench_function("full read: parse, index, decide", |b| {
        b.iter(|| {
            let fleet = runtime.block_on(read(&client));
            let now = fleet.observed_at;
            let mut fleet_index = FleetIndex::new(fleet, policies.clone());
            evaluate_fleet(&mut fleet_index, ScalingState::new(), now)
        });
    });
    let before = runtime.block_on(read(&client));
    let now = before.observed_at;
    let mut fleet_index = FleetIndex::new(before, policies);
    let (_, memory) = evaluate_fleet(&mut fleet_index, ScalingState::new(), now);
    let mut memory = Some(memory);
    c.bench_function("full read over an earlier one", |b| {
        b.iter(|| {
            let fleet = runtime.block_on(read(&client));
            fleet_index.read(fleet);
            let (turn, after) =
                evaluate_fleet(&mut fleet_index, memory.take().unwrap_or_default(), now);
            memory = Some(after);
            turn
        });
    });
}

fn all(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    decide(c, &runtime);
    events(c, &runtime);
    full_read(c, &runtime);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(50);
    targets = all
}
criterion_main!(benches);
