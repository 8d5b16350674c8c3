//! Test setup: a folder with files, a sandbox, and runs of the program in the folder.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use clap::ValueEnum;
use runnerctl::cli::args::SchemaKind;
use runnerctl::cli::schema;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::{PATIENCE, Process};
pub(crate) use crate::support::process::{eventually, signal};

/// What the program printed and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The document on stdout. Asserts that its schema accepts it.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        document(&self.out)
    }

    /// Asserts the exit code; a failure prints all output.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }
}

/// Parses a document or a line of the log, and asserts that the schema of its output accepts it.
#[track_caller]
pub(crate) fn document(text: &str) -> Value {
    let document: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    let kind = output_of(&document);
    let validator = jsonschema::validator_for(&schema::of(kind)).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{kind:?}: {errors:#?}\n{document:#}");
    document
}

/// The kind of output to which a document belongs.
#[track_caller]
pub(crate) fn output_of(document: &Value) -> SchemaKind {
    let is_named = |kind: &SchemaKind| {
        kind.to_possible_value().is_some_and(|name| document["command"] == name.get_name())
    };
    match document["command"].as_str() {
        _ if document.get("ts").is_some() => SchemaKind::LogLine,
        _ if document.get("error").is_some() => SchemaKind::Error,
        Some("watch") => SchemaKind::Decisions,
        _ => SchemaKind::OUTPUTS
            .into_iter()
            .find(is_named)
            .unwrap_or_else(|| panic!("no schema for {document}")),
    }
}

/// A working folder for runs of the program, with or without a sandbox.
pub(crate) struct Bench {
    folder: TempDir,
    sandbox: Option<Process>,
}

/// The text of a pool file for a pool without idle runners.
pub(crate) fn pool(name: &str) -> String {
    format!(
        "pools:\n  - name: {name}\n    min_runners: 0\n    max_runners: 4\n    \
         instance_type: m5.large\n"
    )
}

impl Bench {
    /// A folder without a GARM.
    pub(crate) fn bare() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), sandbox: None }
    }

    /// A folder with a sandbox, to which `rc.yaml` connects.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// The same, with further arguments for the sandbox.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let mut bench = Self::bare();
        let child = bench
            .command(&["sandbox", "--listen", "127.0.0.1:0", "--write-config", "rc.yaml"])
            .args(arguments)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        bench.sandbox = Some(Process(child));
        let file = bench.path("rc.yaml");
        eventually("the sandbox's fleet file", || file.exists().then_some(()));
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Writes one file in `pools/` for each pool.
    pub(crate) fn declare(&self, pools: &[&str]) {
        for name in pools {
            self.write(&format!("pools/{name}.yaml"), &pool(name));
        }
    }

    /// A command that runs the program in the folder, without the environment of this machine.
    pub(crate) fn command(&self, line: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin("runnerctl"));
        command.args(line).current_dir(self.folder.path()).env_clear();
        command.env("HOME", self.folder.path()).env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs `line` with the sandbox's fleet file.
    pub(crate) fn run(&self, line: &[&str]) -> Said {
        self.run_with(line, &[])
    }

    /// The same, with these environment variables.
    pub(crate) fn run_with(&self, line: &[&str], variables: &[(&str, &str)]) -> Said {
        let mut command = self.command(line);
        if self.path("rc.yaml").exists() {
            command.env("RUNNERCTL_CONFIG", "rc.yaml");
        }
        command.envs(variables.iter().copied());
        finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Starts `line` in the background. Its stderr goes to the file that `stderr` names.
    pub(crate) fn start(&self, line: &[&str], stderr: &str) -> Child {
        let log = fs::File::create(self.path(stderr)).unwrap();
        let mut command = self.command(line);
        command.env("RUNNERCTL_CONFIG", "rc.yaml").stdout(Stdio::piped()).stderr(log);
        command.spawn().unwrap()
    }

    /// Applies the files and asserts success.
    pub(crate) fn apply(&self) -> Said {
        self.run(&["apply", "--auto-approve"]).ends(0)
    }

    /// Requests `path` from GARM's API directly.
    pub(crate) fn garm(&self, path: &str) -> Value {
        self.ask("GET", &format!("/api/v1{path}"), "", &self.token())
    }

    /// The authorization header of the administrator.
    fn token(&self) -> String {
        let login = serde_json::json!({
            "username": "admin", "password": self.read("rc.yaml.password").trim_end(),
        });
        let token = self.ask("POST", "/api/v1/auth/login", &login.to_string(), "");
        format!("Authorization: Bearer {}\r\n", token["token"].as_str().unwrap())
    }

    /// Creates a pool with these labels directly in GARM and returns its id.
    pub(crate) fn pool_by_hand(&self, labels: &[&str]) -> String {
        let organization = self.garm("/organizations")[0]["id"].as_str().unwrap().to_owned();
        let pool = serde_json::json!({
            "provider_name": "sim", "image": "ubuntu-24.04", "flavor": "m5.large",
            "os_type": "linux", "os_arch": "amd64", "tags": labels, "enabled": true,
            "max_runners": 3, "runner_prefix": "hand",
        });
        let path = format!("/api/v1/organizations/{organization}/pools");
        let made = self.ask("POST", &path, &pool.to_string(), &self.token());
        made["id"].as_str().unwrap().to_owned()
    }

    /// Queues a job with `label` that runs for `seconds`.
    pub(crate) fn queue(&self, label: &str, seconds: u32) {
        let body = serde_json::json!({ "labels": [label], "duration_s": seconds });
        self.ask("POST", "/_lab/jobs", &body.to_string(), "");
    }

    /// Queues a job for the pool of this label as soon as a runner is idle, and waits until it runs.
    pub(crate) fn run_job(&self, label: &str) {
        self.wait_for_runners(1, "runner_status", "idle");
        self.queue(label, 600);
        self.wait_for_runners(1, "runner_status", "active");
    }

    fn ask(&self, method: &str, path: &str, body: &str, header: &str) -> Value {
        let fleet_file = self.read("rc.yaml");
        let address = fleet_file.lines().find_map(|it| it.strip_prefix("  url: http://")).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{header}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (_, body) = reply.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {reply}"))
    }

    /// The names in the marks of the pools in GARM, sorted.
    pub(crate) fn owned(&self) -> Vec<String> {
        let pools = self.garm("/pools");
        let tags = pools.as_array().unwrap().iter().flat_map(|it| it["tags"].as_array().unwrap());
        let mut names: Vec<String> = tags
            .filter_map(|it| it["name"].as_str().unwrap().strip_prefix("runnerctl=sandbox/"))
            .map(str::to_owned)
            .collect();
        names.sort();
        names
    }

    /// Waits until `count` runners in GARM have the value `word` in `field`.
    pub(crate) fn wait_for_runners(&self, count: usize, field: &str, word: &str) {
        eventually("runners", || {
            let runners = self.garm("/instances");
            let all = runners.as_array().unwrap();
            let found = all.iter().filter(|it| it["status"] == "running" && it[field] == word);
            (found.count() >= count).then_some(())
        });
    }

    /// Waits until `file`, to which [`Self::start`] writes, contains the text.
    pub(crate) fn wait_for_text(&self, file: &str, text: &str) {
        let path = self.path(file);
        eventually(text, || fs::read_to_string(&path).ok()?.contains(text).then_some(()));
    }
}

/// Waits for a process until the deadline and returns its output.
pub(crate) fn finish(mut child: Child) -> Said {
    let reader = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut stream) = stream {
                stream.read_to_end(&mut bytes).unwrap();
            }
            String::from_utf8(bytes).unwrap()
        })
    };
    let out = reader(child.stdout.take().map(|it| Box::new(it) as _));
    let err = reader(child.stderr.take().map(|it| Box::new(it) as _));
    let status = eventually("the end of a command", || child.try_wait().unwrap());
    let code = status.code().unwrap_or(-1);
    Said { code, out: out.join().unwrap(), err: err.join().unwrap() }
}

/// Replaces the values of a document that differ from run to run.
pub(crate) fn settled(mut document: Value) -> Value {
    settle(&mut document);
    document
}

fn settle(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match key.as_str() {
                    // Its shape is tested elsewhere.
                    "decision" if value.is_object() => *value = "[decision]".into(),
                    "pool_id" | "controller_id" | "observed_at" if value.is_string() => {
                        *value = format!("[{key}]").into();
                    }
                    _ => settle(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(settle),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The root folder of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
