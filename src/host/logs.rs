//! Audit files as they are checked: opened once, read line by line, however large they are.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::rotation::open_regular;
use crate::audit::{Check, Line, Next, RECORD_MAX, first_seq};

/// How much is read at once, in bytes.
const READ_MAX: usize = 256 * 1024;

/// What gzip begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// One file that is to be checked.
#[derive(Debug)]
pub struct Log {
    /// Its name, for people.
    pub name: String,
    file: File,
    /// What is there now; a process may be adding to it.
    length: u64,
    first_seq: u64,
}

/// Opens the files, in the order in which they are to be checked; a file that is named twice is
/// checked once. Errors with what is wrong with one, in words.
pub fn open(paths: &[impl AsRef<Path>]) -> Result<Vec<Log>, String> {
    let mut places: Vec<(u64, u64)> = Vec::new();
    let mut logs = Vec::new();
    for path in paths {
        let path = path.as_ref();
        let (log, place) = open_one(path).map_err(|error| {
            format!("cannot check `{}`: {}", path.display(), words(path, &error))
        })?;
        if !places.contains(&place) {
            places.push(place);
            logs.push(log);
        }
    }
    logs.sort_by_key(|it| it.first_seq);
    Ok(logs)
}

fn open_one(path: &Path) -> io::Result<(Log, (u64, u64))> {
    let mut file = open_regular(path)?;
    // Whoever writes holds the lock until the line is whole. A file system without locks, or one
    // that is not let go: then what is there is checked.
    let _ = file.try_lock_shared();
    let metadata = file.metadata()?;
    let _ = file.unlock();
    let mut start = Vec::new();
    (&mut file).take(RECORD_MAX as u64).read_to_end(&mut start)?;
    if start.starts_with(&GZIP) {
        return Err(io::Error::other("it is compressed: unpack it first (`gunzip -k`)"));
    }
    file.seek(SeekFrom::Start(0))?;
    let line = start.split(|it| *it == b'\n').next().unwrap_or_default();
    let first_seq = first_seq(line);
    let name = path.display().to_string();
    let log = Log { name, file, length: metadata.len(), first_seq };
    Ok((log, (metadata.dev(), metadata.ino())))
}

/// What is wrong with a path, for people.
fn words(path: &Path, error: &io::Error) -> String {
    let kind = |it: &Metadata| {
        let kind = it.file_type();
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

impl Log {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Hands every line to the check, until that has found a break.
    pub fn feed(&mut self, check: &mut Check<'_>) -> io::Result<()> {
        check.begin(&self.name);
        let mut reader = BufReader::with_capacity(READ_MAX, (&mut self.file).take(self.length));
        let mut line = Vec::new();
        let mut is_long = false;
        loop {
            let part = reader.fill_buf()?;
            if part.is_empty() {
                break;
            }
            let end = part.iter().position(|it| *it == b'\n');
            let text = &part[..end.unwrap_or(part.len())];
            is_long |= line.len() + text.len() > RECORD_MAX;
            if !is_long {
                line.extend_from_slice(text);
            }
            let used = text.len() + usize::from(end.is_some());
            reader.consume(used);
            if end.is_some() || is_long {
                let whole = if is_long { Line::TooLong } else { Line::Whole(&line) };
                if check.line(whole) == Next::Stop {
                    return Ok(());
                }
                line.clear();
            }
        }
        if !line.is_empty() {
            check.line(Line::Cut(&line));
        }
        Ok(())
    }
}
