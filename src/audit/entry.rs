//! The content of a record, before it is linked into the chain.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::domain::name::{PoolId, PoolName, RunnerName};
use crate::domain::text;

/// The maximum size of a recorded value, in bytes of JSON. A larger one is replaced by its size and
/// digest.
const VALUE_MAX: usize = 16 * 1024;

/// The process that writes a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The name of the user on the machine.
    pub user: String,
    /// The name of the machine.
    pub host: String,
    /// The id of the process.
    pub pid: u32,
    /// The version of this program.
    pub version: String,
}

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A write to GARM is about to be sent.
    Intent,
    /// A write to GARM has ended.
    Outcome,
    /// A change in GARM, or an event about the log itself.
    Event,
    /// Records may be missing, for a stated reason.
    Gap,
}

impl RecordKind {
    /// The word in the JSON of a record.
    pub fn word(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Event => "event",
            Self::Gap => "gap",
        }
    }
}

/// The result of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// GARM made the requested change.
    Done,
    /// GARM answered 200 and left at least one field unchanged.
    Ignored,
    /// GARM refused the write or was not reached, and nothing has changed.
    Refused,
    /// GARM did not answer, and a later read did not show whether the change was made.
    Unknown,
}

impl Verdict {
    /// The word in the JSON of a record.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// The party that caused an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initiator {
    /// This process, by a write.
    Us,
    /// GARM, by itself.
    Garm,
    /// Unknown: GARM by its own rules, a person or another program.
    Unknown,
}

impl Initiator {
    /// The word in the JSON of a record.
    pub fn word(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Garm => "GARM",
            Self::Unknown => "unknown",
        }
    }
}

/// The owner of the pool in which an event happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolOwner {
    /// This fleet.
    Ours,
    /// Another fleet, or none.
    Others,
}

/// What revealed a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Event,
    Resync,
}

impl Source {
    /// The word in the JSON of a record.
    pub fn word(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Resync => "resync",
        }
    }
}

/// How exactly the change from `before` to `after` was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fidelity {
    /// The second state directly follows the first.
    Exact,
    /// Only the end was observed: there may have been states in between.
    Reconstructed,
    /// The change is older than a recorded one, because events arrive in any order.
    Late,
}

/// How a change in GARM was observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventObservation {
    /// The party that caused the event.
    pub by: Initiator,
    /// The owner of the pool; absent for a change of GARM's own settings.
    pub owner: Option<PoolOwner>,
    /// What revealed the change.
    pub source: Source,
    /// How exactly the change was observed.
    pub sight: Fidelity,
}

/// The subject of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The log itself.
    Log,
    Controller,
    /// GARM's credentials for GitHub.
    Credential {
        name: String,
        /// Their id in GARM; absent before they exist.
        id: Option<u64>,
    },
    /// A pool of this fleet.
    Pool {
        /// Its name in the fleet.
        name: PoolName,
        /// Its id in GARM; absent before it exists.
        id: Option<PoolId>,
    },
    /// The runner that a write is about.
    Runner {
        /// The name of the runner.
        name: RunnerName,
        /// The name of its pool.
        pool: PoolName,
        /// The id of its pool in GARM.
        pool_id: PoolId,
    },
    /// A runner that GARM lists, of this fleet or not.
    Instance {
        /// The id of the runner in GARM.
        id: String,
        /// The name of the runner.
        name: RunnerName,
        /// The name of its pool, if the pool belongs to this fleet.
        pool: Option<PoolName>,
        /// The id of its pool in GARM; absent for a runner of a scale set.
        pool_id: Option<PoolId>,
    },
    /// A pool of another fleet or of none.
    OtherPool(PoolId),
}

/// Why a record is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// The command, for example `apply`.
    pub command: String,
    /// The digest of the plan that is applied.
    pub plan: Option<String>,
    /// The name of the fleet.
    pub fleet: Option<String>,
    /// The scaling decision that led to the write, in a few words.
    pub decision: Option<String>,
    /// The term in which the process led (`watch.leader`); absent without one, and on a standby.
    pub term: Option<u64>,
}

