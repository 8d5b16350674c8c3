//! `runnerctl sandbox` as a process.

use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;

use crate::support::process::{Process, eventually};

/// A running sandbox.
pub(super) struct Sandbox(Process);

impl Sandbox {
    pub(super) fn start(arguments: &[&str]) -> Self {
        let child = Command::new(cargo_bin("runnerctl"))
            .arg("sandbox")
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .env_remove("RUNNERCTL_POOLS")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(Process(child))
    }

    /// Sends a signal and returns exit code and stdout.
    pub(super) fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let code = self.0.end(signal);
        let mut out = String::new();
        self.0.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        (code, out)
    }
}

pub(super) fn url_of(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|it| it.strip_prefix("  url: "));
    line.unwrap().to_owned()
}

#[tokio::test]
async fn a_sandbox_writes_its_files_responds_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rc.yaml");
    let password = folder.path().join("rc.yaml.password");
    let loaded = ["--pools", "3", "--runners", "4", "--jobs", "2", "--scale-sets", "2"];
    let sandbox =
        Sandbox::start(&[&["--write-config", file.to_str().unwrap()][..], &loaded[..]].concat());
    eventually("the fleet file", || file.exists().then_some(()));
    assert!(password.exists(), "the password is there before the fleet file");
    let mode = std::fs::metadata(&password).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let url = url_of(&file);
    let secret = std::fs::read_to_string(&password).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let login = serde_json::json!({ "username": "admin", "password": secret.trim_end() });
    let login = client.post(format!("{url}/api/v1/auth/login")).body(login.to_string());
    let reply: serde_json::Value =
        serde_json::from_str(&login.send().await.unwrap().text().await.unwrap()).unwrap();
    let token = format!("Bearer {}", reply["token"].as_str().unwrap());
    for (path, count) in [("pools", 3), ("instances", 4), ("jobs", 2), ("scalesets", 2)] {
        let request = client.get(format!("{url}/api/v1/{path}")).header("Authorization", &token);
        let text = request.send().await.unwrap().text().await.unwrap();
        let all: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(all.len(), count, "{path}");
    }
    assert_eq!(sandbox.end("-TERM"), (Some(143), String::new()));
    assert!(file.exists() && password.exists(), "both stay");
}

#[test]
fn a_fleet_file_behind_a_link_is_written_and_the_link_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (link, file) = (folder.path().join("link.yaml"), folder.path().join("rc.yaml"));
    symlink("rc.yaml", &link).unwrap();
    let sandbox = Sandbox::start(&["--write-config", link.to_str().unwrap()]);
    eventually("the fleet file", || file.exists().then_some(()));
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert!(folder.path().join("link.yaml.password").exists());
    sandbox.end("-TERM");
}

#[test]
fn a_fleet_file_is_not_written_to_a_device_and_no_password_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("null");
    symlink("/dev/null", &link).unwrap();
    let output = Command::new(cargo_bin("runnerctl"))
        .args(["sandbox", "--listen", "127.0.0.1:0", "--write-config", link.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("help: name a file"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn ctrl_c_ends_a_sandbox_with_130() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rc.yaml");
    let sandbox = Sandbox::start(&["--write-config", file.to_str().unwrap()]);
    eventually("the fleet file", || file.exists().then_some(()));
    assert_eq!(sandbox.end("-INT"), (Some(130), String::new()));
}

#[test]
fn a_wrong_command_line_is_64() {
    for arguments in [
        &["--listen", "0.0.0.0:0"][..],
        &["--listen", "192.0.2.1:80"],
        &["--listen", "nonsense"],
        &["--runners", "3"],
        &["--pools", "many"],
        &["--arrivals", "30/day"],
    ] {
        let output = Command::new(cargo_bin("runnerctl"))
            .arg("sandbox")
            .args(arguments)
            .env_remove("RUNNERCTL_POOLS")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn an_address_in_use_is_a_failure() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(cargo_bin("runnerctl"))
        .args(["sandbox", "--listen", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&address), "{said}");
}
