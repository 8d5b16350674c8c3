//! The state machine of one candidate.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::record::{
    LeaseAnswer, LeaseNotes, LeaseRecord, LeaseRequest, OwnNotes, StoredLease, SwapResult,
};

/// How long a record must be seen unchanged before another process takes the lease. With a read every
/// [`READ_EVERY`], a leader that is killed is replaced within 10 s.
pub const DURATION: Duration = Duration::from_secs(9);

/// The time between two renewals, from sending to sending.
pub const RENEW_EVERY: Duration = Duration::from_secs(2);

/// How long the holder may write after it has sent its last successful renewal. The rest of
/// [`DURATION`] is for a write that is under way then ([`LINGER`]), and for clocks of different speed.
pub const WRITE_FOR: Duration = Duration::from_secs(6);

/// How long a write that was abandoned may still be on its way to GARM: the kernel repeats what was
/// not acknowledged.
pub const LINGER: Duration = Duration::from_millis(2_500);

/// The time between two reads of a standby: a released lease is taken within it.
pub const READ_EVERY: Duration = Duration::from_millis(500);

/// The wait after a request that failed.
pub const RETRY: Duration = Duration::from_millis(500);

/// The permission to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    pub term: u64,
    /// Nothing is written from this time on, on this process's clock.
    pub until: Duration,
}

/// One candidate. At most one of its requests is under way.
#[derive(Debug)]
pub struct Election {
    /// The id of this process in the record.
    id: String,
    seen: Option<Sighting>,
    /// The term that this process holds as far as it knows; the permission to write may be over.
    held: Option<HeldTerm>,
    /// The number of swaps that were planned.
    swaps: u64,
    /// Swaps whose outcome is unknown, by number, and when each was sent.
    unanswered: BTreeMap<u64, Duration>,
    /// The highest term ever seen. The store may lose its data; a term never falls.
    term_max: u64,
    in_flight: Option<(LeaseRequest, Duration)>,
    /// When the next request is due.
    due: Duration,
    course: Course,
    taking: Taking,
}

/// Whether a free lease is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    Allowed,
    /// It is left to other processes, and read again.
    Withheld,
}

/// What was last read or written.
#[derive(Debug)]
struct Sighting {
    stored: Option<StoredLease>,
    /// When the store was first seen like this: the time of the answer, which is after the write.
    since: Duration,
    /// Nothing has happened since that makes another read necessary.
    is_current: bool,
}

#[derive(Debug)]
struct HeldTerm {
    term: u64,
    since: Timestamp,
    /// When the last successful renewal was sent; absent if it is not known.
    renewed_at: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Candidate,
    /// The lease is released, and the process stays a candidate.
    Yielding,
    /// The lease is released if it is held.
    Resigning,
    Over,
}

impl Election {
    /// A candidate whose first request is due at once.
    pub fn new(id: String) -> Self {
        Self {
            id,
            seen: None,
            held: None,
            swaps: 0,
            unanswered: BTreeMap::new(),
            term_max: 0,
            in_flight: None,
            due: Duration::ZERO,
            course: Course::Candidate,
            taking: Taking::Allowed,
        }
    }

    /// Sets whether a free lease is taken from now on.
    pub fn set_taking(&mut self, taking: Taking) {
        self.taking = taking;
    }

    /// How long the lease has been free; absent while it is not, and before the first read.
    pub fn free_for(&self, now: Duration) -> Option<Duration> {
        let seen = self.seen.as_ref().filter(|_| self.held.is_none())?;
        now.checked_sub(seen.eligible_at())
    }

    /// Gives up the lease to another process, and stays a candidate. The permission to write is over
    /// at once. A request under way is abandoned: its answer must not be passed on.
    pub fn yield_lease(&mut self, now: Duration) {
        if self.course == Course::Candidate && self.held.is_some() {
            self.course = Course::Yielding;
            self.due = now;
            if self.in_flight.take().is_some() {
                self.look_again(now);
            }
        }
    }

    /// The permission to write, which may be over by now.
    pub fn grant(&self) -> Option<Grant> {
        let held = self.held.as_ref().filter(|_| self.course == Course::Candidate)?;
        Some(Grant { term: held.term, until: held.renewed_at? + WRITE_FOR })
    }

    /// The last record that was read or written, and when it was first seen.
    pub fn sighting(&self) -> Option<(&LeaseRecord, Duration)> {
        let seen = self.seen.as_ref()?;
        Some((&seen.stored.as_ref()?.record, seen.since))
    }

    /// Whether the record names this process.
    pub fn is_holder(&self) -> bool {
        self.held.is_some()
    }

    /// Gives up the lease. The permission to write is over at once. A request under way is abandoned:
    /// its answer must not be passed on.
    pub fn resign(&mut self, now: Duration) {
        if matches!(self.course, Course::Resigning | Course::Over) {
            return;
        }
        self.course = Course::Resigning;
        self.due = now;
        if self.in_flight.take().is_some() {
            self.look_again(now);
        }
    }

    /// Whether the candidate has resigned and has no further request.
    pub fn is_over(&self) -> bool {
        self.course == Course::Over
    }

    /// When the next request is due; absent while one is under way, and after the end.
    pub fn deadline(&self) -> Option<Duration> {
        (self.in_flight.is_none() && self.course != Course::Over).then_some(self.due)
    }

