//! Reads files of an earlier revision with the program `git`. Nothing is written to the repository,
//! and nothing is fetched.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::config::TOTAL_MAX;
use crate::domain::text::{code, said};

/// How long one run of `git` may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum number of files that are read.
const FILES_MAX: usize = 10_000;

/// Why a revision cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// There is no program `git`.
    #[error("the program `git` was not found")]
    NoGit,
    /// The folder is not in a working tree.
    #[error("{0} is not in a git repository")]
    NoRepository(String),
    /// No commit has this name.
    #[error("the repository has no revision {0}")]
    NoRevision(String),
    /// The revision does not have this path.
    #[error("revision {revision} does not have {path}")]
    NoPath {
        /// The revision as it was requested, in backticks.
        revision: String,
        /// The path relative to the repository, in backticks.
        path: String,
    },
    /// The path is a link or a submodule in that revision.
    #[error("{0} is not a regular file in that revision")]
    NotAFile(String),
    /// The files exceed the limit on their number or total size.
    #[error("the files of that revision are too many or too large")]
    TooLarge,
    /// `git` did not end in time.
    #[error("`git` did not finish within {TIMEOUT:?}")]
    TimedOut,
    /// `git` could not be run, or failed with this message.
    #[error("`git` failed: {0}")]
    Failed(String),
}

/// A commit of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The root of the working tree, without links.
    root: PathBuf,
    /// The revision as it was requested.
    name: String,
    /// The id of the commit.
    pub commit: String,
}

/// A file of a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionFile {
    /// Relative to the root of the repository.
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

impl Revision {
    /// Finds the revision in the repository that contains `folder`.
    pub async fn find(folder: &Path, name: &str) -> Result<Self, GitError> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let top = run(folder, &["rev-parse", "--show-toplevel"], b"").await?;
        if !top.status.success() {
            let words = words(&top);
            let is_none = words.contains("not a git repository");
            let folder = code(folder.display().to_string());
            return Err(if is_none {
                GitError::NoRepository(folder)
            } else {
                GitError::Failed(words)
            });
        }
        let root = path_of(top.stdout.trim_ascii_end());
        let commit = format!("{name}^{{commit}}");
        let line = ["rev-parse", "--verify", "--quiet", "--end-of-options", &commit];
        let found = run(&root, &line, b"").await?;
        let commit = String::from_utf8_lossy(found.stdout.trim_ascii()).into_owned();
        if !found.status.success() || commit.is_empty() {
            return Err(GitError::NoRevision(code(name)));
        }
        let root = root.canonicalize().map_err(|error| GitError::Failed(error.to_string()))?;
        Ok(Self { root, name: name.to_owned(), commit })
    }

    /// The path relative to the root; `None` if it is outside the repository.
    pub fn below(&self, path: &Path) -> Option<PathBuf> {
        let whole = std::path::absolute(path).ok()?;
        let (folder, last) = (whole.parent()?, whole.file_name()?);
        // The last component may no longer exist. It may also be a link, which is itself part of
        // the repository.
        let whole = folder.canonicalize().ok()?.join(last);
        whole.strip_prefix(&self.root).ok().map(Path::to_owned)
    }

    /// The file at a path of the repository, or the files in the folder at that path whose relative
    /// path `is_wanted`. Sorted by path.
    pub async fn files(
        &self,
        path: &Path,
        is_wanted: fn(&Path) -> bool,
    ) -> Result<Vec<RevisionFile>, GitError> {
        let shown = path.to_string_lossy();
        let mut line = vec!["ls-tree", "-r", "-z", "--full-tree", &self.commit, "--"];
        // An empty path is the whole tree.
        line.extend((!shown.is_empty()).then_some(shown.as_ref()));
        let listed = run(&self.root, &line, b"").await?;
        if !listed.status.success() {
            return Err(GitError::Failed(words(&listed)));
        }
        let mut found = Vec::new();
        let mut is_there = false;
        for entry in listed.stdout.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
            is_there = true;
            let Some((head, file)) = split_entry(entry) else {
                return Err(GitError::Failed("an entry of `ls-tree` cannot be read".into()));
            };
            let below = file.strip_prefix(path).unwrap_or(&file);
            if !below.as_os_str().is_empty() && !is_wanted(below) {
                continue;
            }
            let (mode, object) = head;
            if !mode.starts_with("100") {
                return Err(GitError::NotAFile(code(file.display().to_string())));
            }
            found.push((object, file));
        }
        if !is_there {
            let path = code(path.display().to_string());
            return Err(GitError::NoPath { revision: code(&self.name), path });
        }
        if found.len() > FILES_MAX {
            return Err(GitError::TooLarge);
        }
        self.contents(found).await
    }

    async fn contents(&self, found: Vec<(String, PathBuf)>) -> Result<Vec<RevisionFile>, GitError> {
        let objects: String = found.iter().map(|(object, _)| format!("{object}\n")).collect();
        let read = run(&self.root, &["cat-file", "--batch"], objects.as_bytes()).await?;
        if !read.status.success() {
            return Err(GitError::Failed(words(&read)));
        }
        let mut rest = read.stdout.as_slice();
        let mut files = Vec::new();
        for (object, path) in found {
            let bytes = next_blob(&mut rest)
                .ok_or_else(|| GitError::Failed(format!("object {object} cannot be read")))?;
            files.push(RevisionFile { path, bytes });
        }
        Ok(files)
    }
}

