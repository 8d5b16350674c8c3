//! The audit file: lock, continue what is there, `fsync`. Several processes share one file.

mod error;

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::checkpoint::{Checkpoint, KnownLog};
use super::clock::Clock;
use super::disk;
use super::log_end::{LogEnd, LogEndError, log_end};
use super::rotation::{self, TAIL_MAX};
use super::state_dir;
use crate::audit::{
    Actor, Cause, Damage, Draft, Ending, Entry, Head, Key, KeyError, Keys, Kind, LastRecord,
    LogNote, Signer, Tail, Torn,
};
use crate::domain::poison::IgnorePoison;

pub use error::AuditFileError;

/// What a full disk must still hold before `apply` begins, in bytes.
const FIRST_RECORDS: u64 = 8 << 10;

/// How far the clock may go back without a record of it.
const SET_BACK_MIN: SignedDuration = SignedDuration::from_secs(1);

/// The author of records: actor, clock and keys.
#[derive(Debug, Clone)]
pub struct RecordWriter {
    /// The user, host and process.
    pub actor: Actor,
    /// The clock of the records.
    pub clock: Clock,
    /// Keys of the HMACs.
    pub keys: Keys,
}

/// One audit file. It is reopened for each write, so that a rotation by rename is noticed.
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    writer: RecordWriter,
    /// The lock also serialises the tasks of this process.
    state: Mutex<FileState>,
}

/// The result of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The head of the log after the append.
    pub head: Head,
    /// The heads of the requested records, in order.
    pub heads: Vec<Head>,
    /// The head at which the previous file ended, if the records begin a new file.
    pub rotated: Option<Head>,
    /// Set if the log was not as this process had left it; a gap record says so.
    pub damage: Option<Damage>,
    /// The kinds of all records that were written, those about the log itself included.
    pub kinds: Vec<Kind>,
}

/// What is kept from one write to the next.
#[derive(Debug, Default)]
struct FileState {
    /// The last record that is known to be in the log.
    checkpoint: Option<Checkpoint>,
    /// The time of the last write, by the wall clock and by the monotonic clock.
    wrote: Option<(Timestamp, Instant)>,
    /// The head at which the previous file ended, if this process began the present one.
    began_after: Option<Head>,
}

