//! Properties of the election: candidates whose clocks have different speeds and origins, on a store
//! and a network that delay and lose requests and answers, while processes are paused and stopped.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

/// The longest time between a request and its answer, after which the caller gives up.
const TIMEOUT_MS: u64 = 2_000;

const STEP_MS: u64 = 50;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// What happens to one request. Times are true ones, in milliseconds from its sending.
#[derive(Debug, Clone, Copy)]
struct Fate {
    /// When it reaches the store; absent if it never does.
    arrives: Option<u64>,
    /// When the answer is back; absent if it is lost.
    answered: Option<u64>,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = (0..1_000_u32, 0..400_u64, 0..400_u64, 0..20_000_u64).prop_map(
        |(kind, there, back, late)| match kind {
            0..800 => Fate { arrives: Some(there), answered: Some(there + back) },
            800..880 => Fate { arrives: Some(there), answered: None },
            880..960 => Fate { arrives: None, answered: None },
            // A packet that the network has kept for longer than the caller waits.
            _ => Fate { arrives: Some(TIMEOUT_MS + late), answered: None },
        },
    );
    proptest::collection::vec(fate, 64)
}

/// One process: its clock, and when it stands still.
#[derive(Debug, Clone)]
struct Machine {
    /// The speed of its clock in thousandths.
    speed: u64,
    origin_ms: u64,
    /// Begin and length of each pause.
    pauses: Vec<(u64, u64)>,
    /// When it is killed; absent if it is not.
    killed_at: Option<u64>,
    resigns_at: Option<u64>,
}

fn machine() -> impl Strategy<Value = Machine> {
    let pauses = proptest::collection::vec((0..120_000_u64, 100..30_000_u64), 0..4);
    let end = prop_oneof![3 => Just(None), 1 => (0..120_000_u64).prop_map(Some)];
    (820..1_220_u64, 0..1_000_000_u64, pauses, end.clone(), end).prop_map(
        |(speed, origin_ms, pauses, killed_at, resigns_at)| Machine {
            speed,
            origin_ms,
            pauses,
            killed_at,
            resigns_at,
        },
    )
}

impl Machine {
    fn steady() -> Self {
        Self { speed: 1_000, origin_ms: 7, pauses: vec![], killed_at: None, resigns_at: None }
    }

    fn clock(&self, true_ms: u64) -> Duration {
        Duration::from_micros(true_ms * self.speed) + ms(self.origin_ms)
    }

    fn runs(&self, true_ms: u64) -> bool {
        let is_paused =
            self.pauses.iter().any(|(from, length)| (*from..from + length).contains(&true_ms));
        !is_paused && self.killed_at.is_none_or(|at| true_ms < at)
    }
}

/// The store: one record, compared and swapped at one moment.
#[derive(Default)]
struct Store {
    stored: Option<StoredLease>,
    writes: u64,
}

impl Store {
    fn take(&mut self, request: &LeaseRequest) -> LeaseAnswer {
        match request {
            LeaseRequest::Read => LeaseAnswer::Read(Ok(self.stored.clone())),
            LeaseRequest::Swap { expected, record } => {
                let version = self.stored.as_ref().map(|stored| stored.version.clone());
                if version != *expected {
                    return LeaseAnswer::Swap(Ok(SwapResult::Conflict));
                }
                self.writes += 1;
                let version = self.writes.to_string();
                self.stored =
                    Some(StoredLease { record: record.clone(), version: version.clone() });
                LeaseAnswer::Swap(Ok(SwapResult::Done(version)))
            }
        }
    }
}

/// A candidate with its requests on the network.
struct Candidate {
    machine: Machine,
    election: Election,
    fates: Vec<Fate>,
    sent: usize,
    /// The request that the candidate waits for: when it gives up, and the answer once it has left
    /// the store, with the time at which it is back.
    waiting: Option<(u64, Option<(u64, LeaseAnswer)>)>,
}

/// A request on its way to the store.
struct Travelling {
    arrives: u64,
    /// When the answer is back; absent if it is lost.
    answered: Option<u64>,
    candidate: usize,
    number: usize,
    request: LeaseRequest,
}

/// Who may write at each step of a run of `length_ms`, and the terms in which they do.
fn run(machines: Vec<(Machine, Vec<Fate>)>, length_ms: u64) -> Vec<(u64, Vec<(usize, u64)>)> {
    let mut store = Store::default();
    let mut travelling: Vec<Travelling> = Vec::new();
    let candidate = |(i, (machine, fates)): (usize, (Machine, Vec<Fate>))| Candidate {
        machine,
        election: Election::new(format!("candidate-{i}")),
        fates,
        sent: 0,
        waiting: None,
    };
    let mut candidates: Vec<Candidate> = machines.into_iter().enumerate().map(candidate).collect();
    let mut writers = Vec::new();
    for now in (0..length_ms).step_by(usize::try_from(STEP_MS).unwrap()) {
        let (arrived, later) = travelling.into_iter().partition(|way| way.arrives <= now);
        travelling = later;
        let mut arrived: Vec<Travelling> = arrived;
        arrived.sort_by_key(|way| way.arrives);
        for way in arrived {
            let answer = store.take(&way.request);
            let candidate = &mut candidates[way.candidate];
            if candidate.sent == way.number
                && let (Some(at), Some(waiting)) = (way.answered, &mut candidate.waiting)
            {
                waiting.1 = Some((at, answer));
            }
        }
        for (i, candidate) in candidates.iter_mut().enumerate() {
            candidate.step(now, i, &mut travelling);
        }
        let leading = |(i, candidate): (usize, &Candidate)| {
            let clock = candidate.machine.clock(now);
            let grant = candidate.election.grant().filter(|grant| clock < grant.until)?;
            candidate.machine.runs(now).then_some((i, grant.term))
        };
        writers.push((now, candidates.iter().enumerate().filter_map(leading).collect()));
    }
    writers
}

