//! Groups with pools in several GARMs: whatever is read, written, lost and told in whatever order,
//! by two processes, the limit is kept.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::group_shares::member;
use crate::domain::desired::GroupLimit;
use crate::domain::name::{GarmName, GroupName, PoolId};
use crate::scaling::LimitCertainty::{self, Alone, Leads, Unsure};
use crate::scaling::{GroupBoard, GroupMember, GroupPart, GroupReport, GroupView, LimitClaim};

const CAP: u32 = 12;

fn garm(at: usize) -> GarmName {
    GarmName::new(["east", "west"][at]).unwrap()
}

fn group() -> GroupName {
    GroupName::new("g")
}

fn limit(max_runners: u32) -> GroupLimit {
    GroupLimit { name: group(), max_runners, garms: vec![garm(0), garm(1)] }
}

fn part(members: &[GroupMember]) -> GroupPart {
    let mut part = GroupPart::new(limit(CAP));
    let members = members.iter().enumerate();
    part.members = members.map(|(at, it)| (PoolId::new(format!("p{at}")), it.clone())).collect();
    part
}

fn report(certainty: LimitCertainty, members: &[GroupMember]) -> GroupReport {
    GroupReport { certainty, groups: [(group(), Arc::new(part(members)))].into() }
}

fn claim(board: &mut GroupBoard, at: usize, pool: usize, max_runners: u32) -> Option<u32> {
    let pool = PoolId::new(format!("p{pool}"));
    board.claim(&garm(at), LimitClaim { group: &group(), pool: &pool, max_runners })
}

fn max(members: &[GroupMember], view: Option<&GroupView>) -> Vec<(u32, u32)> {
    part(members).shares(view).iter().map(|share| (share.max, share.write)).collect()
}

fn view(board: &GroupBoard, at: usize) -> GroupView {
    board.view(&garm(at))
}

#[test]
fn each_garm_applies_its_part_of_one_division() {
    let (east, west) = ([member(4, 8, 9), member(0, 2, 0)], [member(1, 2, 5)]);
    let mut board = GroupBoard::default();
    board.report(&garm(0), report(Alone, &east));
    board.report(&garm(1), report(Alone, &west));
    let all = [max(&east, Some(&view(&board, 0))), max(&west, Some(&view(&board, 1)))].concat();
    let one = crate::scaling::group_shares::shares(CAP, &[east.as_slice(), &west].concat());
    let one: Vec<(u32, u32)> = one.iter().map(|share| (share.max, share.write)).collect();
    assert_eq!(all, one);
    assert!(all.iter().map(|it| it.0).sum::<u32>() <= CAP);
}

#[test]
fn while_another_garm_is_unread_the_pools_of_one_divide_what_they_have() {
    let mut board = GroupBoard::default();
    let mut east = [member(5, 5, 4), member(0, 3, 0)];
    assert_eq!(max(&east, Some(&view(&board, 0))), [(5, 5), (3, 3)]);
    board.report(&garm(0), report(Alone, &east));
    assert_eq!(max(&east, Some(&view(&board, 0))), [(8, 5), (0, 0)]);
    assert_eq!(claim(&mut board, 0, 0, 8), None, "the other has not given up its places yet");
    east[1].written = 0;
    board.report(&garm(0), report(Alone, &east));
    assert_eq!(max(&east, Some(&view(&board, 0))), [(8, 8), (0, 0)], "they stay its own");
    assert_eq!(claim(&mut board, 0, 0, 9), Some(8));
}

#[test]
fn what_is_known_of_a_garm_stands_after_its_service_has_ended() {
    let mut board = GroupBoard::default();
    let (east, west) = ([member(4, 4, 8)], [member(0, 8, 0)]);
    board.report(&garm(0), report(Alone, &east));
    board.report(&garm(1), report(Alone, &west));
    assert_eq!(max(&east, Some(&view(&board, 0))), [(12, 4)]);
    board.end(&garm(1));
    assert_eq!(max(&east, Some(&view(&board, 0))), [(4, 4)]);
    assert_eq!(claim(&mut board, 0, 0, 12), None);
}

#[test]
fn of_two_claims_of_the_same_places_one_is_granted() {
    let mut board = GroupBoard::default();
    board.report(&garm(0), report(Alone, &[member(4, 4, 8)]));
    board.report(&garm(1), report(Alone, &[member(5, 5, 8)]));
    assert_eq!(claim(&mut board, 0, 0, 6), Some(6));
    assert_eq!(claim(&mut board, 1, 0, 7), Some(6), "one place is left");
    assert_eq!(claim(&mut board, 1, 0, 7), None);
}

