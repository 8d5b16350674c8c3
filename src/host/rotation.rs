//! Finds the closed files of a log: segments, and those that another program has renamed (`NAME.1`,
//! `NAME-20260102` and so on).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;

use super::log_source::LogReader;
use super::segments;
use crate::audit::{Keys, RECORD_MAX, Tail, TailScope, first_seq, read_tail};

/// The number of rotated files that are considered, newest first.
const ROTATED_MAX: usize = 64;

/// How many bytes are read to find the last record of an unknown file. This is more than one write
/// appends, so that a hole left by a power failure in the last write is found.
pub(super) const TAIL_MAX: usize = 4 << 20;

/// How many bytes are read of a file whose end is known to be intact: two records of the maximum
/// length.
pub(super) const TAIL_MIN: usize = 2 * RECORD_MAX;

/// How many bytes before a torn end are searched for a record.
const SEARCH_MAX: usize = 64 << 20;

/// The endings of the names of compressed files.
const COMPRESSED: [&str; 5] = [".gz", ".xz", ".zst", ".bz2", ".lz4"];

/// The endings of the names of other files that are not parts of the log.
const OTHERS: [&str; 2] = [segments::MANIFEST, segments::DRAFT];

/// Whether the path still leads to the open file.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let place = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => place(open) == place(there),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

/// Whether two handles refer to the same file.
pub(super) fn is_same_file(one: &File, other: &File) -> io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Reads the end of a file: `most` bytes, and then more if they contain no record. Returns the end,
/// and the offset of the bytes that were read.
pub(super) fn tail(file: &File, keys: &Keys, most: usize) -> io::Result<(Tail, u64)> {
    let length = file.metadata()?.len();
    let mut most = most;
    loop {
        let start = length.saturating_sub(most as u64);
        let mut bytes = vec![0; usize::try_from(length - start).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, start)?;
        let scope = if start == 0 { TailScope::WholeFile } else { TailScope::EndOfFile };
        match read_tail(&bytes, scope, keys) {
            Tail::Foreign if start > 0 && most < SEARCH_MAX => most *= 4,
            tail => return Ok((tail, start)),
        }
    }
}

/// Reads the end of the previous file, which is the closed file with the highest sequence number.
/// Returns `None` if no closed file can be read. Errors with `WouldBlock` if a process is writing
/// to one.
pub(super) fn predecessor(path: &Path, keys: &Keys) -> io::Result<Option<Tail>> {
    let mut newest: Option<(u64, File)> = None;
    for file in rotated(path) {
        wait_for_writer(&file)?;
        let tail = tail(&file, keys, TAIL_MIN).ok().map(|(tail, _)| tail);
        if let Some(seq) = tail.as_ref().and_then(Tail::last).map(|last| last.head.seq)
            && newest.as_ref().is_none_or(|(highest, _)| *highest < seq)
        {
            newest = Some((seq, file));
        }
    }
    let highest = newest.as_ref().map_or(0, |(seq, _)| *seq);
    let archived = segments::segments(path).pop();
    if let Some(archived) = archived.filter(|file| file.is_compressed && file.span.1 > highest) {
        let source = LogReader::of(open_regular(&archived.path)?)?;
        return source.compressed_tail(keys, TAIL_MAX).map(Some);
    }
    newest.map(|(_, file)| Ok(tail(&file, keys, TAIL_MAX)?.0)).transpose()
}

/// The closed files that begin after the record `seq`, in the order of their records, except the
/// `known` ones.
pub(super) fn after(path: &Path, seq: u64, known: [&File; 2]) -> io::Result<Vec<LogReader>> {
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
            found.push((first, LogReader::of(file)?));
        }
    }
    // Looked for last: an uncompressed segment that has just vanished is among them.
    for segment in segments::segments(path) {
        let (first, _) = segment.span;
        let is_new = first > seq && !found.iter().any(|(known, _)| *known == first);
        if segment.is_compressed && is_new {
            found.push((first, LogReader::of(open_regular(&segment.path)?)?));
        }
    }
    found.sort_by_key(|(first, _)| *first);
    Ok(found.into_iter().map(|(_, source)| source).collect())
}

/// Errors with `WouldBlock` if a process is still writing to a renamed file.
pub(super) fn wait_for_writer(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => file.unlock(),
        Err(TryLockError::WouldBlock) => Err(ErrorKind::WouldBlock.into()),
        // The file system has no locks, so no process can hold one.
        Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Whether a file was deleted. Compression also deletes the file, but leaves a younger one with one
/// of the endings of [`COMPRESSED`].
pub(super) fn is_removed(file: &File, path: &Path) -> io::Result<bool> {
    let about = file.metadata()?;
    let is_compressed = |(modified, path): &(SystemTime, PathBuf)| {
        let name = path.to_string_lossy();
        COMPRESSED.iter().any(|end| name.ends_with(end))
            && about.modified().is_ok_and(|old| *modified >= old)
    };
    Ok(about.nlink() == 0 && !named_like(path).iter().any(is_compressed))
}

/// Opens the rotated files of the log at `path`, newest first: the regular files `NAME.*` and
/// `NAME-*` that are neither compressed nor the manifest.
fn rotated(path: &Path) -> Vec<File> {
    let mut found = named_like(path);
    found.retain(|(_, path)| {
        let name = path.to_string_lossy();
        !OTHERS.iter().chain(&COMPRESSED).any(|end| name.ends_with(end))
    });
    found.sort();
    let newest = found.iter().rev().take(ROTATED_MAX);
    newest.filter_map(|(_, path)| open_regular(path).ok()).collect()
}

/// The files beside `path` whose names begin with its name and `.` or `-`, with the times of their
/// last changes.
pub(super) fn named_like(path: &Path) -> Vec<(SystemTime, PathBuf)> {
    let (Some(name), folder) = (path.file_name(), path.parent()) else { return Vec::new() };
    let name = name.to_string_lossy();
    let folder = folder.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter(|entry| {
            let other = entry.file_name();
            let other = other.to_string_lossy();
            other.strip_prefix(&*name).is_some_and(|rest| rest.starts_with(['.', '-']))
        })
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect()
}

/// Opens a regular file for reading. Opening a pipe would block, and opening a device can have
/// side effects.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let is_file = |metadata: io::Result<fs::Metadata>| metadata.map(|metadata| metadata.is_file());
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
