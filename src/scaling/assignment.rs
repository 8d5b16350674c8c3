//! The passes in which waiting jobs are given out.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use super::entity_index::EntityIndex;
use super::job_starts::SIDE;
use super::queue::{QueueDeadline, WaitingJob};
use super::route::Eligibility;
use super::share::{JobCapacity, ScalingMode};
use super::state::{JobClaim, NO_POOL, ScalingState};
use crate::domain::entity::EntityKey;

/// Jobs being given out.
pub(super) struct Assignment<'a> {
    site: &'a EntityIndex,
    bars: &'a [Eligibility],
    shares: &'a [JobCapacity],
    /// What the other entities have taken.
    others: &'a ScalingState,
    /// Jobs created from here on are barred by no pool.
    young: Timestamp,
    dealt: AssignedJobs,
    /// How many jobs each pool was given.
    given: Vec<u32>,
    /// What each pool can still take in this pass.
    left: Vec<u32>,
    /// For each group how many of its pools, from the first, have nothing left.
    spent: Vec<u32>,
}

/// Where the jobs were given.
#[derive(Debug, Clone, Default)]
pub(super) struct AssignedJobs {
    /// For each waiting job the place of its pool, or [`NO_POOL`].
    pub(super) places: Vec<u32>,
    /// The jobs among them that wait for other entities, too, by GARM's id.
    pub(super) held: SharedJobs,
}

/// Jobs that name several entities, as one of them has taken them.
pub(super) type SharedJobs = HashMap<i64, (JobClaim, Arc<[EntityKey]>)>;

/// The passes, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AssignmentPass {
    /// Runners that are there or on their way.
    Runners,
    /// Room in pools that somebody starts runners in soon.
    Room,
    /// All that is left in pools that only GARM's backoff serves.
    LeftToGarm,
    /// The probes of pools whose runners keep failing.
    Probes,
}

impl<'a> Assignment<'a> {
    pub(super) fn new(
        site: &'a EntityIndex,
        bars: &'a [Eligibility],
        shares: &'a [JobCapacity],
        others: &'a ScalingState,
    ) -> Self {
        let tick = jiff::SignedDuration::from_nanos(1);
        let young = |bar: &Eligibility| {
            let fresh = bar.stale_by.checked_add(tick).unwrap_or(Timestamp::MAX);
            fresh.max(bar.stuck_before)
        };
        Self {
            site,
            bars,
            shares,
            others,
            young: bars.iter().map(young).max().unwrap_or(Timestamp::MIN),
            dealt: AssignedJobs {
                places: vec![NO_POOL; site.queue.waiting.len()],
                held: HashMap::new(),
            },
            given: vec![0; site.stocks.len()],
            left: Vec::new(),
            spent: Vec::new(),
        }
    }

    /// Gives out all jobs.
    pub(super) fn all(mut self, former: &[u32], moment: &mut EvaluationClock) -> AssignedJobs {
        let jobs: Vec<u32> = (0_u32..).take(self.dealt.places.len()).collect();
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
        self.note_waits(moment);
        self.dealt
    }

    /// Whether the job is to be given out here: no other entity has a runner or room for it. One
    /// that has just begun waits only for the entity whose runner may have it.
    fn is_ours(&self, at: usize, former: &[u32]) -> bool {
        let job = &self.site.queue.waiting[at];
        job.others.is_none()
            || (self.held_elsewhere(job) != Some(JobClaim::Served)
                && (former[at] != NO_POOL || !matches!(job.term, QueueDeadline::PickUp(_))))
    }

    /// How another entity holds the job, if one does.
    fn held_elsewhere(&self, job: &WaitingJob) -> Option<JobClaim> {
        let others = job.others.iter().flat_map(|it| it.iter());
        let holds = others.filter_map(|it| self.others.get(it)?.held.get(&job.id));
        holds.map(|it| it.0).max()
    }

