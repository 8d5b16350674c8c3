//! One log line per pool and interval: waiting jobs, runners, started and removed runners, the
//! level before and after, and the decision. `-v` adds a line for each decision and each write.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tracing::Level;

use super::log_lines;
use crate::cli::log::{LogFields, LogLine};
use crate::domain::name::{PoolId, PoolName};
use crate::reconcile::watch::{LoopSnapshot, WriteAction, WriteOutcome, WriteReport};
use crate::render::decision::{DecisionEffect, Mood, PoolInterval, interval};
use crate::scaling::{Decision, Direction, Reason, RunnerTransition};

/// Shortest time between two lines about a pool, except for a warning with another reason than that
/// of the previous line.
const INTERVAL: SignedDuration = SignedDuration::from_secs(30);

/// The lines about all pools.
#[derive(Debug, Default)]
pub(super) struct PoolLog {
    pools: HashMap<PoolId, PoolEntry>,
}

/// What has happened in one pool since its last line.
#[derive(Debug)]
struct PoolEntry {
    name: PoolName,
    /// The time of the last line.
    logged_at: Option<Timestamp>,
    /// The time of the last warning.
    warned_at: Option<Timestamp>,
    /// The values of the last line, or those at the beginning.
    logged: LoggedValues,
    /// The decision in force, and whether it is applied.
    decision: Arc<Decision>,
    mood: Mood,
    started: u32,
    level: u32,
    level_range: (u32, u32),
    cause: Option<Reason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LoggedValues {
    runners: u32,
    level: u32,
    waiting: u32,
    /// Absent at the beginning.
    reason: Option<(Direction, Reason)>,
}

impl PoolLog {
    /// Records the change of one runner.
    pub(super) fn runner_changed(&mut self, transition: &RunnerTransition<'_>) {
        let pool = transition.appeared().and_then(|runner| runner.pool.as_ref());
        if let Some(entry) = pool.and_then(|id| self.pools.get_mut(id)) {
            entry.started += 1;
        }
    }

    /// Records a write.
    pub(super) fn acted(&mut self, act: &WriteReport) {
        let (WriteAction::Raise { to, .. } | WriteAction::Lower { to, .. }) = act.action else {
            return;
        };
        if let Some(entry) =
            self.pools.get_mut(&act.pool_id).filter(|_| act.outcome == Ok(WriteOutcome::Done))
        {
            let is_raise = matches!(act.action, WriteAction::Raise { .. });
            let has_risen = entry.level_range.1 > entry.logged.level;
            if is_raise || !has_risen {
                entry.cause = act.reason.or(entry.cause);
            }
            entry.move_to(to);
        }
    }

    /// Records the decisions of an evaluation. Returns the lines that are due.
    pub(super) fn evaluated(&mut self, snapshot: &LoopSnapshot<'_>) -> Vec<LogLine> {
        let managed = snapshot.managed;
        self.pools.retain(|id, entry| managed.get(&entry.name).is_some_and(|pool| pool.id == *id));
        let mut lines = Vec::new();
        for (name, pool) in managed {
            let Some(decision) = snapshot.decisions.get(&pool.id) else { continue };
            let effect = snapshot.fate_of(&pool.entity);
            let entry = self
                .pools
                .entry(pool.id.clone())
                .or_insert_with(|| PoolEntry::new(name.clone(), decision));
            entry.follow(decision, &effect);
            lines.extend(entry.due(snapshot.now, &effect));
        }
        lines
    }

    /// The lines that were not due yet at the end.
    pub(super) fn end(&mut self) -> Vec<LogLine> {
        let ended = |entry: &mut PoolEntry| entry.has_moved().then(|| entry.line(Level::INFO));
        let mut lines: Vec<LogLine> = self.pools.values_mut().filter_map(ended).collect();
        lines.sort_by(|a, b| a.pool.cmp(&b.pool));
        lines
    }
}

impl PoolEntry {
    fn new(name: PoolName, decision: &Arc<Decision>) -> Self {
        let level = decision.inputs.garm_level;
        Self {
            name,
            logged_at: None,
            warned_at: None,
            logged: LoggedValues {
                runners: decision.inputs.counts.live,
                level,
                waiting: 0,
                reason: None,
            },
            decision: Arc::clone(decision),
            mood: Mood::Would,
            started: 0,
            level,
            level_range: (level, level),
            cause: None,
        }
    }

    fn follow(&mut self, decision: &Arc<Decision>, effect: &DecisionEffect<'_>) {
        self.mood = match effect {
            DecisionEffect::Applied => Mood::Does,
            DecisionEffect::NotWritten | DecisionEffect::Frozen(_) => Mood::Would,
        };
        self.decision = Arc::clone(decision);
        self.move_to(decision.inputs.garm_level);
    }

