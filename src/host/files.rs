//! Reads pool files and the fleet file: only regular files, only up to a size limit, and completely
//! or not at all.
//!
//! A folder may come from a pull request: nothing in it can make the program wait (a pipe), read
//! forever (a device) or read a file outside it (a link). Files are found and opened by handles
//! ([`walk`](super::walk)), so that replacing one in the meantime has no effect. A file whose name
//! is not that of a pool file is not opened.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::walk::{FileId, Folder, FoundFile, LinkPolicy, PathEnd, WalkError};
use crate::config::{Code, FILE_MAX, Problem, SourceFile, TOTAL_MAX};

/// A path to read, and whether it may be a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourcePath {
    /// A path that the operator gave, which may be a link.
    Named(PathBuf),
    /// A default name, or a path from a saved plan: nothing below the trusted folder may be a link.
    Below {
        /// The trusted folder; empty for the working folder.
        folder: PathBuf,
        /// The path relative to that folder.
        rest: PathBuf,
    },
}

impl SourcePath {
    /// The full path, without a leading `./`.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Named(path) => path.clone(),
            Self::Below { folder, rest } => folder.join(rest),
        }
    }

    fn open(&self) -> Result<PathEnd, WalkError> {
        match self {
            Self::Named(path) => Folder::trusted(Path::new(""))?.walk(path, LinkPolicy::Followed),
            Self::Below { folder, rest } => {
                Folder::trusted(folder)?.walk(rest, LinkPolicy::Refused)
            }
        }
    }
}

/// The pool files, and the problems of reading them.
#[derive(Debug, Default)]
pub struct PoolFiles {
    /// The pool files, in path order.
    pub sources: Vec<SourceFile>,
    /// The reasons why files could not be read.
    pub problems: Vec<Problem>,
    /// Whether at least one folder was given, instead of only files.
    pub is_folder: bool,
    /// The files in the folders that were skipped because of their names, and the folders without
    /// pool files. Pools that are declared only there count as undeclared.
    pub unread: Vec<String>,
}

/// Reads the given pool files and folders of pool files; a file that is given twice is read once.
/// Of a folder, one level of subfolders is read, too; hidden names are skipped.
pub fn read_pools(starts: &[SourcePath]) -> PoolFiles {
    let mut reader = PoolFileReader::default();
    for start in starts {
        reader.start(start);
    }
    reader.pools
}

/// Reads the fleet file or a policy file. A link must lead to a file with the name of a YAML file.
pub fn read_fleet(start: &SourcePath) -> Result<SourceFile, Problem> {
    let path = start.path();
    let bytes = match start.open() {
        Ok(PathEnd::File(found)) if found.is_linked && !is_yaml(&found.name) => {
            let message = "the link leads to a file whose name does not end in `.yaml` or `.yml`";
            let problem = Problem::of_file(Code::NotByName, shown(&path), message);
            return Err(problem.with_help("give the file itself: `--config FILE`"));
        }
        Ok(PathEnd::File(found)) => content(&found).map(|(bytes, _)| bytes),
        Ok(PathEnd::Folder(_)) => Err(WalkError::NotAFile("a folder")),
        Err(refusal) => Err(refusal),
    };
    match bytes {
        Ok(bytes) => SourceFile::decode(shown(&path), bytes),
        Err(WalkError::Link) => {
            let help = format!("if you mean this file, give it: `--config {}`", path.display());
            Err(problem(WalkError::Link, &path).with_help(help))
        }
        Err(refusal) => Err(problem(refusal, &path)),
    }
}

/// Opens a regular file that the operator gave, following links. Never blocks on a pipe.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = options.read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

#[derive(Default)]
struct PoolFileReader {
    pools: PoolFiles,
    /// The files that were read.
    seen: BTreeSet<FileId>,
    /// The number of pool files that were found, whether readable or not.
    met: usize,
    /// The size of all files that were read, in bytes.
    total: u64,
}