    /// Begins a pass in which each pool takes as many jobs as its share allows.
    fn begin(&mut self, pass: AssignmentPass) {
        let share = |(share, given): (&JobCapacity, &u32)| match (pass, share.standing) {
            (AssignmentPass::Runners, _) => share.runners,
            (AssignmentPass::Room, ScalingMode::Steered) => share.room,
            (AssignmentPass::Room, ScalingMode::LeftToGarm | ScalingMode::Suspended) => 0,
            (AssignmentPass::LeftToGarm, ScalingMode::LeftToGarm) => {
                (share.runners + share.room).saturating_sub(*given)
            }
            (AssignmentPass::LeftToGarm, ScalingMode::Steered | ScalingMode::Suspended) => 0,
            (AssignmentPass::Probes, ScalingMode::Suspended) => share.room,
            (AssignmentPass::Probes, ScalingMode::Steered | ScalingMode::LeftToGarm) => 0,
        };
        self.left = self.shares.iter().zip(&self.given).map(share).collect();
        self.spent = vec![0; self.site.queue.groups.len()];
    }

    /// Gives out what can be given out; returns the jobs that found nothing.
    fn pass(&mut self, pass: AssignmentPass, jobs: &[u32], former: &[u32]) -> Vec<u32> {
        let mut rest = Vec::new();
        for at in jobs {
            let job = &self.site.queue.waiting[*at as usize];
            let place = Some(former[*at as usize]).filter(|it| self.takes(pass, job, *it));
            match place.or_else(|| self.first_with_some_left(pass, job)) {
                Some(place) => {
                    self.left[place as usize] -= 1;
                    self.give(*at, place, JobClaim::Served);
                }
                None => rest.push(*at),
            }
        }
        rest
    }

    fn give(&mut self, at: u32, place: u32, hold: JobClaim) {
        let job = &self.site.queue.waiting[at as usize];
        self.given[place as usize] += 1;
        self.dealt.places[at as usize] = place;
        if let Some(others) = &job.others {
            self.dealt.held.insert(job.id, (hold, Arc::clone(others)));
        }
    }

    /// Gives each job to the first pool that serves it, room or not; one whose runners do not fail
    /// and that is steered before any other.
    fn force(&mut self, jobs: &[u32]) {
        for at in jobs {
            let job = &self.site.queue.waiting[*at as usize];
            if self.held_elsewhere(job).is_some() {
                continue;
            }
            let fits = || self.fits(job).iter().copied().filter(|it| self.serves(job, *it));
            let steered = |it: &u32| self.shares[*it as usize].standing == ScalingMode::Steered;
            if let Some(place) = fits().find(steered).or_else(|| fits().next()) {
                self.give(*at, place, JobClaim::Forced);
            }
        }
    }

    fn takes(&self, pass: AssignmentPass, job: &WaitingJob, place: u32) -> bool {
        place != NO_POOL
            && self.left[place as usize] > 0
            && self.fits(job).binary_search(&place).is_ok()
            && self.gives(pass, job, place)
    }

    fn first_with_some_left(&mut self, pass: AssignmentPass, job: &WaitingJob) -> Option<u32> {
        let fits = &self.site.queue.groups[job.group as usize].fits;
        let spent = &mut self.spent[job.group as usize];
        // What a pass has left only falls, so pools found empty once need no second look.
        while fits.get(*spent as usize).is_some_and(|it| self.left[*it as usize] == 0) {
            *spent += 1;
        }
        let from = *spent as usize;
        let takes = |it: &u32| self.left[*it as usize] > 0 && self.gives(pass, job, *it);
        fits[from..].iter().copied().find(takes)
    }

    fn fits(&self, job: &WaitingJob) -> &'a [u32] {
        &self.site.queue.groups[job.group as usize].fits
    }

    /// Whether the pool may have the job in this pass.
    fn gives(&self, pass: AssignmentPass, job: &WaitingJob, place: u32) -> bool {
        let is_in_vain = pass == AssignmentPass::Runners
            && self.shares[place as usize].vain_by.is_some_and(|it| job.created_at <= it);
        !is_in_vain && self.serves(job, place)
    }

    /// Whether the job is neither stale for this pool nor stuck beside it.
    fn serves(&self, job: &WaitingJob, place: u32) -> bool {
        self.young <= job.created_at || self.bars[place as usize].lets(job.created_at)
    }

    /// Jobs that wait beside a runner of a pool that is left to GARM do so for a while only.
    fn note_waits(&self, moment: &mut EvaluationClock) {
        if self.shares.iter().all(|it| it.standing != ScalingMode::LeftToGarm) {
            return;
        }
        for (job, place) in self.site.queue.waiting.iter().zip(&self.dealt.places) {
            let share = self.shares.get(*place as usize);
            if share.is_some_and(|it| it.standing == ScalingMode::LeftToGarm) {
                moment.passed(job.created_at, SIDE);
            }
        }
    }
}
