//! Assigns waiting jobs to pools, in several passes.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::capacity::{JobCapacity, ScalingMode, group_places};
use super::deadline::EvaluationClock;
use super::entity_index::EntityIndex;
use super::job_starts::STUCK_AFTER;
use super::queue::{QueueDeadline, WaitingJob};
use super::routing::Eligibility;
use super::state::{JobClaim, NO_POOL, ScalingState, SharedJobs};

/// Waiting jobs while they are being assigned.
pub(super) struct Assignment<'a> {
    index: &'a EntityIndex,
    eligibilities: &'a [Eligibility],
    capacities: &'a [JobCapacity],
    /// The state of the other entities, which shows what they have taken.
    others: &'a ScalingState,
    /// A job created at or after this time is eligible in every pool.
    young: Timestamp,
    assigned: AssignedJobs,
    /// The number of jobs assigned to each pool so far.
    given: Vec<u32>,
    /// The number of jobs that each pool can still take in this pass.
    left: Vec<u32>,
    /// The number of runners that the pools of each group can still start for jobs.
    places: Vec<u32>,
    /// For each label set, how many of its pools, counted from the first, are full.
    spent: Vec<u32>,
}

/// The pool of each job, and the jobs shared with other entities.
#[derive(Debug, Clone, Default)]
pub(super) struct AssignedJobs {
    /// The index of each waiting job's pool, or [`NO_POOL`].
    pub(super) places: Vec<u32>,
    /// The assigned jobs that also wait in other entities, by GARM's id.
    pub(super) shared_jobs: SharedJobs,
    /// The jobs for which no pool has room, by label set.
    pub(super) roomless: Vec<u32>,
    /// The same by the pool that they were assigned to nevertheless.
    pub(super) forced: Vec<u32>,
}

/// The passes in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AssignmentPass {
    /// Fills runners that are idle or booting.
    Runners,
    /// Fills the remaining room of pools in which the loop, or GARM, starts runners soon.
    Room,
    /// Fills what is left in pools that only GARM's backoff serves.
    LeftToGarm,
    /// Fills the probes of pools whose circuit is open.
    Probes,
}

impl<'a> Assignment<'a> {
    pub(super) fn new(
        index: &'a EntityIndex,
        eligibilities: &'a [Eligibility],
        capacities: &'a [JobCapacity],
        others: &'a ScalingState,
    ) -> Self {
        let tick = jiff::SignedDuration::from_nanos(1);
        let young = |eligibility: &Eligibility| {
            let fresh = eligibility.stale_by.checked_add(tick).unwrap_or(Timestamp::MAX);
            fresh.max(eligibility.stuck_before)
        };
        Self {
            index,
            eligibilities,
            capacities,
            others,
            young: eligibilities.iter().map(young).max().unwrap_or(Timestamp::MIN),
            assigned: AssignedJobs {
                places: vec![NO_POOL; index.queue.waiting.len()],
                shared_jobs: HashMap::new(),
                ..AssignedJobs::default()
            },
            given: vec![0; index.pools.len()],
            left: Vec::new(),
            places: group_places(index),
            spent: Vec::new(),
        }
    }

    /// Assigns every job that this entity may take.
    pub(super) fn all(mut self, former: &[u32], clock: &mut EvaluationClock) -> AssignedJobs {
        let jobs: Vec<u32> = (0_u32..).take(self.assigned.places.len()).collect();
        let mut rest: Vec<u32> =
            jobs.into_iter().filter(|at| self.is_ours(*at as usize, former)).collect();
        for pass in [
            AssignmentPass::Runners,
            AssignmentPass::Room,
            AssignmentPass::LeftToGarm,
            AssignmentPass::Probes,
        ] {
            if rest.is_empty() {
                break;
            }
            self.begin(pass);
            rest = self.pass(pass, &rest, former);
        }
        self.force(&rest);
        self.note_waits(clock);
        self.assigned
    }

    /// Whether this entity may take the job: no other entity has a runner or room for it. A job
    /// that has just started waits only in the entity whose runner may have picked it up.
    fn is_ours(&self, at: usize, former: &[u32]) -> bool {
        let job = &self.index.queue.waiting[at];
        job.others.is_none()
            || (self.held_elsewhere(job) != Some(JobClaim::Served)
                && (former[at] != NO_POOL || !matches!(job.deadline, QueueDeadline::PickUp(_))))
    }

    /// The strongest claim of another entity on the job, if there is one.
    fn held_elsewhere(&self, job: &WaitingJob) -> Option<JobClaim> {
        let others = job.others.iter().flat_map(|keys| keys.iter());
        let holds = others.filter_map(|key| self.others.get(key)?.shared_jobs.get(&job.id));
        holds.map(|claim| claim.0).max()
    }

    /// Starts a pass in which each pool takes as many jobs as its capacity allows.
    fn begin(&mut self, pass: AssignmentPass) {
        let capacity = |(capacity, given): (&JobCapacity, &u32)| match (pass, capacity.mode) {
            (AssignmentPass::Runners, _) => capacity.runners,
            (AssignmentPass::Room, ScalingMode::Managed) => capacity.room,
            (AssignmentPass::Room, ScalingMode::GarmOnly | ScalingMode::Suspended) => 0,
            (AssignmentPass::LeftToGarm, ScalingMode::GarmOnly) => {
                (capacity.runners + capacity.room).saturating_sub(*given)
            }
            (AssignmentPass::LeftToGarm, ScalingMode::Managed | ScalingMode::Suspended) => 0,
            (AssignmentPass::Probes, ScalingMode::Suspended) => capacity.room,
            (AssignmentPass::Probes, ScalingMode::Managed | ScalingMode::GarmOnly) => 0,
        };
        self.left = self.capacities.iter().zip(&self.given).map(capacity).collect();
        self.spent = vec![0; self.index.queue.groups.len()];
    }

