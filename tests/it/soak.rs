//! Hours of random work and random faults for the real loop, in virtual time: events are lost, GARM
//! answers 500 or not at all, providers fail, and the watcher is stopped, killed and started. The
//! invariants are checked all the time, and at the end everything is as it was.
//!
//! By default the soak takes a day in 8 parts, each with a seed of its own, so that it stays quick
//! in a debug build. With `RUNNERCTL_SEEDS` it takes that many whole days.

mod chance;
mod trouble;

use std::collections::BTreeMap;
use std::time::Duration;

use runnerctl::domain::desired::ScalePolicy;
use runnerctl::sim::{Exchange, JobBatch, World};
use serde_json::Value;

use super::support::pools::{config, policy};
use super::support::scaling_loop::Rig;
use chance::Chance;
use trouble::Trouble;

const HOUR: u64 = 3_600;

/// After this time no fault has an effect any more: idle runners are removed, forgotten jobs are
/// given up, and probes have closed every circuit.
const AFTERWARDS: u64 = 2 * HOUR;

/// The pools: name, floor at rest, policy.
fn pools() -> [(&'static str, usize, ScalePolicy); 3] {
    let small = ScalePolicy {
        min_runners: 1,
        max_runners: 4,
        scale_up_threshold: 0,
        scale_up_delay: Duration::from_secs(10),
        scale_down_delay: Duration::from_mins(2),
        ..policy()
    };
    let warm = ScalePolicy { min_runners: 1, min_idle_runners: 3, max_runners: 10, ..policy() };
    [("default", 2, policy()), ("small", 1, small), ("warm", 3, warm)]
}

/// GARM's real state, without any faults.
struct Look {
    /// The number of instances by pool.
    runners: BTreeMap<String, usize>,
    /// The level and `max_runners` by pool.
    pools: BTreeMap<String, (u64, u64)>,
}

fn list(world: &mut World, path: &str) -> Vec<Value> {
    let token = format!("Bearer {}", world.admin_token());
    let request =
        runnerctl::sim::ApiRequest { method: "GET", path, authorization: Some(&token), body: b"" };
    serde_json::from_str(&world.handle(request).body).unwrap()
}

fn look(world: &mut World) -> Look {
    let mut runners = BTreeMap::new();
    for it in list(world, "/instances") {
        *runners.entry(it["pool_id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    let number = |it: &Value| it.as_u64().unwrap_or(0);
    let pools = list(world, "/pools").into_iter().map(|it| {
        let numbers = (number(&it["min_idle_runners"]), number(&it["max_runners"]));
        (it["id"].as_str().unwrap().to_owned(), numbers)
    });
    Look { runners, pools: pools.collect() }
}

/// One run with faults.
struct Run {
    seed: u64,
    rig: Rig,
    chance: Chance,
    trouble: Trouble,
    /// GARM's ids of our pools.
    ours: BTreeMap<String, (&'static str, usize)>,
    /// When the running watcher last wrote to each pool.
    written: BTreeMap<String, jiff::Timestamp>,
}

impl Run {
    async fn begin(seed: u64) -> Self {
        let mut rig = Rig::new(config(seed)).await;
        let mut ours = BTreeMap::new();
        for (name, rest, policy) in pools() {
            let pool = rig.add_pool(name, policy).await;
            ours.insert(pool.id.as_str().to_owned(), (name, rest));
        }
        rig.add_foreign_pool("default").await;
        rig.memory.with(World::forget_requests);
        rig.start();
        let (chance, trouble) = (Chance::new(seed), Trouble::default());
        Self { seed, rig, chance, trouble, ours, written: BTreeMap::new() }
    }

    async fn pass(&mut self, span: u64) {
        let mut second = 0;
        while second < span {
            let pause = 1 + self.chance.below(90);
            self.rig.wait(pause).await;
            second += pause;
            self.check();
            if self.chance.one_in(8) {
                self.queue();
            }
            if self.chance.one_in(10) {
                self.trouble.strike(&mut self.rig, &mut self.chance).await;
                // The last write of a stopped watcher does not count for the next one.
                self.check();
                self.written.clear();
            }
            self.trouble.pass(&mut self.rig, pause).await;
        }
        self.trouble.end(&mut self.rig).await;
        for _ in 0..AFTERWARDS / 60 {
            self.rig.wait(60).await;
            self.check();
        }
    }

    fn queue(&mut self) {
        let label = *self.chance.pick(&["default", "default", "small", "warm"]);
        let count = if self.chance.one_in(8) { 30 } else { 1 + self.chance.below(8) };
        let lasts = Duration::from_secs(3 + self.chance.below(180));
        let order = JobBatch::new(usize::try_from(count).unwrap(), &[label]).lasting(lasts);
        self.rig.memory.with(|it| it.queue_jobs(&order));
    }

    /// The invariants that hold at any time.
    fn check(&mut self) {
        let (look, requests) = self.rig.memory.with(|world| {
            let requests = world.requests().to_vec();
            let look = look(world);
            world.forget_requests();
            (look, requests)
        });
        let (seed, now) = (self.seed, self.rig.memory.with(|it| it.now()));
        for (id, (level, max)) in &look.pools {
            let live = look.runners.get(id).copied().unwrap_or(0);
            assert!(live as u64 <= *max, "seed {seed}, {now}: {live} of {max} in {id}");
            assert!(level <= max, "seed {seed}, {now}: level {level} of {max} in {id}");
        }
        assert_eq!(self.rig.killed_jobs(), [0; 0], "seed {seed}, {now}");
        for request in requests.iter().filter(|it| it.is_write()) {
            self.check_write(request);
        }
    }

    /// A watcher writes the levels of our pools, sends equal labels again, and removes runners. It
    /// never forces, and it keeps a distance between two writes to a pool.
    fn check_write(&mut self, request: &Exchange) {
        let seed = self.seed;
        if request.method == "DELETE" {
            let name = request.path.strip_prefix("/instances/");
            assert!(name.is_some_and(|it| !it.contains('?')), "seed {seed}: {request:?}");
            return;
        }
        let id = request.path.strip_prefix("/pools/").unwrap_or_default().to_owned();
        assert!(request.method == "PUT" && self.ours.contains_key(&id), "seed {seed}: {request:?}");
        let body: BTreeMap<String, Value> = serde_json::from_str(&request.body).unwrap();
        let is_meant = |it: &String| it == "min_idle_runners" || it == "tags";
        assert!(body.keys().all(is_meant), "seed {seed}: {request:?}");
        if let Some(before) = self.written.insert(id, request.at) {
            let pause = request.at.duration_since(before).as_millis();
            assert!(pause >= 250, "seed {seed}: {pause} ms before {request:?}");
        }
    }

    /// The final state: nothing but what the policies ask for.
    async fn check_end(mut self) {
        let seed = self.seed;
        let look = self.rig.memory.with(look);
        for (id, (name, rest)) in &self.ours {
            let live = look.runners.get(id).copied().unwrap_or(0);
            assert_eq!(live, *rest, "seed {seed}: runners of `{name}`");
            assert_eq!(look.pools[id].0, *rest as u64, "seed {seed}: level of `{name}`");
        }
        assert_eq!(self.rig.jobs_left(), 0, "seed {seed}: jobs that no runner has taken");
        assert_eq!(self.rig.stop().await.left_raised, [], "seed {seed}");
    }
}

/// The number of seeds, and how long each of them runs, in seconds.
fn runs() -> (u64, u64) {
    match std::env::var("RUNNERCTL_SEEDS").ok().and_then(|it| it.parse().ok()) {
        Some(seeds) => (seeds, 24 * HOUR),
        None => (8, 3 * HOUR),
    }
}

/// Every second seed from this one on: two halves, so that two cores share the work.
fn half(first: u64) {
    let (seeds, span) = runs();
    for seed in (first..seeds).step_by(2) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap().block_on(async {
            let mut run = Run::begin(seed).await;
            run.pass(span).await;
            run.check_end().await;
        });
    }
}

#[test]
fn whatever_goes_wrong_no_job_is_killed_and_in_the_end_nothing_is_left_over() {
    half(0);
}

#[test]
fn whatever_goes_wrong_by_other_seeds_no_job_is_killed_and_nothing_is_left_over() {
    half(1);
}
