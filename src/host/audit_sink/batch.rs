//! Batches of records for the audit file.

use tokio::sync::oneshot;

use crate::audit::{Draft, Head};

/// A record that a write waits for.
pub(super) struct UrgentRecord {
    pub(super) draft: Draft,
    /// The write drops the receiver when it stops waiting.
    pub(super) reply: oneshot::Sender<Result<Head, String>>,
}

/// The records that are written with one `fsync`.
pub(super) struct WriteBatch {
    /// A record which says that records were lost, or that the file is writable again.
    pub(super) note: Option<Draft>,
    /// The number of lost records that the note reports.
    pub(super) missing: u64,
    pub(super) urgent: Vec<UrgentRecord>,
    pub(super) others: Vec<Draft>,
}

impl WriteBatch {
    pub(super) fn drafts(&self) -> impl Iterator<Item = &Draft> {
        self.note.iter().chain(self.urgent.iter().map(|urgent| &urgent.draft)).chain(&self.others)
    }
}
