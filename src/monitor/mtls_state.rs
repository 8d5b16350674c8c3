//! The state of mTLS according to the negative probes, and when to probe again (DESIGN §7).
//!
//! A round of probes results in *enforced*, *not enforced*, *unreachable* or *cannot tell*. With
//! `policy.require_mtls`, nothing is written without a proof. A proof is valid for two hours,
//! unless a later round refutes it.

use std::time::Duration;

use crate::domain::backoff::Backoff;
use crate::domain::proof::Proof;

/// The interval of the rounds while mTLS is proven to be enforced.
pub const EVERY: Duration = Duration::from_hours(1);

/// The wait after the first round without a proof; it doubles up to [`EVERY`]. It is short because
/// the fault may be repaired soon.
pub const SOON: Duration = Duration::from_mins(1);

/// How long a proof is valid while later rounds are inconclusive. One round may thus be missed.
pub const STANDS: Duration = Duration::from_hours(2);

/// The results of the rounds so far. All times are durations since an arbitrary fixed point in
/// time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MtlsState {
    word: Option<Proof>,
    proven_at: Option<Duration>,
    /// Consecutive rounds without a proof.
    failures: u32,
}

impl MtlsState {
    /// Records the result of a round. Returns whether it differs from the previous result.
    pub fn record(&mut self, word: Proof, now: Duration) -> bool {
        match word {
            Proof::Enforced => {
                self.proven_at = Some(now);
                self.failures = 0;
            }
            Proof::NotEnforced => {
                self.proven_at = None;
                self.failures += 1;
            }
            Proof::Unreachable | Proof::CannotTell => self.failures += 1,
        }
        self.word.replace(word) != Some(word)
    }

    /// The time until the next round.
    pub fn pause(&self) -> Duration {
        match self.failures.checked_sub(1) {
            None => EVERY,
            Some(before) => Backoff::new(SOON, EVERY).delay(before),
        }
    }

    /// The result of the last round; `None` before the first.
    pub fn word(&self) -> Option<Proof> {
        self.word
    }

    /// The value of `runnerctl_mtls_enforced`; `None` if the last round was inconclusive.
    pub fn is_enforced(&self) -> Option<bool> {
        match self.word? {
            Proof::Enforced => Some(true),
            Proof::NotEnforced => Some(false),
            Proof::Unreachable | Proof::CannotTell => None,
        }
    }

    /// Why nothing may be written at `now` with `policy.require_mtls`; `None` while a proof is
    /// valid.
    ///
    /// | last result | last proof | writes |
    /// |---|---|---|
    /// | none yet | – | held |
    /// | enforced | younger than [`STANDS`] | allowed |
    /// | not enforced | – | held |
    /// | unreachable, cannot tell | younger than [`STANDS`], not refuted since | allowed |
    /// | any | older, or none | held |
    pub fn holds(&self, now: Duration) -> Option<&'static str> {
        let stands = self.proven_at.is_some_and(|at| now.saturating_sub(at) < STANDS);
        match (stands, self.word) {
            (true, _) => None,
            (false, Some(Proof::NotEnforced)) => Some("mTLS is not enforced"),
            (false, None | Some(Proof::Enforced | Proof::Unreachable | Proof::CannotTell)) => {
                Some("mTLS is not proven to be enforced")
            }
        }
    }

    /// When the current proof expires if it is not renewed.
    pub fn stands_until(&self) -> Option<Duration> {
        self.proven_at.map(|at| at + STANDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Proof::{CannotTell, Enforced, NotEnforced, Unreachable};

    fn hours(hours: u64) -> Duration {
        Duration::from_hours(hours)
    }

    #[test]
    fn a_result_is_reported_when_it_changes() {
        let mut it = MtlsState::default();
        let told: Vec<bool> = [Enforced, Enforced, Unreachable, Unreachable, NotEnforced]
            .into_iter()
            .map(|word| it.record(word, Duration::ZERO))
            .collect();
        assert_eq!(told, [true, false, true, false, true]);
    }

    #[test]
    fn probes_are_hourly_and_more_frequent_after_a_failure() {
        let mut it = MtlsState::default();
        let mut pause = |word| {
            it.record(word, Duration::ZERO);
            it.pause().as_secs() / 60
        };
        assert_eq!(pause(Enforced), 60);
        let waits: Vec<u64> = (0..8).map(|_| pause(Unreachable)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!([pause(Enforced), pause(NotEnforced), pause(NotEnforced)], [60, 1, 2]);
    }

    #[test]
    fn the_gauge_is_absent_while_the_result_is_inconclusive() {
        let mut it = MtlsState::default();
        assert_eq!(it.is_enforced(), None);
        for (word, expected) in [
            (Enforced, Some(true)),
            (Unreachable, None),
            (CannotTell, None),
            (NotEnforced, Some(false)),
        ] {
            it.record(word, Duration::ZERO);
            assert_eq!(it.is_enforced(), expected);
        }
    }

    #[test]
    fn nothing_is_written_without_a_proof_and_a_proof_is_valid_for_two_hours() {
        let held = Some("mTLS is not proven to be enforced");
        let mut it = MtlsState::default();
        assert_eq!(it.holds(hours(0)), held);
        it.record(Unreachable, hours(0));
        assert_eq!(it.holds(hours(0)), held);
        it.record(Enforced, hours(1));
        assert_eq!(it.holds(hours(1)), None);
        it.record(Unreachable, hours(2));
        assert_eq!((it.holds(hours(2)), it.stands_until()), (None, Some(hours(3))));
        assert_eq!(it.holds(hours(3)), held);
        it.record(CannotTell, hours(3));
        assert_eq!(it.holds(hours(3)), held);
        it.record(Enforced, hours(3));
        it.record(NotEnforced, hours(3));
        assert_eq!(it.holds(hours(3)), Some("mTLS is not enforced"));
        it.record(Unreachable, hours(3));
        assert_eq!(it.holds(hours(3)), held, "what was refuted needs a new proof");
    }
}
