//! Closes the current file of a log once it is large or old enough: renames it, so that the next
//! record begins a new file. [`super::segment_archive`] compresses it later.
//!
//! The name of a segment is that of the log with the numbers of its first and its last record:
//! `audit.jsonl.1-20003`, and `audit.jsonl.1-20003.gz` once it is compressed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::disk;
use super::log_source::LogReader;
use super::rotation::{TAIL_MIN, tail};
use crate::audit::{Keys, open as open_record};

/// The ending of the name of a compressed segment.
pub(super) const COMPRESSED: &str = ".gz";

/// The ending of the name of the manifest.
pub(super) const MANIFEST: &str = ".manifest";

/// The ending of the name of a file that is being compressed.
pub(super) const DRAFT: &str = ".tmp";

/// When a file of the log is closed, and how many closed ones are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationLimits {
    /// The size from which the file is closed, in bytes.
    pub max_size: u64,
    /// The age of its first record from which the file is closed.
    pub every: Duration,
    /// The number of closed segments that are kept; `None` for all.
    pub keep: Option<usize>,
}

/// A file whose name is that of a segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SegmentFile {
    /// The numbers of its first and its last record, according to its name.
    pub(super) span: (u64, u64),
    pub(super) is_compressed: bool,
    pub(super) path: PathBuf,
}

/// The path of the manifest of the log at `path`.
pub(super) fn manifest_of(path: &Path) -> PathBuf {
    with_ending(path, MANIFEST)
}

/// The path with an ending added to its name.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The path of the log of which this file is a segment, also one that is being compressed, or the
/// manifest; `None` for other files.
pub(super) fn log_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(DRAFT).unwrap_or(name);
    let log = match name.strip_suffix(MANIFEST) {
        Some(log) => log,
        None => {
            let (log, span) = name.strip_suffix(COMPRESSED).unwrap_or(name).rsplit_once('.')?;
            parse_span(span)?;
            log
        }
    };
    Some(path.with_file_name(log))
}

/// Parses `1-20003`.
fn parse_span(text: &str) -> Option<(u64, u64)> {
    let number = |digits: &str| -> Option<u64> {
        digits.parse().ok().filter(|number: &u64| number.to_string() == digits)
    };
    let (first, last) = text.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

/// The files with the name of a segment of the log at `path`, in the order of their records. Of a
/// segment that exists twice, because its compression was interrupted, only the uncompressed file.
pub(super) fn segments(path: &Path) -> Vec<SegmentFile> {
    let Ok(entries) = fs::read_dir(disk::folder_of(path)) else { return Vec::new() };
    let segment = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let rest = name.strip_prefix(path.file_name()?.to_str()?)?.strip_prefix('.')?;
        let is_compressed = rest.ends_with(COMPRESSED);
        let span = parse_span(rest.strip_suffix(COMPRESSED).unwrap_or(rest))?;
        Some(SegmentFile { span, is_compressed, path: path.with_file_name(name) })
    };
    let mut found: Vec<SegmentFile> = entries.filter_map(Result::ok).filter_map(segment).collect();
    // The uncompressed file of two sorts first.
    found.sort();
    found.dedup_by(|later, earlier| later.span == earlier.span);
    found
}

/// Renames the file, which must be locked, to that of a segment if a limit is exceeded. Returns
/// whether it was renamed. Errors if the name exists already.
pub(super) fn close_if_due(
    path: &Path,
    file: &File,
    keys: &Keys,
    (limits, now): (RotationLimits, Timestamp),
) -> io::Result<bool> {
    let length = file.metadata()?.len();
    let Some((first, begun)) = first_record(file)? else { return Ok(false) };
    let every = limits.every.try_into().unwrap_or(jiff::SignedDuration::MAX);
    if length < limits.max_size && now.duration_since(begun) < every {
        return Ok(false);
    }
    let end = tail(file, keys, TAIL_MIN)?.0;
    let Some(last) = end.last() else { return Ok(false) };
    let segment = with_ending(path, &format!(".{first}-{}", last.head.seq));
    if segment.exists() || with_ending(&segment, COMPRESSED).exists() {
        let why = format!("`{}` exists already", segment.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    disk::rename(path, &segment)?;
    disk::sync_folder(path)?;
    Ok(true)
}

/// The number and the time of the first record of a file; `None` if its start has no record.
fn first_record(file: &File) -> io::Result<Option<(u64, Timestamp)>> {
    let start = LogReader::of(file.try_clone()?)?.start()?;
    let record = start.split(|byte| *byte == b'\n').find_map(|line| open_record(line).ok());
    Ok(record.and_then(|record| {
        let time = record.members["time"].as_str()?.parse().ok()?;
        Some((record.head.seq, time))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_segments() {
        let log = |name: &str| log_of(&Path::new("/log").join(name));
        let audit = Some(PathBuf::from("/log/audit.jsonl"));
        assert_eq!(log("audit.jsonl.1-20003.gz"), audit);
        assert_eq!(log("audit.jsonl.1-20003"), audit);
        assert_eq!(log("audit.jsonl.1-20003.gz.tmp"), audit);
        assert_eq!(log("audit.jsonl.manifest"), audit);
        for other in [
            "audit.jsonl",
            "audit.jsonl.1",
            "audit.jsonl-20260102",
            "audit.jsonl.2-1",
            "audit.jsonl.01-20",
            "audit.jsonl.+1-2",
        ] {
            assert_eq!(log(other), None, "{other}");
        }
    }
}
