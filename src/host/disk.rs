//! Writes that must survive a power failure: thin wrappers of system calls. The callers decide the
//! order.
//!
//! The rules, which [`super::crash`] checks by replaying a power failure at every point:
//!
//! - Appended bytes are durable once [`sync`] has returned.
//! - A name is durable once [`sync_folder`] has returned: neither creating nor renaming a file makes
//!   its name durable.
//! - A file that replaces another is synced before it is renamed; otherwise its name could lead to
//!   an empty file.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::io::Errno;

#[cfg(test)]
use super::crash::{Op, inode, log};

/// Opens a file for reading and appending. Creates it, private to the owner, if it does not exist.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
    #[cfg(test)]
    log(|| Op::Open(path.to_owned(), inode(&file)));
    Ok(file)
}

/// Appends to an open file.
pub(super) fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    #[cfg(test)]
    log(|| Op::Append(inode(file), bytes.to_vec()));
    file.write_all(bytes)
}

/// Syncs the content and the length of a file to disk.
pub(super) fn sync(file: &File) -> io::Result<()> {
    file.sync_data()?;
    #[cfg(test)]
    log(|| Op::Sync(inode(file)));
    Ok(())
}

/// Truncates a file to `length` bytes.
pub(super) fn cut(file: &File, length: u64) -> io::Result<()> {
    #[cfg(test)]
    log(|| Op::Cut(inode(file), length));
    file.set_len(length)
}

/// Renames a file within its folder.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    #[cfg(test)]
    log(|| Op::Rename(from.to_owned(), to.to_owned()));
    Ok(())
}

/// Deletes a file; one that does not exist is deleted already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        removed => removed?,
    }
    #[cfg(test)]
    log(|| Op::Remove(path.to_owned()));
    Ok(())
}

/// Syncs the names in the folder of `path` to disk. It is not an error if the folder is unreadable
/// or the file system cannot sync folders, because nothing more can be done.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(folder_of(path)).and_then(|folder| folder.sync_all()) {
        Err(error) if !is_impossible(&error) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    #[cfg(test)]
    log(|| Op::SyncFolder);
    Ok(())
}

fn is_impossible(error: &io::Error) -> bool {
    let codes = [Errno::ACCESS, Errno::INVAL, Errno::NOTSUP, Errno::BADF, Errno::ROFS];
    codes.iter().any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}

/// Replaces the file at `path` with one that has this text and mode. Returns when text and name are
/// durable. A reader sees either the old file or the new one, never a part.
pub(super) fn put(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    // A temporary file is private to its owner from the start.
    let mut draft = tempfile::NamedTempFile::new_in(folder_of(path))?;
    #[cfg(test)]
    log(|| Op::Open(draft.path().to_owned(), inode(draft.as_file())));
    append(draft.as_file_mut(), text.as_bytes())?;
    draft.as_file().set_permissions(Permissions::from_mode(mode))?;
    // Syncs the mode as well as the text.
    draft.as_file().sync_all()?;
    #[cfg(test)]
    log(|| Op::Sync(inode(draft.as_file())));
    #[cfg(test)]
    log(|| Op::Rename(draft.path().to_owned(), path.to_owned()));
    draft.persist(path).map_err(|failure| failure.error)?;
    sync_folder(path)
}

/// The folder of a path; `.` if the path has none.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
