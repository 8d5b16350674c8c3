//! The audit file: lock, continue what is there, `fsync`. Several processes share one file.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::clock::Clock;
use super::disk;
use super::mark::Mark;
use super::own::Known;
use super::rotation::{self, TAIL_MAX};
use super::standing::{Obstacle, Standing, standing};
use super::state_dir;
use crate::audit::{
    Actor, Cause, Damage, Draft, Ending, Entry, Head, Key, Keys, Kind, Last, Note, Signer,
    Standoff, Tail, Torn,
};

/// What a full disk must still hold before `apply` begins, in bytes.
const FIRST_RECORDS: u64 = 8 << 10;

/// How far the clock may go back without a record of it.
const SET_BACK_MIN: SignedDuration = SignedDuration::from_secs(1);

/// Why a record is not in the file.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process has the file at this moment: try again.
    #[error("the audit file `{0}` is held by another process")]
    Locked(String),
    /// The system said no: permission, a full disk, a folder that is not there.
    #[error("cannot {what} the audit file `{path}`: {error}")]
    Io {
        /// What we were about to do.
        what: &'static str,
        /// Which file.
        path: String,
        /// The system's words.
        error: io::Error,
    },
    /// It is a folder, a device, a pipe.
    #[error("the audit file `{0}` is not a regular file")]
    NotAFile(String),
    /// It holds something, and that is not an audit log.
    #[error("`{0}` does not end with an audit record: it is not an audit file")]
    Foreign(String),
    /// Records cannot be written, and the rule is that nothing is done without one.
    #[error("{0}, and `watch.audit_required` is set")]
    Unwritable(String),
    /// Its records have an HMAC, and new ones would have none.
    #[error(
        "the records in `{0}` have an HMAC, and there is no key: name it with `watch.audit_key`"
    )]
    Unsigned(String),
    /// Its records have an HMAC made with a key that is not at hand.
    #[error(
        "the records in `{0}` are signed with another key: name it under \
         `watch.previous_audit_keys`, or restart the process that has the old key"
    )]
    OtherKey(String),
}

/// Who writes, and with what clock and keys.
#[derive(Debug, Clone)]
pub struct Scribe {
    /// Who.
    pub actor: Actor,
    /// The clock of the records.
    pub clock: Clock,
    /// Keys of the HMACs.
    pub keys: Keys,
}

/// One audit file. It is opened anew for each write, so that a rotation by rename is noticed.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    scribe: Scribe,
    /// Also keeps two of our own tasks from meeting at the lock.
    mind: Mutex<Mind>,
}

/// Where records stand now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The place of the last of them.
    pub head: Head,
    /// The places of those that were asked for.
    pub heads: Vec<Head>,
    /// They begin a new file: where the one before ended.
    pub rotated: Option<Head>,
    /// The log was not as this process had left it; a record tells of it.
    pub damage: Option<Damage>,
    /// The kinds of all records that were written, those about the log itself included.
    pub kinds: Vec<Kind>,
}

/// What is remembered from one write to the next.
#[derive(Debug, Default)]
struct Mind {
    /// The last record that is known to be in the log.
    mark: Option<Mark>,
    /// When the last write was, by this machine's clock and by one that is never set.
    wrote: Option<(Timestamp, Instant)>,
    /// Where the file before ended, when this process has begun the present one.
    began_after: Option<Head>,
}

