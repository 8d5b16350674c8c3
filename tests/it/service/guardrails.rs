//! Pools in GARM that violate the policy, and the report on the requirements.

use super::stage::{Stage, eventually, get};

const POLICY: &str = "policy: { networks: { sim: { keys: [net], allow: [ci-*], required: true } }, accept: [R10] }\n";

fn pools(network: &str) -> String {
    format!(
        "pools:\n  - name: default\n    min_runners: 2\n    max_runners: 20\n    \
         instance_type: m5.large\n    extra_specs:\n      disk: 20\n      net: {network}\n"
    )
}

/// The pool was applied before there was a policy, which the files satisfy now.
fn behind_the_policy() -> Stage {
    let stage = Stage::with_garm();
    stage.pools(&pools("prod-1"));
    let applied = stage.run(&["apply", "--auto-approve", "--no-audit"]);
    assert!(applied.status.success(), "{applied:?}");
    let config = stage.read("runnerctl.yaml");
    stage.write("runnerctl.yaml", &format!("{config}{POLICY}"));
    stage.pools(&pools("ci-1"));
    stage
}

#[test]
fn watch_reports_a_policy_violation_of_a_live_pool_and_its_end_once() {
    let stage = behind_the_policy();
    let mut watch = stage.watch();
    stage.metrics_with("runnerctl_pool_policy_violations{pool=\"default\"} 1");
    let said = "default: the pool in GARM violates the policy: `net` in `extra_specs` puts \
                runners into `prod-1`";
    eventually(said, || stage.read("watch.err").contains(said).then_some(()));
    let verdict = "R8 not met: no way into production networks: pools that break \
                   `policy.networks`: `default`";
    eventually(verdict, || stage.read("watch.err").contains(verdict).then_some(()));
    let record = r#""act":"policy violation""#;
    eventually("the record", || stage.read("audit.jsonl").contains(record).then_some(()));
    let page = get(stage.watch, "/decisions").unwrap().1;
    let page = crate::cli::bench::document(&page);
    assert_eq!(page["requirements"][2]["id"], "R8");

    let applied = stage.run(&["apply", "--auto-approve", "--no-audit"]);
    assert!(applied.status.success(), "{applied:?}");
    stage.metrics_with("runnerctl_pool_policy_violations{pool=\"default\"} 0");
    let said = "R8 met: no way into production networks: every pool keeps to `policy.networks`";
    eventually(said, || stage.read("watch.err").contains(said).then_some(()));
    let log = stage.read("watch.err");
    assert_eq!(log.matches("in GARM violates the policy").count(), 1, "{log}");
    assert_eq!(log.matches("no longer violates the policy").count(), 1, "{log}");
    assert_eq!(watch.end("-TERM"), Some(0));
}

#[test]
fn watch_logs_each_requirement_at_its_start() {
    let stage = Stage::set();
    let mut watch = stage.watch();
    let last = "R11 met: an audit log of all runners: the chain of";
    eventually(last, || stage.read("watch.err").contains(last).then_some(()));
    let log = stage.read("watch.err");
    for said in [
        "R3 cannot tell: a fresh VM for each job: no finished job has been observed yet",
        "R4 cannot tell: no traces of earlier jobs: no finished job has been observed yet",
        "warning: R8 not met: no way into production networks: providers without",
        "warning: R10 not met: mTLS from runners to GARM: mTLS is not enforced",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
    assert_eq!(watch.end("-TERM"), Some(0));
}

#[test]
fn validate_online_checks_live_pools_against_the_policy() {
    let stage = behind_the_policy();
    assert_eq!(stage.run(&["validate"]).status.code(), Some(0));
    let output = stage.run(&["validate", "--online"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    let message = "pool `default` as it is in GARM: `net` in `extra_specs` puts runners into";
    assert!(said.contains(message), "{said}");
    assert!(said.contains("R8   not met"), "{said}");
    assert!(said.contains("R10  not met"), "{said}");
    assert!(said.contains("(accepted by `policy.accept`)"), "{said}");
    let applied = stage.run(&["apply", "--auto-approve", "--no-audit"]);
    assert!(applied.status.success(), "{applied:?}");
    let output = stage.run(&["validate", "--online", "-o", "json"]);
    let said = crate::cli::bench::document(str::from_utf8(&output.stdout).unwrap());
    assert_eq!(output.status.code(), Some(0), "{said}");
    let is_about_policy = |it: &serde_json::Value| it["code"].as_str().unwrap().starts_with("RC08");
    assert!(!said["problems"].as_array().unwrap().iter().any(is_about_policy), "{said}");
    let answer = |at: usize| (said["requirements"][at]["id"].as_str(), &said["requirements"][at]);
    assert_eq!((answer(2).0, &answer(2).1["answer"]), (Some("R8"), &"met".into()));
    assert_eq!((answer(4).0, &answer(4).1["answer"]), (Some("R10"), &"not met".into()));
}

#[test]
fn a_violation_points_at_its_own_key() {
    let stage = Stage::with_garm();
    let config = stage.read("runnerctl.yaml");
    stage.write("runnerctl.yaml", &format!("{config}{POLICY}"));
    stage.pools(&pools("prod-1"));
    let output = stage.run(&["validate"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("default.yaml:8:7"), "{said}");
}
