//! The workflow, the action and the hooks that other repositories use.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use super::text;
use crate::cli::bench::Bench;

const RELEASE: &str = ".github/workflows/release.yml";

fn workflow(name: &str) -> Value {
    serde_yaml::from_str(&text(name)).unwrap()
}

fn jobs(workflow: &Value) -> BTreeMap<String, Value> {
    serde_json::from_value(workflow["jobs"].clone()).unwrap()
}

/// A line is understood if the program accepts it with `--help`.
fn assert_understood(line: &str) {
    let line = line.split(" > ").next().unwrap();
    let words: Vec<&str> = line.split(' ').skip(1).chain(["--help"]).collect();
    Bench::bare().run(&words).ends(0);
}

#[test]
fn the_workflow_runs_lines_that_the_program_understands() {
    let jobs = jobs(&workflow("deploy/github/runners.yml"));
    let steps = jobs.values().flat_map(|job| job["steps"].as_array().unwrap());
    let runs = steps.filter_map(|step| step["run"].as_str());
    let lines: Vec<&str> = runs.filter(|line| line.starts_with("runnerctl ")).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    lines.into_iter().for_each(assert_understood);
}

/// A fork's pull request starts `pull_request` without secrets; `pull_request_target` has them.
#[test]
fn no_job_of_a_fork_holds_the_password() {
    let workflow = workflow("deploy/github/runners.yml");
    assert_eq!(workflow["permissions"], serde_json::json!({}));
    assert!(workflow["env"].is_null(), "a variable of the workflow is one of every job");
    let conditions: BTreeMap<(bool, String), String> = jobs(&workflow)
        .into_iter()
        .map(|(name, job)| {
            let condition = job["if"].as_str().unwrap().trim().to_owned();
            ((job.to_string().contains("secrets."), name), condition)
        })
        .collect();
    let key = |holds: bool, name: &str| (holds, name.to_owned());
    let expected = BTreeMap::from([
        (key(false, "validate"), "github.event_name == 'pull_request'".to_owned()),
        (key(true, "apply"), "github.event_name == 'push'".to_owned()),
        (
            key(true, "plan"),
            "github.event_name == 'pull_request_target' && \
             github.event.pull_request.head.repo.full_name == github.repository"
                .to_owned(),
        ),
    ]);
    assert_eq!(conditions, expected);
    assert_eq!(workflow["on"]["push"]["branches"], serde_json::json!(["main"]));
}

#[test]
fn actions_of_others_are_pinned() {
    for name in ["deploy/github/runners.yml", ".github/workflows/ci.yml"] {
        let jobs = jobs(&workflow(name));
        let steps = jobs.values().flat_map(|job| job["steps"].as_array().unwrap());
        for action in steps.filter_map(|step| step["uses"].as_str()) {
            let (path, pin) = action.split_once('@').unwrap();
            let is_commit = pin.len() == 40 && pin.bytes().all(|byte| byte.is_ascii_hexdigit());
            // Our own action is named by its release, which also determines the binary.
            let is_ours = path == "OWNER/REPOSITORY/deploy/github/action"
                && pin == concat!("v", env!("CARGO_PKG_VERSION"));
            assert!(is_commit || is_ours, "{name}: {action}");
        }
    }
}

#[test]
fn the_hooks_run_lines_that_the_program_understands() {
    let hooks: Vec<Value> = serde_yaml::from_str(&text(".pre-commit-hooks.yaml")).unwrap();
    assert_eq!(hooks.len(), 2);
    for hook in &hooks {
        assert_understood(hook["entry"].as_str().unwrap());
        assert_eq!(hook["pass_filenames"], false, "`validate PATH…` would replace the pool folder");
    }
}

/// Runs the action's script with a `gh` that serves a release with this checksum.
fn installed(checksum: &str) -> (Bench, bool) {
    let action = workflow("deploy/github/action/action.yml");
    let script = action["runs"]["steps"][0]["run"].as_str().unwrap();
    let bench = Bench::bare();
    let gh = format!(
        "#!/bin/sh\necho \"$@\" >> \"$RUNNER_TEMP/calls\"\n[ \"$1\" = release ] || exit 0\n\
         printf '#!/bin/sh\\necho runnerctl 1\\n' > \"$7\"\n\
         echo \"{checksum}  $7\" > \"$7.sha256\"\n"
    );
    bench.write("bin/gh", &gh);
    Command::new("chmod").arg("+x").arg(bench.path("bin/gh")).status().unwrap();
    let output = Command::new("bash")
        .args(["-eo", "pipefail", "-c", script])
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", bench.path("bin").display()))
        .env("RUNNER_TEMP", bench.path(""))
        .env("GITHUB_PATH", bench.path("path"))
        .envs([("RUNNER_OS", "Linux"), ("RUNNER_ARCH", "X64")])
        .envs([("VERSION", "v1"), ("REPOSITORY", "acme/runnerctl")])
        .output()
        .unwrap();
    (bench, output.status.success())
}

#[test]
fn the_action_installs_what_the_release_workflow_built_and_nothing_else() {
    let (bench, is_installed) = installed("$(sha256sum \"$7\" | cut -d' ' -f1)");
    assert!(is_installed);
    let calls = bench.read("calls");
    let file = "runnerctl-x86_64-unknown-linux-musl";
    assert_eq!(
        calls,
        format!(
            "release download v1 --repo acme/runnerctl --pattern {file} --pattern {file}.sha256\n\
             attestation verify {file} --repo acme/runnerctl\n"
        )
    );
    let folder = bench.read("path");
    assert!(std::path::Path::new(folder.trim()).join("runnerctl").is_file(), "{folder}");
    let (bench, is_installed) = installed(&"0".repeat(64));
    assert!(!is_installed && !bench.path("path").exists(), "a wrong checksum");
    let action = text("deploy/github/action/action.yml");
    for target in ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"] {
        assert!(text(RELEASE).contains(&format!("target: {target},")) && action.contains(target));
    }
}
