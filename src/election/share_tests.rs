//! Properties of the shares: processes that start and are killed, with several leases in one store.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

const STEP_MS: u64 = 50;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Compares and swaps each record at one moment.
#[derive(Default)]
struct Store {
    leases: BTreeMap<usize, StoredLease>,
    members: Option<StoredMembers>,
    writes: u64,
}

impl Store {
    fn version(&mut self) -> String {
        self.writes += 1;
        self.writes.to_string()
    }

    fn lease(&mut self, lease: usize, request: LeaseRequest) -> LeaseAnswer {
        let stored = self.leases.get(&lease);
        match request {
            LeaseRequest::Read => LeaseAnswer::Read(Ok(stored.cloned())),
            LeaseRequest::Swap { expected, .. }
                if stored.map(|stored| &stored.version) != expected.as_ref() =>
            {
                LeaseAnswer::Swap(Ok(SwapResult::Conflict))
            }
            LeaseRequest::Swap { record, .. } => {
                let version = self.version();
                self.leases.insert(lease, StoredLease { record, version: version.clone() });
                LeaseAnswer::Swap(Ok(SwapResult::Done(version)))
            }
        }
    }

    fn members(&mut self, request: MembersRequest) -> MembersAnswer {
        match request {
            MembersRequest::Read => MembersAnswer::Read(Ok(self.members.clone())),
            MembersRequest::Swap { expected, .. }
                if self.members.as_ref().map(|stored| &stored.version) != expected.as_ref() =>
            {
                MembersAnswer::Swap(Ok(SwapResult::Conflict))
            }
            MembersRequest::Swap { record, .. } => {
                let version = self.version();
                self.members = Some(StoredMembers { record, version: version.clone() });
                MembersAnswer::Swap(Ok(SwapResult::Done(version)))
            }
        }
    }
}

/// When a process runs, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Life {
    from: u64,
    until: u64,
    /// It cannot serve the lease of this number.
    unable: Option<usize>,
}

impl Life {
    fn runs(&self, now: u64) -> bool {
        (self.from..self.until).contains(&now)
    }
}

/// A process whose requests are answered after one step.
struct Process {
    id: String,
    life: Life,
    membership: Membership,
    share: Share,
    elections: Vec<Election>,
    answers: Vec<Option<LeaseAnswer>>,
    members: Option<MembersAnswer>,
}

impl Process {
    fn new(at: usize, life: Life, leases: usize, joined: &JoinedLeases) -> Self {
        let mut share = Share::new(leases);
        share.set_leases(leases, joined.clone());
        let id = format!("process-{at}");
        Self {
            membership: Membership::new(id.clone(), "all".into()),
            share,
            elections: (0..leases).map(|_| Election::new(id.clone())).collect(),
            answers: (0..leases).map(|_| None).collect(),
            members: None,
            id,
            life,
        }
    }

    fn step(&mut self, now_ms: u64, store: &mut Store) {
        let now = ms(now_ms);
        if let Some(answer) = self.members.take() {
            self.membership.answer(answer, now);
        }
        self.members = self.membership.next(now).map(|request| store.members(request));
        let live = self.membership.live(now);
        if let Some(lease) = self.share.release(now, live) {
            self.elections[lease.parse::<usize>().unwrap()].yield_lease(now);
        }
        for lease in 0..self.elections.len() {
            if self.life.unable == Some(lease) {
                continue;
            }
            let name = lease.to_string();
            let election = &mut self.elections[lease];
            if let Some(answer) = self.answers[lease].take() {
                election.answer(answer, now);
                if let Some((record, _)) = election.sighting() {
                    let owner = match record.holder.as_str() {
                        "" => LeaseOwner::Unheld,
                        holder if holder == self.id && election.is_holder() => LeaseOwner::Own,
                        _ => LeaseOwner::Other,
                    };
                    self.share.note(&name, owner, now);
                }
            }
            if let Some(free_for) = election.free_for(now) {
                let is_taken = self.share.take(&name, free_for, live);
                election.set_taking(if is_taken { Taking::Allowed } else { Taking::Withheld });
            }
            let request = election.next(now, Timestamp::UNIX_EPOCH, &OwnNotes::default());
            self.answers[lease] = request.map(|request| store.lease(lease, request));
        }
    }