    /// Assigns as many of the jobs as fit; returns the rest.
    fn pass(&mut self, pass: AssignmentPass, jobs: &[u32], former: &[u32]) -> Vec<u32> {
        let mut rest = Vec::new();
        for at in jobs {
            let job = &self.index.queue.waiting[*at as usize];
            let place = Some(former[*at as usize]).filter(|place| self.takes(pass, job, *place));
            match place.or_else(|| self.first_with_some_left(pass, job)) {
                Some(place) => {
                    self.left[place as usize] -= 1;
                    if let Some(group) = self.group_in(pass, place) {
                        self.places[group as usize] -= 1;
                    }
                    self.give(*at, place, JobClaim::Served);
                }
                None => rest.push(*at),
            }
        }
        rest
    }

    fn give(&mut self, at: u32, place: u32, claim: JobClaim) {
        let job = &self.index.queue.waiting[at as usize];
        self.given[place as usize] += 1;
        self.assigned.places[at as usize] = place;
        if let Some(others) = &job.others {
            self.assigned.shared_jobs.insert(job.id, (claim, Arc::clone(others)));
        }
    }

    /// Assigns each job to the first pool that serves it, whether or not there is room. Pools that
    /// are scaled and whose circuit is closed come first.
    fn force(&mut self, jobs: &[u32]) {
        self.assigned.roomless = vec![0; self.index.queue.groups.len()];
        self.assigned.forced = vec![0; self.index.pools.len()];
        for at in jobs {
            let job = &self.index.queue.waiting[*at as usize];
            if self.held_elsewhere(job).is_some() {
                continue;
            }
            let fits = || self.fits(job).iter().copied().filter(|place| self.serves(job, *place));
            let scaled =
                |place: &u32| self.capacities[*place as usize].mode == ScalingMode::Managed;
            if let Some(place) = fits().find(scaled).or_else(|| fits().next()) {
                self.give(*at, place, JobClaim::Forced);
                self.assigned.roomless[job.group as usize] += 1;
                self.assigned.forced[place as usize] += 1;
            }
        }
    }

    fn takes(&self, pass: AssignmentPass, job: &WaitingJob, place: u32) -> bool {
        place != NO_POOL
            && self.has_some_left(pass, place)
            && self.fits(job).binary_search(&place).is_ok()
            && self.gives(pass, job, place)
    }

    fn has_some_left(&self, pass: AssignmentPass, place: u32) -> bool {
        self.left[place as usize] > 0
            && self.group_in(pass, place).is_none_or(|group| self.places[group as usize] > 0)
    }

    /// The group that limits the pool in this pass: runners that exist need no further place.
    fn group_in(&self, pass: AssignmentPass, place: u32) -> Option<u32> {
        match pass {
            AssignmentPass::Runners => None,
            AssignmentPass::Room | AssignmentPass::LeftToGarm | AssignmentPass::Probes => {
                self.capacities[place as usize].group
            }
        }
    }

    fn first_with_some_left(&mut self, pass: AssignmentPass, job: &WaitingJob) -> Option<u32> {
        let fits = &self.index.queue.groups[job.group as usize].fits;
        let mut spent = self.spent[job.group as usize];
        // Within a pass capacity only falls, so a pool that was found full stays full.
        while fits.get(spent as usize).is_some_and(|place| !self.has_some_left(pass, *place)) {
            spent += 1;
        }
        self.spent[job.group as usize] = spent;
        let from = spent as usize;
        let takes = |place: &u32| self.has_some_left(pass, *place) && self.gives(pass, job, *place);
        fits[from..].iter().copied().find(takes)
    }

    fn fits(&self, job: &WaitingJob) -> &'a [u32] {
        &self.index.queue.groups[job.group as usize].fits
    }

    /// Whether the pool may take the job in this pass.
    fn gives(&self, pass: AssignmentPass, job: &WaitingJob, place: u32) -> bool {
        let is_in_vain = pass == AssignmentPass::Runners
            && self.capacities[place as usize].vain_by.is_some_and(|at| job.created_at <= at);
        !is_in_vain && self.serves(job, place)
    }

    /// Whether the job is neither stale nor stuck for this pool.
    fn serves(&self, job: &WaitingJob, place: u32) -> bool {
        self.young <= job.created_at || self.eligibilities[place as usize].admits(job.created_at)
    }

    /// Sets the deadlines for jobs beside an idle runner of a pool that only GARM scales: they wait
    /// there for a limited time.
    fn note_waits(&self, clock: &mut EvaluationClock) {
        if self.capacities.iter().all(|capacity| capacity.mode != ScalingMode::GarmOnly) {
            return;
        }
        for (job, place) in self.index.queue.waiting.iter().zip(&self.assigned.places) {
            let capacity = self.capacities.get(*place as usize);
            if capacity.is_some_and(|capacity| capacity.mode == ScalingMode::GarmOnly) {
                clock.passed(job.created_at, STUCK_AFTER);
            }
        }
    }
}
