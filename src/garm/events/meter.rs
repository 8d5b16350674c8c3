//! Limits the memory and the work that events take. Their rows are kept until the next full read, so
//! a GARM that invents rows could exhaust memory in between.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::job::Job;
use crate::domain::name::PoolId;
use crate::domain::pool::Pool;
use crate::domain::runner::Runner;
use crate::scaling::RowChange;

/// Memory that the rows of one [`WINDOW`] may take, in bytes: about ten thousand rows.
pub(super) const TAKEN_MAX: usize = 8 << 20;

/// The largest number of events in one [`WINDOW`]. A job causes about 15, so this is enough for 400
/// new jobs a second.
const EVENTS_MAX: u32 = 200_000;

/// Memory that one row may take, in bytes; a larger one is skipped.
pub(super) const ROW_MAX: usize = 128 << 10;

/// The default interval between full reads.
const WINDOW: Duration = Duration::from_secs(30);

/// Memory of a row besides its texts, in bytes.
const ROW: usize = 512;

/// What happens to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Accepted,
    /// Accepted, after others were dropped.
    AcceptedAfterDrop,
    /// Dropped, as the first of its window.
    FirstDropped,
    Dropped,
}

/// Adds up the events of each window. A row that changes again takes the place of the earlier one.
pub(super) struct Meter {
    max: usize,
    began: Option<Instant>,
    /// The memory of each row.
    rows: HashMap<RowId, usize>,
    taken: usize,
    events: u32,
    has_dropped: bool,
}

#[derive(PartialEq, Eq, Hash)]
enum RowId {
    Runner(String),
    Job(i64),
    Pool(PoolId),
}

impl RowId {
    fn of(change: &RowChange) -> Self {
        match change {
            RowChange::Runner(runner) => Self::Runner(runner.id.clone()),
            RowChange::RunnerGone(id) => Self::Runner(id.clone()),
            RowChange::Job(job) => Self::Job(job.id),
            RowChange::JobGone(id) => Self::Job(*id),
            RowChange::Pool(pool) => Self::Pool(pool.id.clone()),
            RowChange::PoolGone(id) => Self::Pool(id.clone()),
        }
    }
}

impl Meter {
    pub(super) fn new(max: usize) -> Self {
        let rows = HashMap::new();
        Self { max, began: None, rows, taken: 0, events: 0, has_dropped: false }
    }

    /// Counts a change of this weight, in bytes.
    pub(super) fn judge(&mut self, change: &RowChange, weight: usize, now: Instant) -> Admission {
        let is_over = self.began.is_none_or(|began| now.duration_since(began) >= WINDOW);
        let mut flow = Admission::Accepted;
        if is_over {
            if self.has_dropped {
                flow = Admission::AcceptedAfterDrop;
            }
            *self = Self { began: Some(now), ..Self::new(self.max) };
        }
        if self.has_dropped {
            return Admission::Dropped;
        }
        let known = self.rows.entry(RowId::of(change)).or_default();
        self.taken = self.taken.saturating_add(weight.saturating_sub(*known));
        *known = weight.max(*known);
        self.events += 1;
        if self.taken > self.max || self.events > EVENTS_MAX {
            self.has_dropped = true;
            return Admission::FirstDropped;
        }
        flow
    }
}

/// Memory that a change takes, in bytes.
pub(super) fn weight(change: &RowChange) -> usize {
    ROW + match change {
        RowChange::Runner(row) => runner(row),
        RowChange::Job(row) => job(row),
        RowChange::Pool(row) => pool(row),
        RowChange::RunnerGone(id) => id.len(),
        RowChange::JobGone(_) => 0,
        RowChange::PoolGone(id) => id.as_str().len(),
    }
}