    fn leads(&self, lease: usize, now_ms: u64) -> bool {
        let grant = self.elections[lease].grant();
        self.life.runs(now_ms) && grant.is_some_and(|grant| ms(now_ms) < grant.until)
    }
}

/// The leader of each lease at each step. Asserts that no lease ever has two.
fn run(lives: &[Life], leases: usize, length_ms: u64) -> Leaders {
    run_joined(lives, (leases, &JoinedLeases::new()), length_ms)
}

type Leaders = Vec<(u64, Vec<Option<usize>>)>;

fn run_joined(lives: &[Life], (leases, joined): (usize, &JoinedLeases), length_ms: u64) -> Leaders {
    let mut store = Store::default();
    let mut processes: Vec<Process> = lives
        .iter()
        .enumerate()
        .map(|(at, life)| Process::new(at, *life, leases, joined))
        .collect();
    let mut leaders = Vec::new();
    for now in (0..length_ms).step_by(usize::try_from(STEP_MS).unwrap()) {
        for process in processes.iter_mut().filter(|process| process.life.runs(now)) {
            process.step(now, &mut store);
        }
        let leader = |lease: usize| {
            let mut all = processes.iter().enumerate().filter(|(_, one)| one.leads(lease, now));
            let first = all.next().map(|(at, _)| at);
            assert!(all.next().is_none(), "two processes lead lease {lease} at {now} ms");
            first
        };
        leaders.push((now, (0..leases).map(leader).collect()));
    }
    leaders
}

fn counts(leaders: &[Option<usize>]) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for leader in leaders.iter().flatten() {
        *counts.entry(*leader).or_insert(0) += 1;
    }
    counts
}

/// A process that is able to serve every GARM.
fn life(from: u64, until: u64) -> Life {
    Life { from, until, unable: None }
}

const FOREVER: u64 = u64::MAX;

