//! One change of an entity at a time, as events bring them.

use jiff::Timestamp;

use super::entity_index::EntityIndex;
use super::queue::stage;
use crate::domain::job::Job;
use crate::domain::name::{PoolId, RunnerName};
use crate::domain::runner::Runner;

impl EntityIndex {
    /// A runner is, at `now`, as its row says. One of a pool that is not known is ignored.
    pub(super) fn see_runner(&mut self, runner: &Runner, now: Timestamp) {
        let Some(place) = runner.pool.as_ref().and_then(|it| self.place_of.get(it)).copied() else {
            return;
        };
        let before = self.stocks[place as usize].see(runner, now);
        if before != runner.job {
            self.let_go(before, place, now);
            if let Some(job) = runner.job {
                self.carriers.entry(job).or_default().push(place);
                self.review(job, now);
            }
        }
    }

    /// A runner is gone.
    pub(super) fn lose_runner(&mut self, pool: &PoolId, name: &RunnerName, now: Timestamp) {
        if let Some(place) = self.place_of.get(pool).copied() {
            let carried = self.stocks[place as usize].lose(name, now);
            self.let_go(carried, place, now);
        }
    }

    /// A job stands where its row says.
    pub(super) fn see_job(&mut self, job: &Job, now: Timestamp) {
        let id = job.workflow_job_id;
        let before = self.queue.facts.remove(&id);
        if let Some(before) = &before {
            self.queue.leave(before);
        }
        if let Some(stage) = stage(job) {
            let fact = self.fact(job, stage, before.and_then(|it| it.started));
            self.queue.facts.insert(id, fact);
            self.review(id, now);
            // The runner's row may have come first.
            for place in self.carriers.get(&id).into_iter().flatten() {
                self.stocks[*place as usize].starts.is_news = true;
            }
        }
    }

    /// A job's row is gone. GARM may have made another row for the same job meanwhile: that one
    /// stays.
    pub(super) fn lose_job(&mut self, lost: &Job, now: Timestamp) {
        let workflow_job_id = lost.workflow_job_id;
        let Some(fact) = self.queue.facts.get(&workflow_job_id) else { return };
        if fact.id == lost.id {
            let fact = fact.clone();
            self.queue.leave(&fact);
            self.queue.facts.remove(&workflow_job_id);
            if let Some(fact) = fact.vanish(now, self.carried(workflow_job_id)) {
                self.queue.facts.insert(workflow_job_id, fact);
                self.review(workflow_job_id, now);
            }
        }
    }

    /// A pool carries the job no more.
    fn let_go(&mut self, job: Option<i64>, place: u32, now: Timestamp) {
        let Some(job) = job else { return };
        if let Some(places) = self.carriers.get_mut(&job) {
            if let Some(at) = places.iter().position(|it| *it == place) {
                places.swap_remove(at);
            }
            if places.is_empty() {
                self.carriers.remove(&job);
            }
        }
        self.review(job, now);
    }

    /// Asks anew whether a job waits.
    fn review(&mut self, workflow_job_id: i64, now: Timestamp) {
        let Some(fact) = self.queue.facts.get(&workflow_job_id).cloned() else { return };
        let term = fact.term(self.carried(workflow_job_id));
        match term.filter(|it| it.end().is_none_or(|end| now < end)) {
            Some(term) => self.queue.enter(workflow_job_id, &fact, term),
            None => {
                self.queue.leave(&fact);
                self.note_start(workflow_job_id, now);
            }
        }
    }
}
