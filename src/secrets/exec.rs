//! `exec:`: what a program prints. The words are run as they are, without a shell.

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

/// How long the program may take. Tools of secret managers answer within two seconds or hang.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the words and takes standard output; standard error is thrown away, because a tool that
/// traces itself prints the secret there.
pub(super) async fn read(
    words: &[String],
    options: &ResolveOptions,
    limit: Duration,
) -> Result<SecretString, SourceError> {
    if !options.allow_exec {
        return Err(SourceError::new("starting programs is not allowed")
            .help("give `--allow-exec` if you trust the fleet file"));
    }
    let (program, arguments) =
        words.split_first().ok_or_else(|| SourceError::new("no program is named"))?;
    let mut command = Command::new(located(program, &options.base_dir));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    if !options.base_dir.as_os_str().is_empty() {
        command.current_dir(&options.base_dir);
    }
    // A group of its own, so that what the program starts can be ended with it.
    command.process_group(0).kill_on_drop(true);
    let child = command.spawn().map_err(|error| not_started(&error))?;
    let mut group = ProcessGroup::new(child);
    match tokio::time::timeout(limit, group.output()).await {
        Ok(output) => super::value(output?),
        Err(_) => Err(SourceError::new(format!("the program takes longer than {limit:?}"))
            .help("it must not ask anything: it has no terminal")),
    }
}

/// A path starts from the fleet file's folder; a bare name is looked up in `PATH`.
fn located(program: &str, base_dir: &Path) -> PathBuf {
    if program.contains('/') { base_dir.join(program) } else { PathBuf::from(program) }
}

fn not_started(error: &io::Error) -> SourceError {
    match error.kind() {
        io::ErrorKind::NotFound => {
            SourceError::new("the program, or the folder to run it in, is not there")
                .help("write its whole path, or check `PATH`")
        }
        _ => SourceError::new(format!("the program does not start: {error}")),
    }
}

/// A running program and all that it has started; all ended when this goes before the program's
/// own end.
struct ProcessGroup {
    child: Child,
    id: Option<Pid>,
}

impl ProcessGroup {
    fn new(child: Child) -> Self {
        let id = child.id().and_then(|it| i32::try_from(it).ok()).and_then(Pid::from_raw);
        Self { child, id }
    }

    async fn output(&mut self) -> Result<Zeroizing<Vec<u8>>, SourceError> {
        // Room for the longest at once: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(VALUE_MAX + 1));
        let stdout = self.child.stdout.take().expect("piped above, taken once");
        let lost =
            |error: io::Error| SourceError::new(format!("its output cannot be read: {error}"));
        stdout.take(VALUE_MAX as u64 + 1).read_to_end(&mut bytes).await.map_err(lost)?;
        if bytes.len() > VALUE_MAX {
            return Err(SourceError::new("the value is longer than 64 KiB"));
        }
        let status = self.child.wait().await.map_err(lost)?;
        // Collected: from here on the number may be somebody else's.
        self.id = None;
        if status.success() { Ok(bytes) } else { Err(failed(status)) }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        // A failure means that nobody is left to end, which is what is wanted.
        if let Some(id) = self.id {
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

fn failed(status: ExitStatus) -> SourceError {
    use std::os::unix::process::ExitStatusExt;
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("the program ends with exit code {code}"),
        (None, Some(signal)) => format!("the program is ended by signal {signal}"),
        (None, None) => "the program does not end well".to_owned(),
    };
    SourceError::new(how).help("run it by hand to see what it says")
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const CANARY: &str = "canary-77aa";

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|&it| it.to_owned()).collect()
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
    async fn what_the_program_prints_is_the_value() {
        check(&["printf", "s3cret\\n"], Ok("s3cret")).await;
    }

    #[tokio::test]
    async fn no_shell_reads_the_words() {
        check(&["echo", "$HOME", ";", "`id`", "*"], Ok("$HOME ; `id` *")).await;
    }

    #[tokio::test]
    async fn the_program_has_no_input() {
        check(&["sh", "-c", "read line || echo nothing to read"], Ok("nothing to read")).await;
    }

    #[tokio::test]
    async fn a_failing_program_shows_its_code_and_none_of_its_words() {
        let line = format!("echo {CANARY}; echo {CANARY} >&2; exit 7");
        check(&["sh", "-c", &line], Err("the program ends with exit code 7")).await;
        // Nothing of its output is shown, in whatever form it is.
        let line = format!("printf {CANARY} | od -An -tx1 >&2; printf {CANARY} | base64; exit 7");
        check(&["sh", "-c", &line], Err("the program ends with exit code 7")).await;
        let line = format!("echo {CANARY}; kill -9 $$");
        check(&["sh", "-c", &line], Err("the program is ended by signal 9")).await;
        let line = format!("printf '{CANARY}\\377'");
        check(&["sh", "-c", &line], Err("the value is not valid UTF-8")).await;
        check(&["sh", "-c", &format!(": {CANARY}")], Err("the value is empty")).await;
        check(&["yes", CANARY], Err("the value is longer than 64 KiB")).await;
        check(
            &["runnerctl-no-such-program", CANARY],
            Err("the program, or the folder to run it in, is not there"),
        )
        .await;
        check(&[], Err("no program is named")).await;
    }

    #[tokio::test]
    async fn nothing_is_started_without_leave() {
        let folder = tempfile::tempdir().unwrap();
        let trace = folder.path().join("trace");
        let options = ResolveOptions { allow_exec: false, base_dir: PathBuf::new() };
        let line = words(&["touch", trace.to_str().unwrap()]);
        let why = read(&line, &options, TIMEOUT).await.unwrap_err();
        assert_eq!(why.got, "starting programs is not allowed");
        assert!(!trace.exists());
    }

    #[tokio::test]
    async fn a_relative_program_and_its_work_start_from_the_fleet_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("value"), "s3cret").unwrap();
        std::os::unix::fs::symlink("/bin/cat", folder.path().join("mycat")).unwrap();
        let options = ResolveOptions { allow_exec: true, base_dir: folder.path().to_owned() };
        let got = read(&words(&["./mycat", "value"]), &options, TIMEOUT).await.unwrap();
        assert_eq!(got.expose_secret(), "s3cret");
    }

    #[tokio::test]
    async fn a_hanging_program_is_given_up() {
        let limit = Duration::from_millis(20);
        let line = words(&["tail", "-f", "/dev/null"]);
        let why = read(&line, &allowed(), limit).await.unwrap_err();
        assert_eq!(why.got, "the program takes longer than 20ms");
    }

    #[tokio::test]
    async fn a_program_given_up_ends_with_all_that_it_started() {
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
        // A killed process is a zombie until somebody collects it.
        until(|| !std::fs::read_to_string(&stat).is_ok_and(|it| !it.contains(") Z "))).await;
    }

    /// Polls an outside process, to a deadline.
    async fn until(mut is_so: impl FnMut() -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(9);
        while !is_so() {
            assert!(std::time::Instant::now() < deadline, "not so within 9 s");
            tokio::task::yield_now().await;
        }
    }
}
