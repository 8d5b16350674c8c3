//! Records on their way to the audit file.

use tokio::sync::oneshot;

use crate::audit::{Draft, Head};

/// A record that a write waits for.
pub(super) struct UrgentRecord {
    pub(super) draft: Draft,
    /// The receiver is dropped when the write has waited long enough.
    pub(super) reply: oneshot::Sender<Result<Head, String>>,
}

/// The records that are written with one `fsync`.
pub(super) struct WriteBatch {
    /// A record about lost records, or about the file being writable again.
    pub(super) note: Option<Draft>,
    /// How many lost records the note reports.
    pub(super) missing: u64,
    pub(super) urgent: Vec<UrgentRecord>,
    pub(super) others: Vec<Draft>,
}

impl WriteBatch {
    pub(super) fn drafts(&self) -> impl Iterator<Item = &Draft> {
        self.note.iter().chain(self.urgent.iter().map(|urgent| &urgent.draft)).chain(&self.others)
    }
}
