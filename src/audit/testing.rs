//! Records for tests.

use jiff::Timestamp;

use super::{Actor, Cause, Entry, RecordKind, Subject};

/// A record about the log itself, without values.
pub(crate) fn entry(actor: Actor, kind: RecordKind, act: &str, detail: &str) -> Entry {
    Entry {
        time: Timestamp::UNIX_EPOCH,
        actor,
        kind,
        act: act.into(),
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
