//! The audit file, which several processes may share: locks it, continues the log and syncs it.

mod batch;
mod error;

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::checkpoint::{Checkpoint, KnownLog};
use super::clock::Clock;
use super::disk;
use super::log_end::{LogEnd, LogEndError, log_end};
use super::rotation::{self, TAIL_MAX};
use super::segment_archive::Archivist;
use super::segments::{self, RotationLimits};
use super::state_dir;
use crate::audit::{
    Actor, Cause, Damage, Draft, Entry, Head, KeyError, Keys, LastRecord, LogNote, Signer, Tail,
    Torn,
};
use crate::domain::poison::IgnorePoison;

pub use batch::Appended;
use batch::RecordBatch;
pub use error::AuditFileError;

/// The free space that an `apply` must find at its start, in bytes.
const FIRST_RECORDS: u64 = 8 << 10;

/// The longest step back of the clock that is not recorded.
const SET_BACK_MIN: SignedDuration = SignedDuration::from_secs(1);

/// The author of records: actor, clock and keys.
#[derive(Debug, Clone)]
pub struct RecordWriter {
    /// The user, host and process.
    pub actor: Actor,
    /// The clock of the records.
    pub clock: Clock,
    /// The HMAC keys of the log.
    pub keys: Keys,
}

/// One audit file. It is reopened for each write, so that a rotation by rename is noticed.
#[derive(Debug)]
pub struct AuditFile {
    path: PathBuf,
    writer: RecordWriter,
    /// When the file is closed and a new one begun; `None` if never, or by another program.
    rotation: Option<RotationLimits>,
    /// The lock also serialises the tasks of this process.
    state: Mutex<FileState>,
}

/// What this process remembers between two writes.
#[derive(Debug, Default)]
struct FileState {
    /// The last record that is known to be in the log.
    checkpoint: Option<Checkpoint>,
    /// The time of the last write, by the wall clock and by the monotonic clock.
    wrote: Option<(Timestamp, Instant)>,
    /// The head at which the previous file ended, if this process began the current one.
    began_after: Option<Head>,
}