/// The depth of a folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FolderDepth {
    Top,
    Team,
}

impl PoolFileReader {
    fn start(&mut self, start: &SourcePath) {
        let path = start.path();
        match start.open() {
            Ok(PathEnd::Folder(folder)) => self.folder(&path, &folder),
            Ok(PathEnd::File(found)) => self.file(&path, &found),
            Err(refusal) => {
                let help = match refusal {
                    WalkError::Link => format!(
                        "give it, if its content may be read and shown: `-f {}`",
                        path.display()
                    ),
                    _ => "give a pool file or a folder of pool files: `-f PATH`".to_owned(),
                };
                self.refuse(problem(refusal, &path).with_help(help));
            }
        }
    }

    fn refuse(&mut self, problem: Problem) {
        self.met += 1;
        self.pools.problems.push(problem);
    }

    fn folder(&mut self, path: &Path, folder: &Folder) {
        self.pools.is_folder = true;
        let before = self.met;
        // Links must stay below this folder.
        self.entries(path, &folder.as_root(), FolderDepth::Top);
        if before == self.met {
            let problem = Problem::of_file(
                Code::NoPoolFiles,
                shown(path),
                "the folder contains no pool file",
            );
            self.pools.problems.push(problem.with_help(BY_NAME));
        }
    }

    fn entries(&mut self, path: &Path, folder: &Folder, level: FolderDepth) {
        let names = match folder.names() {
            Ok(names) => names,
            Err(refusal) => return self.refuse(problem(refusal, path)),
        };
        for name in names {
            let path = path.join(&name);
            if !is_hidden(&name) {
                self.entry(&path, folder, &name, level);
            } else if is_almost_yaml(&name) {
                self.pools.unread.push(shown(&path));
            }
        }
    }

    fn entry(&mut self, path: &Path, folder: &Folder, name: &OsStr, level: FolderDepth) {
        match folder.walk(Path::new(name), LinkPolicy::Beneath) {
            Ok(PathEnd::File(_)) if !is_yaml(name) && is_almost_yaml(name) => {
                let message = "the ending of this name must be in lower case";
                let problem = Problem::of_file(Code::NotByName, shown(path), message);
                self.refuse(problem.with_help(BY_NAME));
            }
            // A file without the name of a pool file is not opened, readable or not.
            Ok(PathEnd::File(_)) if !is_yaml(name) => self.pools.unread.push(shown(path)),
            Err(WalkError::NotAFile(_)) if !is_yaml(name) => self.pools.unread.push(shown(path)),
            Err(WalkError::Outside) if !is_yaml(name) && folder.leads_to_a_file(name) => {
                self.pools.unread.push(shown(path));
            }
            Ok(PathEnd::File(found)) => self.file(path, &found),
            Ok(PathEnd::Folder(inner)) if inner.is(folder) => {
                self.refuse(problem(WalkError::Circle, path));
            }
            Ok(PathEnd::Folder(inner)) if level == FolderDepth::Top => {
                let before = (self.met, self.pools.unread.len());
                self.entries(path, &inner, FolderDepth::Team);
                // An empty folder may be a team's Git submodule that was not fetched.
                if before == (self.met, self.pools.unread.len()) {
                    self.pools.unread.push(format!("{}/", shown(path)));
                }
            }
            Ok(PathEnd::Folder(_)) => {
                let message = "folders this deep are not read";
                let problem = Problem::of_file(Code::TooDeep, shown(path), message);
                self.refuse(problem.with_help("move its pool files one folder up"));
            }
            Err(refusal) => {
                let found = problem(refusal, path);
                let is_link = found.code == Code::BadLink;
                self.refuse(if is_link {
                    found.with_help("put the file itself here")
                } else {
                    found
                });
            }
        }
    }

