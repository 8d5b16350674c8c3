//! Divides the `max_runners` of a group among its pools.
//!
//! The shares are a function of what GARM lists, so two watchers with equal inputs agree, and no
//! deficit has to be remembered: among pools of equal priority, a free place goes to the one that
//! has the fewest runners, then to the one whose job has waited longest. A pool that was passed over
//! has fewer runners than the others and is therefore next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::Timestamp;

use crate::domain::name::PoolKind;

/// What one pool of a group has and asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// All its rows in GARM: they occupy places, and are never removed for being too many.
    pub(super) live: u32,
    /// `max_runners` of its file.
    pub(super) limit: u32,
    /// `max_runners` in GARM, or the higher value of a write in flight: GARM may create up to it.
    pub(super) written: u32,
    pub(super) kind: PoolKind,
    pub(super) priority: u32,
    /// Runners that its floor lacks.
    pub(super) floor: u32,
    /// Jobs for which a runner is to be started now.
    pub(super) asking: u32,
    /// When the oldest job without a runner was created.
    pub(super) oldest: Option<Timestamp>,
    /// Jobs that the policy lets wait, and those that may wait at GitHub unseen.
    pub(super) later: u32,
    /// Rows in deletion, whose places become free.
    pub(super) leaving: u32,
    /// Idle runners that neither its floor nor its jobs need.
    pub(super) spare: u32,
    /// Whether it gets places for which nothing asks yet. Not while its circuit is open.
    pub(super) takes_slack: bool,
}

/// The part of a group's `max_runners` that belongs to one pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupShare {
    /// The most runners that the pool may have. The shares of all pools together are at most the
    /// group's `max_runners`, unless more runners than that exist already.
    pub max: u32,
    /// The `max_runners` to write now: lower than `max` until other pools have given up places.
    pub write: u32,
    /// Idle runners to remove before `scale_down_delay`, since jobs of other pools need the places.
    pub shed: u32,
}

impl GroupMember {
    /// The places that the pool occupies. A scale set has one at least: its `max_runners` is never
    /// 0, which would retire it, and with 0 GitHub would not tell GARM that a job waits.
    pub(super) fn base(&self) -> u32 {
        match self.kind {
            PoolKind::Pool => self.live,
            PoolKind::ScaleSet => self.live.max(1),
        }
    }

    /// The value that GARM has, within the file's.
    fn kept(&self) -> u32 {
        self.written.min(self.limit)
    }

    /// The places that GARM may fill by itself.
    pub(super) fn held(&self) -> u32 {
        self.written.max(self.base())
    }

    /// Its share if it keeps what it has.
    pub(super) fn kept_share(&self) -> GroupShare {
        let kept = self.kept().max(self.base());
        GroupShare { max: kept.min(self.limit), write: kept, shed: 0 }
    }

    /// A pool to which nothing is written: it keeps what it has, and asks for nothing.
    pub(super) fn at_rest(self) -> Self {
        Self {
            live: self.live.max(self.kept()),
            floor: 0,
            asking: 0,
            oldest: None,
            later: 0,
            leaving: 0,
            spare: 0,
            takes_slack: false,
            ..self
        }
    }
}

/// The share of each member, in the given order, which must not depend on the observer. For each
/// member `base <= max`, unless the file's own limit is lower.
pub(super) fn shares(cap: u32, members: &[GroupMember]) -> Vec<GroupShare> {
    let mut rows: Vec<u32> = members.iter().map(GroupMember::base).collect();
    let occupied = sum(&rows);
    let mut free = u64::from(cap).saturating_sub(occupied);
    let by_priority = by_priority(members);
    for at in by_priority.iter().flatten() {
        grant(members, &mut rows, *at, (u64::from(members[*at].floor), &mut free));
    }
    let floors = rows.clone();
    for class in &by_priority {
        deal(members, class, |member| member.asking, (&mut rows, &mut free));
    }
    let unmet: u64 = members.iter().zip(rows.iter().zip(&floors)).map(unmet).sum();
    for class in &by_priority {
        deal(members, class, |member| member.later, (&mut rows, &mut free));
    }
    let cap = u64::from(cap).max(occupied);
    let max = with_slack(cap, members, &rows);
    let write = writable(cap, members, &max);
    let shed = shed(members, unmet);
    let shares = max.iter().zip(write).zip(shed);
    shares.map(|((max, write), shed)| GroupShare { max: *max, write, shed }).collect()
}

fn sum(rows: &[u32]) -> u64 {
    rows.iter().copied().map(u64::from).sum()
}

/// The members of each priority, highest first.
fn by_priority(members: &[GroupMember]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|at| (Reverse(members[*at].priority), *at));
    let classes = order.chunk_by(|a, b| members[*a].priority == members[*b].priority);
    classes.map(<[usize]>::to_vec).collect()
}

