//! Exponential backoff. This is the only place that computes one; the caller sleeps.

use std::time::Duration;

/// An exponential backoff between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
}

impl Backoff {
    /// Doubles from `first` up to `max`; a `max` below `first` is raised to `first`.
    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first, max: max.max(first) }
    }

    /// The wait before attempt `attempt + 1`; `attempt` counts from 0.
    pub fn delay(&self, attempt: u32) -> Duration {
        let factor = 2_u32.checked_pow(attempt).unwrap_or(u32::MAX);
        self.first.checked_mul(factor).map_or(self.max, |delay| delay.min(self.max))
    }

    /// [`Backoff::delay`], shortened by up to a half by `dice`, which may be any number, so that
    /// peers that failed together do not all retry at the same moment.
    pub fn jittered(&self, attempt: u32, dice: u64) -> Duration {
        let whole = self.delay(attempt);
        let per_mille = u32::try_from(dice % 501).expect("a remainder of 501 fits");
        whole - whole * per_mille / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_its_bound_and_never_overflows() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        let waits: Vec<u64> = [0, 1, 2, 4, 5, 31, 32, u32::MAX]
            .iter()
            .map(|retry| backoff.delay(*retry).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 16, 30, 30, 30, 30]);
    }

    #[test]
    fn jitter_takes_off_half_at_most() {
        let backoff = Backoff::new(Duration::from_secs(8), Duration::from_secs(8));
        for dice in [0, 1, 499, 500, 501, u64::MAX] {
            let wait = backoff.jittered(3, dice);
            assert!(wait >= Duration::from_secs(4) && wait <= Duration::from_secs(8), "{wait:?}");
        }
    }
}
