//! Indexes what only a scale set has: the jobs that GitHub has assigned to it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::deadline::EvaluationClock;
use super::runner_state::RunnerState;
use crate::domain::job::Job;
use crate::domain::label::Labels;
use crate::domain::pool::Pool;

/// How long after the number of a message GARM has written how many jobs are assigned, which may be
/// as many as before.
const WRITTEN_TWICE: Duration = Duration::from_millis(300);

/// How long after the end of a job GARM has written how many are assigned. A message holds up to 50
/// jobs, each of which takes some milliseconds.
const COUNTED_WITHIN: Duration = Duration::from_secs(5);

/// The jobs of one scale set.
///
/// GitHub assigns jobs to scale sets, so nothing is routed. The number of assigned jobs is exact
/// and arrives within a message of GitHub's; GARM's rows of the jobs are informational, may be late
/// or absent, and add when a job was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScaleSetIndex {
    /// What its jobs ask for ([`Pool::asked_for`]).
    asked_for: Labels,
    /// `desired_runner_count`: the jobs that GitHub has assigned to it, running ones included.
    pub(super) assigned: u32,
    /// When that number last grew, as far as was observed.
    assigned_at: Timestamp,
    /// When it last changed, if that was observed.
    changed_at: Option<Timestamp>,
    /// When GARM last wrote the row, and when that was observed.
    pub(super) written_at: Timestamp,
    seen_at: Timestamp,
    /// The queued jobs among GARM's rows, by creation time and id.
    queued: BTreeMap<(Timestamp, i64), JobChoice>,
}

/// Which scale sets fit a queued job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobChoice {
    /// Only this one does, so the job waits here even if GitHub has not assigned it.
    OnlyThis,
    /// Others do, too: only GitHub knows where it waits.
    Several,
}

impl ScaleSetIndex {
    /// The index of a scale set; `None` for a pool.
    pub(super) fn new(pool: &Pool) -> Option<Self> {
        let (set, asked_for) = (pool.scale_set?, pool.asked_for()?);
        Some(Self {
            asked_for,
            assigned: set.desired_runner_count,
            assigned_at: pool.updated_at,
            changed_at: None,
            written_at: pool.updated_at,
            seen_at: pool.updated_at,
            queued: BTreeMap::new(),
        })
    }

    /// Whether both fit the same jobs.
    pub(super) fn asks_like(&self, other: &Self) -> bool {
        self.asked_for == other.asked_for
    }

    /// Takes over the number of assigned jobs from a newer row.
    pub(super) fn take_assigned(&mut self, newer: &Self, now: Timestamp) {
        if newer.assigned > self.assigned {
            self.assigned_at = newer.written_at;
        }
        if newer.assigned != self.assigned {
            self.changed_at = Some(newer.written_at);
        }
        self.assigned = newer.assigned;
        (self.written_at, self.seen_at) = (newer.written_at, now);
    }

    /// Begins with the row of a full read at `now`, and keeps what was observed before.
    pub(super) fn begin(&mut self, before: Option<&Self>, now: Timestamp) {
        let read = self.clone();
        if let Some(before) = before {
            let queued = std::mem::take(&mut self.queued);
            *self = Self { asked_for: read.asked_for.clone(), queued, ..before.clone() };
            if read.written_at == before.written_at {
                return;
            }
        }
        let seen_at = before.map_or(read.written_at.min(now), |_| now);
        self.take_assigned(&read, seen_at);
    }

    /// Whether the job of this runner has ended and is still part of the assigned jobs. GARM handles
    /// a message of GitHub's in this order: it writes that each runner's job is over, then the
    /// number of the message, and then how many jobs are assigned.
    pub(super) fn is_still_assigned(
        &self,
        runner: &RunnerState,
        clock: &mut EvaluationClock,
    ) -> bool {
        let Some(ended_at) = runner.ended_at else { return false };
        let is_counted = self.changed_at.is_some_and(|at| at >= ended_at)
            || (self.written_at >= ended_at && clock.passed(self.seen_at, WRITTEN_TWICE));
        !is_counted && !clock.passed(ended_at, COUNTED_WITHIN)
    }

    /// Whether the job asks for this scale set.
    pub(super) fn fits(&self, job: &Job) -> bool {
        !job.labels.is_empty() && self.asked_for.covers(&job.labels)
    }

    /// Adds a queued job.
    pub(super) fn enter(&mut self, job: &Job, choice: JobChoice) {
        self.queued.insert((job.created_at, job.id), choice);
    }

    /// Removes a job.
    pub(super) fn leave(&mut self, job: &Job) {
        self.queued.remove(&(job.created_at, job.id));
    }

    /// The creation times of the queued jobs that fit no other scale set and are younger than
    /// `stale_by`, oldest first.
    pub(super) fn known_waiting(&self, stale_by: Timestamp) -> impl Iterator<Item = Timestamp> {
        let fresh = self.queued.range((stale_by, i64::MAX)..);
        fresh.filter(|entry| *entry.1 == JobChoice::OnlyThis).map(|entry| entry.0.0)
    }

    /// The number of queued jobs that fit no other scale set and are not younger than `stale_by`.
    pub(super) fn stale(&self, stale_by: Timestamp) -> u32 {
        let stale = self.queued.range(..=(stale_by, i64::MAX));
        let count = stale.filter(|entry| *entry.1 == JobChoice::OnlyThis).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The creation times of the waiting jobs, oldest first: GARM's rows, and for each job that is
    /// assigned, not running and has no row, the time at which GitHub assigned it.
    pub(super) fn waiting(&self, active: u32, stale_by: Timestamp) -> Vec<Timestamp> {
        let lacking = self.assigned.saturating_sub(active) as usize;
        let mut times: Vec<Timestamp> = self.known_waiting(stale_by).collect();
        if times.len() < lacking {
            // Jobs that fit several scale sets may be among the assigned ones.
            let others = self.queued.range((stale_by, i64::MAX)..);
            let others = others.filter(|entry| *entry.1 == JobChoice::Several);
            times.extend(others.map(|entry| entry.0.0).take(lacking - times.len()));
            times.resize(lacking.max(times.len()), self.assigned_at);
        }
        times.sort_unstable();
        times
    }

    /// Sets the deadline at which the oldest waiting job becomes stale.
    pub(super) fn note_stale(
        &self,
        stale_by: Timestamp,
        age: Duration,
        clock: &mut EvaluationClock,
    ) {
        if let Some(next) = self.known_waiting(stale_by).next() {
            clock.passed(next, age);
        }
    }
}
