//! How many of several leases one process holds: its share, unless no other process takes them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a lease must have been free before a process takes it beyond its share: the others have
/// had time to take it.
pub const GRACE: Duration = Duration::from_secs(3);

/// How long a released lease may stay free before its release counts as useless.
const TAKEN_WITHIN: Duration = Duration::from_secs(8);

/// The pause after a useless release; it doubles each time.
const PAUSE_MIN: Duration = Duration::from_secs(10);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_mins(10);

/// Which leases belong together: for each that follows another one, the name of that one. A process
/// should hold either all of them or none.
pub type JoinedLeases = BTreeMap<String, String>;

/// The leases of one process. A lease is named by its GARM.
///
/// A process takes free leases up to its share, the number of leases divided by that of the
/// processes, rounded up. It takes more only if a lease stays free: a process may be unable to
/// serve a GARM. Above its share it releases one lease at a time, and the next one when another
/// process has taken the first.
///
/// Joined leases count as one. The process that has the first of them takes the others, and another
/// process that has one of those releases it.
#[derive(Debug)]
pub struct Share {
    leases: usize,
    joined: JoinedLeases,
    /// Leases that are held or being taken.
    held: BTreeSet<String>,
    /// Those of `held` that are being taken: they cannot be released yet.
    taking: BTreeSet<String>,
    /// Leases that other processes hold.
    others: BTreeSet<String>,
    /// The lease that is being released or was released last, until another process has it.
    released: Option<Release>,
    /// No lease is released before.
    resume_at: Duration,
    pause: Duration,
    /// The number of processes at the last look.
    live: usize,
    /// The last lease that was released: the next one is another.
    last: String,
}

#[derive(Debug)]
struct Release {
    lease: String,
    at: Duration,
}

/// What is known about a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseOwner {
    /// This process.
    Own,
    /// Another process.
    Other,
    /// No process: it was released.
    Unheld,
}

/// Joins the leases of each set, and sets that have a lease in common. Each lease follows the first of
/// those that it is joined with.
pub fn join(sets: &[BTreeSet<String>]) -> JoinedLeases {
    let mut joined: Vec<BTreeSet<String>> = Vec::new();
    for set in sets {
        let (common, mut apart): (Vec<_>, Vec<_>) =
            joined.into_iter().partition(|other| !other.is_disjoint(set));
        apart.push(common.into_iter().flatten().chain(set.iter().cloned()).collect());
        joined = apart;
    }
    let followers = |set: BTreeSet<String>| {
        let mut leases = set.into_iter();
        let first = leases.next();
        leases.filter_map(move |lease| Some((lease, first.clone()?)))
    };
    joined.into_iter().flat_map(followers).collect()
}

impl Share {
    /// A share of `leases` leases.
    pub fn new(leases: usize) -> Self {
        Self {
            leases,
            joined: JoinedLeases::new(),
            held: BTreeSet::new(),
            taking: BTreeSet::new(),
            others: BTreeSet::new(),
            released: None,
            resume_at: Duration::ZERO,
            pause: PAUSE_MIN,
            live: 0,
            last: String::new(),
        }
    }

    /// Sets the number of leases and which of them are joined, as a reload of the files changes it.
    pub fn set_leases(&mut self, leases: usize, joined: JoinedLeases) {
        (self.leases, self.joined) = (leases, joined);
    }

    /// Whether a lease that has been free for `free_for` is to be taken. If so, it counts as held until
    /// [`Self::note`] says what has become of it. `live` is the number of processes; absent if it is
    /// not known.
    pub fn take(&mut self, lease: &str, free_for: Duration, live: Option<usize>) -> bool {
        if self.held.contains(lease) {
            return true;
        }
        let may_take = match self.joined.get(lease) {
            Some(first) => self.held.contains(first),
            None => live.is_some_and(|live| self.held() < self.most(live)),
        };
        if !may_take && free_for < GRACE {
            return false;
        }
        self.held.insert(lease.to_owned());
        self.taking.insert(lease.to_owned());
        true
    }

    /// Notes who has a lease, as it was last read.
    pub fn note(&mut self, lease: &str, owner: LeaseOwner, now: Duration) {
        self.taking.remove(lease);
        let is_released = self.released.as_ref().is_some_and(|release| release.lease == lease);
        for (leases, is_owner) in [
            (&mut self.held, owner == LeaseOwner::Own),
            (&mut self.others, owner == LeaseOwner::Other),
        ] {
            match is_owner {
                true => drop(leases.insert(lease.to_owned())),
                false => drop(leases.remove(lease)),
            }
        }
        if is_released && owner == LeaseOwner::Other {
            (self.released, self.pause) = (None, PAUSE_MIN);
            self.resume_at = now;
        }
    }

    /// The lease that is to be released now, if there is one.
    pub fn release(&mut self, now: Duration, live: Option<usize>) -> Option<String> {
        if let Some(live) = live {
            if live > self.live {
                // A new process can take what the others did not.
                (self.released, self.resume_at, self.pause) = (None, now, PAUSE_MIN);
            }
            self.live = live;
        }
        if let Some(release) = &self.released {
            if now.saturating_sub(release.at) < TAKEN_WITHIN {
                return None;
            }
            // No process took it.
            self.released = None;
            self.resume_at = now + self.pause;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
        let is_above = self.held() > self.most(live?);
        let may_go = |lease: &&String| match self.joined.get(*lease) {
            Some(first) => self.others.contains(first),
            None => is_above,
        };
        if now < self.resume_at {
            return None;
        }
        let mut candidates = self.held.difference(&self.taking).filter(may_go);
        let first = candidates.clone().next();
        let lease = candidates.find(|lease| **lease > self.last).or(first)?.clone();
        self.last.clone_from(&lease);
        self.released = Some(Release { lease: lease.clone(), at: now });
        Some(lease)
    }

    /// The number of leases that are held or being taken; joined ones count as one.
    pub fn held(&self) -> usize {
        self.held.iter().filter(|lease| !self.joined.contains_key(*lease)).count()
    }

    fn most(&self, live: usize) -> usize {
        (self.leases - self.joined.len().min(self.leases)).div_ceil(live.max(1))
    }
}
