//! Hours of random work and random trouble for the real loop, in virtual time: events are lost,
//! GARM answers 500 or not at all, providers fail, the watcher is stopped, killed and started.
//! What must hold is looked at all along, and in the end everything is as it was.
//!
//! By default a day in 8 pieces, each by a seed of its own, so that the run stays quick in a debug
//! build; with `RUNNERCTL_SEEDS` so many whole days.

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

/// After this all that was wrong is over: idle runners are let go, forgotten jobs are given up,
/// probes have closed every circuit.
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

/// GARM as it is, past all faults.
struct Look {
    /// By pool: how many instances.
    runners: BTreeMap<String, usize>,
    /// By pool: level and `max_runners`.
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

/// One run of trouble.
struct Run {
    seed: u64,
    rig: Rig,
    chance: Chance,
    trouble: Trouble,
    /// GARM's ids of our pools.
    ours: BTreeMap<String, (&'static str, usize)>,
    /// When each pool was last written to by the watcher that runs.
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
                // What one that was stopped wrote last is no write of the next one's.
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

    /// What must hold at any time.
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

    /// A watcher writes the levels of our pools, the same labels again, and removes runners; it
    /// never forces, and leaves GARM time between two writes to a pool.
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

    /// What must be left in the end: nothing but what the policies ask for.
    async fn check_end(mut self) {
        let seed = self.seed;
        let look = self.rig.memory.with(look);
        for (id, (name, rest)) in &self.ours {
            let live = look.runners.get(id).copied().unwrap_or(0);
            assert_eq!(live, *rest, "seed {seed}: runners of `{name}`");
            assert_eq!(look.pools[id].0, *rest as u64, "seed {seed}: level of `{name}`");
        }
        assert_eq!(self.rig.jobs_left(), 0, "seed {seed}: jobs that nobody has run");
        assert_eq!(self.rig.stop().await.left_raised, [], "seed {seed}");
    }
}

/// How many seeds, and how long each is kept up, in seconds.
fn runs() -> (u64, u64) {
    match std::env::var("RUNNERCTL_SEEDS").ok().and_then(|it| it.parse().ok()) {
        Some(seeds) => (seeds, 24 * HOUR),
        None => (8, 3 * HOUR),
    }
}

/// Every second seed, from this one on: two halves, so that two cores share the work.
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
