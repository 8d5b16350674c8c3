//! Opens a path component by component, each relative to the handle of the folder before it.
//!
//! The kernel would follow every link of a path, and a user with write access to one of the folders
//! could change a link between a check and the opening. Here, each step is checked on the handle
//! from which the next step starts, so that nothing can change in between.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};
use std::rc::Rc;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// The maximum number of links in a path, as in Linux.
const LINKS_MAX: usize = 40;

/// The flags of a handle to a path component, which does not allow reading.
const STEP: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How links in a path are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkPolicy {
    Refused,
    /// Followed if they stay below the folder where the path starts.
    Beneath,
    /// Followed, wherever they lead.
    Followed,
}

/// Why a path does not lead to a file or a folder.
#[derive(Debug)]
pub(super) enum WalkError {
    /// A symbolic link, if [`LinkPolicy::Refused`] applies.
    Link,
    /// A link leads out of the folder where the path starts.
    Outside,
    /// A link leads to nothing.
    Dangling,
    /// The links form a cycle, or there are too many.
    Circle,
    /// The path leads to something other than expected, for example `a pipe`.
    NotAFile(&'static str),
    /// The file is larger than its limit.
    TooLarge,
    /// Any other error of the system.
    Io(io::Error),
}

impl From<Errno> for WalkError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// A folder, given by the handles of all folders from the start of the path down to it.
#[derive(Debug, Clone)]
pub(super) struct Folder(Vec<Rc<OwnedFd>>);

/// A regular file that was found and is not open yet.
#[derive(Debug)]
pub(super) struct FoundFile {
    folder: Rc<OwnedFd>,
    /// The name of the file itself, after all links.
    pub(super) name: OsString,
    /// Whether the path contains a link.
    pub(super) is_linked: bool,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum PathEnd {
    File(FoundFile),
    Folder(Folder),
}

/// The device and inode number of a file.
pub(super) type FileId = (u64, u64);

impl Folder {
    /// Opens a trusted folder; links in its path are followed. The empty path is the working folder.
    pub(super) fn trusted(path: &Path) -> Result<Self, WalkError> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(vec![Rc::new(fs::open(path, flags, Mode::empty())?)]))
    }

    /// Follows a path that starts at this folder.
    pub(super) fn walk(&self, path: &Path, links: LinkPolicy) -> Result<PathEnd, WalkError> {
        let mut way = PathWalk { chain: self.0.clone(), todo: Vec::new(), links, followed: 0 };
        way.push(path)?;
        way.walk()
    }

    /// Whether a link of this name leads to a regular file. Does not open the file. If it does, the
    /// caller reports the link as unread.
    pub(super) fn leads_to_a_file(&self, name: &OsStr) -> bool {
        let stat = fs::statat(self.here(), name, AtFlags::empty());
        stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    }

    /// The sorted names in the folder.
    pub(super) fn names(&self) -> Result<Vec<OsString>, WalkError> {
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

    /// The same folder as a new start: links must stay below it.
    pub(super) fn as_root(&self) -> Self {
        Self(self.0.last().cloned().into_iter().collect())
    }

    /// Whether both folders have the same handle.
    pub(super) fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self.here(), other.here())
    }

    fn here(&self) -> &OwnedFd {
        self.0.last().expect("a chain always contains its first folder")
    }
}

impl FoundFile {
    /// Opens the file and checks on the handle that it is still a regular file. Never blocks on a
    /// pipe.
    pub(super) fn open(&self) -> Result<(File, FileId), WalkError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = fs::openat(&*self.folder, &self.name, flags | OFlags::CLOEXEC, Mode::empty());
        let refusal =
            |error: Errno| if error == Errno::LOOP { WalkError::Link } else { error.into() };
        let file = opened.map_err(refusal)?;
        let stat = fs::fstat(&file)?;
        match kind(&stat) {
            Ok(FileType::RegularFile) => Ok((File::from(file), (stat.st_dev, stat.st_ino))),
            Ok(_) => Err(WalkError::NotAFile("a folder")),
            Err(refusal) => Err(refusal),
        }
    }
}

/// A path that is being followed.
struct PathWalk {
    chain: Vec<Rc<OwnedFd>>,
    /// The remaining components, the next one last.
    todo: Vec<OsString>,
    links: LinkPolicy,
    followed: usize,
}

impl PathWalk {
    /// Inserts a path before the remaining components.
    fn push(&mut self, path: &Path) -> Result<(), WalkError> {
        let mut steps = Vec::new();
        for component in path.components() {
            match component {
                Component::RootDir if self.links == LinkPolicy::Followed => {
                    let root = fs::openat(CWD, "/", STEP | OFlags::DIRECTORY, Mode::empty())?;
                    self.chain = vec![Rc::new(root)];
                }
                Component::RootDir | Component::Prefix(_) => return Err(WalkError::Outside),
                Component::CurDir => {}
                Component::ParentDir => steps.push(OsString::from("..")),
                Component::Normal(name) => steps.push(name.to_owned()),
            }
        }
        self.todo.extend(steps.into_iter().rev());
        Ok(())
    }

    fn walk(mut self) -> Result<PathEnd, WalkError> {
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
                    let folder =
                        self.chain.pop().expect("a chain always contains its first folder");
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

    fn step(&self, name: &OsStr) -> Result<OwnedFd, WalkError> {
        match fs::openat(self.here(), name, STEP, Mode::empty()) {
            Ok(step) => Ok(step),
            Err(Errno::NOENT) if self.followed > 0 => Err(WalkError::Dangling),
            Err(error) => Err(error.into()),
        }
    }

    fn up(&mut self) -> Result<(), WalkError> {
        if self.chain.len() > 1 {
            self.chain.pop();
        } else if self.links == LinkPolicy::Followed {
            let above = fs::openat(self.here(), "..", STEP | OFlags::DIRECTORY, Mode::empty())?;
            self.chain = vec![Rc::new(above)];
        } else {
            return Err(WalkError::Outside);
        }
        Ok(())
    }

    fn follow(&mut self, link: &OwnedFd) -> Result<(), WalkError> {
        if self.links == LinkPolicy::Refused {
            return Err(WalkError::Link);
        }
        self.followed += 1;
        if self.followed > LINKS_MAX {
            return Err(WalkError::Circle);
        }
        let target = fs::readlinkat(link, "", Vec::new())?;
        self.push(Path::new(OsStr::from_bytes(target.as_bytes())))
    }

    fn here(&self) -> impl AsFd {
        self.chain.last().expect("a chain always contains its first folder")
    }
}

/// The type of a file, folder or link. Errors for anything else.
fn kind(stat: &fs::Stat) -> Result<FileType, WalkError> {
    match FileType::from_raw_mode(stat.st_mode) {
        kind @ (FileType::RegularFile | FileType::Directory | FileType::Symlink) => Ok(kind),
        FileType::Fifo => Err(WalkError::NotAFile("a pipe")),
        FileType::Socket => Err(WalkError::NotAFile("a socket")),
        _ => Err(WalkError::NotAFile("a device")),
    }
}
