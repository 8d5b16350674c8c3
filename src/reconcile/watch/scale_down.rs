//! The scale-down queue. A runner must be a candidate for 2 s; removals are 5 s apart; a refused
//! removal is repeated after a minute.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::observer::WriteAction;
use crate::domain::name::RunnerName;
use crate::reconcile::write_outcome::WriteOutcome;
use crate::scaling::Decision;

/// A runner must have been a candidate for this long without interruption. GitHub may just be
/// assigning it a job, and GARM learns of that from a webhook a moment later (GARM.md §0.7).
pub(super) const SEEN_FOR: Duration = Duration::from_secs(2);

/// The minimum time between two removals in one pool.
pub(super) const APART: Duration = Duration::from_secs(5);

/// The minimum time between two removal requests for one runner.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// The scale-down candidates of one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ScaleDownQueue {
    due: BTreeMap<RunnerName, (Instant, RemovalReason)>,
    /// The runners that the isolation auditor wants removed.
    outlived: Vec<RunnerName>,
    asked: BTreeMap<RunnerName, (Instant, WriteOutcome)>,
    last: Option<Instant>,
    admission: QueueAdmission,
}

/// Why a runner is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RemovalReason {
    /// It has been idle for too long.
    Idle,
    /// It has failed and its grace period is over.
    Failed,
    /// It is suspect: idle according to its row, and passed over by younger runners.
    Suspect,
    /// It still exists after its job.
    Outlived,
}

impl RemovalReason {
    /// The write that removes a runner for this reason.
    pub(super) fn action(self, runner: RunnerName) -> WriteAction {
        match self {
            Self::Idle => WriteAction::Retire { runner },
            Self::Failed => WriteAction::Remove { runner, fault: None },
            Self::Suspect => WriteAction::Dismiss { runner },
            Self::Outlived => WriteAction::Clear { runner },
        }
    }
}

/// Whether new candidates are added to the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum QueueAdmission {
    #[default]
    Open,
    Closed,
}

impl ScaleDownQueue {
    /// Updates the queue to the candidates of a new decision.
    pub(super) fn follow(&mut self, decision: &Decision, admission: QueueAdmission, now: Instant) {
        self.admission = admission;
        self.asked.retain(|_, entry| entry.0 > now);
        let before = std::mem::take(&mut self.due);
        // A runner that was refused a moment ago must not block the others.
        let stays = |name: &&RunnerName| {
            self.asked.get(*name).is_some_and(|attempt| attempt.1 == WriteOutcome::Refused)
        };
        let refused = decision.retire.iter().filter(stays).count();
        let others = decision.reserve.iter().filter(|name| !self.asked.contains_key(*name));
        let idle = decision
            .retire
            .iter()
            .chain(others.take(refused))
            .map(|name| (name, RemovalReason::Idle));
        let failed = decision.remove.iter().map(|name| (name, RemovalReason::Failed));
        let suspect = decision.dismiss.iter().map(|name| (name, RemovalReason::Suspect));
        let outlived = self.outlived.iter().map(|name| (name, RemovalReason::Outlived));
        for (name, why) in idle.chain(failed).chain(suspect).chain(outlived) {
            let known = before.get(name).filter(|entry| entry.1 == why);
            let since = match admission {
                QueueAdmission::Open => Some(known.map_or(now, |entry| entry.0)),
                QueueAdmission::Closed => known.map(|entry| entry.0),
            };
            if let Some(since) = since {
                self.due.insert(name.clone(), (since, why));
            }
        }
    }

    /// Replaces the set of runners that still exist after their job, as found by the isolation
    /// auditor.
    pub(super) fn outlive(&mut self, names: Vec<RunnerName>, now: Instant) {
        if names.is_empty() && self.outlived.is_empty() {
            return;
        }
        self.due.retain(|name, entry| entry.1 != RemovalReason::Outlived || names.contains(name));
        for name in &names {
            self.due.entry(name.clone()).or_insert((now, RemovalReason::Outlived));
        }
        self.outlived = names;
    }

