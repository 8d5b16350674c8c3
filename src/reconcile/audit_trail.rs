//! Every write on record: its intent before it is sent, its outcome after.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::write_outcome::WriteError;
use crate::audit::{Actor, Cause, Entry, Head, Kind, Subject, Verdict};
use crate::domain::fleet::ReleaseLine;
use crate::host::audit_file::LedgerError;
use crate::host::book::Book;
use crate::host::clock::Clock;

/// How long to wait for other processes to let go of the audit file. Each holds it for one
/// `fsync`.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at a held audit file.
const LOCK_WAIT: Duration = Duration::from_millis(20);

/// Who writes, why, and where it is recorded.
#[derive(Debug, Clone)]
pub struct AuditContext {
    /// Where records go.
    pub book: Book,
    /// Who writes.
    pub actor: Actor,
    /// Why.
    pub cause: Cause,
    /// The clock of the records.
    pub clock: Clock,
    /// Which line of GARM this is: the old one is not written to.
    pub line: ReleaseLine,
}

/// What both records of a write say.
pub(super) struct WriteRecord {
    pub(super) act: &'static str,
    pub(super) subject: Subject,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
    /// The decision that led to it, in a few words, where it was one.
    pub(super) decision: Option<String>,
}

/// Records under one warrant.
pub(super) struct AuditTrail {
    warrant: AuditContext,
}

impl AuditTrail {
    pub(super) fn new(warrant: AuditContext) -> Self {
        Self { warrant }
    }

    /// On record before anything is sent; if it cannot be, nothing is sent.
    pub(super) async fn intent(&self, draft: &WriteRecord) -> Result<Option<Head>, WriteError> {
        let entry = Entry {
            before: draft.before.clone(),
            after: draft.after.clone(),
            ..self.entry(Kind::Intent, draft)
        };
        self.append(entry).await.map_err(WriteError::Unaudited)
    }

    /// On record after the answer. The result passes through, unless recording fails.
    pub(super) async fn outcome<T>(
        &self,
        draft: WriteRecord,
        intent: Option<Head>,
        result: Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let (verdict, detail) = match &result {
            Ok(_) => (Verdict::Done, String::new()),
            Err(trouble) => (verdict(trouble), trouble.to_string()),
        };
        let entry = Entry {
            intent: intent.map(|it| it.seq),
            verdict: Some(verdict),
            detail,
            ..self.entry(Kind::Outcome, &draft)
        };
        match self.append(entry).await {
            Ok(_) => result,
            Err(error) => Err(result.err().unwrap_or(WriteError::Unrecorded(error))),
        }
    }

    fn entry(&self, kind: Kind, draft: &WriteRecord) -> Entry {
        Entry {
            time: self.warrant.clock.now(),
            actor: self.warrant.actor.clone(),
            kind,
            act: draft.act.to_owned(),
            subject: draft.subject.clone(),
            before: None,
            after: None,
            cause: Cause { decision: draft.decision.clone(), ..self.warrant.cause.clone() },
            seen: None,
            intent: None,
            verdict: None,
            detail: String::new(),
        }
    }

    async fn append(&self, entry: Entry) -> Result<Option<Head>, String> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match self.warrant.book.append(entry.clone()).await {
                Ok(head) => return Ok(head),
                Err(LedgerError::Locked(_)) if Instant::now() < deadline => {
                    tokio::time::sleep(LOCK_WAIT).await;
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }
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
