//! Random lives of runners, observed through events that are dropped, delayed, duplicated or
//! interrupted: each state is recorded, or is within a recorded gap.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Seconds between two full reads.
const RESYNC: i64 = 30;
/// Length of a run, in seconds.
const END: i64 = 300;

/// The true history of a runner: when it enters each state, and when it is gone.
#[derive(Debug, Clone)]
struct Truth {
    name: String,
    states: Vec<(i64, &'static str)>,
    gone: i64,
}

impl Truth {
    fn row(&self, at_second: i64) -> Option<Runner> {
        let (second, state) = self.states.iter().rfind(|(second, _)| *second <= at_second)?;
        (at_second < self.gone).then(|| Runner {
            created_at: at(self.states[0].0),
            ..runner("default", &self.name, state, *second)
        })
    }
}

/// What happens to an event in transit.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Prompt,
    Doubled,
    Late(i64),
    Dropped,
}

/// An interruption of the event stream, and how it is reported.
#[derive(Debug, Clone, Copy)]
struct Outage {
    from: i64,
    length: i64,
    is_overflow: bool,
}

fn truths() -> impl Strategy<Value = Vec<Truth>> {
    let steps = proptest::collection::vec(1..12_i64, LIFE.len());
    let one = (1..END - 100, steps, 1..12_i64, 0..=LIFE.len() - 1);
    proptest::collection::vec(one, 1..12).prop_map(|all| {
        let life =
            |(index, (start, steps, last, removed_at)): (usize, (i64, Vec<i64>, i64, usize))| {
                let mut second = start;
                let mut states = Vec::new();
                for (place, (state, step)) in LIFE.into_iter().zip(steps).enumerate() {
                    // A runner that is removed early skips to its last state.
                    if place > removed_at && place < LIFE.len() - 1 {
                        continue;
                    }
                    states.push((second, state));
                    second += step;
                }
                Truth { name: format!("r{index}"), states, gone: second + last }
            };
        all.into_iter().enumerate().map(life).collect()
    })
}

fn fates(dropped: u32) -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        6 => Just(Fate::Prompt),
        1 => Just(Fate::Doubled),
        2 => (1..4_i64).prop_map(Fate::Late),
        dropped => Just(Fate::Dropped),
    ];
    proptest::collection::vec(fate, 40)
}

fn outages() -> impl Strategy<Value = Vec<Outage>> {
    let one = (5..END, 1..60_i64, any::<bool>());
    proptest::collection::vec(one, 0..3).prop_map(|all| {
        let mut all: Vec<Outage> = all
            .into_iter()
            .map(|(from, length, is_overflow)| {
                // An overflow is reported at once and followed by a read.
                let length = if is_overflow { 1 } else { length };
                Outage { from, length, is_overflow }
            })
            .collect();
        all.sort_by_key(|outage| outage.from);
        all.dedup_by(|next, before| next.from <= before.from + before.length + 1);
        all
    })
}

/// Simulates every second and returns all entries.
fn run(truths: &[Truth], fates: &[Fate], outages: &[Outage]) -> Vec<Entry> {
    let mut log = fresh();
    let mut entries = log.stream(&StreamChange::Connected, at(0));
    let mut due: BTreeMap<i64, Vec<RowChange>> = BTreeMap::new();
    let mut fate = fates.iter().cycle();
    for truth in truths {
        let rows = truth
            .states
            .iter()
            .map(|entered| (entered.0, truth.row(entered.0).map(RowChange::Runner)));
        let gone = RowChange::RunnerGone(format!("id-{}", truth.name));
        for (second, change) in rows.chain([(truth.gone, Some(gone))]) {
            let Some(change) = change else { continue };
            let times = match fate.next().unwrap() {
                Fate::Prompt => vec![second],
                Fate::Doubled => vec![second, second + 1],
                Fate::Late(by) => vec![second + by],
                Fate::Dropped => vec![],
            };
            for time in times {
                due.entry(time).or_default().push(change.clone());
            }
        }
    }
    let mut reads: BTreeSet<i64> = (0..=END + 2 * RESYNC).step_by(30).collect();
    for now in 0..=END + 2 * RESYNC {
        for outage in outages {
            if outage.from == now {
                let stream = match outage.is_overflow {
                    true => StreamChange::Overflow,
                    false => StreamChange::Lost("closed"),
                };
                entries.extend(log.stream(&stream, at(now)));
            }
            if outage.from + outage.length == now {
                entries.extend(log.stream(&StreamChange::Connected, at(now)));
                reads.insert(now);
            }
        }
        // The loop reads first, and then handles the events that arrived in the meantime.
        if reads.contains(&now) {
            let rows = truths.iter().filter_map(|truth| truth.row(now)).collect();
            entries.extend(log.read(&listed(now, rows), at(now)));
        }
        let is_away =
            outages.iter().any(|outage| (outage.from..outage.from + outage.length).contains(&now));
        for change in due.remove(&now).unwrap_or_default().iter().filter(|_| !is_away) {
            entries.extend(log.changed(change, at(now)));
        }
    }
    entries
}

fn seconds(value: &Value) -> Option<i64> {
    let time: Timestamp = value.as_str()?.parse().unwrap();
    Some(time.as_second() - at(0).as_second())
}

