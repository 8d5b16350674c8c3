//! Throttles the log of a busy pool: with dozens of jobs, each new job changes the numbers of the
//! decision but not its reason, and the level follows up and down.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::log::LogLine;
use tracing::Level;

use super::log_lines;
use crate::domain::name::PoolName;
use crate::reconcile::watch::{WriteAction, WriteOutcome, WriteReport, Writes};
use crate::scaling::{Decision, Reason};

/// A topic of a pool is logged once in this time; with `-v` each time.
const QUIET: Duration = Duration::from_secs(10);

/// What a line is about: two of one topic are the same but for their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    /// A decision for this reason.
    Reason(Reason),
    /// The level as it was written.
    Level,
}

/// Whether repeats are suppressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ThrottleMode {
    /// The same once in [`QUIET`].
    #[default]
    Usual,
    /// Every line is logged (`-v`).
    All,
}

/// What was said of each pool, and what waits to be said.
#[derive(Debug, Default)]
pub(super) struct LogThrottle {
    volume: ThrottleMode,
    /// When a topic was last spoken of.
    said: BTreeMap<PoolName, BTreeMap<Topic, Timestamp>>,
    /// The decision in force where it was not said, because its reason had just been given.
    held: BTreeMap<PoolName, (Reason, LogLine)>,
    /// Writes of the level that were not said yet.
    moves: BTreeMap<PoolName, LevelMoves>,
}

/// Writes of one pool's level, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LevelMoves {
    /// The level before the first.
    from: u32,
    /// The level after the last.
    to: u32,
    writes: u32,
}

impl LogThrottle {
    pub(super) fn new(volume: ThrottleMode) -> Self {
        Self { volume, ..Self::default() }
    }

    /// A decision that differs from the one before, as a line. One that repeats the reason given a
    /// moment ago weighs less, and is said later if it is still in force then.
    pub(super) fn decided(
        &mut self,
        pool: &PoolName,
        decision: &Decision,
        applied: Writes,
    ) -> LogLine {
        let line = log_lines::decided(pool, decision, applied);
        self.weigh(pool, decision.reason, decision.at, line)
    }

    /// A decision that is not written although others are, as a line: what was to be said of the
    /// one before is void.
    pub(super) fn withheld(&mut self, pool: &PoolName, decision: &Decision) -> LogLine {
        self.held.remove(pool);
        LogLine { level: Level::DEBUG, ..log_lines::decided(pool, decision, Writes::Withheld) }
    }

    fn weigh(&mut self, pool: &PoolName, reason: Reason, at: Timestamp, line: LogLine) -> LogLine {
        self.held.remove(pool);
        if line.level == Level::DEBUG {
            return line;
        }
        if self.is_recent(pool, Topic::Reason(reason), at) {
            self.held.insert(pool.clone(), (reason, line.clone()));
            return LogLine { level: Level::DEBUG, ..line };
        }
        self.say(pool, Topic::Reason(reason), at);
        line
    }

    /// A write as a line. A level that a decision has moved is treated as decisions are; runners,
    /// failures and the end of all raised levels are always said. A line about the level begins where the
    /// last one ended, whatever was written between them.
    pub(super) fn acted(&mut self, act: &WriteReport) -> LogLine {
        let (WriteAction::Raise { from, to } | WriteAction::Lower { from, to }) = act.action else {
            return log_lines::acted(act);
        };
        if act.outcome != Ok(WriteOutcome::Done) {
            return log_lines::acted(act);
        }
        let before = self.moves.remove(&act.pool);
        let moves = match before {
            Some(it) => LevelMoves { to, writes: it.writes + 1, ..it },
            None => LevelMoves { from, to, writes: 1 },
        };
        if act.reason.is_some() && self.is_recent(&act.pool, Topic::Level, act.at) {
            self.moves.insert(act.pool.clone(), moves);
            return LogLine { level: Level::DEBUG, ..log_lines::acted(act) };
        }
        self.say(&act.pool, Topic::Level, act.at);
        LogLine { text: moves.text(), ..log_lines::acted(act) }
    }

