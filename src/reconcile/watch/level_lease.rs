//! Polls a pool every 2 s while its level is raised, so that a lost event cannot leave it raised.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::backoff::Backoff;

/// The time between two polls of a pool with a raised level.
pub(super) const POLL_EVERY: Duration = Duration::from_secs(2);

/// A raised level is lowered if the pool was not observed for this time.
pub(super) const EXPIRES_AFTER: Duration = Duration::from_secs(10);

/// The longest wait between two polls that fail.
const POLL_MAX: Duration = Duration::from_secs(30);

/// The polls of one pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct LevelLease {
    /// Present while the pool's level is raised.
    active: Option<ActiveLease>,
    is_polling: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ActiveLease {
    /// When the pool was last observed, or its level was raised.
    seen: Instant,
    next: Instant,
    failures: u32,
    /// The pool was not observed for [`EXPIRES_AFTER`]: the next write lowers the level.
    is_expired: bool,
}

/// Whether a pool's level is above its resting level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LevelPosition {
    Raised,
    AtRest,
}

impl LevelLease {
    /// Starts the lease when the level is raised, and ends it when it is not.
    pub(super) fn set_position(&mut self, position: LevelPosition, now: Instant) {
        match position {
            LevelPosition::AtRest => self.active = None,
            LevelPosition::Raised => {
                self.active.get_or_insert(ActiveLease {
                    seen: now,
                    next: now + POLL_EVERY,
                    failures: 0,
                    is_expired: false,
                });
            }
        }
    }

    /// When the next poll is due, if one is.
    pub(super) fn poll_at(&self) -> Option<Instant> {
        self.active.as_ref().filter(|_| !self.is_polling).map(|lease| lease.next)
    }

    /// Notes that a poll begins.
    pub(super) fn begin_poll(&mut self, now: Instant) {
        self.is_polling = true;
        if let Some(active) = &mut self.active {
            active.next = now + POLL_EVERY;
        }
    }

    /// Notes that a poll has ended, successfully or not.
    pub(super) fn polled<T, E>(&mut self, result: &Result<T, E>, now: Instant) {
        self.is_polling = false;
        match result {
            Ok(_) => self.seen(now),
            Err(_) => self.missed(now),
        }
    }

    /// Notes that the pool was observed, by any kind of read.
    pub(super) fn seen(&mut self, now: Instant) {
        if let Some(active) = &mut self.active {
            active.seen = now;
            active.failures = 0;
        }
    }

    fn missed(&mut self, now: Instant) {
        if let Some(active) = &mut self.active {
            active.next =
                now + Backoff::new(POLL_EVERY, POLL_MAX).delay(active.failures.saturating_sub(4));
            active.failures += 1;
        }
    }

    /// Returns true once, when the pool has not been observed for too long.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        match &mut self.active {
            Some(active) if !active.is_expired && now >= active.seen + EXPIRES_AFTER => {
                active.is_expired = true;
                true
            }
            Some(_) | None => false,
        }
    }

    /// When the pool was last observed, or its level was raised; absent if it is not raised.
    pub(super) fn seen_at(&self) -> Option<Instant> {
        self.active.as_ref().map(|lease| lease.seen)
    }

    /// When the lease expires if the pool is not observed.
    pub(super) fn expires_at(&self) -> Option<Instant> {
        self.active
            .as_ref()
            .filter(|lease| !lease.is_expired)
            .map(|lease| lease.seen + EXPIRES_AFTER)
    }

    /// Whether the level must be lowered before anything else is written.
    pub(super) fn is_expired(&self) -> bool {
        self.active.as_ref().is_some_and(|lease| lease.is_expired)
    }

    /// Whether the pool was observed within [`EXPIRES_AFTER`].
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.active.as_ref().is_some_and(|lease| now < lease.seen + EXPIRES_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Result<(), ()> = Ok(());
    const BAD: Result<(), ()> = Err(());

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_pool_with_a_raised_level_is_polled_every_two_seconds() {
        let start = Instant::now();
        let mut lease = LevelLease::default();
        assert_eq!(lease.poll_at(), None);
        lease.set_position(LevelPosition::Raised, start);
        lease.set_position(LevelPosition::Raised, start + secs(1));
        assert_eq!(lease.poll_at(), Some(start + secs(2)));
        lease.begin_poll(start + secs(2));
        assert_eq!(lease.poll_at(), None, "one at a time");
        lease.polled(&FINE, start + secs(3));
        assert_eq!(lease.poll_at(), Some(start + secs(4)));
        lease.set_position(LevelPosition::AtRest, start + secs(4));
        assert_eq!((lease.poll_at(), lease.expires_at()), (None, None));
    }

    #[test]
    fn the_lease_expires_ten_seconds_after_the_last_observation() {
        let start = Instant::now();
        let mut lease = LevelLease::default();
        lease.set_position(LevelPosition::Raised, start);
        lease.seen(start + secs(3));
        assert_eq!(lease.expires_at(), Some(start + secs(13)));
        assert!(!lease.expire(start + secs(12)));
        assert!(lease.expire(start + secs(13)));
        assert!(!lease.expire(start + secs(14)), "said once");
        lease.seen(start + secs(14));
        assert!(lease.is_expired() && lease.is_fresh(start + secs(15)));
        lease.set_position(LevelPosition::AtRest, start + secs(16));
        assert!(!lease.is_expired());
    }

    #[test]
    fn failing_polls_become_rarer() {
        let start = Instant::now();
        let mut lease = LevelLease::default();
        lease.set_position(LevelPosition::Raised, start);
        let mut waits = Vec::new();
        for _ in 0..10 {
            lease.begin_poll(start);
            lease.polled(&BAD, start);
            waits.push(lease.poll_at().unwrap().duration_since(start).as_secs());
        }
        assert_eq!(waits, [2, 2, 2, 2, 2, 4, 8, 16, 30, 30]);
    }
}
