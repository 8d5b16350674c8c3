//! Where the records of writes go.

use std::sync::{Arc, Mutex, PoisonError};

use super::audit_file::{Ledger, LedgerError};
use super::audit_sink::Diary;
use crate::audit::{self, Entry, Head};

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
            Self::Diary(diary) => diary.append(&entry).await,
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
