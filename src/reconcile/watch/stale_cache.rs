//! Detects that GARM's loops act on an older level than the one in its database (GARM.md §0.10).

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::backoff::Backoff;
use crate::scaling::Decision;

/// How long a level may exceed GARM's count, with room, before it is sent again. GARM's loop runs
/// four times within it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest wait between two resends.
const PATIENCE_MAX: Duration = Duration::from_mins(5);

/// After this many resends without a new runner the pool counts as stalled: GARM cannot create
/// runners, or GitHub does not let it.
const STALLED: u32 = 2;

/// A runner created this long after the last write cannot be explained by the previous level.
const AFTERMATH: Duration = Duration::from_secs(6);

/// How long a runner must stay unexplained: its explanation may be a late event.
const DOUBT: Duration = Duration::from_secs(5);

/// The signs of a stale cache in one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StaleCacheDetector {
    /// Since when GARM does not create what the level asks for, or since the level was last
    /// written.
    lacks: Option<Instant>,
    /// Since when GARM does not create what the level asks for, regardless of writes.
    lacking_since: Option<Instant>,
    /// The number of the pool's runners at the last decision.
    live: u32,
    /// How many times the level was sent again.
    answers: u32,
    /// Since when there is an unexplained runner.
    puzzled: Option<Instant>,
}

/// How GARM deviates from the level in its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StaleCacheSign {
    /// GARM does not create runners.
    Idle,
    /// GARM creates runners without a reason.
    Busy,
}

impl StaleCacheDetector {
    /// Notes a new runner with its creation time and the time at which the pool's row was last
    /// written, both on GARM's clock.
    pub(super) fn meet(&mut self, created_at: Timestamp, written_at: Timestamp, now: Instant) {
        if written_at.checked_add(AFTERMATH).is_ok_and(|until| until < created_at) {
            self.puzzled.get_or_insert(now);
        }
    }

    /// Compares the pool with its new decision.
    pub(super) fn look(&mut self, decision: &Decision, now: Instant) {
        let inputs = &decision.inputs;
        let is_lacking = inputs.garm_level > inputs.counts.garm_idle && decision.rules.room > 0;
        let grows = inputs.counts.live > self.live;
        self.live = inputs.counts.live;
        if grows || !is_lacking {
            (self.lacks, self.lacking_since, self.answers) = (None, None, 0);
        }
        if is_lacking {
            self.lacks.get_or_insert(now);
            self.lacking_since.get_or_insert(now);
        }
        if inputs.counts.garm_idle <= inputs.garm_level {
            self.puzzled = None;
        }
    }

    /// The sign to act on, and when.
    pub(super) fn due(&self) -> Option<(Instant, StaleCacheSign)> {
        let patience = Backoff::new(PATIENCE, PATIENCE_MAX).delay(self.answers);
        let idle = self.lacks.map(|since| (since + patience, StaleCacheSign::Idle));
        let busy = self.puzzled.map(|since| (since + DOUBT, StaleCacheSign::Busy));
        [idle, busy].into_iter().flatten().min_by_key(|entry| entry.0)
    }

    /// Since when GARM has created none of the runners that the level asks for, once the level was
    /// sent again [`STALLED`] times.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.lacking_since.filter(|_| self.answers >= STALLED)
    }

    /// Notes that the runner has an explanation.
    pub(super) fn explain(&mut self) {
        self.puzzled = None;
    }

    /// Notes that the level was written.
    pub(super) fn written(&mut self, now: Instant) {
        self.puzzled = None;
        // GARM's loop is given the full time again.
        self.lacks = self.lacks.map(|_| now);
    }

    /// Whether the level was sent again because GARM creates no runners.
    pub(super) fn is_answered(&self) -> bool {
        self.lacks.is_some() && self.answers > 0
    }

    /// Notes that the level is sent again.
    pub(super) fn answered(&mut self) {
        self.answers += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::testing::at;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_unexplained_runner_long_after_the_last_write_is_a_sign_if_it_stays() {
        let start = Instant::now();
        let mut stale_cache = StaleCacheDetector::default();
        stale_cache.meet(at(106), at(100), start);
        assert_eq!(stale_cache.due(), None, "the loop may still have seen the level before");
        stale_cache.meet(at(107), at(100), start);
        stale_cache.meet(at(108), at(100), start + secs(3));
        assert_eq!(stale_cache.due(), Some((start + secs(5), StaleCacheSign::Busy)));
        stale_cache.explain();
        assert_eq!(stale_cache.due(), None);
        stale_cache.meet(at(107), at(100), start);
        stale_cache.written(start + secs(1));
        assert_eq!(stale_cache.due(), None, "every write tells GARM's loops");
    }
}
