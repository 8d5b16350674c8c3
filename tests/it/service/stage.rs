//! Test setup: a folder with files, a simulated GARM, and a `watch` process.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

pub(crate) use crate::support::process::{Process, eventually};

/// The pool of the specification with a delay short enough for a test.
pub(crate) const POOLS: &str = "pools:\n  - name: default\n    min_runners: 2\n    \
    max_runners: 20\n    scale_up_threshold: 5\n    scale_up_delay: 1s\n    \
    scale_down_delay: 10m\n    instance_type: m5.large\n";

/// The folder, its simulated GARM and the address of `watch`.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    sandbox: Option<Process>,
    garm: String,
    pub(crate) watch: SocketAddr,
}

impl Stage {
    /// Starts GARM and applies the pool of the specification.
    pub(crate) fn set() -> Self {
        let stage = Self::with_garm();
        let output = stage.run(&["apply", "--auto-approve", "--no-audit"]);
        assert!(output.status.success(), "{output:?}");
        stage
    }

    /// Starts an empty GARM.
    pub(crate) fn with_garm() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("pools")).unwrap();
        let (garm, watch) = (free_address(), free_address());
        let mut stage = Self { folder, sandbox: None, garm: garm.to_string(), watch };
        stage.pools(POOLS);
        stage.start_garm();
        let config = stage.read("runnerctl.yaml");
        let watch = format!("  listen: {}\n  resync: 5s\n  audit: audit.jsonl", stage.watch);
        stage.write("runnerctl.yaml", &config.replace("  listen: 127.0.0.1:9477", &watch));
        stage
    }

    /// The address of the simulated GARM.
    pub(crate) fn garm(&self) -> SocketAddr {
        self.garm.parse().unwrap()
    }

    /// Starts an empty GARM on the same address with another password in the same file.
    pub(crate) fn start_garm(&mut self) {
        let config = self.path("sandbox.yaml");
        let _ = std::fs::remove_file(&config);
        let child = command(self.folder.path())
            .args(["sandbox", "--listen", &self.garm, "--write-config", "sandbox.yaml"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.sandbox = Some(Process(child));
        eventually("the sandbox", || config.exists().then_some(()));
        if !self.path("runnerctl.yaml").exists() {
            let text = self.read("sandbox.yaml");
            self.write("runnerctl.yaml", &text);
        }
    }

    pub(crate) fn stop_garm(&mut self) {
        drop(self.sandbox.take());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes a file at once: a running `watch` never reads a part of it.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let draft = self.path(&format!("{name}.draft"));
        std::fs::write(&draft, text).unwrap();
        if let Ok(there) = std::fs::metadata(self.path(name)) {
            std::fs::set_permissions(&draft, there.permissions()).unwrap();
        }
        std::fs::rename(draft, self.path(name)).unwrap();
    }

    pub(crate) fn pools(&self, text: &str) {
        self.write("pools/default.yaml", text);
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, &[])
    }

    /// The same with some variables set.
    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = command(self.folder.path());
        command.args(arguments).envs(variables.iter().copied()).output().unwrap()
    }

    /// Starts `watch`; its output goes to `NAME.out` and `NAME.err`.
    pub(crate) fn start_watch(&self, name: &str, arguments: &[&str]) -> Process {
        self.start_watch_with(name, arguments, &[])
    }

    /// The same with some variables set.
    pub(crate) fn start_watch_with(
        &self,
        name: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Process {
        let mut command = command(self.folder.path());
        command.envs(variables.iter().copied());
        self.start_watch_by(command, name, arguments)
    }

    /// Starts `watch` through a shell script that finally runs its arguments.
    pub(crate) fn start_watch_in(&self, shell: &str, name: &str) -> Process {
        let mut outer = in_folder(Command::new("sh"), self.folder.path());
        outer.args(["-c", shell, "sh"]).arg(cargo_bin("runnerctl"));
        self.start_watch_by(outer, name, &[])
    }

    fn start_watch_by(&self, mut command: Command, name: &str, arguments: &[&str]) -> Process {
        let file = |end: &str| std::fs::File::create(self.path(&format!("{name}.{end}"))).unwrap();
        let child = command
            .arg("watch")
            .args(arguments)
            .stdout(file("out"))
            .stderr(file("err"))
            .spawn()
            .unwrap();
        Process(child)
    }

    /// Starts `watch` and waits for its first decision.
    pub(crate) fn watch(&self) -> Process {
        let watch = self.start_watch("watch", &[]);
        self.until_ready(self.watch);
        watch
    }

    pub(crate) fn until_ready(&self, address: SocketAddr) {
        eventually("readiness", || (get(address, "/readyz")?.0 == 200).then_some(()));
    }

    /// The metrics page once it contains this line.
    pub(crate) fn metrics_with(&self, line: &str) -> String {
        eventually(line, || {
            let (_, page) = get(self.watch, "/metrics")?;
            page.lines().any(|it| it == line).then_some(page)
        })
    }

    /// Queues jobs that no runner is given; returns their ids.
    pub(crate) fn queue_held(&self, count: usize) -> Vec<i64> {
        let body = format!(r#"{{"count":{count},"labels":["default"],"hold":true}}"#);
        let (status, page) = self.lab("/_lab/jobs", &body);
        assert_eq!(status, 201);
        let made: Value = serde_json::from_str(&page).unwrap();
        made["ids"].as_array().unwrap().iter().map(|it| it.as_i64().unwrap()).collect()
    }

    pub(crate) fn cancel(&self, jobs: &[i64]) {
        for job in jobs {
            assert_eq!(self.lab(&format!("/_lab/jobs/{job}/cancel"), "").0, 200);
        }
    }

    /// Changes how the simulated GitHub and its providers behave.
    pub(crate) fn knobs(&self, knobs: &str) {
        assert_eq!(self.lab("/_lab/config", knobs).0, 200);
    }

    fn lab(&self, path: &str, body: &str) -> (u16, String) {
        request(self.garm(), "POST", path, body).unwrap()
    }

    /// The pool in the JSON of `status`.
    pub(crate) fn status(&self) -> Value {
        let output = self.run(&["status", "-o", "json"]);
        let document = crate::cli::bench::document(str::from_utf8(&output.stdout).unwrap());
        document["pools"][0].clone()
    }
}

pub(crate) fn command(folder: &Path) -> Command {
    in_folder(Command::new(cargo_bin("runnerctl")), folder)
}

fn in_folder(mut command: Command, folder: &Path) -> Command {
    command.current_dir(folder).env("XDG_STATE_HOME", folder).env("HOME", folder);
    for name in ["RUNNERCTL_CONFIG", "RUNNERCTL_POOLS", "RUNNERCTL_OUTPUT", "NOTIFY_SOCKET"] {
        command.env_remove(name);
    }
    command.env_remove("GITHUB_ACTIONS").env_remove("JOURNAL_STREAM").env_remove("STATE_DIRECTORY");
    command
}

/// An address that was free at the time of the call.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Starts an HTTP receiver that answers each request with 200. Returns its URL and the received
/// requests.
pub(crate) fn receiver() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&told);
    // Ends with the process of the tests.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = String::new();
            let mut bytes = [0; 4096];
            while !is_whole(&text) {
                let read = stream.read(&mut bytes).unwrap();
                assert!(read > 0, "half a message: {text}");
                text.push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
            kept.lock().unwrap().push(text);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    });
    (url, told)
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|it| it.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    length.is_none_or(|it: usize| body.len() >= it)
}

/// One page; absent while the service does not answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    request(address, "GET", path, "")
}

pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, page) = answer.split_once("\r\n\r\n")?;
    Some((status, page.to_owned()))
}
