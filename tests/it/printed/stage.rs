//! A shell in a temporary folder, in which `runnerctl` is the program under test.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, Command, Stdio};

use assert_cmd::cargo::cargo_bin;

use crate::cli::bench::{Bench, Said, finish};
use crate::support::process::{Process, eventually};

/// The working folder.
pub(crate) struct Stage {
    pub(crate) bench: Bench,
    sandbox: Option<Process>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let bench = Bench::bare();
        std::fs::create_dir(bench.path("bin")).unwrap();
        symlink(cargo_bin("runnerctl"), bench.path("bin/runnerctl")).unwrap();
        Self { bench, sandbox: None }
    }

    /// Adds a script that other lines can run by its name.
    pub(crate) fn tool(&self, name: &str, script: &str) {
        let path = format!("bin/{name}");
        self.bench.write(&path, script);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.bench.path(&path), mode).unwrap();
    }

    fn shell(&self, line: &str, set: &[(&str, &str)]) -> Command {
        let mut command = Command::new("bash");
        let tools = format!("{}:/usr/bin:/bin", self.bench.path("bin").display());
        command.args(["-c", line]).current_dir(self.bench.path("")).env_clear();
        command.env("HOME", self.bench.path("")).env("PATH", tools).envs(set.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `line` and waits for its end.
    pub(crate) fn type_in(&self, line: &str, set: &[(&str, &str)]) -> Said {
        finish(self.shell(line, set).spawn().unwrap())
    }

    /// Runs a line in the background; its output is not read.
    pub(crate) fn leave(&self, line: &str) -> Child {
        let mut command = self.shell(&format!("exec {line}"), &[]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Runs the README's line that starts a sandbox. Uses another port, because a parallel test may
    /// use the printed one.
    pub(crate) fn start_sandbox(&mut self, line: &str, more: &[&str]) {
        let line = line.trim().strip_suffix('&').unwrap();
        let line = format!("{line} --listen 127.0.0.1:0 {}", more.join(" "));
        self.sandbox = Some(Process(self.leave(&line)));
        let file = self.bench.path("runnerctl.yaml");
        eventually("the sandbox's fleet file", || file.exists().then_some(()));
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let text = self.bench.read("runnerctl.yaml").replace("127.0.0.1:9477", &free);
        self.bench.write("runnerctl.yaml", &text);
    }

    /// A fleet file with the address and the provider replaced by those of the sandbox.
    pub(crate) fn with_sandbox(&self, fleet_file: &str) -> String {
        let written = self.bench.read("runnerctl.yaml");
        let url = written.lines().find(|it| it.starts_with("  url: ")).unwrap().to_owned();
        let with_url = fleet_file.lines().map(|it| match it.starts_with("  url: https://garm") {
            true => url.clone(),
            false => it.replace("provider: aws", "provider: sim"),
        });
        with_url.collect::<Vec<_>>().join("\n") + "\n"
    }

    pub(crate) fn password(&self) -> String {
        self.bench.read("runnerctl.yaml.password").trim().to_owned()
    }
}
