//! Guardrails from the command line: each rule with its line, the same in `validate`, `plan` and
//! `apply`, and never loosened by `--policy`.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

/// No server listens at this address, so every request to GARM fails with 4.
const FLEET: &str = "\
fleet: acme
garm: { url: 'http://127.0.0.1:1', password: 'env:NO_SUCH_VARIABLE' }
defaults: { organization: acme, provider: aws, image: ami-1 }
watch: {}
receivers: { oncall: { alertmanager: { url: 'http://127.0.0.1:9093' } } }
";

const POLICY: &str = "\
policy:
  networks:
    aws: { keys: [subnet_id], allow: ['subnet-ci-*'], required: true }
  extra_specs: { allow_keys: [subnet_id, disk_gb] }
  allowed_providers: [aws]
  allowed_instance_types: ['m5.*']
  max_total_runners: 30
  forbid_enable_shell: true
";

const POOLS: &str = "\
pools:
  - name: good
    max_runners: 20
    instance_type: m5.large
    extra_specs: { subnet_id: subnet-ci-a }
  - name: elsewhere
    max_runners: 1
    instance_type: m5.large
    provider: gcp
  - name: large
    max_runners: 20
    instance_type: p4d.24xlarge
    extra_specs:
      subnet_id: subnet-prod-1
      user_data: x
  - name: open
    max_runners: 1
    instance_type: m5.large
    enable_shell: true
";

fn folder(fleet: &str, pools: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("runnerctl.yaml"), fleet).unwrap();
    std::fs::create_dir(folder.path().join("pools")).unwrap();
    std::fs::write(folder.path().join("pools/a.yaml"), pools).unwrap();
    folder
}

fn run(folder: &Path, line: &[&str]) -> Output {
    let mut command = Command::cargo_bin("runnerctl").unwrap();
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RUNNERCTL_") {
            command.env_remove(name);
        }
    }
    let command = command.current_dir(folder).env("HOME", folder).env_remove("GITHUB_ACTIONS");
    command.args(line).output().unwrap()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// Other values that a pool file chooses, each with its line.