impl Ledger {
    /// Makes sure that records can be written: creates the file (for its owner alone) and, for the
    /// state folder, the folders above it; takes the lock once and looks at the end. Blocks.
    pub fn open(path: &Path, scribe: Scribe, folders: Folders) -> Result<Self, LedgerError> {
        let ledger = Self { path: path.to_owned(), scribe, mind: Mutex::default() };
        if let (Folders::Create, Some(folder)) = (folders, path.parent()) {
            state_dir::create_folder(folder).map_err(|it| ledger.io("create the folder of", it))?;
        }
        let file = ledger.file()?;
        match ledger.lock(&file) {
            Ok(()) => {
                ledger.look(&file)?;
                // What was kept of it shares the lock, and would hold it.
                file.unlock().map_err(|it| ledger.io("unlock", it))?;
            }
            // Another process is writing to it, so it can be written to.
            Err(LedgerError::Locked(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(ledger)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who writes.
    pub fn scribe(&self) -> &Scribe {
        &self.scribe
    }

    /// The last record that this process knows to be in the log.
    pub fn head(&self) -> Option<Head> {
        self.mind().mark.as_ref().map(|it| it.head.clone())
    }

    /// The same with the file that it is in.
    pub(super) fn known(&self) -> io::Result<Known> {
        let mind = self.mind();
        let file = mind.mark.as_ref().map(|it| it.file.try_clone()).transpose()?;
        let head = mind.mark.as_ref().map(|it| it.head.clone());
        Ok(Known { head, file, began_after: mind.began_after.clone() })
    }

    /// How this file ends, to be held against it at the first write.
    fn look(&self, file: &File) -> Result<(), LedgerError> {
        let (tail, offset) = self.tail(file, TAIL_MAX)?;
        if tail == Tail::Foreign {
            return Err(LedgerError::Foreign(self.shown()));
        }
        let Some(last) = tail.last() else { return Ok(()) };
        let note = self.note(Cause::default());
        let next = self.scribe.keys.succession(&last.signer, &last.head, &note);
        next.map_err(|it| self.standoff(it))?;
        let file = file.try_clone().map_err(|it| self.io("open", it))?;
        self.mind().mark = Some(Mark::of(last, file, offset));
        Ok(())
    }

    /// Asks the disk for room for the first records, so that a full one is known before anything is
    /// changed; the file stays as it is. Where a file system cannot say, the first record will.
    pub fn find_room(&self) -> Result<(), LedgerError> {
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
    pub fn append(&self, entry: &Entry) -> Result<Head, LedgerError> {
        self.append_all(&[&entry.into()], &Cause::default()).map(|it| it.head)
    }

    /// Appends records, in this order, and brings all of them to the disk at once; or none. Before
    /// them go those that the log needs about itself, which have this cause. Blocks, for the time
    /// of an `fsync`.
    pub fn append_all(&self, drafts: &[&Draft], cause: &Cause) -> Result<Appended, LedgerError> {
        let mut mind = self.mind();
        let mut file = self.file()?;
        self.lock(&file)?;
        if !rotation::is_at(&file, &self.path) {
            // Renamed between opening and locking: nothing may be added to it any more.
            return Err(LedgerError::Locked(self.shown()));
        }
        let Standing { tail, rotated, damage } = self.standing(&file, mind.mark.as_ref())?;
        let note = self.note(cause.clone());
        let set_back = self.set_back(note.time, &mind, tail.last());
        let mut pen = self.continued(tail, &note, damage.as_ref())?;
        let key = self.scribe.keys.signing();
        let of_clock = set_back.map(|(from, by)| note.set_back(from, by));
        let of_damage = damage.as_ref().map(|it| note.damaged(it));
        for entry in of_damage.iter().chain(&of_clock) {
            pen.write(&entry.into(), key);
        }
        let mut heads = Vec::with_capacity(drafts.len());
        for draft in drafts {
            pen.write(draft, key);
            heads.push(pen.head.clone());
        }
        let length = self.write(&mut file, pen.text.as_bytes())?;
        // Kept open, and no longer locked: whether that succeeds shows at the next lock.
        let _ = file.unlock();
        let end = length + pen.text.len() as u64;
        let head = pen.head.clone();
        let signer = key.map_or(Signer::Nobody, |it| Signer::Known(it.id().clone()));
        let start = end - pen.last_line as u64;
        mind.mark = Some(Mark { head: head.clone(), signer, written: None, file, start, end });
        mind.wrote = Some((self.scribe.clock.now(), Instant::now()));
        if rotated.is_some() {
            mind.began_after.clone_from(&rotated);
        }
        Ok(Appended { head, heads, rotated, damage, kinds: pen.kinds })
    }

    fn mind(&self) -> MutexGuard<'_, Mind> {
        self.mind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, cause: Cause) -> Note {
        let Scribe { actor, clock, .. } = &self.scribe;
        Note { time: clock.now(), actor: actor.clone(), cause }
    }

    /// From when and by how much the clock was set back since the last record.
    fn set_back(&self, now: Timestamp, mind: &Mind, last: Option<&Last>) -> Option<SetBack> {
        let ours = mind.wrote.filter(|_| matches!(self.scribe.clock, Clock::Real));
        let due = ours.and_then(|(time, at)| time.checked_add(at.elapsed()).ok());
        // Another process of this machine, or the one before this.
        let theirs = last.and_then(|it| it.written.as_ref());
        let theirs = theirs.filter(|it| it.1 == self.scribe.actor.host).map(|it| it.0);
        let due = due.into_iter().chain(theirs).max()?;
        let by = due.duration_since(now);
        (by > SET_BACK_MIN).then_some((due, by))
    }

    fn standing(&self, file: &File, mark: Option<&Mark>) -> Result<Standing, LedgerError> {
        standing(&self.path, file, &self.scribe.keys, mark).map_err(|it| match it {
            Obstacle::Io(error) => self.io("read", error),
            Obstacle::Foreign => LedgerError::Foreign(self.shown()),
            Obstacle::OtherKey => LedgerError::OtherKey(self.shown()),
        })
    }

    /// A pen behind the end of the log, and behind what must be said of that first.
    fn continued(
        &self,
        tail: Tail,
        note: &Note,
        damage: Option<&Damage>,
    ) -> Result<Pen, LedgerError> {
        let keys = &self.scribe.keys;
        let (last, torn, ending) = match tail {
            Tail::Sound { last, ending } => (last, None, ending),
            Tail::Torn { last, bytes, ending } => {
                (last.unwrap_or_else(Last::start), Some(bytes), ending)
            }
            Tail::Empty | Tail::Foreign => return Err(LedgerError::Foreign(self.shown())),
        };
        let is_start = last.head.seq == 0;
        let mut pen = Pen::new(last.head, ending);
        if let Some(torn) = torn {
            // It must be the very next record, so the key that is due signs it.
            let due = keys
                .due(&last.signer)
                .filter(|_| !is_start)
                .or_else(|| keys.signing().filter(|_| is_start));
            pen.write(&(&note.torn(&Torn::of(&torn))).into(), due);
        }
        if is_start {
            return Ok(pen);
        }
        match keys.succession(&last.signer, &pen.head, note) {
            Ok(Some((entry, key))) => pen.write(&(&entry).into(), Some(key)),
            Ok(None) => {}
            // What stands there is no longer ours: the records from here on are.
            Err(_) if damage.is_some_and(Damage::is_altered) => {}
            Err(standoff) => return Err(self.standoff(standoff)),
        }
        Ok(pen)
    }

    fn standoff(&self, standoff: Standoff) -> LedgerError {
        match standoff {
            Standoff::Unsigned => LedgerError::Unsigned(self.shown()),
            Standoff::UnknownKey => LedgerError::OtherKey(self.shown()),
        }
    }

    fn file(&self) -> Result<File, LedgerError> {
        let file = disk::open(&self.path).map_err(|it| self.io("open", it))?;
        if file.metadata().map_err(|it| self.io("look at", it))?.is_file() {
            Ok(file)
        } else {
            Err(LedgerError::NotAFile(self.shown()))
        }
    }

    /// Released when the file is closed.
    fn lock(&self, file: &File) -> Result<(), LedgerError> {
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => LedgerError::Locked(self.shown()),
            TryLockError::Error(error) => self.io("lock", error),
        })
    }

    fn tail(&self, file: &File, most: usize) -> Result<(Tail, u64), LedgerError> {
        rotation::tail(file, &self.scribe.keys, most).map_err(|it| self.io("read", it))
    }

    /// All of it, on the disk; or nothing, as far as the system lets us take it back. Brings the
    /// length before.
    fn write(&self, file: &mut File, text: &[u8]) -> Result<u64, LedgerError> {
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

    fn io(&self, what: &'static str, error: io::Error) -> LedgerError {
        if error.kind() == ErrorKind::WouldBlock {
            return LedgerError::Locked(self.shown());
        }
        LedgerError::Io { what, path: self.shown(), error }
    }
}

/// From when, and by how much.
type SetBack = (Timestamp, SignedDuration);

/// What is about to be written.
struct Pen {
    head: Head,
    text: String,
    /// Length of the last line, its newline included.
    last_line: usize,
    kinds: Vec<Kind>,
}

impl Pen {
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
