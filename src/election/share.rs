//! How many of several leases one process holds: its share, unless no other process takes them.

use std::collections::BTreeSet;
use std::time::Duration;

/// How long a lease must have been free before a process takes it beyond its share: the others have
/// had time to take it.
pub const GRACE: Duration = Duration::from_secs(3);

/// How long a released lease may stay free before its release counts as useless.
const TAKEN_WITHIN: Duration = Duration::from_secs(8);

/// The pause after a useless release; it doubles each time.
const PAUSE_MIN: Duration = Duration::from_secs(30);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_mins(10);

/// The leases of one process. A lease is named by its GARM.
///
/// A process takes free leases up to its share, the number of leases divided by that of the
/// processes, rounded up. It takes more only if a lease stays free: a process may be unable to
/// serve a GARM. Above its share it releases one lease at a time, and the next one when another
/// process has taken the first.
#[derive(Debug)]
pub struct Share {
    leases: usize,
    /// Leases that are held or being taken.
    held: BTreeSet<String>,
    /// The lease that is being released or was released last, until another process has it.
    released: Option<Release>,
    /// No lease is released before.
    resume_at: Duration,
    pause: Duration,
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

impl Share {
    /// A share of `leases` leases.
    pub fn new(leases: usize) -> Self {
        Self {
            leases,
            held: BTreeSet::new(),
            released: None,
            resume_at: Duration::ZERO,
            pause: PAUSE_MIN,
            last: String::new(),
        }
    }

    /// Sets the number of leases, which a reload of the files changes.
    pub fn resize(&mut self, leases: usize) {
        self.leases = leases;
    }

    /// Whether a lease that has been free for `free_for` is to be taken. If so, it counts as held until
    /// [`Self::note`] says what has become of it. `live` is the number of processes; absent if it is
    /// not known.
    pub fn take(&mut self, lease: &str, free_for: Duration, live: Option<usize>) -> bool {
        if self.held.contains(lease) {
            return true;
        }
        let most = live.map_or(0, |live| self.most(live));
        if self.held.len() >= most && free_for < GRACE {
            return false;
        }
        self.held.insert(lease.to_owned());
        true
    }

    /// Notes who has a lease, as it was last read.
    pub fn note(&mut self, lease: &str, owner: LeaseOwner, now: Duration) {
        let is_released = self.released.as_ref().is_some_and(|release| release.lease == lease);
        match owner {
            LeaseOwner::Own => {
                self.held.insert(lease.to_owned());
            }
            LeaseOwner::Other | LeaseOwner::Unheld => {
                self.held.remove(lease);
            }
        }
        if is_released && owner == LeaseOwner::Other {
            (self.released, self.pause) = (None, PAUSE_MIN);
            self.resume_at = now;
        }
    }

    /// The lease that is to be released now, if there is one.
    pub fn release(&mut self, now: Duration, live: Option<usize>) -> Option<String> {
        if let Some(release) = &self.released {
            if now.saturating_sub(release.at) < TAKEN_WITHIN {
                return None;
            }
            // No process took it.
            self.released = None;
            self.resume_at = now + self.pause;
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
        if self.held.len() <= self.most(live?) || now < self.resume_at {
            return None;
        }
        let next = self.held.iter().find(|lease| **lease > self.last);
        let lease = next.or_else(|| self.held.first())?.clone();
        self.last.clone_from(&lease);
        self.released = Some(Release { lease: lease.clone(), at: now });
        Some(lease)
    }

    /// The number of leases that are held or being taken.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn most(&self, live: usize) -> usize {
        self.leases.div_ceil(live.max(1))
    }
}
