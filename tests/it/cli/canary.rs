//! A secret reaches GARM and nobody else: not stdout, not stderr, no log, no plan file, no audit
//! file, whatever goes wrong.

use std::fs;

use super::bench::{Bench, Said};

/// Stands in `extra_specs`, where people put what they should not.
const IN_SPECS: &str = "canary-in-specs-7f3a";

/// A password that GARM does not take.
const WRONG: &str = "canary-wrong-91bc";

/// A password in plain in the fleet file.
const LITERAL: &str = "canary-literal-44d0";

/// What was said so far, and the secrets that must not be in it.
struct Ears {
    secrets: Vec<String>,
    heard: usize,
}

impl Ears {
    #[track_caller]
    fn hear(&mut self, what: &str, said: &Said) {
        for text in [&said.out, &said.err] {
            self.read(what, text);
        }
        self.heard += 1;
    }

    #[track_caller]
    fn read(&self, what: &str, text: &str) {
        for secret in &self.secrets {
            assert!(!text.contains(secret.as_str()), "`{secret}` in {what}:\n{text}");
        }
        // A token is a secret, too; ours begin like all of their kind.
        assert!(!text.contains("Bearer ") && !text.contains("eyJ"), "a token in {what}:\n{text}");
    }
}

/// A pool whose `extra_specs` carry the canary, with more lines for it.
fn pool(more: &str) -> String {
    format!(
        "pools:\n  - name: a\n    max_runners: 2\n    instance_type: m5.large\n{more}    \
         extra_specs:\n      token: {IN_SPECS}\n      nested: {{ deep: [{IN_SPECS}] }}\n"
    )
}

/// Every command that asks GARM, at every loudness.
const LINES: &[&[&str]] = &[
    &["validate"],
    &["validate", "--online"],
    &["validate", "-o", "json"],
    &["plan"],
    &["plan", "-o", "json"],
    &["plan", "-o", "markdown"],
    &["plan", "--out", "it.plan"],
    &["apply", "it.plan", "--auto-approve"],
    &["plan", "--detailed-exitcode"],
    &["status", "--runners"],
    &["status", "-o", "json"],
    &["import"],
];

#[test]
fn a_secret_from_env_file_or_exec_is_in_no_output_of_any_command() {
    for (reference, variables) in [
        ("file:rc.yaml.password", false),
        ("env:GARM_PASSWORD", true),
        ("exec:cat rc.yaml.password", false),
    ] {
        let bench = Bench::new();
        let password = bench.read("rc.yaml.password").trim_end().to_owned();
        let fleet_file = bench.read("rc.yaml");
        bench.write("rc.yaml", &fleet_file.replace("file:rc.yaml.password", reference));
        bench.write("pools/a.yaml", &pool(""));
        let mut ears = Ears { secrets: vec![password.clone(), IN_SPECS.to_owned()], heard: 0 };
        let summary = bench.path("summary.md");
        let mut set = vec![("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
        if variables {
            set.push(("GARM_PASSWORD", &password));
        }
        for line in LINES {
            let whole = [line, &["-vvv", "--allow-exec"][..]].concat();
            let said = bench.run_with(&whole, &set);
            assert!([0, 2].contains(&said.code), "{line:?}: {}", said.err);
            ears.hear(&format!("{reference}: {line:?}"), &said);
        }
        for file in ["it.plan", "summary.md", ".local/state/runnerctl/audit.jsonl"] {
            let text = bench.read(file);
            assert!(text.contains("instance_type") || text.contains("flavor"), "{file}: {text}");
            ears.read(file, &text);
        }
        // The canary has been where it belongs: GARM has it.
        let id = bench.garm("/pools")[0]["id"].as_str().unwrap().to_owned();
        assert!(bench.garm(&format!("/pools/{id}")).to_string().contains(IN_SPECS));
        assert_eq!(ears.heard, LINES.len());
    }
}

#[test]
fn a_secret_is_in_no_error_either() {
    let bench = Bench::new();
    let secrets = [IN_SPECS, WRONG, LITERAL].map(str::to_owned).to_vec();
    let mut ears = Ears { secrets, heard: 0 };
    let fleet_file = bench.read("rc.yaml");
    let lines: [&[&str]; 6] = [
        &["validate"],
        &["validate", "-o", "json"],
        &["validate", "--online"],
        &["plan"],
        &["apply", "--auto-approve"],
        &["status"],
    ];
    let password = |it: &str| fleet_file.replace("file:rc.yaml.password", it);
    let good = pool("");
    let broken = pool("    scale_up_delay: soon\n");
    let half = good.replace("      nested", "     nested");
    bench.write("loud", &format!("#!/bin/sh\necho {WRONG}\necho {WRONG} >&2\nexit 1\n"));
    fs::set_permissions(bench.path("loud"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    bench.write("wrong", WRONG);
    fs::set_permissions(bench.path("wrong"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .unwrap();
    for (case, fleet, pools) in [
        ("refused by GARM", password("env:WRONG"), good.as_str()),
        ("a literal", password(LITERAL), good.as_str()),
        ("an unknown kind", password(&format!("vualt:{LITERAL}")), good.as_str()),
        ("a fleet file that is no YAML", password(&format!("'{LITERAL}")), good.as_str()),
        ("a program that fails and talks", password("exec:./loud"), good.as_str()),
        ("a file that others can read", password("file:wrong"), good.as_str()),
        ("a broken pool", fleet_file.clone(), broken.as_str()),
        ("a pool file that is no YAML", fleet_file.clone(), half.as_str()),
    ] {
        bench.write("rc.yaml", &fleet);
        bench.write("pools/a.yaml", pools);
        let mut failures = 0;
        for line in lines {
            for host in ["", "true"] {
                let whole = [line, &["-vvv", "--allow-exec"][..]].concat();
                let said = bench.run_with(&whole, &[("WRONG", WRONG), ("GITHUB_ACTIONS", host)]);
                failures += usize::from(said.code == 3 || said.code == 4);
                ears.hear(&format!("{case}: {line:?}"), &said);
            }
        }
        assert!(failures >= 6, "{case}: {failures} failures");
    }
}