/// The spans of the gap records; an open one is closed by a later record, or never.
fn gaps(entries: &[Entry]) -> Vec<(i64, i64)> {
    let span = |entry: &Entry| {
        let after = entry.after.as_ref().unwrap();
        (seconds(&after["from"]).unwrap_or(i64::MIN), seconds(&after["until"]).unwrap_or(i64::MAX))
    };
    let is_told = |entry: &&Entry| entry.kind == RecordKind::Gap || entry.act == "gap closed";
    let mut all: Vec<(i64, i64)> = Vec::new();
    for entry in entries.iter().filter(is_told) {
        match all.last_mut() {
            Some(open) if open.1 == i64::MAX && entry.act == "gap closed" => *open = span(entry),
            _ => all.push(span(entry)),
        }
    }
    all
}

/// A record of a runner: the time and name of the state, and how it was observed.
struct Told {
    at: i64,
    state: String,
    is_reconstructed: bool,
    is_late: bool,
}

fn told_of(entries: &[Entry], truth: &Truth) -> Vec<Told> {
    let is_its = |entry: &&Entry| matches!(&entry.subject, Subject::Instance { name, .. } if name.as_str() == truth.name);
    let one = |entry: &Entry| {
        let sight = entry.seen.unwrap().sight;
        let (is_reconstructed, is_late) =
            (sight == Fidelity::Reconstructed, sight == Fidelity::Late);
        match &entry.after {
            None => Told { at: i64::MAX, state: "gone".into(), is_reconstructed, is_late },
            Some(after) => {
                let word = |key: &str| after[key].as_str().unwrap();
                let state = format!("{}/{}", word("status"), word("runner_status"));
                Told { at: seconds(&after["garm_time"]).unwrap(), state, is_reconstructed, is_late }
            }
        }
    };
    let mut all: Vec<Told> = entries.iter().filter(is_its).map(one).collect();
    all.sort_by_key(|told| told.at);
    all
}

/// Every state of these runners is recorded, spanned by a reconstructed record, or within a gap; no
/// state is recorded twice.
fn check(truths: &[Truth], entries: &[Entry]) -> Result<(), TestCaseError> {
    let gaps = gaps(entries);
    for truth in truths {
        let told = told_of(entries, truth);
        let states = truth.states.iter().copied().chain([(truth.gone, "gone")]);
        for (second, state) in states {
            let is_same =
                |told: &&Told| told.state == state && (told.at == second || state == "gone");
            let found = told.iter().filter(is_same).count();
            prop_assert!(found <= 1, "{} {state} is recorded {found} times", truth.name);
            let next = told.iter().find(|told| told.at >= second && !told.is_late);
            let is_spanned = next.is_some_and(|told| told.is_reconstructed);
            let is_in_gap = gaps.iter().any(|gap| gap.0 <= second && second <= gap.1);
            prop_assert!(
                found == 1 || is_spanned || is_in_gap,
                "{} {state} at {second} is neither recorded nor in a gap:\n{}",
                truth.name,
                super::told(entries).join("\n")
            );
        }
    }
    Ok(())
}

/// Whether a read or an event has shown the runner.
fn is_shown(entries: &[Entry], truth: &Truth) -> bool {
    !told_of(entries, truth).is_empty()
}

proptest! {
    #[test]
    fn every_state_of_a_runner_is_recorded_or_in_a_recorded_gap(
        truths in truths(), fates in fates(0), outages in outages(),
    ) {
        check(&truths, &run(&truths, &fates, &outages))?;
    }

    #[test]
    fn no_state_of_an_observed_runner_is_lost_when_garm_drops_events(
        truths in truths(), fates in fates(4), outages in outages(),
    ) {
        let entries = run(&truths, &fates, &outages);
        let shown: Vec<Truth> =
            truths.into_iter().filter(|truth| is_shown(&entries, truth)).collect();
        check(&shown, &entries)?;
    }

    #[test]
    fn the_same_input_produces_the_same_log(
        truths in truths(), fates in fates(2), outages in outages(),
    ) {
        prop_assert_eq!(run(&truths, &fates, &outages), run(&truths, &fates, &outages));
    }

    #[test]
    fn with_every_event_on_time_there_are_no_reconstructed_records_and_no_gaps(truths in truths()) {
        let whole: Vec<Truth> = truths.into_iter().filter(|truth| truth.states.len() == 9).collect();
        let entries = run(&whole, &[Fate::Prompt], &[]);
        let bad: Vec<String> = told(&entries)
            .into_iter()
            .filter(|line| line.contains("event,") || line.contains("gap") || line.contains("late"))
            .collect();
        prop_assert_eq!(bad, Vec::<String>::new());
    }
}

/// When the stream is lost, the first event of r0 is still in flight, although that of r1 has
/// arrived. When the stream returns, both runners are gone.
#[test]
fn events_in_flight_when_the_stream_was_lost_are_within_the_gap() {
    let truth = |name: &str, states: &[(i64, &'static str)], gone| Truth {
        name: name.to_owned(),
        states: states.to_vec(),
        gone,
    };
    let truths = [
        truth("r0", &[(128, LIFE[0]), (130, LIFE[1]), (132, LIFE[8])], 134),
        truth("r1", &[(129, LIFE[0]), (130, LIFE[8])], 132),
    ];
    let mut fates = vec![Fate::Prompt; 40];
    fates[0] = Fate::Late(2);
    let outage = Outage { from: 130, length: 4, is_overflow: false };
    check(&truths, &run(&truths, &fates, &[outage])).unwrap();
}