impl Candidate {
    fn step(&mut self, now: u64, me: usize, travelling: &mut Vec<Travelling>) {
        if !self.machine.runs(now) {
            return;
        }
        let clock = self.machine.clock(now);
        if self.machine.resigns_at.is_some_and(|at| at <= now) {
            self.election.resign(clock);
            self.machine.resigns_at = None;
            self.waiting = None;
        }
        match self.waiting.take() {
            Some((_, Some((at, answer)))) if at <= now => self.election.answer(answer, clock),
            Some((gives_up, _)) if gives_up <= now => {
                let fault = StoreFault { message: "no answer".into(), help: "" };
                self.election.answer(LeaseAnswer::Read(Err(fault)), clock);
            }
            waiting => self.waiting = waiting,
        }
        if self.waiting.is_none()
            && let Some(request) = self.election.next(clock, calendar(now), &OwnNotes::default())
        {
            let fate = self.fates[self.sent % self.fates.len()];
            self.sent += 1;
            self.waiting = Some((now + TIMEOUT_MS, None));
            travelling.extend(fate.arrives.map(|arrives| Travelling {
                arrives: now + arrives,
                answered: fate.answered.map(|at| now + at),
                candidate: me,
                number: self.sent,
                request,
            }));
        }
    }
}

/// A calendar that is set back and forth by days, which must not matter.
fn calendar(now: u64) -> Timestamp {
    let seconds = i64::try_from(now * 7_919 % 1_000_000).unwrap();
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

const SOUND: Fate = Fate { arrives: Some(5), answered: Some(10) };

/// The first time from `from` on at which one of the candidates may write.
fn first_writer(writers: &[(u64, Vec<(usize, u64)>)], from: u64) -> Option<(u64, usize)> {
    let mut later = writers.iter().filter(|(at, writers)| *at >= from && !writers.is_empty());
    later.next().map(|(at, writers)| (*at, writers[0].0))
}

proptest! {
    #[test]
    fn no_two_processes_ever_write_and_no_term_has_two_writers(
        machines in proptest::collection::vec((machine(), fates()), 2..5),
    ) {
        let mut owners: BTreeMap<u64, usize> = BTreeMap::new();
        let mut last_term = 0;
        for (at, writers) in run(machines, 150_000) {
            prop_assert!(writers.len() <= 1, "at {at} ms: {writers:?}");
            for (candidate, term) in writers {
                prop_assert_eq!(*owners.entry(term).or_insert(candidate), candidate);
                prop_assert!(term >= last_term, "at {at} ms: term {term} after {last_term}");
                last_term = term;
            }
        }
    }

    #[test]
    fn a_killed_leader_is_replaced_within_ten_seconds(killed_at in 14_000..30_000_u64) {
        let first = Machine { killed_at: Some(killed_at), ..Machine::steady() };
        let machines = [first, Machine { origin_ms: 99_000, ..Machine::steady() }];
        let late = Machine { pauses: vec![(0, 12_000)], ..machines[1].clone() };
        let writers = run(vec![(machines[0].clone(), vec![SOUND]), (late, vec![SOUND])], 60_000);
        let (at, who) = first_writer(&writers, killed_at).unwrap();
        prop_assert_eq!(who, 1);
        prop_assert!(at <= killed_at + 10_000, "killed at {killed_at}, replaced at {at}");
    }

    #[test]
    fn a_released_lease_is_taken_within_a_second(resigns_at in 14_000..30_000_u64) {
        let first = Machine { resigns_at: Some(resigns_at), ..Machine::steady() };
        let late = Machine { pauses: vec![(0, 12_000)], ..Machine::steady() };
        let writers = run(vec![(first, vec![SOUND]), (late, vec![SOUND])], 60_000);
        let (at, who) = first_writer(&writers, resigns_at).unwrap();
        prop_assert_eq!(who, 1);
        prop_assert!(at <= resigns_at + 1_000, "released at {resigns_at}, taken at {at}");
    }
}

#[test]
fn a_leader_that_cannot_renew_stops_three_seconds_before_another_begins() {
    // The first candidate's requests are lost from its seventh on.
    let mut fates = vec![SOUND; 40];
    fates.extend(vec![Fate { arrives: None, answered: None }; 1_000]);
    let late = Machine { pauses: vec![(0, 12_000)], ..Machine::steady() };
    let writers = run(vec![(Machine::steady(), fates), (late, vec![SOUND])], 120_000);
    let times = |who: usize| {
        let of = writers.iter().filter(move |(_, writers)| writers.iter().any(|one| one.0 == who));
        of.map(|(at, _)| *at)
    };
    let (ended, began) = (times(0).max().unwrap(), times(1).min().unwrap());
    assert!(began >= ended + 3_000 - STEP_MS, "ended at {ended}, began at {began}");
}
