//! Tests that need runners, which boot in about five seconds of real time.

use serde_json::Value;

use super::bench::{Bench, pool};

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
fn status_says_why_each_queued_job_waits() {
    let bench = Bench::new();
    bench.declare(&["gpu", "web"]);
    bench.apply();
    bench.queue("gpu", 600);
    bench.queue("web", 600);
    // GARM records a job only while an enabled pool has its labels.
    bench.write("pools/gpu.yaml", &format!("{}    enabled: false\n", pool("gpu")));
    bench.apply();
    let status = bench.run(&["status", "--jobs", "-o", "json"]).ends(0).json();
    let jobs = status["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 2, "{status}");
    assert_eq!((&jobs[0]["pool"], &jobs[0]["reason"]), (&Value::Null, &"pool_disabled".into()));
    assert_eq!(jobs[0]["why"], "only `gpu` has its labels, and is disabled");
    assert_eq!((&jobs[1]["pool"], &jobs[1]["reason"]), (&"web".into(), &"threshold".into()));
    assert_eq!(jobs[1]["labels"], serde_json::json!(["web"]));
    assert!(jobs[1]["age_seconds"].is_u64() && jobs[1]["id"].is_u64(), "{status}");
    let text = bench.run(&["status", "--jobs"]).ends(0).out;
    assert!(text.contains("WHY IT WAITS") && text.contains("waits for more than 5 jobs"), "{text}");
    let one = bench.run(&["status", "--jobs", "gpu", "-o", "json"]).ends(0).json();
    assert_eq!(one["jobs"].as_array().unwrap().len(), 1, "{one}");
    let plain = bench.run(&["status", "-o", "json"]).ends(0).json();
    assert!(plain.get("jobs").is_none(), "{plain}");
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
