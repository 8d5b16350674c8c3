//! `audit show` of a log that a real `watch` writes.

use std::fs::OpenOptions;
use std::io::Write;

use serde_json::Value;

use super::stage::{Stage, eventually};

fn show(stage: &Stage, more: &[&str]) -> (Option<i32>, String, String) {
    let output = stage.run(&[&["audit", "show"], more].concat());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The records of the log with this act.
fn with_act(stage: &Stage, act: &str) -> Vec<Value> {
    let log = stage.read("audit.jsonl");
    let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records.filter(|record| record["act"] == act).collect()
}

/// The log of a `watch` that has seen a runner become idle.
fn watched() -> (Stage, String) {
    let stage = Stage::set();
    let mut watch = stage.watch();
    stage.queue_held(9);
    eventually("a level in the log", || with_act(&stage, "set level").first().cloned());
    let runner = eventually("an idle runner in the log", || {
        let idle = with_act(&stage, "runner idle");
        Some(idle.first()?["subject"]["runner"].as_str()?.to_owned())
    });
    assert_eq!(watch.end("-TERM"), Some(0));
    (stage, runner)
}

#[test]
fn the_life_of_a_runner_is_shown_line_by_line() {
    let (stage, runner) = watched();
    // Without a file: that of `watch.audit` in the fleet file.
    let (code, out, err) = show(&stage, &["--runner", &runner]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(err.contains("this verifies nothing; `runnerctl audit verify` does"), "{err}");
    let mut lines = out.lines();
    assert!(lines.next().unwrap().starts_with("TIME "), "{out}");
    let plain: Vec<&str> = lines.filter(|it| !it.contains("  gap: ")).collect();
    assert!(plain.len() >= 2 && plain.iter().all(|line| line.contains(&runner)), "{out}");
    assert!(
        plain.iter().any(|line| line.contains("runner idle") && line.contains("GARM")),
        "{out}"
    );
    // Selected by pool: also the writes, with their outcome and the decision.
    let (_, pool, _) = show(&stage, &["audit.jsonl", "--pool", "default"]);
    let level: Vec<&str> = pool.lines().filter(|line| line.contains("set level")).collect();
    assert!(
        level.iter().any(|line| line.contains("asks ") && line.contains("decision: ")),
        "{pool}"
    );
    assert!(level.iter().any(|line| line.contains(" done")), "{pool}");
    // JSON has the lines of the file.
    let (_, json, _) = show(&stage, &["--runner", &runner, "-o", "json"]);
    let log = stage.read("audit.jsonl");
    assert!(json.lines().count() >= 2 && json.lines().all(|line| log.contains(line)), "{json}");
    let (code, none, err) = show(&stage, &["--runner", "no-such-runner"]);
    assert_eq!((code, none.as_str()), (Some(0), ""), "{err}");
    assert!(err.contains("no record matches"), "{err}");
    let (_, recent, _) = show(&stage, &["--since", "1h", "-o", "json"]);
    assert_eq!(recent, log);
    let (code, later, _) = show(&stage, &["--since", "2199-01-01", "-o", "json"]);
    assert_eq!((code, later.as_str()), (Some(0), ""));
}

#[test]
fn a_line_that_is_no_record_is_named_and_skipped() {
    let (stage, _) = watched();
    let records = stage.read("audit.jsonl").lines().count();
    let log = OpenOptions::new().append(true).open(stage.path("audit.jsonl"));
    log.unwrap().write_all(b"no record\n").unwrap();
    let (code, out, err) = show(&stage, &["-o", "json"]);
    assert_eq!((code, out.lines().count()), (Some(1), records), "{err}");
    assert!(
        err.contains(&format!(":{}: this line is not a record; skipped", records + 1)),
        "{err}"
    );
    assert!(err.contains("1 line skipped"), "{err}");
}
