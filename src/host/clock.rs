//! The clock of this machine, or a virtual one that follows tokio's paused time.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A source of the current time. Callers pass it down, so that tests and the demo can use a virtual
/// clock.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    Real,
    /// A clock that showed `epoch` at the instant `began` and has run with tokio's clock since
    /// then.
    Virtual {
        /// The time that the clock showed at `began`.
        epoch: Timestamp,
        /// The instant on tokio's clock.
        began: Instant,
    },
}

impl Clock {
    /// A virtual clock that shows `epoch` now.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self::Virtual { epoch, began: Instant::now() }
    }

    pub fn now(&self) -> Timestamp {
        match self {
            Self::Real => Timestamp::now(),
            Self::Virtual { epoch, began } => SignedDuration::try_from(began.elapsed())
                .ok()
                .and_then(|elapsed| epoch.checked_add(elapsed).ok())
                .unwrap_or(Timestamp::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_virtual_clock_follows_paused_time() {
        let epoch: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let clock = Clock::starting_at(epoch);
        assert_eq!(clock.now(), epoch);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(clock.now().to_string(), "2026-01-02T03:05:05Z");
    }
}
