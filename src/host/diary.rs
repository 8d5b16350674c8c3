//! The audit file of a program that goes on when the file cannot be written: what is lost is
//! counted, and the first record after it says so.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::json;

use super::ledger::{Ledger, LedgerError};
use crate::audit::{Cause, Entry, Head, Kind, Subject};

/// What a diary tells while it is kept. Told from a thread that may block.
#[derive(Debug)]
pub enum Kept<'a> {
    /// This is about to be written.
    Asked(&'a Entry),
    /// It stands in the file.
    Written(&'a Entry),
    /// It does not, and why.
    Lost(&'a LedgerError),
}

/// Hears what becomes of records.
pub type Ear = Box<dyn Fn(&Kept<'_>) + Send + Sync>;

/// A ledger that never keeps its owner from going on.
pub struct Diary {
    ledger: Arc<Ledger>,
    cause: Cause,
    ear: Ear,
    missing: Mutex<Missing>,
    head: Mutex<Option<Head>>,
}

/// Records that are not in the file, since the last one that is.
#[derive(Debug, Clone, Copy, Default)]
struct Missing {
    count: u64,
    since: Option<Timestamp>,
}

impl fmt::Debug for Diary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Diary").field(&self.ledger).finish_non_exhaustive()
    }
}

impl Diary {
    /// `cause` stands in the records of gaps.
    pub fn new(ledger: Arc<Ledger>, cause: Cause, ear: Ear) -> Self {
        Self { ledger, cause, ear, missing: Mutex::default(), head: Mutex::default() }
    }

    /// The file below.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What stands in its own records as their cause.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// The place of the last record that this diary has written.
    pub fn head(&self) -> Option<Head> {
        held(&self.head).clone()
    }

    /// So many records could not even be handed over.
    pub fn miss(&self, count: u64, since: Timestamp) {
        let mut missing = held(&self.missing);
        missing.count += count;
        missing.since.get_or_insert(since);
    }

    /// Writes a record, and one about what is missing before it. Blocks. Fails only with
    /// [`LedgerError::Locked`]: try again.
    pub fn append(&self, entry: &Entry) -> Result<Option<Head>, LedgerError> {
        (self.ear)(&Kept::Asked(entry));
        let missing = *held(&self.missing);
        if missing.count > 0 {
            let gap = self.gap(entry, missing);
            if self.write(&gap, entry.time)?.is_none() {
                self.miss(1, entry.time);
                return Ok(None);
            }
            let mut now = held(&self.missing);
            now.count -= missing.count;
            now.since = None;
        }
        let head = self.write(entry, entry.time)?;
        if head.is_none() {
            self.miss(1, entry.time);
        }
        Ok(head)
    }

    fn write(&self, entry: &Entry, _time: Timestamp) -> Result<Option<Head>, LedgerError> {
        match self.ledger.append(entry) {
            Ok(head) => {
                (self.ear)(&Kept::Written(entry));
                *held(&self.head) = Some(head.clone());
                Ok(Some(head))
            }
            Err(error @ LedgerError::Locked(_)) => Err(error),
            Err(error) => {
                (self.ear)(&Kept::Lost(&error));
                Ok(None)
            }
        }
    }

    fn gap(&self, next: &Entry, missing: Missing) -> Entry {
        Entry {
            kind: Kind::Gap,
            act: "records lost".into(),
            subject: Subject::Log,
            before: Some(json!({ "from": missing.since.map(|it| it.to_string()) })),
            after: Some(json!({ "to": next.time.to_string(), "records": missing.count })),
            cause: self.cause.clone(),
            seen: None,
            intent: None,
            verdict: None,
            detail: format!("{} records could not be written", missing.count),
            ..next.clone()
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::clock::Clock;
    use crate::host::ledger::{Folders, Scribe};
    use crate::host::state::actor;

    fn entry(act: &str) -> Entry {
        Entry {
            time: Timestamp::UNIX_EPOCH,
            actor: actor(),
            kind: Kind::Intent,
            act: act.into(),
            subject: Subject::Log,
            before: None,
            after: None,
            cause: Cause::default(),
            seen: None,
            intent: None,
            verdict: None,
            detail: String::new(),
        }
    }

    #[test]
    fn what_could_not_be_written_is_told_of_by_the_next_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let scribe = Scribe { actor: actor(), clock: Clock::Real, key: None };
        let ledger = Arc::new(Ledger::open(&path, scribe, Folders::Leave).unwrap());
        let lost = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&lost);
        let ear: Ear = Box::new(move |it| {
            if matches!(it, Kept::Lost(_)) {
                *counted.lock().unwrap() += 1;
            }
        });
        let diary = Diary::new(ledger, Cause::default(), ear);
        diary.append(&entry("one")).unwrap();
        // A folder where the file was: nothing can be written there.
        std::fs::rename(&path, folder.path().join("kept")).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(diary.append(&entry("two")).unwrap(), None);
        assert_eq!(diary.append(&entry("three")).unwrap(), None);
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(folder.path().join("kept"), &path).unwrap();
        let head = diary.append(&entry("four")).unwrap().unwrap();
        assert_eq!((head.seq, *lost.lock().unwrap()), (3, 2));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("2 records could not be written"), "{text}");
        assert_eq!(text.lines().count(), 3);
    }
}
