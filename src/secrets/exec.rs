//! `exec:`: the output of a program. It is run without a shell.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::SecretString;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use super::error::SourceError;
use super::{ResolveOptions, VALUE_MAX};

/// How long the program may take. The tools of secrets managers either answer within two seconds or
/// hang.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the command and reads its standard output. Standard error is discarded, because a tool with
/// tracing may print the secret there.
pub(super) async fn read(
    words: &[String],
    options: &ResolveOptions,
    limit: Duration,
) -> Result<SecretString, SourceError> {
    if !options.allow_exec {
        return Err(SourceError::new("`exec:` references are not allowed")
            .help("pass `--allow-exec` if you trust the fleet file"));
    }
    let (program, arguments) =
        words.split_first().ok_or_else(|| SourceError::new("the command is empty"))?;
    let mut command = Command::new(located(program, &options.base_dir));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    if !options.base_dir.as_os_str().is_empty() {
        command.current_dir(&options.base_dir);
    }
    // The program gets its own process group, so that its children can be killed with it.
    command.process_group(0).kill_on_drop(true);
    let child = command.spawn().map_err(|error| not_started(&error))?;
    let mut group = ProcessGroup::new(child);
    match tokio::time::timeout(limit, group.output()).await {
        Ok(output) => super::value(output?),
        Err(_) => Err(SourceError::new(format!("the program did not finish within {limit:?}"))
            .help("it must not prompt for input: it has no terminal")),
    }
}

/// The program to run. A path is relative to the folder of the fleet file; a bare name is looked up
/// in `PATH`.
fn located(program: &str, base_dir: &Path) -> PathBuf {
    if program.contains('/') { base_dir.join(program) } else { PathBuf::from(program) }
}

fn not_started(error: &io::Error) -> SourceError {
    match error.kind() {
        io::ErrorKind::NotFound => {
            SourceError::new("the program, or its working directory, does not exist")
                .help("write its full path, or check `PATH`")
        }
        _ => SourceError::new(format!("the program could not be started: {error}")),
    }
}

/// A running program and its children. They are killed if this value is dropped before the program
/// ends.
struct ProcessGroup {
    child: Child,
    id: Option<Pid>,
}

impl ProcessGroup {
    fn new(child: Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { child, id }
    }

    async fn output(&mut self) -> Result<Zeroizing<Vec<u8>>, SourceError> {
        // Allocated at full size, because a buffer that grows leaves copies of the secret in
        // memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(VALUE_MAX + 1));
        let stdout = self.child.stdout.take().expect("piped above, taken once");
        let lost =
            |error: io::Error| SourceError::new(format!("its output could not be read: {error}"));
        stdout.take(VALUE_MAX as u64 + 1).read_to_end(&mut bytes).await.map_err(lost)?;
        if bytes.len() > VALUE_MAX {
            return Err(SourceError::new("the value is longer than 64 KiB"));
        }
        let status = self.child.wait().await.map_err(lost)?;
        // The process has been reaped, so its id may be reused.
        self.id = None;
        if status.success() { Ok(bytes) } else { Err(failed(status)) }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // This fails only if no process is left.
        if let Some(id) = self.id {
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

fn failed(status: ExitStatus) -> SourceError {
    use std::os::unix::process::ExitStatusExt;
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("the program exited with code {code}"),
        (None, Some(signal)) => format!("the program was killed by signal {signal}"),
        (None, None) => "the program failed".to_owned(),
    };
    SourceError::new(how).help("run it by hand to see its output")
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const CANARY: &str = "canary-77aa";

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|&word| word.to_owned()).collect()
    }

    fn allowed() -> ResolveOptions {
        ResolveOptions { allow_exec: true, base_dir: PathBuf::new() }
    }

    async fn check(line: &[&str], expected: Result<&str, &str>) {
        let got = read(&words(line), &allowed(), TIMEOUT).await;
        assert!(!format!("{got:?}").contains(CANARY), "{got:?}");
        let got = got.as_ref().map(ExposeSecret::expose_secret).map_err(|why| why.got.as_str());
        assert_eq!(got, expected, "{line:?}");
    }

