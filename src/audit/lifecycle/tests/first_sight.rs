//! The first sight of a fleet with more runners than are recorded at once.

use std::collections::BTreeSet;

use super::*;

/// How many of these runners the first read records at once, and how many later.
const MANY: usize = 1_200;
const LATER: usize = 700;

fn name(number: usize) -> String {
    format!("r{number:04}")
}

fn many() -> Vec<Runner> {
    (0..MANY).map(|number| runner("default", &name(number), "running/idle", 1)).collect()
}

/// The acts of the records about one runner.
fn acts<'e>(entries: &'e [Entry], wanted: &str) -> Vec<&'e str> {
    let is_it = |entry: &&Entry| match &entry.subject {
        Subject::Instance { name, .. } => name.as_str() == wanted,
        _ => false,
    };
    entries.iter().filter(is_it).map(|entry| entry.act.as_str()).collect()
}

#[test]
fn a_large_fleet_is_recorded_in_portions_and_each_runner_once() {
    let mut log = fresh();
    let mut entries = log.read(&listed(2, many()), at(2));
    assert_eq!(log.unrecorded(), LATER);
    // The same runners again are no news.
    entries.extend(log.read(&listed(3, many()), at(3)));
    assert_eq!(log.unrecorded(), LATER);
    while log.unrecorded() > 0 {
        let portion = log.next_unrecorded(300);
        assert!(portion.len() <= 300);
        assert!(portion.iter().all(|entry| entry.time == at(2)));
        entries.extend(portion);
    }
    let all: BTreeSet<String> = (0..MANY).map(name).collect();
    for runner in &all {
        assert_eq!(acts(&entries, runner), ["runner found"], "{runner}");
    }
}

#[test]
fn the_first_sight_of_a_runner_precedes_its_other_records() {
    let mut log = fresh();
    assert_eq!(log.stream(&StreamChange::Connected, at(0)), []);
    let mut entries = log.read(&listed(2, many()), at(2));
    let (busy, gone) = (name(MANY - 1), name(MANY - 2));
    let row = runner("default", &busy, "running/active", 4);
    entries.extend(log.changed(&RowChange::Runner(row), at(4)));
    let left = many().into_iter().filter(|runner| runner.name.as_str() != gone);
    entries.extend(log.read(&listed(5, left.collect()), at(5)));
    while log.unrecorded() > 0 {
        entries.extend(log.next_unrecorded(100));
    }
    assert_eq!(acts(&entries, &busy)[..2], ["runner found", "runner active"]);
    assert_eq!(acts(&entries, &gone), ["runner found", "runner gone"]);
}