    /// The next runner to remove, and when.
    pub(super) fn next(&self, decision: &Decision) -> Option<(Instant, RunnerName, RemovalReason)> {
        let idle = decision.retire.iter().chain(&decision.reserve);
        let order = idle.chain(&decision.remove).chain(&decision.dismiss).chain(&self.outlived);
        let due = order.filter_map(|name| {
            let (since, why) = self.due.get(name)?;
            let mut at = *since + SEEN_FOR;
            at = self.last.map_or(at, |last| at.max(last + APART));
            at = self.asked.get(name).map_or(at, |attempt| at.max(attempt.0));
            Some((at, name.clone(), *why))
        });
        due.min_by_key(|entry| entry.0)
    }

    /// Notes a removal request. The runner stops being a candidate; if it was refused, a
    /// replacement becomes one.
    pub(super) fn asked(
        &mut self,
        name: &RunnerName,
        outcome: WriteOutcome,
        decision: &Decision,
        now: Instant,
    ) {
        self.asked.insert(name.clone(), (now + ASK_AGAIN, outcome));
        self.last = Some(now);
        self.follow(decision, self.admission, now);
        self.due.remove(name);
    }

    /// Notes an attempt without an answer.
    pub(super) fn failed(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// Whether there is no candidate.
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaling::testing::{self, at, entity, policy, pool, runner};
    use crate::scaling::{FleetIndex, ScalePolicies, ScalingState};

    /// The decision about a pool with these runners, all of which are candidates.
    fn decision(runners: &[(&str, &str)]) -> std::sync::Arc<Decision> {
        let rows = runners.iter().map(|row| runner("a", row.0, row.1, -9_000));
        let fleet = testing::fleet(0, vec![pool("a", &["x"])], rows.collect(), vec![]);
        let policy = crate::domain::desired::ScalePolicy {
            min_runners: 0,
            failed_runner_grace: Duration::ZERO,
            ..policy()
        };
        let policies: ScalePolicies = [(crate::domain::name::PoolId::new("a"), policy)].into();
        let mut fleet_index = FleetIndex::new(fleet, policies);
        let (evaluation, _) =
            crate::scaling::evaluate_fleet(&mut fleet_index, ScalingState::new(), at(0));
        assert!(fleet_index.entities().contains_key(&entity("acme")));
        evaluation.decisions[0].clone()
    }

    const IDLE: [(&str, &str); 2] = [("a1", "running/idle"), ("a2", "running/idle")];

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn name(text: &str) -> RunnerName {
        RunnerName::new(text)
    }

    #[test]
    fn a_runner_is_removed_after_two_uninterrupted_seconds_as_a_candidate() {
        let start = Instant::now();
        let mut scale_down = ScaleDownQueue::default();
        let idle = decision(&IDLE);
        scale_down.follow(&idle, QueueAdmission::Open, start);
        scale_down.follow(&idle, QueueAdmission::Open, start + secs(1));
        assert_eq!(
            scale_down.next(&idle),
            Some((start + secs(2), name("a1"), RemovalReason::Idle))
        );
        // The runner had a job meanwhile, so its 2 s begin again.
        scale_down.follow(&decision(&[]), QueueAdmission::Open, start + secs(3));
        assert!(scale_down.is_empty());
        scale_down.follow(&idle, QueueAdmission::Open, start + secs(4));
        assert_eq!(
            scale_down.next(&idle),
            Some((start + secs(6), name("a1"), RemovalReason::Idle))
        );
    }

    #[test]
    fn removals_are_five_seconds_apart_and_one_runner_is_asked_once_a_minute() {
        let start = Instant::now();
        let mut scale_down = ScaleDownQueue::default();
        let failed = decision(&[("a1", "running/failed"), ("a2", "running/failed")]);
        scale_down.follow(&failed, QueueAdmission::Open, start);
        scale_down.asked(&name("a1"), WriteOutcome::Done, &failed, start + secs(2));
        scale_down.follow(&failed, QueueAdmission::Open, start + secs(3));
        assert_eq!(
            scale_down.next(&failed),
            Some((start + secs(7), name("a2"), RemovalReason::Failed))
        );
        scale_down.asked(&name("a2"), WriteOutcome::Done, &failed, start + secs(7));
        scale_down.follow(&failed, QueueAdmission::Open, start + secs(8));
        assert_eq!(
            scale_down.next(&failed),
            Some((start + secs(62), name("a1"), RemovalReason::Failed))
        );
    }

    #[test]
    fn a_refused_runner_does_not_block_the_others() {
        let start = Instant::now();
        let mut scale_down = ScaleDownQueue::default();
        let idle = decision(&IDLE);
        scale_down.follow(&idle, QueueAdmission::Open, start);
        scale_down.asked(&name("a1"), WriteOutcome::Refused, &idle, start + secs(2));
        assert_eq!(
            scale_down.next(&idle),
            Some((start + secs(7), name("a2"), RemovalReason::Idle))
        );
        scale_down.asked(&name("a2"), WriteOutcome::Refused, &idle, start + secs(7));
        scale_down.follow(&idle, QueueAdmission::Open, start + secs(8));
        assert_eq!(
            scale_down.next(&idle),
            Some((start + secs(62), name("a1"), RemovalReason::Idle))
        );
    }

    #[test]
    fn a_removed_runner_is_not_replaced_as_candidate_before_the_next_decision() {
        let start = Instant::now();
        let mut scale_down = ScaleDownQueue::default();
        let idle = decision(&IDLE);
        scale_down.follow(&idle, QueueAdmission::Open, start);
        scale_down.asked(&name("a1"), WriteOutcome::Done, &idle, start + secs(2));
        assert_eq!((scale_down.next(&idle), scale_down.is_empty()), (None, true));
    }

    #[test]
    fn a_suspect_runner_is_removed_like_any_other_and_stays_if_github_calls_it_busy() {
        let start = Instant::now();
        let mut scale_down = ScaleDownQueue::default();
        let none = decision(&[]);
        let suspect = Decision { dismiss: vec![name("a1")], ..Decision::clone(&none) };
        scale_down.follow(&suspect, QueueAdmission::Open, start);
        let due = Some((start + secs(2), name("a1"), RemovalReason::Suspect));
        assert_eq!(scale_down.next(&suspect), due);
        scale_down.asked(&name("a1"), WriteOutcome::Refused, &suspect, start + secs(2));
        scale_down.follow(&suspect, QueueAdmission::Open, start + secs(3));
        assert_eq!(
            scale_down.next(&suspect),
            Some((start + secs(62), name("a1"), RemovalReason::Suspect))
        );
    }

    #[test]
    fn a_closed_queue_admits_no_new_candidate() {
        let start = Instant::now();
        let mut scale_down = ScaleDownQueue::default();
        let idle = decision(&IDLE);
        scale_down.follow(&idle, QueueAdmission::Closed, start);
        assert_eq!((scale_down.next(&idle), scale_down.is_empty()), (None, true));
    }

    #[test]
    fn a_runner_that_outlived_its_job_is_a_candidate_while_the_auditor_wants_it_removed() {
        let start = Instant::now();
        let mut scale_down = ScaleDownQueue::default();
        let none = decision(&[]);
        scale_down.outlive(vec![name("a9")], start);
        scale_down.follow(&none, QueueAdmission::Open, start + secs(1));
        scale_down.outlive(vec![name("a9")], start + secs(1));
        assert_eq!(
            scale_down.next(&none),
            Some((start + secs(2), name("a9"), RemovalReason::Outlived))
        );
        // The auditor still wants it, so it is removed again later.
        scale_down.asked(&name("a9"), WriteOutcome::Done, &none, start + secs(2));
        scale_down.outlive(vec![name("a9")], start + secs(3));
        assert_eq!(
            scale_down.next(&none),
            Some((start + secs(62), name("a9"), RemovalReason::Outlived))
        );
        scale_down.outlive(Vec::new(), start + secs(4));
        assert_eq!((scale_down.next(&none), scale_down.is_empty()), (None, true));
    }
}
