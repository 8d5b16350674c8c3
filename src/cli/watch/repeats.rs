//! Keeps the log of a busy pool readable: where jobs come by the dozen, a decision is another with
//! each of them, in its numbers and not in what it is about, and the level follows it up and down.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::journal::{Line, Weight};
use super::words;
use crate::domain::name::PoolName;
use crate::engine::watch::{Act, ActEnd, Deed};
use crate::scale::{Decision, Reason};

/// The same is said of a pool once in so long; with `-v` each time.
const QUIET: Duration = Duration::from_secs(10);

/// What a line is about: two of one topic are the same but for their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    /// A decision for this reason.
    Reason(Reason),
    /// The level as it was written.
    Level,
}

/// What of a pool is in force: one decision and one level, whatever the topics were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Decision,
    Level,
}

impl Topic {
    fn slot(self) -> Slot {
        match self {
            Self::Reason(_) => Slot::Decision,
            Self::Level => Slot::Level,
        }
    }
}

/// What was said of each pool, and what waits to be said.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// When a topic was last spoken of.
    said: BTreeMap<PoolName, BTreeMap<Topic, Timestamp>>,
    /// What is in force and was not said, because its topic had just been spoken of.
    held: BTreeMap<(PoolName, Slot), (Topic, Line)>,
}

impl Repeats {
    /// A decision that differs from the one before, as a line. One that repeats the reason given a
    /// moment ago weighs less, and is said later if it is still in force then.
    pub(super) fn decided(&mut self, pool: &PoolName, decision: &Decision) -> Line {
        let line = words::decided(pool, decision);
        self.weigh(pool, Topic::Reason(decision.reason), decision.at, line)
    }

    /// A write as a line. A level that a decision has moved is treated as decisions are; runners,
    /// failures and the end of all pulses are always said.
    pub(super) fn acted(&mut self, act: &Act) -> Line {
        let line = words::acted(act);
        match (&act.deed, &act.end, act.reason) {
            (Deed::Raise { .. } | Deed::Lower { .. }, ActEnd::Done, Some(_)) => {
                self.weigh(&act.pool, Topic::Level, act.at, line)
            }
            (_, _, _) => line,
        }
    }

    fn weigh(&mut self, pool: &PoolName, topic: Topic, at: Timestamp, line: Line) -> Line {
        let place = (pool.clone(), topic.slot());
        self.held.remove(&place);
        if line.weight == Weight::Detail {
            return line;
        }
        if self.is_recent(pool, topic, at) {
            self.held.insert(place, (topic, line.clone()));
            return Line { weight: Weight::Detail, ..line };
        }
        self.say(pool, topic, at);
        line
    }

    /// What has waited long enough by `now`, on the clock of the decisions.
    pub(super) fn overdue(&mut self, now: Timestamp) -> Vec<Line> {
        if self.held.is_empty() {
            return Vec::new();
        }
        let (held, due): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|((pool, _), (topic, _))| self.is_recent(pool, *topic, now));
        self.held = held;
        let say = |((pool, _), (topic, line)): ((PoolName, Slot), (Topic, Line))| {
            self.say(&pool, topic, now);
            line
        };
        due.into_iter().map(say).collect()
    }

    /// Forgets the pools that are not managed any more.
    pub(super) fn keep(&mut self, is_managed: impl Fn(&PoolName) -> bool) {
        self.said.retain(|pool, _| is_managed(pool));
        self.held.retain(|(pool, _), _| is_managed(pool));
    }

    /// Whether this was said a moment ago, or a moment from now: a write ends before the turn that
    /// tells of it. After the clock was set back: no.
    fn is_recent(&self, pool: &PoolName, topic: Topic, now: Timestamp) -> bool {
        let then = self.said.get(pool).and_then(|it| it.get(&topic));
        then.is_some_and(|then| now.duration_since(*then).unsigned_abs() < QUIET)
    }

    fn say(&mut self, pool: &PoolName, topic: Topic, now: Timestamp) {
        self.said.entry(pool.clone()).or_default().insert(topic, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::{PoolId, RunnerName};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn pool() -> PoolName {
        PoolName::new("web").unwrap()
    }

    fn weigh(repeats: &mut Repeats, reason: Reason, second: i64, text: &str) -> Weight {
        let weight = if reason == Reason::Served { Weight::Detail } else { Weight::Note };
        let line = Line::new(weight, "decision", text);
        repeats.weigh(&pool(), Topic::Reason(reason), at(second), line).weight
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

    fn act(deed: Deed, end: ActEnd, reason: Option<Reason>, second: i64) -> Act {
        let pool_id = PoolId::new("1");
        Act { at: at(second), pool: pool(), pool_id, deed, reason, end }
    }

    #[test]
    fn a_level_that_follows_is_said_once_in_ten_seconds_and_where_it_ended() {
        let mut repeats = Repeats::default();
        let pressure = Some(Reason::Pressure);
        let moved = |repeats: &mut Repeats, deed, second| {
            repeats.acted(&act(deed, ActEnd::Done, pressure, second)).weight
        };
        assert_eq!(moved(&mut repeats, Deed::Raise { from: 0, to: 5 }, 0), Weight::Note);
        assert_eq!(moved(&mut repeats, Deed::Lower { from: 5, to: 0 }, 2), Weight::Detail);
        weigh(&mut repeats, Reason::Served, 3, "a decision is something else");
        assert_eq!(texts(repeats.overdue(at(10))), ["level lowered from 5 to 0"]);
        assert_eq!(moved(&mut repeats, Deed::Raise { from: 0, to: 1 }, 9), Weight::Detail);
    }

    #[test]
    fn what_failed_what_became_of_runners_and_the_end_of_pulses_are_always_said() {
        let mut repeats = Repeats::default();
        let pressure = Some(Reason::Pressure);
        let raise = || Deed::Raise { from: 0, to: 5 };
        let retire = || Deed::Retire { runner: RunnerName::new("r") };
        let failed = || ActEnd::Failed("409".into());
        for _ in 0..2 {
            let mut weight = |it| repeats.acted(&it).weight;
            assert_eq!(weight(act(raise(), failed(), pressure, 0)), Weight::Warning);
            assert_eq!(weight(act(retire(), ActEnd::Done, Some(Reason::Idle), 0)), Weight::Note);
            assert_eq!(weight(act(raise(), ActEnd::Done, None, 0)), Weight::Note);
        }
    }
}