    /// What has waited long enough by `now`, on the clock of the decisions.
    pub(super) fn overdue(&mut self, now: Timestamp) -> Vec<LogLine> {
        let mut lines = Vec::new();
        for (pool, (reason, line)) in std::mem::take(&mut self.held) {
            if self.is_recent(&pool, Topic::Reason(reason), now) {
                self.held.insert(pool, (reason, line));
            } else {
                self.say(&pool, Topic::Reason(reason), now);
                lines.push(line);
            }
        }
        for (pool, moves) in std::mem::take(&mut self.moves) {
            if self.is_recent(&pool, Topic::Level, now) {
                self.moves.insert(pool, moves);
            } else if moves.from != moves.to {
                self.say(&pool, Topic::Level, now);
                lines.push(LogLine::info("action", moves.text()).of(&pool));
            }
        }
        lines
    }

    /// Forgets the pools that are not managed any more.
    pub(super) fn keep(&mut self, is_managed: impl Fn(&PoolName) -> bool) {
        self.said.retain(|pool, _| is_managed(pool));
        self.held.retain(|pool, _| is_managed(pool));
        self.moves.retain(|pool, _| is_managed(pool));
    }

    /// Whether this was said a moment ago, or a moment from now: a write ends before the turn that
    /// tells of it. After the clock was set back: no.
    fn is_recent(&self, pool: &PoolName, topic: Topic, now: Timestamp) -> bool {
        let said = self.said.get(pool).and_then(|it| it.get(&topic));
        self.volume == ThrottleMode::Usual
            && said.is_some_and(|it| now.duration_since(*it).unsigned_abs() < QUIET)
    }

    fn say(&mut self, pool: &PoolName, topic: Topic, now: Timestamp) {
        self.said.entry(pool.clone()).or_default().insert(topic, now);
    }
}

