//! Compresses closed segments, enters them in the manifest and deletes those that are not kept.
//!
//! Each step can be interrupted; the next call continues:
//!
//! 1. the compressed data are written to `NAME.gz.tmp`, whose lock makes other processes wait,
//! 2. that file is renamed to `NAME.gz`,
//! 3. the manifest gets a record with its size and its digest,
//! 4. the uncompressed file is deleted.
//!
//! **Invariant:** the uncompressed file exists until the compressed one and its record are durable.

use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::audit_file::{AuditFile, AuditFileError, MissingFolders, RecordWriter};
use super::disk;
use super::log_source::{self, LogReader};
use super::rotation::{self, TAIL_MIN, open_regular};
use super::segments::{
    self, COMPRESSED, DRAFT, RotationLimits, SegmentFile, manifest_of, with_ending,
};
use crate::audit::{
    Cause, Entry, FileLine, Head, LogNote, ReadOn, Segment, SegmentManifest, lost_records,
    open as open_record,
};

/// How many bytes are compressed between two looks at the stop flag.
const STEP: usize = 1 << 20;

/// How often, and at which interval, a manifest that another process has locked is tried again.
const MANIFEST_TRIES: (u32, Duration) = (50, Duration::from_millis(20));

/// The author of the manifest's records, and when to stop.
pub(super) struct Archivist<'a> {
    pub(super) path: &'a Path,
    pub(super) writer: &'a RecordWriter,
    pub(super) limits: RotationLimits,
    pub(super) cause: &'a Cause,
    pub(super) stop: &'a AtomicBool,
}

impl Archivist<'_> {
    /// Archives all closed segments. Blocks while it compresses.
    pub(super) fn run(&self) -> Result<(), AuditFileError> {
        let plain = |segment: &SegmentFile| !segment.is_compressed;
        let closed: Vec<_> = segments::segments(self.path).into_iter().filter(plain).collect();
        // Until the current file has a record, the last segment is the end of the log.
        if !closed.is_empty() && self.current_has_record()? {
            for segment in &closed {
                if self.stop.load(Ordering::Relaxed) || !self.archive(&segment.path)? {
                    return Ok(());
                }
            }
        }
        self.delete_old()
    }

    fn current_has_record(&self) -> Result<bool, AuditFileError> {
        let start = open_regular(self.path)
            .and_then(LogReader::of)
            .and_then(|source| source.start())
            .map_err(|error| self.io("read", self.path, error))?;
        Ok(start.split(|byte| *byte == b'\n').any(|line| open_record(line).is_ok()))
    }

    /// Archives one segment. Returns `false` if another process does it, or after a stop.
    fn archive(&self, plain: &Path) -> Result<bool, AuditFileError> {
        let compressed = with_ending(plain, COMPRESSED);
        let draft_path = with_ending(&compressed, DRAFT);
        let bad = |what| move |error| self.io(what, plain, error);
        let draft = disk::open(&draft_path).map_err(bad("compress"))?;
        match draft.try_lock() {
            Ok(()) if rotation::is_at(&draft, &draft_path) => {}
            Ok(()) | Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(self.io("lock", &draft_path, error)),
        }
        if !plain.exists() {
            // Another process has archived it in the meantime.
            disk::remove(&draft_path).map_err(bad("delete"))?;
            return Ok(true);
        }
        let name = compressed.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let known = self.manifest()?.named(&name).cloned();
        if known.is_none_or(|known| !is_intact(&compressed, &known)) {
            let result = draft.try_clone().and_then(|draft| self.compress(plain, draft));
            if result.is_err() {
                // A full disk gets its space back.
                let _ = disk::remove(&draft_path);
            }
            let Some(bytes) = result.map_err(bad("compress"))? else { return Ok(false) };
            disk::rename(&draft_path, &compressed).map_err(bad("rename"))?;
            disk::sync_folder(self.path).map_err(bad("sync the folder of"))?;
            let segment = describe(plain, (&compressed, name), bytes).map_err(bad("read"))?;
            self.record(|note| note.segment_closed(&segment))?;
        } else {
            disk::remove(&draft_path).map_err(bad("delete"))?;
        }
        disk::remove(plain).map_err(bad("delete"))?;
        disk::sync_folder(self.path).map_err(bad("sync the folder of"))?;
        // A process that is being started may hold a copy of the handle for a moment.
        draft.unlock().map_err(bad("unlock"))?;
        Ok(true)
    }

    /// Writes the compressed data and syncs them. Returns the number of bytes that were read, or
    /// `None` after a stop.
    fn compress(&self, plain: &Path, draft: File) -> io::Result<Option<u64>> {
        disk::cut(&draft, 0)?;
        let mut source = open_regular(plain)?;
        let mut encoder = GzEncoder::new(DraftWriter(draft), Compression::default());
        let (mut bytes, mut buffer) = (0, vec![0; STEP]);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let read = source.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            io::Write::write_all(&mut encoder, &buffer[..read])?;
            bytes += read as u64;
        }
        disk::sync(&encoder.finish()?.0)?;
        Ok(Some(bytes))
    }

    /// Deletes the oldest segments if there are more than are kept. The record comes first, so that
    /// a file that is missing without one was not deleted by this program.
    fn delete_old(&self) -> Result<(), AuditFileError> {
        let Some(keep) = self.limits.keep else { return Ok(()) };
        let manifest = self.manifest()?;
        let segments: Vec<&Segment> = manifest.segments().collect();
        let bad = |path: &Path, error| self.io("delete", path, error);
        for segment in &segments[..segments.len().saturating_sub(keep)] {
            self.record(|note| note.segment_deleted(segment))?;
            let path = self.path.with_file_name(&segment.name);
            disk::remove(&path).map_err(|error| bad(&path, error))?;
        }
        // Those whose deletion was interrupted after the record.
        let until = manifest.deleted().map_or(0, |deleted| deleted.head.seq);
        let left = segments::segments(self.path).into_iter().filter(|file| file.span.1 <= until);
        for file in left {
            disk::remove(&file.path).map_err(|error| bad(&file.path, error))?;
        }
        Ok(())
    }

    fn manifest(&self) -> Result<SegmentManifest, AuditFileError> {
        let path = manifest_of(self.path);
        read_manifest(&path).map_err(|error| self.io("read", &path, error))
    }

    /// Appends a record to the manifest, and waits while another process has locked it.
    fn record(&self, entry: impl Fn(&LogNote) -> Entry) -> Result<(), AuditFileError> {
        let file =
            AuditFile::open(&manifest_of(self.path), self.writer.clone(), MissingFolders::Fail)?;
        let RecordWriter { actor, clock, .. } = self.writer;
        let mut tries = 0;
        loop {
            let note =
                LogNote { time: clock.now(), actor: actor.clone(), cause: self.cause.clone() };
            match file.append(&entry(&note)) {
                Err(AuditFileError::Locked(_)) if tries < MANIFEST_TRIES.0 => {
                    tries += 1;
                    std::thread::sleep(MANIFEST_TRIES.1);
                }
                result => return result.map(drop),
            }
        }
    }

    fn io(&self, what: &'static str, path: &Path, error: io::Error) -> AuditFileError {
        AuditFileError::Io { what, path: path.display().to_string(), error }
    }
}

