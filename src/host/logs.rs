//! Opens audit files and reads them line by line, in bounded memory.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use super::rotation::{TAIL_MIN, open_regular};
use crate::audit::{
    Check, FileLine, Head, Keys, RECORD_MAX, ReadOn, first_seq, open as open_record,
};

/// The size of the read buffer, in bytes.
const READ_MAX: usize = 256 * 1024;

/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

#[derive(Debug)]
pub struct LogFile {
    /// The path of the file as messages show it.
    pub name: String,
    file: File,
    /// Its length when it was opened, in bytes. Another process may be appending to it.
    length: u64,
    first_seq: u64,
}

/// Opens the files and sorts them by their first records; a file that is given twice is opened once.
/// Errors with a message.
pub fn open(paths: &[impl AsRef<Path>]) -> Result<Vec<LogFile>, String> {
    let mut places: Vec<(u64, u64)> = Vec::new();
    let mut logs = Vec::new();
    for path in paths {
        let path = path.as_ref();
        let (log, place) = open_one(path).map_err(|error| {
            format!("cannot read `{}`: {}", path.display(), words(path, &error))
        })?;
        if !places.contains(&place) {
            places.push(place);
            logs.push(log);
        }
    }
    logs.sort_by_key(|log| log.first_seq);
    Ok(logs)
}

/// Opens one file, as [`open`] does.
pub(super) fn open_own(path: &Path) -> io::Result<LogFile> {
    open_one(path).map(|(log, _)| log)
}

fn open_one(path: &Path) -> io::Result<(LogFile, (u64, u64))> {
    let file = open_regular(path)?;
    // A writer holds the lock until its lines are complete. If the lock cannot be taken, because
    // another process holds it or the file system has no locks, the current content is used.
    let _ = file.try_lock_shared();
    let metadata = file.metadata()?;
    let _ = file.unlock();
    let mut start = Vec::new();
    (&file).take(TAIL_MIN as u64).read_to_end(&mut start)?;
    if start.starts_with(&GZIP) {
        return Err(io::Error::other("it is compressed: unpack it first (`gunzip -k`)"));
    }
    let first_seq = first_seq(&start);
    let name = path.display().to_string();
    let log = LogFile { name, file, length: metadata.len(), first_seq };
    Ok((log, (metadata.dev(), metadata.ino())))
}

/// Why a path cannot be read, for messages.
fn words(path: &Path, error: &io::Error) -> String {
    let kind = |metadata: &Metadata| {
        let kind = metadata.file_type();
        if kind.is_dir() {
            Some("a folder")
        } else if kind.is_fifo() {
            Some("a pipe")
        } else if kind.is_file() {
            None
        } else {
            Some("a device or a socket")
        }
    };
    match (std::fs::metadata(path).ok().as_ref().and_then(kind), error.kind()) {
        (Some(what), _) => format!("this is {what}, not a file"),
        (None, ErrorKind::NotFound) => "there is no such file".into(),
        (None, ErrorKind::PermissionDenied) => "no permission to read it".into(),
        (None, _) => error.to_string(),
    }
}

/// Reads a text file of at most [`RECORD_MAX`] bytes. Errors with a message.
pub fn read_small(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read =
        open_regular(path).and_then(|file| file.take(RECORD_MAX as u64).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("cannot read `{}`: {}", path.display(), words(path, &error))),
    }
}

/// Calls `take` with the number and the trimmed text of every non-empty line of a text file. Errors
/// with a message, also if a line is longer than `most` bytes.
pub fn each_line(
    path: &Path,
    most: usize,
    mut take: impl FnMut(usize, &str),
) -> Result<(), String> {
    let bad = |why: String| format!("cannot read `{}`: {why}", path.display());
    let file = open_regular(path).map_err(|error| bad(words(path, &error)))?;
    let mut reader = BufReader::new(file);
    for number in 1.. {
        let mut line = String::new();
        let read = (&mut reader).take(most as u64 + 1).read_line(&mut line);
        match read.map_err(|error| bad(error.to_string()))? {
            0 => break,
            long if long > most => return Err(bad(format!("line {number} is too long"))),
            _ if line.trim().is_empty() => {}
            _ => take(number, line.trim()),
        }
    }
    Ok(())
}

