//! Describes the runners of a full pool.

use jiff::Timestamp;

use super::words::between;
use crate::domain::desired::GroupLimit;
use crate::render::words::span;
use crate::scaling::Decision;

/// The number of runners of a pool, and its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupancy {
    pub limit: u32,
    /// All runners of the pool.
    pub live: u32,
    /// Those in the state `deleting`.
    pub leaving: u32,
    /// When the first of the deleting runners entered that state.
    pub leaving_since: Option<Timestamp>,
}

/// A clause which says that the limit is reached, and how many of the runners are being deleted.
pub fn occupied(occupancy: &Occupancy, now: Timestamp) -> String {
    let all = match occupancy.limit {
        1 => "the one that `max_runners` allows is there".to_owned(),
        several => format!("all {several} that `max_runners` allows are there"),
    };
    let Some(since) = occupancy.leaving_since.filter(|_| occupancy.leaving > 0) else { return all };
    let longest = span(between(since, now));
    match occupancy.leaving {
        1 if occupancy.live == 1 => format!("{all}, `deleting` for {longest}"),
        1 => format!("{all}, 1 of them `deleting` for {longest}"),
        several if several >= occupancy.live => {
            format!("{all}, each of them `deleting`, for up to {longest}")
        }
        several => format!("{all}, {several} of them `deleting`, for up to {longest}"),
    }
}

pub(super) fn occupancy(decision: &Decision) -> Occupancy {
    let counts = &decision.inputs.counts;
    Occupancy {
        limit: limit(decision),
        live: counts.live,
        leaving: counts.leaving + counts.ended,
        leaving_since: counts.leaving_since,
    }
}

pub(super) fn limit(decision: &Decision) -> u32 {
    decision.inputs.max_runners()
}

/// The group that limits the pool, if it is below the pool's own limit.
pub(super) fn limiting_group(decision: &Decision) -> Option<&GroupLimit> {
    decision.inputs.policy.group.as_ref().filter(|_| decision.inputs.is_limited_by_group())
}
