//! How `watch` ends.

use std::time::{Duration, Instant};

use super::stage::{Stage, eventually};

#[test]
fn sigterm_ends_watch_with_0_within_ten_seconds_and_sigint_with_130() {
    let stage = Stage::set();
    let mut watch = stage.watch();
    let began = Instant::now();
    assert_eq!(watch.end("-TERM"), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(stage.watch().end("-INT"), Some(130));
}

/// The log closes without a delay once all lines are written. The fastest of three runs counts: the
/// machine may be busy.
#[test]
fn a_stop_with_nothing_to_do_takes_less_than_a_second() {
    let stage = Stage::set();
    let end = || {
        let mut watch = stage.watch();
        let began = Instant::now();
        assert_eq!(watch.end("-TERM"), Some(0));
        began.elapsed()
    };
    let quickest = [end(), end(), end()].into_iter().min().unwrap();
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
}

#[test]
fn watch_lowers_a_raised_level_before_it_ends() {
    let stage = Stage::set();
    let mut watch = stage.watch();
    stage.metrics_with("runner_idle{pool=\"default\"} 2");
    stage.queue_held(9);
    let raised =
        "runnerctl_scaling_actions_total{pool=\"default\",direction=\"up\",outcome=\"done\"} 1";
    stage.metrics_with(raised);
    // GARM's event follows the write, and `watch` may end before it.
    let created = || stage.read("audit.jsonl").contains("\"act\":\"runner created\"");
    eventually("the record of a runner", || created().then_some(()));
    assert_eq!(watch.end("-TERM"), Some(0));
    let said = stage.read("watch.err");
    assert!(!said.contains("left above its floor"), "{said}");
    let level = stage.status()["level"].as_u64().unwrap();
    assert!(level <= 9, "the level without a pulse holds idle runners only: {level}");
    let records = stage.read("audit.jsonl");
    for act in ["watch started", "set level", "runner created", "watch stopped"] {
        assert!(records.contains(&format!("\"act\":\"{act}\"")), "{act}\n{records}");
    }
    assert!(said.contains("the audit log stands at "), "{said}");
}

#[test]
fn once_and_release_run_beside_a_watch_and_end_by_themselves() {
    let stage = Stage::set();
    let _watch = stage.watch();
    assert_eq!(stage.start_watch("once", &["--once"]).code(), Some(0));
    assert_eq!(stage.start_watch("release", &["--release"]).code(), Some(0));
    assert!(stage.read("release.err").contains("lowers the levels of fleet `sandbox`"));
}

#[test]
fn under_json_output_every_line_of_stdout_is_an_object() {
    let stage = Stage::set();
    let mut watch = stage.start_watch("watch", &["-o", "json"]);
    stage.until_ready(stage.watch);
    assert_eq!(watch.end("-TERM"), Some(0));
    let out = stage.read("watch.out");
    let events: Vec<String> = out
        .lines()
        .map(|line| {
            let object = crate::cli::bench::document(line);
            assert_eq!(
                (&object["format_version"], &object["command"]),
                (&"1".into(), &"watch".into())
            );
            object["event"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(events.first().map(String::as_str), Some("start"));
    // The last line of the log says where the audit log ends.
    assert_eq!(events[events.len() - 2..], ["stop", "audit"], "{events:?}");
    assert_eq!(stage.read("watch.err"), "");
}
