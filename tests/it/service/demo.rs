//! `runnerctl demo` as a process.

use assert_cmd::cargo::cargo_bin;

#[test]
fn the_demo_succeeds_and_compares_the_burst_with_garm_alone() {
    let output = std::process::Command::new(cargo_bin("runnerctl"))
        .arg("demo")
        .env_remove("GITHUB_ACTIONS")
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    for passage in [
        "unknown key `max_runers`",
        "no changes: the fleet is as declared",
        "web: starts",
        "beyond the floor of 2, until idle for 10m",
        "build: starts 2 runners: `min_idle_runners` keeps 2 idle",
        "the pool `web`, with `runnerctl watch`",
        "the pool `web`, the same burst, GARM alone",
        "the scale set `build`, with `runnerctl watch`",
        "longest wait",
        "35 ran to their end, 0 lost their VM",
        "its chain verifies",
    ] {
        assert!(told.contains(passage), "{passage}\n{told}");
    }
    let burst = told.split("$ runnerctl watch").nth(1).and_then(|rest| rest.split("\n── ").next());
    let widest = burst.into_iter().flat_map(str::lines).map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|columns| columns <= 80), "{widest:?}\n{told}");
}
