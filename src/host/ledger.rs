//! The audit file: lock, continue what is there, `fsync`. Several processes share one file.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::clock::Clock;
use super::diary::Diary;
use super::disk;
use super::rotation;
use super::state;
use crate::audit::{self, Actor, Cause, Entry, Head, Key, RECORD_MAX, Tail};

/// What a full disk must still hold before `apply` begins, in bytes.
const FIRST_RECORDS: u64 = 8 << 10;

/// How much of the end of a file is read to find its last record, in bytes: two of the longest.
pub(super) const TAIL_MAX: usize = 2 * RECORD_MAX;

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
        error: std::io::Error,
    },
    /// It is a folder, a device, a pipe.
    #[error("the audit file `{0}` is not a regular file")]
    NotAFile(String),
    /// It holds something, and that is not an audit log.
    #[error("`{0}` does not end with an audit record: it is not an audit file")]
    Foreign(String),
}

/// Who writes, and with what clock and key.
#[derive(Debug, Clone)]
pub struct Scribe {
    /// Who.
    pub actor: Actor,
    /// The clock of the records.
    pub clock: Clock,
    /// Makes an HMAC for each record.
    pub key: Option<Key>,
}

/// One audit file. It is opened anew for each record, so that a rotation by rename is noticed.
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
    /// They begin a new file: where the one before ended.
    pub rotated: Option<Head>,
}

/// Where the chain goes on when the file is a new one.
#[derive(Debug, Default)]
struct Mind {
    /// The head after our last record.
    head: Option<Head>,
    /// The file that it is in. Under another name it still has what others have written since.
    file: Option<File>,
}

