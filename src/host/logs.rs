//! Opens audit files and reads them line by line, in bounded memory.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use super::log_source::{self, LogReader};
use super::rotation::{self, open_regular};
use crate::audit::{
    Check, FileLine, Head, Keys, RECORD_MAX, ReadOn, first_seq, open as open_record,
};

/// An open file of a log.
#[derive(Debug)]
pub struct LogFile {
    /// The path of the file as messages show it.
    pub name: String,
    source: LogReader,
    /// Its length when it was opened, in bytes. Another process may be appending to it.
    length: u64,
    first_seq: u64,
}

/// The device and inode number of a file.
pub(super) type InodeId = (u64, u64);

/// Opens one file. Its lines up to its present length are complete, unless a write was interrupted.
pub(super) fn open_one(path: &Path) -> io::Result<(LogFile, InodeId)> {
    let file = open_regular(path)?;
    // A writer holds the lock until its lines are complete. If the lock cannot be taken, because
    // another process holds it or the file system has no locks, the current content is used.
    let _ = file.try_lock_shared();
    let metadata = file.metadata()?;
    let _ = file.unlock();
    let source = LogReader::of(file)?;
    let first_seq = first_seq(&source.start()?);
    let name = path.display().to_string();
    let log = LogFile { name, source, length: metadata.len(), first_seq };
    Ok((log, (metadata.dev(), metadata.ino())))
}

/// Why a path cannot be read, for messages.
pub(super) fn words(path: &Path, error: &io::Error) -> String {
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
        // The current file may have been closed since the last record.
        None if bytes.is_empty() && matches!(rotation::predecessor(path, keys), Ok(None)) => {
            SearchResult::Empty
        }
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

    pub(super) fn source(&self) -> &LogReader {
        &self.source
    }

    /// The number of the first record; the largest number if there is none.
    pub(super) fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// The head that the first record continues; `None` if the start of the file has no record.
    pub(super) fn before(&self) -> io::Result<Option<Head>> {
        let start = self.source.start()?;
        let found = start.split(|byte| *byte == b'\n').find_map(|line| open_record(line).ok());
        Ok(found
            .map(|record| Head { seq: record.head.seq.saturating_sub(1), hash: record.previous }))
    }

    /// Passes every line to the check until it finds a break. Damaged compression is a break.
    pub fn feed(&self, check: &mut Check<'_>) -> io::Result<()> {
        check.begin(&self.name);
        match self.each_line(|line| check.line(line)) {
            Err(error) if self.source.is_compressed() && log_source::is_damage(&error) => {
                check.refuse(&format!("the compressed data are damaged: {error}"));
                Ok(())
            }
            fed => fed,
        }
    }

    /// Passes every line to `take` until it stops.
    pub fn each_line(&self, take: impl FnMut(FileLine<'_>) -> ReadOn) -> io::Result<()> {
        log_source::lines(&mut self.source.part(0, self.length), take)
    }
}
