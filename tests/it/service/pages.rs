//! The pages and the log of a running `watch`.

use serde_json::Value;

use super::stage::{Stage, eventually, get};

#[test]
fn the_three_gauges_of_the_specification_come_first_and_exactly_as_specified() {
    let stage = Stage::set();
    let _watch = stage.watch();
    stage.metrics_with("runner_idle{pool=\"default\"} 2");
    stage.queue_held(3);
    let page = stage.metrics_with("queue_depth{pool=\"default\"} 3");
    let expected = "# HELP runner_active Number of runners currently executing jobs\n\
        # TYPE runner_active gauge\n\
        runner_active{pool=\"default\"} 0\n\
        # HELP runner_idle Number of runners waiting for jobs\n\
        # TYPE runner_idle gauge\n\
        runner_idle{pool=\"default\"} 2\n\
        # HELP queue_depth Number of workflows waiting for a runner\n\
        # TYPE queue_depth gauge\n\
        queue_depth{pool=\"default\"} 3\n";
    assert!(page.starts_with(expected), "{page}");
    for line in [
        "runnerctl_pool_runners{pool=\"default\",state=\"idle\"} 2",
        "runnerctl_event_stream_connected 1",
        "runnerctl_config_last_reload_successful 1",
        "runnerctl_runner_startup_duration_seconds_count{pool=\"default\"} 2",
        "runnerctl_reconcile_errors_total 0",
    ] {
        assert!(page.lines().any(|it| it == line), "{line}\n{page}");
    }
}

#[test]
fn decisions_and_status_use_the_same_words() {
    let stage = Stage::set();
    let _watch = stage.start_watch("watch", &["--dry-run"]);
    stage.until_ready(stage.watch);
    stage.queue_held(9);
    stage.metrics_with("queue_depth{pool=\"default\"} 9");
    let up = "runnerctl_scaling_decisions_total{pool=\"default\",direction=\"up\",reason=\"pressure\"} 1";
    stage.metrics_with(up);
    // The page follows the counter within the time between two reports.
    let report = eventually("the decision on the page", || {
        let (status, page) = get(stage.watch, "/decisions")?;
        assert_eq!(status, 200);
        Some(crate::cli::bench::document(&page))
            .filter(|report| report["pools"][0]["reason"] == "pressure")
    });
    assert_eq!(report["fleet"], "sandbox");
    let decision = &report["pools"][0];
    assert_eq!(decision["direction"], "up");
    let of_status = &stage.status()["decision"];
    let shape = |it: &Value| -> Vec<String> { it.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(shape(decision), shape(of_status));
    assert_eq!(of_status["pool"], "default");
}

#[test]
fn the_log_has_one_line_per_pool_in_thirty_seconds() {
    let stage = Stage::set();
    let _watch = stage.start_watch("watch", &["--dry-run"]);
    stage.until_ready(stage.watch);
    let lines = || {
        let log = stage.read("watch.err");
        log.lines().filter(|line| line.contains("default: ")).map(str::to_owned).collect::<Vec<_>>()
    };
    eventually("the first line", || Some(lines()).filter(|lines| lines.len() == 1));
    for queued in 1..=3 {
        stage.queue_held(9);
        stage.metrics_with(&format!("queue_depth{{pool=\"default\"}} {}", 9 * queued));
    }
    assert_eq!(lines().len(), 1, "{:?}", lines());
    let lines = eventually("the next line", || Some(lines()).filter(|lines| lines.len() > 1));
    assert!(matches!(&lines[..], [_, last] if last.contains("27 jobs wait")), "{lines:?}");
}
