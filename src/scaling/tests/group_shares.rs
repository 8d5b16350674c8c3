//! Properties of the shares of a group, for any pools.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::domain::name::PoolKind;
use crate::scaling::group_shares::{GroupMember, GroupShare, shares};
use crate::scaling::testing::at;

pub(super) fn member(live: u32, written: u32, asking: u32) -> GroupMember {
    GroupMember {
        live,
        limit: 20,
        written,
        kind: PoolKind::Pool,
        priority: 0,
        floor: 0,
        asking,
        oldest: None,
        later: 0,
        leaving: 0,
        spare: 0,
        takes_slack: true,
    }
}

fn some_member() -> impl Strategy<Value = GroupMember> {
    let rows = (0..9_u32, 1..16_u32, 0..18_u32, prop::bool::weighted(0.3));
    let wants = (0..3_u32, 0..9_u32, 0..5_u32, prop::option::of(0..9_i64));
    let rest = (0..2_u32, 0..3_u32, 0..3_u32, prop::bool::weighted(0.8));
    (rows, wants, rest).prop_map(
        |(
            (live, limit, written, is_set),
            (floor, asking, later, oldest),
            (priority, leaving, spare, takes_slack),
        )| {
            let kind = if is_set { PoolKind::ScaleSet } else { PoolKind::Pool };
            let oldest = oldest.map(at);
            let rest = member(live, written, asking);
            GroupMember {
                limit,
                kind,
                priority,
                floor,
                oldest,
                later,
                leaving,
                spare,
                takes_slack,
                ..rest
            }
        },
    )
}

/// The places that a pool occupies; a scale set has one at least.
fn base(member: &GroupMember) -> u32 {
    member.live.max(u32::from(member.kind == PoolKind::ScaleSet))
}

fn total(of: impl Iterator<Item = u32>) -> u32 {
    of.sum()
}

/// Writes what may be written, until nothing changes.
fn settle(cap: u32, members: &mut [GroupMember]) -> Vec<GroupShare> {
    for _ in 0..12 {
        let shares = shares(cap, members);
        if members.iter().zip(&shares).all(|(member, share)| member.written == share.write) {
            return shares;
        }
        members.iter_mut().zip(&shares).for_each(|(member, share)| member.written = share.write);
    }
    panic!("the writes do not come to an end: {members:#?}");
}

fn maxima(cap: u32, members: &[GroupMember]) -> Vec<u32> {
    shares(cap, members).iter().map(|share| share.max).collect()
}

