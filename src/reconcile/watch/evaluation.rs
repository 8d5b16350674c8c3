//! The turns of the loop: entities in which something has changed are decided about anew, and what
//! follows is handed over and told.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::act::fault;
use super::machine::{LoopPhase, ScalingLoop};
use super::observer::{Incident, LoopSnapshot};
use super::pool_controller::PoolController;
use super::scale_down::QueueAdmission;
use super::write_freeze::Weather;
use crate::domain::entity::EntityKey;
use crate::domain::name::{PoolId, RunnerName};
use crate::monitor::IsolationFinding;
use crate::reconcile::writer::PoolRef;
use crate::scaling::{self, Decision, RoutingContext};

/// Two rounds settle which entity takes a job that waits for several; one more changes nothing.
const SETTLE_MAX: usize = 2;

impl ScalingLoop<'_> {
    /// Takes the turns that are due: of entities in which something has changed, and of those for
    /// which time has come.
    pub(super) fn turn(&mut self, now: Instant) {
        let weather = self.ice.judge(&self.reads, self.settings.resync, (now, self.audience));
        let Some(clock) = self.clock else { return };
        let at = clock.now(now);
        let due = self.due.iter().filter(|it| *it.1 <= at).map(|it| it.0.clone());
        self.touched.extend(due);
        let touched = std::mem::take(&mut self.touched);
        for entity in &touched {
            self.turn_entity(entity, now);
        }
        // Entities that share jobs settle at once which of them takes each.
        for _ in 0..SETTLE_MAX {
            for entity in std::mem::take(&mut self.touched) {
                self.turn_entity(&entity, now);
            }
        }
        let is_writing = self.is_writing();
        for hand in self.hands.values_mut() {
            if is_writing && hand.leash.slackens(now) {
                self.audience.trouble(&Incident::LeashSlack(hand.target.name.clone()));
            }
        }
        if !touched.is_empty() {
            self.audit(now);
        }
        self.is_untold |= !touched.is_empty() || weather == Weather::Changed;
    }

    /// Lets the isolation auditor look at the pools, and takes over which runners it wants gone.
    fn audit(&mut self, now: Instant) {
        let (Some(picture), Some(clock)) = (&self.picture, &self.clock) else { return };
        let open = |it: &&PoolController| it.decision.rules.circuit.open.is_some();
        let open = self.hands.values().filter(open).map(|it| it.target.id.clone()).collect();
        let findings = self.auditor.tick(picture, &open, clock.now(now));
        self.tell_findings(&findings);
        let mut doomed: BTreeMap<PoolId, Vec<RunnerName>> = BTreeMap::new();
        for (pool, runner) in self.auditor.to_remove() {
            doomed.entry(pool).or_default().push(runner);
        }
        for (id, hand) in &mut self.hands {
            hand.exits.outlive(doomed.remove(id).unwrap_or_default(), now);
        }
    }

    pub(super) fn tell_findings(&self, findings: &[IsolationFinding]) {
        findings.iter().for_each(|it| self.audience.found(it));
    }

    fn turn_entity(&mut self, entity: &EntityKey, now: Instant) {
        let (Some(picture), Some(clock)) = (&mut self.picture, &self.clock) else { return };
        let backoff = picture.backoff();
        let Some(site) = picture.site_mut(entity) else {
            self.memory.remove(entity);
            self.due.remove(entity);
            self.hands.retain(|_, it| it.entity != *entity);
            return;
        };
        let memory = self.memory.remove(entity).unwrap_or_default();
        let around = RoutingContext { backoff, others: &self.memory };
        let (turn, memory) = scaling::evaluate_entity(site, memory, around, clock.now(now));
        self.touched.extend(turn.touched);
        match turn.until {
            Some(until) => drop(self.due.insert(entity.clone(), until)),
            None => drop(self.due.remove(entity)),
        }
        let in_force: HashSet<&PoolId> = memory.decisions().map(|it| &it.pool).collect();
        self.let_go_unless(|id, it| it.entity != *entity || in_force.contains(id), now);
        for decision in memory.decisions() {
            self.follow(decision, now);
        }
        self.memory.insert(entity.clone(), memory);
    }

    /// A decision is in force.
    fn follow(&mut self, decision: &Arc<Decision>, now: Instant) {
        let before = self.hands.get(&decision.pool).map(|it| &it.decision);
        if before.is_some_and(|it| Arc::ptr_eq(it, decision)) {
            return;
        }
        let Some((name, entity)) = self.names.get(&decision.pool) else { return };
        let failed: Vec<RunnerName> = (decision.remove.iter())
            .filter(|name| before.is_none_or(|it| !it.remove.contains(name)))
            .cloned()
            .collect();
        let suspects = decision.suspects.iter();
        let suspects: Vec<RunnerName> = suspects
            .filter(|name| before.is_none_or(|it| !it.suspects.contains(name)))
            .cloned()
            .collect();
        let is_news = before.is_none_or(|it| {
            (it.direction, it.reason, it.level)
                != (decision.direction, decision.reason, decision.level)
        });
        let admission = match (&self.phase, before) {
            (LoopPhase::Settling(_), Some(_)) => QueueAdmission::Closed,
            (_, _) => QueueAdmission::Open,
        };
        if is_news {
            let applied = self.applies(entity, before.map(Arc::as_ref));
            self.audience.decided(name, decision, applied);
        }
        for runner in failed {
            let fault = self.picture.as_ref().and_then(|it| fault(it, &decision.pool, &runner));
            self.audience.trouble(&Incident::RunnerFailed { pool: name.clone(), runner, fault });
        }
        let grace = decision.inputs.policy.failed_runner_grace;
        for runner in suspects {
            let pool = name.clone();
            self.audience.trouble(&Incident::RunnerSuspect { pool, runner, grace });
        }
        self.releases.remove(&decision.pool);
        let hand = self.hands.entry(decision.pool.clone()).or_insert_with(|| {
            let target = PoolRef { name: name.clone(), id: decision.pool.clone() };
            PoolController::new(target, entity.clone(), Arc::clone(decision))
        });
        hand.follow(Arc::clone(decision), admission, now);
    }

    /// Tells how everything stands, if that is news.
    pub(super) fn tell(&mut self, now: Instant) {
        if !std::mem::take(&mut self.is_untold) {
            return;
        }
        let stalls = self.stalls(now);
        self.tell_stalls(&stalls);
        let (Some(picture), Some(clock)) = (&self.picture, &self.clock) else { return };
        let succeeded = self.reads.succeeded().unwrap_or(now);
        self.audience.turned(&LoopSnapshot {
            now: clock.now(now),
            skew: clock.skew(self.ours.now(), now),
            picture,
            memory: &self.memory,
            managed: &self.found.managed,
            unmanaged: &self.found.unmanaged,
            freeze: self.ice.all.as_ref(),
            applied: self.applied(),
            stopped: &self.ice.stopped,
            read_at: self.read_at,
            read_age: now.saturating_duration_since(succeeded),
            stream: self.stream,
            stalls: &stalls,
            watched: self.auditor.watched(),
        });
    }
}
