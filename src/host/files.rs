//! Reads pool files and the fleet file: regular files only, bounded, whole or not at all.
//!
//! A folder may be a pull request's: nothing in it can make the program wait (a pipe), read for
//! ever (a device) or read what lies elsewhere (a link out of it).

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::manifest::{Code, FILE_MAX, Problem, Source, TOTAL_MAX};

/// The pool files of a file or a folder, in path order, and what could not be read. A folder is
/// read with one level of sub-folders; hidden names are skipped.
pub fn read_pools(path: &Path) -> (Vec<Source>, Vec<Problem>) {
    read_all(&[path])
}

/// The same of several files and folders; a file that is named twice is read once.
pub fn read_all(paths: &[impl AsRef<Path>]) -> (Vec<Source>, Vec<Problem>) {
    let mut reader = Reader::default();
    for path in paths {
        reader.start(path.as_ref());
    }
    (reader.sources, reader.problems)
}

/// The fleet file.
pub fn read_fleet(path: &Path) -> Result<Source, Problem> {
    let bytes = read(path).map_err(|refusal| refusal.problem(path))?;
    Source::decode(shown(path), bytes)
}

#[derive(Default)]
struct Reader {
    sources: Vec<Source>,
    problems: Vec<Problem>,
    /// Files that were read, by their resolved paths.
    seen: BTreeSet<PathBuf>,
    total: u64,
}

/// How deep a folder lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    Team,
}

impl Reader {
    fn start(&mut self, path: &Path) {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.folder(path),
            Ok(_) => self.file(path),
            Err(error) => self.problems.push(
                Refusal::from(error)
                    .problem(path)
                    .with_help("`-f PATH` names a pool file, or a folder of them"),
            ),
        }
    }

    fn folder(&mut self, path: &Path) {
        let before = (self.sources.len(), self.problems.len());
        match path.canonicalize() {
            Ok(root) => self.entries(path, &root, Level::Top),
            Err(error) => self.problems.push(Refusal::from(error).problem(path)),
        }
        if before == (self.sources.len(), self.problems.len()) && !self.holds_seen(path) {
            let problem =
                Problem::of_file(Code::NoPoolFiles, shown(path), "the folder holds no pool file");
            self.problems.push(problem.with_help("pool files are named `*.yaml` or `*.yml`"));
        }
    }

    /// Whether files of this folder have been read already, under another name.
    fn holds_seen(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|root| self.seen.iter().any(|it| it.starts_with(&root)))
    }

    fn entries(&mut self, folder: &Path, root: &Path, level: Level) {
        let names = fs::read_dir(folder).and_then(|entries| {
            entries.map(|it| it.map(|it| it.file_name())).collect::<io::Result<BTreeSet<_>>>()
        });
        let names = match names {
            Ok(names) => names,
            Err(error) => return self.problems.push(Refusal::from(error).problem(folder)),
        };
        for name in names {
            if !name.to_string_lossy().starts_with('.') {
                self.entry(&folder.join(name), root, level);
            }
        }
    }

    fn entry(&mut self, path: &Path, root: &Path, level: Level) {
        let is_pool_file = path.extension().is_some_and(|it| it == "yaml" || it == "yml");
        let is_folder = match fs::metadata(path) {
            Ok(metadata) => metadata.is_dir(),
            // What is no pool file by its name does not matter, readable or not.
            Err(_) if !is_pool_file => return,
            Err(error) => return self.problems.push(Refusal::from(error).problem(path)),
        };
        if !is_folder && !is_pool_file {
            return;
        }
        let inside = path.canonicalize().is_ok_and(|it| it.starts_with(root) && it != root);
        if !inside {
            let message = "the link leads out of the folder that is read, or in a circle";
            let problem = Problem::of_file(Code::BadLink, shown(path), message);
            return self.problems.push(problem.with_help("put the file itself here"));
        }
        match (is_folder, level) {
            (false, _) => self.file(path),
            (true, Level::Top) => self.entries(path, root, Level::Team),
            (true, Level::Team) => {
                let message = "folders this deep are not read";
                let problem = Problem::of_file(Code::TooDeep, shown(path), message);
                self.problems.push(problem.with_help("move its pool files one folder up"));
            }
        }
    }

    fn file(&mut self, path: &Path) {
        if self.total > TOTAL_MAX {
            // Said once, by the file that was too much; no more is read.
            return;
        }
        if path.canonicalize().is_ok_and(|it| !self.seen.insert(it)) {
            return;
        }
        let read = read(path).map_err(|refusal| refusal.problem(path));
        let source = read.and_then(|bytes| {
            self.total += bytes.len() as u64;
            if self.total > TOTAL_MAX {
                let message = "all pool files together are larger than 32 MiB";
                return Err(Problem::of_file(Code::TooLarge, shown(path), message));
            }
            Source::decode(shown(path), bytes)
        });
        match source {
            Ok(source) => self.sources.push(source),
            Err(problem) => self.problems.push(problem),
        }
    }
}

