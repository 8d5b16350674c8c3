//! Throttles the log of a busy pool: with dozens of jobs, each job changes the numbers of the
//! decision but not its reason, and the level moves up and down.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::log::LogLine;
use tracing::Level;

use super::log_lines;
use crate::domain::name::PoolName;
use crate::reconcile::watch::{WriteAction, WriteOutcome, WriteReport, Writes};
use crate::scaling::{Decision, Reason};

/// Shortest time between two lines about one topic of a pool, unless `-v` is given.
const QUIET: Duration = Duration::from_secs(10);

/// The subject of a line: lines about one topic differ only in their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    /// A decision with this reason.
    Reason(Reason),
    /// A write of the level.
    Level,
}

/// Whether lines about the same topic are held back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum ThrottleMode {
    /// One line about a topic in [`QUIET`].
    #[default]
    Usual,
    /// Every line is logged (`-v`).
    All,
}

/// When each topic was logged, and the lines that are held back.
#[derive(Debug, Default)]
pub(super) struct LogThrottle {
    throttle_mode: ThrottleMode,
    /// When each topic was last logged.
    said: BTreeMap<PoolName, BTreeMap<Topic, Timestamp>>,
    /// The current decision, if its line was held back because its reason had just been logged.
    held: BTreeMap<PoolName, (Reason, LogLine)>,
    /// Writes of the level that have not been logged yet.
    moves: BTreeMap<PoolName, LevelMoves>,
}

/// Consecutive writes of one pool's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LevelMoves {
    /// The level before the first write.
    from: u32,
    /// The level after the last write.
    to: u32,
    writes: u32,
}

impl LogThrottle {
    pub(super) fn new(throttle_mode: ThrottleMode) -> Self {
        Self { throttle_mode, ..Self::default() }
    }

    /// The line of a decision that differs from the previous one. If its reason was logged within
    /// [`QUIET`], the line gets the level debug and is logged later if the decision still applies
    /// then.
    pub(super) fn decided(
        &mut self,
        pool: &PoolName,
        decision: &Decision,
        applied: Writes,
    ) -> LogLine {
        let line = log_lines::decided(pool, decision, applied);
        self.weigh(pool, decision.reason, decision.at, line)
    }

    /// The line of a decision that is not applied although others are. Drops the held line of the
    /// previous decision.
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

    /// The line of a write. Moves of the level are throttled as decisions are; removals, failures
    /// and the end of all raised levels are always logged. Each line about the level starts from
    /// the level at which the previous one ended, so that it covers the writes between the two.
    pub(super) fn acted(&mut self, act: &WriteReport) -> LogLine {
        let (WriteAction::Raise { from, to } | WriteAction::Lower { from, to }) = act.action else {
            return log_lines::acted(act);
        };
        if act.outcome != Ok(WriteOutcome::Done) {
            return log_lines::acted(act);
        }
        let before = self.moves.remove(&act.pool);
        let moves = match before {
            Some(moves) => LevelMoves { to, writes: moves.writes + 1, ..moves },
            None => LevelMoves { from, to, writes: 1 },
        };
        if act.reason.is_some() && self.is_recent(&act.pool, Topic::Level, act.at) {
            self.moves.insert(act.pool.clone(), moves);
            return LogLine { level: Level::DEBUG, ..log_lines::acted(act) };
        }
        self.say(&act.pool, Topic::Level, act.at);
        LogLine { text: moves.text(), ..log_lines::acted(act) }
    }

    /// The held lines that are due at `now`, on the clock of the decisions.
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

    /// Forgets the pools that are no longer managed.
    pub(super) fn keep(&mut self, is_managed: impl Fn(&PoolName) -> bool) {
        self.said.retain(|pool, _| is_managed(pool));
        self.held.retain(|pool, _| is_managed(pool));
        self.moves.retain(|pool, _| is_managed(pool));
    }

    /// Whether the topic was logged within [`QUIET`] of `now`, before or after: a write may end
    /// before the evaluation that reports it. After the clock was set back by more: no.
    fn is_recent(&self, pool: &PoolName, topic: Topic, now: Timestamp) -> bool {
        let said = self.said.get(pool).and_then(|topics| topics.get(&topic));
        self.throttle_mode == ThrottleMode::Usual
            && said.is_some_and(|at| now.duration_since(*at).unsigned_abs() < QUIET)
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
        lines.into_iter().map(|line| line.text).collect()
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
    fn a_held_line_is_logged_if_the_decision_still_applies() {
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
    fn a_held_line_is_dropped_if_the_decision_has_changed() {
        let mut repeats = LogThrottle::default();
        weigh(&mut repeats, Reason::Pressure, 0, "starts 1");
        weigh(&mut repeats, Reason::Pressure, 1, "starts 2");
        weigh(&mut repeats, Reason::Served, 2, "each job has a runner");
        assert_eq!(texts(repeats.overdue(at(60))), [""; 0]);
    }

    #[test]
    fn a_clock_that_was_set_back_silences_no_line() {
        let mut repeats = LogThrottle::default();
        weigh(&mut repeats, Reason::Pressure, 3_600, "starts 1");
        assert_eq!(weigh(&mut repeats, Reason::Pressure, 5, "starts 2"), Level::INFO);
    }

    #[test]
    fn a_pool_that_is_gone_leaves_no_state() {
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
    fn moves_of_the_level_are_logged_once_in_ten_seconds_with_the_last_level() {
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
    fn each_line_about_the_level_starts_from_the_previous_one() {
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
            said.extend(Some(line).filter(|line| line.level < Level::DEBUG).map(|line| line.text));
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
    fn a_level_that_returns_to_the_logged_value_is_not_logged_again() {
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
    fn with_v_every_line_is_logged() {
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
    fn failures_removals_and_the_end_of_pulses_are_always_logged() {
        let mut repeats = LogThrottle::default();
        let pressure = Some(Reason::Pressure);
        let raise = || WriteAction::Raise { from: 0, to: 5 };
        let retire = || WriteAction::Retire { runner: RunnerName::new("r") };
        let failed = || Err("409".into());
        for _ in 0..2 {
            let mut level = |report| repeats.acted(&report).level;
            assert_eq!(level(act(raise(), failed(), pressure, 0)), Level::WARN);
            assert_eq!(
                level(act(retire(), Ok(WriteOutcome::Done), Some(Reason::Idle), 0)),
                Level::INFO
            );
            assert_eq!(level(act(raise(), Ok(WriteOutcome::Done), None, 0)), Level::INFO);
        }
    }
}
