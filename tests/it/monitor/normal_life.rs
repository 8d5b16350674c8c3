//! The isolation auditor with a simulated GARM under random load. Normal lives of runners must not
//! cause findings.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use runnerctl::domain::desired::ScalePolicy;
use runnerctl::domain::entity::EntityKind;
use runnerctl::domain::fleet::Fleet;
use runnerctl::domain::name::{FleetName, PoolId};
use runnerctl::domain::pool::{PoolChange, PoolSpec};
use runnerctl::domain::runner::Runner;
use runnerctl::garm::GarmClient;
use runnerctl::host::clock::Clock;
use runnerctl::monitor::{IsolationAuditor, IsolationFinding};
use runnerctl::reconcile::read_fleet::{FleetRequest, read_fleet};
use runnerctl::scaling::{
    EvaluationClock, FleetIndex, RowChange, RunnerClass, ScalePolicies, classify,
};
use runnerctl::sim::in_memory::InMemoryWorld;
use runnerctl::sim::{JobBatch, Knobs, SimConfig, World};

use crate::support::pools::plain;
use crate::support::processors::take_processor;

const RESYNC: u64 = 30;

/// The seconds between two states of the simulation from whose differences events are generated.
const STEP: u64 = 2;

/// Pseudo-random numbers, equal for equal seeds.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

fn spec(label: &str, level: u32) -> PoolSpec {
    let labels = [label.to_owned(), format!("runnerctl=acme/{label}")].into_iter().collect();
    plain(label, labels, (level, 8))
}

fn policy(min_runners: u32) -> ScalePolicy {
    ScalePolicy {
        min_runners,
        max_runners: 8,
        min_idle_runners: 0,
        scale_up_threshold: 5,
        scale_up_delay: Duration::from_secs(30),
        scale_up_target: 0,
        scale_down_delay: Duration::from_mins(10),
        max_queue_wait: None,
        boot_grace: Duration::from_mins(10),
        failed_runner_grace: Duration::from_mins(2),
        stale_job_age: Duration::from_hours(24),
        autoscale: true,
        price: None,
        group: None,
    }
}

/// The simulation, its observed state, and the auditor.
struct Bench {
    memory: std::sync::Arc<InMemoryWorld>,
    client: GarmClient,
    dice: Dice,
    policies: ScalePolicies,
    auditor: IsolationAuditor,
    fleet_index: Option<FleetIndex>,
    seen: Option<Fleet>,
    /// Events in flight, by the second at which they arrive.
    underway: BTreeMap<u64, Vec<RowChange>>,
    found: Vec<IsolationFinding>,
    /// The end of GARM's current outage.
    away_until: u64,
}

fn auditor() -> IsolationAuditor {
    IsolationAuditor::new(FleetName::new("acme").unwrap(), Duration::from_secs(RESYNC))
}

impl Bench {
    async fn new(seed: u64) -> Self {
        let knobs = Knobs {
            boot_jitter: Duration::from_secs(20),
            assign_delay: Duration::from_millis(1_500),
            create_fail_rate: 0.1,
            boot_fail_rate: 0.03,
            boot_hang_rate: 0.02,
            delete_fail_rate: 0.1,
            webhook_drop_rate: 0.02,
            ..Knobs::default()
        };
        let memory =
            InMemoryWorld::new(World::new(SimConfig { seed, knobs, ..SimConfig::default() }));
        let client = memory.client();
        let entity = client.entities(EntityKind::Organization).await.unwrap().remove(0).key;
        let mut policies = ScalePolicies::new();
        for (label, level) in [("a", 2), ("b", 0), ("c", 1)] {
            let pool = client.create_pool(&entity, &spec(label, level)).await.unwrap();
            policies.insert(pool.id, policy(level));
        }
        Self {
            memory,
            client,
            dice: Dice(seed),
            policies,
            auditor: auditor(),
            fleet_index: None,
            seen: None,
            underway: BTreeMap::new(),
            found: Vec::new(),
            away_until: 0,
        }
    }

    async fn step(&mut self, second: u64) {
        self.happen(second).await;
        let fleet = read_fleet(&self.client, &FleetRequest::default(), &Clock::Real).await.unwrap();
        self.send_events(&fleet, second);
        if second >= self.away_until {
            let is_due = second.is_multiple_of(RESYNC) || self.fleet_index.is_none();
            if is_due {
                self.read(fleet.clone());
            }
            let arrived = self.underway.remove(&second).unwrap_or_default();
            for change in arrived {
                self.take(&change, fleet.observed_at);
            }
            self.tick(fleet.observed_at);
        } else {
            self.underway.remove(&second);
        }
        self.seen = Some(fleet);
    }