#[test]
fn a_pool_that_leaves_the_group_frees_its_places_and_a_removed_garm_is_forgotten() {
    let mut board = GroupBoard::default();
    board.report(&garm(0), report(Alone, &[member(4, 4, 8)]));
    board.report(&garm(1), report(Alone, &[member(5, 8, 0), member(0, 0, 0)]));
    board.report(&garm(1), report(Alone, &[member(0, 0, 0)]));
    assert_eq!(claim(&mut board, 0, 0, 12), Some(12));
    board.remove(&garm(1));
    assert_eq!(claim(&mut board, 0, 0, 20), None, "the other GARM is unread again");
}

/// A step of the world of two processes.
#[derive(Debug, Clone)]
enum Step {
    /// The process reads the GARM.
    Read { process: usize, garm: usize },
    /// The process tells the board what it knows of the GARM.
    Tell { process: usize, garm: usize },
    /// The process writes its shares to the GARM.
    Write { process: usize, garm: usize },
    /// The oldest write to the GARM that is under way arrives, and is answered or not.
    Arrive { garm: usize, is_answered: bool },
    /// The oldest write to the GARM that is under way fails.
    Fail { garm: usize },
    /// The lease of the GARM goes to the other process.
    Move { garm: usize },
    /// The process is started anew.
    Restart { process: usize },
    /// The pool wants this many runners.
    Ask { garm: usize, pool: usize, asking: u32 },
    /// Runners of the pool end or come.
    Live { garm: usize, pool: usize, live: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    let (two, also) = (0..2_usize, 0..2_usize);
    let pair = || (0..2_usize, 0..2_usize);
    prop_oneof![
        3 => pair().prop_map(|(process, garm)| Step::Read { process, garm }),
        3 => pair().prop_map(|(process, garm)| Step::Tell { process, garm }),
        4 => pair().prop_map(|(process, garm)| Step::Write { process, garm }),
        4 => (0..2_usize, prop::bool::weighted(0.9))
            .prop_map(|(garm, is_answered)| Step::Arrive { garm, is_answered }),
        1 => two.prop_map(|garm| Step::Fail { garm }),
        1 => also.prop_map(|garm| Step::Move { garm }),
        1 => (0..2_usize).prop_map(|process| Step::Restart { process }),
        3 => (0..2_usize, 0..2_usize, 0..14_u32)
            .prop_map(|(garm, pool, asking)| Step::Ask { garm, pool, asking }),
        2 => (0..2_usize, 0..2_usize, 0..14_u32)
            .prop_map(|(garm, pool, live)| Step::Live { garm, pool, live }),
    ]
}

/// What a process knows of a GARM.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Absent until it was read.
    rows: Option<[GroupMember; 2]>,
    certainty: LimitCertainty,
    /// The values of the writes under way, or in doubt.
    raising: [Option<u32>; 2],
}

impl Known {
    fn members(&self) -> Option<[GroupMember; 2]> {
        let mut rows = self.rows.clone()?;
        for (row, raising) in rows.iter_mut().zip(self.raising) {
            row.written = row.written.max(raising.unwrap_or(0));
        }
        Some(rows)
    }
}

#[derive(Default)]
struct Process {
    board: GroupBoard,
    known: [Known; 2],
}

/// A write under way: of this process, to this pool, with this value.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    process: usize,
    pool: usize,
    value: u32,
}

struct World {
    garms: [[GroupMember; 2]; 2],
    under_way: [Vec<UnderWay>; 2],
    leaders: [usize; 2],
    processes: [Process; 2],
}