impl LevelMoves {
    fn text(self) -> String {
        match self.from == self.to {
            true => format!("level is {} again after {} writes", self.to, self.writes),
            false => log_lines::moved((self.from, self.to), self.writes, &Ok(WriteOutcome::Done)),
        }
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

    fn weigh(repeats: &mut LogThrottle, reason: Reason, second: i64, text: &str) -> Level {
        let level = if reason == Reason::Served { Level::DEBUG } else { Level::INFO };
        let line = LogLine::new(level, "decision", text);
        repeats.weigh(&pool(), reason, at(second), line).level
    }

    fn texts(lines: Vec<LogLine>) -> Vec<String> {
        lines.into_iter().map(|it| it.text).collect()
    }

    #[test]
    fn a_reason_is_given_once_in_ten_seconds() {
        let mut repeats = LogThrottle::default();
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 0, "starts 1"), Level::INFO);
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 1, "starts 2"), Level::DEBUG);
        assert_eq!(weigh(&mut repeats, Reason::MaxRunners, 2, "no room"), Level::INFO);
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 9, "starts 3"), Level::DEBUG);
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 10, "starts 4"), Level::INFO);
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 11, "starts 5"), Level::DEBUG);
    }

    #[test]
    fn the_last_word_is_said_when_it_is_still_in_force() {
        let mut repeats = LogThrottle::default();
        weigh(&mut repeats, Reason::Pressure, 0, "starts 1");
        weigh(&mut repeats, Reason::Pressure, 1, "starts 2");
        weigh(&mut repeats, Reason::Pressure, 2, "starts 16");
        assert_eq!(texts(repeats.overdue(at(9))), [""; 0]);
        assert_eq!(texts(repeats.overdue(at(10))), ["starts 16"]);
        assert_eq!(texts(repeats.overdue(at(30))), [""; 0]);
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 19, "starts 17"), Level::DEBUG);
    }

    #[test]
    fn what_is_in_force_no_more_is_not_said() {
        let mut repeats = LogThrottle::default();
        weigh(&mut repeats, Reason::Pressure, 0, "starts 1");
        weigh(&mut repeats, Reason::Pressure, 1, "starts 2");
        weigh(&mut repeats, Reason::Served, 2, "each job has a runner");
        assert_eq!(texts(repeats.overdue(at(60))), [""; 0]);
    }

    #[test]
    fn a_clock_that_was_set_back_silences_nobody() {
        let mut repeats = LogThrottle::default();
        weigh(&mut repeats, Reason::Pressure, 3_600, "starts 1");
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 5, "starts 2"), Level::INFO);
    }

    #[test]
    fn a_pool_that_is_gone_leaves_nothing() {
        let mut repeats = LogThrottle::default();
        weigh(&mut repeats, Reason::Pressure, 0, "starts 1");
        weigh(&mut repeats, Reason::Pressure, 1, "starts 2");
        repeats.keep(|_| false);
        assert_eq!(texts(repeats.overdue(at(60))), [""; 0]);
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 2, "starts 1"), Level::INFO);
    }

    fn act(
        action: WriteAction,
        outcome: Result<WriteOutcome, String>,
        reason: Option<Reason>,
        second: i64,
    ) -> WriteReport {
        let pool_id = PoolId::new("1");
        WriteReport { at: at(second), pool: pool(), pool_id, action, reason, outcome }
    }

    #[test]
    fn a_level_that_follows_is_said_once_in_ten_seconds_and_where_it_ended() {
        let mut repeats = LogThrottle::default();
        let pressure = Some(Reason::Pressure);
        let moved = |repeats: &mut LogThrottle, action, second| {
            repeats.acted(&act(action, Ok(WriteOutcome::Done), pressure, second)).level
        };
        assert_eq!(moved(&mut repeats, WriteAction::Raise { from: 0, to: 5 }, 0), Level::INFO);
        assert_eq!(moved(&mut repeats, WriteAction::Lower { from: 5, to: 0 }, 2), Level::DEBUG);
        weigh(&mut repeats, Reason::Served, 3, "a decision is something else");
        assert_eq!(texts(repeats.overdue(at(10))), ["level lowered from 5 to 0"]);
        assert_eq!(moved(&mut repeats, WriteAction::Raise { from: 0, to: 1 }, 9), Level::DEBUG);
    }

    /// The numbers of what is said, one line after the other.
    #[test]
    fn each_line_about_the_level_begins_where_the_one_before_ended() {
        let mut repeats = LogThrottle::default();
        let mut said = Vec::new();
        let levels = [0, 5, 0, 3, 2, 7, 7, 1];
        for (second, move_) in (0..).zip(levels.windows(2)) {
            let (from, to) = (move_[0], move_[1]);
            let action = if to > from {
                WriteAction::Raise { from, to }
            } else {
                WriteAction::Lower { from, to }
            };
            let reason = Some(Reason::Pressure).filter(|_| second < 6);
            let line = repeats.acted(&act(action, Ok(WriteOutcome::Done), reason, second * 4));
            said.extend(Some(line).filter(|it| it.level < Level::DEBUG).map(|it| it.text));
        }
        let expected = [
            "level raised from 0 to 5",
            "level lowered from 5 to 2 by 3 writes",
            "level lowered from 2 to 1 by 3 writes",
        ];
        assert_eq!(said, expected);
        assert_eq!(texts(repeats.overdue(at(60))), [""; 0]);
    }

    #[test]
    fn a_level_that_is_back_where_it_was_said_to_be_is_not_said_again() {
        let mut repeats = LogThrottle::default();
        let pressure = Some(Reason::Pressure);
        for (second, (from, to)) in (0..).zip([(0, 5), (5, 0), (0, 5)]) {
            let action = if to > from {
                WriteAction::Raise { from, to }
            } else {
                WriteAction::Lower { from, to }
            };
            repeats.acted(&act(action, Ok(WriteOutcome::Done), pressure, second));
        }
        assert_eq!(texts(repeats.overdue(at(60))), [""; 0]);
    }

    #[test]
    fn all_is_said_where_all_is_asked_for() {
        let mut repeats = LogThrottle::new(ThrottleMode::All);
        for second in 0..3 {
            assert_eq!(weigh(&mut repeats, Reason::Pressure, second, "starts 1"), Level::INFO);
            let action = WriteAction::Raise { from: 0, to: 5 };
            let line =
                repeats.acted(&act(action, Ok(WriteOutcome::Done), Some(Reason::Pressure), second));
            assert_eq!(line.level, Level::INFO);
        }
        assert_eq!(texts(repeats.overdue(at(60))), [""; 0]);
    }

    #[test]
    fn what_failed_what_became_of_runners_and_the_end_of_pulses_are_always_said() {
        let mut repeats = LogThrottle::default();
        let pressure = Some(Reason::Pressure);
        let raise = || WriteAction::Raise { from: 0, to: 5 };
        let retire = || WriteAction::Retire { runner: RunnerName::new("r") };
        let failed = || Err("409".into());
        for _ in 0..2 {
            let mut level = |it| repeats.acted(&it).level;
            assert_eq!(level(act(raise(), failed(), pressure, 0)), Level::WARN);
            assert_eq!(
                level(act(retire(), Ok(WriteOutcome::Done), Some(Reason::Idle), 0)),
                Level::INFO
            );
            assert_eq!(level(act(raise(), Ok(WriteOutcome::Done), None, 0)), Level::INFO);
        }
    }
}
