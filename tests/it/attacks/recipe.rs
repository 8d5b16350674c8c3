//! Checks the workflows that the README recommends and that release the program: users copy the
//! former.

use std::collections::BTreeMap;

use serde_json::Value;

const README: &str = include_str!("../../../README.md");
const RELEASE: &str = include_str!("../../../.github/workflows/release.yml");

/// An action that signs releases is pinned, because a changed version could sign anything.
#[test]
fn release_binaries_are_attested_by_pinned_actions() {
    let workflow: Value = serde_yaml::from_str(RELEASE).unwrap();
    assert_eq!(workflow["permissions"], serde_json::json!({}));
    let jobs: BTreeMap<String, Value> = serde_json::from_value(workflow["jobs"].clone()).unwrap();
    let steps = jobs.values().flat_map(|it| it["steps"].as_array().unwrap());
    let used: Vec<&str> = steps.filter_map(|it| it["uses"].as_str()).collect();
    for action in &used {
        let pin = action.split_once('@').unwrap().1;
        let is_commit = pin.len() == 40 && pin.bytes().all(|it| it.is_ascii_hexdigit());
        assert!(is_commit, "{action}");
    }
    for wanted in ["actions/attest-build-provenance@", "actions/attest-sbom@"] {
        assert!(used.iter().any(|it| it.starts_with(wanted)), "{wanted}");
    }
}

/// The fleet file determines which GARM receives the password, and a pull request can change it.
#[test]
fn no_job_of_a_pull_request_holds_the_password() {
    let block = README.split("```yaml\n# .github/workflows/runners.yaml\n").nth(1).unwrap();
    let text = block.split("```").next().unwrap();
    let workflow: Value = serde_yaml::from_str(text).unwrap();
    let jobs: BTreeMap<String, Value> = serde_json::from_value(workflow["jobs"].clone()).unwrap();
    let mut conditions = BTreeMap::new();
    for (name, job) in &jobs {
        let condition = job["if"].as_str().unwrap();
        assert!(!condition.contains("||"), "{name}: {condition}");
        conditions.insert(job.to_string().contains("secrets."), condition);
    }
    assert!(workflow["env"].is_null(), "a variable of the workflow is one of every job");
    assert_eq!(conditions[&false], "github.event_name == 'pull_request'");
    assert_eq!(conditions[&true], "github.event_name == 'push'");
    assert_eq!(workflow["on"]["push"]["branches"], serde_json::json!(["main"]));
}
