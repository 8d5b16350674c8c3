//! The files of a log that were renamed: `NAME.1`, `NAME-20260102`, and so on.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;

use crate::audit::{Keys, RECORD_MAX, Tail, Whole, first_seq, read_tail};

/// Rotated files that are looked at, newest first.
const ROTATED_MAX: usize = 64;

/// How much of the end of a file is read to find its last record, in bytes, when nothing is known of
/// it: more than one write makes, so that a hole that the loss of power has left in the last write
/// is found.
pub(super) const TAIL_MAX: usize = 4 << 20;

/// The same when the file has been read up to here: two of the longest records.
pub(super) const TAIL_MIN: usize = 2 * RECORD_MAX;

/// How much is searched for a record behind which the file ends torn.
const SEARCH_MAX: usize = 64 << 20;

/// What the names of compressed files end in.
const COMPRESSED: [&str; 5] = [".gz", ".xz", ".zst", ".bz2", ".lz4"];

/// Whether the file still stands under this path.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let place = |it: fs::Metadata| (it.dev(), it.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => place(open) == place(there),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

/// Whether two handles are of one file.
pub(super) fn is_same_file(one: &File, other: &File) -> io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// How a file ends, and where the bytes begin from which that was read.
pub(super) fn tail(file: &File, keys: &Keys, most: usize) -> io::Result<(Tail, u64)> {
    let length = file.metadata()?.len();
    let mut most = most;
    loop {
        let start = length.saturating_sub(most as u64);
        let mut bytes = vec![0; usize::try_from(length - start).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, start)?;
        let whole = if start == 0 { Whole::Yes } else { Whole::No };
        match read_tail(&bytes, whole, keys) {
            Tail::Foreign if start > 0 && most < SEARCH_MAX => most *= 4,
            tail => return Ok((tail, start)),
        }
    }
}

/// How the file before ends: the newest of those that are named like this one. Nothing when there
/// is none that can be read. Errors with `WouldBlock` when a process is writing to one.
pub(super) fn predecessor(path: &Path, keys: &Keys) -> io::Result<Option<Tail>> {
    let mut newest: Option<(u64, File)> = None;
    for file in rotated(path) {
        wait_for_writer(&file)?;
        let tail = tail(&file, keys, TAIL_MIN).ok().map(|it| it.0);
        if let Some(seq) = tail.as_ref().and_then(Tail::last).map(|it| it.head.seq)
            && newest.as_ref().is_none_or(|it| it.0 < seq)
        {
            newest = Some((seq, file));
        }
    }
    newest.map(|it| Ok(tail(&it.1, keys, TAIL_MAX)?.0)).transpose()
}

/// The rotated files that begin behind a record, in the order of their records, without `known`.
pub(super) fn after(path: &Path, seq: u64, known: [&File; 2]) -> io::Result<Vec<File>> {
    let mut found = Vec::new();
    for file in rotated(path) {
        if is_same_file(&file, known[0])? || is_same_file(&file, known[1])? {
            continue;
        }
        let mut start = vec![0; TAIL_MIN];
        let read = file.read_at(&mut start, 0)?;
        let first = first_seq(&start[..read]);
        if first > seq && first < u64::MAX {
            wait_for_writer(&file)?;
            found.push((first, file));
        }
    }
    found.sort_by_key(|it| it.0);
    Ok(found.into_iter().map(|it| it.1).collect())
}

/// Errors with `WouldBlock` when a process is still writing to a file that was renamed.
pub(super) fn wait_for_writer(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => file.unlock(),
        Err(TryLockError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
        // A file system without locks: then no process can hold one.
        Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Whether a file was deleted, and not compressed: that leaves one with such a name, which is
/// younger.
pub(super) fn is_removed(file: &File, path: &Path) -> io::Result<bool> {
    let about = file.metadata()?;
    let is_compressed = |it: &(SystemTime, PathBuf)| {
        let name = it.1.to_string_lossy();
        COMPRESSED.iter().any(|end| name.ends_with(end))
            && about.modified().is_ok_and(|old| it.0 >= old)
    };
    Ok(about.nlink() == 0 && !named_like(path).iter().any(is_compressed))
}

/// Regular files beside `path` whose names go on where its own ends, the last written first.
fn rotated(path: &Path) -> Vec<File> {
    let mut found = named_like(path);
    found.sort();
    found.iter().rev().take(ROTATED_MAX).filter_map(|it| open_regular(&it.1).ok()).collect()
}

fn named_like(path: &Path) -> Vec<(SystemTime, PathBuf)> {
    let (Some(name), folder) = (path.file_name(), path.parent()) else { return Vec::new() };
    let name = name.to_string_lossy();
    let folder = folder.filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter(|it| {
            let other = it.file_name();
            let other = other.to_string_lossy();
            other.strip_prefix(&*name).is_some_and(|it| it.starts_with(['.', '-']))
        })
        .filter_map(|it| Some((it.metadata().ok()?.modified().ok()?, it.path())))
        .collect()
}

/// Opens a regular file for reading. A pipe would wait for a writer, a device may do something.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let is_file = |it: io::Result<fs::Metadata>| it.map(|it| it.is_file());
    if !is_file(fs::metadata(path))? {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if is_file(file.metadata())? {
        Ok(file)
    } else {
        Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"))
    }
}
