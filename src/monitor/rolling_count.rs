//! How often something happened lately: what an alert on findings or gaps is judged by. A total
//! would fire for ever after the first one.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

/// How long something counts: long enough to be noticed by whoever is on call.
pub const WINDOW: Duration = Duration::from_hours(1);

/// Most occurrences that are told apart; with more of them the number stays here.
const MAX: usize = 1_000;

/// The occurrences within [`WINDOW`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RollingCount(VecDeque<Timestamp>);

impl RollingCount {
    /// It has happened.
    pub fn note(&mut self, at: Timestamp) {
        self.0.push_back(at);
        if self.0.len() > MAX {
            self.0.pop_front();
        }
    }

    /// How often in the last hour.
    pub fn count(&mut self, now: Timestamp) -> u32 {
        let is_recent = |it: &Timestamp| now.duration_since(*it).unsigned_abs() < WINDOW;
        self.0.retain(is_recent);
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::testing::at;

    #[test]
    fn what_happened_counts_for_an_hour_and_is_bounded() {
        let mut lately = RollingCount::default();
        assert_eq!(lately.count(at(0)), 0);
        lately.note(at(0));
        lately.note(at(10));
        assert_eq!(
            (lately.count(at(3_599)), lately.count(at(3_600)), lately.count(at(3_610))),
            (2, 1, 0)
        );
        (0..5_000).for_each(|it| lately.note(at(it / 100)));
        assert_eq!(lately.count(at(60)), 1_000);
    }
}
