//! Gives each waiting job of an entity to one pool.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::moment::{Moment, earlier, later};
use super::queue::Waiting;
use super::site::Site;
use super::stock::Stock;
use crate::domain::name::PoolId;

/// The place of a job that no pool fits.
const NOWHERE: u32 = u32::MAX;

/// Which pool each job was given to the last time.
#[derive(Debug, Clone, Default)]
pub struct Former {
    places: Arc<[PoolId]>,
    /// In the order of the queue: creation, id, place.
    jobs: Vec<(Timestamp, i64, u32)>,
}

/// Every waiting job of one entity, given to a pool.
#[derive(Debug, Clone)]
pub struct Routing {
    now: Timestamp,
    /// When the routing changes by age alone.
    until: Option<Timestamp>,
    /// Where each pool's part of `created` begins; one more than there are pools.
    begins: Vec<u32>,
    /// When the jobs of each pool were created: rising within a pool.
    created: Vec<Timestamp>,
    former: Former,
}

impl Routing {
    /// When the jobs given to the pool at this place in the routing order were created, oldest
    /// first.
    pub fn jobs(&self, place: usize) -> &[Timestamp] {
        &self.created[self.begins[place] as usize..self.begins[place + 1] as usize]
    }

    /// The time for which the jobs were given out.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// When they would be given out differently by age alone.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// What the next routing must know of this one.
    pub fn into_former(self) -> Former {
        self.former
    }
}

/// Gives each waiting job to one pool, oldest first, in two passes. First every idle or booting
/// runner takes one: the job's former pool if it has one free, else the first in order. Then the
/// rest: the former pool if it has room, else the first with room, else the first that fits. No
/// job is counted twice.
pub fn route(site: &mut Site, former: &Former, now: Timestamp) -> Routing {
    site.recount(now);
    let mut moment = Moment::new(now);
    let before = former_places(site, former);
    let mut deal = Deal::new(site, now);
    let waiting = &site.queue.waiting;
    let counted: Vec<u32> = (0_u32..)
        .zip(waiting)
        .filter(|(_, job)| job.until.is_none_or(|it| !moment.reached(it)))
        .map(|(at, _)| at)
        .collect();
    deal.leave(|stock| stock.census.supply());
    let rest = deal.pass(&counted, &before);
    deal.leave(Stock::room);
    let rest = deal.pass(&rest, &before);
    deal.force(&rest);
    let next_stale = deal.next_stale();
    let places = deal.places;
    if let Some(at) = next_stale {
        moment.reached(at);
    }
    collect(site, &places, moment)
}

/// For each waiting job the place of its former pool, or [`NOWHERE`]: both rows are in the same
/// order, so one walk finds them all.
fn former_places(site: &Site, former: &Former) -> Vec<u32> {
    let is_same = Arc::ptr_eq(&former.places, &site.places) || former.places == site.places;
    let moved: Option<Vec<u32>> = (!is_same).then(|| {
        let now: HashMap<&PoolId, u32> = site.places.iter().zip(0_u32..).collect();
        former.places.iter().map(|it| now.get(it).copied().unwrap_or(NOWHERE)).collect()
    });
    let mut jobs = former.jobs.iter().peekable();
    let find = |job: &Waiting| {
        while jobs.next_if(|it| (it.0, it.1) < job.rank()).is_some() {}
        match jobs.next_if(|it| (it.0, it.1) == job.rank()) {
            Some((_, _, place)) => moved.as_ref().map_or(*place, |it| it[*place as usize]),
            None => NOWHERE,
        }
    };
    site.queue.waiting.iter().map(find).collect()
}

/// Jobs being given out.
struct Deal<'a> {
    site: &'a Site,
    now: Timestamp,
    /// For each waiting job the place that it was given to.
    places: Vec<u32>,
    /// What each pool can still take in this pass.
    left: Vec<u32>,
    /// For each group how many of its pools, from the first, have nothing left.
    spent: Vec<u32>,
    /// Jobs created at this time or earlier may be too old for some pool.
    old: Option<Timestamp>,
}

