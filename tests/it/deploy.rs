//! The systemd units, the container image and the rest of `deploy/`.

mod github;
mod kubernetes;
mod packages;

use std::process::Command;

use assert_cmd::cargo::cargo_bin;

use crate::cli::bench::{Bench, root};

/// Maximum exposure of `systemd-analyze security`, in tenths of its scale from 0 to 10. What
/// remains is the network, which the program needs, and read access to the host's files: 1.1 with
/// systemd 252; later versions may check more.
const EXPOSURE_MAX: u8 = 15;

/// A file of the repository.
fn text(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

const SERVICES: [&str; 2] = ["runnerctl", "runnerctl-apply"];

fn unit(name: &str) -> String {
    text(&format!("deploy/systemd/{name}.service"))
}

/// Runs systemd-analyze on the units as installed, with the test's binary.
fn analyze(line: &[&str], units: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let program = format!("ExecStart={} ", cargo_bin("runnerctl").display());
    for name in SERVICES {
        let installed = unit(name).replace("ExecStart=runnerctl ", &program);
        std::fs::write(folder.path().join(format!("{name}.service")), installed).unwrap();
    }
    let timer = text("deploy/systemd/runnerctl-apply.timer");
    std::fs::write(folder.path().join("runnerctl-apply.timer"), timer).unwrap();
    let output = Command::new("systemd-analyze")
        .args(line)
        .args(units.iter().map(|unit| folder.path().join(unit)))
        .output()
        .expect("systemd-analyze is needed: `./test` installs it");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && err.is_empty(), "{line:?}: {out}{err}");
}

#[test]
fn systemd_understands_every_line_of_the_units() {
    let units = ["runnerctl.service", "runnerctl-apply.service", "runnerctl-apply.timer"];
    analyze(&["verify", "--man=no"], &units);
}

#[test]
fn the_services_are_as_little_exposed_as_documented() {
    let most = format!("--threshold={EXPOSURE_MAX}");
    for name in SERVICES {
        let unit = format!("{name}.service");
        analyze(&["security", "--offline=yes", "--no-pager", &most], &[&unit]);
    }
}

/// The units must keep what `docs/security.md` says about them.
#[test]
fn the_services_have_no_rights_beyond_their_state_folder() {
    let password = "LoadCredential=garm-password:/etc/runnerctl/garm-password";
    assert!(unit("runnerctl").lines().any(|line| line == password));
    for name in SERVICES {
        assert_confined(&unit(name));
    }
}

fn assert_confined(unit: &str) {
    for line in [
        "DynamicUser=yes",
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
fn units_and_image_start_the_program_with_arguments_that_it_has() {
    let image = text("deploy/container/Containerfile");
    let started = SERVICES.map(|name| {
        let unit = unit(name);
        let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=runnerctl "));
        line.unwrap().to_owned()
    });
    // The image's own command, and after it the one of the health check.
    let commands = image.lines().filter_map(|line| line.trim().strip_prefix("CMD "));
    let commands: Vec<Vec<String>> =
        commands.map(|line| serde_json::from_str(line).unwrap()).collect();
    let [health, command] = &commands[..] else { panic!("{commands:?}") };
    let (program, health) = health.split_first().unwrap();
    assert!(image.contains(&format!("ENTRYPOINT [\"{program}\"]\n")), "{program}");
    for line in started.into_iter().chain([command.join(" "), health.join(" ")]) {
        let arguments: Vec<&str> = line.split(' ').collect();
        let said = Bench::bare().run(&arguments).ends(3);
        assert!(said.err.contains("/etc/runnerctl/runnerctl.yaml"), "{}", said.err);
        // An unknown argument, in contrast, is a usage error.
        Bench::bare().run(&[&arguments[..], &["--no-such-flag"]].concat()).ends(64);
    }
}

#[test]
fn the_image_says_what_it_is() {
    let image = text("deploy/container/Containerfile");
    let manifest = text("Cargo.toml");
    let of = |key: &str| {
        let start = format!("{key} = ");
        let value = manifest.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
        value.trim_matches('"').to_owned()
    };
    assert!(image.contains(&format!("\nARG VERSION={}\n", env!("CARGO_PKG_VERSION"))));
    for (label, key) in [("description", "description"), ("licenses", "license")] {
        let line = format!("org.opencontainers.image.{label}=\"{}\"", of(key));
        assert!(image.contains(&line), "{line}");
    }
}

/// The image is built only from what it copies, which must include every target of `Cargo.toml` and
/// every file that the sources embed.
#[test]
fn the_image_copies_everything_that_it_is_built_from() {
    let image = text("deploy/container/Containerfile");
    let copied: Vec<&str> = image
        .lines()
        .filter_map(|it| it.strip_prefix("COPY ").filter(|it| !it.starts_with("--from")))
        .flat_map(|it| it.split(' '))
        .collect();
    let manifest = text("Cargo.toml");
    let paths = manifest.lines().filter_map(|it| it.strip_prefix("path = "));
    for path in paths.map(|it| it.trim_matches('"')) {
        let is_there = copied.iter().any(|it| std::path::Path::new(path).starts_with(it));
        assert!(is_there, "`{path}` of {copied:?}");
    }
    assert!(copied.contains(&"benches") && copied.contains(&"Cargo.lock"), "{copied:?}");
    // What is copied reaches the build, and no other file does.
    let sent = text(".dockerignore");
    let mut sent: Vec<&str> = sent.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let mut sources: Vec<&str> = copied.into_iter().filter(|word| !word.starts_with('.')).collect();
    sent.sort_unstable();
    sources.sort_unstable();
    assert_eq!(sent, sources);
}
