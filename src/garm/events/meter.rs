//! How much of the events is taken. Rows that events tell of are kept until the next full read, so
//! a GARM that makes up new ones could fill the memory in between.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::job::Job;
use crate::domain::pool::Pool;
use crate::domain::runner::Runner;
use crate::scaling::RowChange;

/// What events may weigh together in one [`WINDOW`], in bytes of memory: some ten thousand rows.
pub(super) const TAKEN_MAX: usize = 8 << 20;

/// What one row may weigh, in bytes of memory; a heavier one is passed over.
pub(super) const ROW_MAX: usize = 128 << 10;

/// As long as a full read takes to come, by default.
const WINDOW: Duration = Duration::from_secs(30);

/// What a row weighs besides its texts.
const ROW: usize = 512;

/// What a pool weighs besides: each change of one is held against all of them, which takes time
/// rather than memory.
const POOL: usize = 8 << 10;

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is taken.
    Taken,
    /// It is taken, after others were dropped.
    Again,
    /// It is dropped, as the first one.
    Flood,
    /// It is dropped, too.
    Dropped,
}

/// Weighs the events of one window after the other.
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
        let is_over = self.began.is_none_or(|it| now.duration_since(it) >= WINDOW);
        let mut flow = Admission::Taken;
        if is_over {
            if self.has_dropped {
                flow = Admission::Again;
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
            Admission::Flood
        }
    }
}

/// What a change weighs in memory, in bytes.
pub(super) fn weight(change: &RowChange) -> usize {
    ROW + match change {
        RowChange::Runner(it) => runner(it),
        RowChange::Job(it) => job(it),
        RowChange::Pool(it) => POOL + pool(it),
        RowChange::RunnerGone(_) | RowChange::JobGone(_) | RowChange::PoolGone(_) => 0,
    }
}

fn runner(it: &Runner) -> usize {
    let texts = [&it.id, &it.provider].map(String::len);
    let optional = [&it.provider_id, &it.provider_fault];
    let messages: usize = it.messages.iter().map(|it| it.text.len() + it.level.len() + 64).sum();
    it.name.as_str().len()
        + texts.iter().sum::<usize>()
        + optional.iter().map(|it| it.as_ref().map_or(0, String::len)).sum::<usize>()
        + messages
}

fn job(it: &Job) -> usize {
    let labels: usize = it.labels.iter().map(|it| it.len() + 48).sum();
    it.name.len() + it.repository.len() + it.conclusion.len() + labels
}

fn pool(it: &Pool) -> usize {
    let spec = &it.spec;
    let labels: usize = spec.labels.iter().map(|it| it.len() + 48).sum();
    // A tree has up to ten times the memory of its text.
    let specs = serde_json::to_vec(&spec.extra_specs).map_or(0, |it| it.len());
    spec.image.len() + spec.flavor.len() + spec.provider.len() + labels + specs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_bound_is_dropped_until_the_window_ends() {
        let mut meter = Meter::new(10);
        let start = Instant::now();
        let mut judge =
            |seconds: u64, weight| meter.judge(weight, start + Duration::from_secs(seconds));
        assert_eq!(judge(0, 6), Admission::Taken);
        assert_eq!(judge(1, 4), Admission::Taken);
        assert_eq!(judge(2, 1), Admission::Flood);
        assert_eq!(judge(29, 1), Admission::Dropped);
        assert_eq!(judge(30, 1), Admission::Again);
        assert_eq!(judge(31, 9), Admission::Taken);
        assert_eq!(judge(61, 1), Admission::Taken);
    }
}