impl Ledger {
    /// Makes sure that records can be written: creates the file (for its owner alone) and, for the
    /// state folder, the folders above it; takes the lock once and looks at the end. Blocks.
    pub fn open(path: &Path, scribe: Scribe, folders: Folders) -> Result<Self, LedgerError> {
        let ledger = Self { path: path.to_owned(), scribe, mind: Mutex::default() };
        if let (Folders::Create, Some(folder)) = (folders, path.parent()) {
            state::create_folder(folder).map_err(|it| ledger.io("create the folder of", it))?;
        }
        let mut file = ledger.file()?;
        match ledger.lock(&file) {
            Ok(()) if ledger.tail(&mut file)? == Tail::Foreign => {
                return Err(LedgerError::Foreign(ledger.shown()));
            }
            Ok(()) => {}
            // Somebody else is writing to it, so it can be written to.
            Err(LedgerError::Locked(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(ledger)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The end of a file, from the beginning of a line on, at most so many bytes; nothing when it
    /// cannot be read. Blocks.
    pub fn end_of(path: &Path, most: usize) -> String {
        let read = || {
            let mut file = File::open(path)?;
            let length = file.seek(SeekFrom::End(0))?;
            let start = length.saturating_sub(most as u64);
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let cut = if start == 0 { 0 } else { text.find('\n').map_or(text.len(), |it| it + 1) };
            Ok::<_, std::io::Error>(text[cut..].to_owned())
        };
        read().unwrap_or_default()
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
        self.append_all(&[entry]).map(|it| it.head)
    }

    /// Appends records, in this order, and brings all of them to the disk at once; or none. Blocks,
    /// for the time of an `fsync`.
    pub fn append_all(&self, entries: &[&Entry]) -> Result<Appended, LedgerError> {
        let mut mind = self.mind.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = self.file()?;
        self.lock(&file)?;
        if !rotation::is_at(&file, &self.path) {
            // Renamed between opening and locking: nobody may add to it any more.
            return Err(LedgerError::Locked(self.shown()));
        }
        let (tail, rotated) = self.end(&mut file, &mind)?;
        let (mut head, mut text) = match tail {
            Tail::Empty => (Head::start(), String::new()),
            Tail::Sound { head, ending } => (head, ending.repair().to_owned()),
            Tail::Torn { head, bytes, ending } => {
                let mut text = ending.repair().to_owned();
                let head = self.tell_of(&bytes, &head, &mut text);
                (head, text)
            }
            Tail::Foreign => return Err(LedgerError::Foreign(self.shown())),
        };
        for entry in entries {
            let (line, next) = audit::seal(entry, &head, self.scribe.key.as_ref());
            text.push_str(&line);
            head = next;
        }
        self.write(&mut file, text.as_bytes())?;
        // Kept open, and no longer locked: whether that succeeds shows at the next lock.
        let _ = file.unlock();
        *mind = Mind { head: Some(head.clone()), file: Some(file) };
        Ok(Appended { head, rotated })
    }

    /// How the log ends: this file, or when it is a new one, the one before it, whose end is told
    /// as well. What is torn there is told of here, because nobody adds to that file any more.
    fn end(&self, file: &mut File, mind: &Mind) -> Result<(Tail, Option<Head>), LedgerError> {
        let tail = self.tail(file)?;
        if tail != Tail::Empty {
            return Ok((tail, None));
        }
        let before = rotation::predecessor(&self.path, mind.file.as_ref())
            .map_err(|()| LedgerError::Locked(self.shown()))?;
        let known = mind.head.clone().unwrap_or_else(Head::start);
        let is_newer = |it: &Tail| it.head().is_some_and(|it| it.seq >= known.seq);
        let tail = match before.filter(is_newer) {
            Some(tail) => tail.in_new_file(),
            None => Tail::Sound { head: known, ending: audit::Ending::Newline },
        };
        let rotated = tail.head().filter(|it| it.seq > 0).cloned();
        Ok((tail, rotated))
    }

    /// A gap record for a torn end, into `text`.
    fn tell_of(&self, torn: &[u8], previous: &Head, text: &mut String) -> Head {
        let Scribe { actor, clock, key } = &self.scribe;
        let gap = audit::torn_entry(torn, clock.now(), actor.clone(), Cause::default());
        let (line, head) = audit::seal(&gap, previous, key.as_ref());
        text.push_str(&line);
        head
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

    fn tail(&self, file: &mut File) -> Result<Tail, LedgerError> {
        rotation::tail(file).map_err(|it| self.io("read", it))
    }

    /// All of it, on the disk; or nothing, as far as the system lets us take it back.
    fn write(&self, file: &mut File, text: &[u8]) -> Result<(), LedgerError> {
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
        Ok(())
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn io(&self, what: &'static str, error: std::io::Error) -> LedgerError {
        LedgerError::Io { what, path: self.shown(), error }
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

/// Where records go.
#[derive(Debug, Clone)]
pub enum Book {
    /// To a file.
    File(Arc<Ledger>),
    /// To a file, and on when that fails: for `watch`.
    Diary(Arc<Diary>),
    /// To memory, as lines: for the demo and for tests.
    Memory(Arc<Mutex<Memory>>),
    /// Nowhere: `--no-audit`.
    Off,
}

/// A log in memory.
#[derive(Debug)]
pub struct Memory {
    /// All records, as they would stand in a file.
    pub text: String,
    head: Head,
}

impl Book {
    /// An empty log in memory.
    pub fn memory() -> Self {
        Self::Memory(Arc::new(Mutex::new(Memory { text: String::new(), head: Head::start() })))
    }

    /// Appends one record; brings its place, if records are kept. [`LedgerError::Locked`] asks for
    /// another attempt.
    pub async fn append(&self, entry: Entry) -> Result<Option<Head>, LedgerError> {
        match self {
            Self::File(ledger) => {
                let ledger = Arc::clone(ledger);
                tokio::task::spawn_blocking(move || ledger.append(&entry))
                    .await
                    .expect("append does not panic, and nobody aborts it")
                    .map(Some)
            }
            Self::Diary(diary) => {
                let diary = Arc::clone(diary);
                tokio::task::spawn_blocking(move || diary.append(&entry))
                    .await
                    .expect("append does not panic, and nobody aborts it")
            }
            Self::Memory(memory) => {
                let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
                let (line, head) = audit::seal(&entry, &memory.head, None);
                memory.text.push_str(&line);
                memory.head = head.clone();
                Ok(Some(head))
            }
            Self::Off => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::audit::{Kind, Subject, verify};

    fn scribe() -> Scribe {
        let actor =
            Actor { user: "ada".into(), host: "box".into(), pid: 7, version: "0.1.0".into() };
        Scribe { actor, clock: Clock::Real, key: None }
    }

    fn entry(detail: &str) -> Entry {
        Entry {
            time: jiff::Timestamp::UNIX_EPOCH,
            actor: scribe().actor,
            kind: Kind::Intent,
            act: "create pool".into(),
            subject: Subject::Log,
            before: None,
            after: None,
            cause: Cause::default(),
            seen: None,
            intent: None,
            verdict: None,
            detail: detail.into(),
        }
    }

    fn open(path: &Path) -> Ledger {
        Ledger::open(path, scribe(), Folders::Leave).unwrap()
    }

    /// Records, gaps, and the line that is bad.
    fn check(path: &Path) -> (u64, usize, Option<usize>) {
        let bytes = std::fs::read(path).unwrap();
        let report = verify(&[audit::File { name: "log", bytes: &bytes }], None, None);
        (report.records, report.gaps.len(), report.broken.map(|it| it.line))
    }

    #[test]
    fn records_of_two_writers_make_one_chain_for_their_owner_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a.jsonl");
        let (one, two) = (open(&path), open(&path));
        for round in 0..3 {
            one.append(&entry(&format!("one {round}"))).unwrap();
            two.append(&entry(&format!("two {round}"))).unwrap();
        }
        assert_eq!(check(&path), (6, 0, None));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn asking_for_room_leaves_the_file_as_it_is() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a.jsonl");
        let ledger = open(&path);
        ledger.append(&entry("one")).unwrap();
        let before = std::fs::read(&path).unwrap();
        ledger.find_room().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), before);
        ledger.append(&entry("two")).unwrap();
        assert_eq!(check(&path), (2, 0, None));
    }

    #[test]
    fn many_threads_share_one_file() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a.jsonl");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let ledger = open(&path);
                    let mut left = 10;
                    while left > 0 {
                        match ledger.append(&entry("x")) {
                            Ok(_) => left -= 1,
                            Err(LedgerError::Locked(_)) => std::thread::yield_now(),
                            Err(error) => panic!("{error}"),
                        }
                    }
                });
            }
        });
        assert_eq!(check(&path), (40, 0, None));
    }

    #[test]
    fn a_torn_end_is_told_of_and_the_chain_goes_on() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a.jsonl");
        let ledger = open(&path);
        for _ in 0..3 {
            ledger.append(&entry("x")).unwrap();
            let whole = std::fs::read(&path).unwrap();
            std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
        }
        ledger.append(&entry("x")).unwrap();
        assert_eq!(check(&path), (4, 3, None));
        // Only the newline was lost: nothing is missing.
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        ledger.append(&entry("x")).unwrap();
        assert_eq!(check(&path), (5, 3, None));
    }

