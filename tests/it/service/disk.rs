//! A disk that becomes full and has room again.

use rustix::process::{Pid, Resource, getrlimit, prlimit};

use super::stage::{Stage, eventually, get};

/// The number of records that could not be written.
fn lost(stage: &Stage) -> Option<u64> {
    let page = get(stage.watch, "/metrics")?.1;
    let line = page.lines().find(|it| it.starts_with("runnerctl_audit_write_errors_total "))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Limits the files of the process to 8 KiB until the limit is raised. Without the trap, the system
/// would kill the process.
const BOUND: &str = "trap '' XFSZ; ulimit -S -f 16; exec \"$@\"";

#[test]
fn scaling_continues_on_a_full_disk_and_a_gap_counts_the_lost_records() {
    let stage = Stage::set();
    let mut watch = stage.start_watch_in(BOUND, "watch");
    stage.until_ready(stage.watch);
    stage.queue_held(9);
    eventually("a record that is lost", || lost(&stage).filter(|it| *it > 0));
    let not_met =
        "R11 not met: an audit log of all runners: the audit file cannot be written at the moment";
    eventually("the requirement", || stage.read("watch.err").contains(not_met).then_some(()));
    stage.metrics_with(
        "runnerctl_scaling_actions_total{pool=\"default\",direction=\"up\",outcome=\"done\"} 1",
    );
    let bound = getrlimit(Resource::Fsize);
    prlimit(Pid::from_raw(watch.id()), Resource::Fsize, bound).unwrap();
    assert_eq!(watch.end("-TERM"), Some(0));
    let said = stage.read("watch.err");
    assert!(said.contains("scaling continues without records"), "{said}");
    let records = stage.read("audit.jsonl");
    let told = |line: &str| -> Option<u64> {
        let record: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_gap = record["act"] == "records lost";
        is_gap.then(|| record["after"]["records"].as_u64()).flatten()
    };
    let told: u64 = records.lines().filter_map(told).sum();
    assert!(told > 0, "{records}");
    let verified = stage.run(&["audit", "verify", "audit.jsonl"]);
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
}