    fn file(&mut self, path: &Path, found: &FoundFile) {
        if self.total > TOTAL_MAX {
            // The file that exceeded the limit was reported as a problem. Nothing more is read.
            return;
        }
        self.met += 1;
        if !is_yaml(&found.name) {
            let what = if found.is_linked { "the link leads to a file that" } else { "the file" };
            let message = format!("{what} does not have the name of a pool file");
            let problem = Problem::of_file(Code::NotByName, shown(path), message);
            return self.pools.problems.push(problem.with_help(BY_NAME));
        }
        let source = match content(found) {
            Ok((_, identity)) if !self.seen.insert(identity) => return,
            Ok((bytes, _)) => self.source(path, bytes),
            Err(refusal) => Err(problem(refusal, path)),
        };
        match source {
            Ok(source) => {
                self.pools.sources.push(SourceFile { folder: folder_of(path), ..source });
            }
            Err(problem) => self.pools.problems.push(problem),
        }
    }

    fn source(&mut self, path: &Path, bytes: Vec<u8>) -> Result<SourceFile, Problem> {
        self.total += bytes.len() as u64;
        if self.total > TOTAL_MAX {
            let message = "all pool files together are larger than 32 MiB";
            return Err(Problem::of_file(Code::TooLarge, shown(path), message));
        }
        SourceFile::decode(shown(path), bytes)
    }
}

/// The name of the folder that a file is in, also of a path that does not contain it.
fn folder_of(path: &Path) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    Some(path.parent()?.file_name()?.to_str()?.to_owned())
}

const BY_NAME: &str = "pool files are named `*.yaml` or `*.yml`";

/// Whether a name is that of a pool file, apart from upper case or a leading dot.
fn is_almost_yaml(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    name.ends_with(".yaml") || name.ends_with(".yml")
}

/// Whether a file with this path, relative to a folder of pool files, is read from it: at most one
/// level of subfolders, and no hidden names.
pub fn is_pool_file(below: &Path) -> bool {
    below.file_name().is_some_and(is_yaml)
        && below.iter().count() <= 2
        && !below.iter().any(is_hidden)
}

fn is_hidden(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with('.')
}