fn grant(members: &[GroupMember], rows: &mut [u32], at: usize, (wanted, free): (u64, &mut u64)) {
    let room = u64::from(members[at].limit.saturating_sub(rows[at]));
    let given = wanted.min(room).min(*free);
    rows[at] += u32::try_from(given).unwrap_or(u32::MAX);
    *free -= given;
}

/// Deals free places one by one: each goes to the member with the fewest runners.
fn deal(
    members: &[GroupMember],
    class: &[usize],
    wanted: fn(&GroupMember) -> u32,
    (rows, free): (&mut Vec<u32>, &mut u64),
) {
    let rank = |rows: &[u32], at: usize| {
        Reverse((rows[at], members[at].oldest.unwrap_or(Timestamp::MAX), at))
    };
    let mut left: Vec<u32> = members.iter().map(wanted).collect();
    let asking = class.iter().filter(|at| left[**at] > 0);
    let mut heap: BinaryHeap<_> = asking.map(|at| rank(rows, *at)).collect();
    while let Some(Reverse((_, _, at))) = heap.pop().filter(|_| *free > 0) {
        let before = *free;
        grant(members, rows, at, (1, free));
        left[at] -= 1;
        if left[at] > 0 && *free < before {
            heap.push(rank(rows, at));
        }
    }
}

/// The jobs that ask for a runner, that the pool itself has room for, and that get no place.
fn unmet((member, (rows, floors)): (&GroupMember, (&u32, &u32))) -> u64 {
    let room = member.limit.saturating_sub(*floors);
    u64::from(member.asking.min(room).saturating_sub(rows - floors))
}

/// Adds the places that nothing asks for. What GARM has stays as it is while it suffices, so that
/// `max_runners` is rarely written. Otherwise the places are divided evenly, which leaves every pool
/// room to grow before the next write. Scale sets keep theirs if the others can do without: a lower
/// `max_runners` makes GARM connect to GitHub anew.
fn with_slack(cap: u64, members: &[GroupMember], rows: &[u32]) -> Vec<u32> {
    let limited = |(rows, member): (u32, &GroupMember)| rows.min(member.limit);
    let kept: Vec<u32> =
        rows.iter().zip(members).map(|(rows, member)| member.kept().max(*rows)).collect();
    let suffices =
        members.iter().zip(rows).all(|(member, rows)| *rows <= member.kept().max(member.base()));
    if suffices && sum(&kept) <= cap {
        return kept.into_iter().zip(members).map(limited).collect();
    }
    let is_set = |at: usize| members[at].kind == PoolKind::ScaleSet;
    let with_sets: Vec<u32> =
        (0..members.len()).map(|at| if is_set(at) { kept[at] } else { rows[at] }).collect();
    let keeps_sets = sum(&with_sets) <= cap;
    let mut divided = if keeps_sets { with_sets } else { rows.to_vec() };
    let mut slack = cap.saturating_sub(sum(&divided));
    let takes = (0..members.len()).filter(|at| members[*at].takes_slack).collect();
    spread(members, takes, (&mut divided, &mut slack));
    divided.into_iter().zip(members).map(limited).collect()
}

/// Divides the slack evenly among these members, each up to its own limit.
fn spread(members: &[GroupMember], mut among: Vec<usize>, (rows, slack): (&mut [u32], &mut u64)) {
    let room = |rows: &[u32], at: usize| u64::from(members[at].limit.saturating_sub(rows[at]));
    among.retain(|at| room(rows, *at) > 0);
    among.sort_by_key(|at| (room(rows, *at), *at));
    let mut others = among.len() as u64;
    for at in among {
        let part = slack.div_ceil(others.max(1));
        grant(members, rows, at, (part, slack));
        others -= 1;
    }
}

/// What may be written now: a share below GARM's value at once, a higher one only as far as the
/// values in GARM leave places. The sum of GARM's values therefore never rises above the cap, in
/// whatever order the writes arrive.
fn writable(cap: u64, members: &[GroupMember], max: &[u32]) -> Vec<u32> {
    let held: Vec<u32> = members.iter().map(GroupMember::held).collect();
    let mut spare = cap.saturating_sub(sum(&held));
    let write = |(held, max): (&u32, &u32)| {
        let sure = (*held).min(*max);
        let more = u64::from(max - sure).min(spare);
        spare -= more;
        sure + u32::try_from(more).unwrap_or(u32::MAX)
    };
    held.iter().zip(max).map(write).collect()
}

/// Which members remove idle runners so that `unmet` jobs of others get places: those of the lowest
/// priority first, then those with the most idle runners.
fn shed(members: &[GroupMember], unmet: u64) -> Vec<u32> {
    let leaving: u64 = members.iter().map(|member| u64::from(member.leaving)).sum();
    let mut needed = unmet.saturating_sub(leaving);
    let mut shed = vec![0; members.len()];
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|at| (members[*at].priority, Reverse(members[*at].spare), *at));
    for at in order {
        let part = u64::from(members[at].spare).min(needed);
        shed[at] = u32::try_from(part).unwrap_or(u32::MAX);
        needed -= part;
    }
    shed
}
