//! When jobs of an entity started: the sign that GitHub hands out work.

use std::time::Duration;

use jiff::Timestamp;

use super::deadline::{EvaluationClock, earlier, later};

/// How long a job may wait beside an idle runner, after another one started, before it counts as
/// stuck.
pub(super) const SIDE: Duration = Duration::from_mins(1);

/// The starts seen in one entity; only the latest that is a minute old matters, and those since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct JobStarts {
    /// The latest start that is [`SIDE`] old.
    settled: Option<Timestamp>,
    /// The later ones, in rising order.
    recent: Vec<Timestamp>,
    /// How many there were.
    count: u64,
}

impl JobStarts {
    /// A job started; returns how many have.
    pub(super) fn note(&mut self, at: Timestamp) -> u64 {
        let place = self.recent.partition_point(|it| *it <= at);
        self.recent.insert(place, at);
        self.count += 1;
        self.count
    }

    /// How many starts were noted.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The latest start that is [`SIDE`] old.
    pub(super) fn settle(&mut self, moment: &mut EvaluationClock) -> Option<Timestamp> {
        let cut = earlier(moment.now(), SIDE);
        let old = self.recent.partition_point(|it| *it <= cut);
        if let Some(latest) = self.recent.drain(..old).next_back() {
            self.settled = self.settled.max(Some(latest));
        }
        if let Some(next) = self.recent.first() {
            moment.reached(later(*next, SIDE));
        }
        // After a clock was set back, what lies ahead proves nothing.
        self.settled.filter(|it| *it <= cut)
    }

    /// Moves what lies ahead of `now` to it: GARM's clock was set back.
    pub(super) fn clamp(&mut self, now: Timestamp) {
        self.settled = self.settled.map(|it| it.min(now));
        for start in &mut self.recent {
            *start = (*start).min(now);
        }
    }
}
