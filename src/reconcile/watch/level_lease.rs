//! The leash on a pulse: somebody looks at how it ends, events or not.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::backoff::Backoff;

/// Between two looks at a pool with a raised level.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// After so long without a look a raised level must not stay.
pub(super) const SLACK: Duration = Duration::from_secs(10);

/// Longest wait between two looks once they fail.
const LOOK_MAX: Duration = Duration::from_secs(30);

/// The looks at one pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct LevelLease {
    /// Set while the pool's level is raised.
    taut: Option<ActiveLease>,
    is_looking: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ActiveLease {
    /// When the pool was last seen, or the level raised.
    seen: Instant,
    next: Instant,
    failures: u32,
    /// It was not seen for [`SLACK`]: the next write lowers the level.
    is_slack: bool,
}

/// Whether a pool's level is above the one that it rests at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raised {
    Yes,
    No,
}

impl LevelLease {
    /// The level is raised, or not any more.
    pub(super) fn hold(&mut self, raised: Raised, now: Instant) {
        match raised {
            Raised::No => self.taut = None,
            Raised::Yes => {
                self.taut.get_or_insert(ActiveLease {
                    seen: now,
                    next: now + LOOK,
                    failures: 0,
                    is_slack: false,
                });
            }
        }
    }

    /// When the next look is due, if one is.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.taut.as_ref().filter(|_| !self.is_looking).map(|it| it.next)
    }

    /// A look begins.
    pub(super) fn look(&mut self, now: Instant) {
        self.is_looking = true;
        if let Some(taut) = &mut self.taut {
            taut.next = now + LOOK;
        }
    }

    /// A look has ended, well or not.
    pub(super) fn looked<T, E>(&mut self, result: &Result<T, E>, now: Instant) {
        self.is_looking = false;
        match result {
            Ok(_) => self.saw(now),
            Err(_) => self.missed(now),
        }
    }

    /// The pool was seen, by whatever read.
    pub(super) fn saw(&mut self, now: Instant) {
        if let Some(taut) = &mut self.taut {
            taut.seen = now;
            taut.failures = 0;
        }
    }

    fn missed(&mut self, now: Instant) {
        if let Some(taut) = &mut self.taut {
            taut.next = now + Backoff::new(LOOK, LOOK_MAX).delay(taut.failures.saturating_sub(4));
            taut.failures += 1;
        }
    }

    /// Says once that the pool has not been seen for too long.
    pub(super) fn slackens(&mut self, now: Instant) -> bool {
        match &mut self.taut {
            Some(taut) if !taut.is_slack && now >= taut.seen + SLACK => {
                taut.is_slack = true;
                true
            }
            Some(_) | None => false,
        }
    }

    /// When it slackens if nothing is seen.
    pub(super) fn slackens_at(&self) -> Option<Instant> {
        self.taut.as_ref().filter(|it| !it.is_slack).map(|it| it.seen + SLACK)
    }

    /// Whether the level must be lowered before anything else.
    pub(super) fn is_slack(&self) -> bool {
        self.taut.as_ref().is_some_and(|it| it.is_slack)
    }

    /// Whether the pool was seen a moment ago.
    pub(super) fn sees(&self, now: Instant) -> bool {
        self.taut.as_ref().is_some_and(|it| now < it.seen + SLACK)
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
    fn a_raised_level_is_looked_at_every_two_seconds() {
        let start = Instant::now();
        let mut leash = LevelLease::default();
        assert_eq!(leash.look_at(), None);
        leash.hold(Raised::Yes, start);
        leash.hold(Raised::Yes, start + secs(1));
        assert_eq!(leash.look_at(), Some(start + secs(2)));
        leash.look(start + secs(2));
        assert_eq!(leash.look_at(), None, "one at a time");
        leash.looked(&FINE, start + secs(3));
        assert_eq!(leash.look_at(), Some(start + secs(4)));
        leash.hold(Raised::No, start + secs(4));
        assert_eq!((leash.look_at(), leash.slackens_at()), (None, None));
    }

    #[test]
    fn ten_seconds_without_a_look_make_it_slack_until_the_level_is_down() {
        let start = Instant::now();
        let mut leash = LevelLease::default();
        leash.hold(Raised::Yes, start);
        leash.saw(start + secs(3));
        assert_eq!(leash.slackens_at(), Some(start + secs(13)));
        assert!(!leash.slackens(start + secs(12)));
        assert!(leash.slackens(start + secs(13)));
        assert!(!leash.slackens(start + secs(14)), "said once");
        leash.saw(start + secs(14));
        assert!(leash.is_slack() && leash.sees(start + secs(15)));
        leash.hold(Raised::No, start + secs(16));
        assert!(!leash.is_slack());
    }

    #[test]
    fn looks_that_fail_come_rarer_after_a_while() {
        let start = Instant::now();
        let mut leash = LevelLease::default();
        leash.hold(Raised::Yes, start);
        let mut waits = Vec::new();
        for _ in 0..10 {
            leash.look(start);
            leash.looked(&BAD, start);
            waits.push(leash.look_at().unwrap().duration_since(start).as_secs());
        }
        assert_eq!(waits, [2, 2, 2, 2, 2, 4, 8, 16, 30, 30]);
    }
}
