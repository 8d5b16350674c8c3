//! Indexes one pool for scaling: its settings and its runners.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;

use super::deadline::{EvaluationClock, later};
use super::group_shares::GroupShare;
use super::overtaken::{Arrival, overtake};
use super::queue::PICK_UP;
use super::runner_counts::{RunnerClass, RunnerCounts};
use super::runner_state::{IdleSince, RunnerState};
use super::scale_set_index::ScaleSetIndex;
use crate::domain::desired::{GroupLimit, ScalePolicy};
use crate::domain::label::{Labels, OwnerMark};
use crate::domain::name::{PoolId, PoolKind, RunnerName};
use crate::domain::pool::Pool;
use crate::domain::price::Price;
use crate::domain::runner::Runner;

/// `boot_grace` of a pool that is not ours, equal to our default.
pub const BOOT_GRACE: Duration = Duration::from_mins(10);

/// `stale_job_age` of a pool that is not ours, equal to our default.
pub const STALE_JOB_AGE: Duration = Duration::from_hours(24);

/// Identifies a pool in the routing order of its entity, with everything that makes it fit a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RoutingKey {
    pub(super) id: PoolId,
    pub(super) labels: Labels,
    pub(super) runner_group: String,
}

/// One pool, whether or not it is ours, with its runners.
#[derive(Debug, Clone)]
pub struct PoolIndex {
    pub(super) place: RoutingKey,
    /// Orders pools of equal priority and price; it does not depend on the observer.
    pub(super) rank: String,
    pub(super) kind: PoolKind,
    pub(super) is_enabled: bool,
    pub(super) priority: u32,
    pub(super) garm_max: u32,
    pub(super) garm_level: u32,
    /// The scaling policy; absent for a pool that is not ours, which only counts as supply.
    pub(super) policy: Option<ScalePolicy>,
    /// Sorted by the runner's name.
    pub(super) runners: Vec<RunnerState>,
    pub(super) counts: RunnerCounts,
    /// How many runners have been observed to become ready.
    pub(super) arrivals: u64,
    /// How many runners with a VM have been observed to disappear.
    pub(super) departures: u64,
    /// Increases with each change of a runner since the pools of the entity were read.
    pub(super) version: u64,
    /// What the job starts in the pool have shown.
    pub(super) starts: PoolStarts,
    /// The jobs of a scale set; absent for a pool, whose jobs are routed.
    pub(super) set: Option<ScaleSetIndex>,
    /// The pool's part of the `max_runners` of its group; absent until it is computed.
    pub(super) share: Option<GroupShare>,
}

/// What the job starts in one pool have shown so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PoolStarts {
    /// A runner or its job has changed since the last evaluation of the starts.
    pub(super) is_news: bool,
    /// When the latest job of the pool started.
    pub(super) latest: Option<Timestamp>,
    /// The latest start that overtook waiting jobs.
    pub(super) past_jobs: Option<OvertakingStart>,
    /// When a suspect runner took a job; earlier starts show nothing about runners.
    pub(super) cleared_at: Option<Timestamp>,
}

/// The start of a job while older jobs had waited long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OvertakingStart {
    /// When the overtaking job started.
    pub(super) at: Timestamp,
    /// Jobs created before this time had waited long enough.
    pub(super) created_before: Timestamp,
}

