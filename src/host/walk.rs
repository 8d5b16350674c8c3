//! Opens a path one component at a time, each from the handle of the folder that holds it.
//!
//! The kernel would follow every link of a path by itself, and whoever can write to one of the
//! folders could change a link between a check and the opening. Here each step is judged by the
//! handle that the next one starts from, so there is nothing to change in between.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};
use std::rc::Rc;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Most links of one path, as in Linux.
const LINKS_MAX: usize = 40;

/// A handle that a path goes on from, and that reads nothing.
const STEP: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What a link on the way means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// The end of the way.
    Refused,
    /// It is followed as long as it stays below the folder that the way starts from.
    Beneath,
    /// It is followed wherever it leads.
    Followed,
}

/// Why a path does not lead to a file or a folder.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A link, where none is followed.
    Link,
    /// A link leads out of the folder that the way started from.
    Outside,
    /// A link leads to nothing.
    Dangling,
    /// Links lead in a circle.
    Circle,
    /// Neither a file nor a folder, or not the one that is wanted: what it is.
    NotAFile(&'static str),
    /// More bytes than are read.
    TooLarge,
    /// Everything else.
    Io(io::Error),
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// A folder by its handle, and the handles of those above it, down from where the way started.
#[derive(Debug, Clone)]
pub(super) struct Folder(Vec<Rc<OwnedFd>>);

/// A regular file that has been found and not been opened.
#[derive(Debug)]
pub(super) struct FoundFile {
    folder: Rc<OwnedFd>,
    /// Its own name, behind every link that led to it.
    pub(super) name: OsString,
    /// Whether a link led to it.
    pub(super) is_linked: bool,
}

/// What stands at the end of a path.
#[derive(Debug)]
pub(super) enum PathEnd {
    /// A regular file.
    File(FoundFile),
    /// A folder.
    Folder(Folder),
}

/// Which file a handle is of, whatever its name.
pub(super) type Identity = (u64, u64);

impl Folder {
    /// A folder that is trusted: every link on the way to it is followed. The empty path is the
    /// working folder.
    pub(super) fn trusted(path: &Path) -> Result<Self, Refusal> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(vec![Rc::new(fs::open(path, flags, Mode::empty())?)]))
    }

    /// Follows a path from here.
    pub(super) fn walk(&self, path: &Path, links: Links) -> Result<PathEnd, Refusal> {
        let mut way = PathWalk { chain: self.0.clone(), todo: Vec::new(), links, followed: 0 };
        way.push(path)?;
        way.walk()
    }

    /// What a link of this name leads to, without opening anything; for deciding whether it matters
    /// that the link is not followed.
    pub(super) fn leads_to_a_file(&self, name: &OsStr) -> bool {
        let stat = fs::statat(self.here(), name, AtFlags::empty());
        stat.is_ok_and(|it| FileType::from_raw_mode(it.st_mode) == FileType::RegularFile)
    }

    /// The names in it, in order.
    pub(super) fn names(&self) -> Result<Vec<OsString>, Refusal> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listed = fs::openat(self.here(), ".", flags, Mode::empty())?;
        let mut names = Vec::new();
        for entry in Dir::new(listed)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        names.sort();
        Ok(names)
    }

    /// The same folder, which links have to stay below from now on.
    pub(super) fn as_root(&self) -> Self {
        Self(self.0.last().cloned().into_iter().collect())
    }

    /// Whether both are one handle.
    pub(super) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self.here(), other.here())
    }

    fn here(&self) -> &OwnedFd {
        self.0.last().expect("a chain begins with one folder and never loses it")
    }
}

impl FoundFile {
    /// Opens it, and judges by the handle that it is a regular file still. Never waits for a pipe.
    pub(super) fn open(&self) -> Result<(File, Identity), Refusal> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = fs::openat(&*self.folder, &self.name, flags | OFlags::CLOEXEC, Mode::empty());
        let file =
            opened.map_err(|it| if it == Errno::LOOP { Refusal::Link } else { it.into() })?;
        let stat = fs::fstat(&file)?;
        match kind(&stat) {
            Ok(FileType::RegularFile) => Ok((File::from(file), (stat.st_dev, stat.st_ino))),
            Ok(_) => Err(Refusal::NotAFile("a folder")),
            Err(refusal) => Err(refusal),
        }
    }
}

