//! Clocks that are set while two `watch` run: libfaketime sets the real-time clock of each.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::engines::LeaseApi;
use super::faults::{each_term_has_one_writer, kubernetes};
use super::pair::{Load, Pair};

/// Longer than the lease.
const WATCHED: Duration = Duration::from_secs(11);

/// The library of Debian's package `libfaketime`.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    folders
        .map(|folder| folder.path().join("faketime/libfaketime.so.1"))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("`libfaketime.so.1` is not there: `./test` installs it"))
}

/// How far the clock of a process is from the true one, as its last audit record shows.
fn shift(pair: &Pair, which: usize) -> SignedDuration {
    let record = pair.recorded_writes(which).pop().unwrap();
    let time: Timestamp = record["time"].as_str().unwrap().parse().unwrap();
    time.duration_since(Timestamp::now())
}

#[test]
fn a_clock_that_is_set_moves_no_lease_and_breaks_no_log() {
    let api = LeaseApi::start();
    let mut pair = Pair::set(api.address, kubernetes, |_| String::new());
    let set = |pair: &Pair, which: usize, offset: &str| {
        pair.stage.write(&format!("clock-{which}"), &format!("{offset}\n"));
    };
    for which in 0..2 {
        set(&pair, which, "+0");
        let file = pair.stage.path(&format!("clock-{which}")).display().to_string();
        // The clocks that only grow stay true; the file is read at each call.
        pair.both[which].variables = vec![
            ("LD_PRELOAD", library().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", file),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("FAKETIME_NO_CACHE", "1".into()),
        ];
    }
    pair.start_both();
    let load = Load::start(&pair.stage);
    pair.until_writes(0, Instant::now());
    let term = pair.term(0);

    // The leader's clock goes back, the standby's goes forward.
    set(&pair, 0, "-1h");
    set(&pair, 1, "+1h");
    let shifted = Instant::now();
    while shifted.elapsed() < WATCHED {
        let leaders = (pair.leader(0), pair.leader(1), pair.term(0), pair.term(1));
        assert_eq!(leaders, (Some(1), Some(0), term, term), "after {:?}", shifted.elapsed());
        std::thread::sleep(Duration::from_millis(200));
    }
    pair.until_writes(0, Instant::now());
    let near = |shift: SignedDuration, hours: i64| {
        (shift - SignedDuration::from_hours(hours)).abs() < SignedDuration::from_secs(20)
    };
    assert!(near(shift(&pair, 0), -1), "{}", shift(&pair, 0));

    // A takeover across two hours; the new leader's clock goes back, too.
    pair.signal(0, "-KILL");
    pair.until_leads(1);
    pair.until_writes(1, Instant::now());
    assert!(near(shift(&pair, 1), 1), "{}", shift(&pair, 1));
    set(&pair, 1, "-2h");
    pair.until_writes(1, Instant::now() + Duration::from_secs(1));
    assert_eq!((pair.leader(1), pair.term(1)), (Some(1), term + 1));
    drop(load);
    each_term_has_one_writer(&pair);
    for file in ["audit-a.jsonl", "audit-b.jsonl"] {
        let checked = pair.stage.run(&["audit", "verify", file]);
        assert!(checked.status.success(), "{checked:?}");
    }
}
