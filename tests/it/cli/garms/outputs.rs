//! What the commands for several GARMs print, and the saved plans of one of them.

use super::super::bench::pool;
use super::{Fleet, address, nowhere};

#[test]
fn markdown_and_the_step_summary_have_every_garm_and_every_failure() {
    let fleet = Fleet::new();
    fleet.name(&[("north", &nowhere())]);
    fleet.files.write("pools/north/c.yaml", &pool("c"));
    let summary = fleet.files.path("summary.md");
    let headings = ["east", "west"].map(|garm| format!("Fleet `sandbox` on `{garm}`"));
    let run = |line: &[&str]| {
        let _ = std::fs::remove_file(&summary);
        let variable = [("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
        let said = fleet.files.run_with(line, &variable).ends(4);
        let text = std::fs::read_to_string(&summary).unwrap();
        assert!(text.contains("north: log in at http://127.0.0.1:"), "{line:?}: {text}");
        (said.out, text)
    };
    for line in [&["plan", "-o", "markdown"][..], &["plan", "-o", "json"], &["plan"]] {
        let (out, text) = run(line);
        for heading in &headings {
            assert!(text.contains(heading), "{line:?}: {text}");
            assert!(!line.contains(&"markdown") || out.contains(heading), "{out}");
        }
    }
    run(&["validate", "--online"]);
    let (out, text) = run(&["apply", "--auto-approve", "-o", "markdown"]);
    for outcome in ["| `a` | create | done |", "| `b` | create | done |"] {
        assert!(out.contains(outcome) && text.contains(outcome), "{outcome}\n{out}\n{text}");
    }
}

#[test]
fn lines_of_the_log_name_the_garm() {
    let fleet = Fleet::new();
    let check = |line: &[&str], of_each: &[&str]| {
        let said = fleet.run(line).ends(0);
        for text in of_each {
            for garm in ["east", "west"] {
                let own = format!("Z {garm}: {text}");
                assert!(said.err.contains(&own), "{own}\n{}", said.err);
            }
            assert!(!said.err.contains(&format!("Z {text}")), "{}", said.err);
        }
    };
    check(&["plan", "-v"], &["read GARM: 0 pools", "planned 1 step"]);
    check(&["validate", "--online", "-v"], &["probed mTLS: "]);
    check(&["apply", "--auto-approve", "-v"], &["recording in ", "applying 1 step"]);
    check(&["status", "-vv"], &["read GARM: 1 pool", "GET /api/v1/pools"]);
}

#[test]
fn a_saved_plan_is_refused_if_its_garm_is_not_in_the_fleet_file() {
    let fleet = Fleet::new();
    fleet.run(&["plan", "--garm", "west", "--out", "it.plan"]).ends(0);
    fleet.files.remove("pools/b.yaml");
    let check = || {
        let said = fleet.run(&["apply", "it.plan", "--auto-approve"]).ends(6);
        let url = address(&fleet.west);
        let text = format!(
            "error: the saved plan is for the GARM `west`, at `{url}`, which the fleet file does not \
             name\nhelp: make a new plan with `runnerctl plan --out FILE`"
        );
        assert!(said.err.contains(&text), "{}", said.err);
    };
    let file = fleet.files.read("rc.yaml");
    fleet.files.write("rc.yaml", &file.replace("  west:", "  north:"));
    check();
    // Without `garms`.
    let own = fleet.east.read("rc.yaml");
    fleet.files.write("rc.yaml", &own);
    check();
}

#[test]
fn a_hint_names_the_key_of_the_garm() {
    let fleet = Fleet::new();
    fleet.name(&[("north", &address(&fleet.east).replace("127.0.0.1", "localhost"))]);
    fleet.files.write("pools/north/c.yaml", &pool("c"));
    let said = fleet.run(&["plan"]).ends(4);
    let help = "help: check `garms.north.username` and what `garms.north.password` refers to\n";
    assert!(said.err.contains(help), "{}", said.err);
}

#[test]
fn follow_refuses_a_pool_that_no_garm_has() {
    let fleet = Fleet::new();
    let said = fleet.run(&["status", "--follow", "bb"]).ends(64);
    assert!(said.err.contains("error: no pool `bb` in this fleet\n"), "{}", said.err);
}