/// Why a file is not read.
enum Refusal {
    NotAFile(&'static str),
    TooLarge,
    Io(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Refusal {
    fn problem(self, path: &Path) -> Problem {
        let (code, message) = match self {
            Self::NotAFile(what) => (Code::NotAFile, format!("this is {what}, not a file")),
            Self::TooLarge => (Code::TooLarge, "the file is larger than 4 MiB".to_owned()),
            Self::Io(error) => match error.kind() {
                ErrorKind::NotFound if path.is_symlink() => {
                    (Code::BadLink, "the link leads to nothing".to_owned())
                }
                ErrorKind::NotFound => {
                    (Code::Missing, "there is no such file or folder".to_owned())
                }
                ErrorKind::PermissionDenied => {
                    (Code::Unreadable, "no permission to read it".to_owned())
                }
                _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                    (Code::BadLink, "the link leads in a circle".to_owned())
                }
                _ => (Code::Unreadable, format!("cannot be read: {error}")),
            },
        };
        Problem::of_file(code, shown(path), message)
    }
}

/// The whole file. Looked at before it is opened, because opening a device may do something, and
/// again afterwards, because it may be another one by then.
fn read(path: &Path) -> Result<Vec<u8>, Refusal> {
    regular(&fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    // A pipe that nobody writes to would wait for ever.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file: File = options.read(true).custom_flags(flags).open(path)?;
    regular(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX { Err(Refusal::TooLarge) } else { Ok(bytes) }
}

fn regular(metadata: &fs::Metadata) -> Result<(), Refusal> {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(Refusal::NotAFile("a folder"));
    }
    if kind.is_fifo() {
        return Err(Refusal::NotAFile("a pipe"));
    }
    if kind.is_socket() {
        return Err(Refusal::NotAFile("a socket"));
    }
    if !kind.is_file() {
        return Err(Refusal::NotAFile("a device"));
    }
    if metadata.len() > FILE_MAX {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Paths that were read and `path: message` of those that were not, below the folder.
    fn check(build: impl FnOnce(&Path), expected: (&[&str], &[&str])) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("pools");
        fs::create_dir(&root).unwrap();
        build(&root);
        let (sources, problems) = read_pools(&root);
        let below = |path: &str| path.trim_start_matches(root.to_str().unwrap()).to_owned();
        let read: Vec<String> = sources.iter().map(|it| below(&it.path)).collect();
        let refused: Vec<String> = problems
            .iter()
            .map(|it| format!("{} {}: {}", it.code.text(), below(&it.place.file), it.message))
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
            (&["/a.yaml", "/b.yml", "/team/x.yaml"], &[]),
        );
    }

    #[test]
    fn deeper_folders_are_named() {
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
        check(|_| (), (&[], &["RC0107 : the folder holds no pool file"]));
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
                let pipe = root.join("pipe.yaml");
                let mode = rustix::fs::Mode::from_raw_mode(0o644);
                rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0)
                    .unwrap();
            },
            (
                &["/ok.yaml"],
                &[
                    "RC0105 /a.yaml: the link leads out of the folder that is read, or in a circle",
                    "RC0105 /loop.yaml: the link leads in a circle",
                    "RC0105 /none.yaml: the link leads to nothing",
                    "RC0103 /pipe.yaml: this is a pipe, not a file",
                    "RC0105 /self: the link leads out of the folder that is read, or in a circle",
                    "RC0105 /up: the link leads out of the folder that is read, or in a circle",
                    "RC0105 /zero.yaml: the link leads out of the folder that is read, or in a circle",
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
    fn what_is_named_is_read_once_and_what_is_missing_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        write(file.clone());
        let (sources, problems) = read_all(&[folder.path(), &file, &folder.path().join("no")]);
        assert_eq!(sources.len(), 1);
        assert_eq!(problems.iter().map(|it| it.code).collect::<Vec<_>>(), [Code::Missing]);
        assert_eq!(read_fleet(folder.path()).unwrap_err().code, Code::NotAFile);
        assert_eq!(
            read_fleet(Path::new("/dev/null")).unwrap_err().message,
            "this is a device, not a file"
        );
    }
}