impl PoolIndex {
    /// The pool without any runners.
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
            kind: spec.kind(),
            is_enabled: spec.enabled,
            priority: spec.priority,
            garm_max: spec.max_runners,
            garm_level: spec.min_idle_runners,
            policy: policy.cloned(),
            runners: Vec::new(),
            counts: RunnerCounts::default(),
            arrivals: 0,
            departures: 0,
            version: 0,
            starts: PoolStarts::default(),
            set: ScaleSetIndex::new(pool),
            share: None,
        }
    }

    /// GARM's id of the pool.
    pub fn id(&self) -> &PoolId {
        &self.place.id
    }

    /// The scaling policy; absent for a pool that is not ours.
    pub fn policy(&self) -> Option<&ScalePolicy> {
        self.policy.as_ref()
    }

    /// The pool's runners by class, as of the last change or evaluation.
    pub fn counts(&self) -> &RunnerCounts {
        &self.counts
    }

    /// The level that GARM has in force, as far as is known.
    pub fn garm_level(&self) -> u32 {
        self.garm_level
    }

    /// Whether the loop scales the pool: ours, enabled and autoscaled.
    pub fn is_scaled(&self) -> bool {
        self.is_enabled && self.policy.as_ref().is_some_and(|policy| policy.autoscale)
    }

    /// Whether GARM may start its runners for queued jobs: GitHub assigns the jobs of a scale set
    /// itself.
    pub(super) fn takes_queued_jobs(&self) -> bool {
        self.is_enabled && self.kind == PoolKind::Pool
    }

    /// The group with which it shares a limit, if the loop scales it or not.
    pub(super) fn group(&self) -> Option<&GroupLimit> {
        self.policy.as_ref()?.group.as_ref()
    }

    /// Sets its part of the group's limit; returns whether it has changed.
    pub(super) fn take_share(&mut self, share: GroupShare) -> bool {
        self.share.replace(share) != Some(share)
    }

    /// Its place among the pools of its entity: by descending priority, then by price, without a
    /// price last, then by rank and id.
    pub(super) fn order(&self) -> impl Ord + '_ {
        let price = self.price();
        (Reverse(self.priority), price.is_none(), price, &self.rank, self.id())
    }

    /// What a runner of the pool costs.
    pub(super) fn price(&self) -> Option<Price> {
        self.policy.as_ref()?.price
    }

    /// The limit for all its runners: the smaller of the policy's and GARM's, and its part of its
    /// group's.
    pub fn max_runners(&self) -> u32 {
        self.own_max().min(self.garm_max)
    }

    /// The limit without GARM's.
    fn own_max(&self) -> u32 {
        let Some(policy) = &self.policy else { return self.garm_max };
        let share = match (self.group(), self.share) {
            (Some(_), share) if self.is_scaled() => share.map_or(self.counts.live, |it| it.max),
            (Some(_) | None, _) => u32::MAX,
        };
        policy.max_runners.min(share)
    }

    /// How many runners may still be started for jobs as far as the pool itself is concerned. In a
    /// group, [`Self::places`] limits this for all its pools together.
    pub(super) fn room_for_jobs(&self) -> u32 {
        match (&self.policy, self.share) {
            (Some(policy), Some(_)) => policy.max_runners.saturating_sub(self.counts.live),
            (_, None) | (None, _) => self.room(),
        }
    }

    /// The places of its group that it has and that no runner occupies.
    pub(super) fn places(&self) -> u32 {
        self.share.map_or(0, |share| share.max.saturating_sub(self.counts.live))
    }

    pub(super) fn boot_grace(&self) -> Duration {
        self.policy.as_ref().map_or(BOOT_GRACE, |policy| policy.boot_grace)
    }

    pub(super) fn stale_job_age(&self) -> Duration {
        self.policy.as_ref().map_or(STALE_JOB_AGE, |policy| policy.stale_job_age)
    }

    /// How many more runners the pool may have, within [`Self::max_runners`].
    pub(super) fn room(&self) -> u32 {
        self.max_runners().saturating_sub(self.counts.live)
    }

    /// The level below which the pool must not fall, whatever is being deleted: DESIGN §5, `floor`.
    /// `covered` jobs are about to be picked up. GARM adds the jobs that are assigned to a scale set
    /// to its level, so they count towards `min_runners`.
    pub(super) fn floor(&self, policy: &ScalePolicy, covered: u32) -> u32 {
        match &self.set {
            None => policy.floor(self.counts.active, covered),
            Some(set) => policy.floor(self.counts.active.max(set.assigned), 0),
        }
    }

    /// The runners whose jobs are part of `assigned`: those that run one, and those whose job has
    /// just ended.
    pub(super) fn running_jobs(&self, clock: &mut EvaluationClock) -> u32 {
        let ended = match (&self.set, self.counts.ended) {
            (Some(set), 1..) => {
                let ended =
                    self.runners.iter().filter(|runner| set.is_still_assigned(runner, clock));
                u32::try_from(ended.count()).unwrap_or(u32::MAX)
            }
            (Some(_), 0) | (None, _) => 0,
        };
        self.counts.active + ended
    }

    /// Whether a changed pool can be applied without assigning every job again.
    pub(super) fn routes_like(&self, other: &Self) -> bool {
        let is_same_set = match (&self.set, &other.set) {
            (None, None) => true,
            (Some(set), Some(other)) => set.asks_like(other),
            (None, Some(_)) | (Some(_), None) => false,
        };
        is_same_set
            && self.place == other.place
            && self.rank == other.rank
            && self.is_enabled == other.is_enabled
            && self.priority == other.priority
    }

    /// Copies the settings that do not affect the assignment of jobs.
    pub(super) fn take_numbers(&mut self, other: &Self, now: Timestamp) {
        self.garm_max = other.garm_max;
        self.garm_level = other.garm_level;
        if let (Some(set), Some(newer)) = (&mut self.set, &other.set) {
            set.take_assigned(newer, now);
        }
    }

    /// Sets all runners of the pool at once and keeps what was known of them.
    pub(super) fn fill(&mut self, runners: &[&Runner], before: Option<&Self>, now: Timestamp) {
        self.arrivals = before.map_or(0, |before| before.arrivals);
        self.share = before.and_then(|before| before.share).filter(|_| self.group().is_some());
        self.starts = before.map_or_else(PoolStarts::default, |before| before.starts.clone());
        self.starts.is_news = true;
        if let Some(set) = &mut self.set {
            set.begin(before.and_then(|pool| pool.set.as_ref()), now);
        }
        self.runners.clear();
        let mut arrivals = Vec::new();
        for runner in runners {
            let previous = before.and_then(|before| before.runner(&runner.name));
            let state = RunnerState::seen(runner, previous, now);
            arrivals.extend(self.note_arrival(&state, previous));
            self.runners.push(state);
        }
        overtake(&mut self.runners, &arrivals);
        self.runners.sort_by(|a, b| a.name.cmp(&b.name));
        self.departures = before.map_or(0, |before| before.departures_until(self));
        self.recount(now);
    }

    fn departures_until(&self, later: &Self) -> u64 {
        let is_gone =
            |runner: &&RunnerState| runner.has_arrived() && later.runner(&runner.name).is_none();
        let gone = self.runners.iter().filter(is_gone).count();
        self.departures + u64::try_from(gone).unwrap_or(0)
    }

    /// Sets one runner; returns the job that it carried before.
    pub(super) fn see(&mut self, runner: &Runner, now: Timestamp) -> Option<i64> {
        let at = self.runners.binary_search_by(|known| known.name.cmp(&runner.name));
        let previous = at.ok().map(|at| self.runners[at].clone());
        let state = RunnerState::seen(runner, previous.as_ref(), now);
        let arrival = self.note_arrival(&state, previous.as_ref());
        self.version += 1;
        self.starts.is_news = true;
        match at {
            Ok(at) => self.runners[at] = state,
            Err(at) => self.runners.insert(at, state),
        }
        overtake(&mut self.runners, arrival.as_slice());
        self.recount(now);
        previous.and_then(|runner| runner.job)
    }

    /// Removes one runner; returns the job that it carried.
    pub(super) fn lose(&mut self, name: &RunnerName, now: Timestamp) -> Option<i64> {
        let at = self.runners.binary_search_by(|runner| runner.name.cmp(name)).ok()?;
        let lost = self.runners.remove(at);
        self.departures += u64::from(lost.has_arrived());
        self.version += 1;
        self.recount(now);
        lost.job
    }

    /// The names of the failed runners.
    pub(super) fn failed(&self, now: Timestamp) -> impl Iterator<Item = &RunnerName> {
        let mut clock = EvaluationClock::new(now);
        let grace = self.boot_grace();
        let has_failed =
            move |runner: &&RunnerState| runner.class(grace, &mut clock) == RunnerClass::Failed;
        self.runners.iter().filter(has_failed).map(|runner| &runner.name)
    }

    /// The idle runners that may take a job and since when each is idle, ordered by name.
    pub(super) fn idle_runners(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (&RunnerState, IdleSince)> {
        let mut clock = EvaluationClock::new(now);
        let idle = self.runners.iter().filter_map(|runner| Some((runner, runner.idle?)));
        idle.filter(move |entry| !entry.0.is_suspect(&mut clock))
    }

    /// When the latest of its suspect runners became suspect.
    pub(super) fn suspect_since(&self, clock: &mut EvaluationClock) -> Option<Timestamp> {
        if self.counts.suspect == 0 {
            return None;
        }
        let suspect = self.runners.iter().filter(|runner| runner.is_suspect(clock));
        suspect
            .filter_map(|runner| runner.passed_over)
            .map(|passed_at| later(passed_at, PICK_UP))
            .max()
    }

    pub(super) fn recount(&mut self, now: Timestamp) {
        self.counts = RunnerCounts::take(&self.runners, self.boot_grace(), now);
    }

    fn runner(&self, name: &RunnerName) -> Option<&RunnerState> {
        let at = self.runners.binary_search_by(|runner| runner.name.cmp(name)).ok()?;
        Some(&self.runners[at])
    }

    /// Counts the runner if it was not up before, and returns its arrival. For a runner that
    /// was not known, the row decides: a restarted loop must find the same runners overdue.
    fn note_arrival(
        &mut self,
        state: &RunnerState,
        previous: Option<&RunnerState>,
    ) -> Option<Arrival> {
        let previous = previous.filter(|previous| previous.created_at == state.created_at);
        if !state.has_arrived() || previous.is_some_and(RunnerState::has_arrived) {
            return None;
        }
        self.arrivals += 1;
        Arrival::of(state)
    }
}
