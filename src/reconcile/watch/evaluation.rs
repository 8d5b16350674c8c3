//! Evaluates entities in which something has changed, passes the decisions to the pool controllers,
//! and tells the observer.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::machine::{LoopPhase, ScalingLoop};
use super::observer::{Incident, LoopSnapshot, decisions};
use super::pool_controller::PoolController;
use super::scale_down::QueueAdmission;
use crate::domain::entity::EntityKey;
use crate::domain::name::{PoolId, RunnerName};
use crate::monitor::IsolationFinding;
use crate::reconcile::writer::PoolRef;
use crate::scaling::{self, Decision, RoutingContext};

/// Two rounds settle which entity takes a shared job; one more changes nothing.
const SETTLE_MAX: usize = 2;

impl ScalingLoop<'_> {
    /// Evaluates the entities in which something has changed, and those whose deadline has passed.
    pub(super) fn evaluate(&mut self, now: Instant) {
        let freeze_changed = self.freeze.judge(&self.schedule, (now, self.observer));
        let Some(clock) = self.clock else { return };
        let at = clock.now(now);
        if self.is_find_due {
            self.find(now);
        }
        if let Some(fleet_index) = &mut self.fleet_index {
            fleet_index.rebuild_entities(at);
        }
        let due = self.due.iter().filter(|entry| *entry.1 <= at).map(|entry| entry.0.clone());
        self.touched.extend(due);
        if let Some(fleet_index) = self.fleet_index.as_mut().filter(|index| index.lacks_shares()) {
            let view = self.groups.view.as_ref();
            self.touched.extend(fleet_index.share_groups(&self.scaling_state, view));
        }
        let touched = std::mem::take(&mut self.touched);
        for entity in &touched {
            self.evaluate_entity(entity, now);
        }
        // Entities that share jobs settle immediately which of them takes each job.
        for _ in 0..SETTLE_MAX {
            for entity in std::mem::take(&mut self.touched) {
                self.evaluate_entity(&entity, now);
            }
        }
        if std::mem::take(&mut self.groups.is_news) || !touched.is_empty() {
            self.share_groups(now);
        }
        let is_writing = self.is_writing();
        for controller in self.controllers.values_mut() {
            if is_writing && controller.lease.expire(now) {
                self.observer.trouble(&Incident::LeaseExpired(controller.target.name.clone()));
            }
        }
        if !touched.is_empty() {
            self.audit(now);
        }
        if !touched.is_empty() || freeze_changed {
            self.want_reports();
        }
    }

    /// Divides the groups, and evaluates the entities whose pools have got another share.
    fn share_groups(&mut self, now: Instant) {
        for _ in 0..scaling::GROUP_ROUNDS {
            let Some(fleet_index) = &mut self.fleet_index else { return };
            let view = self.groups.view.as_ref();
            let mut changed = fleet_index.share_groups(&self.scaling_state, view);
            changed.append(&mut self.touched);
            if changed.is_empty() {
                return;
            }
            self.want_reports();
            for entity in &changed {
                self.evaluate_entity(entity, now);
            }
        }
    }

    fn want_reports(&mut self) {
        self.throttle.want();
        self.groups.throttle.want();
    }

    /// Runs the isolation auditor and passes on which runners it wants removed.
    fn audit(&mut self, now: Instant) {
        let (Some(fleet_index), Some(clock)) = (&self.fleet_index, &self.clock) else { return };
        let open = |controller: &&PoolController| controller.decision.rules.circuit.open.is_some();
        let open = self
            .controllers
            .values()
            .filter(open)
            .map(|controller| controller.target.id.clone())
            .collect();
        let findings = self.auditor.tick(fleet_index, &open, clock.now(now));
        self.tell_findings(&findings);
        let mut doomed: BTreeMap<PoolId, Vec<RunnerName>> = BTreeMap::new();
        for (pool, runner) in self.auditor.to_remove() {
            doomed.entry(pool).or_default().push(runner);
        }
        for (id, controller) in &mut self.controllers {
            controller.scale_down.outlive(doomed.remove(id).unwrap_or_default(), now);
        }
    }

    pub(super) fn tell_findings(&self, findings: &[IsolationFinding]) {
        findings.iter().for_each(|finding| self.observer.found(finding));
    }

    fn evaluate_entity(&mut self, entity: &EntityKey, now: Instant) {
        let (Some(fleet_index), Some(clock)) = (&mut self.fleet_index, &self.clock) else { return };
        let backoff = fleet_index.backoff();
        let Some(entity_index) = fleet_index.entity_mut(entity) else {
            self.scaling_state.remove(entity);
            self.due.remove(entity);
            self.controllers.retain(|_, controller| controller.entity != *entity);
            return;
        };
        let memory = self.scaling_state.remove(entity).unwrap_or_default();
        let around = RoutingContext { backoff, others: &self.scaling_state };
        let (evaluation, memory) =
            scaling::evaluate_entity(entity_index, memory, around, clock.now(now));
        self.touched.extend(evaluation.touched);
        match evaluation.until {
            Some(until) => drop(self.due.insert(entity.clone(), until)),
            None => drop(self.due.remove(entity)),
        }
        let in_force: HashSet<&PoolId> =
            memory.decisions().map(|decision| &decision.pool).collect();
        self.let_go_unless(
            |id, controller| controller.entity != *entity || in_force.contains(id),
            now,
        );
        for decision in memory.decisions() {
            self.follow(decision, now);
        }
        self.scaling_state.insert(entity.clone(), memory);
    }

    /// Passes a decision to the controller of its pool, unless it is unchanged.
    fn follow(&mut self, decision: &Arc<Decision>, now: Instant) {
        let before = self.controllers.get(&decision.pool).map(|controller| &controller.decision);
        if before.is_some_and(|old| Arc::ptr_eq(old, decision)) {
            return;
        }
        let Some((name, entity)) = self.names.get(&decision.pool) else { return };
        let suspects = decision.suspects.iter();
        let suspects: Vec<RunnerName> = suspects
            .filter(|name| before.is_none_or(|old| !old.suspects.contains(name)))
            .cloned()
            .collect();
        let is_news = before.is_none_or(|old| {
            (old.direction, old.reason, old.level)
                != (decision.direction, decision.reason, decision.level)
        });
        let admission = match (&self.phase, before) {
            (LoopPhase::Settling(_), Some(_)) => QueueAdmission::Closed,
            (_, _) => QueueAdmission::Open,
        };
        if is_news {
            let applied = self.applies(entity, before.map(Arc::as_ref));
            self.observer.decided(name, decision, applied);
        }
        let grace = decision.inputs.policy.failed_runner_grace;
        for runner in suspects {
            let pool = name.clone();
            self.observer.trouble(&Incident::RunnerSuspect { pool, runner, grace });
        }
        self.releases.remove(&decision.pool);
        let controller = self.controllers.entry(decision.pool.clone()).or_insert_with(|| {
            let target = PoolRef { name: name.clone(), id: decision.pool.clone() };
            PoolController::new(target, entity.clone(), Arc::clone(decision))
        });
        controller.follow(Arc::clone(decision), admission, now);
    }

    /// Reports the state of the loop to the observer if it has changed and a report is due. The end
    /// of the loop is always reported.
    pub(super) fn tell(&mut self, now: Instant) {
        if self.ended().is_some() {
            self.throttle.hurry();
        }
        if !self.throttle.take_due(now) {
            return;
        }
        self.throttle.reported(now);
        let stalls = self.stalls(now);
        self.tell_stalls(&stalls);
        let (Some(fleet_index), Some(clock)) = (&self.fleet_index, &self.clock) else { return };
        let succeeded = self.schedule.succeeded().unwrap_or(now);
        self.observer.evaluated(&LoopSnapshot {
            now: clock.now(now),
            skew: clock.skew(self.local_clock.now(), now),
            fleet_index,
            memory: &self.scaling_state,
            decisions: &decisions(&self.scaling_state),
            managed: &self.found.managed,
            unmanaged: &self.found.unmanaged,
            freeze: self.freeze.all.as_ref(),
            applied: self.applied(),
            stopped: &self.freeze.stopped,
            read_at: self.read_at,
            read_age: now.saturating_duration_since(succeeded),
            read_interval: self.schedule.interval(),
            stale_after: self.schedule.stale_after(),
            stream: self.stream,
            stalls: &stalls,
            watched: self.auditor.watched(),
        });
    }
}
