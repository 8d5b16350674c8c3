//! Generates arbitrary fleets of one entity, and arbitrary sequences of changes.

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::domain::desired::ScalePolicy;
use crate::domain::fleet::{Controller, Fleet};
use crate::domain::job::{Job, JobStatus};
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::pool::Pool;
use crate::domain::runner::{Runner, RunnerStatus, Status};
use crate::scaling::testing::{at, fleet, job, pool, runner, scale_set, secs};
use crate::scaling::{RowChange, ScalePolicies};

/// What GARM lists at second 0, and which pools are ours.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    pub(super) fleet: Fleet,
    pub(super) policies: ScalePolicies,
    /// The number of runners created since then.
    pub(super) made: usize,
}

const LABELS: [&[&str]; 3] = [&["x"], &["x", "y"], &["y"]];

/// `status`/`runner_status` in GARM's words; likely ones appear several times.
const STATES: [&str; 14] = [
    "running/idle",
    "running/idle",
    "running/idle",
    "running/active",
    "running/active",
    "running/active",
    "pending_create/pending",
    "creating/pending",
    "running/installing",
    "error/pending",
    "running/failed",
    "running/terminated",
    "pending_delete/idle",
    "deleting/terminated",
];

/// Ages in seconds, including those around each rule's threshold.
fn some_age() -> impl Strategy<Value = i64> {
    prop_oneof![
        3 => 0..200_i64,
        1 => select(vec![29, 30, 60, 74, 75, 119, 120, 599, 600, 601, 86_399, 86_400]),
        1 => 0..2_000_i64,
    ]
}

pub(super) fn some_policy() -> impl Strategy<Value = ScalePolicy> {
    let sizes = (0..5_u32, 1..16_u32, 0..4_u32);
    let pressure = (0..7_u32, select(vec![0, 10, 30]), 0..3_u32);
    let waits = (select(vec![0, 60, 600]), prop::option::of(select(vec![60, 120])));
    (sizes, pressure, waits).prop_map(
        |((min, max, idle), (threshold, delay, target), (down, wait))| ScalePolicy {
            min_runners: min.min(max),
            max_runners: max,
            min_idle_runners: idle.min(max),
            scale_up_threshold: threshold,
            scale_up_delay: secs(delay),
            scale_up_target: target,
            scale_down_delay: secs(down),
            max_queue_wait: wait.map(secs),
            ..crate::scaling::testing::policy()
        },
    )
}

#[derive(Debug, Clone, Copy)]
enum Owner {
    Us,
    OtherFleet,
}

fn some_pool(id: &'static str) -> impl Strategy<Value = (Pool, ScalePolicy, Owner)> {
    let owner = prop_oneof![4 => Just(Owner::Us), 1 => Just(Owner::OtherFleet)];
    let row = (select(LABELS.to_vec()), 1..16_u32, 0..6_u32, 0..2_u32, prop::bool::weighted(0.9));
    let assigned = prop::option::weighted(0.3, 0..9_u32);
    (row, assigned, some_policy(), owner).prop_map(
        move |((labels, max, level, priority, enabled), assigned, policy, owner)| {
            let mut it = pool(id, labels);
            it.spec.max_runners = max;
            it.spec.min_idle_runners = level.min(max);
            it.spec.priority = priority;
            it.spec.enabled = enabled;
            if let Some(assigned) = assigned {
                let set = scale_set(id, labels, assigned);
                (it.scale_set, it.spec.scale_set_name) = (set.scale_set, set.spec.scale_set_name);
            }
            (it, policy, owner)
        },
    )
}

fn some_runner() -> impl Strategy<Value = (Index, &'static str, i64, i64)> {
    (any::<Index>(), select(STATES.to_vec()), some_age(), some_age())
}

fn some_job() -> impl Strategy<Value = (&'static [&'static str], u8, i64, i64)> {
    (select(LABELS.to_vec()), 0..8_u8, some_age(), 0..20_i64)
}

pub(super) fn some_sight() -> impl Strategy<Value = Sight> {
    let pools = (some_pool("a"), some_pool("b"), some_pool("c"), 1..4_usize);
    let backoff = select(vec![0, 30, 150, 300]);
    (pools, vec(some_runner(), 0..20), vec(some_job(), 0..30), backoff).prop_map(
        |((a, b, c, count), runners, jobs, backoff)| {
            let pools: Vec<_> = [a, b, c].into_iter().take(count).collect();
            let ours = pools.iter().filter(|entry| matches!(entry.2, Owner::Us));
            let policies = ours.map(|entry| (entry.0.id.clone(), entry.1.clone())).collect();
            let pools: Vec<Pool> = pools.into_iter().map(|entry| entry.0).collect();
            let jobs: Vec<Job> = (1..).zip(jobs).map(|(id, it)| job_row(id, it)).collect();
            let mut rows = Vec::new();
            for (number, (home, state, created, written)) in runners.into_iter().enumerate() {
                let home = home.get(&pools).id.clone();
                let mut it = runner(home.as_str(), &format!("r{number:02}"), state, -created);
                it.updated_at = at(-written.min(created));
                it.job = carried(number, &it, &jobs);
                rows.push(it);
            }
            let read = fleet(0, pools, rows, jobs);
            let controller = Controller { backoff: secs(backoff), ..read.controller };
            Sight { fleet: Fleet { controller, ..read }, policies, made: 0 }
        },
    )
}