    /// Applies the random events of a step.
    async fn happen(&mut self, second: u64) {
        if self.dice.one_in(6) {
            let label = ["a", "b", "c"][usize::try_from(self.dice.below(3)).unwrap()];
            let count = usize::try_from(1 + self.dice.below(4)).unwrap();
            let lasting = Duration::from_secs(1 + self.dice.below(60));
            self.memory.with(|it| it.queue_jobs(&JobBatch::new(count, &[label]).lasting(lasting)));
        }
        if self.dice.one_in(45) {
            let change = PoolChange {
                min_idle_runners: Some(u32::try_from(1 + self.dice.below(3)).unwrap()),
                ..PoolChange::default()
            };
            let pool: PoolId = self.policies.keys().next().unwrap().clone();
            self.client.update_pool(&pool, &change).await.unwrap();
        }
        if self.dice.one_in(30) {
            self.remove_some_runner().await;
        }
        self.remove_failed_runners().await;
        if self.dice.one_in(300) {
            let webhooks = !self.memory.with(|it| it.knobs().webhooks);
            self.memory.with(|it| it.knobs_mut().webhooks = webhooks);
        }
        if self.dice.one_in(300) {
            let slow = Duration::from_secs(self.dice.below(200));
            self.memory.with(|it| it.knobs_mut().delete_delay = slow);
        }
        if self.dice.one_in(250) {
            self.away_until = second + self.dice.below(400);
        }
        if self.dice.one_in(300) {
            // runnerctl restarts.
            self.auditor = auditor();
            self.fleet_index = None;
            self.underway.clear();
        }
    }

    /// Removes failed runners as the scaler does. GARM counts them as idle and does not replace
    /// them, so that otherwise their pool would rightly be found to be below its minimum.
    async fn remove_failed_runners(&mut self) {
        let runners = self.client.runners().await.unwrap();
        let mut clock = EvaluationClock::new(self.memory.with(|it| it.now()));
        for runner in runners {
            if classify(&runner, Duration::from_mins(10), &mut clock) == RunnerClass::Failed {
                // GARM refuses it while a create is in progress; the next step tries again.
                self.client.delete_runner(&runner.name).await.ok();
            }
        }
    }

    /// Tries to remove a runner. GARM refuses to remove busy ones.
    async fn remove_some_runner(&mut self) {
        let runners = self.client.runners().await.unwrap();
        let Some(n) = u64::try_from(runners.len()).ok().filter(|it| *it > 0) else { return };
        let runner = &runners[usize::try_from(self.dice.below(n)).unwrap()];
        let answer = self.client.delete_runner(&runner.name).await;
        assert!(answer.is_ok() || !answer.unwrap_err().to_string().is_empty());
    }

    /// Generates events for the changes since the last step. They arrive late, in any order, twice
    /// or not at all.
    fn send_events(&mut self, fleet: &Fleet, second: u64) {
        let Some(before) = self.seen.take() else { return };
        let mut changes: Vec<RowChange> = Vec::new();
        let by_id = |it: &Fleet| -> BTreeMap<String, Runner> {
            it.runners.iter().map(|it| (it.id.clone(), it.clone())).collect()
        };
        let (old, new) = (by_id(&before), by_id(fleet));
        let rows = new.values().filter(|it| old.get(&it.id) != Some(*it));
        changes.extend(rows.map(|it| RowChange::Runner(it.clone())));
        let gone = old.keys().filter(|it| !new.contains_key(*it));
        changes.extend(gone.map(|it| RowChange::RunnerGone(it.clone())));
        let rows = fleet.jobs.iter().filter(|it| !before.jobs.contains(it));
        changes.extend(rows.map(|it| RowChange::Job(it.clone())));
        for change in changes {
            for _ in 0..[1, 1, 1, 1, 1, 1, 2, 0][usize::try_from(self.dice.below(8)).unwrap()] {
                let at = second + STEP * self.dice.below(3);
                self.underway.entry(at).or_default().push(change.clone());
            }
        }
    }

    fn read(&mut self, fleet: Fleet) {
        let now = fleet.observed_at;
        self.found.extend(self.auditor.read(&fleet, now));
        match &mut self.fleet_index {
            Some(fleet_index) => fleet_index.read(fleet),
            None => self.fleet_index = Some(FleetIndex::new(fleet, self.policies.clone())),
        }
    }

    /// Processes an event. The auditor receives only those that change the index.
    fn take(&mut self, change: &RowChange, now: Timestamp) {
        let Some(fleet_index) = &mut self.fleet_index else { return };
        if !fleet_index.apply(change.clone(), now).is_empty() {
            self.found.extend(self.auditor.changed(change, now));
        }
    }

    fn tick(&mut self, now: Timestamp) {
        if let Some(fleet_index) = &mut self.fleet_index {
            self.found.extend(self.auditor.tick(fleet_index, &BTreeSet::new(), now));
        }
        assert_eq!(self.auditor.to_remove(), []);
    }
}

async fn nothing_is_found(seed: u64) {
    let mut bench = Bench::new(seed).await;
    for second in (STEP..=1_500).step_by(2) {
        tokio::time::sleep(Duration::from_secs(STEP)).await;
        bench.step(second).await;
        assert_eq!(bench.found, [], "seed {seed}, second {second}");
    }
    let finished = bench.memory.with(|it| {
        let ended = |it: &&runnerctl::sim::LogEntry| {
            matches!(it.what, runnerctl::sim::LogEvent::JobCompleted { .. })
        };
        it.log().iter().filter(ended).count()
    });
    assert!(finished > 50, "seed {seed}: {finished}");
}

#[tokio::test(start_paused = true)]
async fn no_normal_life_of_a_runner_is_a_finding() {
    take_processor();
    let seeds = std::env::var("RUNNERCTL_SEEDS").ok().and_then(|it| it.parse().ok()).unwrap_or(8);
    for seed in 1..=seeds {
        nothing_is_found(seed).await;
    }
}
