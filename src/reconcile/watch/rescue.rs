//! When GARM is to be told of a scale set again, because it creates none of the runners that its own
//! rule asks for.
//!
//! GARM's worker keeps a copy of the scale set's row, which is updated by unordered events: if an
//! older row arrives last, the worker acts on it until the row changes again, for minutes or hours
//! (GARM.md §scale-sets). A changed level gives it the current row; equal values do nothing.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::backoff::Backoff;
use crate::scaling::{Decision, ScaleSetResults};

/// How long GARM may create nothing before the first rescue, and the longest wait between two.
/// GARM's worker compares every 5 s and then creates the first runner within a second or two.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(8), Duration::from_mins(5));

/// When the scale set is read by itself, at growing intervals: a lost event must not delay a
/// rescue until the next full read.
const READ: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(30));

/// After this many reads the full reads are enough.
const READS: u32 = 4;

/// After this many rescues without a new runner the scale set counts as stalled.
const STALLED: u32 = 2;

/// The rescues of one scale set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RescueTimer {
    /// When the newest runner was created, at the last decision.
    newest: Option<Timestamp>,
    /// Since when GARM creates none of the runners, or since the level was last written.
    lacks: Option<Instant>,
    /// The same, whether or not the level was written.
    lacking_since: Option<Instant>,
    rescues: u32,
    /// When the scale set is to be read by itself.
    read_at: Option<Instant>,
    reads: u32,
}

impl RescueTimer {
    /// Compares the scale set with its new decision.
    pub(super) fn look(&mut self, set: &ScaleSetResults, now: Instant) {
        let is_created = set.newest > self.newest;
        self.newest = set.newest;
        let is_lacking = set.missing > 0;
        if is_created || !is_lacking {
            (self.lacks, self.lacking_since, self.rescues) = (None, None, 0);
        }
        if is_lacking {
            self.lacks.get_or_insert(now);
            self.lacking_since.get_or_insert(now);
        }
        let is_doubtful = is_lacking || set.unassigned > 0;
        if is_created || !is_doubtful {
            (self.read_at, self.reads) = (None, 0);
        }
        if is_doubtful && self.reads < READS {
            self.read_at.get_or_insert(now + READ.0);
        }
    }

    /// When the next rescue is due.
    pub(super) fn due(&self) -> Option<Instant> {
        Some(self.lacks? + Backoff::new(PATIENCE.0, PATIENCE.1).delay(self.rescues))
    }

    /// Notes that a rescue begins.
    pub(super) fn begin(&mut self) {
        self.rescues += 1;
    }

    /// Notes that the level was written: GARM's worker is given the full time again.
    pub(super) fn written(&mut self, now: Instant) {
        self.lacks = self.lacks.map(|_| now);
    }

    /// When the scale set is to be read by itself.
    pub(super) fn read_at(&self) -> Option<Instant> {
        self.read_at
    }

    /// Notes that the scale set is being read.
    pub(super) fn begin_read(&mut self, now: Instant) {
        if self.read_at.is_some_and(|at| at <= now) {
            self.reads += 1;
            let next = now + Backoff::new(READ.0, READ.1).delay(self.reads);
            self.read_at = (self.reads < READS).then_some(next);
        }
    }

    /// Since when GARM has created none of the runners, once [`STALLED`] rescues have not helped.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.lacking_since.filter(|_| self.rescues >= STALLED)
    }
}

/// The runners that GARM has not created, for the words of a rescue.
pub(super) fn missing(decision: &Decision) -> u32 {
    decision.scale_set.map_or(0, |set| set.missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::testing::{at, secs};

    fn set(missing: u32, newest: Option<i64>) -> ScaleSetResults {
        ScaleSetResults {
            assigned: missing,
            leaving: 0,
            missing,
            unassigned: 0,
            pulse: false,
            newest: newest.map(at),
            written_at: at(0),
        }
    }

    #[test]
    fn a_rescue_is_due_eight_seconds_after_garm_should_have_created_a_runner_and_then_less_often() {
        let start = Instant::now();
        let mut timer = RescueTimer::default();
        timer.look(&set(0, None), start);
        assert_eq!((timer.due(), timer.read_at()), (None, None));
        timer.look(&set(3, None), start);
        timer.look(&set(4, None), start + secs(2));
        assert_eq!(timer.due(), Some(start + secs(8)));
        timer.begin();
        timer.written(start + secs(8));
        assert_eq!(timer.due(), Some(start + secs(24)));
        assert_eq!(timer.stalled_since(), None);
        timer.begin();
        assert_eq!(timer.stalled_since(), Some(start));
        timer.look(&set(2, Some(1)), start + secs(31));
        assert_eq!(timer.due(), Some(start + secs(39)), "a new runner begins the time anew");
        assert_eq!(timer.stalled_since(), None);
        timer.look(&set(0, Some(2)), start + secs(32));
        assert_eq!(timer.due(), None);
    }

    #[test]
    fn a_doubtful_scale_set_is_read_four_times_at_growing_intervals() {
        let start = Instant::now();
        let mut timer = RescueTimer::default();
        let doubtful = ScaleSetResults { unassigned: 1, ..set(0, None) };
        let mut reads = Vec::new();
        for second in 0..600 {
            let now = start + secs(second);
            timer.look(&doubtful, now);
            if timer.read_at().is_some_and(|at| at <= now) {
                timer.begin_read(now);
                reads.push(second);
            }
        }
        assert_eq!(reads, [3, 9, 21, 45]);
        assert_eq!(timer.due(), None);
    }
}
