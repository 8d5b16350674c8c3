//! The commands at the tops of the files of `deploy/` and `examples/`, and the contents of these
//! files.

use std::os::unix::fs::symlink;

use assert_cmd::cargo::cargo_bin;

use super::blocks::{block, document};
use super::stage::Stage;
use crate::cli::bench::root;

/// Runs the install commands from the top of the repository, with another root folder.
#[test]
fn the_unit_is_installed_by_the_lines_at_its_top() {
    let stage = Stage::new();
    let unit = document("deploy/systemd/runnerctl.service");
    let lines = unit.lines().skip_while(|it| !it.starts_with("#   "));
    let lines: Vec<&str> =
        lines.take_while(|it| it.starts_with("#   ")).map(|it| &it[4..]).collect();
    assert!(lines.len() > 4, "{lines:?}");
    // The files of a repository in which the program was built.
    std::fs::create_dir_all(stage.bench.path("target/release")).unwrap();
    symlink(cargo_bin("runnerctl"), stage.bench.path("target/release/runnerctl")).unwrap();
    symlink(root().join("deploy"), stage.bench.path("deploy")).unwrap();
    stage.bench.write("pools/default.yaml", &block("README.md", "# pools/default.yaml"));
    stage.bench.write("runnerctl.yaml", &block("README.md", "fleet: acme"));
    stage.bench.write("typed", "a password\n");
    // The last line works only on a machine that runs systemd.
    stage.tool("systemctl", "#!/bin/sh\necho \"$@\" >> systemctl-calls\n");
    let into = stage.bench.path("root");
    for folder in ["usr/local/bin", "etc/systemd/system"] {
        std::fs::create_dir_all(into.join(folder)).unwrap();
    }
    for line in &lines {
        let line = line.replace("/usr/", "root/usr/").replace("/etc/", "root/etc/");
        let line = line.replace("/dev/stdin", "typed");
        stage.type_in(&line, &[]).ends(0);
    }
    for (file, mode) in [
        ("usr/local/bin/runnerctl", 0o755),
        ("etc/runnerctl/runnerctl.yaml", 0o644),
        ("etc/runnerctl/pools/default.yaml", 0o644),
        ("etc/runnerctl/garm-password", 0o600),
        ("etc/systemd/system/runnerctl.service", 0o644),
    ] {
        use std::os::unix::fs::PermissionsExt;
        let there = into.join(file).metadata().unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(there.permissions().mode() & 0o777, mode, "{file}");
    }
    let started = "daemon-reload\nenable --now runnerctl\n";
    assert_eq!(stage.bench.read("systemctl-calls"), started);
}

/// A pool of a provider with these `extra_specs`.
fn pool(provider: &str, specs: &str) -> String {
    format!(
        "pools:\n  - name: a\n    max_runners: 1\n    instance_type: x\n    provider: {provider}\n    \
         extra_specs: {specs}\n"
    )
}

#[test]
fn the_example_policy_takes_networks_as_the_providers_spell_them() {
    let stage = Stage::new();
    stage.bench.write("policy.yaml", &document("examples/policy.yaml"));
    stage.bench.write("runnerctl.yaml", &block("README.md", "fleet: acme"));
    let google = |project: &str| {
        format!(
            "{{ network_id: projects/{project}/global/networks/ci, subnetwork_id: \
             projects/{project}/regions/europe-west1/subnetworks/ci-runners }}"
        )
    };
    for (provider, specs, code) in [
        ("aws", "{ subnet_id: subnet-0f1e2d3c4b5a69788 }".to_owned(), 0),
        ("aws", "{ subnet_id: subnet-0123456789abcdef0 }".to_owned(), 3),
        ("gcp", google("acme-ci"), 0),
        ("gcp", google("acme-production"), 3),
        ("gcp", "{}".to_owned(), 3),
    ] {
        stage.bench.write("pools/a.yaml", &pool(provider, &specs));
        let said = stage.type_in("runnerctl validate --policy policy.yaml", &[]);
        assert_eq!(said.code, code, "{specs}: {}", said.out);
    }
}