fn lives() -> impl Strategy<Value = Vec<Life>> {
    let end = prop_oneof![2 => Just(None), 1 => (1_000..60_000_u64).prop_map(Some)];
    let one = (0..40_000_u64, end)
        .prop_map(|(from, lasts)| life(from, lasts.map_or(FOREVER, |lasts| from + lasts)));
    proptest::collection::vec(one, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Processes come and go; a while after the last change, all leases are led, evenly, and stay
    /// where they are.
    #[test]
    fn the_processes_that_run_lead_all_leases_in_even_shares(lives in lives(), leases in 1..9_usize) {
        let change = lives.iter().flat_map(|life| [life.from, life.until]);
        let last = change.filter(|at| *at != FOREVER).max().unwrap();
        // The takeover, and for each lease that moves to another process a second or two.
        let settled = last + 20_000 + 2_000 * u64::try_from(leases).unwrap();
        let leaders = run(&lives, leases, settled + 15_000);
        let live = lives.iter().filter(|life| life.until == FOREVER).count();
        let quiet = leaders.iter().filter(|(at, _)| *at >= settled);
        let (_, end) = leaders.last().unwrap();
        for (at, leaders) in quiet {
            if live > 0 {
                prop_assert!(leaders.iter().all(Option::is_some), "at {at}: {leaders:?}");
            }
            let most = counts(leaders).into_values().max().unwrap_or(0);
            prop_assert!(most <= leases.div_ceil(live.max(1)), "at {at}: {leaders:?}");
            prop_assert_eq!(leaders, end, "at {}", at);
        }
    }

    /// Of two, three or four joined leases beside others, one process leads all, whichever took the first.
    #[test]
    fn joined_leases_are_led_by_one_process(
        lives in lives(),
        alone in 0..4_usize,
        together in 2..5_usize,
    ) {
        let leases = alone + together;
        let set: BTreeSet<String> = (alone..leases).map(|lease| lease.to_string()).collect();
        let change = lives.iter().flat_map(|life| [life.from, life.until]);
        let last = change.filter(|at| *at != FOREVER).max().unwrap();
        let settled = last + 30_000 + 4_000 * u64::try_from(leases).unwrap();
        let leaders = run_joined(&lives, (leases, &join(&[set])), settled + 15_000);
        let live = lives.iter().filter(|life| life.until == FOREVER).count();
        for (at, leaders) in leaders.iter().filter(|(at, _)| live > 0 && *at >= settled) {
            prop_assert!(leaders.iter().all(Option::is_some), "at {at}: {leaders:?}");
            let first = leaders[alone];
            prop_assert!(leaders[alone..].iter().all(|it| *it == first), "at {at}: {leaders:?}");
            let most = counts(&leaders[..=alone]).into_values().max().unwrap_or(0);
            prop_assert!(most <= (alone + 1).div_ceil(live), "at {at}: {leaders:?}");
        }
    }

    #[test]
    fn the_leases_of_a_killed_process_are_led_again_within_15_seconds(
        killed_at in 60_000..65_000_u64,
        others in 1..4_usize,
    ) {
        let leases = 12;
        let mut lives = vec![life(0, killed_at)];
        lives.extend((0..others).map(|at| life(700 * u64::try_from(at).unwrap(), FOREVER)));
        let leaders = run(&lives, leases, killed_at + 15_000);
        let before = leaders.iter().rfind(|(at, _)| *at < killed_at).unwrap();
        let led = counts(&before.1).remove(&0);
        prop_assert_eq!(led, Some(leases.div_ceil(others + 1)));
        let (_, end) = leaders.last().unwrap();
        prop_assert!(end.iter().all(Option::is_some), "{end:?}");
    }
}

#[test]
fn sets_with_a_common_lease_are_joined() {
    let set = |leases: &str| leases.chars().map(String::from).collect::<BTreeSet<String>>();
    let joined = join(&[set("bc"), set("ef"), set("ab"), set("g")]);
    let pairs: Vec<String> =
        joined.iter().map(|(lease, first)| format!("{lease}{first}")).collect();
    assert_eq!(pairs, ["ba", "ca", "fe"]);
}

/// The first process cannot serve the second of two joined leases: another one does.
#[test]
fn a_joined_lease_that_one_process_cannot_take_is_led_by_another() {
    let joined = join(&[["0", "1"].map(String::from).into()]);
    let unable = Life { unable: Some(1), ..life(0, FOREVER) };
    let leaders = run_joined(&[unable, life(20_000, FOREVER)], (2, &joined), 300_000);
    let unled = leaders.iter().filter(|(at, leaders)| *at > 60_000 && leaders[1] != Some(1));
    let unled = unled.count() * usize::try_from(STEP_MS).unwrap();
    assert!(unled <= 40_000, "{unled} ms without a leader");
}

#[test]
fn a_new_process_gets_its_share_one_lease_at_a_time() {
    let leaders = run(&[life(0, FOREVER), life(30_000, FOREVER)], 10, 70_000);
    let at = |time: u64| &leaders.iter().find(|(at, _)| *at >= time).unwrap().1;
    assert_eq!(counts(at(29_000)), BTreeMap::from([(0, 10)]));
    assert_eq!(counts(at(65_000)), BTreeMap::from([(0, 5), (1, 5)]));
    // Never are two of them without a leader.
    for (time, leaders) in leaders.iter().filter(|(at, _)| *at >= 30_000) {
        let unled = leaders.iter().filter(|leader| leader.is_none()).count();
        assert!(unled <= 1, "at {time}: {leaders:?}");
    }
}

#[test]
fn a_lease_that_the_others_cannot_take_is_taken_beyond_the_share_and_seldom_released() {
    // The second process can serve nothing but the first two GARMs.
    let unable = Life { unable: Some(2), ..life(0, FOREVER) };
    let leaders = run(&[life(0, FOREVER), unable, unable], 3, 200_000);
    let moved = leaders.iter().filter(|(at, leaders)| *at > 40_000 && leaders[2] != Some(0));
    let unled = moved.count() * usize::try_from(STEP_MS).unwrap();
    assert!(unled <= 20_000, "{unled} ms without a leader");
}
