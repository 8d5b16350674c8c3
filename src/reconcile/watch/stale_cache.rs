//! Signs that GARM's loops act on an older level than the one in its database (GARM.md §0.10).

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::domain::backoff::Backoff;
use crate::scaling::Decision;

/// A level above what GARM counts, with room, for so long without a break: GARM's loop has come by
/// four times.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest wait between two answers to one sign.
const PATIENCE_MAX: Duration = Duration::from_mins(5);

/// A level sent again so often, without a runner that came, is a state of the pool: GARM cannot, or
/// GitHub does not let it.
const STALLED: u32 = 2;

/// A runner made so long after the last write cannot be explained by the level before it.
const AFTERMATH: Duration = Duration::from_secs(6);

/// A runner that nothing explains must stay so for as long: its explanation may be an event that
/// is late.
const DOUBT: Duration = Duration::from_secs(5);

/// The signs in one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StaleCacheDetector {
    /// Since when GARM does not build what the level asks for, or since the level was last written.
    lacks: Option<Instant>,
    /// The same, whatever was written meanwhile.
    lacking_since: Option<Instant>,
    /// The pool's runners when they were last looked at.
    live: u32,
    /// How often that has been answered.
    answers: u32,
    /// Since when there is a runner that nothing explains.
    puzzled: Option<Instant>,
}

/// What the signs say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StaleCacheSign {
    /// GARM does not build.
    Idle,
    /// GARM builds, and has no reason to.
    Busy,
}

impl StaleCacheDetector {
    /// A runner has come into sight that was created at this time, in a pool whose row was last
    /// written at that one, both on GARM's clock.
    pub(super) fn meet(&mut self, created_at: Timestamp, written_at: Timestamp, now: Instant) {
        if written_at.checked_add(AFTERMATH).is_ok_and(|it| it < created_at) {
            self.puzzled.get_or_insert(now);
        }
    }

    /// How the pool stands by its decision.
    pub(super) fn look(&mut self, decision: &Decision, now: Instant) {
        let inputs = &decision.inputs;
        let is_lacking = inputs.garm_level > inputs.census.garm_idle && decision.rules.room > 0;
        let grows = inputs.census.live > self.live;
        self.live = inputs.census.live;
        if grows || !is_lacking {
            (self.lacks, self.lacking_since, self.answers) = (None, None, 0);
        }
        if is_lacking {
            self.lacks.get_or_insert(now);
            self.lacking_since.get_or_insert(now);
        }
        if inputs.census.garm_idle <= inputs.garm_level {
            self.puzzled = None;
        }
    }

    /// What is to be answered, and when.
    pub(super) fn due(&self) -> Option<(Instant, StaleCacheSign)> {
        let patience = Backoff::new(PATIENCE, PATIENCE_MAX).delay(self.answers);
        let idle = self.lacks.map(|it| (it + patience, StaleCacheSign::Idle));
        let busy = self.puzzled.map(|it| (it + DOUBT, StaleCacheSign::Busy));
        [idle, busy].into_iter().flatten().min_by_key(|it| it.0)
    }

    /// Since when GARM builds nothing of what the level asks for, once the level was sent again
    /// [`STALLED`] times.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.lacking_since.filter(|_| self.answers >= STALLED)
    }

    /// There is an explanation after all.
    pub(super) fn explain(&mut self) {
        self.puzzled = None;
    }

    /// The level was written.
    pub(super) fn written(&mut self, now: Instant) {
        self.puzzled = None;
        // GARM's loop has its time again.
        self.lacks = self.lacks.map(|_| now);
    }

    /// Whether the level was sent again because GARM builds nothing.
    pub(super) fn is_answered(&self) -> bool {
        self.lacks.is_some() && self.answers > 0
    }

    /// The signs were answered.
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
    fn a_runner_made_long_after_the_last_write_is_a_sign_once_it_stays() {
        let start = Instant::now();
        let mut healing = StaleCacheDetector::default();
        healing.meet(at(106), at(100), start);
        assert_eq!(healing.due(), None, "the loop may still have seen the level before");
        healing.meet(at(107), at(100), start);
        healing.meet(at(108), at(100), start + secs(3));
        assert_eq!(healing.due(), Some((start + secs(5), StaleCacheSign::Busy)));
        healing.explain();
        assert_eq!(healing.due(), None);
        healing.meet(at(107), at(100), start);
        healing.written(start + secs(1));
        assert_eq!(healing.due(), None, "every write tells GARM's loops");
    }
}