/// A path that is being followed.
struct PathWalk {
    chain: Vec<Rc<OwnedFd>>,
    /// What is still to be done, the next one last.
    todo: Vec<OsString>,
    links: Links,
    followed: usize,
}

impl PathWalk {
    /// Puts a path before what is still to be done.
    fn push(&mut self, path: &Path) -> Result<(), Refusal> {
        let mut steps = Vec::new();
        for component in path.components() {
            match component {
                Component::RootDir if self.links == Links::Followed => {
                    let root = fs::openat(CWD, "/", STEP | OFlags::DIRECTORY, Mode::empty())?;
                    self.chain = vec![Rc::new(root)];
                }
                Component::RootDir | Component::Prefix(_) => return Err(Refusal::Outside),
                Component::CurDir => {}
                Component::ParentDir => steps.push(OsString::from("..")),
                Component::Normal(name) => steps.push(name.to_owned()),
            }
        }
        self.todo.extend(steps.into_iter().rev());
        Ok(())
    }

    fn walk(mut self) -> Result<PathEnd, Refusal> {
        while let Some(name) = self.todo.pop() {
            if name == ".." {
                self.up()?;
                continue;
            }
            let step = self.step(&name)?;
            match kind(&fs::fstat(&step)?)? {
                FileType::Symlink => self.follow(&step)?,
                FileType::Directory => self.chain.push(Rc::new(step)),
                _ if self.todo.is_empty() => {
                    let folder = self.chain.pop().expect("a chain has its first folder");
                    return Ok(PathEnd::File(FoundFile {
                        folder,
                        name,
                        is_linked: self.followed > 0,
                    }));
                }
                _ => return Err(Errno::NOTDIR.into()),
            }
        }
        Ok(PathEnd::Folder(Folder(self.chain)))
    }

    fn step(&self, name: &OsStr) -> Result<OwnedFd, Refusal> {
        match fs::openat(self.here(), name, STEP, Mode::empty()) {
            Ok(step) => Ok(step),
            Err(Errno::NOENT) if self.followed > 0 => Err(Refusal::Dangling),
            Err(error) => Err(error.into()),
        }
    }

    fn up(&mut self) -> Result<(), Refusal> {
        if self.chain.len() > 1 {
            self.chain.pop();
        } else if self.links == Links::Followed {
            let above = fs::openat(self.here(), "..", STEP | OFlags::DIRECTORY, Mode::empty())?;
            self.chain = vec![Rc::new(above)];
        } else {
            return Err(Refusal::Outside);
        }
        Ok(())
    }

    fn follow(&mut self, link: &OwnedFd) -> Result<(), Refusal> {
        if self.links == Links::Refused {
            return Err(Refusal::Link);
        }
        self.followed += 1;
        if self.followed > LINKS_MAX {
            return Err(Refusal::Circle);
        }
        let target = fs::readlinkat(link, "", Vec::new())?;
        self.push(Path::new(OsStr::from_bytes(target.as_bytes())))
    }

    fn here(&self) -> impl AsFd {
        self.chain.last().expect("a chain has its first folder")
    }
}

/// A file, a folder or a link; everything else is refused.
fn kind(stat: &fs::Stat) -> Result<FileType, Refusal> {
    match FileType::from_raw_mode(stat.st_mode) {
        kind @ (FileType::RegularFile | FileType::Directory | FileType::Symlink) => Ok(kind),
        FileType::Fifo => Err(Refusal::NotAFile("a pipe")),
        FileType::Socket => Err(Refusal::NotAFile("a socket")),
        _ => Err(Refusal::NotAFile("a device")),
    }
}
