//! The passes in which waiting jobs are given out.

use jiff::Timestamp;

use super::memory::NOWHERE;
use super::queue::Waiting;
use super::route::Bar;
use super::site::Site;
use super::stock::Stock;

/// Jobs being given out.
pub(super) struct Deal<'a> {
    site: &'a Site,
    bars: &'a [Bar],
    /// For each waiting job the place of the pool that it was given to.
    places: Vec<u32>,
    /// What each pool can still take in this pass.
    left: Vec<u32>,
    /// For each group how many of its pools, from the first, have nothing left.
    spent: Vec<u32>,
    /// Jobs created from here on are barred by no pool.
    young: Timestamp,
}

impl<'a> Deal<'a> {
    pub(super) fn new(site: &'a Site, bars: &'a [Bar]) -> Self {
        let tick = jiff::SignedDuration::from_nanos(1);
        let young = |bar: &Bar| {
            let fresh = bar.stale_by.checked_add(tick).unwrap_or(Timestamp::MAX);
            fresh.max(bar.stuck_before)
        };
        Self {
            site,
            bars,
            places: vec![NOWHERE; site.queue.waiting.len()],
            left: Vec::new(),
            spent: Vec::new(),
            young: bars.iter().map(young).max().unwrap_or(Timestamp::MIN),
        }
    }

    /// Gives out all jobs; returns the place of each.
    pub(super) fn all(mut self, former: &[u32]) -> Vec<u32> {
        let jobs: Vec<u32> = (0_u32..).take(self.places.len()).collect();
        self.begin(|stock| stock.census.supply());
        let rest = self.pass(&jobs, former);
        self.begin(Stock::room);
        let rest = self.pass(&rest, former);
        self.force(&rest);
        self.places
    }

    /// Begins a pass in which each pool takes as many jobs as `what` says.
    fn begin(&mut self, what: impl Fn(&Stock) -> u32) {
        self.left = self.site.stocks.iter().map(what).collect();
        self.spent = vec![0; self.site.queue.groups.len()];
    }

    /// Gives out what can be given out; returns the jobs that found nothing.
    fn pass(&mut self, jobs: &[u32], former: &[u32]) -> Vec<u32> {
        let mut rest = Vec::new();
        for at in jobs {
            let job = &self.site.queue.waiting[*at as usize];
            let place = Some(former[*at as usize]).filter(|it| self.takes(job, *it));
            match place.or_else(|| self.first_with_some_left(job)) {
                Some(place) => {
                    self.left[place as usize] -= 1;
                    self.places[*at as usize] = place;
                }
                None => rest.push(*at),
            }
        }
        rest
    }

    /// Gives each job to the first pool that serves it, room or not.
    fn force(&mut self, jobs: &[u32]) {
        for at in jobs {
            let job = &self.site.queue.waiting[*at as usize];
            let first = self.fits(job).iter().find(|it| self.serves(job, **it));
            self.places[*at as usize] = first.copied().unwrap_or(NOWHERE);
        }
    }

    fn takes(&self, job: &Waiting, place: u32) -> bool {
        place != NOWHERE
            && self.left[place as usize] > 0
            && self.fits(job).binary_search(&place).is_ok()
            && self.serves(job, place)
    }

    fn first_with_some_left(&mut self, job: &Waiting) -> Option<u32> {
        let fits = &self.site.queue.groups[job.group as usize].fits;
        let spent = &mut self.spent[job.group as usize];
        // What a pass has left only falls, so pools found empty once need no second look.
        while fits.get(*spent as usize).is_some_and(|it| self.left[*it as usize] == 0) {
            *spent += 1;
        }
        let from = *spent as usize;
        let takes = |it: &u32| self.left[*it as usize] > 0 && self.serves(job, *it);
        fits[from..].iter().copied().find(takes)
    }

    fn fits(&self, job: &Waiting) -> &'a [u32] {
        &self.site.queue.groups[job.group as usize].fits
    }

    /// Whether the job is neither stale for this pool nor stuck beside it.
    fn serves(&self, job: &Waiting, place: u32) -> bool {
        self.young <= job.created_at || self.bars[place as usize].lets(job.created_at)
    }
}