/// Writes through [`disk`], which the simulated power failures need.
struct DraftWriter(File);

impl io::Write for DraftWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        disk::append(&mut self.0, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether the compressed file is the one that the manifest describes.
fn is_intact(compressed: &Path, segment: &Segment) -> bool {
    let digest = open_regular(compressed).and_then(LogReader::of).and_then(|file| file.digest());
    digest.is_ok_and(|digest| digest == (segment.size, segment.sha256.clone()))
}

/// The description of a segment of `bytes` bytes, from its two files.
fn describe(
    plain: &Path,
    (compressed, name): (&PathBuf, String),
    bytes: u64,
) -> io::Result<Segment> {
    let source = LogReader::of(open_regular(plain)?)?;
    let start = source.start()?;
    let mut end = vec![0; usize::try_from(bytes.min(TAIL_MIN as u64)).unwrap_or(TAIL_MIN)];
    source.part(bytes - end.len() as u64, bytes).read_exact(&mut end)?;
    let first = start.split(|byte| *byte == b'\n').find_map(|line| open_record(line).ok());
    let last = end.rsplit(|byte| *byte == b'\n').find_map(|line| open_record(line).ok());
    let (Some(first), Some(last)) = (first, last) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it has no records"));
    };
    let time =
        |members: &serde_json::Value| members["time"].as_str().unwrap_or_default().to_owned();
    let span = (time(&first.members), time(&last.members));
    let mut lost = 0;
    log_source::lines(&mut source.part(0, bytes), |line| {
        if let FileLine::Whole(line) = line {
            lost += lost_records(line);
        }
        ReadOn::GoOn
    })?;
    let (size, sha256) = LogReader::of(open_regular(compressed)?)?.digest()?;
    let before = Head { seq: first.head.seq.saturating_sub(1), hash: first.previous };
    Ok(Segment { name, before, head: last.head, span, lost, bytes, size, sha256 })
}

/// The manifest at `path`; an empty one if there is no file. Records that cannot be read are left
/// out: `audit verify` reports them.
pub(super) fn read_manifest(path: &Path) -> io::Result<SegmentManifest> {
    let mut manifest = SegmentManifest::default();
    let source = match open_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(manifest),
        file => LogReader::of(file?)?,
    };
    log_source::lines(&mut source.reader(0)?, |line| {
        if let FileLine::Whole(bytes) = line
            && let Ok(record) = open_record(bytes)
        {
            // What it does not describe is not known.
            let _ = manifest.take(&record);
        }
        ReadOn::GoOn
    })?;
    Ok(manifest)
}

#[cfg(test)]
mod tests;
