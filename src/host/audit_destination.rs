//! The destination of audit records: a file, the sink of `watch`, memory, or nowhere.

use std::sync::{Arc, Mutex};

use super::audit_file::{AuditFile, AuditFileError};
use super::audit_sink::AuditSink;
use crate::audit::{self, Entry, Head};
use crate::domain::poison::IgnorePoison;

/// Where the records of writes to GARM go.
#[derive(Debug, Clone)]
pub enum AuditDestination {
    /// A file; a write whose record fails is not sent.
    File(Arc<AuditFile>),
    /// The sink of `watch`, whose policy decides whether a write without a record is sent.
    Sink(Arc<AuditSink>),
    /// Lines in memory, for the demo and for tests.
    Memory(Arc<Mutex<MemoryLog>>),
    /// Records are not kept (`--no-audit`).
    Off,
}

/// A log that is kept in memory.
#[derive(Debug)]
pub struct MemoryLog {
    /// All records, in the format of a file.
    pub text: String,
    head: Head,
}

impl AuditDestination {
    /// An empty log in memory.
    pub fn memory() -> Self {
        Self::Memory(Arc::new(Mutex::new(MemoryLog { text: String::new(), head: Head::start() })))
    }

    /// Appends a record and returns its head; `None` if no records are kept or the record was lost.
    /// After [`AuditFileError::Locked`] the caller should try again.
    pub async fn append(&self, entry: Entry) -> Result<Option<Head>, AuditFileError> {
        match self {
            Self::File(audit_file) => {
                let audit_file = Arc::clone(audit_file);
                tokio::task::spawn_blocking(move || audit_file.append(&entry))
                    .await
                    .expect("append does not panic, and the task is not aborted")
                    .map(Some)
            }
            Self::Sink(sink) => sink.append(&entry).await,
            Self::Memory(memory) => {
                let mut memory = memory.lock().ignoring_poison();
                let (line, head) = audit::seal(&entry, &memory.head, None);
                memory.text.push_str(&line);
                memory.head = head.clone();
                Ok(Some(head))
            }
            Self::Off => Ok(None),
        }
    }
}