/// A record without its position in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The time on this machine's clock.
    pub time: Timestamp,
    /// The process that writes the record.
    pub actor: Actor,
    /// The kind of the record.
    pub kind: RecordKind,
    /// What was done or happened, for example `update pool`.
    pub act: String,
    /// What the record is about.
    pub subject: Subject,
    /// The values before the change; secrets appear only as a digest ([`shrink`]).
    pub before: Option<Value>,
    /// The values that an intent requests, or the values after the change.
    pub after: Option<Value>,
    /// Why the record is written.
    pub cause: Cause,
    /// How an event was observed; only for a [`RecordKind::Event`] of the fleet.
    pub seen: Option<EventObservation>,
    /// The sequence number of the intent, in an outcome.
    pub intent: Option<u64>,
    /// The result, in an outcome.
    pub verdict: Option<Verdict>,
    /// An additional sentence; may be empty.
    pub detail: String,
}

impl Entry {
    /// The members of the record's JSON object, without those of the chain.
    pub(super) fn members(&self) -> Map<String, Value> {
        let entries = [
            ("time", Some(json!(self.time.to_string()))),
            ("actor", Some(actor(&self.actor))),
            ("kind", Some(json!(self.kind.word()))),
            ("act", Some(json!(self.act))),
            ("subject", Some(subject(&self.subject))),
            ("before", self.before.clone().map(bounded)),
            ("after", self.after.clone().map(bounded)),
            ("cause", Some(cause(&self.cause, self.seen))),
            (
                "owned",
                self.seen.and_then(|seen| seen.owner).map(|owner| json!(owner == PoolOwner::Ours)),
            ),
            ("by", self.seen.map(|seen| json!(seen.by.word()))),
            ("reconstructed", self.marked(Fidelity::Reconstructed)),
            ("late", self.marked(Fidelity::Late)),
            ("intent", self.intent.map(Value::from)),
            ("verdict", self.verdict.map(|verdict| json!(verdict.word()))),
            (
                "detail",
                Some(text::quote(&self.detail)).filter(|text| !text.is_empty()).map(Value::from),
            ),
        ];
        entries
            .into_iter()
            .filter_map(|(key, value)| value.map(|value| (key.to_owned(), value)))
            .collect()
    }

    /// `true` if the event was observed in this way, absent otherwise.
    fn marked(&self, sight: Fidelity) -> Option<Value> {
        self.seen.filter(|seen| seen.sight == sight).map(|_| Value::Bool(true))
    }
}

/// Replaces a value that may be large or secret by its size and digest.
pub fn shrink(value: &Value) -> Value {
    let text = value.to_string();
    json!({ "bytes": text.len(), "sha256": hex(&Sha256::digest(text.as_bytes())) })
}

/// The bytes as hexadecimal digits, in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bounded(value: Value) -> Value {
    let is_large = text::escape_json(&value.to_string()).len() > VALUE_MAX;
    if is_large { shrink(&value) } else { value }
}

fn actor(actor: &Actor) -> Value {
    json!({
        "user": text::quote(&actor.user),
        "host": text::quote(&actor.host),
        "pid": actor.pid,
        "version": actor.version,
    })
}

fn subject(subject: &Subject) -> Value {
    match subject {
        Subject::Log => json!({ "log": true }),
        Subject::Controller => json!({ "controller": true }),
        Subject::Credential { name, id } => {
            json!({ "credential": text::quote(name), "credential_id": id })
        }
        Subject::Pool { name, id } => {
            json!({ "pool": name.as_str(), "pool_id": id.as_ref().map(PoolId::as_str) })
        }
        Subject::Runner { name, pool, pool_id } => json!({
            "runner": text::quote(name.as_str()),
            "pool": pool.as_str(),
            "pool_id": pool_id.as_str(),
        }),
        Subject::Instance { id, name, pool, pool_id } => json!({
            "runner": text::quote(name.as_str()),
            "instance_id": text::quote(id),
            "pool": pool.as_ref().map(PoolName::as_str),
            "pool_id": pool_id.as_ref().map(|id| text::quote(id.as_str())),
        }),
        Subject::OtherPool(id) => json!({ "pool": null, "pool_id": text::quote(id.as_str()) }),
    }
}

fn cause(cause: &Cause, seen: Option<EventObservation>) -> Value {
    let mut shown = json!({ "command": cause.command, "plan": cause.plan, "fleet": cause.fleet });
    if let Some(decision) = &cause.decision {
        shown["decision"] = json!(text::quote(decision));
    }
    if let Some(term) = cause.term {
        shown["term"] = json!(term);
    }
    if let Some(seen) = seen {
        shown["source"] = json!(seen.source.word());
    }
    shown
}