    fn move_to(&mut self, level: u32) {
        self.level = level;
        let (low, high) = self.level_range;
        self.level_range = (low.min(level), high.max(level));
    }

    /// The line, if something has happened and the interval is over.
    fn due(&mut self, now: Timestamp, effect: &DecisionEffect<'_>) -> Option<LogLine> {
        let level = match effect {
            DecisionEffect::Applied | DecisionEffect::NotWritten => {
                log_lines::decision_level(&self.decision)
            }
            DecisionEffect::Frozen(_) => Level::DEBUG,
        };
        let is_over =
            |at: Option<Timestamp>| at.is_none_or(|at| now.duration_since(at).abs() >= INTERVAL);
        let is_other = self.logged.reason != Some(self.reason());
        let is_warning = level == Level::WARN && is_other && is_over(self.warned_at);
        let is_news = level < Level::DEBUG
            && (is_other || self.logged.waiting != self.decision.inputs.queued);
        if !is_warning && !((self.has_moved() || is_news) && is_over(self.logged_at)) {
            return None;
        }
        self.logged_at = Some(now);
        if level == Level::WARN {
            self.warned_at = Some(now);
        }
        Some(self.line(if is_warning { Level::WARN } else { Level::INFO }))
    }

    fn reason(&self) -> (Direction, Reason) {
        (self.decision.direction, self.decision.reason)
    }

    /// Whether runners or the level have changed.
    fn has_moved(&self) -> bool {
        let runners = self.decision.inputs.counts.live;
        let levels = (self.logged.level, self.logged.level);
        self.started > 0 || self.logged.runners != runners || self.level_range != levels
    }

    /// The line about everything since the last one.
    fn line(&mut self, level: Level) -> LogLine {
        let counts = &self.decision.inputs.counts;
        // A runner that came and went between two evaluations is in no decision.
        let started = self.started.max(counts.live.saturating_sub(self.logged.runners));
        let since = PoolInterval {
            started,
            removed: (self.logged.runners + started).saturating_sub(counts.live),
            level_before: self.logged.level,
            level: self.level,
            level_range: self.level_range,
            cause: self.cause,
        };
        let text = interval(&since, &self.decision, self.mood);
        let fields = LogFields::Scaling {
            waiting: self.decision.inputs.queued,
            stuck: self.decision.inputs.exceptions.stuck,
            runners: counts.live,
            active: counts.active,
            idle: counts.idle,
            suspect: counts.suspect,
            booting: counts.booting,
            failed: counts.failed,
            deleting: counts.leaving + counts.ended,
            started: since.started,
            removed: since.removed,
            level_before: since.level_before,
            pool_level: since.level,
            level_min: since.level_range.0,
            level_max: since.level_range.1,
            cause: since.cause.map(Reason::word),
            direction: self.decision.direction.word(),
            reason: self.decision.reason.word(),
            applied: self.mood == Mood::Does,
        };
        self.logged = LoggedValues {
            runners: counts.live,
            level: self.level,
            waiting: self.decision.inputs.queued,
            reason: Some(self.reason()),
        };
        (self.started, self.level_range, self.cause) = (0, (self.level, self.level), None);
        LogLine::new(level, "scaling", text).of(&self.name).with(&fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::desired::ScalePolicy;
    use crate::domain::runner::Runner;
    use crate::scaling::testing::{at, fleet, job, policy, pool, runner};
    use crate::scaling::{ScaledPool, forecast};

    /// One pool of the specification, and its log.
    struct Scene {
        log: PoolLog,
        level: u32,
        runners: Vec<Runner>,
        lines: Vec<LogLine>,
    }

    impl Scene {
        fn new() -> Self {
            Self { log: PoolLog::default(), level: 0, runners: Vec::new(), lines: Vec::new() }
        }

        /// Reads the fleet at this second, with this many waiting jobs and these runners, and
        /// evaluates it.
        fn see(&mut self, second: i64, jobs: i64, runners: &[(&str, &str)]) {
            let rows: Vec<Runner> =
                runners.iter().map(|(name, state)| runner("web", name, state, 0)).collect();
            let jobs = (0..jobs).map(|id| job(id, &["x"], -40)).collect();
            let mut fleet = fleet(second, vec![pool("web", &["x"])], rows, jobs);
            fleet.pools[0].spec.min_idle_runners = self.level;
            let is_new = |row: &Runner| self.runners.iter().all(|known| known.id != row.id);
            for after in fleet.runners.iter().filter(|row| is_new(row)) {
                self.log.runner_changed(&RunnerTransition { before: None, after: Some(after) });
            }
            self.runners.clone_from(&fleet.runners);
            let policy = ScalePolicy { min_runners: 0, ..policy() };
            let managed = ScaledPool { pool: &fleet.pools[0], policy: &policy };
            let decision = Arc::clone(&forecast(&fleet, &[managed])[&PoolId::new("web")]);
            let entry = self
                .log
                .pools
                .entry(PoolId::new("web"))
                .or_insert_with(|| PoolEntry::new(PoolName::new("web").unwrap(), &decision));
            entry.follow(&decision, &DecisionEffect::Applied);
            self.lines.extend(entry.due(at(second), &DecisionEffect::Applied));
        }

        fn set(&mut self, second: i64, to: u32) {
            let from = self.level;
            let action = if to > from {
                WriteAction::Raise { from, to }
            } else {
                WriteAction::Lower { from, to }
            };
            self.level = to;
            self.log.acted(&WriteReport {
                at: at(second),
                pool: PoolName::new("web").unwrap(),
                pool_id: PoolId::new("web"),
                action,
                reason: Some(if to > from { Reason::Pressure } else { Reason::Served }),
                outcome: Ok(WriteOutcome::Done),
            });
        }

        fn texts(&self) -> Vec<&str> {
            self.lines.iter().map(|line| line.text.as_str()).collect()
        }
    }

    const BOOTING: &str = "pending_create/pending";
    const ACTIVE: &str = "running/active";

    #[test]
    fn a_burst_is_two_lines_that_add_up() {
        let mut scene = Scene::new();
        scene.see(0, 6, &[]);
        scene.set(1, 6);
        let booting = ["a", "b", "c", "d", "e", "f"].map(|name| (name, BOOTING));
        scene.see(4, 6, &booting);
        scene.set(5, 0);
        scene.see(6, 6, &booting);
        let active = ["b", "c", "d", "e", "f"].map(|name| (name, ACTIVE));
        scene.see(31, 0, &active);
        scene.see(40, 0, &active);
        scene.see(70, 0, &active);
        let expected = [
            "6 jobs wait; no runner; level 0; starts 6 runners: 6 jobs wait and no runner is idle \
             or booting",
            "no job waits; 5 runners (5 active), 6 started, 1 removed; level 0 → 0, between 0 and 6 \
             (pressure); nothing to do: no job waits, 0 idle",
        ];
        assert_eq!(scene.texts(), expected);
    }

    #[test]
    fn nothing_is_lost_at_the_end() {
        let mut scene = Scene::new();
        scene.see(0, 6, &[]);
        scene.set(1, 6);
        let lines = scene.log.end();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].text.contains("level 0 → 6 (pressure)"), "{}", lines[0].text);
        assert!(scene.log.end().is_empty());
    }