/// Busy runners carry the jobs that have started, and sometimes one that is still called queued.
fn carried(number: usize, runner: &Runner, jobs: &[Job]) -> Option<i64> {
    let job = jobs.get(number)?;
    let may_carry = runner.is_busy() || number.is_multiple_of(7);
    (may_carry && job.status != JobStatus::Completed).then_some(job.workflow_job_id)
}

fn job_row(id: i64, (labels, kind, created, written): (&[&str], u8, i64, i64)) -> Job {
    let mut it = job(id, labels, -created);
    it.updated_at = at(-written.min(created));
    match kind {
        0 => it.status = JobStatus::Completed,
        1 => it.status = JobStatus::InProgress,
        2 => {
            it.status = JobStatus::InProgress;
            it.runner = Some(RunnerName::new(format!("r{:02}", id - 1)));
        }
        3 => it.scale_set_job = Some("5a1c".into()),
        _ => it.updated_at = it.created_at,
    }
    it
}

/// The next change, and the seconds that pass before it.
#[derive(Debug, Clone)]
pub(super) struct Next {
    pub(super) after: i64,
    what: What,
    which: Index,
    other: Index,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Nothing,
    Queue,
    Create,
    /// A runner takes the next step of its life cycle.
    Step,
    /// The creation of a runner fails.
    Fail,
    /// The row of a runner is deleted.
    Lose,
    Cancel,
    Relevel,
    Relabel,
    /// GitHub assigns jobs to a scale set, or takes them back.
    Assign,
}

/// Up to `most` changes, at most `apart` seconds between two.
pub(super) fn some_run(most: usize, apart: i64) -> impl Strategy<Value = Vec<Next>> {
    use What::{Assign, Cancel, Create, Fail, Lose, Nothing, Queue, Relabel, Relevel, Step};
    let what = prop_oneof![
        1 => Just(Nothing),
        6 => Just(Queue),
        4 => Just(Create),
        12 => Just(Step),
        1 => Just(Fail),
        2 => Just(Lose),
        2 => Just(Cancel),
        1 => Just(Relevel),
        1 => Just(Relabel),
        3 => Just(Assign),
    ];
    let next = (0..=apart, what, any::<Index>(), any::<Index>())
        .prop_map(|(after, what, which, other)| Next { after, what, which, other });
    vec(next, 0..most)
}

impl Sight {
    /// The fleet after one change at `now`, and the events that report it.
    pub(super) fn change(&mut self, next: &Next, now: Timestamp) -> Vec<RowChange> {
        self.fleet.observed_at = now;
        match next.what {
            What::Nothing => Vec::new(),
            What::Queue => self.queue(next, now),
            What::Create => self.create(next, now),
            What::Step => self.step(next, now),
            What::Fail => self.fail(next, now),
            What::Lose => self.lose(next),
            What::Cancel => self.cancel(next, now),
            What::Relevel => self.relevel(next, now),
            What::Relabel => self.relabel(next, now),
            What::Assign => self.assign(next, now),
        }
    }

    fn queue(&mut self, next: &Next, now: Timestamp) -> Vec<RowChange> {
        let id = self.fleet.jobs.iter().map(|job| job.id).max().unwrap_or(0) + 1;
        let mut it = job(id, LABELS[next.which.index(LABELS.len())], 0);
        (it.created_at, it.updated_at) = (now, now);
        self.fleet.jobs.push(it.clone());
        vec![RowChange::Job(it)]
    }

    fn create(&mut self, next: &Next, now: Timestamp) -> Vec<RowChange> {
        let home = next.which.get(&self.fleet.pools).id.clone();
        self.made += 1;
        let name = format!("n{}", self.made);
        let mut it = runner(home.as_str(), &name, "pending_create/pending", 0);
        (it.created_at, it.updated_at) = (now, now);
        self.fleet.runners.push(it.clone());
        vec![RowChange::Runner(it)]
    }