fn runner(runner: &Runner) -> usize {
    let texts = [&runner.id, &runner.provider].map(String::len);
    let optional = [&runner.provider_id, &runner.provider_fault];
    let messages: usize =
        runner.messages.iter().map(|message| message.text.len() + message.level.len() + 64).sum();
    runner.name.as_str().len()
        + texts.iter().sum::<usize>()
        + optional.iter().map(|text| text.as_ref().map_or(0, String::len)).sum::<usize>()
        + messages
}

fn job(job: &Job) -> usize {
    let labels: usize = job.labels.iter().map(|label| label.len() + 48).sum();
    job.name.len() + job.repository.len() + job.conclusion.len() + labels
}

fn pool(pool: &Pool) -> usize {
    let spec = &pool.spec;
    let labels: usize = spec.labels.iter().map(|label| label.len() + 48).sum();
    // A JSON tree takes up to ten times the memory of its text.
    let specs = serde_json::to_vec(&spec.extra_specs).map_or(0, |text| text.len());
    pool.id.as_str().len()
        + spec.image.len()
        + spec.flavor.len()
        + spec.provider.len()
        + labels
        + specs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::testing;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn rows_beyond_the_limit_are_dropped_until_the_window_ends() {
        let mut meter = Meter::new(10);
        let start = Instant::now();
        let mut judge = |id, seconds, weight| {
            meter.judge(&RowChange::JobGone(id), weight, after(start, seconds))
        };
        assert_eq!(judge(1, 0, 6), Admission::Accepted);
        assert_eq!(judge(2, 1, 4), Admission::Accepted);
        assert_eq!(judge(3, 2, 1), Admission::FirstDropped);
        assert_eq!(judge(2, 29, 1), Admission::Dropped);
        assert_eq!(judge(4, 30, 1), Admission::AcceptedAfterDrop);
        assert_eq!(judge(5, 31, 9), Admission::Accepted);
        assert_eq!(judge(6, 61, 1), Admission::Accepted);
    }

    #[test]
    fn a_row_that_changes_again_takes_no_more_memory_than_its_heaviest_version() {
        let mut meter = Meter::new(10);
        let start = Instant::now();
        let mut judge = |id, weight| meter.judge(&RowChange::JobGone(id), weight, start);
        for weight in [4, 1, 6, 6, 2] {
            assert_eq!(judge(1, weight), Admission::Accepted);
        }
        assert_eq!(judge(2, 4), Admission::Accepted);
        assert_eq!(judge(2, 5), Admission::FirstDropped);
    }

    #[test]
    fn changes_of_one_row_without_end_are_dropped() {
        let mut meter = Meter::new(TAKEN_MAX);
        let start = Instant::now();
        let mut judge = |seconds| meter.judge(&RowChange::JobGone(1), 1, after(start, seconds));
        for _ in 0..EVENTS_MAX {
            assert_eq!(judge(0), Admission::Accepted);
        }
        assert_eq!(judge(29), Admission::FirstDropped);
        assert_eq!(judge(30), Admission::AcceptedAfterDrop);
    }

    #[test]
    fn fifty_jobs_a_second_in_a_thousand_pools_fit() {
        let mut meter = Meter::new(TAKEN_MAX);
        let start = Instant::now();
        // 50 jobs a second, each with a new runner and a new level of its pool.
        for job in 0..1_500_i64 {
            let pool = testing::pool(&format!("p{}", job % 1_000), &["linux"]);
            let runner = testing::runner("p", &format!("r{job}"), "running/idle", 0);
            let (gone, id) = (RowChange::RunnerGone(runner.id.clone()), job);
            let job = testing::job(job, &["linux"], 0);
            let changes = [
                RowChange::Job(job.clone()),
                RowChange::Pool(pool.clone()),
                RowChange::Runner(runner.clone()),
                RowChange::Runner(runner),
                RowChange::Job(job),
                RowChange::Pool(pool),
                gone,
                RowChange::JobGone(id),
            ];
            for change in changes {
                assert_eq!(meter.judge(&change, weight(&change), start), Admission::Accepted);
            }
        }
    }
}
