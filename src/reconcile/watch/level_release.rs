//! The release of one pool: its level is to be lowered because the loop no longer scales it.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::backoff::Backoff;
use crate::domain::entity::EntityKey;
use crate::reconcile::writer::PoolRef;

/// The delay before the first write: `apply` disables a pool that a replace retires within this
/// time.
pub(super) const WAIT: Duration = Duration::from_secs(2);

/// The shortest and the longest wait after a failed write.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// A level that is to be lowered.
#[derive(Debug, Clone)]
pub(super) struct LevelRelease {
    pub(super) target: PoolRef,
    pub(super) entity: EntityKey,
    /// The level is lowered to this value if it is above.
    pub(super) floor: u32,
    pub(super) not_before: Instant,
    pub(super) failures: u32,
    /// A write is in flight; it may be the last one of the pool's former controller.
    pub(super) is_writing: bool,
}

impl LevelRelease {
    /// Skips the delay, because the loop is stopping.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.not_before = now;
    }

    /// Notes that a write has succeeded.
    pub(super) fn written(&mut self, now: Instant) {
        self.is_writing = false;
        self.not_before = now + RETRY.0;
        self.failures = 0;
    }

    /// Notes that a write has failed; the next one waits.
    pub(super) fn write_failed(&mut self, now: Instant) {
        self.is_writing = false;
        self.not_before = now + Backoff::new(RETRY.0, RETRY.1).delay(self.failures);
        self.failures += 1;
    }
}
