//! Limits the memory that events take. Their rows are kept until the next full read, so a GARM that
//! invents rows could exhaust memory in between.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::job::Job;
use crate::domain::pool::Pool;
use crate::domain::runner::Runner;
use crate::scaling::RowChange;

/// Memory that the events of one [`WINDOW`] may take, in bytes: about ten thousand rows.
pub(super) const TAKEN_MAX: usize = 8 << 20;

/// Memory that one row may take, in bytes; a larger one is skipped.
pub(super) const ROW_MAX: usize = 128 << 10;

/// The default interval between full reads.
const WINDOW: Duration = Duration::from_secs(30);

/// Memory of a row besides its texts, in bytes.
const ROW: usize = 512;

/// Added for a pool, because each change of a pool is compared with all pools, which costs time
/// rather than memory.
const POOL: usize = 8 << 10;

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

/// Adds up the events of each window.
pub(super) struct Meter {
    max: usize,
    began: Option<Instant>,
    taken: usize,
    has_dropped: bool,
}

impl Meter {
    pub(super) fn new(max: usize) -> Self {
        Self { max, began: None, taken: 0, has_dropped: false }
    }

    pub(super) fn judge(&mut self, weight: usize, now: Instant) -> Admission {
        let is_over = self.began.is_none_or(|began| now.duration_since(began) >= WINDOW);
        let mut flow = Admission::Accepted;
        if is_over {
            if self.has_dropped {
                flow = Admission::AcceptedAfterDrop;
            }
            *self = Self { began: Some(now), ..Self::new(self.max) };
        }
        self.taken = self.taken.saturating_add(weight);
        if self.taken <= self.max {
            return flow;
        }
        if std::mem::replace(&mut self.has_dropped, true) {
            Admission::Dropped
        } else {
            Admission::FirstDropped
        }
    }
}

/// Memory that a change takes, in bytes.
pub(super) fn weight(change: &RowChange) -> usize {
    ROW + match change {
        RowChange::Runner(row) => runner(row),
        RowChange::Job(row) => job(row),
        RowChange::Pool(row) => POOL + pool(row),
        RowChange::RunnerGone(_) | RowChange::JobGone(_) | RowChange::PoolGone(_) => 0,
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
    spec.image.len() + spec.flavor.len() + spec.provider.len() + labels + specs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_beyond_the_limit_are_dropped_until_the_window_ends() {
        let mut meter = Meter::new(10);
        let start = Instant::now();
        let mut judge =
            |seconds: u64, weight| meter.judge(weight, start + Duration::from_secs(seconds));
        assert_eq!(judge(0, 6), Admission::Accepted);
        assert_eq!(judge(1, 4), Admission::Accepted);
        assert_eq!(judge(2, 1), Admission::FirstDropped);
        assert_eq!(judge(29, 1), Admission::Dropped);
        assert_eq!(judge(30, 1), Admission::AcceptedAfterDrop);
        assert_eq!(judge(31, 9), Admission::Accepted);
        assert_eq!(judge(61, 1), Admission::Accepted);
    }
}
