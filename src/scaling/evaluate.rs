//! One evaluation: assigns the jobs of an entity and makes a decision for each of its pools.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::decide::decide;
use super::decision::Decision;
use super::entity_index::EntityIndex;
use super::fleet_index::FleetIndex;
use super::observation::Observation;
use super::route::{RoutingContext, route};
use super::state::{EntityState, LastEvaluation, ScalingState, SharedJobs};
use crate::domain::entity::EntityKey;

/// The result of one evaluation.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    /// The new decisions: for pools in which something has changed or a deadline has passed. For
    /// all other pools the last decision stands.
    pub decisions: Vec<Arc<Decision>>,
    /// When the next evaluation is due if no event arrives.
    pub until: Option<Timestamp>,
    /// Entities that must be evaluated next, because shared jobs were taken or given back here.
    pub touched: BTreeSet<EntityKey>,
}

/// Two rounds settle which entity takes a shared job; a third changes nothing.
const ROUNDS_MAX: usize = 3;

/// How often the groups are divided in one evaluation: jobs that a pool of a full group gives up are
/// part of the demand of other pools, which then get places, and the jobs with them.
pub const GROUP_ROUNDS: usize = 3;

/// Evaluates every entity of the fleet at `now`.
pub fn evaluate_fleet(
    fleet_index: &mut FleetIndex,
    mut state: ScalingState,
    now: Timestamp,
) -> (Evaluation, ScalingState) {
    fleet_index.rebuild_entities(now);
    let backoff = fleet_index.backoff();
    state.retain(|entity, _| fleet_index.entities().contains_key(entity));
    let mut all = Evaluation::default();
    let mut due: BTreeSet<EntityKey> = fleet_index.entities().keys().cloned().collect();
    for round in 0..ROUNDS_MAX + GROUP_ROUNDS {
        if round > 0 || fleet_index.lacks_shares() {
            due.extend(fleet_index.share_groups(&state, None));
        }
        for entity in std::mem::take(&mut due) {
            let Some(index) = fleet_index.entity_mut(&entity) else { continue };
            let before = state.remove(&entity).unwrap_or_default();
            let (evaluation, after) =
                evaluate_entity(index, before, RoutingContext { backoff, others: &state }, now);
            state.insert(entity, after);
            all.add(evaluation.decisions);
            all.until = earliest(all.until, evaluation.until);
            due.extend(evaluation.touched);
        }
    }
    (all, state)
}

impl Evaluation {
    /// Adds decisions; each replaces an earlier one about the same pool.
    fn add(&mut self, decisions: Vec<Arc<Decision>>) {
        if !self.decisions.is_empty() {
            self.decisions.retain(|old| decisions.iter().all(|decision| decision.pool != old.pool));
        }
        self.decisions.extend(decisions);
    }
}

/// Evaluates one entity at `now` and returns its new state.
pub fn evaluate_entity(
    index: &mut EntityIndex,
    state: EntityState,
    around: RoutingContext<'_>,
    now: Timestamp,
) -> (Evaluation, EntityState) {
    let shared_jobs = state.shared_jobs.clone();
    let (mut all, mut state, circuit_changed) = evaluate_once(index, state, around, now);
    // A pool whose circuit has just opened gives its jobs back, and one whose circuit has closed
    // takes jobs again.
    if circuit_changed {
        let (again, after, _) = evaluate_once(index, state, around, now);
        state = after;
        all.until = again.until;
        all.add(again.decisions);
    }
    all.touched = difference(&shared_jobs, &state.shared_jobs);
    (all, state)
}

fn evaluate_once(
    index: &mut EntityIndex,
    state: EntityState,
    around: RoutingContext<'_>,
    now: Timestamp,
) -> (Evaluation, EntityState, bool) {
    let (routing, mut state) = route(index, state, around, now);
    let last = state.last.take().filter(|last| Arc::ptr_eq(&last.reading, &index.reading));
    let last = last.unwrap_or_default();
    let moved = routing.groups_that_differ(&last.routing);
    let mut evaluation = Evaluation { until: routing.until(), ..Evaluation::default() };
    let mut circuit_changed = false;
    let mut decisions = Vec::with_capacity(index.pools.len());
    for place in 0..index.pools.len() {
        let before = last.decisions.get(place).cloned().flatten();
        let Some(seen) = Observation::new(index, &routing, place, around.backoff) else {
            decisions.push(None);
            continue;
        };
        let is_settled = before.as_ref().is_some_and(|old| {
            last.versions[place] == index.pools[place].version
                && old.holds_at(now)
                && routing.is_same_for(place, &last.routing)
                && !index.groups_of[place].iter().any(|group| moved[*group as usize])
                && seen.is_as_in(old)
        });
        let decision = match before.filter(|_| is_settled) {
            Some(decision) => decision,
            None => {
                let was_open = state.pools[place].circuit.is_open();
                let (decision, after) = decide(&seen, state.pools[place].clone(), now);
                if after.circuit.is_open() != was_open {
                    circuit_changed = true;
                }
                state.pools[place] = after;
                let decision = Arc::new(decision);
                evaluation.decisions.push(Arc::clone(&decision));
                decision
            }
        };
        evaluation.until = earliest(evaluation.until, decision.until);
        decisions.push(Some(decision));
    }
    let versions = index.pools.iter().map(|pool| pool.version).collect();
    state.last =
        Some(LastEvaluation { reading: Arc::clone(&index.reading), routing, versions, decisions });
    (evaluation, state, circuit_changed)
}

/// The entities that share a job whose claim has changed.
fn difference(before: &SharedJobs, after: &SharedJobs) -> BTreeSet<EntityKey> {
    let mut touched = BTreeSet::new();
    for (one, other) in [(before, after), (after, before)] {
        let claim = |shared_jobs: &SharedJobs, job: &i64| shared_jobs.get(job).map(|entry| entry.0);
        for (_, (_, others)) in one.iter().filter(|job| claim(one, job.0) != claim(other, job.0)) {
            touched.extend(others.iter().cloned());
        }
    }
    touched
}

impl Decision {
    /// Whether the decision is still valid at `now` as far as ages are concerned.
    fn holds_at(&self, now: Timestamp) -> bool {
        self.at <= now && self.until.is_none_or(|until| now < until)
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
