//! What one record says, before it is tied into the chain.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::domain::name::{PoolId, PoolName, RunnerName};
use crate::domain::text;

/// A value larger than this, in bytes of JSON, is recorded by size and digest.
const VALUE_MAX: usize = 16 * 1024;

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The user, as the machine knows it.
    pub user: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// Version of this program.
    pub version: String,
}

/// What kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A write to GARM is about to be sent.
    Intent,
    /// What came of it.
    Outcome,
    /// Something happened in GARM, or in this log.
    Event,
    /// Something that this log should hold is not in it.
    Gap,
}

impl Kind {
    /// The word in the record.
    pub fn word(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Event => "event",
            Self::Gap => "gap",
        }
    }
}

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// GARM has done what was asked.
    Done,
    /// GARM answered 200 and left something as it was.
    Ignored,
    /// GARM refused, or was not reached: nothing has changed.
    Refused,
    /// No answer; what was read afterwards could not tell either.
    Unknown,
}

impl Verdict {
    /// The word in the record.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// Who did what an event tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// We: it follows a write of this process.
    Us,
    /// GARM by itself.
    Garm,
    /// It cannot be told: GARM by its own rules, a person, another program.
    Unknown,
}

impl By {
    /// The word in the record.
    pub fn word(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Garm => "GARM",
            Self::Unknown => "unknown",
        }
    }
}

/// Whose pool it happened in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Of this fleet.
    Ours,
    /// Nobody's, or another fleet's.
    Others,
}

/// How we came to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// By an event of GARM's.
    Event,
    /// By a full read.
    Resync,
}

impl Source {
    /// The word in the record.
    pub fn word(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Resync => "resync",
        }
    }
}

/// How much of the way from `before` to `after` was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// All of it: the one state follows the other.
    Whole,
    /// Its end only: states between them may have passed unseen.
    Reconstructed,
    /// It stands before a record that is written already: events come in any order.
    Late,
}

/// What an event record says besides the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Who did it.
    pub by: By,
    /// Whose pool it is; nothing for GARM itself.
    pub owner: Option<Owner>,
    /// How we know.
    pub source: Source,
    /// How well.
    pub sight: Sight,
}

/// What it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The log itself.
    Log,
    /// GARM's own settings.
    Controller,
    /// GARM's credentials for GitHub.
    Credential {
        /// Their name in GARM.
        name: String,
        /// GARM's id; absent before they exist.
        id: Option<u64>,
    },
    /// A pool.
    Pool {
        /// Its name in the fleet.
        name: PoolName,
        /// GARM's id; absent before it exists.
        id: Option<PoolId>,
    },
    /// A runner.
    Runner {
        /// Its name.
        name: RunnerName,
        /// Name of its pool.
        pool: PoolName,
        /// GARM's id of its pool.
        pool_id: PoolId,
    },
    /// An instance that GARM lists, ours or not.
    Instance {
        /// GARM's id of it.
        id: String,
        /// Its name.
        name: RunnerName,
        /// Name of its pool, if that is ours.
        pool: Option<PoolName>,
        /// GARM's id of its pool; absent for an instance of a scale set.
        pool_id: Option<PoolId>,
    },
    /// A pool that is not ours.
    OtherPool(PoolId),
}

/// What led to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// The command: `apply`.
    pub command: String,
    /// Digest of the plan that is carried out.
    pub plan: Option<String>,
    /// Whose fleet.
    pub fleet: Option<String>,
    /// The scaling decision that led to a write, in a few words.
    pub decision: Option<String>,
}

/// One record before it has its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When, on this machine's clock.
    pub time: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What kind of record.
    pub kind: Kind,
    /// `update pool`, `delete runner`, …
    pub act: String,
    /// About what.
    pub subject: Subject,
    /// As it was; secrets by digest only ([`shrink`]).
    pub before: Option<Value>,
    /// As it shall be, or as it is now.
    pub after: Option<Value>,
    /// Why.
    pub cause: Cause,
    /// What an event says besides; for [`Kind::Event`] of the fleet only.
    pub seen: Option<Seen>,
    /// Sequence number of the intent that this is the outcome of.
    pub intent: Option<u64>,
    /// What came of it.
    pub verdict: Option<Verdict>,
    /// One sentence more; empty when there is none.
    pub detail: String,
}

impl Entry {
    /// The members of the record's JSON object, without sequence, chain and seal.
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
            ("owned", self.seen.and_then(|it| it.owner).map(|it| json!(it == Owner::Ours))),
            ("by", self.seen.map(|it| json!(it.by.word()))),
            ("reconstructed", self.marked(Sight::Reconstructed)),
            ("late", self.marked(Sight::Late)),
            ("intent", self.intent.map(Value::from)),
            ("verdict", self.verdict.map(|it| json!(it.word()))),
            (
                "detail",
                Some(text::quote(&self.detail)).filter(|it| !it.is_empty()).map(Value::from),
            ),
        ];
        entries
            .into_iter()
            .filter_map(|(key, value)| value.map(|it| (key.to_owned(), it)))
            .collect()
    }

    /// `true`, if this is how it was seen.
    fn marked(&self, sight: Sight) -> Option<Value> {
        self.seen.filter(|it| it.sight == sight).map(|_| Value::Bool(true))
    }
}

/// A value that may be large or secret, as size and digest.
pub fn shrink(value: &Value) -> Value {
    let text = value.to_string();
    json!({ "bytes": text.len(), "sha256": hex(&Sha256::digest(text.as_bytes())) })
}

/// Hexadecimal digits, lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
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
            "pool_id": pool_id.as_ref().map(|it| text::quote(it.as_str())),
        }),
        Subject::OtherPool(id) => json!({ "pool": null, "pool_id": text::quote(id.as_str()) }),
    }
}

fn cause(cause: &Cause, seen: Option<Seen>) -> Value {
    let mut shown = json!({ "command": cause.command, "plan": cause.plan, "fleet": cause.fleet });
    if let Some(decision) = &cause.decision {
        shown["decision"] = json!(text::quote(decision));
    }
    if let Some(seen) = seen {
        shown["source"] = json!(seen.source.word());
    }
    shown
}
