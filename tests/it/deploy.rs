//! The systemd unit and the container image in `deploy/`.

use std::process::Command;

use assert_cmd::cargo::cargo_bin;

use crate::cli::bench::{Bench, root};

/// Maximum exposure of `systemd-analyze security`, in tenths of its scale from 0 to 10. What
/// remains is the network, which the program needs, and read access to the host's files: 1.1 with
/// systemd 252; later versions may check more.
const EXPOSURE_MAX: u8 = 15;

fn unit() -> String {
    std::fs::read_to_string(root().join("deploy/systemd/runnerctl.service")).unwrap()
}

/// Runs systemd-analyze on the unit as installed, with the test's binary.
fn analyze(line: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runnerctl.service");
    let program = cargo_bin("runnerctl").display().to_string();
    std::fs::write(&file, unit().replace("/usr/local/bin/runnerctl", &program)).unwrap();
    let output = Command::new("systemd-analyze")
        .args(line)
        .arg(&file)
        .output()
        .expect("systemd-analyze is needed: `./test` installs it");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && err.is_empty(), "{line:?}: {out}{err}");
}

#[test]
fn systemd_understands_every_line_of_the_unit() {
    analyze(&["verify", "--man=no"]);
}

#[test]
fn the_service_is_as_little_exposed_as_documented() {
    let most = format!("--threshold={EXPOSURE_MAX}");
    analyze(&["security", "--offline=yes", "--no-pager", &most]);
}

/// The unit must keep what `docs/security.md` says about it.
#[test]
fn the_service_has_no_rights_beyond_its_state_folder() {
    let unit = unit();
    for line in [
        "DynamicUser=yes",
        "LoadCredential=garm-password:/etc/runnerctl/garm-password",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "NoNewPrivileges=yes",
        "SystemCallFilter=@system-service",
        "StateDirectory=runnerctl",
        "LimitCORE=0",
    ] {
        assert!(unit.lines().any(|it| it == line), "{line}");
    }
    assert!(!unit.contains("ReadWritePaths"));
}

/// With an absent fleet file the program exits with 3, so it understood its command line.
#[test]
fn unit_and_image_start_the_program_with_arguments_that_it_has() {
    let image = std::fs::read_to_string(root().join("deploy/container/Containerfile")).unwrap();
    let started = unit()
        .lines()
        .find_map(|it| it.strip_prefix("ExecStart=/usr/local/bin/runnerctl "))
        .map(str::to_owned);
    let command = image
        .lines()
        .find_map(|it| it.strip_prefix("CMD "))
        .map(|it| serde_json::from_str::<Vec<String>>(it).unwrap().join(" "));
    for line in [started.unwrap(), command.unwrap()] {
        let arguments: Vec<&str> = line.split(' ').collect();
        assert_eq!(arguments[..2], ["watch", "--config"], "{line}");
        let said = Bench::bare().run(&arguments).ends(3);
        assert!(said.err.contains("/etc/runnerctl/runnerctl.yaml"), "{}", said.err);
        // An unknown argument, in contrast, is a usage error.
        Bench::bare().run(&[&arguments[..], &["--no-such-flag"]].concat()).ends(64);
    }
}

/// The image is built only from what it copies, which must include every target of `Cargo.toml` and
/// every file that the sources embed.
#[test]
fn the_image_copies_everything_that_it_is_built_from() {
    let image = std::fs::read_to_string(root().join("deploy/container/Containerfile")).unwrap();
    let copied: Vec<&str> = image
        .lines()
        .filter_map(|it| it.strip_prefix("COPY ").filter(|it| !it.starts_with("--from")))
        .flat_map(|it| it.split(' '))
        .collect();
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let paths = manifest.lines().filter_map(|it| it.strip_prefix("path = "));
    for path in paths.map(|it| it.trim_matches('"')) {
        let is_there = copied.iter().any(|it| std::path::Path::new(path).starts_with(it));
        assert!(is_there, "`{path}` of {copied:?}");
    }
    assert!(copied.contains(&"benches") && copied.contains(&"Cargo.lock"), "{copied:?}");
}
