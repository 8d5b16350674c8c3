//! Runners that are to go: looked at twice, one at a time, never again at once after a refusal.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::name::RunnerName;
use crate::scale::Decision;

/// A runner must have been due for so long without a break. GitHub may just be giving it a job:
/// GARM hears of that by a webhook, a moment later (GARM.md §0.7).
pub(super) const SEEN_FOR: Duration = Duration::from_secs(2);

/// Between two removals in one pool.
pub(super) const APART: Duration = Duration::from_secs(5);

/// A runner that was busy, or was just removed, is not asked again before this.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// The runners of one pool that are to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Exits {
    due: BTreeMap<RunnerName, (Instant, Why)>,
    asked: BTreeMap<RunnerName, Instant>,
    last: Option<Instant>,
}

/// Why a runner is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It is idle for longer than it may be.
    Idle,
    /// It has failed.
    Failed,
}

/// Whether runners that were not due before are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Open,
    Closed,
}

impl Exits {
    /// What a new decision says.
    pub(super) fn follow(&mut self, decision: &Decision, admission: Admission, now: Instant) {
        let before = std::mem::take(&mut self.due);
        let idle = decision.retire.iter().map(|it| (it, Why::Idle));
        let failed = decision.remove.iter().map(|it| (it, Why::Failed));
        for (name, why) in idle.chain(failed) {
            let known = before.get(name).filter(|it| it.1 == why);
            let since = match admission {
                Admission::Open => Some(known.map_or(now, |it| it.0)),
                Admission::Closed => known.map(|it| it.0),
            };
            if let Some(since) = since {
                self.due.insert(name.clone(), (since, why));
            }
        }
        self.asked.retain(|_, until| *until > now);
    }

    /// Who goes next, and when.
    pub(super) fn next(&self, decision: &Decision) -> Option<(Instant, RunnerName, Why)> {
        let order = decision.retire.iter().chain(&decision.remove);
        let due = order.filter_map(|name| {
            let (since, why) = self.due.get(name)?;
            let mut at = *since + SEEN_FOR;
            at = self.last.map_or(at, |it| at.max(it + APART));
            at = self.asked.get(name).map_or(at, |it| at.max(*it));
            Some((at, name.clone(), *why))
        });
        due.min_by_key(|it| it.0)
    }

    /// One was asked to go, and this time it is done with.
    pub(super) fn asked(&mut self, name: &RunnerName, now: Instant) {
        self.due.remove(name);
        self.asked.insert(name.clone(), now + ASK_AGAIN);
        self.last = Some(now);
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
