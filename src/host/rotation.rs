//! Where the chain goes on in a new file: at the end of the one before, under whatever name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::ledger::TAIL_MAX;
use crate::audit::{self, Tail, Whole};

/// Rotated files that are looked at, newest first.
const ROTATED_MAX: usize = 64;

/// Whether the file still stands under this path.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let place = |it: fs::Metadata| (it.dev(), it.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => place(open) == place(there),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

/// How a file ends.
pub(super) fn tail(file: &mut File) -> io::Result<Tail> {
    let length = file.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub(TAIL_MAX as u64);
    let bytes = read_from(file, start)?;
    Ok(audit::read_tail(&bytes, if start == 0 { Whole::Yes } else { Whole::No }))
}

fn read_from(file: &mut File, start: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How the file before ends: the one that we have had open, or the one that `logrotate` has named
/// like this one (`NAME.1`, `NAME-20260102`). Nothing when there is none, or it is compressed.
/// Errors when somebody is writing to it at this moment.
pub(super) fn predecessor(path: &Path, open: Option<&File>) -> Result<Option<Tail>, ()> {
    // One that still stands there was emptied, not renamed: its end is gone, and it is locked by us.
    let held = open.filter(|it| !is_at(it, path)).and_then(|it| it.try_clone().ok());
    let named = rotated(path).into_iter().filter_map(|it| open_regular(&it).ok());
    let mut newest: Option<Tail> = None;
    for mut file in held.into_iter().chain(named) {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(()),
            // A file system without locks: then nobody can hold one.
            Err(TryLockError::Error(_)) => {}
        }
        let tail = tail(&mut file);
        let _ = file.unlock();
        let seq = |it: &Tail| it.head().map(|it| it.seq);
        if let Ok(tail) = tail
            && seq(&tail) > newest.as_ref().and_then(seq)
        {
            newest = Some(tail);
        }
    }
    Ok(newest)
}

/// Files beside `path` whose names go on where its own ends, the last written first.
fn rotated(path: &Path) -> Vec<PathBuf> {
    let (Some(name), folder) = (path.file_name(), path.parent()) else { return Vec::new() };
    let name = name.to_string_lossy();
    let folder = folder.filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<(std::time::SystemTime, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter(|it| {
            let other = it.file_name();
            let other = other.to_string_lossy();
            other.strip_prefix(&*name).is_some_and(|it| it.starts_with(['.', '-']))
        })
        .filter_map(|it| Some((it.metadata().ok()?.modified().ok()?, it.path())))
        .collect();
    found.sort();
    found.into_iter().rev().take(ROTATED_MAX).map(|it| it.1).collect()
}

/// Opens a regular file for reading. A pipe would wait for a writer, a device may do something.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let is_file = |it: io::Result<fs::Metadata>| it.map(|it| it.is_file());
    if !is_file(fs::metadata(path))? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if is_file(file.metadata())? {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}
