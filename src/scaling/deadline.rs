//! The time of an evaluation, which also finds when the next evaluation is due.

use std::time::Duration;

use jiff::Timestamp;

/// The current time on GARM's clock, and the earliest later time at which a comparison made with it
/// would turn out differently. Every rule that compares ages uses it, so the caller knows how long
/// the result stays valid without new events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvaluationClock {
    now: Timestamp,
    next: Option<Timestamp>,
}

impl EvaluationClock {
    /// A clock that nothing has been compared with yet.
    pub fn new(now: Timestamp) -> Self {
        Self { now, next: None }
    }

    /// The current time on GARM's clock.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The earliest future time that was compared with the clock.
    pub fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// Whether `at` is now or in the past.
    pub fn reached(&mut self, at: Timestamp) -> bool {
        let is_reached = at <= self.now;
        if !is_reached && self.next.is_none_or(|next| at < next) {
            self.next = Some(at);
        }
        is_reached
    }

    /// Whether `wait` has passed since `start`.
    pub fn passed(&mut self, start: Timestamp, wait: Duration) -> bool {
        self.reached(later(start, wait))
    }

    /// The number of `starts` that are at least `wait` ago. They must be in ascending order.
    pub fn count_passed(&mut self, starts: &[Timestamp], wait: Duration) -> usize {
        let cut = earlier(self.now, wait);
        let passed = starts.partition_point(|start| *start <= cut);
        if let Some(next) = starts.get(passed) {
            self.passed(*next, wait);
        }
        passed
    }

    /// The age of something that began at `start`; zero if `start` is in the future, as after a
    /// clock was set back.
    pub fn age(&self, start: Timestamp) -> Duration {
        Duration::try_from(self.now.duration_since(start)).unwrap_or_default()
    }
}

/// `start + wait`, limited to the maximum timestamp.
pub fn later(start: Timestamp, wait: Duration) -> Timestamp {
    start.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// `start - wait`, limited to the minimum timestamp.
pub fn earlier(start: Timestamp, wait: Duration) -> Timestamp {
    start.checked_sub(wait).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_next_deadline_is_the_earliest_future_time_that_was_asked_about() {
        let mut clock = EvaluationClock::new(at(100));
        assert!(clock.reached(at(100)));
        assert_eq!(clock.next(), None);
        assert!(!clock.passed(at(90), Duration::from_secs(30)));
        assert!(!clock.passed(at(95), Duration::from_secs(10)));
        assert!(!clock.reached(at(200)));
        assert_eq!(clock.next(), Some(at(105)));
    }

    #[test]
    fn count_passed_counts_old_starts_and_notes_the_next_deadline() {
        let mut clock = EvaluationClock::new(at(100));
        let row = [at(10), at(69), at(70), at(71), at(99)];
        assert_eq!(clock.count_passed(&row, Duration::from_secs(30)), 3);
        assert_eq!(clock.next(), Some(at(101)));
    }

    #[test]
    fn ages_are_never_negative_and_time_never_overflows() {
        let clock = EvaluationClock::new(at(100));
        assert_eq!(clock.age(at(160)), Duration::ZERO);
        assert_eq!(clock.age(at(40)), Duration::from_secs(60));
        assert_eq!(later(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(earlier(Timestamp::MIN, Duration::MAX), Timestamp::MIN);
    }
}
