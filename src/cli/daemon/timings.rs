//! Measures how long jobs wait and runners take to start, from changed rows: GARM keeps no history
//! of either (GARM.md §f).

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::fleet::Fleet;
use crate::domain::job::{Job, JobStatus};
use crate::domain::name::PoolId;
use crate::scaling::{EvaluationClock, RunnerTransition};

/// A measured duration, with its pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TimedEvent {
    /// The wait of a job until a runner of this pool took it.
    Queue(PoolId, Duration),
    /// The time from the creation of a runner of this pool until it was idle.
    Startup(PoolId, Duration),
}

/// The jobs that wait. A full read forgets those that GARM no longer lists, which bounds them.
#[derive(Debug, Default)]
pub(super) struct Timings {
    /// When each waiting job was created, by `workflow_job_id`.
    waiting: HashMap<i64, Timestamp>,
}

impl Timings {
    /// Records a full read. Called after the changes of runners that the read shows.
    pub(super) fn read(&mut self, fleet: &Fleet) {
        let before = std::mem::take(&mut self.waiting);
        // The row of a job shows its start before the row of its runner does.
        let waits = |job: &&Job| match job.status {
            JobStatus::Queued => true,
            JobStatus::InProgress => before.contains_key(&job.workflow_job_id),
            JobStatus::Completed | JobStatus::Other(_) => false,
        };
        self.waiting = fleet
            .jobs
            .iter()
            .filter(waits)
            .map(|job| (job.workflow_job_id, job.created_at))
            .collect();
    }

    /// Records a changed row of a job. A job whose row GARM deletes may still start: the row of its
    /// runner shows that.
    pub(super) fn see_job(&mut self, job: &Job) {
        match job.status {
            JobStatus::Queued => {
                self.waiting.insert(job.workflow_job_id, job.created_at);
            }
            JobStatus::Completed => {
                self.waiting.remove(&job.workflow_job_id);
            }
            // The row of its runner follows within milliseconds and names the pool.
            JobStatus::InProgress | JobStatus::Other(_) => {}
        }
    }

    /// Measures what the change of a runner ends: the wait of a job, or its own start. The index
    /// reports no changes at the first read, so what ended before it is not measured.
    pub(super) fn runner_changed(&mut self, transition: &RunnerTransition<'_>) -> Vec<TimedEvent> {
        let Some(runner) = transition.after else { return Vec::new() };
        let Some(pool) = &runner.pool else { return Vec::new() };
        let since = |start: Timestamp| EvaluationClock::new(runner.updated_at).age(start);
        let waited_since = runner.job.and_then(|job| self.waiting.remove(&job));
        let queue = waited_since.map(|start| TimedEvent::Queue(pool.clone(), since(start)));
        let startup = transition
            .became_idle()
            .map(|runner| TimedEvent::Startup(pool.clone(), since(runner.created_at)));
        queue.into_iter().chain(startup).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::runner::Runner;
    use crate::scaling::testing::{fleet, job, pool, runner, secs};

    fn at(name: &str, state: &str, created: i64, updated: i64) -> Runner {
        let row = runner("a", name, state, updated);
        Runner { created_at: crate::scaling::testing::at(created), ..row }
    }

    fn queue(seconds: u64) -> TimedEvent {
        TimedEvent::Queue(PoolId::new("a"), secs(seconds))
    }

    fn startup(seconds: u64) -> TimedEvent {
        TimedEvent::Startup(PoolId::new("a"), secs(seconds))
    }

    fn seen(timings: &mut Timings, before: Option<&Runner>, after: &Runner) -> Vec<TimedEvent> {
        timings.runner_changed(&RunnerTransition { before, after: Some(after) })
    }

    #[test]
    fn a_job_is_measured_once_when_the_row_of_a_runner_names_it() {
        let mut timings = Timings::default();
        timings.read(&fleet(0, vec![pool("a", &["x"])], vec![], vec![job(1, &["x"], -30)]));
        let carrier = Runner { job: Some(1_001), ..at("r", "running/active", -20, 15) };
        assert_eq!(seen(&mut timings, None, &carrier), [queue(45)]);
        assert_eq!(seen(&mut timings, Some(&carrier), &carrier), []);
    }

    #[test]
    fn a_runner_is_measured_when_it_was_seen_booting_and_is_idle() {
        let mut timings = Timings::default();
        let boots = at("r", "running/pending", 0, 5);
        let idle = at("r", "running/idle", 0, 20);
        assert_eq!(seen(&mut timings, None, &boots), []);
        assert_eq!(seen(&mut timings, Some(&boots), &idle), [startup(20)]);
        assert_eq!(seen(&mut timings, Some(&idle), &at("r", "running/idle", 0, 40)), []);
        assert_eq!(seen(&mut timings, None, &idle), [], "its boot was not observed");
    }

    #[test]
    fn cancelled_jobs_and_failed_runners_are_not_measured() {
        let mut timings = Timings::default();
        timings.read(&fleet(5, vec![pool("a", &["x"])], vec![], vec![job(1, &["x"], 0)]));
        timings.see_job(&Job { status: JobStatus::Completed, ..job(1, &["x"], 0) });
        let boots = at("r", "running/pending", 0, 5);
        let carrier = Runner { job: Some(1_001), ..at("r", "running/failed", 0, 30) };
        assert_eq!(seen(&mut timings, Some(&boots), &carrier), []);
    }
}
