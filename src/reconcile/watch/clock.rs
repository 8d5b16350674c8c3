//! GARM's clock, taken from its answers and advanced between them by a monotonic clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::reconcile::read_fleet::resync::RequestSpan;

/// The resolution of the `Date` header: whole seconds.
const GRAIN: Duration = Duration::from_secs(1);

/// The present time on GARM's clock. A change of this machine's clock has no effect; a change of
/// GARM's takes effect with its next answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GarmClock {
    at: Timestamp,
    since: Instant,
}

impl GarmClock {
    /// A clock that shows `at` at the instant `since`.
    pub(super) fn new(at: Timestamp, since: Instant) -> Self {
        Self { at, since }
    }

    /// The time on GARM's clock at `instant`.
    pub(super) fn now(&self, instant: Instant) -> Timestamp {
        let passed = instant.saturating_duration_since(self.since);
        self.at.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// The instant at which GARM's clock will show `at`, or the present instant if that time has
    /// passed.
    pub(super) fn instant(&self, at: Timestamp) -> Instant {
        let ahead = Duration::try_from(at.duration_since(self.at)).unwrap_or_default();
        // No deadline of the loop is further away than this.
        self.since + ahead.min(Duration::from_hours(24))
    }

    /// Adjusts the clock to an answer with this `date`, which was exact to within a second when the
    /// answer was written. A clock that agrees with it is left alone; any other is moved only as
    /// far as necessary.
    pub(super) fn hear(&mut self, date: Timestamp, span: RequestSpan) {
        let width = GRAIN + span.answered.saturating_duration_since(span.sent);
        let latest = date.checked_add(width).unwrap_or(Timestamp::MAX);
        let now = self.now(span.answered);
        let right = now.clamp(date, latest.max(date));
        *self = Self::new(right, span.answered);
    }

    /// How far this machine's clock is ahead of GARM's.
    pub(super) fn skew(&self, local_clock: Timestamp, instant: Instant) -> SignedDuration {
        local_clock.duration_since(self.now(instant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + milliseconds).unwrap()
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Starts with a clock that shows 10 s, applies `date` after `answered_ms`, and checks the
    /// result.
    #[track_caller]
    fn check(date: i64, answered_ms: u64, expected: i64) {
        let start = Instant::now();
        let mut clock = GarmClock::new(at(10_000), start);
        let answered = start + ms(answered_ms);
        clock.hear(at(date), RequestSpan { sent: answered - ms(20), answered });
        assert_eq!(clock.now(answered), at(expected));
        assert_eq!(clock.now(answered + ms(5)), at(expected + 5));
    }

    #[test]
    fn a_clock_within_the_second_of_the_answer_is_left_alone() {
        check(40_000, 30_700, 40_700);
        check(40_000, 31_020, 41_020);
    }

    #[test]
    fn a_wrong_clock_is_moved_only_as_far_as_is_certain() {
        check(41_000, 30_700, 41_000);
        check(40_000, 31_100, 41_020);
        check(-3_560_000, 30_000, -3_558_980);
    }

    #[test]
    fn instants_for_times_are_never_in_the_past() {
        let start = Instant::now();
        let clock = GarmClock::new(at(10_000), start);
        assert_eq!(clock.instant(at(10_001)), start + ms(1));
        assert_eq!(clock.instant(at(0)), start);
        assert_eq!(clock.instant(Timestamp::MAX), start + Duration::from_hours(24));
        assert_eq!(clock.skew(at(12_500), start + ms(500)), SignedDuration::from_secs(2));
    }
}
