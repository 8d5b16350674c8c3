//! Finds external programs, and runs them to completion or in the background.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The timeout for an external process, which is reached only if a test fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// The interval at which an external process is polled.
const PAUSE: Duration = Duration::from_millis(50);

/// The folder of the shipped files.
pub(super) fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// The program with one of these names.
pub(crate) fn program(names: &[&str]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|it| it.is_file());
    found.unwrap_or_else(|| panic!("`{}` is not in PATH: `./test` installs it", names[0]))
}

pub(super) const PROMTOOL: &[&str] = &["promtool"];
pub(super) const PROMETHEUS: &[&str] = &["prometheus"];
/// The name in Debian is first.
pub(super) const ALERTMANAGER: &[&str] = &["prometheus-alertmanager", "alertmanager"];
pub(super) const AMTOOL: &[&str] = &["amtool"];

/// Runs a program that must succeed, with `input` on its stdin. Returns its whole output.
#[track_caller]
pub(super) fn run(names: &[&str], arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(program(names))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    let said = said.concat();
    assert!(output.status.success(), "{} {arguments:?}\n{said}", names[0]);
    said
}

/// A program that runs in the background and is stopped at the end of the test.
pub(super) struct Beside {
    child: Child,
    log: PathBuf,
}

impl Beside {
    /// Starts it in `folder`, where its log is written, too.
    pub(super) fn start(names: &[&str], arguments: &[String], folder: &Path) -> Self {
        let log = folder.join(format!("{}.log", names[0]));
        let out = File::create(&log).unwrap();
        let child = Command::new(program(names))
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// Polls until there is a value. Fails at the deadline, or if the program has ended.
    pub(super) async fn until<T>(
        &mut self,
        what: &str,
        mut look: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            let has_ended = self.child.try_wait().unwrap().is_some();
            if has_ended || Instant::now() > end {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                panic!("waited in vain until {what}:\n{log}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // The process may have ended by itself, which [`Self::until`] reports.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port on which no process was listening a moment ago.
pub(super) fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

/// The JSON at this URL; `None` if there is no response.
pub(super) async fn json(url: &str) -> Option<Value> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(url).send().await.ok()?;
    serde_json::from_slice(&answer.bytes().await.ok()?).ok()
}

/// Replaces `old`, which must occur in the text.
#[track_caller]
pub(super) fn replace(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "`{old}` is not in\n{text}");
    text.replace(old, new)
}