    /// Random reads and writes: the runners of each line are those of the previous line, plus the
    /// started and minus the removed ones, and its level begins where that of the previous line
    /// ended.
    #[test]
    fn every_line_continues_the_previous_one() {
        let names: Vec<String> = (0..40).map(|n| format!("r{n}")).collect();
        proptest::proptest!(|(steps in proptest::collection::vec((0..3_u8, 0..40_usize, 1..25_i64), 1..60))| {
            let mut scene = Scene::new();
            let (mut there, mut next, mut second) = (Vec::new(), 0, 0);
            scene.see(0, 0, &[]);
            for (kind, n, later) in steps {
                second += later;
                match kind {
                    0 => scene.set(second, u32::try_from(n).unwrap() % 9),
                    1 if !there.is_empty() => drop(there.remove(n % there.len())),
                    _ => {
                        there.extend(names.get(next).map(|name| (name.as_str(), ACTIVE)));
                        next += 1;
                    }
                }
                scene.see(second, (n % 12).try_into().unwrap(), &there);
            }
            scene.lines.extend(scene.log.end());
            let number = |line: &LogLine, key: &str| line.fields[key].as_u64().unwrap();
            let (mut runners, mut level, mut logged) = (0, 0, None);
            for line in &scene.lines {
                assert_eq!(runners + number(line, "started") - number(line, "removed"), number(line, "runners"));
                let states = ["active", "idle", "suspect", "booting", "failed", "deleting"];
                assert_eq!(states.map(|state| number(line, state)).iter().sum::<u64>(), number(line, "runners"));
                assert_eq!(level, number(line, "level_before"));
                (runners, level) = (number(line, "runners"), number(line, "pool_level"));
                assert!(number(line, "level_min") <= level && level <= number(line, "level_max"));
                logged = Some(line);
            }
            assert_eq!(logged.map_or(0, |line| number(line, "pool_level")), u64::from(scene.level));
            assert_eq!(runners, u64::try_from(there.len()).unwrap());
        });
    }
}