impl AuditFile {
    /// Makes sure that records can be written: creates the file, private to the owner, and with
    /// [`MissingFolders::Create`] the folders above it; takes the lock once and reads the end. Blocks.
    pub fn open(
        path: &Path,
        writer: RecordWriter,
        folders: MissingFolders,
    ) -> Result<Self, AuditFileError> {
        let (path, state) = (path.to_owned(), Mutex::default());
        let audit_file = Self { path, writer, rotation: None, state };
        if let (MissingFolders::Create, Some(folder)) = (folders, audit_file.path.parent()) {
            state_dir::create_folder(folder)
                .map_err(|error| audit_file.io("create the folder of", error))?;
        }
        let file = audit_file.file()?;
        match audit_file.lock(&file) {
            Ok(()) => {
                audit_file.look(&file)?;
                // The handle in the checkpoint shares the lock, and would keep it.
                file.unlock().map_err(|error| audit_file.io("unlock", error))?;
            }
            // Another process is writing to the file, so it is writable.
            Err(AuditFileError::Locked(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(audit_file)
    }

    /// The same file, which is closed at these limits.
    #[must_use]
    pub fn rotating(self, rotation: Option<RotationLimits>) -> Self {
        Self { rotation, ..self }
    }

    /// Compresses closed segments, continues what an interrupted process has left, and deletes
    /// segments that are not kept, until `stop` is set. Does nothing without limits. Blocks.
    pub fn archive(&self, cause: &Cause, stop: &AtomicBool) -> Result<(), AuditFileError> {
        let Some(limits) = self.rotation else { return Ok(()) };
        Archivist { path: &self.path, writer: &self.writer, limits, cause, stop }.run()
    }

    /// The path under which the file was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The author of the records of this process.
    pub fn writer(&self) -> &RecordWriter {
        &self.writer
    }

    /// The last record that this process knows to be in the log.
    pub fn head(&self) -> Option<Head> {
        self.state().checkpoint.as_ref().map(|checkpoint| checkpoint.head.clone())
    }

    /// The last record that this process knows, and the file that contains it.
    pub(super) fn known(&self) -> io::Result<KnownLog> {
        let state = self.state();
        let file =
            state.checkpoint.as_ref().map(|checkpoint| checkpoint.file.try_clone()).transpose()?;
        let head = state.checkpoint.as_ref().map(|checkpoint| checkpoint.head.clone());
        Ok(KnownLog { head, file, began_after: state.began_after.clone() })
    }

    /// Remembers the end of the file. The first write checks that the log still continues it.
    fn look(&self, file: &File) -> Result<(), AuditFileError> {
        let (tail, offset) = self.tail(file, TAIL_MAX)?;
        if tail == Tail::Foreign {
            return Err(AuditFileError::Foreign(self.shown()));
        }
        let Some(last) = tail.last() else { return Ok(()) };
        let note = self.note(Cause::default());
        let next = self.writer.keys.succession(&last.signer, &last.head, &note);
        next.map_err(|error| self.standoff(error))?;
        let file = file.try_clone().map_err(|error| self.io("open", error))?;
        self.state().checkpoint = Some(Checkpoint::of(last, file, offset));
        Ok(())
    }

    /// Checks that the disk has space for the first records, so that a full disk is noticed before
    /// anything is changed. Does not change the file. If the file system cannot tell, a full disk
    /// is noticed at the first record.
    pub fn find_room(&self) -> Result<(), AuditFileError> {
        use rustix::fs::{FallocateFlags, fallocate};
        use rustix::io::Errno;

        let file = self.file()?;
        let length = file.metadata().map_err(|error| self.io("look at", error))?.len();
        match fallocate(&file, FallocateFlags::KEEP_SIZE, length, FIRST_RECORDS) {
            Err(error @ (Errno::NOSPC | Errno::DQUOT)) => {
                Err(self.io("find room for a record in", error.into()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Appends one record and syncs it to disk. Blocks for the duration of an `fsync`.
    pub fn append(&self, entry: &Entry) -> Result<Head, AuditFileError> {
        self.append_all(&[&entry.into()], &Cause::default()).map(|appended| appended.head)
    }

    /// Appends either all of these records, in order and with one sync to disk, or none of them. If
    /// records about the log itself are due, they are written first, with `cause`. Blocks for the
    /// duration of an `fsync`.
    pub fn append_all(&self, drafts: &[&Draft], cause: &Cause) -> Result<Appended, AuditFileError> {
        let mut state = self.state();
        let mut file = self.locked()?;
        let mut not_rotated = None;
        if let Some(limits) = self.rotation {
            let now = self.writer.clock.now();
            let keys = &self.writer.keys;
            match segments::close_if_due(&self.path, &file, keys, (limits, now)) {
                Ok(false) => {}
                Ok(true) => {
                    // Its lock would make the check of the renamed file wait.
                    file.unlock().map_err(|error| self.io("unlock", error))?;
                    file = self.locked()?;
                }
                Err(error) => not_rotated = Some(self.io("close", error).to_string()),
            }
        }
        let LogEnd { tail, rotated, damage } = self.log_end(&file, state.checkpoint.as_ref())?;
        let note = self.note(cause.clone());
        let set_back = self.set_back(note.time, &state, tail.last());
        let mut batch = self.continued(tail, &note, damage.as_ref())?;
        let key = self.writer.keys.signing();
        let of_clock = set_back.map(|(from, by)| note.set_back(from, by));
        let of_damage = damage.as_ref().map(|damage| note.damaged(damage));
        for entry in of_damage.iter().chain(&of_clock) {
            batch.write(&entry.into(), key);
        }
        let mut heads = Vec::with_capacity(drafts.len());
        for draft in drafts {
            batch.write(draft, key);
            heads.push(batch.head.clone());
        }
        let length = self.write(&mut file, batch.text.as_bytes())?;
        // The file stays open in the checkpoint. If unlocking fails, the next lock fails, too.
        let _ = file.unlock();
        let end = length + batch.text.len() as u64;
        let head = batch.head.clone();
        let signer = key.map_or(Signer::Unsigned, |key| Signer::Known(key.id().clone()));
        let start = end - batch.last_line as u64;
        state.checkpoint =
            Some(Checkpoint { head: head.clone(), signer, written: None, file, start, end });
        state.wrote = Some((self.writer.clock.now(), Instant::now()));
        if rotated.is_some() {
            state.began_after.clone_from(&rotated);
        }
        Ok(Appended { head, heads, rotated, damage, kinds: batch.kinds, not_rotated })
    }

    /// Opens and locks the current file. A file that was renamed between the two must not be
    /// appended to.
    fn locked(&self) -> Result<File, AuditFileError> {
        let file = self.file()?;
        self.lock(&file)?;
        match rotation::is_at(&file, &self.path) {
            true => Ok(file),
            false => Err(AuditFileError::Locked(self.shown())),
        }
    }

    fn state(&self) -> MutexGuard<'_, FileState> {
        self.state.lock().ignoring_poison()
    }

    fn note(&self, cause: Cause) -> LogNote {
        let RecordWriter { actor, clock, .. } = &self.writer;
        LogNote { time: clock.now(), actor: actor.clone(), cause }
    }

    /// How far the clock was set back since the last record; `None` if it was not.
    fn set_back(
        &self,
        now: Timestamp,
        state: &FileState,
        last: Option<&LastRecord>,
    ) -> Option<SetBack> {
        let ours = state.wrote.filter(|_| matches!(self.writer.clock, Clock::Real));
        let due = ours.and_then(|(time, at)| time.checked_add(at.elapsed()).ok());
        // The last record may be from another process of this machine.
        let theirs = last.and_then(|last| last.written.as_ref());
        let theirs =
            theirs.filter(|(_, host)| *host == self.writer.actor.host).map(|(time, _)| *time);
        let due = due.into_iter().chain(theirs).max()?;
        let by = due.duration_since(now);
        (by > SET_BACK_MIN).then_some((due, by))
    }

    fn log_end(
        &self,
        file: &File,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<LogEnd, AuditFileError> {
        log_end(&self.path, file, &self.writer.keys, checkpoint).map_err(|error| match error {
            LogEndError::Io(error) => self.io("read", error),
            LogEndError::Foreign => AuditFileError::Foreign(self.shown()),
            LogEndError::OtherKey => AuditFileError::OtherKey(self.shown()),
        })
    }

    /// A batch that continues the log. Torn bytes and a change of keys are recorded first.
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
            // This record must directly follow the torn bytes, so it is signed with the key of the
            // record before them.
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
            // The end of the log was altered, so there is no key to succeed: our records start with
            // our own key.
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
        let file = disk::open(&self.path).map_err(|error| self.io("open", error))?;
        if file.metadata().map_err(|error| self.io("look at", error))?.is_file() {
            Ok(file)
        } else {
            Err(AuditFileError::NotAFile(self.shown()))
        }
    }

    /// Whether another process holds the lock at the moment.
    pub fn is_locked(&self) -> bool {
        let lock = self.file().and_then(|file| self.lock(&file));
        matches!(lock, Err(AuditFileError::Locked(_)))
    }

    /// Takes the lock; it is released when the file is closed.
    fn lock(&self, file: &File) -> Result<(), AuditFileError> {
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => AuditFileError::Locked(self.shown()),
            TryLockError::Error(error) => self.io("lock", error),
        })
    }

    fn tail(&self, file: &File, most: usize) -> Result<(Tail, u64), AuditFileError> {
        rotation::tail(file, &self.writer.keys, most).map_err(|error| self.io("read", error))
    }

    /// Appends and syncs the text, or truncates the file again if that fails. Returns the length
    /// before the append.
    fn write(&self, file: &mut File, text: &[u8]) -> Result<u64, AuditFileError> {
        let length = file.metadata().map_err(|error| self.io("look at", error))?.len();
        if let Err(error) = disk::append(file, text).and_then(|()| disk::sync(file)) {
            // A full disk may leave a part of a record. If truncating fails as well, the next
            // record reports the torn end.
            let _ = disk::cut(file, length);
            return Err(self.io("write to", error));
        }
        if length == 0 {
            // The file may be new, and its name not durable yet.
            disk::sync_folder(&self.path).map_err(|error| self.io("sync the folder of", error))?;
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

/// The expected time, and by how much the clock is behind it.
type SetBack = (Timestamp, SignedDuration);

/// What to do about missing folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingFolders {
    /// Create them; for the state folder.
    Create,
    /// Fail; for a path that the user gave.
    Fail,
}

#[cfg(test)]
mod tests;