    #[tokio::test]
    async fn the_output_of_the_program_is_the_value() {
        check(&["printf", "s3cret\\n"], Ok("s3cret")).await;
    }

    #[tokio::test]
    async fn no_shell_interprets_the_command() {
        check(&["echo", "$HOME", ";", "`id`", "*"], Ok("$HOME ; `id` *")).await;
    }

    #[tokio::test]
    async fn the_program_has_no_input() {
        check(&["sh", "-c", "read line || echo nothing to read"], Ok("nothing to read")).await;
    }

    #[tokio::test]
    async fn a_failing_program_shows_its_code_but_not_its_output() {
        let line = format!("echo {CANARY}; echo {CANARY} >&2; exit 7");
        check(&["sh", "-c", &line], Err("the program exited with code 7")).await;
        // The error contains no part of the output in any encoding.
        let line = format!("printf {CANARY} | od -An -tx1 >&2; printf {CANARY} | base64; exit 7");
        check(&["sh", "-c", &line], Err("the program exited with code 7")).await;
        let line = format!("echo {CANARY}; kill -9 $$");
        check(&["sh", "-c", &line], Err("the program was killed by signal 9")).await;
        let line = format!("printf '{CANARY}\\377'");
        check(&["sh", "-c", &line], Err("the value is not valid UTF-8")).await;
        check(&["sh", "-c", &format!(": {CANARY}")], Err("the value is empty")).await;
        check(&["yes", CANARY], Err("the value is longer than 64 KiB")).await;
        check(
            &["runnerctl-no-such-program", CANARY],
            Err("the program, or its working directory, does not exist"),
        )
        .await;
        check(&[], Err("the command is empty")).await;
    }

    #[tokio::test]
    async fn nothing_is_started_without_permission() {
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("trace");
        let options = ResolveOptions { allow_exec: false, base_dir: PathBuf::new() };
        let line = words(&["touch", trace.to_str().unwrap()]);
        let why = read(&line, &options, TIMEOUT).await.unwrap_err();
        assert_eq!(why.got, "`exec:` references are not allowed");
        assert!(!trace.exists());
    }

    #[tokio::test]
    async fn a_relative_program_and_its_directory_are_relative_to_the_fleet_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("value"), "s3cret").unwrap();
        std::os::unix::fs::symlink("/bin/cat", folder.path().join("mycat")).unwrap();
        let options = ResolveOptions { allow_exec: true, base_dir: folder.path().to_owned() };
        let got = read(&words(&["./mycat", "value"]), &options, TIMEOUT).await.unwrap();
        assert_eq!(got.expose_secret(), "s3cret");
    }

    #[tokio::test]
    async fn a_hanging_program_times_out() {
        let limit = Duration::from_millis(20);
        let line = words(&["tail", "-f", "/dev/null"]);
        let why = read(&line, &allowed(), limit).await.unwrap_err();
        assert_eq!(why.got, "the program did not finish within 20ms");
    }

    #[tokio::test]
    async fn a_program_that_times_out_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        let line = format!("tail -f /dev/null & echo $! > {}; wait", pid_file.display());
        let (line, options) = (words(&["sh", "-c", &line]), allowed());
        let mut started = String::new();
        tokio::select! {
            got = read(&line, &options, TIMEOUT) => panic!("it ends: {got:?}"),
            () = until(|| {
                started = std::fs::read_to_string(&pid_file).unwrap_or_default();
                started.ends_with('\n')
            }) => {}
        }
        let stat = Path::new("/proc").join(started.trim()).join("stat");
        // A killed process remains a zombie until it is reaped.
        until(|| !std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "))).await;
    }

    /// Polls an external process until a deadline.
    async fn until(mut is_so: impl FnMut() -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(9);
        while !is_so() {
            assert!(std::time::Instant::now() < deadline, "not so within 9 s");
            tokio::task::yield_now().await;
        }
    }
}
