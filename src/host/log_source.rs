//! Reads the files of a log, compressed or not, in bounded memory.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::rotation::TAIL_MIN;
use crate::audit::{FileLine, Keys, RECORD_MAX, ReadOn, Tail, TailScope, read_tail};

/// The size of the read buffer, in bytes.
const READ_MAX: usize = 256 * 1024;

/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The largest factor by which a compressed log may expand. Each record has two hashes of 32 bytes,
/// one of which the previous record has, too, so that compression gains less than this.
const EXPANSION_MAX: u64 = 100;

/// An open file of a log.
#[derive(Debug)]
pub(super) struct LogReader {
    file: File,
    is_compressed: bool,
}

impl LogReader {
    /// Detects by its first bytes whether the file is compressed.
    pub(super) fn of(file: File) -> io::Result<Self> {
        let mut start = [0; GZIP.len()];
        let read = file.read_at(&mut start, 0)?;
        Ok(Self { is_compressed: read == GZIP.len() && start == GZIP, file })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Whether the file is compressed; then it can only be read from its beginning.
    pub(super) fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    /// The bytes of the log from `from` to the end; of a compressed file all of them.
    pub(super) fn reader(&self, from: u64) -> io::Result<Box<dyn Read + '_>> {
        let length = self.file.metadata()?.len();
        Ok(self.part(from, length))
    }

    /// The bytes up to the offset `end` of the file, which may have grown since.
    pub(super) fn part(&self, from: u64, end: u64) -> Box<dyn Read + '_> {
        if !self.is_compressed {
            return Box::new(PartReader { file: &self.file, at: from, end });
        }
        let compressed = PartReader { file: &self.file, at: 0, end };
        let compressed = io::BufReader::with_capacity(64 << 10, compressed);
        let left = end.saturating_mul(EXPANSION_MAX).saturating_add(RECORD_MAX as u64);
        Box::new(BoundedReader { inner: MultiGzDecoder::new(compressed), left })
    }

    /// The first bytes of the log: two records of the maximum length, or all.
    pub(super) fn start(&self) -> io::Result<Vec<u8>> {
        let mut start = Vec::new();
        match self.reader(0)?.take(TAIL_MIN as u64).read_to_end(&mut start) {
            // What precedes the damage shows where the file belongs; a check finds the damage.
            Err(error) if is_damage(&error) => {}
            read => drop(read?),
        }
        Ok(start)
    }

    /// The end of a compressed file, found in its last `most` bytes or more.
    pub(super) fn compressed_tail(&self, keys: &Keys, most: usize) -> io::Result<Tail> {
        let mut reader = self.reader(0)?;
        let (mut end, mut buffer) = (Vec::new(), vec![0; READ_MAX]);
        let mut scope = TailScope::WholeFile;
        loop {
            let read = reader.read(&mut buffer)?;
            if read == 0 {
                return Ok(read_tail(&end, scope, keys));
            }
            if end.len() > most.saturating_mul(2) {
                end.drain(..end.len() - most);
                scope = TailScope::EndOfFile;
            }
            end.extend_from_slice(&buffer[..read]);
        }
    }

    /// The size of the file, in bytes, and its SHA-256 in hexadecimal.
    pub(super) fn digest(&self) -> io::Result<(u64, String)> {
        let length = self.file.metadata()?.len();
        let mut reader = PartReader { file: &self.file, at: 0, end: length };
        let (mut sum, mut size, mut buffer) = (Sha256::new(), 0, vec![0; READ_MAX]);
        loop {
            let read = reader.read(&mut buffer)?;
            if read == 0 {
                let sum = sum.finalize();
                return Ok((size, sum.iter().map(|byte| format!("{byte:02x}")).collect()));
            }
            sum.update(&buffer[..read]);
            size += read as u64;
        }
    }
}

/// Whether the error says that compressed data are damaged, not that the disk cannot be read.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput
    )
}

/// A part of a file, read without moving its offset.
struct PartReader<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for PartReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Ends with an error once more bytes were read than are allowed.
struct BoundedReader<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for BoundedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let why = format!("it expands to more than {EXPANSION_MAX} times its size");
            io::Error::new(ErrorKind::InvalidData, why)
        })?;
        Ok(read)
    }
}

/// Passes the lines to `take` until it stops.
pub(super) fn lines(
    reader: &mut dyn Read,
    mut take: impl FnMut(FileLine<'_>) -> ReadOn,
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut is_long = false;
    let mut buffer = vec![0; READ_MAX];
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            break;
        }
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
