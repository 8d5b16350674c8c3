//! The number of events within the last hour, for alerts on findings and gaps. An alert on a total
//! would fire forever after the first event.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

/// How long an event counts. An alert about it fires long enough for the engineer on call to notice
/// it.
pub const WINDOW: Duration = Duration::from_hours(1);

/// The maximum count; later events replace the oldest ones.
const MAX: usize = 1_000;

/// The times of the events within [`WINDOW`], oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RollingCount(VecDeque<Timestamp>);

impl RollingCount {
    pub fn note(&mut self, at: Timestamp) {
        self.0.push_back(at);
        if self.0.len() > MAX {
            self.0.pop_front();
        }
    }

    /// The number of events within [`WINDOW`] before `now`.
    pub fn count(&mut self, now: Timestamp) -> u32 {
        let is_recent = |at: &Timestamp| now.duration_since(*at).unsigned_abs() < WINDOW;
        self.0.retain(is_recent);
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::testing::at;

    #[test]
    fn events_count_for_an_hour_and_are_bounded() {
        let mut lately = RollingCount::default();
        assert_eq!(lately.count(at(0)), 0);
        lately.note(at(0));
        lately.note(at(10));
        assert_eq!(
            (lately.count(at(3_599)), lately.count(at(3_600)), lately.count(at(3_610))),
            (2, 1, 0)
        );
        (0..5_000).for_each(|n| lately.note(at(n / 100)));
        assert_eq!(lately.count(at(60)), 1_000);
    }
}
