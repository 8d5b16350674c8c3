//! When jobs of an entity started, which shows that GitHub is handing out work.

use std::time::Duration;

use jiff::Timestamp;

use super::deadline::{EvaluationClock, earlier, later};

/// How long a job may wait beside an idle runner, after another job started, before it counts as
/// stuck.
pub const STUCK_AFTER: Duration = Duration::from_mins(1);

/// The starts observed in one entity. Only the latest one that is a minute old and those after it
/// matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct JobStarts {
    /// The latest start that is [`STUCK_AFTER`] old.
    settled: Option<Timestamp>,
    /// The later starts, in ascending order.
    recent: Vec<Timestamp>,
    /// How many starts were noted in total.
    count: u64,
}

impl JobStarts {
    /// Notes the start of a job; returns the total number.
    pub(super) fn note(&mut self, at: Timestamp) -> u64 {
        let place = self.recent.partition_point(|start| *start <= at);
        self.recent.insert(place, at);
        self.count += 1;
        self.count
    }

    /// How many starts were noted in total.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The latest start that is [`STUCK_AFTER`] old.
    pub(super) fn settle(&mut self, clock: &mut EvaluationClock) -> Option<Timestamp> {
        let cut = earlier(clock.now(), STUCK_AFTER);
        let old = self.recent.partition_point(|start| *start <= cut);
        if let Some(latest) = self.recent.drain(..old).next_back() {
            self.settled = self.settled.max(Some(latest));
        }
        if let Some(next) = self.recent.first() {
            clock.reached(later(*next, STUCK_AFTER));
        }
        // After a clock was set back, a start in the future proves nothing.
        self.settled.filter(|start| *start <= cut)
    }

    /// Moves starts that are later than `now` to `now`: GARM's clock was set back.
    pub(super) fn clamp(&mut self, now: Timestamp) {
        self.settled = self.settled.map(|start| start.min(now));
        for start in &mut self.recent {
            *start = (*start).min(now);
        }
    }
}
