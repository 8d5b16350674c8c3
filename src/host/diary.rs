//! The audit file of a program that goes on when the file cannot be written: what is lost is
//! counted, and the first record after it says so.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::json;

use super::ledger::{Appended, Ledger, LedgerError};
use crate::audit::{Cause, Entry, Head, Kind, Subject};

/// What a diary tells while it is kept. Told from a thread that may block.
#[derive(Debug)]
pub enum Kept<'a> {
    /// This is about to be written.
    Asked(&'a Entry),
    /// The file is a new one: where the one before ended.
    Rotated(&'a Head),
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
        self.append_all(std::slice::from_ref(entry))
    }

    /// Writes records with one `fsync`, all of them or none, and one about what is missing before
    /// them. Brings the place of the last; nothing when they could not be written. Blocks. Fails
    /// only with [`LedgerError::Locked`]: try again.
    pub fn append_all(&self, entries: &[Entry]) -> Result<Option<Head>, LedgerError> {
        let Some(first) = entries.first() else { return Ok(None) };
        entries.iter().for_each(|it| (self.ear)(&Kept::Asked(it)));
        // Taken out, so that nobody else tells of them meanwhile.
        let missing = std::mem::take(&mut *held(&self.missing));
        let gap = (missing.count > 0).then(|| self.gap(first, missing));
        let all: Vec<&Entry> = gap.iter().chain(entries).collect();
        match self.ledger.append_all(&all) {
            Ok(Appended { head, rotated }) => {
                if let Some(ended) = &rotated {
                    (self.ear)(&Kept::Rotated(ended));
                }
                all.into_iter().for_each(|it| (self.ear)(&Kept::Written(it)));
                *held(&self.head) = Some(head.clone());
                Ok(Some(head))
            }
            Err(error @ LedgerError::Locked(_)) => {
                self.miss_still(missing);
                Err(error)
            }
            Err(error) => {
                self.miss_still(missing);
                entries.iter().for_each(|_| (self.ear)(&Kept::Lost(&error)));
                self.miss(entries.len() as u64, first.time);
                Ok(None)
            }
        }
    }

    fn miss_still(&self, before: Missing) {
        let mut missing = held(&self.missing);
        missing.count += before.count;
        missing.since = before.since.or(missing.since);
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

    fn file(bytes: &[u8]) -> crate::audit::File<'_> {
        crate::audit::File { name: "log", bytes }
    }

    /// A diary, and what it tells.
    fn diary(path: &std::path::Path, told: &Arc<Mutex<Vec<String>>>) -> Diary {
        let scribe = Scribe { actor: actor(), clock: Clock::Real, key: None };
        let ledger = Arc::new(Ledger::open(path, scribe, Folders::Leave).unwrap());
        let noted = Arc::clone(told);
        let ear: Ear = Box::new(move |it| {
            let line = match it {
                Kept::Asked(_) => return,
                Kept::Rotated(ended) => format!("rotated {ended}"),
                Kept::Written(entry) => format!("written {}", entry.act),
                Kept::Lost(_) => "lost".to_owned(),
            };
            noted.lock().unwrap().push(line);
        });
        Diary::new(ledger, Cause::default(), ear)
    }

    #[test]
    fn what_could_not_be_written_is_told_of_by_the_next_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let told = Arc::new(Mutex::new(Vec::new()));
        let diary = diary(&path, &told);
        diary.append(&entry("one")).unwrap();
        // A folder where the file was: nothing can be written there.
        std::fs::rename(&path, folder.path().join("kept")).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(diary.append(&entry("two")).unwrap(), None);
        assert_eq!(diary.append(&entry("three")).unwrap(), None);
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(folder.path().join("kept"), &path).unwrap();
        let head = diary.append(&entry("four")).unwrap().unwrap();
        let lost = told.lock().unwrap().iter().filter(|it| *it == "lost").count();
        assert_eq!((head.seq, lost), (3, 2));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("2 records could not be written"), "{text}");
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn a_batch_stands_in_the_file_in_order_or_is_lost_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let told = Arc::new(Mutex::new(Vec::new()));
        let (diary, noted) = (diary(&path, &told), Arc::clone(&told));
        let batch = |acts: &[&str]| acts.iter().map(|it| entry(it)).collect::<Vec<_>>();
        assert_eq!(diary.append_all(&[]).unwrap(), None);
        diary.append_all(&batch(&["one", "two", "three"])).unwrap();
        std::fs::rename(&path, folder.path().join("kept")).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(diary.append_all(&batch(&["four", "five"])).unwrap(), None);
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(folder.path().join("kept"), &path).unwrap();
        assert_eq!(diary.append_all(&batch(&["six", "seven"])).unwrap().unwrap().seq, 6);
        let expected = [
            "written one",
            "written two",
            "written three",
            "lost",
            "lost",
            "written records lost",
            "written six",
            "written seven",
        ];
        assert_eq!(*noted.lock().unwrap(), expected);
        let bytes = std::fs::read(&path).unwrap();
        let report = crate::audit::verify(&[file(&bytes)], None, None);
        assert_eq!((report.records, report.gaps.len(), report.broken), (6, 1, None));
    }

    #[test]
    fn a_new_file_is_told_of_with_the_end_of_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let told = Arc::new(Mutex::new(Vec::new()));
        let diary = diary(&path, &told);
        let head = diary.append(&entry("one")).unwrap().unwrap();
        std::fs::rename(&path, folder.path().join("a.jsonl.1")).unwrap();
        diary.append(&entry("two")).unwrap();
        diary.append(&entry("three")).unwrap();
        let rotated = format!("rotated {head}");
        assert_eq!(
            *told.lock().unwrap(),
            ["written one", rotated.as_str(), "written two", "written three"]
        );
    }
}