impl<'a> Deal<'a> {
    fn new(site: &'a Site, now: Timestamp) -> Self {
        let stale = site.stocks.iter().map(Stock::stale_job_age).min();
        Self {
            site,
            now,
            places: vec![NOWHERE; site.queue.waiting.len()],
            left: Vec::new(),
            spent: Vec::new(),
            old: stale.map(|it| earlier(now, it)),
        }
    }

    /// Begins a pass in which each pool takes as many jobs as `what` says.
    fn leave(&mut self, what: impl Fn(&Stock) -> u32) {
        self.left = self.site.stocks.iter().map(what).collect();
        self.spent = vec![0; self.site.queue.groups.len()];
    }

    /// Gives out what can be given out; returns the jobs that found nothing.
    fn pass(&mut self, jobs: &[u32], before: &[u32]) -> Vec<u32> {
        let mut rest = Vec::new();
        for at in jobs {
            let job = &self.site.queue.waiting[*at as usize];
            let former = Some(before[*at as usize]).filter(|it| self.takes(job, *it));
            match former.or_else(|| self.first_with_some_left(job)) {
                Some(place) => {
                    self.left[place as usize] -= 1;
                    self.places[*at as usize] = place;
                }
                None => rest.push(*at),
            }
        }
        rest
    }

    /// Gives each job to the first pool that fits, room or not.
    fn force(&mut self, jobs: &[u32]) {
        for at in jobs {
            let job = &self.site.queue.waiting[*at as usize];
            let fits = &self.site.queue.groups[job.group as usize].fits;
            let first = fits.iter().find(|it| self.may(job, **it));
            self.places[*at as usize] = first.copied().unwrap_or(NOWHERE);
        }
    }

    fn takes(&self, job: &Waiting, place: u32) -> bool {
        place != NOWHERE
            && self.left[place as usize] > 0
            && self.site.queue.groups[job.group as usize].fits.binary_search(&place).is_ok()
            && self.may(job, place)
    }

    fn first_with_some_left(&mut self, job: &Waiting) -> Option<u32> {
        let fits = &self.site.queue.groups[job.group as usize].fits;
        let spent = &mut self.spent[job.group as usize];
        // What a pass has left only falls, so pools found empty once need no second look.
        while fits.get(*spent as usize).is_some_and(|it| self.left[*it as usize] == 0) {
            *spent += 1;
        }
        let from = *spent as usize;
        fits[from..].iter().copied().find(|it| self.left[*it as usize] > 0 && self.may(job, *it))
    }

    /// Whether the job is not too old for this pool.
    fn may(&self, job: &Waiting, place: u32) -> bool {
        if self.old.is_none_or(|it| it < job.created_at) {
            return true;
        }
        earlier(self.now, self.site.stocks[place as usize].stale_job_age()) < job.created_at
    }

    /// When the next job becomes too old for some pool.
    fn next_stale(&self) -> Option<Timestamp> {
        let mut ages: Vec<_> = self.site.stocks.iter().map(Stock::stale_job_age).collect();
        ages.sort_unstable();
        ages.dedup();
        let waiting = &self.site.queue.waiting;
        let next = |age| {
            let fresh = waiting.partition_point(|it| it.created_at <= earlier(self.now, age));
            waiting.get(fresh).map(|it| later(it.created_at, age))
        };
        ages.into_iter().filter_map(next).min()
    }
}

/// Sorts what was given out by pool, keeping the order of age.
fn collect(site: &Site, places: &[u32], moment: Moment) -> Routing {
    let mut begins = vec![0_u32; site.stocks.len() + 1];
    for place in places.iter().filter(|it| **it != NOWHERE) {
        begins[*place as usize + 1] += 1;
    }
    for at in 1..begins.len() {
        begins[at] += begins[at - 1];
    }
    let mut ends = begins.clone();
    let count = begins[site.stocks.len()] as usize;
    let mut created = vec![Timestamp::UNIX_EPOCH; count];
    let mut jobs = Vec::with_capacity(count);
    for (job, place) in site.queue.waiting.iter().zip(places) {
        if *place != NOWHERE {
            let end = &mut ends[*place as usize];
            created[*end as usize] = job.created_at;
            *end += 1;
            jobs.push((job.created_at, job.id, *place));
        }
    }
    let former = Former { places: Arc::clone(&site.places), jobs };
    Routing { now: moment.now(), until: moment.next(), begins, created, former }
}
