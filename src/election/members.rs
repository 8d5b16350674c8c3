//! Which processes take part: they share one record, in which each counts its own beats.

use std::collections::BTreeMap;
use std::time::Duration;

use super::machine::{DURATION, RETRY};
use super::record::{StoreFault, SwapResult};

/// The time between two beats of a process.
pub const BEAT_EVERY: Duration = Duration::from_secs(1);

/// How long a silent process stays in the record. The others ignore it after [`DURATION`].
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// The longest time between two reads in which the silence of a process is observed. After a longer
/// one, for example because the store was away, the silence of all is counted anew.
const OBSERVED_FOR: Duration = Duration::from_secs(4);

/// A process in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Names the leases that it shares: only processes with the same ones share them out.
    pub group: String,
    /// Grows with each beat.
    pub beat: u64,
}

/// The record of all processes, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MembersRecord(pub BTreeMap<String, Member>);

/// The record as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMembers {
    pub record: MembersRecord,
    /// The store's version of the record.
    pub version: String,
}

/// A request to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MembersRequest {
    Read,
    /// Writes `record` if the store still has this version; `None`: if it has no record.
    Swap {
        expected: Option<String>,
        record: MembersRecord,
    },
}

/// The answer of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MembersAnswer {
    Read(Result<Option<StoredMembers>, StoreFault>),
    Swap(Result<SwapResult, StoreFault>),
}

/// One process's view of the others. At most one of its requests is under way.
#[derive(Debug)]
pub struct Membership {
    id: String,
    group: String,
    beat: u64,
    /// The record that the next beat replaces; absent until it is read.
    stored: Option<Option<StoredMembers>>,
    others: BTreeMap<String, MemberSighting>,
    read_at: Option<Duration>,
    in_flight: bool,
    due: Duration,
    course: MembershipCourse,
}

/// Another process.
#[derive(Debug)]
struct MemberSighting {
    member: Member,
    /// When this beat was first seen.
    since: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MembershipCourse {
    Taking,
    Leaving,
    Over,
}

impl Membership {
    /// A process whose first request is due at once.
    pub fn new(id: String, group: String) -> Self {
        Self {
            id,
            group,
            beat: 0,
            stored: None,
            others: BTreeMap::new(),
            read_at: None,
            in_flight: false,
            due: Duration::ZERO,
            course: MembershipCourse::Taking,
        }
    }

    /// Changes the leases that this process shares.
    pub fn set_group(&mut self, group: String) {
        self.group = group;
    }

    /// The number of processes that share the same leases, this one included; absent until the first
    /// read: a process that knows nothing of the others takes nothing.
    pub fn live(&self, now: Duration) -> Option<usize> {
        self.read_at?;
        let is_live = |other: &&MemberSighting| {
            other.member.group == self.group && now.saturating_sub(other.since) < DURATION
        };
        Some(1 + self.others.values().filter(is_live).count())
    }

    /// Removes this process from the record. A request under way is abandoned: its answer must not be
    /// passed on.
    pub fn leave(&mut self, now: Duration) {
        if self.course == MembershipCourse::Taking {
            self.course = MembershipCourse::Leaving;
            (self.in_flight, self.stored, self.due) = (false, None, now);
        }
    }

    /// Whether this process has left.
    pub fn is_over(&self) -> bool {
        self.course == MembershipCourse::Over
    }

    /// When the next request is due; absent while one is under way, and after the end.
    pub fn deadline(&self) -> Option<Duration> {
        (!self.in_flight && self.course != MembershipCourse::Over).then_some(self.due)
    }

    /// The request that is to be sent now.
    pub fn next(&mut self, now: Duration) -> Option<MembersRequest> {
        if self.deadline().is_none_or(|due| now < due) {
            return None;
        }
        self.in_flight = true;
        let Some(stored) = &self.stored else { return Some(MembersRequest::Read) };
        let mut record = stored.as_ref().map(|stored| stored.record.clone()).unwrap_or_default();
        record.0.retain(|id, _| {
            let since = self.others.get(id).map_or(now, |other| other.since);
            now.saturating_sub(since) < FORGET_AFTER
        });
        if self.course == MembershipCourse::Leaving {
            record.0.remove(&self.id);
        } else {
            self.beat += 1;
            let member = Member { group: self.group.clone(), beat: self.beat };
            record.0.insert(self.id.clone(), member);
        }
        let expected = stored.as_ref().map(|stored| stored.version.clone());
        Some(MembersRequest::Swap { expected, record })
    }

    /// Takes the answer to the request under way, which has arrived at `now`.
    pub fn answer(&mut self, answer: MembersAnswer, now: Duration) {
        self.in_flight = false;
        match answer {
            MembersAnswer::Read(Ok(stored)) => {
                self.see(stored.as_ref().map(|stored| &stored.record), now);
                (self.stored, self.due) = (Some(stored), now);
            }
            // Others have written in between: what is stored is read again for each beat.
            MembersAnswer::Swap(Ok(SwapResult::Done(_))) => {
                if self.course == MembershipCourse::Leaving {
                    self.course = MembershipCourse::Over;
                }
                (self.stored, self.due) = (None, now + BEAT_EVERY);
            }
            MembersAnswer::Swap(Ok(SwapResult::Conflict)) => {
                (self.stored, self.due) = (None, now);
            }
            MembersAnswer::Read(Err(_)) | MembersAnswer::Swap(Err(_)) => {
                (self.stored, self.due) = (None, now + RETRY);
            }
        }
    }

    fn see(&mut self, record: Option<&MembersRecord>, now: Duration) {
        let is_observed =
            self.read_at.is_some_and(|before| now.saturating_sub(before) <= OBSERVED_FOR);
        self.read_at = Some(now);
        let members = record.iter().flat_map(|record| &record.0);
        let mut others = BTreeMap::new();
        for (id, member) in members.filter(|(id, _)| **id != self.id) {
            let before = self.others.get(id).filter(|seen| is_observed && seen.member == *member);
            let since = before.map_or(now, |seen| seen.since);
            others.insert(id.clone(), MemberSighting { member: member.clone(), since });
        }
        self.others = others;
    }
}