    /// The request that is to be sent now. `today` dates what is written.
    pub fn next(
        &mut self,
        now: Duration,
        today: Timestamp,
        notes: &OwnNotes,
    ) -> Option<LeaseRequest> {
        if self.deadline().is_none_or(|due| now < due) {
            return None;
        }
        let request = match (self.seen.as_ref().filter(|seen| seen.is_current), &self.held) {
            (None, None) if self.course == Course::Resigning && self.unanswered.is_empty() => None,
            (None, _) => Some(LeaseRequest::Read),
            (Some(seen), Some(held)) => {
                let is_candidate = self.course == Course::Candidate;
                let holder = if is_candidate { self.id.clone() } else { String::new() };
                let (term, since, number) = (held.term, held.since, self.swaps + 1);
                let written_at = today;
                Some(seen.swap(LeaseRecord {
                    holder,
                    term,
                    number,
                    since,
                    written_at,
                    notes: seen.notes(notes),
                }))
            }
            (Some(_), None) if self.course == Course::Resigning => None,
            (Some(seen), None) if now >= seen.eligible_at() && self.taking == Taking::Allowed => {
                Some(seen.swap(LeaseRecord {
                    holder: self.id.clone(),
                    term: self.term_max + 1,
                    number: self.swaps + 1,
                    since: today,
                    written_at: today,
                    notes: seen.notes(notes),
                }))
            }
            (Some(_), None) => Some(LeaseRequest::Read),
        };
        match &request {
            Some(LeaseRequest::Swap { record, .. }) => {
                self.swaps = record.number;
                self.unanswered.insert(record.number, now);
            }
            Some(LeaseRequest::Read) => {}
            None => self.course = Course::Over,
        }
        self.in_flight = request.clone().map(|request| (request, now));
        request
    }

    /// Takes the answer to the request under way, which has arrived at `now`.
    pub fn answer(&mut self, answer: LeaseAnswer, now: Duration) {
        let Some((request, sent)) = self.in_flight.take() else { return };
        match (request, answer) {
            (_, LeaseAnswer::Read(Ok(stored))) => self.read(stored, now),
            (
                LeaseRequest::Swap { record, .. },
                LeaseAnswer::Swap(Ok(SwapResult::Done(version))),
            ) => self.swapped(StoredLease { record, version }, sent, now),
            (LeaseRequest::Swap { record, .. }, LeaseAnswer::Swap(Ok(SwapResult::Conflict))) => {
                self.unanswered.remove(&record.number);
                self.look_again(now);
            }
            (_, LeaseAnswer::Read(Err(_)) | LeaseAnswer::Swap(Err(_)))
            | (LeaseRequest::Read, LeaseAnswer::Swap(Ok(_))) => self.look_again(now + RETRY),
        }
    }

    fn look_again(&mut self, at: Duration) {
        if let Some(seen) = &mut self.seen {
            seen.is_current = false;
        }
        self.due = at;
    }

    fn read(&mut self, stored: Option<StoredLease>, now: Duration) {
        self.see(stored, now);
        let seen = self.seen.as_ref().expect("set by `see` one line above");
        let mine = seen.stored.as_ref().map(|stored| &stored.record);
        let Some(mine) = mine.filter(|record| record.holder == self.id) else {
            self.held = None;
            let eligible_at = seen.eligible_at();
            if self.course == Course::Yielding {
                self.course = Course::Candidate;
            }
            self.due = match self.taking {
                Taking::Allowed => eligible_at.clamp(now, now + READ_EVERY),
                Taking::Withheld => now + READ_EVERY,
            };
            return;
        };
        // The answer to the swap that wrote this record was lost, or the store has gone back to an
        // earlier state of the record. Only the former proves a renewal.
        let sent = self.unanswered.get(&mine.number).copied();
        let before = self.held.as_ref().filter(|held| held.term == mine.term);
        let renewed_at = before.and_then(|held| held.renewed_at).max(sent);
        self.held = Some(HeldTerm { term: mine.term, since: mine.since, renewed_at });
        self.due = now;
    }

    fn swapped(&mut self, stored: StoredLease, sent: Duration, now: Duration) {
        // Swaps that were not answered expected an older version: none of them can still succeed.
        self.unanswered.clear();
        let record = &stored.record;
        if record.holder.is_empty() {
            self.held = None;
            if self.course == Course::Yielding {
                (self.course, self.taking) = (Course::Candidate, Taking::Withheld);
                self.due = now + READ_EVERY;
            } else {
                self.course = Course::Over;
            }
        } else {
            self.held =
                Some(HeldTerm { term: record.term, since: record.since, renewed_at: Some(sent) });
            self.due = if self.course == Course::Candidate { sent + RENEW_EVERY } else { now };
        }
        self.see(Some(stored), now);
    }

    fn see(&mut self, stored: Option<StoredLease>, now: Duration) {
        let term = stored.as_ref().map_or(0, |stored| stored.record.term);
        self.term_max = self.term_max.max(term);
        let since = match &self.seen {
            Some(seen) if seen.stored == stored => seen.since,
            Some(_) | None => now,
        };
        self.seen = Some(Sighting { stored, since, is_current: true });
    }
}

impl Sighting {
    /// When another process may take the lease. A store without a record is no exception: it may have
    /// lost the record of a process that still writes.
    fn eligible_at(&self) -> Duration {
        let is_released =
            self.stored.as_ref().is_some_and(|stored| stored.record.holder.is_empty());
        if is_released { self.since } else { self.since + DURATION }
    }

    fn swap(&self, record: LeaseRecord) -> LeaseRequest {
        let expected = self.stored.as_ref().map(|stored| stored.version.clone());
        LeaseRequest::Swap { expected, record }
    }

    fn notes(&self, own: &OwnNotes) -> LeaseNotes {
        let stored = self.stored.as_ref().map(|stored| &stored.record.notes.alerts);
        let alerts = own.alerts.as_ref().or(stored).cloned().unwrap_or_default();
        LeaseNotes { audit_head: own.audit_head.clone(), alerts }
    }
}
