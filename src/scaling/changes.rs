//! Applies one changed row at a time to the index of an entity.

use jiff::Timestamp;

use super::entity_index::EntityIndex;
use super::queue::stage;
use crate::domain::job::Job;
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::runner::Runner;

impl EntityIndex {
    /// Applies the row of a runner. A runner of an unknown pool is ignored.
    pub(super) fn see_runner(&mut self, runner: &Runner, now: Timestamp) {
        let Some(place) = runner.pool.as_ref().and_then(|id| self.place_of.get(id)).copied() else {
            return;
        };
        let before = self.pools[place as usize].see(runner, now);
        if before != runner.job {
            self.let_go(before, place, now);
            if let Some(job) = runner.job {
                self.carriers.entry(job).or_default().push(place);
                self.review(job, now);
            }
        }
    }

    /// Removes a runner that GARM no longer lists.
    pub(super) fn lose_runner(&mut self, pool: &PoolId, name: &RunnerName, now: Timestamp) {
        if let Some(place) = self.place_of.get(pool).copied() {
            let carried = self.pools[place as usize].lose(name, now);
            self.let_go(carried, place, now);
        }
    }

    /// Applies the row of a job.
    pub(super) fn see_job(&mut self, job: &Job, now: Timestamp) {
        if job.is_of_scale_set() {
            self.leave_sets(job);
            if job.waits_for_scale_set() {
                self.enter_set(job);
            }
            return;
        }
        let id = job.workflow_job_id;
        let before = self.queue.known_jobs.remove(&id);
        if let Some(before) = &before {
            self.queue.leave(before);
        }
        if let Some(stage) = stage(job) {
            let known = self.known_job(job, stage, before.and_then(|known| known.started));
            self.queue.known_jobs.insert(id, known);
            self.review(id, now);
            // The runner's row may have arrived before the job's.
            for place in self.carriers.get(&id).into_iter().flatten() {
                self.pools[*place as usize].starts.is_news = true;
            }
        }
    }

    /// Removes a job's row. If GARM has made another row for the same job meanwhile, that row
    /// stays.
    pub(super) fn lose_job(&mut self, lost: &Job, now: Timestamp) {
        if lost.is_of_scale_set() {
            self.leave_sets(lost);
            return;
        }
        let workflow_job_id = lost.workflow_job_id;
        let Some(known) = self.queue.known_jobs.get(&workflow_job_id) else { return };
        if known.id == lost.id {
            let known = known.clone();
            self.queue.leave(&known);
            self.queue.known_jobs.remove(&workflow_job_id);
            if let Some(known) = known.vanish(now, self.is_carried(workflow_job_id)) {
                self.queue.known_jobs.insert(workflow_job_id, known);
                self.review(workflow_job_id, now);
            }
        }
    }

    /// Records that a pool's runner no longer carries the job.
    fn let_go(&mut self, job: Option<i64>, place: u32, now: Timestamp) {
        let Some(job) = job else { return };
        if let Some(places) = self.carriers.get_mut(&job) {
            if let Some(at) = places.iter().position(|other| *other == place) {
                places.swap_remove(at);
            }
            if places.is_empty() {
                self.carriers.remove(&job);
            }
        }
        self.review(job, now);
    }

    /// Checks again whether a job is waiting.
    fn review(&mut self, workflow_job_id: i64, now: Timestamp) {
        let Some(known) = self.queue.known_jobs.get(&workflow_job_id).cloned() else { return };
        let deadline = known.deadline(self.is_carried(workflow_job_id));
        match deadline.filter(|deadline| deadline.end().is_none_or(|end| now < end)) {
            Some(deadline) => self.queue.enter(workflow_job_id, &known, deadline),
            None => {
                self.queue.leave(&known);
                self.note_start(workflow_job_id, now);
            }
        }
    }
}
