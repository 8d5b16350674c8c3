//! First use: plan, apply, plan again, adopt existing pools.

use std::fs;

use serde_json::json;

use super::bench::{Bench, finish, root};

const SPECIFICATION: &str = include_str!("../../../pools/default.yaml");

#[test]
fn the_pool_file_of_the_specification_plans_and_applies() {
    let bench = Bench::new();
    bench.write("pools/default.yaml", SPECIFICATION);
    let line = ["plan", "--config", "rc.yaml", "-f", "pools", "--detailed-exitcode"];
    let plan = bench.run(&line).ends(2);
    assert!(plan.out.contains("\nPlan: 1 to create, 1 to update\n"), "{}", plan.out);
    let last = plan.out.lines().rfind(|it| it.starts_with("  R")).unwrap();
    assert!(last.starts_with("  R11  cannot tell"), "{}", plan.out);
    assert!(
        plan.out.contains(
            "policy: keeps 2 to 20 runners; starts more when more than 5 jobs have waited 30s"
        ),
        "{}",
        plan.out
    );
    let apply =
        bench.run(&["apply", "--config", "rc.yaml", "-f", "pools", "--auto-approve"]).ends(0);
    assert!(apply.out.ends_with("\n2 steps: 2 done\n"), "{}", apply.out);
    assert_eq!(bench.owned(), ["default"]);
    let again = bench.run(&line).ends(0);
    assert!(again.out.contains("\nno changes: the fleet is as declared\n"), "{}", again.out);
}

#[test]
fn a_plan_with_changes_exits_with_0_without_detailed_exitcode() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    bench.run(&["plan"]).ends(0);
    bench.run(&["plan", "--detailed-exitcode"]).ends(2);
    bench.run(&["plan"]).ends(0);
    assert_eq!(bench.owned(), Vec::<String>::new(), "a plan writes nothing");
}

#[test]
fn the_example_pools_plan_with_only_the_sandboxs_defaults() {
    let bench = Bench::new();
    let pools = root().join("pools");
    let plan = bench.run(&["plan", "-o", "json", "-f", pools.to_str().unwrap()]).ends(0).json();
    let expected = json!({
        "create": 4, "update": 1, "adopt": 0, "replace": 0, "delete": 0, "blocked": 0,
    });
    assert_eq!(plan["summary"], expected);
}

#[test]
fn pools_created_by_hand_are_imported_and_adopted_without_other_changes() {
    let bench = Bench::with(&["--pools", "3", "--runners", "2"]);
    let import = bench.run(&["import"]).ends(0);
    assert!(import.err.contains("`runnerctl apply` then adopts 3 pools"), "{}", import.err);
    bench.write("pools/imported.yaml", &import.out);
    // Adoption does not change GARM's own settings either.
    let fleet_file = bench.read("rc.yaml");
    let kept = fleet_file.replace("controller:\n  minimum_job_age_backoff: 5m\n", "");
    assert_ne!(kept, fleet_file);
    bench.write("rc.yaml", &kept);
    let plan = bench.run(&["plan", "-o", "json"]).ends(0).json();
    let expected = json!({
        "create": 0, "update": 0, "adopt": 3, "replace": 0, "delete": 0, "blocked": 0,
    });
    assert_eq!(plan["summary"], expected);
    let before = bench.garm("/pools");
    bench.apply();
    bench.run(&["plan", "--detailed-exitcode"]).ends(0);
    let after = bench.garm("/pools");
    for (old, new) in before.as_array().unwrap().iter().zip(after.as_array().unwrap()) {
        for key in ["id", "flavor", "image", "max_runners", "min_idle_runners", "enabled"] {
            assert_eq!(old[key], new[key], "{key}");
        }
    }
    let nothing = bench.run(&["import"]).ends(0);
    assert!(nothing.err.contains("nothing to import: every pool"), "{}", nothing.err);
}

#[test]
fn target_plans_one_pool_and_deletes_nothing() {
    let bench = Bench::new();
    bench.declare(&["a", "b", "gone"]);
    bench.apply();
    bench.remove("pools/gone.yaml");
    bench.remove("pools/b.yaml");
    bench.declare(&["new"]);
    let apply = bench.run(&["apply", "--auto-approve", "--target", "new"]).ends(0);
    assert!(apply.out.contains("1 step: 1 done"), "{}", apply.out);
    assert_eq!(bench.owned(), ["a", "b", "gone", "new"]);
    let unknown = bench.run(&["plan", "--target", "nwe"]).ends(64);
    assert_eq!(
        unknown.err,
        "error: `--target nwe`: no such pool is declared\nhelp: did you mean `new`?\n"
    );
}

#[test]
fn two_concurrent_applies_create_each_pool_once() {
    let bench = Bench::new();
    bench.declare(&["a", "b", "c", "d"]);
    let line = ["apply", "--auto-approve", "--parallelism", "2"];
    let both = [bench.start(&line, "one.err"), bench.start(&line, "two.err")];
    for child in both {
        finish(child).ends(0);
    }
    assert_eq!(bench.owned(), ["a", "b", "c", "d"]);
    bench.run(&["plan", "--detailed-exitcode"]).ends(0);
}

#[test]
fn every_write_is_recorded_in_the_state_folder() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    bench.apply();
    let log = bench.read(".local/state/runnerctl/audit.jsonl");
    assert!(log.contains("\"pool.create\"") || log.contains("create"), "{log}");
    let bytes = fs::read(bench.path(".local/state/runnerctl/audit.jsonl")).unwrap();
    let file = runnerctl::audit::NamedFile { name: "audit.jsonl", bytes: &bytes };
    let report = runnerctl::audit::verify(&[file], runnerctl::audit::CheckCriteria::default());
    assert!(report.broken.is_none() && report.records >= 4, "{report:?}");
}