    fn step(&mut self, next: &Next, now: Timestamp) -> Vec<RowChange> {
        if self.fleet.runners.is_empty() {
            return Vec::new();
        }
        let at = next.which.index(self.fleet.runners.len());
        let it = &self.fleet.runners[at];
        let state = match (&it.status, &it.runner_status) {
            (Status::PendingCreate, _) => "creating/pending",
            (Status::Creating | Status::Error, _) => "running/installing",
            (Status::Running, RunnerStatus::Installing) => "running/idle",
            (Status::Running, RunnerStatus::Idle) => return self.pick_up(at, next, now),
            (Status::Running, RunnerStatus::Active) => "running/terminated",
            (Status::Running, _) => "pending_delete/terminated",
            _ => return self.lose(next),
        };
        vec![RowChange::Runner(self.write(at, state, now))]
    }

    fn pick_up(&mut self, at: usize, next: &Next, now: Timestamp) -> Vec<RowChange> {
        let queued = |job: &&mut Job| job.status == JobStatus::Queued;
        let mut queued: Vec<&mut Job> = self.fleet.jobs.iter_mut().filter(queued).collect();
        if queued.is_empty() {
            return Vec::new();
        }
        let place = next.other.index(queued.len());
        let job = &mut *queued[place];
        job.status = JobStatus::InProgress;
        job.updated_at = now;
        let job = job.clone();
        let mut runner = self.write(at, "running/active", now);
        runner.job = Some(job.workflow_job_id);
        self.fleet.runners[at] = runner.clone();
        vec![RowChange::Job(job), RowChange::Runner(runner)]
    }

    fn fail(&mut self, next: &Next, now: Timestamp) -> Vec<RowChange> {
        let boots =
            |runner: &Runner| matches!(runner.status, Status::PendingCreate | Status::Creating);
        let places: Vec<usize> =
            (0..self.fleet.runners.len()).filter(|at| boots(&self.fleet.runners[*at])).collect();
        match places.is_empty() {
            true => Vec::new(),
            false => {
                vec![RowChange::Runner(self.write(*next.which.get(&places), "error/pending", now))]
            }
        }
    }

    fn lose(&mut self, next: &Next) -> Vec<RowChange> {
        if self.fleet.runners.is_empty() {
            return Vec::new();
        }
        let at = next.which.index(self.fleet.runners.len());
        vec![RowChange::RunnerGone(self.fleet.runners.remove(at).id)]
    }

    fn cancel(&mut self, next: &Next, now: Timestamp) -> Vec<RowChange> {
        if self.fleet.jobs.is_empty() {
            return Vec::new();
        }
        let at = next.which.index(self.fleet.jobs.len());
        let it = &mut self.fleet.jobs[at];
        (it.status, it.updated_at) = (JobStatus::Completed, now);
        vec![RowChange::Job(it.clone())]
    }

    fn relevel(&mut self, next: &Next, now: Timestamp) -> Vec<RowChange> {
        let it = &mut self.fleet.pools[next.which.index(1)];
        it.spec.min_idle_runners = u32::try_from(next.other.index(5)).unwrap();
        it.updated_at = now;
        vec![RowChange::Pool(it.clone())]
    }

    fn relabel(&mut self, next: &Next, now: Timestamp) -> Vec<RowChange> {
        let at = next.which.index(self.fleet.pools.len());
        let id = self.fleet.pools[at].id.clone();
        let it = &mut self.fleet.pools[at];
        it.spec.labels = pool(id.as_str(), LABELS[next.other.index(LABELS.len())]).spec.labels;
        it.updated_at = now;
        vec![RowChange::Pool(it.clone())]
    }

    fn assign(&mut self, next: &Next, now: Timestamp) -> Vec<RowChange> {
        let sets = self.fleet.pools.iter_mut().filter(|pool| pool.scale_set.is_some());
        let Some(it) = sets.collect::<Vec<_>>().into_iter().next() else { return Vec::new() };
        if let Some(set) = &mut it.scale_set {
            set.desired_runner_count = u32::try_from(next.other.index(9)).unwrap();
        }
        it.updated_at = now;
        vec![RowChange::Pool(it.clone())]
    }

    fn write(&mut self, at: usize, state: &str, now: Timestamp) -> Runner {
        let (status, inside) = state.split_once('/').unwrap();
        let it = &mut self.fleet.runners[at];
        it.status = Status::parse(status);
        it.runner_status = RunnerStatus::parse(inside);
        it.updated_at = now;
        it.clone()
    }

    /// The scaling policy of the pool.
    pub(super) fn policy(&self, id: &PoolId) -> &ScalePolicy {
        &self.policies[id]
    }

    /// The row of the runner with this name.
    pub(super) fn runner(&self, name: &RunnerName) -> &Runner {
        self.fleet.runners.iter().find(|runner| runner.name == *name).unwrap()
    }
}
