//! One turn: give out the jobs of an entity, decide about its pools.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::decide::{Observation, decide};
use super::decision::Decision;
use super::memory::{Memory, SiteMemory};
use super::picture::Picture;
use super::route::{Routing, Tally, route};
use super::site::Site;
use crate::domain::name::PoolId;

/// What a turn found.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    /// The decisions made in it: about the pools for which something had changed, or time had
    /// come. For all others the last decision stands.
    pub decisions: Vec<Arc<Decision>>,
    /// When the next turn is due if nothing is heard.
    pub until: Option<Timestamp>,
}

/// The last turn of an entity.
#[derive(Debug, Clone, Default)]
pub(super) struct Last {
    /// The reading of the site that all numbers are meant for.
    reading: Arc<()>,
    routing: Routing,
    /// The version of each pool's runners.
    versions: Vec<u64>,
    /// By place; absent for a pool that is not ours to scale.
    decisions: Vec<Option<Arc<Decision>>>,
}

/// Takes one turn of every entity of the fleet at `now`.
pub fn turn_all(picture: &mut Picture, mut memory: Memory, now: Timestamp) -> (Turn, Memory) {
    let entities: Vec<_> = picture.sites().keys().cloned().collect();
    let backoff = picture.backoff();
    memory.retain(|entity, _| picture.sites().contains_key(entity));
    let mut all = Turn::default();
    for entity in entities {
        let Some(site) = picture.site_mut(&entity) else { continue };
        let (turn, after) = turn(site, memory.remove(&entity).unwrap_or_default(), backoff, now);
        memory.insert(entity, after);
        all.decisions.extend(turn.decisions);
        all.until = earliest(all.until, turn.until);
    }
    (all, memory)
}

/// Takes one turn of an entity at `now`. `backoff` is GARM's `minimum_job_age_backoff`.
pub fn turn(
    site: &mut Site,
    memory: SiteMemory,
    backoff: Duration,
    now: Timestamp,
) -> (Turn, SiteMemory) {
    let (routing, mut memory) = route(site, memory, now);
    let last = memory.last.take().filter(|it| Arc::ptr_eq(&it.reading, &site.reading));
    let last = last.unwrap_or_default();
    let moved = routing.groups_that_differ(&last.routing);
    let mut turn = Turn { decisions: Vec::new(), until: routing.until() };
    let mut decisions = Vec::with_capacity(site.stocks.len());
    for place in 0..site.stocks.len() {
        let before = last.decisions.get(place).cloned().flatten();
        let Some(seen) = Observation::new(site, &routing, place, backoff) else {
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
                let (decision, after) = decide(&seen, memory.pools[place].clone(), now);
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
    memory.last = Some(Last { reading: Arc::clone(&site.reading), routing, versions, decisions });
    (turn, memory)
}

impl SiteMemory {
    /// For each pool of the entity, ours or not, when the jobs that wait for it were created,
    /// oldest first, and those that are shown apart.
    pub fn waiting(&self) -> impl Iterator<Item = (&PoolId, &[Timestamp], Tally)> {
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