fn is_yaml(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

/// Reads the whole file. Returns its content and identity.
fn content(found: &FoundFile) -> Result<(Vec<u8>, FileId), WalkError> {
    let (file, identity) = found.open()?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(WalkError::Io)?;
    if bytes.len() as u64 > FILE_MAX { Err(WalkError::TooLarge) } else { Ok((bytes, identity)) }
}

fn problem(refusal: WalkError, path: &Path) -> Problem {
    let (code, message) = match refusal {
        WalkError::Link => (Code::BadLink, "this is a link, which is not followed".to_owned()),
        WalkError::Outside => {
            (Code::BadLink, "the link leads out of the folder that is read".to_owned())
        }
        WalkError::Dangling => (Code::BadLink, "the link leads to nothing".to_owned()),
        WalkError::Circle => (Code::BadLink, "the link leads into a loop".to_owned()),
        WalkError::NotAFile(what) => (Code::NotAFile, format!("this is {what}, not a file")),
        WalkError::TooLarge => (Code::TooLarge, "the file is larger than 4 MiB".to_owned()),
        WalkError::Io(error) => unread(&error),
    };
    Problem::of_file(code, shown(path), message)
}

fn unread(error: &io::Error) -> (Code, String) {
    match error.kind() {
        ErrorKind::NotFound => (Code::Missing, "there is no such file or folder".to_owned()),
        ErrorKind::PermissionDenied => (Code::Unreadable, "no permission to read it".to_owned()),
        _ => (Code::Unreadable, format!("cannot be read: {error}")),
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Compares the paths that were read, relative to the folder, and `path: message` of those that
    /// were not.
    fn check(build: impl FnOnce(&Path), expected: (&[&str], &[&str])) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("pools");
        fs::create_dir(&root).unwrap();
        build(&root);
        let PoolFiles { sources, problems, unread, .. } =
            read_pools(&[SourcePath::Named(root.clone())]);
        let below = |path: &str| path.trim_start_matches(root.to_str().unwrap()).to_owned();
        let read: Vec<String> = sources.iter().map(|source| below(&source.path)).collect();
        let refused: Vec<String> = problems
            .iter()
            .map(|problem| {
                format!(
                    "{} {}: {}",
                    problem.code.text(),
                    below(&problem.place.file),
                    problem.message
                )
            })
            .chain(unread.iter().map(|path| format!("not read {}", below(path))))
            .collect();
        let seen = (
            read.iter().map(String::as_str).collect::<Vec<_>>(),
            refused.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        assert_eq!(seen, (expected.0.to_vec(), expected.1.to_vec()));
    }

    fn write(path: PathBuf) {
        fs::write(path, "pools: []\n").unwrap();
    }

    #[test]
    fn a_folder_is_read_in_path_order_with_one_level_of_teams() {
        check(
            |root| {
                for name in ["b.yml", "a.yaml", "notes.md", ".hidden.yaml", "c.yaml.bak"] {
                    write(root.join(name));
                }
                for team in ["team", ".git"] {
                    fs::create_dir(root.join(team)).unwrap();
                    write(root.join(team).join("x.yaml"));
                }
            },
            (
                &["/a.yaml", "/b.yml", "/team/x.yaml"],
                &["not read /.hidden.yaml", "not read /c.yaml.bak", "not read /notes.md"],
            ),
        );
    }

    /// A warning depends on this list: the pools of unread files count as undeclared.
    #[test]
    fn files_that_are_not_read_are_listed() {
        check(
            |root| {
                for name in ["A.YAML", "b.Yml", "pools.json", "c.yaml"] {
                    write(root.join(name));
                }
                symlink("../gone", root.join("team-a")).unwrap();
                fs::create_dir(root.join("team-b")).unwrap();
                fs::create_dir(root.join("team-c")).unwrap();
                fs::write(root.join("team-c/README"), "").unwrap();
                fs::create_dir(root.join(".git")).unwrap();
            },
            (
                &["/c.yaml"],
                &[
                    "RC0109 /A.YAML: the ending of this name must be in lower case",
                    "RC0109 /b.Yml: the ending of this name must be in lower case",
                    "RC0105 /team-a: the link leads out of the folder that is read",
                    "not read /pools.json",
                    "not read /team-b/",
                    "not read /team-c/README",
                ],
            ),
        );
    }

    #[test]
    fn deeper_folders_are_listed() {
        check(
            |root| {
                fs::create_dir_all(root.join("team/deep")).unwrap();
                write(root.join("team/deep/x.yaml"));
            },
            (&[], &["RC0106 /team/deep: folders this deep are not read"]),
        );
    }

    #[test]
    fn an_empty_folder_is_a_problem() {
        check(|_| (), (&[], &["RC0107 : the folder contains no pool file"]));
    }

    #[test]
    fn only_regular_files_inside_the_folder_are_read() {
        check(
            |root| {
                let outside = root.parent().unwrap().join("outside.yaml");
                write(outside.clone());
                symlink(outside, root.join("a.yaml")).unwrap();
                symlink("loop.yaml", root.join("loop.yaml")).unwrap();
                symlink("nothing", root.join("none.yaml")).unwrap();
                symlink(".", root.join("self")).unwrap();
                symlink("..", root.join("up")).unwrap();
                write(root.join("ok.yaml"));
                symlink("ok.yaml", root.join("ok2.yaml")).unwrap();
                symlink("/dev/zero", root.join("zero.yaml")).unwrap();
                symlink("../outside.yaml", root.join("README")).unwrap();
                symlink("notes.txt", root.join("notes.yaml")).unwrap();
                fs::write(root.join("notes.txt"), "canary").unwrap();
                let pipe = root.join("pipe.yaml");
                let mode = rustix::fs::Mode::from_raw_mode(0o644);
                rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0)
                    .unwrap();
            },
            (
                &["/ok.yaml"],
                &[
                    "RC0105 /a.yaml: the link leads out of the folder that is read",
                    "RC0105 /loop.yaml: the link leads into a loop",
                    "RC0105 /none.yaml: the link leads to nothing",
                    "RC0109 /notes.yaml: the link leads to a file that does not have the name of a pool file",
                    "RC0103 /pipe.yaml: this is a pipe, not a file",
                    "RC0105 /self: the link leads into a loop",
                    "RC0105 /up: the link leads out of the folder that is read",
                    "RC0105 /zero.yaml: the link leads out of the folder that is read",
                    "not read /README",
                    "not read /notes.txt",
                ],
            ),
        );
    }

    #[test]
    fn a_large_file_and_one_in_another_encoding_are_not_read() {
        check(
            |root| {
                File::create(root.join("big.yaml")).unwrap().set_len(50 << 20).unwrap();
                fs::write(root.join("latin.yaml"), b"a: \xe9").unwrap();
            },
            (
                &[],
                &[
                    "RC0104 /big.yaml: the file is larger than 4 MiB",
                    "RC0108 /latin.yaml: byte 0xe9 is not UTF-8",
                ],
            ),
        );
    }

    #[test]
    fn named_files_are_read_once_and_missing_ones_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        write(file.clone());
        let named = |path: &Path| SourcePath::Named(path.to_owned());
        let read =
            read_pools(&[named(folder.path()), named(&file), named(&folder.path().join("no"))]);
        assert_eq!(read.sources.len(), 1);
        assert_eq!(
            read.problems.iter().map(|problem| problem.code).collect::<Vec<_>>(),
            [Code::Missing]
        );
        assert!(read.is_folder && !read_pools(&[named(&file)]).is_folder);
        assert_eq!(read_fleet(&named(folder.path())).unwrap_err().code, Code::NotAFile);
        assert_eq!(
            read_fleet(&named(Path::new("/dev/null"))).unwrap_err().message,
            "this is a device, not a file"
        );
    }

    /// Kubernetes mounts a ConfigMap as links that stay inside the folder.
    #[test]
    fn links_inside_the_folder_are_followed() {
        check(
            |root| {
                for version in ["..2026_1", "..2026_2"] {
                    fs::create_dir(root.join(version)).unwrap();
                    write(root.join(version).join("a.yaml"));
                }
                symlink("..2026_2", root.join("..data")).unwrap();
                symlink("..data/a.yaml", root.join("a.yaml")).unwrap();
                fs::create_dir(root.join("team")).unwrap();
                symlink("../..data/../..2026_1/a.yaml", root.join("team/b.yaml")).unwrap();
            },
            (&["/a.yaml", "/team/b.yaml"], &[]),
        );
    }

    /// The message of the problem, if there is one, for each kind of [`SourcePath`].
    fn check_start(build: impl FnOnce(&Path), path: &str, expected: (Option<&str>, Option<&str>)) {
        // `..` leads to an empty folder instead of the one that all processes share.
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("folder");
        fs::create_dir(&folder).unwrap();
        build(&folder);
        let said = |start: SourcePath| {
            let read = read_pools(&[start]);
            assert!(read.sources.iter().all(|source| source.text == "pools: []\n"), "{read:?}");
            read.problems.first().map(|problem| problem.message.clone())
        };
        let named = said(SourcePath::Named(folder.join(path)));
        let below = said(SourcePath::Below { folder: folder.clone(), rest: path.into() });
        assert_eq!((named.as_deref(), below.as_deref()), expected);
    }

    #[test]
    fn a_link_as_a_starting_point_is_read_only_if_it_is_named() {
        let link = Some("this is a link, which is not followed");
        let is_folder = |root: &Path| {
            fs::create_dir(root.join("real")).unwrap();
            write(root.join("real/a.yaml"));
            symlink("real", root.join("pools")).unwrap();
        };
        check_start(is_folder, "pools", (None, link));
        check_start(is_folder, "pools/a.yaml", (None, link));
        check_start(is_folder, "real", (None, None));
        check_start(is_folder, "real/../real/a.yaml", (None, None));
        let is_file = |root: &Path| {
            fs::write(root.join("shadow"), "root:canary").unwrap();
            symlink("shadow", root.join("pools")).unwrap();
            symlink("shadow", root.join("pools.yaml")).unwrap();
        };
        let other = Some("the link leads to a file that does not have the name of a pool file");
        check_start(is_file, "pools", (other, link));
        check_start(is_file, "pools.yaml", (other, link));
        let file = Some("the file does not have the name of a pool file");
        check_start(is_file, "shadow", (file, file));
        check_start(
            is_file,
            "../x",
            (
                Some("there is no such file or folder"),
                Some("the link leads out of the folder that is read"),
            ),
        );
    }

    /// The fleet file decides where passwords are sent.
    #[test]
    fn a_fleet_file_that_is_a_link_is_read_only_if_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("real.yaml"), "fleet: a\n").unwrap();
        fs::write(path("shadow"), "root:canary").unwrap();
        symlink("real.yaml", path("a.yaml")).unwrap();
        symlink("shadow", path("b.yaml")).unwrap();
        let below =
            |name: &str| SourcePath::Below { folder: folder.path().into(), rest: name.into() };
        assert!(read_fleet(&SourcePath::Named(path("a.yaml"))).is_ok());
        assert!(read_fleet(&below("real.yaml")).is_ok());
        assert_eq!(read_fleet(&below("a.yaml")).unwrap_err().code, Code::BadLink);
        assert_eq!(
            read_fleet(&SourcePath::Named(path("b.yaml"))).unwrap_err().code,
            Code::NotByName
        );
    }

    /// Exchanges names while they are read. Of each pair, one name is a file or folder of the tree
    /// and the other a link to a secret outside it. The secret is never read.
    #[test]
    fn no_race_between_a_file_and_a_link_reveals_an_outside_file() {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use std::sync::atomic::{AtomicBool, Ordering};
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("secret/team")).unwrap();
        fs::write(path("secret/a.yaml"), "canary").unwrap();
        fs::write(path("secret/team/a.yaml"), "canary").unwrap();
        fs::create_dir_all(path("pools/team")).unwrap();
        write(path("pools/a.yaml"));
        write(path("pools/team/a.yaml"));
        symlink("../secret/a.yaml", path("pools/.a")).unwrap();
        symlink("../secret/team", path("pools/.team")).unwrap();
        symlink("secret", path(".pools")).unwrap();
        let pairs =
            [("pools/a.yaml", "pools/.a"), ("pools/team", "pools/.team"), ("pools", ".pools")];
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    for (one, other) in pairs {
                        let (one, other) = (path(one), path(other));
                        // While `pools` is the link, the exchanges below it happen elsewhere.
                        let _ = renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE);
                    }
                }
            });
            let mut read = 0;
            let mut refused = 0;
            for _ in 0..3_000 {
                let start =
                    SourcePath::Below { folder: folder.path().into(), rest: "pools".into() };
                let pools = read_pools(&[start]);
                assert!(
                    pools.sources.iter().all(|source| source.text == "pools: []\n"),
                    "{pools:?}"
                );
                read += pools.sources.len();
                refused += pools.problems.len();
            }
            is_done.store(true, Ordering::Relaxed);
            assert!(read > 0 && refused > 0, "{read} read, {refused} refused: no race was run");
        });
    }

    #[test]
    fn pool_files_are_those_that_a_run_reads() {
        let read = ["a.yaml", "b.yml", "team/c.yaml"];
        let skipped = ["notes.md", ".a.yaml", ".git/a.yaml", "team/deep/a.yaml", "team/.a.yaml"];
        assert!(read.iter().all(|path| is_pool_file(Path::new(path))));
        assert!(!skipped.iter().any(|path| is_pool_file(Path::new(path))));
    }
}