impl AuditFile {
    /// Makes sure that records can be written: creates the file (for its owner alone) and, for the
    /// state folder, the folders above it; takes the lock once and looks at the end. Blocks.
    pub fn open(
        path: &Path,
        writer: RecordWriter,
        folders: Folders,
    ) -> Result<Self, AuditFileError> {
        let audit_file = Self { path: path.to_owned(), writer, state: Mutex::default() };
        if let (Folders::Create, Some(folder)) = (folders, path.parent()) {
            state_dir::create_folder(folder)
                .map_err(|it| audit_file.io("create the folder of", it))?;
        }
        let file = audit_file.file()?;
        match audit_file.lock(&file) {
            Ok(()) => {
                audit_file.look(&file)?;
                // What was kept of it shares the lock, and would hold it.
                file.unlock().map_err(|it| audit_file.io("unlock", it))?;
            }
            // Another process is writing to it, so it can be written to.
            Err(AuditFileError::Locked(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(audit_file)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who writes.
    pub fn writer(&self) -> &RecordWriter {
        &self.writer
    }

    /// The last record that this process knows to be in the log.
    pub fn head(&self) -> Option<Head> {
        self.state().checkpoint.as_ref().map(|it| it.head.clone())
    }

    /// The same with the file that it is in.
    pub(super) fn known(&self) -> io::Result<KnownLog> {
        let state = self.state();
        let file = state.checkpoint.as_ref().map(|it| it.file.try_clone()).transpose()?;
        let head = state.checkpoint.as_ref().map(|it| it.head.clone());
        Ok(KnownLog { head, file, began_after: state.began_after.clone() })
    }

    /// How this file ends, to be held against it at the first write.
    fn look(&self, file: &File) -> Result<(), AuditFileError> {
        let (tail, offset) = self.tail(file, TAIL_MAX)?;
        if tail == Tail::Foreign {
            return Err(AuditFileError::Foreign(self.shown()));
        }
        let Some(last) = tail.last() else { return Ok(()) };
        let note = self.note(Cause::default());
        let next = self.writer.keys.succession(&last.signer, &last.head, &note);
        next.map_err(|it| self.standoff(it))?;
        let file = file.try_clone().map_err(|it| self.io("open", it))?;
        self.state().checkpoint = Some(Checkpoint::of(last, file, offset));
        Ok(())
    }

    /// Asks the disk for room for the first records, so that a full one is known before anything is
    /// changed; the file stays as it is. Where a file system cannot say, the first record will.
    pub fn find_room(&self) -> Result<(), AuditFileError> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;

        let file = self.file()?;
        let length = file.metadata().map_err(|it| self.io("look at", it))?.len();
        match fallocate(&file, FallocateFlags::KEEP_SIZE, length, FIRST_RECORDS) {
            Err(error @ (Errno::NOSPC | Errno::DQUOT)) => {
                Err(self.io("find room for a record in", error.into()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Appends one record and brings it to the disk. Blocks, for the time of an `fsync`.
    pub fn append(&self, entry: &Entry) -> Result<Head, AuditFileError> {
        self.append_all(&[&entry.into()], &Cause::default()).map(|it| it.head)
    }

    /// Appends records, in this order, and brings all of them to the disk at once; or none. Before
    /// them go those that the log needs about itself, which have this cause. Blocks, for the time
    /// of an `fsync`.
    pub fn append_all(&self, drafts: &[&Draft], cause: &Cause) -> Result<Appended, AuditFileError> {
        let mut state = self.state();
        let mut file = self.file()?;
        self.lock(&file)?;
        if !rotation::is_at(&file, &self.path) {
            // Renamed between opening and locking: nothing may be added to it any more.
            return Err(AuditFileError::Locked(self.shown()));
        }
        let LogEnd { tail, rotated, damage } = self.log_end(&file, state.checkpoint.as_ref())?;
        let note = self.note(cause.clone());
        let set_back = self.set_back(note.time, &state, tail.last());
        let mut batch = self.continued(tail, &note, damage.as_ref())?;
        let key = self.writer.keys.signing();
        let of_clock = set_back.map(|(from, by)| note.set_back(from, by));
        let of_damage = damage.as_ref().map(|it| note.damaged(it));
        for entry in of_damage.iter().chain(&of_clock) {
            batch.write(&entry.into(), key);
        }
        let mut heads = Vec::with_capacity(drafts.len());
        for draft in drafts {
            batch.write(draft, key);
            heads.push(batch.head.clone());
        }
        let length = self.write(&mut file, batch.text.as_bytes())?;
        // Kept open, and no longer locked: whether that succeeds shows at the next lock.
        let _ = file.unlock();
        let end = length + batch.text.len() as u64;
        let head = batch.head.clone();
        let signer = key.map_or(Signer::Unsigned, |it| Signer::Known(it.id().clone()));
        let start = end - batch.last_line as u64;
        state.checkpoint =
            Some(Checkpoint { head: head.clone(), signer, written: None, file, start, end });
        state.wrote = Some((self.writer.clock.now(), Instant::now()));
        if rotated.is_some() {
            state.began_after.clone_from(&rotated);
        }
        Ok(Appended { head, heads, rotated, damage, kinds: batch.kinds })
    }

    fn state(&self) -> MutexGuard<'_, FileState> {
        self.state.lock().ignoring_poison()
    }

    fn note(&self, cause: Cause) -> LogNote {
        let RecordWriter { actor, clock, .. } = &self.writer;
        LogNote { time: clock.now(), actor: actor.clone(), cause }
    }

    /// From when and by how much the clock was set back since the last record.
    fn set_back(
        &self,
        now: Timestamp,
        state: &FileState,
        last: Option<&LastRecord>,
    ) -> Option<SetBack> {
        let ours = state.wrote.filter(|_| matches!(self.writer.clock, Clock::Real));
        let due = ours.and_then(|(time, at)| time.checked_add(at.elapsed()).ok());
        // Another process of this machine, or the one before this.
        let theirs = last.and_then(|it| it.written.as_ref());
        let theirs = theirs.filter(|it| it.1 == self.writer.actor.host).map(|it| it.0);
        let due = due.into_iter().chain(theirs).max()?;
        let by = due.duration_since(now);
        (by > SET_BACK_MIN).then_some((due, by))
    }

    fn log_end(
        &self,
        file: &File,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<LogEnd, AuditFileError> {
        log_end(&self.path, file, &self.writer.keys, checkpoint).map_err(|it| match it {
            LogEndError::Io(error) => self.io("read", error),
            LogEndError::Foreign => AuditFileError::Foreign(self.shown()),
            LogEndError::OtherKey => AuditFileError::OtherKey(self.shown()),
        })
    }

    /// A batch behind the end of the log, and behind what must be said of that first.
    fn continued(
        &self,
        tail: Tail,
        note: &LogNote,
        damage: Option<&Damage>,
    ) -> Result<RecordBatch, AuditFileError> {
        let keys = &self.writer.keys;
        let (last, torn, ending) = match tail {
            Tail::Sound { last, ending } => (last, None, ending),
            Tail::Torn { last, bytes, ending } => {
                (last.unwrap_or_else(LastRecord::start), Some(bytes), ending)
            }
            Tail::Empty | Tail::Foreign => return Err(AuditFileError::Foreign(self.shown())),
        };
        let is_start = last.head.seq == 0;
        let mut batch = RecordBatch::new(last.head, ending);
        if let Some(torn) = torn {
            // It must be the very next record, so the key that is due signs it.
            let due = keys
                .due(&last.signer)
                .filter(|_| !is_start)
                .or_else(|| keys.signing().filter(|_| is_start));
            batch.write(&(&note.torn(&Torn::of(&torn))).into(), due);
        }
        if is_start {
            return Ok(batch);
        }
        match keys.succession(&last.signer, &batch.head, note) {
            Ok(Some((entry, key))) => batch.write(&(&entry).into(), Some(key)),
            Ok(None) => {}
            // What stands there is no longer ours: the records from here on are.
            Err(_) if damage.is_some_and(Damage::is_altered) => {}
            Err(standoff) => return Err(self.standoff(standoff)),
        }
        Ok(batch)
    }

    fn standoff(&self, standoff: KeyError) -> AuditFileError {
        match standoff {
            KeyError::Unsigned => AuditFileError::Unsigned(self.shown()),
            KeyError::UnknownKey => AuditFileError::OtherKey(self.shown()),
        }
    }

    fn file(&self) -> Result<File, AuditFileError> {
        let file = disk::open(&self.path).map_err(|it| self.io("open", it))?;
        if file.metadata().map_err(|it| self.io("look at", it))?.is_file() {
            Ok(file)
        } else {
            Err(AuditFileError::NotAFile(self.shown()))
        }
    }

    /// Released when the file is closed.
    fn lock(&self, file: &File) -> Result<(), AuditFileError> {
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => AuditFileError::Locked(self.shown()),
            TryLockError::Error(error) => self.io("lock", error),
        })
    }

    fn tail(&self, file: &File, most: usize) -> Result<(Tail, u64), AuditFileError> {
        rotation::tail(file, &self.writer.keys, most).map_err(|it| self.io("read", it))
    }

    /// All of it, on the disk; or nothing, as far as the system lets us take it back. Brings the
    /// length before.
    fn write(&self, file: &mut File, text: &[u8]) -> Result<u64, AuditFileError> {
        let length = file.metadata().map_err(|it| self.io("look at", it))?.len();
        if let Err(error) = disk::append(file, text).and_then(|()| disk::sync(file)) {
            // A full disk cuts a record in half. If this fails as well, the torn end is told of by
            // the next record.
            let _ = disk::cut(file, length);
            return Err(self.io("write to", error));
        }
        if length == 0 {
            // The file may be a new one, whose name is not on the disk.
            disk::sync_folder(&self.path).map_err(|it| self.io("sync the folder of", it))?;
        }
        Ok(length)
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn io(&self, what: &'static str, error: io::Error) -> AuditFileError {
        if error.kind() == ErrorKind::WouldBlock {
            return AuditFileError::Locked(self.shown());
        }
        AuditFileError::Io { what, path: self.shown(), error }
    }
}

/// From when, and by how much.
type SetBack = (Timestamp, SignedDuration);

/// What is about to be written.
struct RecordBatch {
    head: Head,
    text: String,
    /// Length of the last line, its newline included.
    last_line: usize,
    kinds: Vec<Kind>,
}

impl RecordBatch {
    fn new(head: Head, ending: Ending) -> Self {
        Self { head, text: ending.repair().to_owned(), last_line: 0, kinds: Vec::new() }
    }

    fn write(&mut self, draft: &Draft, key: Option<&Key>) {
        let (line, head) = draft.seal(&self.head, key);
        self.text.push_str(&line);
        (self.head, self.last_line) = (head, line.len());
        self.kinds.push(draft.kind);
    }
}

/// Whether missing folders are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folders {
    /// For the state folder.
    Create,
    /// For a path that a person has named.
    Leave,
}

#[cfg(test)]
mod tests;