    #[test]
    fn an_altered_end_is_not_excused() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a.jsonl");
        let ledger = open(&path);
        ledger.append(&entry("one")).unwrap();
        ledger.append(&entry("two")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("two", "2")).unwrap();
        ledger.append(&entry("three")).unwrap();
        assert_eq!(check(&path), (1, 0, Some(2)));
    }

    #[test]
    fn after_a_rotation_the_chain_goes_on_in_the_new_file() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a.jsonl");
        let ledger = open(&path);
        ledger.append(&entry("x")).unwrap();
        std::fs::rename(&path, temporary.path().join("a.jsonl.1")).unwrap();
        let head = ledger.append(&entry("x")).unwrap();
        assert_eq!((head.seq, check(&path)), (2, (1, 0, None)));
    }

    #[test]
    fn what_is_not_an_audit_file_is_not_written_to() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("notes.txt");
        std::fs::write(&path, "my notes\n").unwrap();
        let refused = |path: &Path| {
            let error = Ledger::open(path, scribe(), Folders::Leave).unwrap_err().to_string();
            error.replace(&temporary.path().display().to_string(), "DIR")
        };
        insta::assert_snapshot!(
            refused(&path),
            @"`DIR/notes.txt` does not end with an audit record: it is not an audit file"
        );
        insta::assert_snapshot!(
            refused(temporary.path()),
            @"cannot open the audit file `DIR`: Is a directory (os error 21)"
        );
        insta::assert_snapshot!(
            refused(&temporary.path().join("absent/a.jsonl")),
            @"cannot open the audit file `DIR/absent/a.jsonl`: No such file or directory (os error 2)"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "my notes\n");
        let below = temporary.path().join("made/a.jsonl");
        Ledger::open(&below, scribe(), Folders::Create).unwrap();
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let ledger = Ledger { path: "/dev/full".into(), scribe: scribe(), mind: Mutex::default() };
        assert!(matches!(ledger.append(&entry("x")), Err(LedgerError::NotAFile(_))));
        let mut full = std::fs::OpenOptions::new().append(true).open("/dev/full").unwrap();
        insta::assert_snapshot!(
            ledger.write(&mut full, b"x").unwrap_err(),
            @"cannot write to the audit file `/dev/full`: No space left on device (os error 28)"
        );
    }

    #[test]
    fn a_held_file_asks_for_another_attempt() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a.jsonl");
        let ledger = open(&path);
        let holder = File::open(&path).unwrap();
        holder.lock().unwrap();
        assert!(matches!(ledger.append(&entry("x")), Err(LedgerError::Locked(_))));
        drop(holder);
        ledger.append(&entry("x")).unwrap();
    }
}
