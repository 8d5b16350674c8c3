//! The owner of a pool: a pool file cannot claim reserved labels, and a label that was added to a
//! pool by hand causes no guess.

use crate::cli::bench::{Bench, Said};

/// The plan's step for `pool`: action and reason.
fn step(said: &Said, pool: &str) -> (String, String) {
    let document = said.json();
    let steps = document["steps"].as_array().unwrap();
    let step = steps.iter().find(|it| it["pool"] == pool).unwrap();
    let text = |key: &str| step[key].as_str().unwrap().to_owned();
    (text("action"), text("reason"))
}

#[test]
fn a_pool_file_cannot_bear_a_mark() {
    for label in
        ["runnerctl=other/a", "RunnerCtl=sandbox/a", "runnerctl-old=sandbox/a", " runnerctl=x/y"]
    {
        let bench = Bench::new();
        bench.write(
            "pools/a.yaml",
            &format!(
                "pools: [{{ name: a, max_runners: 1, instance_type: m5, labels: ['{label}'] }}]\n"
            ),
        );
        let said = bench.run(&["apply", "--auto-approve"]).ends(3);
        assert!(said.err.contains("pools/a.yaml:1:"), "{}", said.err);
        assert_eq!(bench.garm("/pools").as_array().unwrap().len(), 0);
    }
}

#[test]
fn a_pool_of_another_fleet_is_never_touched_and_not_to_be_adopted() {
    let bench = Bench::new();
    // All fleets share the controller's settings, which would be blocked while another fleet has
    // pools.
    let fleet_file = bench.read("rc.yaml");
    let settings = "controller:\n  minimum_job_age_backoff: 5m\n";
    assert!(fleet_file.contains(settings));
    bench.write("rc.yaml", &fleet_file.replace(settings, ""));
    let id = bench.pool_by_hand(&["x", "runnerctl=other/a"]);
    let before = bench.garm("/pools");
    for adopt in ["", &format!("    adopt: {id}\n")] {
        bench.write("pools/a.yaml", &(crate::cli::bench::pool("a") + adopt));
        let code = if adopt.is_empty() { 0 } else { 5 };
        bench.run(&["apply", "--auto-approve", "--allow-destroy=all"]).ends(code);
        if adopt.is_empty() {
            bench.write("pools/a.yaml", "pools: []\n");
            bench.run(&["apply", "--auto-approve", "--allow-destroy=all"]).ends(0);
        } else {
            let plan = bench.run(&["plan", "-o", "json"]).ends(0);
            let (action, reason) = step(&plan, "a");
            assert_eq!(action, "blocked");
            assert_eq!(
                reason,
                "`adopt` refers to a pool of another fleet, with the label `runnerctl=other/a`"
            );
        }
        assert_eq!(bench.garm("/pools"), before);
    }
}

/// A user with access to GARM adds our mark to another pool. There are two candidates then, and
/// neither is changed until an operator decides.
#[test]
fn a_second_pool_with_our_mark_blocks_instead_of_being_taken_for_ours() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    bench.apply();
    bench.pool_by_hand(&["x", "runnerctl=sandbox/a"]);
    let before = bench.garm("/pools");
    bench.write(
        "pools/a.yaml",
        &crate::cli::bench::pool("a").replace("max_runners: 4", "max_runners: 9"),
    );
    let said = bench.run(&["plan", "-o", "json"]).ends(0);
    let (action, reason) = step(&said, "a");
    assert_eq!(action, "blocked", "{reason}");
    assert!(reason.starts_with("2 pools have the same label of this fleet"), "{reason}");
    bench.run(&["apply", "--auto-approve", "--allow-destroy=all"]).ends(5);
    assert_eq!(bench.garm("/pools"), before);
}

/// A pool with our mark that no file declares would be deleted, but never without permission.
#[test]
fn a_stranger_marked_as_ours_is_not_deleted_without_leave() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    bench.apply();
    bench.pool_by_hand(&["x", "runnerctl=sandbox/ghost"]);
    let before = bench.garm("/pools");
    let said = bench.run(&["apply", "--auto-approve"]).ends(6);
    assert!(said.err.contains("deletes or replaces `ghost`"), "{}", said.err);
    assert_eq!(bench.garm("/pools"), before);
}

#[test]
fn a_pool_with_marks_of_two_fleets_is_left_to_a_person() {
    let bench = Bench::new();
    bench.pool_by_hand(&["x", "runnerctl=sandbox/a", "runnerctl=other/a"]);
    bench.declare(&["a"]);
    let before = bench.garm("/pools");
    let said = bench.run(&["plan", "-o", "json"]).ends(0);
    let (action, reason) = step(&said, "a");
    assert_eq!(action, "blocked", "{reason}");
    assert!(reason.starts_with("one pool has the labels `runnerctl="), "{reason}");
    bench.run(&["apply", "--auto-approve", "--allow-destroy=all"]).ends(5);
    assert_eq!(bench.garm("/pools"), before);
}
