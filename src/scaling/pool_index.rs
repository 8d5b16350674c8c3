//! One pool as scaling sees it: its settings and its runners.

use std::time::Duration;

use jiff::Timestamp;

use super::deadline::{EvaluationClock, later};
use super::passed::PoolStarts;
use super::queue::PICK_UP;
use super::runner_counts::{RunnerClass, RunnerCounts};
use super::runner_state::{IdleSince, RunnerState};
use crate::domain::desired::ScalePolicy;
use crate::domain::label::{Labels, OwnerMark};
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::pool::Pool;
use crate::domain::runner::Runner;

/// `boot_grace` of a pool that is not ours: the default of ours.
pub const BOOT_GRACE: Duration = Duration::from_mins(10);

/// `stale_job_age` of a pool that is not ours: the default of ours.
pub const STALE_JOB_AGE: Duration = Duration::from_hours(24);

/// A pool's place in the routing order of its entity, and what makes it fit a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoutingKey {
    pub(super) id: PoolId,
    pub(super) labels: Labels,
    pub(super) runner_group: String,
}

/// One pool, ours or not, with its runners.
#[derive(Debug, Clone)]
pub struct PoolIndex {
    pub(super) place: RoutingKey,
    /// Decides between pools of one priority; the same whoever looks.
    pub(super) rank: String,
    pub(super) is_enabled: bool,
    pub(super) priority: u32,
    pub(super) garm_max: u32,
    pub(super) garm_level: u32,
    /// How it scales; absent for a pool that is not ours, which is supply and no more.
    pub(super) policy: Option<ScalePolicy>,
    /// By name.
    pub(super) units: Vec<RunnerState>,
    pub(super) census: RunnerCounts,
    /// How many runners were seen to be up that were not before.
    pub(super) arrivals: u64,
    /// Grows with each change of a runner since the pools of the site were read.
    pub(super) version: u64,
    /// What the starts of jobs in it have shown.
    pub(super) starts: PoolStarts,
}

impl PoolIndex {
    /// The pool, with no runner yet.
    pub(super) fn new(pool: &Pool, policy: Option<&ScalePolicy>) -> Self {
        let spec = &pool.spec;
        let name = spec.labels.marks().into_iter().find_map(|mark| match mark {
            OwnerMark::Owned { pool, .. } => Some(pool),
            OwnerMark::Retired { .. } | OwnerMark::Replacement { .. } => None,
        });
        Self {
            place: RoutingKey {
                id: pool.id.clone(),
                labels: spec.labels.clone(),
                runner_group: spec.runner_group.clone(),
            },
            rank: name.unwrap_or_else(|| pool.id.to_string()),
            is_enabled: spec.enabled,
            priority: spec.priority,
            garm_max: spec.max_runners,
            garm_level: spec.min_idle_runners,
            policy: policy.cloned(),
            units: Vec::new(),
            census: RunnerCounts::default(),
            arrivals: 0,
            version: 0,
            starts: PoolStarts::default(),
        }
    }

    /// GARM's id of the pool.
    pub fn id(&self) -> &PoolId {
        &self.place.id
    }

    /// How it scales; absent for a pool that is not ours.
    pub fn policy(&self) -> Option<&ScalePolicy> {
        self.policy.as_ref()
    }

    /// The pool's runners, counted when the site was last looked at.
    pub fn census(&self) -> &RunnerCounts {
        &self.census
    }

    /// The level that GARM has in force, as far as is known.
    pub fn garm_level(&self) -> u32 {
        self.garm_level
    }

    /// Whether `decide` is to be asked about it: ours, enabled and autoscaled.
    pub fn is_scaled(&self) -> bool {
        self.is_enabled && self.policy.as_ref().is_some_and(|it| it.autoscale)
    }

    /// The bound on all its runners: the smaller of the policy's and GARM's.
    pub fn max_runners(&self) -> u32 {
        self.policy.as_ref().map_or(self.garm_max, |it| it.max_runners.min(self.garm_max))
    }

    pub(super) fn boot_grace(&self) -> Duration {
        self.policy.as_ref().map_or(BOOT_GRACE, |it| it.boot_grace)
    }

    pub(super) fn stale_job_age(&self) -> Duration {
        self.policy.as_ref().map_or(STALE_JOB_AGE, |it| it.stale_job_age)
    }

