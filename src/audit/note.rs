//! What the log says about itself: records that no write and no event of GARM's led to.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::chain::Head;
use super::entry::{Actor, Cause, Entry, Kind, Subject};
use super::tail::Torn;
use crate::domain::duration;

/// `act` of the gap record after a change of records that were written already.
pub(super) const ALTERED: &str = "log altered";

/// `act` of the gap record about records that could not be written.
pub(super) const LOST: &str = "records lost";

/// Who writes such a record, when and for whom.
#[derive(Debug, Clone)]
pub struct LogNote {
    /// When.
    pub time: Timestamp,
    /// Who.
    pub actor: Actor,
    /// For which command and fleet.
    pub cause: Cause,
}

/// What is wrong with records that this process has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What was done to them.
    pub harm: DamageKind,
    /// The last record that this process knows to have been in the log.
    pub known: Head,
    /// The last one that is there now.
    pub found: Option<Head>,
}

/// What was done to records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DamageKind {
    /// They are not there, or not as they were; the reason.
    Altered(String),
    /// The file was emptied in place.
    Emptied,
    /// The file was deleted.
    Removed,
}

impl Damage {
    /// Whether records are not there, or not as they were.
    pub fn is_altered(&self) -> bool {
        matches!(self.harm, DamageKind::Altered(_))
    }

    /// One sentence without full stop.
    pub fn sentence(&self) -> String {
        let known = &self.known;
        match (&self.harm, &self.found) {
            (DamageKind::Emptied, _) => format!("the audit file was emptied; it stood at {known}"),
            (DamageKind::Removed, _) => format!("the audit file was deleted; it stood at {known}"),
            (DamageKind::Altered(reason), Some(found)) => format!(
                "the audit log was cut or changed: it stood at {known} and stands at {found} ({reason})"
            ),
            (DamageKind::Altered(reason), None) => {
                format!("the audit log was cut or changed: it stood at {known} ({reason})")
            }
        }
    }
}

impl LogNote {
    /// Something happened to the log.
    pub(super) fn event(&self, act: &str, detail: &str) -> Entry {
        Entry {
            time: self.time,
            actor: self.actor.clone(),
            kind: Kind::Event,
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
        Entry { kind: Kind::Gap, detail, ..self.event(act, "") }
    }

    /// The gap record that follows a torn end: it keeps the torn bytes' digest, so that
    /// [`super::verify`] can tell them from an altered record.
    pub fn torn(&self, torn: &Torn) -> Entry {
        let detail = "the record before this one was not written whole".to_owned();
        Entry { before: Some(torn.digest()), ..self.gap("torn", detail) }
    }

    /// The gap record after the records of this process were changed.
    pub fn damaged(&self, damage: &Damage) -> Entry {
        let act = match damage.harm {
            DamageKind::Altered(_) => ALTERED,
            DamageKind::Emptied => "log emptied",
            DamageKind::Removed => "log removed",
        };
        let head = |it: &Head| json!({ "head": it.to_string() });
        Entry {
            before: Some(head(&damage.known)),
            after: damage.found.as_ref().map(head),
            ..self.gap(act, damage.sentence())
        }
    }

    /// This machine's clock was set back.
    pub fn set_back(&self, from: Timestamp, by: SignedDuration) -> Entry {
        let by = duration::format(by.unsigned_abs());
        Entry {
            before: Some(json!({ "time": from.to_string() })),
            after: Some(json!({ "time": self.time.to_string() })),
            ..self
                .event("clock set back", &format!("the clock of this machine was set back by {by}"))
        }
    }

    /// The file can be written again, and nothing was done without a record; why it could not.
    pub fn free(&self, why: &str) -> Entry {
        let detail = format!("records can be written again, and no write was sent without: {why}");
        self.event("audit file writable again", &detail)
    }

    /// So many records could not be written since then; why.
    pub fn lost(&self, count: u64, since: Option<Timestamp>, why: &str) -> Entry {
        let until = self.time.to_string();
        Entry {
            before: Some(json!({ "from": since.map(|it| it.to_string()) })),
            after: Some(json!({ "to": until, "records": count })),
            ..self.gap(LOST, format!("{count} records could not be written: {why}"))
        }
    }
}

/// The heads that a record of [`ALTERED`] tells of, in words.
pub(super) fn heads(members: &Value) -> (String, String) {
    let head = |key: &str| members[key]["head"].as_str().unwrap_or("nothing").to_owned();
    (head("before"), head("after"))
}
