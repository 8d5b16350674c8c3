//! Runs the fuzz targets on their seeds and on past findings: nothing panics, and nothing is slow.

use std::fs;
use std::time::{Duration, Instant};

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a library where it is at home")]
mod drive;

/// Timeout for one seed in an unoptimized build with other tests running; each takes milliseconds.
const LONGEST: Duration = Duration::from_secs(20);

#[track_caller]
fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = crate::cli::bench::root().join("fuzz/seeds").join(target);
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let begun = Instant::now();
        run(&fs::read(&path).unwrap());
        assert!(begun.elapsed() < LONGEST, "{}: {:?}", path.display(), begun.elapsed());
        count += 1;
    }
    assert!(count > 2, "{target}: {count} seeds");
}

#[test]
fn yaml() {
    replay("manifest", drive::manifest);
}

#[test]
fn json_of_garms_answers() {
    replay("wire", drive::wire);
}

#[test]
fn events() {
    replay("events", drive::events);
}

#[test]
fn audit_files() {
    replay("audit", drive::audit);
}

#[test]
fn saved_plans() {
    replay("saved", drive::saved);
}
