//! `status` beside a `watch`: it shows the same decisions and names their source.

use serde_json::Value;

use super::stage::{Stage, eventually, get};

fn document(stage: &Stage) -> Value {
    let output = stage.run(&["status", "-o", "json"]);
    assert!(output.status.success(), "{output:?}");
    crate::cli::bench::document(str::from_utf8(&output.stdout).unwrap())
}

fn text(stage: &Stage) -> String {
    let output = stage.run(&["status"]);
    assert!(output.status.success(), "{output:?}");
    // As one line: where it is folded depends on the length of the address.
    String::from_utf8(output.stdout).unwrap().replace('\n', " ")
}

#[test]
fn without_a_watch_status_shows_what_one_would_decide() {
    let stage = Stage::set();
    stage.queue_held(9);
    let said = eventually("jobs that have waited for a second", || {
        let said = text(&stage);
        said.contains("would start").then_some(said)
    });
    let expected =
        format!("no `watch` is running at http://{}; one that starts now: ", stage.watch);
    assert!(said.contains(&expected), "{said}");
    assert!(!said.contains(": starts "), "{said}");
    let document = document(&stage);
    assert_eq!(document["watch"]["running"], false);
    assert_eq!(document["pools"][0]["decision"]["applied"], false);
}

#[test]
fn with_a_watch_status_shows_its_decisions_and_names_it() {
    let stage = Stage::set();
    let _watch = stage.watch();
    stage.queue_held(9);
    let decided = |page: &str| {
        let report: Value = serde_json::from_str(page).ok()?;
        let decision = report["pools"][0].clone();
        (decision["inputs"]["jobs"]["queued"] == 9).then_some(decision)
    };
    let (shown, decision) = eventually("one sight of both", || {
        let document = document(&stage);
        let decision = decided(&get(stage.watch, "/decisions")?.1)?;
        // An evaluation of the loop may lie between the two requests.
        (document["pools"][0]["decision"] == decision).then_some((document, decision))
    });
    assert_eq!(shown["watch"]["running"], true);
    assert_eq!(shown["watch"]["address"], format!("http://{}", stage.watch));
    assert_eq!((&shown["watch"]["applied"], &decision["applied"]), (&true.into(), &true.into()));
    assert_eq!(shown["pools"][0]["queue_depth"], 9);
    let said = text(&stage);
    assert!(said.contains(&format!("scaled by the `watch` at http://{}", stage.watch)), "{said}");
    assert!(!said.contains("would"), "{said}");
}

#[test]
fn a_dry_run_logs_what_would_be_done_and_status_says_that_nothing_is_written() {
    let stage = Stage::set();
    let _watch = stage.start_watch("watch", &["--dry-run"]);
    stage.until_ready(stage.watch);
    stage.queue_held(9);
    let log = eventually("a decision in the log", || {
        let log = stage.read("watch.err");
        log.contains("; would start").then_some(log)
    });
    assert!(!log.contains("; starts"), "{log}");
    let said = text(&stage);
    let expected = format!("the `watch` at http://{} decides but writes nothing", stage.watch);
    assert!(said.contains(&expected), "{said}");
}

/// Two fleets on one machine with the default `watch.listen`.
#[test]
fn status_ignores_the_watch_of_another_fleet() {
    let stage = Stage::set();
    let config = stage.read("runnerctl.yaml");
    let other = config.replace("fleet: sandbox", "fleet: other");
    assert_ne!(config, other);
    stage.write("other.yaml", &other.replace("audit.jsonl", "other.jsonl"));
    let _watch = stage.start_watch("watch", &["--config", "other.yaml"]);
    eventually("decisions of the other", || {
        get(stage.watch, "/decisions").filter(|it| it.0 == 200)
    });
    let said = text(&stage);
    assert!(said.contains("is not known: the `watch` there scales the fleet `other`"), "{said}");
    assert_eq!(document(&stage)["watch"]["running"], Value::Null);
}
