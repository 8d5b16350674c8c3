//! Tests that need runners, which boot in about five seconds of real time.

use serde_json::Value;

use super::bench::Bench;

const WARM: &str = "\
pools:
  - name: warm
    min_runners: 2
    max_runners: 4
    instance_type: m5.large
";

/// A pool with two idle runners.
fn warm() -> Bench {
    let bench = Bench::new();
    bench.write("pools/warm.yaml", WARM);
    bench.apply();
    bench.wait_for_runners(2, "runner_status", "idle");
    bench
}

#[test]
fn status_shows_pools_runners_and_jobs() {
    let bench = warm();
    bench.queue("warm", 600);
    bench.wait_for_runners(1, "runner_status", "active");
    let status = bench.run(&["status", "--runners", "-o", "json"]).ends(0).json();
    let pool = &status["pools"][0];
    assert_eq!((&pool["name"], &pool["active"]), (&"warm".into(), &1.into()), "{status}");
    assert_eq!((&pool["level"], &pool["max_runners"]), (&2.into(), &4.into()), "{status}");
    let runners = pool["runners"].as_array().unwrap();
    let busy: Vec<&Value> = runners.iter().filter(|it| it["state"] == "active").collect();
    assert!(busy.len() == 1 && busy[0]["job"].is_string(), "{status}");
    let text = bench.run(&["status", "--runners"]).ends(0).out;
    assert!(text.contains("POOL") && text.contains("RUNNER"), "{text}");
    let one = bench.run(&["status", "warm"]).ends(0).out;
    assert!(!one.contains("RUNNER "), "{one}");
    let unknown = bench.run(&["status", "wram"]).ends(64);
    assert!(unknown.err.contains("did you mean `warm`?"), "{}", unknown.err);
}

#[test]
fn rotate_replaces_idle_runners_of_the_old_image_and_only_then() {
    let bench = warm();
    let names = |bench: &Bench| -> Vec<String> {
        let all = bench.garm("/instances");
        all.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    };
    let old = names(&bench);
    bench.write("pools/warm.yaml", &format!("{WARM}    image: ubuntu-26.04\n"));
    let plan = bench.run(&["plan"]).ends(0).out;
    assert!(plan.contains("2 idle runners still run the old image; `--rotate` replaces them"));
    bench.apply();
    assert_eq!(names(&bench), old, "without `--rotate` they stay");
    let rotated = bench.run(&["apply", "--auto-approve", "--rotate"]).ends(0);
    assert!(rotated.out.contains("2 outdated runners removed"), "{}", rotated.out);
    assert!(names(&bench).iter().all(|it| !old.contains(it)), "{old:?}");
    bench.run(&["plan", "--detailed-exitcode"]).ends(0);
}
