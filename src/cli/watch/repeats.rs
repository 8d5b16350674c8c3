//! Keeps the log of a busy pool readable: where jobs come by the dozen, a decision is another with
//! each of them, in its numbers and not in what it is about.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::journal::{Line, Weight};
use super::words;
use crate::domain::name::PoolName;
use crate::scale::{Decision, Reason};

/// The same is said of a pool once in so long; with `-v` each time.
const QUIET: Duration = Duration::from_secs(10);

/// What was said of each pool, and what waits to be said.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// When a reason was last given.
    said: BTreeMap<PoolName, BTreeMap<Reason, Timestamp>>,
    /// The decision in force, where it was not said because its reason had just been given.
    held: BTreeMap<PoolName, (Reason, Line)>,
}

impl Repeats {
    /// A decision that differs from the one before, as a line. One that repeats the reason given a
    /// moment ago weighs less, and is said later if it is still in force then.
    pub(super) fn decided(&mut self, pool: &PoolName, decision: &Decision) -> Line {
        self.weigh(pool, decision.reason, decision.at, words::decided(pool, decision))
    }

    fn weigh(&mut self, pool: &PoolName, reason: Reason, at: Timestamp, line: Line) -> Line {
        self.held.remove(pool);
        if line.weight == Weight::Detail {
            return line;
        }
        if self.is_recent(pool, reason, at) {
            self.held.insert(pool.clone(), (reason, line.clone()));
            return Line { weight: Weight::Detail, ..line };
        }
        self.say(pool, reason, at);
        line
    }

    /// What has waited long enough by `now`, on the clock of the decisions.
    pub(super) fn overdue(&mut self, now: Timestamp) -> Vec<Line> {
        if self.held.is_empty() {
            return Vec::new();
        }
        let (held, due): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(pool, (reason, _))| self.is_recent(pool, *reason, now));
        self.held = held;
        let say = |(pool, (reason, line)): (PoolName, (Reason, Line))| {
            self.say(&pool, reason, now);
            line
        };
        due.into_iter().map(say).collect()
    }

    /// Forgets the pools that are not managed any more.
    pub(super) fn keep(&mut self, is_managed: impl Fn(&PoolName) -> bool) {
        self.said.retain(|pool, _| is_managed(pool));
        self.held.retain(|pool, _| is_managed(pool));
    }

    /// Whether this was said a moment ago. After the clock was set back: no.
    fn is_recent(&self, pool: &PoolName, reason: Reason, now: Timestamp) -> bool {
        let then = self.said.get(pool).and_then(|it| it.get(&reason));
        then.is_some_and(|then| {
            Duration::try_from(now.duration_since(*then)).is_ok_and(|it| it < QUIET)
        })
    }

    fn say(&mut self, pool: &PoolName, reason: Reason, now: Timestamp) {
        self.said.entry(pool.clone()).or_default().insert(reason, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn pool() -> PoolName {
        PoolName::new("web").unwrap()
    }

    fn weigh(repeats: &mut Repeats, reason: Reason, second: i64, text: &str) -> Weight {
        let weight = if reason == Reason::Served { Weight::Detail } else { Weight::Note };
        repeats.weigh(&pool(), reason, at(second), Line::new(weight, "decision", text)).weight
    }

    fn texts(lines: Vec<Line>) -> Vec<String> {
        lines.into_iter().map(|it| it.text).collect()
    }

    #[test]
    fn a_reason_is_given_once_in_ten_seconds() {
        let mut repeats = Repeats::default();
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 0, "starts 1"), Weight::Note);
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 1, "starts 2"), Weight::Detail);
        assert_eq!(weigh(&mut repeats, Reason::MaxRunners, 2, "no room"), Weight::Note);
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 9, "starts 3"), Weight::Detail);
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 10, "starts 4"), Weight::Note);
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 11, "starts 5"), Weight::Detail);
    }

    #[test]
    fn the_last_word_is_said_when_it_is_still_in_force() {
        let mut repeats = Repeats::default();
        weigh(&mut repeats, Reason::Pressure, 0, "starts 1");
        weigh(&mut repeats, Reason::Pressure, 1, "starts 2");
        weigh(&mut repeats, Reason::Pressure, 2, "starts 16");
        assert_eq!(texts(repeats.overdue(at(9))), [""; 0]);
        assert_eq!(texts(repeats.overdue(at(10))), ["starts 16"]);
        assert_eq!(texts(repeats.overdue(at(30))), [""; 0]);
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 19, "starts 17"), Weight::Detail);
    }

    #[test]
    fn what_is_in_force_no_more_is_not_said() {
        let mut repeats = Repeats::default();
        weigh(&mut repeats, Reason::Pressure, 0, "starts 1");
        weigh(&mut repeats, Reason::Pressure, 1, "starts 2");
        weigh(&mut repeats, Reason::Served, 2, "each job has a runner");
        assert_eq!(texts(repeats.overdue(at(60))), [""; 0]);
    }

    #[test]
    fn a_clock_that_was_set_back_silences_nobody() {
        let mut repeats = Repeats::default();
        weigh(&mut repeats, Reason::Pressure, 3_600, "starts 1");
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 5, "starts 2"), Weight::Note);
    }

    #[test]
    fn a_pool_that_is_gone_leaves_nothing() {
        let mut repeats = Repeats::default();
        weigh(&mut repeats, Reason::Pressure, 0, "starts 1");
        weigh(&mut repeats, Reason::Pressure, 1, "starts 2");
        repeats.keep(|_| false);
        assert_eq!(texts(repeats.overdue(at(60))), [""; 0]);
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 2, "starts 1"), Weight::Note);
    }
}
