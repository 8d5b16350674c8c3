//! `validate` and `schema` from the command line: what is printed where, and the exit code.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

const SPECIFICATION: &str = include_str!("../../pools/default.yaml");

const FLEET: &str = "\
fleet: acme
garm:
  url: https://garm.example.com
  password: env:GARM_PASSWORD
defaults:
  organization: acme
  provider: aws
  image: ami-1
watch: {}
receivers:
  oncall: { alertmanager: { url: https://alertmanager.example.com } }
";

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// `runnerctl` in a folder, with nothing of this machine's environment.
fn runnerctl(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("runnerctl").unwrap();
    command.current_dir(folder).env_clear();
    command
}

/// Exit code, stdout and stderr.
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_specifications_file_alone_passes_with_a_warning_that_names_what_plan_needs() {
    let folder = folder(&[("pools/default.yaml", SPECIFICATION)]);
    let (code, stdout, stderr) = run(runnerctl(folder.path()).args(["validate"]));
    assert_eq!((code, stderr.as_str()), (0, ""));
    insta::assert_snapshot!(stdout);
}

#[test]
fn files_without_problems_say_so_in_one_line() {
    let folder = folder(&[("pools/default.yaml", SPECIFICATION), ("runnerctl.yaml", FLEET)]);
    let whole = run(runnerctl(folder.path()).args(["validate", "--strict"]));
    assert_eq!(whole, (0, "1 pool in 2 files, no problems\n".into(), String::new()));
}

#[test]
fn a_warning_fails_when_it_is_to_be_strict() {
    let folder = folder(&[("a.yaml", SPECIFICATION)]);
    let (code, ..) = run(runnerctl(folder.path()).args(["validate", "--strict", "a.yaml"]));
    assert_eq!(code, 3);
}

#[test]
fn paths_take_the_place_of_the_pools_folder_and_may_be_several() {
    let folder = folder(&[
        ("pools/broken.yaml", "{"),
        ("a.yaml", SPECIFICATION),
        ("more/b.yml", &SPECIFICATION.replace("default", "other")),
        ("runnerctl.yaml", FLEET),
    ]);
    let said = run(runnerctl(folder.path()).args(["validate", "a.yaml", "more"]));
    assert_eq!(said, (0, "2 pools in 3 files, no problems\n".into(), String::new()));
    let (code, ..) = run(runnerctl(folder.path()).args(["validate"]));
    assert_eq!(code, 3);
}

#[test]
fn no_pool_files_are_a_problem() {
    let folder = folder(&[("empty/notes.txt", "")]);
    let (code, stdout, _) = run(runnerctl(folder.path()).args(["validate"]));
    assert_eq!(code, 3);
    assert!(stdout.contains("error[RC0101]: there is no such file or folder"), "{stdout}");
    let (code, stdout, _) = run(runnerctl(folder.path()).args(["validate", "-f", "empty"]));
    assert_eq!(code, 3);
    assert!(stdout.contains("error[RC0107]: the folder contains no pool file"), "{stdout}");
}

#[test]
fn a_fleet_file_that_is_named_must_be_there_and_its_absence_makes_no_other_problems() {
    let folder = folder(&[("a.yaml", "pools: [{ name: a }]")]);
    let line = ["validate", "--config", "rc.yaml", "-o", "json", "a.yaml"];
    let (code, stdout, _) = run(runnerctl(folder.path()).args(line));
    let document = crate::cli::bench::document(&stdout);
    let files: Vec<&str> = document["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["file"].as_str().unwrap())
        .collect();
    assert_eq!((code, files), (3, vec!["rc.yaml"]));
}

#[test]
fn json_has_one_object_for_each_problem_and_nothing_else_is_printed() {
    let folder = folder(&[("a.yaml", "pools:\n  - name: a\n    max_runners: ten\n")]);
    let (code, stdout, stderr) =
        run(runnerctl(folder.path()).args(["validate", "-o", "json", "a.yaml", "b.yaml"]));
    assert_eq!((code, stderr.as_str()), (3, ""));
    insta::assert_snapshot!(stdout);
}

#[test]
fn on_github_actions_problems_are_annotations_and_quoted_text_is_no_command() {
    let text = "pools:\n  - name: a\n    max_runners: '%,:\r\n\n      ::warning::x'\n    instance_type: m5\n";
    let folder = folder(&[("a,b.yaml", text)]);
    let (code, stdout, stderr) =
        run(runnerctl(folder.path()).args(["validate", "a,b.yaml"]).env("GITHUB_ACTIONS", "true"));
    assert_eq!(code, 3);
    insta::assert_snapshot!(stderr);
    let lines: Vec<&str> = stdout.lines().collect();
    let token = lines[0].strip_prefix("::stop-commands::").unwrap();
    assert_eq!(*lines.last().unwrap(), format!("::{token}::"));
}

#[test]
fn on_github_actions_files_are_named_from_the_top_of_the_repository() {
    let folder = folder(&[("fleet/pools/a.yaml", "pools: 1\n"), ("b.yaml", "pools: 1\n")]);
    let whole = folder.path().canonicalize().unwrap();
    let (code, _, stderr) = run(runnerctl(&folder.path().join("fleet"))
        .args(["validate", "pools/a.yaml", "../b.yaml"])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_WORKSPACE", whole));
    assert_eq!(code, 3);
    for file in ["::error file=fleet/pools/a.yaml,line=1,", "::error file=b.yaml,line=1,"] {
        assert!(stderr.contains(file), "{stderr}");
    }
}

#[test]
fn markdown_is_not_offered() {
    let folder = folder(&[("a.yaml", SPECIFICATION)]);
    let (code, ..) = run(runnerctl(folder.path()).args(["validate", "-o", "markdown", "a.yaml"]));
    assert_eq!(code, 64);
}

#[test]
fn offline_no_secret_is_resolved_and_no_process_is_started() {
    let canary = "exec:touch started";
    let fleet = FLEET.replace("env:GARM_PASSWORD", canary);
    let folder = folder(&[("pools/a.yaml", SPECIFICATION), ("runnerctl.yaml", &fleet)]);
    let (code, ..) = run(runnerctl(folder.path()).args(["validate", "--allow-exec"]));
    assert_eq!((code, folder.path().join("started").exists()), (0, false));
}

#[test]
fn online_needs_a_fleet_file_and_files_without_errors() {
    let folder = folder(&[("a.yaml", SPECIFICATION), ("b.yaml", "pools: 1")]);
    let (code, _, stderr) = run(runnerctl(folder.path()).args(["validate", "--online", "a.yaml"]));
    assert!(code == 3 && stderr.contains("no fleet file found"), "{code} {stderr}");
    let (code, _, stderr) = run(runnerctl(folder.path()).args(["validate", "--online", "b.yaml"]));
    assert_eq!(
        (code, stderr.as_str()),
        (3, "skipped the checks against GARM: correct the files first\n")
    );
}

#[test]
fn what_is_no_file_ends_in_a_problem_and_does_not_hang() {
    let folder = folder(&[("pools/a.yaml", SPECIFICATION)]);
    symlink("loop.yaml", folder.path().join("loop.yaml")).unwrap();
    for path in ["loop.yaml", "/dev/zero", "/dev/tty", "nothing.yaml"] {
        let (code, stdout, _) = run(runnerctl(folder.path()).args(["validate", path]));
        assert_eq!((code, stdout.matches("error[RC01").count()), (3, 1), "{path}: {stdout}");
    }
    // A folder in place of the fleet file.
    let (code, stdout, _) = run(runnerctl(folder.path()).args(["validate", "--config", "pools"]));
    assert!(code == 3 && stdout.contains("this is a folder, not a file"), "{stdout}");
}

#[test]
fn the_schema_is_one_document() {
    let folder = folder(&[]);
    let (code, stdout, stderr) = run(runnerctl(folder.path()).args(["schema"]));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), runnerctl::config::schema());
}

#[test]
fn the_examples_have_no_problems() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let line = ["validate", "--strict", "--config", "examples/runnerctl.yaml", "-f", "pools"];
    let (code, stdout, _) = run(runnerctl(root).args(line));
    assert_eq!((code, stdout.as_str()), (0, "4 pools in 3 files, no problems\n"));
    // The specification's own file, unchanged.
    let specified = "# pools/default.yaml
pools:
  - name: default
    min_runners: 2
    max_runners: 20
    scale_up_threshold: 5
    scale_up_delay: 30s
    scale_down_delay: 10m
    instance_type: m5.large
";
    assert_eq!(SPECIFICATION, specified);
}