/// The result of a search for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchResult {
    /// A record of this time was found.
    At(Timestamp),
    /// No such record is in the bytes that were searched.
    Nothing,
    /// The file is empty or cannot be read.
    Empty,
}

/// Searches the last `most` bytes of a file for the last record that the keys vouch for and whose
/// members satisfy `is`. Blocks.
pub fn last_time(
    path: &Path,
    most: usize,
    keys: &Keys,
    is: impl Fn(&Value) -> bool,
) -> SearchResult {
    let read = || {
        let file = File::open(path)?;
        let start = file.metadata()?.len().saturating_sub(most as u64);
        let mut bytes = Vec::new();
        (&file).seek(SeekFrom::Start(start))?;
        file.take(most as u64).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    };
    let bytes = read().unwrap_or_default();
    let time = |line: &[u8]| -> Option<Timestamp> {
        let record = open_record(line)
            .ok()
            .filter(|record| keys.vouch_for(record) && is(&record.members))?;
        record.members["time"].as_str()?.parse().ok()
    };
    match bytes.rsplit(|byte| *byte == b'\n').find_map(time) {
        Some(time) => SearchResult::At(time),
        None if bytes.is_empty() => SearchResult::Empty,
        None => SearchResult::Nothing,
    }
}

impl LogFile {
    /// Whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The number of bytes that are checked.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The head that the first record continues; `None` if the start of the file has no record.
    pub(super) fn before(&self) -> io::Result<Option<Head>> {
        let mut start = vec![0; TAIL_MIN];
        let read = self.file.read_at(&mut start, 0)?;
        let found =
            start[..read].split(|byte| *byte == b'\n').find_map(|line| open_record(line).ok());
        Ok(found
            .map(|record| Head { seq: record.head.seq.saturating_sub(1), hash: record.previous }))
    }

    /// Passes every line to the check until it finds a break.
    pub fn feed(&self, check: &mut Check<'_>) -> io::Result<()> {
        check.begin(&self.name);
        feed(&self.file, 0..self.length, check)
    }

    /// Passes every line to `take` until it stops.
    pub fn each_line(&self, take: impl FnMut(FileLine<'_>) -> ReadOn) -> io::Result<()> {
        lines(&self.file, 0..self.length, take)
    }
}

/// Passes the lines of a part of a file to the check until it finds a break. The part must begin at
/// the start of a line.
pub(super) fn feed(file: &File, part: Range<u64>, check: &mut Check<'_>) -> io::Result<()> {
    lines(file, part, |line| check.line(line))
}

fn lines(
    file: &File,
    part: Range<u64>,
    mut take: impl FnMut(FileLine<'_>) -> ReadOn,
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut is_long = false;
    let mut buffer = vec![0; READ_MAX];
    let mut at = part.start;
    while at < part.end {
        let most = usize::try_from(part.end - at).unwrap_or(READ_MAX).min(READ_MAX);
        let read = file.read_at(&mut buffer[..most], at)?;
        if read == 0 {
            break;
        }
        at += read as u64;
        for piece in buffer[..read].split_inclusive(|byte| *byte == b'\n') {
            let text = piece.strip_suffix(b"\n");
            line.extend_from_slice(text.unwrap_or(piece));
            let next = match (is_long, text) {
                (false, Some(_)) => take(FileLine::Whole(&line)),
                (false, None) if line.len() > RECORD_MAX => {
                    is_long = true;
                    take(FileLine::Begun(&line))
                }
                (true, _) => take(FileLine::More(&line)),
                (false, None) => continue,
            };
            is_long &= text.is_none();
            line.clear();
            if next == ReadOn::Stop {
                return Ok(());
            }
        }
    }
    if !line.is_empty() {
        take(FileLine::Cut(&line));
    }
    Ok(())
}
