//! A batch of records for one write, and the result of the write.

use crate::audit::{Damage, Draft, FinalNewline, Head, Key, RecordKind};

/// The result of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The head of the log after the append.
    pub head: Head,
    /// The heads of the requested records, in order.
    pub heads: Vec<Head>,
    /// The head at which the previous file ended, if the records begin a new file.
    pub rotated: Option<Head>,
    /// Set if records that this process knew were changed or removed; a gap record reports it.
    pub damage: Option<Damage>,
    /// The kinds of all records that were written, those about the log itself included.
    pub kinds: Vec<RecordKind>,
    /// Why a file that was due was not closed.
    pub not_rotated: Option<String>,
}

/// The records that are about to be written.
pub(super) struct RecordBatch {
    pub(super) head: Head,
    pub(super) text: String,
    /// The length of the last line, with its newline.
    pub(super) last_line: usize,
    pub(super) kinds: Vec<RecordKind>,
}

impl RecordBatch {
    pub(super) fn new(head: Head, ending: FinalNewline) -> Self {
        Self { head, text: ending.repair().to_owned(), last_line: 0, kinds: Vec::new() }
    }

    pub(super) fn write(&mut self, draft: &Draft, key: Option<&Key>) {
        let (line, head) = draft.seal(&self.head, key);
        self.text.push_str(&line);
        (self.head, self.last_line) = (head, line.len());
        self.kinds.push(draft.kind);
    }
}