#[test]
fn image_labels_entity_group_and_template_are_restricted_by_lists() {
    let policy = "policy:\n  allowed_images: ['ami-*']\n  allowed_labels: [ci-*, big]\n  \
                  allowed_entities: [acme, 'acme/*']\n  allowed_runner_groups: [ci]\n  \
                  allowed_templates: [linux]\n";
    let check = |field: &str, code: i32, expected: &str| {
        let pools = format!(
            "pools:\n  - name: big\n    max_runners: 1\n    instance_type: m5.large\n    {field}\n"
        );
        let folder = folder(&format!("{FLEET}{policy}"), &pools);
        let output = run(folder.path(), &["validate"]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{field}: {said}");
        assert!(said.contains(expected), "{field}: {said}");
        assert_eq!(said.contains("RC0809") && said.contains("a.yaml:5"), code == 3, "{said}");
    };
    check("image: ami-2", 0, "");
    check("image: evil-1", 3, "image `evil-1` is not in `policy.allowed_images`");
    check("image: 'ami-1,evil'", 3, "image `ami-1,evil` is not in");
    check("labels: [CI-a]", 0, "");
    check("labels: [ci-a, prod]", 3, "label `prod` is not in `policy.allowed_labels`");
    check("repository: acme/app", 0, "");
    check("repository: evil/app", 3, "repository `evil/app` is not in `policy.allowed_entities`");
    check("runner_group: prod", 3, "runner group `prod` is not in `policy.allowed_runner_groups`");
    check("template: windows", 3, "template `windows` is not in `policy.allowed_templates`");
}

#[test]
fn a_rule_for_a_provider_that_no_pool_uses_is_reported() {
    let check = |rule: &str, code: i32| {
        let policy = format!(
            "policy: {{ networks: {{ {rule}: {{ keys: [subnet_id], allow: ['*'] }} }} }}\n"
        );
        let pools = "pools:\n  - { name: a, max_runners: 1, instance_type: m5.large }\n";
        let folder = folder(&format!("{FLEET}{policy}"), pools);
        let output = run(folder.path(), &["validate", "--strict"]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert_eq!(said.contains("RC0810"), code == 3, "{said}");
    };
    check("aws", 0);
    check("AWS", 3);
    check("aws-prod", 3);
}

#[test]
fn each_violation_has_its_line_and_the_allowed_values() {
    let folder = folder(&format!("{FLEET}{POLICY}"), POOLS);
    let output = run(folder.path(), &["validate"]);
    assert_eq!(output.status.code(), Some(3));
    insta::assert_snapshot!(said(&output));
    let json = run(folder.path(), &["validate", "-o", "json"]);
    let document = crate::cli::bench::document(str::from_utf8(&json.stdout).unwrap());
    let seen: Vec<_> = document["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| (problem["code"].as_str().unwrap(), problem["line"].as_u64().unwrap()))
        .collect();
    let expected = [
        ("RC0801", 9),
        ("RC0802", 12),
        ("RC0804", 15),
        ("RC0805", 14),
        ("RC0803", 19),
        ("RC0805", 16),
        ("RC0806", 11),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn plan_and_apply_stop_at_a_violation_before_any_request() {
    let folder = folder(&format!("{FLEET}{POLICY}"), POOLS);
    for line in [&["plan"][..], &["apply", "--auto-approve"]] {
        let output = run(folder.path(), line);
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        assert!(said(&output).contains("pools/a.yaml:12:20"), "{}", said(&output));
    }
}

#[test]
fn a_policy_file_can_only_restrict() {
    let pool =
        "pools:\n  - { name: a, max_runners: 9, instance_type: m5.large, enable_shell: true }\n";
    let check = |fleet_policy: &str, over: &str, expected: &[&str]| {
        let folder = folder(&format!("{FLEET}{fleet_policy}"), pool);
        std::fs::write(folder.path().join("over.yaml"), over).unwrap();
        let output = run(folder.path(), &["validate", "--policy", "over.yaml", "-o", "json"]);
        let document = crate::cli::bench::document(str::from_utf8(&output.stdout).unwrap());
        let problems = document["problems"].as_array().unwrap();
        let codes: Vec<&str> =
            problems.iter().map(|problem| problem["code"].as_str().unwrap()).collect();
        assert_eq!(codes, expected, "{document}");
    };
    let lax = "policy: { forbid_enable_shell: false, allowed_instance_types: ['*'], max_total_runners: 99 }\n";
    let strict = "policy: { forbid_enable_shell: true, allowed_instance_types: ['c5.*'], max_total_runners: 5 }\n";
    let all = ["RC0802", "RC0803", "RC0806"];
    check("", lax, &[]);
    check("", strict, &all);
    check(strict, lax, &all);
    check(lax, strict, &all);
    // Both globs must match.
    check(
        "policy: { allowed_instance_types: ['m5.*'] }\n",
        "policy: { allowed_instance_types: ['*.large'] }\n",
        &[],
    );
    check(
        "policy: { allowed_instance_types: ['m5.*'] }\n",
        "policy: { allowed_instance_types: ['*.small'] }\n",
        &["RC0802"],
    );
}

#[test]
fn an_unusable_policy_file_is_a_problem() {
    let folder = folder(FLEET, "pools: [{ name: a, max_runners: 1, instance_type: x }]\n");
    for (text, expected) in [
        (None, "RC0101"),
        (Some("policy: { forbid_shell: true }\n"), "RC0301"),
        (Some("forbid_enable_shell: true\n"), "RC0301"),
        (Some("policy: [\n"), "RC0201"),
        (Some(""), "RC0211"),
    ] {
        if let Some(text) = text {
            std::fs::write(folder.path().join("over.yaml"), text).unwrap();
        }
        for line in [["validate", "--policy", "over.yaml"], ["plan", "--policy", "over.yaml"]] {
            let output = run(folder.path(), &line);
            assert_eq!(output.status.code(), Some(3), "{}", said(&output));
            assert!(said(&output).contains(expected), "{expected}: {}", said(&output));
        }
    }
}

/// The example forbids production networks and shell access, and caps the fleet.
#[test]
fn the_example_policy_allows_the_example_pools_and_refuses_a_bad_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let policy = root.join("examples/policy.yaml");
    let policy = policy.to_str().unwrap();
    let fleet = root.join("examples/runnerctl.yaml");
    let line = ["validate", "--config", fleet.to_str().unwrap(), "-f", "pools", "--policy", policy];
    let output = run(root, &line);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));

    let bad = "\
pools:
  - name: a
    max_runners: 500
    instance_type: m5.large
    provider: aws
    enable_shell: true
    extra_specs: { subnet_id: subnet-prod-1 }
";
    let folder = folder(FLEET, bad);
    let output = run(folder.path(), &["validate", "--policy", policy]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    for code in ["RC0803", "RC0805", "RC0806"] {
        assert!(text.contains(code), "{code}: {text}");
    }
}

#[test]
fn pools_of_a_group_count_with_its_limit_towards_the_total() {
    let policy = "policy: { max_total_runners: 10 }\n\
                  groups: { rack: { max_runners: 6, pools: [a, b] } }\n";
    let check = |max_of_c: u32, code: i32, expected: &str| {
        let pool = |name: &str, max: u32| {
            format!("  - {{ name: {name}, max_runners: {max}, instance_type: m5.large }}\n")
        };
        let pools = format!("pools:\n{}{}{}", pool("a", 5), pool("b", 5), pool("c", max_of_c));
        let folder = folder(&format!("{FLEET}{policy}"), &pools);
        let output = run(folder.path(), &["validate"]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(expected), "{said}");
    };
    check(4, 0, "");
    check(
        5,
        3,
        "pool `c`: all pools together may have 11 runners, but `policy.max_total_runners` is 10",
    );
    check(5, 3, "lower `max_runners` of some pools by 1 in total");
}