    /// How many more runners GARM would create.
    pub(super) fn room(&self) -> u32 {
        self.max_runners().saturating_sub(self.census.live)
    }

    /// Whether the change of a pool can be taken in without giving every job out anew.
    pub(super) fn routes_like(&self, other: &Self) -> bool {
        self.place == other.place
            && self.rank == other.rank
            && self.is_enabled == other.is_enabled
            && self.priority == other.priority
    }

    /// Takes over what does not move jobs.
    pub(super) fn take_numbers(&mut self, other: &Self) {
        self.garm_max = other.garm_max;
        self.garm_level = other.garm_level;
    }

    /// Takes all of the pool's runners in at once, and what was known of them before.
    pub(super) fn fill(&mut self, runners: &[&Runner], before: Option<&Self>, now: Timestamp) {
        self.arrivals = before.map_or(0, |it| it.arrivals);
        self.starts = before.map_or_else(PoolStarts::default, |it| it.starts.clone());
        self.starts.is_news = true;
        self.units.clear();
        for runner in runners {
            let previous = before.and_then(|it| it.unit(&runner.name));
            let unit = RunnerState::seen(runner, previous, now);
            self.note_arrival(&unit, previous);
            self.units.push(unit);
        }
        self.units.sort_by(|a, b| a.name.cmp(&b.name));
        self.recount(now);
    }

    /// Takes one runner in; returns the job that it carried before.
    pub(super) fn see(&mut self, runner: &Runner, now: Timestamp) -> Option<i64> {
        let at = self.units.binary_search_by(|it| it.name.cmp(&runner.name));
        let previous = at.ok().map(|at| self.units[at].clone());
        let unit = RunnerState::seen(runner, previous.as_ref(), now);
        self.note_arrival(&unit, previous.as_ref());
        self.version += 1;
        self.starts.is_news = true;
        match at {
            Ok(at) => self.units[at] = unit,
            Err(at) => self.units.insert(at, unit),
        }
        self.recount(now);
        previous.and_then(|it| it.job)
    }

    /// Takes one runner out; returns the job that it carried.
    pub(super) fn lose(&mut self, name: &RunnerName, now: Timestamp) -> Option<i64> {
        let at = self.units.binary_search_by(|it| it.name.cmp(name)).ok()?;
        let lost = self.units.remove(at);
        self.version += 1;
        self.recount(now);
        lost.job
    }

    /// The names of the failed runners.
    pub(super) fn failed(&self, now: Timestamp) -> impl Iterator<Item = &RunnerName> {
        let mut moment = EvaluationClock::new(now);
        let grace = self.boot_grace();
        let has_failed =
            move |it: &&RunnerState| it.class(grace, &mut moment) == RunnerClass::Failed;
        self.units.iter().filter(has_failed).map(|it| &it.name)
    }

    /// The idle runners that may take a job, and since when each is idle, in the order of names.
    pub(super) fn idle_units(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (&RunnerState, IdleSince)> {
        let mut moment = EvaluationClock::new(now);
        let idle = self.units.iter().filter_map(|it| Some((it, it.idle?)));
        idle.filter(move |it| !it.0.is_suspect(&mut moment))
    }

    /// When the latest of its suspect runners became suspect.
    pub(super) fn suspect_since(&self, moment: &mut EvaluationClock) -> Option<Timestamp> {
        if self.census.suspect == 0 {
            return None;
        }
        let suspect = self.units.iter().filter(|it| it.is_suspect(moment));
        suspect.filter_map(|it| it.passed_over).map(|it| later(it, PICK_UP)).max()
    }

    pub(super) fn recount(&mut self, now: Timestamp) {
        self.census = RunnerCounts::take(&self.units, self.boot_grace(), now);
    }

    fn unit(&self, name: &RunnerName) -> Option<&RunnerState> {
        let at = self.units.binary_search_by(|it| it.name.cmp(name)).ok()?;
        Some(&self.units[at])
    }

    fn note_arrival(&mut self, unit: &RunnerState, previous: Option<&RunnerState>) {
        let had_arrived =
            previous.is_some_and(|it| it.created_at == unit.created_at && it.has_arrived());
        self.arrivals += u64::from(unit.has_arrived() && !had_arrived);
    }
}
