//! The last record that this process wrote or read, and the check that the log still continues it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use jiff::Timestamp;

use super::log_source::{self, LogReader};
use super::rotation::{self, is_same_file};
use crate::audit::{Check, CheckCriteria, DamageKind, Head, Keys, LastRecord, Signer, open};

/// A known record and its position in a file.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub(super) head: Head,
    /// The signer of the next record.
    pub(super) signer: Signer,
    /// When and on which machine another process wrote the record; absent for our own records.
    pub(super) written: Option<(Timestamp, String)>,
    /// The open file that contains the record; it may have been renamed since.
    pub(super) file: File,
    /// The offset of its line in the file.
    pub(super) start: u64,
    /// The offset of the next line.
    pub(super) end: u64,
}

/// What this process knows about the log.
pub(super) struct KnownLog {
    /// The last record that is known.
    pub(super) head: Option<Head>,
    /// The file that contains that record.
    pub(super) file: Option<File>,
    /// The head at which the previous file ended, if this process began the current one.
    pub(super) began_after: Option<Head>,
}

/// What has happened to the log since the checkpoint.
#[derive(Debug)]
pub(super) struct Continuation {
    /// Set if the log does not continue the checkpoint.
    pub(super) harm: Option<DamageKind>,
    /// Whether the log continues with a key that this process does not have.
    pub(super) is_signed_by_others: bool,
    /// The last file with records, if the current one has none.
    pub(super) before: Option<LogReader>,
    /// Whether no record was added.
    pub(super) is_unchanged: bool,
    /// The last record that continues the checkpoint, and the signer of the next one.
    pub(super) last: (Head, Signer),
}

impl Checkpoint {
    /// A checkpoint at the last record of a file, which was found in the bytes from `offset` on.
    pub(super) fn of(last: &LastRecord, file: File, offset: u64) -> Self {
        let at = |index: usize| offset + index as u64;
        let (start, end) = (at(last.line.start), at(last.line.end) + 1);
        Self {
            head: last.head.clone(),
            signer: last.signer.clone(),
            written: last.written.clone(),
            file,
            start,
            end,
        }
    }

    /// Whether the record is still in its place, unchanged.
    fn is_in_place(&self) -> io::Result<bool> {
        let length = usize::try_from(self.end - self.start - 1).unwrap_or(usize::MAX);
        let mut line = vec![0; length];
        match self.file.read_exact_at(&mut line, self.start) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        Ok(open(&line).is_ok_and(|record| record.head == self.head))
    }

    /// Reads from the checkpoint to the end of the log, whose current file is `file` at `path`, and
    /// checks that every record continues the previous one. Errors with `WouldBlock` if a process is
    /// still writing to a renamed file.
    pub(super) fn continuation(
        &self,
        path: &Path,
        file: &File,
        keys: &Keys,
    ) -> io::Result<Continuation> {
        let length = file.metadata()?.len();
        let is_same = is_same_file(&self.file, file)?;
        let mut continuation = Continuation {
            harm: None,
            is_signed_by_others: false,
            before: None,
            is_unchanged: false,
            last: (self.head.clone(), self.signer.clone()),
        };
        if is_same && length == 0 {
            continuation.harm = Some(DamageKind::Emptied);
        } else if !self.is_in_place()? {
            let reason = format!("record {} is no longer in its place", self.head.seq);
            continuation.harm = Some(DamageKind::Altered(reason));
        } else if is_same && length <= self.end {
            continuation.is_unchanged = true;
        } else {
            self.read_on(path, file, keys, &mut continuation)?;
        }
        Ok(continuation)
    }

    fn read_on(
        &self,
        path: &Path,
        file: &File,
        keys: &Keys,
        continuation: &mut Continuation,
    ) -> io::Result<()> {
        let is_same = is_same_file(&self.file, file)?;
        let length = file.metadata()?.len();
        let criteria = CheckCriteria { keys: Some(keys), ..CheckCriteria::default() };
        let mut check = Check::after(self.head.clone(), self.signer.clone(), criteria);
        let mut files = vec![(LogReader::of(self.file.try_clone()?)?, self.end)];
        if !is_same {
            rotation::wait_for_writer(&self.file)?;
            let later = rotation::after(path, self.head.seq, [&self.file, file])?;
            files.extend(later.into_iter().map(|source| (source, 0)));
            if length > 0 {
                files.push((LogReader::of(file.try_clone()?)?, 0));
            }
        }
        for (source, from) in &files {
            check.begin("");
            log_source::lines(&mut source.reader(*from)?, |line| check.line(line))?;
        }
        continuation.before = files.pop().map(|(source, _)| source).filter(|_| length == 0);
        continuation.is_signed_by_others = check.is_signed_by_others();
        let is_removed = !is_same && rotation::is_removed(&self.file, path)?;
        continuation.harm = match check.broken() {
            Some(_) if continuation.is_signed_by_others => None,
            Some(reason) => Some(DamageKind::Altered(reason.to_owned())),
            None => Some(DamageKind::Removed).filter(|_| is_removed),
        };
        if let Some(last) = check.last() {
            continuation.last = last;
        }
        Ok(())
    }
}
