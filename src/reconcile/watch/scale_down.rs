//! Runners that are to go: looked at twice, one at a time, never again at once after a refusal.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::name::RunnerName;
use crate::scaling::Decision;

/// A runner must have been due for so long without a break. GitHub may just be giving it a job:
/// GARM hears of that by a webhook, a moment later (GARM.md §0.7).
pub(super) const SEEN_FOR: Duration = Duration::from_secs(2);

/// Between two removals in one pool.
pub(super) const APART: Duration = Duration::from_secs(5);

/// A runner that was busy, or was just removed, is not asked again before this.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// The runners of one pool that are to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ScaleDownQueue {
    due: BTreeMap<RunnerName, (Instant, RemovalReason)>,
    /// What the isolation auditor wants gone.
    outlived: Vec<RunnerName>,
    asked: BTreeMap<RunnerName, (Instant, Answer)>,
    last: Option<Instant>,
    admission: QueueAdmission,
}

/// Why a runner is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RemovalReason {
    /// It is idle for longer than it may be.
    Idle,
    /// It has failed.
    Failed,
    /// It is suspect: idle by its row, and passed over by younger ones.
    Suspect,
    /// It lives on after its job.
    Outlived,
}

/// What came of asking a runner to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It goes, or went before.
    Goes,
    /// GitHub calls it busy: it stays.
    Stays,
}

/// Whether runners that were not due before are let in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum QueueAdmission {
    #[default]
    Open,
    Closed,
}

impl ScaleDownQueue {
    /// What a new decision says.
    pub(super) fn follow(&mut self, decision: &Decision, admission: QueueAdmission, now: Instant) {
        self.admission = admission;
        self.asked.retain(|_, it| it.0 > now);
        let before = std::mem::take(&mut self.due);
        // Who was refused a moment ago keeps nobody else.
        let stays = |it: &&RunnerName| self.asked.get(*it).is_some_and(|it| it.1 == Answer::Stays);
        let refused = decision.retire.iter().filter(stays).count();
        let others = decision.reserve.iter().filter(|it| !self.asked.contains_key(*it));
        let idle =
            decision.retire.iter().chain(others.take(refused)).map(|it| (it, RemovalReason::Idle));
        let failed = decision.remove.iter().map(|it| (it, RemovalReason::Failed));
        let suspect = decision.dismiss.iter().map(|it| (it, RemovalReason::Suspect));
        let outlived = self.outlived.iter().map(|it| (it, RemovalReason::Outlived));
        for (name, why) in idle.chain(failed).chain(suspect).chain(outlived) {
            let known = before.get(name).filter(|it| it.1 == why);
            let since = match admission {
                QueueAdmission::Open => Some(known.map_or(now, |it| it.0)),
                QueueAdmission::Closed => known.map(|it| it.0),
            };
            if let Some(since) = since {
                self.due.insert(name.clone(), (since, why));
            }
        }
    }

    /// The runners that live on after their job, as the isolation auditor has them now.
    pub(super) fn outlive(&mut self, names: Vec<RunnerName>, now: Instant) {
        self.due.retain(|name, it| it.1 != RemovalReason::Outlived || names.contains(name));
        for name in &names {
            self.due.entry(name.clone()).or_insert((now, RemovalReason::Outlived));
        }
        self.outlived = names;
    }

    /// Who goes next, and when.
    pub(super) fn next(&self, decision: &Decision) -> Option<(Instant, RunnerName, RemovalReason)> {
        let idle = decision.retire.iter().chain(&decision.reserve);
        let order = idle.chain(&decision.remove).chain(&decision.dismiss).chain(&self.outlived);
        let due = order.filter_map(|name| {
            let (since, why) = self.due.get(name)?;
            let mut at = *since + SEEN_FOR;
            at = self.last.map_or(at, |it| at.max(it + APART));
            at = self.asked.get(name).map_or(at, |it| at.max(it.0));
            Some((at, name.clone(), *why))
        });
        due.min_by_key(|it| it.0)
    }

    /// One was asked to go, and this time it is done with; if it stays, the next one's time begins.
    pub(super) fn asked(
        &mut self,
        name: &RunnerName,
        answer: Answer,
        decision: &Decision,
        now: Instant,
    ) {
        self.asked.insert(name.clone(), (now + ASK_AGAIN, answer));
        self.last = Some(now);
        self.follow(decision, self.admission, now);
        self.due.remove(name);
    }

