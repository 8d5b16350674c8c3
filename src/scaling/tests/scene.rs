//! A small fleet of the entity `acme` that a test evaluates repeatedly.

use std::sync::Arc;

use crate::domain::fleet::{Controller, Fleet};
use crate::domain::job::{Job, JobStatus};
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::pool::Pool;
use crate::domain::runner::{Runner, RunnerStatus, Status};
use crate::scaling::testing::{at, fleet, job, policy, pool, runner, secs};
use crate::scaling::{
    Decision, EntityState, FleetIndex, RowChange, ScalePolicies, ScalingState, evaluate_fleet,
};

/// The pool `a` with the label `x`, ours under the specification's policy, and what a test adds.
pub(super) struct Scene {
    pub(super) pools: Vec<Pool>,
    pub(super) policies: ScalePolicies,
    pub(super) runners: Vec<Runner>,
    pub(super) jobs: Vec<Job>,
    pub(super) backoff: u64,
    fleet_index: Option<FleetIndex>,
    memory: ScalingState,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self {
            pools: vec![pool("a", &["x"])],
            policies: ScalePolicies::from([(PoolId::new("a"), policy())]),
            runners: Vec::new(),
            jobs: Vec::new(),
            backoff: 300,
            fleet_index: None,
            memory: ScalingState::new(),
        }
    }

    /// The same without a floor: nothing changes except what a test changes.
    pub(super) fn without_floor() -> Self {
        let mut scene = Self::new();
        scene.policy().min_runners = 0;
        scene
    }

    pub(super) fn policy(&mut self) -> &mut crate::domain::desired::ScalePolicy {
        self.policies.get_mut(&PoolId::new("a")).unwrap()
    }

    /// Adds a pool of ours with the same policy.
    pub(super) fn add_pool(&mut self, pool: Pool) {
        let policy = self.policy().clone();
        self.policies.insert(pool.id.clone(), policy);
        self.pools.push(pool);
    }

    /// Queues `count` more jobs for `x` since `since`.
    pub(super) fn queue(&mut self, count: i64, since: i64) {
        let first = self.jobs.iter().map(|job| job.id).max().unwrap_or(0) + 1;
        self.jobs.extend((first..first + count).map(|id| job(id, &["x"], since)));
    }

    /// Adds `count` runners of `a` in this state since `since`.
    pub(super) fn add(&mut self, count: usize, state: &str, since: i64) {
        self.add_to("a", count, state, since);
    }

    pub(super) fn add_to(&mut self, pool: &str, count: usize, state: &str, since: i64) {
        for _ in 0..count {
            let name = format!("{pool}{:02}", self.runners.len() + 1);
            self.runners.push(runner(pool, &name, state, since));
        }
    }

    /// Puts the runner into this state from `since` on.
    pub(super) fn set(&mut self, name: &str, state: &str, since: i64) {
        let (status, inside) = state.split_once('/').unwrap();
        let runner = self.runner(name);
        runner.status = Status::parse(status);
        runner.runner_status = RunnerStatus::parse(inside);
        runner.updated_at = at(since);
    }

    pub(super) fn runner(&mut self, name: &str) -> &mut Runner {
        self.runners.iter_mut().find(|runner| runner.name.as_str() == name).unwrap()
    }

    /// Removes the runner from GARM's list.
    pub(super) fn remove(&mut self, name: &str) {
        self.runners.retain(|runner| runner.name.as_str() != name);
    }

    /// Starts the job on the runner; both rows say so.
    pub(super) fn start(&mut self, job: i64, name: &str, now: i64) {
        self.set(name, "running/active", now);
        self.runner(name).job = Some(job + 1_000);
        let job = self.jobs.iter_mut().find(|known| known.id == job).unwrap();
        job.status = JobStatus::InProgress;
        job.runner = Some(RunnerName::new(name));
        job.updated_at = at(now);
    }

    /// The whole fleet as GARM lists it.
    pub(super) fn fleet(&self, now: i64) -> Fleet {
        let read = fleet(now, self.pools.clone(), self.runners.clone(), self.jobs.clone());
        let controller = Controller { backoff: secs(self.backoff), ..read.controller };
        Fleet { controller, ..read }
    }

    /// Reads the fleet and evaluates it; returns the decision about the pool `a`.
    pub(super) fn look(&mut self, now: i64) -> Decision {
        self.look_at("a", now)
    }

    pub(super) fn look_at(&mut self, id: &str, now: i64) -> Decision {
        let fleet = self.fleet(now);
        match &mut self.fleet_index {
            Some(fleet_index) => {
                fleet_index.manage(self.policies.clone(), at(now));
                fleet_index.read(fleet);
            }
            None => self.fleet_index = Some(FleetIndex::new(fleet, self.policies.clone())),
        }
        self.evaluate(id, now)
    }

    /// Applies one change and evaluates.
    pub(super) fn hear(&mut self, change: RowChange, now: i64) -> Decision {
        self.fleet_index.as_mut().unwrap().apply(change, at(now));
        self.evaluate("a", now)
    }

    /// Applies changed policies, as a reload of the files does, and evaluates.
    pub(super) fn reload(&mut self, now: i64) -> Decision {
        self.fleet_index.as_mut().unwrap().manage(self.policies.clone(), at(now));
        self.evaluate("a", now)
    }

    /// Evaluates again without any change.
    pub(super) fn wait(&mut self, now: i64) -> Decision {
        self.evaluate("a", now)
    }

    fn evaluate(&mut self, id: &str, now: i64) -> Decision {
        let memory = std::mem::take(&mut self.memory);
        let (_, memory) = evaluate_fleet(self.fleet_index.as_mut().unwrap(), memory, at(now));
        self.memory = memory;
        let mut all = self.memory.values().flat_map(EntityState::decisions);
        let found = all.find(|decision| decision.pool.as_str() == id).map(Arc::clone);
        Decision::clone(&found.unwrap())
    }
}

/// The names of runners as text.
pub(super) fn names(of: &[RunnerName]) -> Vec<&str> {
    of.iter().map(RunnerName::as_str).collect()
}
