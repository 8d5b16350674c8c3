//! The clock: this machine's, or one that follows tokio's paused time.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// What time it is. Handed down from the top, so that tests and the demo bring their own.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// This machine's.
    Real,
    /// `epoch` at the moment `began`, and as fast as tokio's clock from there.
    Virtual {
        /// What time it was.
        epoch: Timestamp,
        /// When that was.
        began: Instant,
    },
}

impl Clock {
    /// A virtual clock that stands at `epoch` now.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self::Virtual { epoch, began: Instant::now() }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Real => Timestamp::now(),
            Self::Virtual { epoch, began } => SignedDuration::try_from(began.elapsed())
                .ok()
                .and_then(|it| epoch.checked_add(it).ok())
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
