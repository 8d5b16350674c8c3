//! One turn: give out the jobs of an entity, decide about its pools.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::assignment::SharedJobs;
use super::decide::{Observation, decide};
use super::decision::Decision;
use super::entity_index::EntityIndex;
use super::fleet_index::FleetIndex;
use super::route::{JobExceptions, Routing, RoutingContext, route};
use super::state::{EntityState, ScalingState};
use crate::domain::entity::EntityKey;
use crate::domain::name::PoolId;

/// What a turn found.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    /// The decisions made in it: about the pools for which something had changed, or time had
    /// come. For all others the last decision stands.
    pub decisions: Vec<Arc<Decision>>,
    /// When the next turn is due if nothing is heard.
    pub until: Option<Timestamp>,
    /// Entities whose turn it is now: what was taken or let go here of the jobs that wait for them,
    /// too, is another thing.
    pub touched: BTreeSet<EntityKey>,
}

/// The last turn of an entity.
#[derive(Debug, Clone, Default)]
pub(super) struct LastEvaluation {
    /// The reading of the site that all numbers are meant for.
    reading: Arc<()>,
    routing: Routing,
    /// The version of each pool's runners.
    versions: Vec<u64>,
    /// By place; absent for a pool that is not ours to scale.
    decisions: Vec<Option<Arc<Decision>>>,
}

/// Entities that share jobs settle who takes them in two rounds; a third changes nothing.
const ROUNDS_MAX: usize = 3;

/// Takes one turn of every entity of the fleet at `now`.
pub fn evaluate_fleet(
    picture: &mut FleetIndex,
    mut memory: ScalingState,
    now: Timestamp,
) -> (Evaluation, ScalingState) {
    let backoff = picture.backoff();
    memory.retain(|entity, _| picture.sites().contains_key(entity));
    let mut all = Evaluation::default();
    let mut due: BTreeSet<EntityKey> = picture.sites().keys().cloned().collect();
    for _ in 0..ROUNDS_MAX {
        for entity in std::mem::take(&mut due) {
            let Some(site) = picture.site_mut(&entity) else { continue };
            let before = memory.remove(&entity).unwrap_or_default();
            let (turn, after) =
                evaluate_entity(site, before, RoutingContext { backoff, others: &memory }, now);
            memory.insert(entity, after);
            all.add(turn.decisions);
            all.until = earliest(all.until, turn.until);
            due.extend(turn.touched);
        }
    }
    (all, memory)
}

impl Evaluation {
    /// Takes decisions in, in place of earlier ones about the same pools.
    fn add(&mut self, decisions: Vec<Arc<Decision>>) {
        if !self.decisions.is_empty() {
            self.decisions.retain(|old| decisions.iter().all(|it| it.pool != old.pool));
        }
        self.decisions.extend(decisions);
    }
}

/// Takes one turn of an entity at `now`.
pub fn evaluate_entity(
    site: &mut EntityIndex,
    memory: EntityState,
    around: RoutingContext<'_>,
    now: Timestamp,
) -> (Evaluation, EntityState) {
    let held = memory.held.clone();
    let (mut all, mut memory, circuits) = evaluate_once(site, memory, around, now);
    // A pool whose circuit has just opened gives its jobs back, and takes them when it closes.
    if circuits == Circuits::Changed {
        let (again, after, _) = evaluate_once(site, memory, around, now);
        memory = after;
        all.until = again.until;
        all.add(again.decisions);
    }
    all.touched = difference(&held, &memory.held);
    (all, memory)
}

/// Whether a circuit has opened or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circuits {
    Changed,
    Same,
}

fn evaluate_once(
    site: &mut EntityIndex,
    memory: EntityState,
    around: RoutingContext<'_>,
    now: Timestamp,
) -> (Evaluation, EntityState, Circuits) {
    let (routing, mut memory) = route(site, memory, around, now);
    let last = memory.last.take().filter(|it| Arc::ptr_eq(&it.reading, &site.reading));
    let last = last.unwrap_or_default();
    let moved = routing.groups_that_differ(&last.routing);
    let mut turn = Evaluation { until: routing.until(), ..Evaluation::default() };
    let mut circuits = Circuits::Same;
    let mut decisions = Vec::with_capacity(site.stocks.len());
    for place in 0..site.stocks.len() {
        let before = last.decisions.get(place).cloned().flatten();
        let Some(seen) = Observation::new(site, &routing, place, around.backoff) else {
            decisions.push(None);
            continue;
        };
        let is_settled = before.as_ref().is_some_and(|it| {
            last.versions[place] == site.stocks[place].version
                && it.holds_at(now)
                && routing.is_same_for(place, &last.routing)
                && !site.groups_of[place].iter().any(|it| moved[*it as usize])
                && seen.is_as_in(it)
        });
        let decision = match before.filter(|_| is_settled) {
            Some(decision) => decision,
            None => {
                let was_open = memory.pools[place].circuit.is_open();
                let (decision, after) = decide(&seen, memory.pools[place].clone(), now);
                if after.circuit.is_open() != was_open {
                    circuits = Circuits::Changed;
                }
                memory.pools[place] = after;
                let decision = Arc::new(decision);
                turn.decisions.push(Arc::clone(&decision));
                decision
            }
        };
        turn.until = earliest(turn.until, decision.until);
        decisions.push(Some(decision));
    }
    let versions = site.stocks.iter().map(|it| it.version).collect();
    memory.last =
        Some(LastEvaluation { reading: Arc::clone(&site.reading), routing, versions, decisions });
    (turn, memory, circuits)
}

/// The entities that wait for what has changed.
fn difference(before: &SharedJobs, after: &SharedJobs) -> BTreeSet<EntityKey> {
    let mut touched = BTreeSet::new();
    for (one, other) in [(before, after), (after, before)] {
        let hold = |held: &SharedJobs, job: &i64| held.get(job).map(|it| it.0);
        for (_, (_, others)) in one.iter().filter(|it| hold(one, it.0) != hold(other, it.0)) {
            touched.extend(others.iter().cloned());
        }
    }
    touched
}

impl EntityState {
    /// For each pool of the entity, ours or not, when the jobs that wait for it were created,
    /// oldest first, and those that are shown apart.
    pub fn waiting(&self) -> impl Iterator<Item = (&PoolId, &[Timestamp], JobExceptions)> {
        let routings = self.last.iter().map(|it| &it.routing);
        routings.flat_map(|routing| {
            let places = self.places.iter().enumerate();
            places.map(|(at, place)| (&place.id, routing.jobs(at), routing.tally(at)))
        })
    }

    /// The decision in force for each pool of ours, in routing order.
    pub fn decisions(&self) -> impl Iterator<Item = &Arc<Decision>> {
        self.last.iter().flat_map(|it| &it.decisions).flatten()
    }
}

impl Decision {
    /// Whether age alone leaves the decision as it is at `now`.
    fn holds_at(&self, now: Timestamp) -> bool {
        self.at <= now && self.until.is_none_or(|it| now < it)
    }
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
