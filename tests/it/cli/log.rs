//! The log of `-v`, `-vv` and `-vvv`, on stderr and in the JSON of `watch`.

use std::collections::BTreeSet;
use std::fs::File;
use std::process::Stdio;

use serde_json::Value;

use super::bench::{Bench, document, eventually, signal};

/// The lines of stderr without their times.
fn lines(err: &str) -> Vec<String> {
    let logged = err.lines().filter_map(|it| {
        let (time, text) = it.split_once(' ')?;
        time.parse::<jiff::Timestamp>().is_ok().then_some(text)
    });
    logged.map(str::to_owned).collect()
}

fn has(lines: &[String], start: &str, end: &str) -> bool {
    lines.iter().any(|it| it.starts_with(start) && it.ends_with(end))
}

#[test]
fn v_logs_the_steps_vv_the_requests_and_vvv_the_decisions() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    let plan = |flags: &[&str]| {
        let line = [&["plan", "--config", "rc.yaml"][..], flags].concat();
        lines(&bench.run(&line).ends(0).err)
    };
    assert_eq!(plan(&[]), [""; 0]);

    let steps = plan(&["-v"]);
    assert!(has(&steps, "read ", "pools/a.yaml, rc.yaml: 1 pool"), "{steps:#?}");
    assert!(has(&steps, "GARM is at http://127.0.0.1:", "the user is `admin`"), "{steps:#?}");
    assert!(has(&steps, "read GARM: 0 pools, 0 runners, 0 jobs", ""), "{steps:#?}");
    assert!(has(&steps, "planned 2 steps", ""), "{steps:#?}");
    assert_eq!(steps.len(), 4, "{steps:#?}");

    let requests = plan(&["-vv"]);
    assert!(has(&requests, "POST /api/v1/auth/login: 200 in ", " bytes"), "{requests:#?}");
    assert!(has(&requests, "GET /api/v1/pools: 200 in ", " bytes"), "{requests:#?}");
    assert!(steps.iter().all(|it| requests.contains(it)), "{requests:#?}");
    assert!(!has(&requests, "a: create: ", ""), "{requests:#?}");

    let decisions = plan(&["-vvv"]);
    assert!(has(&decisions, "a: create: ", ""), "{decisions:#?}");
    assert!(has(&decisions, "GET /api/v1/pools: 200 in ", " bytes"), "{decisions:#?}");
}

#[test]
fn each_logged_request_has_method_path_status_milliseconds_and_bytes() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    let line = ["watch", "--config", "rc.yaml", "-vv", "-o", "json", "--once", "--dry-run"];
    let objects: Vec<Value> = bench.run(&line).ends(0).out.lines().map(document).collect();
    let requests: Vec<&Value> = objects.iter().filter(|it| it["event"] == "request").collect();
    let read = requests.iter().find(|it| it["path"] == "/api/v1/instances").unwrap();
    assert_eq!((&read["level"], &read["method"]), (&"debug".into(), &"GET".into()));
    assert_eq!(read["status"], 200);
    assert!(read["ms"].is_u64() && read["bytes"].as_u64() > Some(0), "{read}");
    assert!(read["ts"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    let keys: BTreeSet<&str> = read.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "bytes",
        "command",
        "event",
        "format_version",
        "level",
        "method",
        "ms",
        "msg",
        "path",
        "status",
        "ts",
    ];
    assert_eq!(keys, expected.into());
}

#[test]
fn watch_logs_one_object_per_line_with_ts_level_and_msg_first() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    let line = ["watch", "--config", "rc.yaml", "-o", "json", "--once", "--dry-run"];
    let said = bench.run(&line).ends(0);
    let first = said.out.lines().next().unwrap();
    assert!(first.starts_with(r#"{"ts":""#), "{first}");
    let levels: BTreeSet<String> = said
        .out
        .lines()
        .map(|it| {
            let object = document(it);
            assert!(object["msg"].is_string() && object["event"].is_string(), "{it}");
            assert_eq!(
                (&object["format_version"], &object["command"]),
                (&"1".into(), &"watch".into())
            );
            object["level"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(levels, ["info".to_owned(), "warn".to_owned()].into(), "{}", said.out);
}

#[test]
fn under_journald_each_line_begins_with_its_priority_and_has_no_time() {
    let bench = Bench::new();
    bench.declare(&["a"]);
    let err = bench.path("journal");
    let mut watch = bench
        .command(&["watch", "--config", "rc.yaml", "--dry-run", "--listen", "127.0.0.1:0"])
        .env("JOURNAL_STREAM", "8:1234")
        .stderr(Stdio::from(File::create(&err).unwrap()))
        .spawn()
        .unwrap();
    eventually("the warning about the dry run", || {
        bench.read("journal").contains("--dry-run").then_some(())
    });
    signal(&watch, "-TERM");
    assert!(watch.wait().unwrap().success());
    let text = bench.read("journal");
    assert!(text.contains("\n<4>warning: writes nothing to GARM (`--dry-run`)\n"), "{text}");
    assert!(text.starts_with("<6>runnerctl "), "{text}");
    let is_marked = |it: &str| ["<3>", "<4>", "<6>"].iter().any(|mark| it.starts_with(mark));
    assert!(text.lines().all(is_marked), "{text}");
}