    /// The attempt told nothing.
    pub(super) fn failed(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// Nobody is to go.
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::testing::{self, at, entity, policy, pool, runner};
    use crate::scaling::{FleetIndex, ScalePolicies, ScalingState};

    /// The decision about a pool with these runners, all of which are due.
    fn decision(runners: &[(&str, &str)]) -> std::sync::Arc<Decision> {
        let rows = runners.iter().map(|it| runner("a", it.0, it.1, -9_000));
        let fleet = testing::fleet(0, vec![pool("a", &["x"])], rows.collect(), vec![]);
        let policy = crate::domain::desired::ScalePolicy {
            min_runners: 0,
            failed_runner_grace: Duration::ZERO,
            ..policy()
        };
        let policies: ScalePolicies = [(crate::domain::name::PoolId::new("a"), policy)].into();
        let mut picture = FleetIndex::new(fleet, policies);
        let (turn, _) = crate::scaling::evaluate_fleet(&mut picture, ScalingState::new(), at(0));
        assert!(picture.sites().contains_key(&entity("acme")));
        turn.decisions[0].clone()
    }

    const IDLE: [(&str, &str); 2] = [("a1", "running/idle"), ("a2", "running/idle")];

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn name(text: &str) -> RunnerName {
        RunnerName::new(text)
    }

    #[test]
    fn a_runner_goes_when_it_has_been_due_for_two_seconds_without_a_break() {
        let start = Instant::now();
        let mut exits = ScaleDownQueue::default();
        let idle = decision(&IDLE);
        exits.follow(&idle, QueueAdmission::Open, start);
        exits.follow(&idle, QueueAdmission::Open, start + secs(1));
        assert_eq!(exits.next(&idle), Some((start + secs(2), name("a1"), RemovalReason::Idle)));
        // It had a job meanwhile: its time begins anew.
        exits.follow(&decision(&[]), QueueAdmission::Open, start + secs(3));
        assert!(exits.is_empty());
        exits.follow(&idle, QueueAdmission::Open, start + secs(4));
        assert_eq!(exits.next(&idle), Some((start + secs(6), name("a1"), RemovalReason::Idle)));
    }

    #[test]
    fn the_next_waits_for_five_seconds_and_one_that_was_asked_for_a_minute() {
        let start = Instant::now();
        let mut exits = ScaleDownQueue::default();
        let failed = decision(&[("a1", "running/failed"), ("a2", "running/failed")]);
        exits.follow(&failed, QueueAdmission::Open, start);
        exits.asked(&name("a1"), Answer::Goes, &failed, start + secs(2));
        exits.follow(&failed, QueueAdmission::Open, start + secs(3));
        assert_eq!(exits.next(&failed), Some((start + secs(7), name("a2"), RemovalReason::Failed)));
        exits.asked(&name("a2"), Answer::Goes, &failed, start + secs(7));
        exits.follow(&failed, QueueAdmission::Open, start + secs(8));
        assert_eq!(
            exits.next(&failed),
            Some((start + secs(62), name("a1"), RemovalReason::Failed))
        );
    }

    #[test]
    fn one_that_is_refused_keeps_nobody_else() {
        let start = Instant::now();
        let mut exits = ScaleDownQueue::default();
        let idle = decision(&IDLE);
        exits.follow(&idle, QueueAdmission::Open, start);
        exits.asked(&name("a1"), Answer::Stays, &idle, start + secs(2));
        assert_eq!(exits.next(&idle), Some((start + secs(7), name("a2"), RemovalReason::Idle)));
        exits.asked(&name("a2"), Answer::Stays, &idle, start + secs(7));
        exits.follow(&idle, QueueAdmission::Open, start + secs(8));
        assert_eq!(exits.next(&idle), Some((start + secs(62), name("a1"), RemovalReason::Idle)));
    }

    #[test]
    fn one_that_goes_brings_nobody_forward_before_the_next_decision() {
        let start = Instant::now();
        let mut exits = ScaleDownQueue::default();
        let idle = decision(&IDLE);
        exits.follow(&idle, QueueAdmission::Open, start);
        exits.asked(&name("a1"), Answer::Goes, &idle, start + secs(2));
        assert_eq!((exits.next(&idle), exits.is_empty()), (None, true));
    }

    #[test]
    fn a_suspect_runner_goes_like_any_other_and_stays_where_github_calls_it_busy() {
        let start = Instant::now();
        let mut exits = ScaleDownQueue::default();
        let none = decision(&[]);
        let suspect = Decision { dismiss: vec![name("a1")], ..Decision::clone(&none) };
        exits.follow(&suspect, QueueAdmission::Open, start);
        let due = Some((start + secs(2), name("a1"), RemovalReason::Suspect));
        assert_eq!(exits.next(&suspect), due);
        exits.asked(&name("a1"), Answer::Stays, &suspect, start + secs(2));
        exits.follow(&suspect, QueueAdmission::Open, start + secs(3));
        assert_eq!(
            exits.next(&suspect),
            Some((start + secs(62), name("a1"), RemovalReason::Suspect))
        );
    }

    #[test]
    fn behind_a_closed_door_nobody_new_is_let_in() {
        let start = Instant::now();
        let mut exits = ScaleDownQueue::default();
        let idle = decision(&IDLE);
        exits.follow(&idle, QueueAdmission::Closed, start);
        assert_eq!((exits.next(&idle), exits.is_empty()), (None, true));
    }

    #[test]
    fn one_that_lives_on_after_its_job_goes_for_as_long_as_it_is_wanted_gone() {
        let start = Instant::now();
        let mut exits = ScaleDownQueue::default();
        let none = decision(&[]);
        exits.outlive(vec![name("a9")], start);
        exits.follow(&none, QueueAdmission::Open, start + secs(1));
        exits.outlive(vec![name("a9")], start + secs(1));
        assert_eq!(exits.next(&none), Some((start + secs(2), name("a9"), RemovalReason::Outlived)));
        exits.outlive(Vec::new(), start + secs(3));
        assert_eq!((exits.next(&none), exits.is_empty()), (None, true));
    }
}
