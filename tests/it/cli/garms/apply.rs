//! `apply` for several GARMs: moves, what one of them refuses, `--rotate`, and the audit logs.

use serde_json::Value;

use super::super::bench::{Bench, pool};
use super::{Fleet, move_to, names, steps};
use crate::audit::{audit_file, entry};

/// The place of a line in the text.
#[track_caller]
fn line(text: &str, wanted: &str) -> usize {
    let found = text.lines().position(|line| line == wanted);
    found.unwrap_or_else(|| panic!("`{wanted}` is not in\n{text}"))
}

#[track_caller]
fn assert_held_back(outcome: &Value, why: &str) {
    let detail = outcome["detail"].as_str().unwrap();
    assert!(detail.starts_with(&format!("not started: {why}")), "{outcome}");
}

fn scale_set(name: &str) -> String {
    pool(name) + "    kind: scale_set\n"
}

fn scale_sets(garm: &Bench) -> Vec<String> {
    let sets = garm.garm("/scalesets");
    let name = |set: &Value| set["name"].as_str().unwrap().to_owned();
    sets.as_array().unwrap().iter().map(name).collect()
}

#[test]
fn a_moved_scale_set_is_deleted_before_it_is_created() {
    let fleet = Fleet::new();
    fleet.files.write("pools/east/set.yaml", &scale_set("set"));
    fleet.apply();
    fleet.files.remove("pools/east/set.yaml");
    fleet.files.write("pools/west/set.yaml", &scale_set("set"));
    let plan = fleet.json(&["plan"], 0);
    let creation = plan["garms"]["west"]["steps"][0]["consequences"].to_string();
    assert!(
        creation.contains("it moves here from the GARM `east`, and is created after"),
        "{plan}"
    );
    let moved = fleet.run(&["apply", "--auto-approve", "--allow-destroy"]).ends(0);
    let deleted = line(&moved.err, "east: set: delete done");
    assert!(deleted < line(&moved.err, "west: set: create"), "{}", moved.err);
    assert_eq!((scale_sets(&fleet.east), scale_sets(&fleet.west)), (names(&[]), names(&["set"])));
}

#[test]
fn a_scale_set_that_is_not_deleted_is_not_created_elsewhere() {
    let fleet = Fleet::new();
    let busy = scale_set("set") + "    min_idle_runners: 1\n";
    fleet.files.write("pools/east/set.yaml", &busy);
    fleet.apply();
    fleet.east.run_job("set");
    fleet.files.remove("pools/east/set.yaml");
    fleet.files.write("pools/west/set.yaml", &scale_set("set"));
    let line = ["apply", "--auto-approve", "--allow-destroy", "--drain-timeout", "1s"];
    let applied = fleet.json(&line, 5);
    assert_eq!(applied["garms"]["east"]["outcomes"][0]["outcome"], "timed out");
    let waiting = &applied["garms"]["west"]["outcomes"][0];
    assert_held_back(waiting, "it was not deleted at the GARM `east`");
    assert_eq!((scale_sets(&fleet.east), scale_sets(&fleet.west)), (names(&["set"]), names(&[])));
}

#[test]
fn an_audit_log_that_cannot_be_written_leaves_out_its_garm_only() {
    let fleet = Fleet::new();
    fleet.files.write(".local/state/runnerctl/audit.east.jsonl/file", "");
    let applied = fleet.json(&["apply", "--auto-approve"], 6);
    let error = &applied["garms"]["east"]["error"];
    assert_eq!(error["exit_code"], 6);
    assert!(error["message"].as_str().unwrap().ends_with(": nothing was changed"), "{error}");
    assert_eq!(applied["garms"]["west"]["outcomes"][0]["outcome"], "done");
    assert_eq!(fleet.owned(), (names(&[]), names(&["b"])));
}

#[test]
fn mtls_that_is_not_proven_refuses_the_garms_with_work_by_name() {
    let fleet = Fleet::new();
    fleet.run(&["apply", "--auto-approve", "--garm", "east"]).ends(0);
    let file = fleet.files.read("rc.yaml");
    fleet.files.write("rc.yaml", &format!("{file}policy: {{ require_mtls: true }}\n"));
    let plan = fleet.run(&["plan"]).ends(0);
    assert!(plan.err.contains("west: warning: `apply` is refused: "), "{}", plan.err);
    let applied = fleet.run(&["apply", "--auto-approve"]).ends(6);
    assert!(applied.err.contains("west: error: `policy.require_mtls` is set"), "{}", applied.err);
    assert!(!applied.err.contains("east: error: "), "{}", applied.err);
    assert_eq!(fleet.owned(), (names(&["a"]), names(&[])));
}

#[test]
fn rotate_replaces_outdated_runners_at_every_garm() {
    let fleet = Fleet::new();
    let warm = |image: &str| {
        let text = |name: &str| {
            format!(
                "pools:\n  - name: {name}\n    min_runners: 1\n    max_runners: 2\n    \
                 instance_type: m5.large\n    image: {image}\n"
            )
        };
        fleet.files.write("pools/east/a.yaml", &text("a"));
        fleet.files.write("pools/b.yaml", &(text("b") + "    garm: west\n"));
    };
    warm("ubuntu-24.04");
    fleet.apply();
    for garm in [&fleet.east, &fleet.west] {
        garm.wait_for_runners(1, "runner_status", "idle");
    }
    warm("ubuntu-26.04");
    fleet.apply();
    let rotated = fleet.json(&["apply", "--auto-approve", "--rotate"], 0);
    for garm in ["east", "west"] {
        let outcomes = rotated["garms"][garm]["outcomes"].to_string();
        assert!(outcomes.contains("1 outdated runner removed"), "{garm}: {outcomes}");
        assert_eq!(steps(&rotated, garm), names(&[]), "{garm}");
    }
}

#[test]
fn each_garm_archives_the_closed_segments_of_its_log() {
    let fleet = Fleet::new();
    let file = fleet
        .files
        .read("rc.yaml")
        .replace("watch:", "watch:\n  audit: audit.jsonl\n  audit_rotate: { every: 1m }");
    fleet.files.write("rc.yaml", &file);
    for garm in ["east", "west"] {
        let log = audit_file(&fleet.files.path(&format!("audit.{garm}.jsonl")), None);
        log.append(&entry("an old record")).unwrap();
    }
    fleet.apply();
    for garm in ["east", "west"] {
        for name in [format!("audit.{garm}.jsonl.1-1.gz"), format!("audit.{garm}.jsonl.manifest")] {
            assert!(fleet.files.path(&name).exists(), "{name}");
        }
    }
}

#[test]
fn a_pool_that_moves_to_a_garm_without_an_audit_log_stays() {
    let fleet = Fleet::new();
    fleet.apply();
    move_to(&fleet, "west");
    let log = ".local/state/runnerctl/audit.west.jsonl";
    fleet.files.remove(log);
    fleet.files.write(&format!("{log}/file"), "");
    let applied = fleet.json(&["apply", "--auto-approve", "--allow-destroy=all"], 5);
    let outcome = &applied["garms"]["east"]["outcomes"][0];
    assert_held_back(outcome, "it was not created at the GARM `west`");
    assert_eq!(fleet.owned(), (names(&["a"]), names(&["b"])));
}
