//! Records about the log itself. They are caused neither by a write to GARM nor by an event.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::chain::Head;
use super::entry::{Actor, Cause, Entry, RecordKind, Subject};
use super::torn::Torn;
use crate::domain::duration;

/// The `act` of the gap record that reports changed records.
pub(super) const ALTERED: &str = "log altered";

/// The `act` of the gap record that reports records which could not be written.
pub(super) const LOST: &str = "records lost";

/// The time, author and cause of a record about the log.
#[derive(Debug, Clone)]
pub struct LogNote {
    /// The time on this machine's clock.
    pub time: Timestamp,
    /// The process that writes the record.
    pub actor: Actor,
    /// The command and the fleet.
    pub cause: Cause,
}

/// Damage to records that this process wrote or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What was done to the records.
    pub harm: DamageKind,
    /// The last record that this process knows to have been in the log.
    pub known: Head,
    /// The last record that is in the log now.
    pub found: Option<Head>,
}

/// What was done to the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DamageKind {
    /// Records were removed or changed; the evidence for it.
    Altered(String),
    /// The file was emptied in place.
    Emptied,
    Removed,
}

impl Damage {
    /// Whether records were removed or changed within the log.
    pub fn is_altered(&self) -> bool {
        matches!(self.harm, DamageKind::Altered(_))
    }

    /// The damage as a sentence without a full stop.
    pub fn sentence(&self) -> String {
        let known = &self.known;
        match (&self.harm, &self.found) {
            (DamageKind::Emptied, _) => format!("the audit file was emptied; its head was {known}"),
            (DamageKind::Removed, _) => format!("the audit file was deleted; its head was {known}"),
            (DamageKind::Altered(reason), Some(found)) => format!(
                "the audit log was cut or changed: its head was {known} and is now {found} ({reason})"
            ),
            (DamageKind::Altered(reason), None) => {
                format!("the audit log was cut or changed: its head was {known} ({reason})")
            }
        }
    }
}

impl LogNote {
    /// The record of an event about the log.
    pub(super) fn event(&self, act: &str, detail: &str) -> Entry {
        Entry {
            time: self.time,
            actor: self.actor.clone(),
            kind: RecordKind::Event,
            act: act.to_owned(),
            subject: Subject::Log,
            before: None,
            after: None,
            cause: self.cause.clone(),
            seen: None,
            intent: None,
            verdict: None,
            detail: detail.to_owned(),
        }
    }

    fn gap(&self, act: &str, detail: String) -> Entry {
        Entry { kind: RecordKind::Gap, detail, ..self.event(act, "") }
    }

    /// The gap record after torn bytes. It contains their digest, so that [`super::verify`] can
    /// distinguish them from an altered record.
    pub fn torn(&self, torn: &Torn) -> Entry {
        let detail = "the previous record was not written completely".to_owned();
        Entry { before: Some(torn.digest()), ..self.gap("torn", detail) }
    }

    /// The gap record that reports damage to the log.
    pub fn damaged(&self, damage: &Damage) -> Entry {
        let act = match damage.harm {
            DamageKind::Altered(_) => ALTERED,
            DamageKind::Emptied => "log emptied",
            DamageKind::Removed => "log removed",
        };
        let shown = |head: &Head| json!({ "head": head.to_string() });
        Entry {
            before: Some(shown(&damage.known)),
            after: damage.found.as_ref().map(shown),
            ..self.gap(act, damage.sentence())
        }
    }

    /// The record that this machine's clock was set back from the time `from` by the duration `by`.
    pub fn set_back(&self, from: Timestamp, by: SignedDuration) -> Entry {
        let by = duration::format(by.unsigned_abs());
        Entry {
            before: Some(json!({ "time": from.to_string() })),
            after: Some(json!({ "time": self.time.to_string() })),
            ..self
                .event("clock set back", &format!("the clock of this machine was set back by {by}"))
        }
    }

    /// The record that the file can be written again. In the meantime no write to GARM was sent.
    /// `why` is the reason why the file could not be written.
    pub fn free(&self, why: &str) -> Entry {
        let detail = format!(
            "records can be written again, and no write was sent without a record; before: {why}"
        );
        self.event("audit file writable again", &detail)
    }

    /// The gap record that `count` records since `since` could not be written; `why` is the reason.
    pub fn lost(&self, count: u64, since: Option<Timestamp>, why: &str) -> Entry {
        let until = self.time.to_string();
        Entry {
            before: Some(json!({ "from": since.map(|time| time.to_string()) })),
            after: Some(json!({ "to": until, "records": count })),
            ..self.gap(LOST, format!("{count} records could not be written: {why}"))
        }
    }
}

/// The known head and the found head in a record with the act [`ALTERED`], as text.
pub(super) fn heads(members: &Value) -> (String, String) {
    let head = |key: &str| members[key]["head"].as_str().unwrap_or("nothing").to_owned();
    (head("before"), head("after"))
}