proptest! {
    #[test]
    fn together_the_shares_are_at_most_the_limit_or_what_lives(
        members in vec(some_member(), 1..6),
        cap in 1..40_u32,
    ) {
        let shares = shares(cap, &members);
        let occupied = total(members.iter().map(base));
        prop_assert!(total(shares.iter().map(|share| share.max)) <= cap.max(occupied));
        for (member, share) in members.iter().zip(&shares) {
            prop_assert!(share.max <= member.limit && share.write <= share.max);
            prop_assert!(share.max >= base(member).min(member.limit), "{member:?} {share:?}");
        }
    }

    #[test]
    fn no_place_is_free_while_a_pool_with_room_asks(
        members in vec(some_member(), 1..6),
        cap in 1..40_u32,
    ) {
        let shares = shares(cap, &members);
        let lacks = members.iter().zip(&shares).any(|(member, share)| {
            let room = member.limit.saturating_sub(base(member));
            (member.floor + member.asking).min(room) > share.max.saturating_sub(base(member))
        });
        let held = members.iter().zip(&shares).map(|(member, share)| share.max.max(base(member)));
        prop_assert!(!lacks || total(held) >= cap);
    }

    /// Writes arrive in any order, and some fail: in between, GARM's own scaling must not be able to
    /// exceed the limit either.
    #[test]
    fn whichever_writes_arrive_garm_cannot_exceed_the_limit(
        members in vec(some_member(), 1..6),
        cap in 1..40_u32,
        arrives in vec(any::<bool>(), 6),
    ) {
        let shares = shares(cap, &members);
        let held = |written: u32, member: &GroupMember| written.max(base(member));
        let before = total(members.iter().map(|member| held(member.written, member)));
        let after = members.iter().zip(&shares).zip(arrives).map(|((member, share), arrives)| {
            held(if arrives { share.write } else { member.written }, member)
        });
        let occupied = total(members.iter().map(base));
        prop_assert!(total(after) <= cap.max(occupied).max(before));
    }

    #[test]
    fn the_writes_come_to_an_end_at_the_shares(members in vec(some_member(), 1..6), cap in 1..40_u32) {
        let mut members = members;
        let shares = settle(cap, &mut members);
        for (member, share) in members.iter().zip(shares) {
            prop_assert_eq!(member.written, share.max);
        }
    }

    /// Floors come first, then the jobs of higher priority.
    #[test]
    fn a_lower_priority_gets_places_only_beyond_what_the_higher_asks_for(
        members in vec(some_member(), 2..6),
        cap in 1..40_u32,
    ) {
        let mut members = members;
        members.iter_mut().for_each(|member| (member.floor, member.later) = (0, 0));
        settle(cap, &mut members);
        let max = maxima(cap, &members);
        let has_all = |at: usize| {
            let room = members[at].limit.saturating_sub(base(&members[at]));
            max[at].saturating_sub(base(&members[at])) >= members[at].asking.min(room)
        };
        for (high, low) in (0..members.len()).flat_map(|a| (0..members.len()).map(move |b| (a, b))) {
            if members[high].priority > members[low].priority && !has_all(high) {
                prop_assert!(max[low] <= base(&members[low]), "{members:#?} {max:?}");
            }
        }
    }

    /// Pools that always have waiting jobs, and whose runners end in any order: a free place goes to
    /// a pool that has no more runners than any other, so none waits for ever.
    #[test]
    fn a_free_place_goes_to_the_pool_with_the_fewest_runners(
        cap in 1..20_u32,
        count in 2..6_usize,
        ends in vec(any::<prop::sample::Index>(), 200),
    ) {
        let mut live = vec![0; count];
        live[0] = cap;
        let (mut oldest, mut written) = (vec![0; count], vec![cap; count]);
        for (step, end) in (1..).zip(ends) {
            let busy: Vec<usize> = (0..count).flat_map(|at| vec![at; live[at] as usize]).collect();
            live[busy[end.index(busy.len())]] -= 1;
            // A lower value is written before a higher one.
            for _ in 0..2 {
                let members: Vec<_> = (0..count)
                    .map(|place| GroupMember {
                        oldest: Some(at(oldest[place])),
                        ..member(live[place], written[place], 5)
                    })
                    .collect();
                for (at, share) in shares(cap, &members).into_iter().enumerate() {
                    written[at] = share.write;
                    if share.write > live[at] {
                        let least = live.iter().min().copied().unwrap_or_default();
                        prop_assert_eq!(live[at], least, "{:?}", members);
                        (live[at], oldest[at]) = (share.write, step);
                    }
                }
            }
            prop_assert_eq!(total(live.iter().copied()), cap);
        }
    }
}

#[test]
fn what_garm_has_stays_while_it_suffices() {
    let members = [member(3, 12, 4), member(9, 18, 1), member(0, 10, 0)];
    assert_eq!(maxima(40, &members), [12, 18, 10]);
}

#[test]
fn a_pool_that_needs_more_than_it_has_leads_to_an_even_division() {
    let members = [member(10, 14, 9), member(5, 13, 0), member(0, 13, 0)];
    // 16 places are free beyond the 24 that are needed: 1 is all that the first can still take.
    assert_eq!(maxima(40, &members), [20, 13, 7]);
    let shares = shares(40, &members);
    let write: Vec<u32> = shares.iter().map(|share| share.write).collect();
    assert_eq!(write, [14, 13, 7], "the others give up their places first");
}

#[test]
fn a_scale_set_keeps_its_places_if_the_pools_can_do_without_and_has_one_at_least() {
    let set = |live, written| GroupMember { kind: PoolKind::ScaleSet, ..member(live, written, 0) };
    assert_eq!(maxima(20, &[member(6, 6, 4), set(1, 10), member(0, 4, 0)]), [10, 10, 0]);
    assert_eq!(maxima(20, &[member(6, 6, 9), set(1, 10), member(0, 4, 0)]), [17, 2, 1]);
    assert_eq!(
        maxima(5, &[member(5, 5, 9), set(0, 1)]),
        [5, 1],
        "more than the limit live already"
    );
}

#[test]
fn idle_runners_are_given_up_for_the_jobs_of_others_and_no_more_than_those_need() {
    let idle = GroupMember { spare: 3, ..member(3, 3, 0) };
    let shed = |asking, leaving| -> Vec<u32> {
        let asks = GroupMember { leaving, ..member(2, 2, asking) };
        shares(5, &[idle.clone(), asks]).iter().map(|share| share.shed).collect()
    };
    assert_eq!(shed(2, 0), [2, 0]);
    assert_eq!(shed(9, 1), [3, 0]);
    assert_eq!(shed(1, 1), [0, 0], "a place is about to become free");
    assert_eq!(shed(0, 0), [0, 0]);
}
