//! A monotonic clock that also runs while the machine is suspended, unlike `Instant`.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// A clock with an origin of its own. Copies show the same time.
#[derive(Debug, Clone, Copy)]
pub enum BootClock {
    /// The time since the machine was started.
    Real,
    /// The time since this instant on tokio's clock, which tests pause.
    Virtual(Instant),
}

impl BootClock {
    pub fn now(&self) -> Duration {
        match self {
            Self::Real => {
                let time = clock_gettime(ClockId::Boottime);
                let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
                Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
            }
            Self::Virtual(origin) => origin.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_real_clock_runs_and_the_virtual_one_follows_paused_time() {
        let real = BootClock::Real;
        let before = real.now();
        assert!(before > Duration::ZERO && real.now() >= before);
        let paused = BootClock::Virtual(Instant::now());
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(paused.now(), Duration::from_secs(7));
    }
}
