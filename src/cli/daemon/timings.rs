//! Measures how long jobs wait and runners take to start, from changed rows: GARM keeps no history
//! of either (GARM.md §f).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::fleet::Fleet;
use crate::domain::job::{Job, JobStatus};
use crate::domain::name::PoolId;
use crate::domain::runner::{Runner, RunnerStatus};
use crate::scaling::{EvaluationClock, RowChange};

/// A measured duration, with its pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TimedEvent {
    /// The wait of a job until a runner of this pool took it.
    Queue(PoolId, Duration),
    /// The time from the creation of a runner of this pool until it was idle.
    Startup(PoolId, Duration),
}

/// The jobs that wait and the runners that boot. A full read forgets those that GARM no longer
/// lists, which bounds both.
#[derive(Debug, Default)]
pub(super) struct Timings {
    /// When each waiting job was created, by `workflow_job_id`.
    waiting: HashMap<i64, Timestamp>,
    /// The runners that have not been idle yet, by GARM's id.
    booting: HashSet<String>,
    /// Whether a full read has been seen: what had begun before it is not measured.
    has_read: bool,
}

impl Timings {
    /// Takes in a full read.
    pub(super) fn read(&mut self, fleet: &Fleet) -> Vec<TimedEvent> {
        let mut took = Vec::new();
        if self.has_read {
            for runner in &fleet.runners {
                self.see_runner(runner, &mut took);
            }
        }
        self.has_read = true;
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
        let boots = |runner: &&Runner| is_booting(runner);
        self.booting = fleet.runners.iter().filter(boots).map(|runner| runner.id.clone()).collect();
        took
    }

    /// Takes in one changed row.
    pub(super) fn changed(&mut self, change: &RowChange) -> Vec<TimedEvent> {
        let mut took = Vec::new();
        match change {
            RowChange::Runner(runner) => self.see_runner(runner, &mut took),
            RowChange::RunnerGone(id) => drop(self.booting.remove(id)),
            RowChange::Job(job) => self.see_job(job),
            // A job whose record GARM deletes may still start; the row of its runner shows it.
            RowChange::JobGone(_) | RowChange::Pool(_) | RowChange::PoolGone(_) => {}
        }
        took
    }

    fn see_job(&mut self, job: &Job) {
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

    fn see_runner(&mut self, runner: &Runner, took: &mut Vec<TimedEvent>) {
        let Some(pool) = &runner.pool else { return };
        let since = |start: Timestamp| EvaluationClock::new(runner.updated_at).age(start);
        let waited_since = runner.job.and_then(|job| self.waiting.remove(&job));
        if let Some(start) = waited_since {
            took.push(TimedEvent::Queue(pool.clone(), since(start)));
        }
        if is_booting(runner) {
            self.booting.insert(runner.id.clone());
        } else if self.booting.remove(&runner.id) && runner.runner_status == RunnerStatus::Idle {
            took.push(TimedEvent::Startup(pool.clone(), since(runner.created_at)));
        }
    }
}

fn is_booting(runner: &Runner) -> bool {
    matches!(runner.runner_status, RunnerStatus::Pending | RunnerStatus::Installing)
        && !runner.status.is_leaving()
}

#[cfg(test)]
mod tests {
    use super::*;
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

    #[test]
    fn a_job_is_measured_once_when_the_row_of_a_runner_names_it() {
        let mut timings = Timings::default();
        let read = fleet(0, vec![pool("a", &["x"])], vec![], vec![job(1, &["x"], -30)]);
        assert_eq!(timings.read(&read), []);
        let carrier = Runner { job: Some(1_001), ..at("r", "running/active", -20, 15) };
        assert_eq!(timings.changed(&RowChange::Runner(carrier.clone())), [queue(45)]);
        assert_eq!(timings.changed(&RowChange::Runner(carrier)), []);
    }

    #[test]
    fn a_runner_is_measured_when_an_event_or_a_read_shows_it_idle() {
        let mut timings = Timings::default();
        let boots = || vec![at("r", "running/pending", 0, 5), at("s", "running/pending", 0, 5)];
        timings.read(&fleet(5, vec![pool("a", &["x"])], boots(), vec![]));
        let idle = at("r", "running/idle", 0, 20);
        assert_eq!(timings.changed(&RowChange::Runner(idle.clone())), [startup(20)]);
        let later = vec![idle, at("s", "running/idle", 0, 33)];
        let read = fleet(40, vec![pool("a", &["x"])], later, vec![]);
        assert_eq!(timings.read(&read), [startup(33)]);
    }

    #[test]
    fn what_began_before_the_first_read_is_not_measured() {
        let mut timings = Timings::default();
        let busy = Runner { job: Some(1_001), ..at("r", "running/active", -90, -60) };
        let read = fleet(0, vec![pool("a", &["x"])], vec![busy.clone()], vec![]);
        assert_eq!(timings.read(&read), []);
        assert_eq!(timings.changed(&RowChange::Runner(busy)), []);
    }

    #[test]
    fn cancelled_jobs_and_failed_runners_are_not_measured() {
        let mut timings = Timings::default();
        let boots = vec![at("r", "running/pending", 0, 5)];
        timings.read(&fleet(5, vec![pool("a", &["x"])], boots, vec![job(1, &["x"], 0)]));
        let ended = Job { status: JobStatus::Completed, ..job(1, &["x"], 0) };
        assert_eq!(timings.changed(&RowChange::Job(ended)), []);
        let carrier = Runner { job: Some(1_001), ..at("r", "running/failed", 0, 30) };
        assert_eq!(timings.changed(&RowChange::Runner(carrier)), []);
    }
}
