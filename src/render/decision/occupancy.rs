//! What takes the room of a full pool, in words.

use jiff::Timestamp;

use super::words::between;
use crate::render::words::span;
use crate::scaling::Decision;

/// What takes the room of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupancy {
    /// `max_runners`.
    pub limit: u32,
    /// Runners that are there.
    pub live: u32,
    /// Those of them on their way out, jobs over or not.
    pub leaving: u32,
    /// Since when the first of those is leaving.
    pub leaving_since: Option<Timestamp>,
}

/// That as many runners as may be are there, and how many of them are on their way out.
pub fn occupied(it: &Occupancy, now: Timestamp) -> String {
    let all = match it.limit {
        1 => "the one that `max_runners` allows is there".to_owned(),
        several => format!("all {several} that `max_runners` allows are there"),
    };
    let Some(since) = it.leaving_since.filter(|_| it.leaving > 0) else { return all };
    let longest = span(between(since, now));
    match it.leaving {
        1 if it.live == 1 => format!("{all}, and has been leaving for {longest}"),
        1 => format!("{all}, 1 of them leaving for {longest}"),
        several if several >= it.live => {
            format!("{all}, each of them leaving, for up to {longest}")
        }
        several => format!("{all}, {several} of them leaving, for up to {longest}"),
    }
}

pub(super) fn occupancy(it: &Decision) -> Occupancy {
    let counts = &it.inputs.counts;
    Occupancy {
        limit: limit(it),
        live: counts.live,
        leaving: counts.leaving + counts.ended,
        leaving_since: counts.leaving_since,
    }
}

/// The bound that is in force.
pub(super) fn limit(it: &Decision) -> u32 {
    it.inputs.policy.max_runners.min(it.inputs.garm_max)
}