/// Mode, object and path of an entry of `ls-tree`.
fn split_entry(entry: &[u8]) -> Option<((String, String), PathBuf)> {
    let tab = entry.iter().position(|byte| *byte == b'\t')?;
    let head = std::str::from_utf8(&entry[..tab]).ok()?;
    let mut words = head.split(' ');
    let (mode, _kind, object) = (words.next()?, words.next()?, words.next()?);
    Some(((mode.to_owned(), object.to_owned()), path_of(&entry[tab + 1..])))
}

/// The next object of the output of `cat-file --batch`: `ID blob SIZE`, the content, a line feed.
fn next_blob(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let line = rest.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&rest[..line]).ok()?;
    let size: usize = head.rsplit(' ').next()?.parse().ok()?;
    let content = rest.get(line + 1..)?;
    let bytes = content.get(..size)?.to_vec();
    *rest = content.get(size + 1..)?;
    Some(bytes)
}

fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// What `git` wrote to stderr, on one line.
fn words(output: &Output) -> String {
    said(&String::from_utf8_lossy(&output.stderr).replace('\n', " "))
}

/// Runs `git` in the folder with this input. With these options, the configuration of the
/// repository cannot make `git` run another program, and `git` does not prompt.
async fn run(folder: &Path, line: &[&str], input: &[u8]) -> Result<Output, GitError> {
    let mut command = Command::new("git");
    command
        .args(["--no-pager", "--literal-pathspecs", "-c", "core.fsmonitor=false", "-C"])
        .arg(folder)
        .args(line)
        .env("LC_ALL", "C")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // Git sets these variables for hooks; they would select another repository.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
        command.env_remove(variable);
    }
    tokio::time::timeout(TIMEOUT, output(command, input)).await.map_err(|_| GitError::TimedOut)?
}

async fn output(mut command: Command, input: &[u8]) -> Result<Output, GitError> {
    let failed = |error: io::Error| GitError::Failed(error.to_string());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => GitError::NoGit,
        _ => GitError::Failed(error.to_string()),
    })?;
    let mut stdin = child.stdin.take().expect("piped by `run`, taken once");
    let mut stdout = child.stdout.take().expect("piped by `run`, taken once").take(TOTAL_MAX + 1);
    let mut stderr = child.stderr.take().expect("piped by `run`, taken once").take(64 * 1024);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let feed = async {
        // `git` may exit before it has read all input; its exit status is checked below.
        let _ = stdin.write_all(input).await;
        drop(stdin);
    };
    let ((), read, said) =
        tokio::join!(feed, stdout.read_to_end(&mut out), stderr.read_to_end(&mut err));
    read.and(said).map_err(failed)?;
    if out.len() as u64 > TOTAL_MAX {
        return Err(GitError::TooLarge);
    }
    let status = child.wait().await.map_err(failed)?;
    Ok(Output { status, stdout: out, stderr: err })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, line: &[&str]) {
        let who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"];
        let done = std::process::Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(who)
            .args(line)
            .output()
            .unwrap();
        assert!(done.status.success(), "{line:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// A repository with `pools/a b.yaml`, `pools/team/c.yaml` and a link, in one commit.
    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        git(root, &["init", "--quiet", "--initial-branch=main"]);
        std::fs::create_dir_all(root.join("pools/team")).unwrap();
        std::fs::write(root.join("pools/a b.yaml"), "first\n\n").unwrap();
        std::fs::write(root.join("pools/team/c.yaml"), "").unwrap();
        std::os::unix::fs::symlink("a b.yaml", root.join("pools/link.yaml")).unwrap();
        git(root, &["add", "."]);
        git(root, &["commit", "--quiet", "-m", "first"]);
        folder
    }

    fn is_yaml(path: &Path) -> bool {
        path.extension().is_some_and(|end| end == "yaml") && !path.ends_with("link.yaml")
    }

    #[tokio::test]
    async fn files_of_an_earlier_commit_are_read_whatever_stands_there_now() {
        let folder = repository();
        let root = folder.path();
        std::fs::write(root.join("pools/a b.yaml"), "second").unwrap();
        std::fs::remove_file(root.join("pools/team/c.yaml")).unwrap();
        let revision = Revision::find(&root.join("pools"), "HEAD").await.unwrap();
        assert_eq!(revision.commit.len(), 40);
        let pools = revision.below(&root.join("pools")).unwrap();
        assert_eq!(pools, Path::new("pools"));
        let read = revision.files(&pools, is_yaml).await.unwrap();
        let file = |path: &str, text: &str| RevisionFile { path: path.into(), bytes: text.into() };
        assert_eq!(read, [file("pools/a b.yaml", "first\n\n"), file("pools/team/c.yaml", "")]);
        let one = revision.files(Path::new("pools/a b.yaml"), is_yaml).await.unwrap();
        assert_eq!(one.len(), 1);
        assert_eq!(revision.below(Path::new("/elsewhere/x")), None);
    }

    #[tokio::test]
    async fn each_failure_has_its_own_error() {
        let folder = repository();
        let root = folder.path();
        let find = async |name: &str| Revision::find(root, name).await;
        assert_eq!(find("nosuch").await, Err(GitError::NoRevision("`nosuch`".into())));
        assert_eq!(find("--all").await, Err(GitError::NoRevision("`--all`".into())));
        let revision = find("main").await.unwrap();
        let missing = revision.files(Path::new("other"), is_yaml).await.unwrap_err();
        assert_eq!(missing.to_string(), "revision `main` does not have `other`");
        let link = revision.files(Path::new("pools"), |_| true).await.unwrap_err();
        assert_eq!(link, GitError::NotAFile("`pools/link.yaml`".into()));
        let outside = tempfile::tempdir().unwrap();
        let none = Revision::find(outside.path(), "HEAD").await.unwrap_err();
        assert!(matches!(none, GitError::NoRepository(_)), "{none}");
    }
}