impl World {
    fn new([a, b, c, d]: [u32; 4]) -> Self {
        let pool = |written| member(0, written, 0);
        Self {
            garms: [[pool(a), pool(b)], [pool(c), pool(d)]],
            under_way: [Vec::new(), Vec::new()],
            leaders: [0, 0],
            processes: [Process::default(), Process::default()],
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Read { process, garm } => self.read(process, garm),
            Step::Tell { process, garm } => {
                let Process { board, known } = &mut self.processes[process];
                if let Some(members) = known[garm].members() {
                    board.report(&self::garm(garm), report(known[garm].certainty, &members));
                }
            }
            Step::Write { process, garm } => self.write(process, garm),
            Step::Arrive { garm, is_answered } => self.arrive(garm, is_answered),
            Step::Fail { garm } => {
                if !self.under_way[garm].is_empty() {
                    let UnderWay { process, pool, .. } = self.under_way[garm].remove(0);
                    self.processes[process].known[garm].raising[pool] = None;
                }
            }
            Step::Move { garm } => {
                // The fence drops what is under way, or lets it arrive before another leads.
                while !self.under_way[garm].is_empty() {
                    self.arrive(garm, false);
                }
                self.processes[self.leaders[garm]].known[garm].certainty = Unsure;
                let Process { board, known } = &mut self.processes[self.leaders[garm]];
                if let Some(members) = known[garm].members() {
                    board.report(&self::garm(garm), report(Unsure, &members));
                }
                self.leaders[garm] = 1 - self.leaders[garm];
            }
            Step::Restart { process } => {
                for garm in 0..2 {
                    let is_own = |write: &UnderWay| write.process == process;
                    while let Some(at) = self.under_way[garm].iter().position(is_own) {
                        let write = self.under_way[garm].remove(at);
                        self.carry_out(garm, write);
                    }
                }
                self.processes[process] = Process::default();
            }
            Step::Ask { garm, pool, asking } => self.garms[garm][pool].asking = asking,
            Step::Live { garm, pool, live } => {
                let row = &mut self.garms[garm][pool];
                row.live = live.min(row.written);
            }
        }
    }

    /// Reads while writes are under way show the values before or after them; those count until they
    /// are answered.
    fn read(&mut self, process: usize, garm: usize) {
        let known = &mut self.processes[process].known[garm];
        known.rows = Some(self.garms[garm].clone());
        known.certainty = if self.leaders[garm] == process { Leads } else { Unsure };
        let is_under_way = |pool: usize| {
            self.under_way[garm].iter().any(|it| (it.process, it.pool) == (process, pool))
        };
        for pool in 0..2 {
            known.raising[pool] = known.raising[pool].filter(|_| is_under_way(pool));
        }
    }

    fn write(&mut self, process: usize, garm: usize) {
        if self.leaders[garm] != process {
            return;
        }
        let Process { board, known } = &mut self.processes[process];
        let Some(members) = known[garm].members() else { return };
        let view = board.view(&self::garm(garm));
        for (pool, share) in part(&members).shares(Some(&view)).iter().enumerate() {
            let row = &members[pool];
            if known[garm].raising[pool].is_some() || share.write == row.written {
                continue;
            }
            let Some(value) = claim(board, garm, pool, share.write) else { continue };
            known[garm].raising[pool] = Some(value);
            self.under_way[garm].push(UnderWay { process, pool, value });
        }
    }

    fn arrive(&mut self, garm: usize, is_answered: bool) {
        if self.under_way[garm].is_empty() {
            return;
        }
        let write = self.under_way[garm].remove(0);
        let UnderWay { process, pool, .. } = write;
        let written = self.carry_out(garm, write);
        let known = &mut self.processes[process].known[garm];
        if let (Some(rows), true) = (&mut known.rows, is_answered) {
            rows[pool].written = written;
            known.raising[pool] = None;
        }
    }

    /// Never below the runners that the pool has by now.
    fn carry_out(&mut self, garm: usize, write: UnderWay) -> u32 {
        let row = &mut self.garms[garm][write.pool];
        row.written = write.value.max(row.live.min(row.written));
        row.written
    }

    fn sum(&self) -> u32 {
        self.garms.iter().flatten().map(GroupMember::held).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_order_of_reads_writes_and_terms_of_two_processes_exceeds_the_limit(
        first in [0..9_u32, 0..9_u32, 0..9_u32, 0..9_u32],
        steps in vec(step(), 1..150),
    ) {
        let mut world = World::new(first);
        for (at, step) in steps.iter().enumerate() {
            let before = world.sum();
            world.step(step);
            prop_assert!(world.sum() <= CAP.max(before), "after step {at}: {:?}", world.garms);
        }
    }
}

/// With one leader of both, all that is asked for is granted in the end.
#[test]
fn places_that_one_garm_gives_up_reach_the_other() {
    let mut world = World::new([3, 3, 3, 3]);
    world.step(&Step::Ask { garm: 0, pool: 0, asking: 12 });
    for _ in 0..4 {
        for garm in 0..2 {
            world.step(&Step::Read { process: 0, garm });
            world.step(&Step::Tell { process: 0, garm });
            world.step(&Step::Write { process: 0, garm });
            for _ in 0..2 {
                world.step(&Step::Arrive { garm, is_answered: true });
            }
        }
    }
    assert_eq!(world.garms[0][0].written, 12);
}
