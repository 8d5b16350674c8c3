//! Records every write: its intent before it is sent, its outcome afterwards.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::leadership::Fence;
use super::write_outcome::WriteError;
use crate::audit::{Actor, Cause, Entry, Head, RecordKind, Subject, Verdict};
use crate::domain::fleet::ReleaseLine;
use crate::garm::{ErrorKind, GarmError, TransportError};
use crate::host::audit_destination::AuditDestination;
use crate::host::audit_file::AuditFileError;
use crate::host::clock::Clock;

/// How long to wait for a lock on the audit file. Other processes hold it for one `fsync` each.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(30);

/// The time between two attempts to lock the audit file.
const LOCK_WAIT: Duration = Duration::from_millis(20);

/// What the audit records of a writer have in common, and where they go.
#[derive(Debug, Clone)]
pub struct AuditContext {
    /// The audit log that receives the records.
    pub book: AuditDestination,
    /// The process that makes the writes.
    pub actor: Actor,
    /// Why the writes are made.
    pub cause: Cause,
    /// The clock that dates the records.
    pub clock: Clock,
    /// The release line of GARM: the old one is never written to.
    pub line: ReleaseLine,
}

/// What both records of a write have in common.
pub(super) struct WriteRecord {
    pub(super) act: &'static str,
    pub(super) subject: Subject,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
    /// The decision that led to the write, in a few words, if there was one.
    pub(super) decision: Option<String>,
}

/// A recorded intent.
pub(super) struct RecordedIntent {
    /// The record; absent if it could not be written and need not be.
    head: Option<Head>,
    /// The term in which the write is decided; absent without `watch.leader`.
    term: Option<u64>,
}

/// Records all writes of one audit context.
pub(super) struct AuditTrail {
    context: AuditContext,
    /// Absent if this process need not lead to write.
    pub(super) fence: Option<Fence>,
}

impl AuditTrail {
    pub(super) fn new(context: AuditContext) -> Self {
        Self { context, fence: None }
    }

    /// Records the intent before anything is sent. If this fails, or this process does not lead, nothing
    /// is sent.
    pub(super) async fn intent(&self, draft: &WriteRecord) -> Result<RecordedIntent, WriteError> {
        let term = match &self.fence {
            None => None,
            Some(fence) => Some(fence.term().ok_or_else(|| not_leading(draft.act))?),
        };
        let entry = Entry {
            before: draft.before.clone(),
            after: draft.after.clone(),
            ..self.entry(RecordKind::Intent, draft, term)
        };
        let head = self.append(entry).await.map_err(WriteError::Unaudited)?;
        Ok(RecordedIntent { head, term })
    }

    /// The term in which this process leads; absent if it does not, and without an election.
    pub(super) fn term(&self) -> Option<u64> {
        self.fence.as_ref().and_then(Fence::term)
    }

    /// Whether this process still leads in the term of the intent.
    pub(super) fn is_in_force(&self, intent: &RecordedIntent) -> bool {
        self.fence.as_ref().is_none_or(|fence| fence.term() == intent.term)
    }

    /// Records the outcome after the answer. Returns the result unchanged, unless recording fails.
    pub(super) async fn outcome<T>(
        &self,
        draft: WriteRecord,
        intent: RecordedIntent,
        result: Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let (verdict, detail) = match &result {
            Ok(_) => (Verdict::Done, String::new()),
            Err(trouble) => (verdict(trouble), trouble.to_string()),
        };
        let entry = Entry {
            intent: intent.head.map(|record| record.seq),
            verdict: Some(verdict),
            detail,
            ..self.entry(RecordKind::Outcome, &draft, intent.term)
        };
        match self.append(entry).await {
            Ok(_) => result,
            Err(error) => Err(result.err().unwrap_or(WriteError::Unrecorded(error))),
        }
    }

    fn entry(&self, kind: RecordKind, draft: &WriteRecord, term: Option<u64>) -> Entry {
        Entry {
            time: self.context.clock.now(),
            actor: self.context.actor.clone(),
            kind,
            act: draft.act.to_owned(),
            subject: draft.subject.clone(),
            before: None,
            after: None,
            cause: Cause { decision: draft.decision.clone(), term, ..self.context.cause.clone() },
            seen: None,
            intent: None,
            verdict: None,
            detail: String::new(),
        }
    }

    async fn append(&self, entry: Entry) -> Result<Option<Head>, String> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match self.context.book.append(entry.clone()).await {
                Ok(head) => return Ok(head),
                Err(AuditFileError::Locked(_)) if Instant::now() < deadline => {
                    tokio::time::sleep(LOCK_WAIT).await;
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

pub(super) fn not_leading(act: &str) -> WriteError {
    let fault = TransportError::NotLeading;
    let (tried, got) = (act.to_owned(), fault.to_string());
    WriteError::Garm(GarmError { kind: ErrorKind::Transport(fault), tried, got, help: None })
}

fn verdict(trouble: &WriteError) -> Verdict {
    match trouble {
        WriteError::Ignored(_) => Verdict::Ignored,
        WriteError::Unknown(_) => Verdict::Unknown,
        WriteError::Garm(_)
        | WriteError::Changed(_)
        | WriteError::Gone
        | WriteError::Unaudited(_)
        | WriteError::Unrecorded(_) => Verdict::Refused,
    }
}
