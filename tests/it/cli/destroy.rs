//! Pools are deleted only with permission, only if the files declare the whole fleet, and never
//! while they run jobs.

use super::bench::{Bench, finish, signal};

/// The pools in GARM, without times and other values that GARM sets.
fn standing(bench: &Bench) -> Vec<(String, bool)> {
    let pools = bench.garm("/pools");
    let pools = pools.as_array().unwrap().iter();
    pools.map(|it| (it["id"].as_str().unwrap().to_owned(), it["enabled"] == true)).collect()
}

#[test]
fn an_unattended_apply_refuses_to_delete_before_its_first_write() {
    let bench = Bench::new();
    bench.declare(&["a", "b"]);
    bench.apply();
    bench.remove("pools/b.yaml");
    // A harmless step in the same plan.
    bench.declare(&["c"]);
    let before = standing(&bench);
    let log = bench.read(".local/state/runnerctl/audit.jsonl");
    let refused = bench.run(&["apply", "--auto-approve"]).ends(6);
    assert!(
        refused.err.ends_with(
            "error: the plan deletes or replaces `b`\nhelp: allow it with `--allow-destroy`\n"
        ),
        "{}",
        refused.err
    );
    assert_eq!(standing(&bench), before);
    assert_eq!(bench.read(".local/state/runnerctl/audit.jsonl"), log);
    bench.run(&["apply", "--auto-approve", "--allow-destroy"]).ends(0);
    assert_eq!(bench.owned(), ["a", "c"]);
}

#[test]
fn without_a_terminal_and_without_approval_nothing_is_written() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    let refused = bench.run(&["apply"]).ends(6);
    assert!(
        refused.err.contains("apply them with `runnerctl apply --auto-approve`"),
        "{}",
        refused.err
    );
    bench.run(&["apply", "--allow-destroy=all"]).ends(6);
    assert_eq!(bench.owned(), Vec::<String>::new());
}

#[test]
fn a_single_pool_file_deletes_no_other_pools() {
    let bench = Bench::new();
    bench.declare(&["a", "b"]);
    bench.apply();
    let line = ["-f", "pools/a.yaml", "--auto-approve", "--allow-destroy=all"];
    let apply = bench.run(&[&["apply"], &line[..]].concat()).ends(0);
    assert!(apply.out.contains("no changes"), "{}", apply.out);
    assert!(apply.out.contains("1 pool"), "a note counts what was not looked at: {}", apply.out);
    assert_eq!(bench.owned(), ["a", "b"]);
}

#[test]
fn deleting_over_half_of_the_fleet_needs_allow_destroy_all() {
    let bench = Bench::new();
    bench.declare(&["a", "b", "c", "d"]);
    bench.apply();
    for name in ["b", "c", "d"] {
        bench.remove(&format!("pools/{name}.yaml"));
    }
    let refused = bench.run(&["apply", "--auto-approve", "--allow-destroy"]).ends(6);
    assert!(
        refused.err.ends_with(
            "error: the plan deletes or replaces `b`, `c`, `d`: 3 of the fleet's 4 pools, more \
             than half\nhelp: allow it with `--allow-destroy=all`\n"
        ),
        "{}",
        refused.err
    );
    assert_eq!(bench.owned().len(), 4);
    bench.run(&["apply", "--auto-approve", "--allow-destroy=all"]).ends(0);
    assert_eq!(bench.owned(), ["a"]);
}

#[test]
fn an_explicit_empty_list_deletes_all_pools_and_an_empty_folder_none() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    bench.apply();
    bench.remove("pools/a.yaml");
    bench.run(&["apply", "--auto-approve", "--allow-destroy=all"]).ends(3);
    bench.write("pools/none.yaml", "pools: []\n");
    bench.run(&["apply", "--auto-approve", "--allow-destroy"]).ends(6);
    assert_eq!(bench.owned(), ["a"]);
    bench.run(&["apply", "--auto-approve", "--allow-destroy=all"]).ends(0);
    assert_eq!(bench.owned(), Vec::<String>::new());
}

/// A pool `busy` with a job of ten minutes, whose file has been removed.
fn busy_and_undeclared() -> Bench {
    let bench = Bench::new();
    bench.declare(&["stays"]);
    bench.write(
        "pools/busy.yaml",
        "pools:\n  - name: busy\n    min_runners: 1\n    max_runners: 1\n    \
         instance_type: m5.large\n",
    );
    bench.apply();
    bench.run_job("busy");
    bench.remove("pools/busy.yaml");
    bench
}

#[test]
fn ctrl_c_stops_a_drain_with_a_summary_and_the_next_run_continues_it() {
    let bench = busy_and_undeclared();
    let line = ["apply", "--auto-approve", "--allow-destroy"];
    let child = bench.start(&line, "apply.err");
    bench.wait_for_text("apply.err", "busy: drain: 1 busy runner");
    signal(&child, "-INT");
    let said = finish(child).ends(130);
    assert!(said.out.contains("\n1 step: 1 interrupted\n"), "{}", said.out);
    let told = bench.read("apply.err");
    assert!(told.contains("stopping after the write in flight"), "{told}");
    assert_eq!(bench.owned(), ["busy", "stays"]);
    let plan = bench.run(&["plan", "-o", "json"]).ends(0).json();
    assert_eq!(plan["summary"]["delete"], 1, "{plan}");
    // Without waiting for the job, the pool stays, retired, and the run reports that.
    let late = bench.run(&[&line[..], &["--drain-timeout", "1s"]].concat()).ends(5);
    assert!(late.out.contains("timed out"), "{}", late.out);
    let active = bench.garm("/instances");
    assert_eq!(active[0]["runner_status"], "active", "no job is ended: {active}");
}

#[test]
fn sigterm_ends_an_apply_with_143() {
    let bench = busy_and_undeclared();
    let child = bench.start(&["apply", "--auto-approve", "--allow-destroy"], "apply.err");
    bench.wait_for_text("apply.err", "busy: drain: 1 busy runner");
    signal(&child, "-TERM");
    finish(child).ends(143);
}
