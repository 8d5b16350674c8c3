//! `healthcheck` beside a `watch`, and without one.

use super::stage::Stage;

/// What `healthcheck` prints on one line, and its exit code.
fn asked(stage: &Stage, arguments: &[&str]) -> (Option<i32>, String) {
    let output = stage.run(&[&["healthcheck"], arguments].concat());
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), said)
}

#[test]
fn a_watch_that_runs_is_healthy_and_one_that_does_not_is_one() {
    let stage = Stage::set();
    let url = format!("http://{}", stage.watch);
    let absent = (Some(1), format!("error: no `watch` is running at {url}\n"));
    assert_eq!(asked(&stage, &[]), absent);
    assert_eq!(asked(&stage, &["--url", &url]), absent);
    let mut watch = stage.watch();
    let healthy = (Some(0), format!("the `watch` at {url} is healthy\n"));
    assert_eq!(asked(&stage, &[]), healthy);
    assert_eq!(asked(&stage, &["--url", &url, "--config", "absent.yaml"]), healthy);
    // `watch` keeps the last valid pool files, so an invalid one does not make it unhealthy.
    stage.pools("pools: [{ name: UPPER }]");
    assert_eq!(asked(&stage, &[]), healthy);
    assert_eq!(watch.end("-TERM"), Some(0));
    assert_eq!(asked(&stage, &[]), absent);
}

#[test]
fn a_healthcheck_that_cannot_ask_says_why() {
    let stage = Stage::with_garm();
    let (code, said) = asked(&stage, &["--config", "absent.yaml"]);
    assert_eq!(code, Some(3), "{said}");
    let (code, said) = asked(&stage, &["--url", "https://127.0.0.1:9477"]);
    assert!(code == Some(64) && said.contains("`watch.tls`"), "{said}");
    let (code, said) = asked(&stage, &["--url", "127.0.0.1:9477"]);
    assert_eq!(code, Some(64), "{said}");
}
