//! Writes that must survive a loss of power: thin layers over the system calls, whose order the
//! callers decide.
//!
//! The rules, checked by [`super::crash`], which replays every point at which the power can fail:
//!
//! - What is appended is on the disk once [`sync`] has returned.
//! - A name is on the disk once [`sync_folder`] has returned: neither creating nor renaming a file
//!   makes its name durable by itself.
//! - A file that takes the place of another is synced before it is renamed, else its name could
//!   lead to an empty file.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::io::Errno;

#[cfg(test)]
use super::crash::{Op, inode, log};

/// Opens a file for reading and appending; makes it, for its owner alone, where there is none.
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

/// Brings what was written to the disk, and the file's length.
pub(super) fn sync(file: &File) -> io::Result<()> {
    file.sync_data()?;
    #[cfg(test)]
    log(|| Op::Sync(inode(file)));
    Ok(())
}

/// Takes back what was appended beyond `length`.
pub(super) fn cut(file: &File, length: u64) -> io::Result<()> {
    #[cfg(test)]
    log(|| Op::Cut(inode(file), length));
    file.set_len(length)
}

/// Brings the names in the folder of `path` to the disk. A folder that may not be read and a file
/// system that does not sync folders are no errors: there is nothing more that could be done.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(folder_of(path)).and_then(|it| it.sync_all()) {
        Err(error) if !is_impossible(&error) => return Err(error),
        Ok(()) | Err(_) => {}
    }
    #[cfg(test)]
    log(|| Op::SyncFolder);
    Ok(())
}

fn is_impossible(error: &io::Error) -> bool {
    let codes = [Errno::ACCESS, Errno::INVAL, Errno::NOTSUP, Errno::BADF, Errno::ROFS];
    codes.iter().any(|it| error.raw_os_error() == Some(it.raw_os_error()))
}

/// Puts a file with this text and mode in the place of `path`, and returns when text and name are
/// on the disk. A reader sees the old file or the new one, whole.
pub(super) fn put(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    // A temporary file is for its owner alone from the first byte on.
    let mut draft = tempfile::NamedTempFile::new_in(folder_of(path))?;
    #[cfg(test)]
    log(|| Op::Open(draft.path().to_owned(), inode(draft.as_file())));
    append(draft.as_file_mut(), text.as_bytes())?;
    draft.as_file().set_permissions(Permissions::from_mode(mode))?;
    // The mode as well as the text.
    draft.as_file().sync_all()?;
    #[cfg(test)]
    log(|| Op::Sync(inode(draft.as_file())));
    #[cfg(test)]
    log(|| Op::Rename(draft.path().to_owned(), path.to_owned()));
    draft.persist(path).map_err(|it| it.error)?;
    sync_folder(path)
}

/// The folder that a path is in.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
