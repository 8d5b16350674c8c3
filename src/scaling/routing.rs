//! The assignment of an entity's waiting jobs to its pools, as data.

use jiff::Timestamp;

use super::entity_index::EntityIndex;

/// The assignment of every waiting job of one entity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routing {
    /// The creation times of each pool's jobs, oldest first.
    pub(super) by_pool: TimesByRow,
    /// The same by label set, whichever pool the jobs were assigned to.
    pub(super) by_group: TimesByRow,
    /// For each pool, which jobs it serves.
    pub(super) eligibilities: Vec<Eligibility>,
    pub(super) exceptions_by_pool: Vec<JobExceptions>,
    /// The jobs for which no pool has room, by label set.
    pub(super) roomless: Vec<u32>,
    /// The same by the pool that they were assigned to nevertheless.
    pub(super) forced: Vec<u32>,
    /// When the assignment would change through age alone.
    pub(super) until: Option<Timestamp>,
}

/// Which jobs a pool serves: those that are neither stale nor stuck for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Eligibility {
    /// Jobs created at or before this time are stale.
    pub(super) stale_by: Timestamp,
    /// Jobs created before this time are stuck.
    pub(super) stuck_before: Timestamp,
}

impl Eligibility {
    /// Whether the pool serves a job created at this time.
    pub(super) fn admits(&self, created_at: Timestamp) -> bool {
        self.stale_by < created_at && self.stuck_before <= created_at
    }
}

/// Jobs of one pool that are reported separately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobExceptions {
    /// They fit, but have waited beside an idle runner in vain: not assigned to this pool.
    pub stuck: u32,
    /// They fit, but are older than `stale_job_age`: not assigned to this pool.
    pub stale: u32,
    /// They are assigned to this pool although GARM has forgotten them.
    pub forgotten: u32,
    /// When the oldest of `stuck` was created.
    pub oldest_stuck: Option<Timestamp>,
}

impl Routing {
    /// The creation times of the jobs assigned to the pool at this index of the routing order,
    /// oldest first.
    pub fn jobs(&self, place: usize) -> &[Timestamp] {
        self.by_pool.part(place)
    }

    /// The jobs of this pool that are reported separately.
    pub fn exceptions(&self, place: usize) -> JobExceptions {
        self.exceptions_by_pool[place]
    }

    /// When the assignment would change through age alone.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// The creation times of the jobs that the pool could run, whichever pool they were assigned
    /// to: for each label set, oldest first.
    pub(super) fn fits<'a>(
        &'a self,
        index: &'a EntityIndex,
        place: usize,
    ) -> impl Iterator<Item = &'a [Timestamp]> {
        let eligibility = self.eligibilities[place];
        index.groups_of[place].iter().map(move |group| {
            let jobs = self.by_group.part(*group as usize);
            &jobs[jobs.partition_point(|created_at| !eligibility.admits(*created_at))..]
        })
    }

    /// The jobs that the pool could run, that were assigned to another one, and for which none has
    /// room.
    pub(super) fn spilled_to(&self, index: &EntityIndex, place: usize) -> u32 {
        let sets = index.groups_of[place].iter();
        let roomless = sets.map(|set| self.roomless.get(*set as usize).copied().unwrap_or(0)).sum();
        let own = self.forced.get(place).copied().unwrap_or(0);
        u32::saturating_sub(roomless, own)
    }

    /// Whether the pool at this index had the same jobs and exceptions before.
    pub(super) fn is_same_for(&self, place: usize, before: &Self) -> bool {
        self.eligibilities[place].stuck_before == before.eligibilities[place].stuck_before
            && self.exceptions_by_pool[place] == before.exceptions_by_pool[place]
            && self.jobs(place) == before.jobs(place)
    }

    /// For each label set, whether the jobs waiting in it have changed.
    pub(super) fn groups_that_differ(&self, before: &Self) -> Vec<bool> {
        let rows = 0..self.by_group.begins.len() - 1;
        rows.map(|row| self.by_group.part(row) != before.by_group.part(row)).collect()
    }
}

/// Timestamps grouped into rows, all in one allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TimesByRow {
    /// Where each row begins, with a final entry for the end.
    begins: Vec<u32>,
    times: Vec<Timestamp>,
}

impl TimesByRow {
    /// Groups timestamps into rows and keeps their order within each row.
    pub(super) fn new(rows: usize, times: impl Iterator<Item = (u32, Timestamp)> + Clone) -> Self {
        let mut begins = vec![0_u32; rows + 1];
        for (row, _) in times.clone() {
            begins[row as usize + 1] += 1;
        }
        for at in 1..begins.len() {
            begins[at] += begins[at - 1];
        }
        let mut ends = begins.clone();
        let mut sorted = vec![Timestamp::UNIX_EPOCH; begins[rows] as usize];
        for (row, time) in times {
            let end = &mut ends[row as usize];
            sorted[*end as usize] = time;
            *end += 1;
        }
        Self { begins, times: sorted }
    }

    /// One row; a missing row is empty.
    pub(super) fn part(&self, row: usize) -> &[Timestamp] {
        match self.begins.get(row..row + 2) {
            Some(ends) => &self.times[ends[0] as usize..ends[1] as usize],
            None => &[],
        }
    }
}
