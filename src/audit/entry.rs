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
    /// Something that this log should hold is not in it.
    Gap,
}

impl Kind {
    /// The word in the record.
    pub fn word(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome => "outcome",
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

/// What it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The log itself.
    Log,
    /// GARM's own settings.
    Controller,
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
            ("cause", Some(cause(&self.cause))),
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
    if value.to_string().len() > VALUE_MAX { shrink(&value) } else { value }
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
        Subject::Pool { name, id } => {
            json!({ "pool": name.as_str(), "pool_id": id.as_ref().map(PoolId::as_str) })
        }
        Subject::Runner { name, pool, pool_id } => json!({
            "runner": text::quote(name.as_str()),
            "pool": pool.as_str(),
            "pool_id": pool_id.as_str(),
        }),
    }
}

fn cause(cause: &Cause) -> Value {
    let mut shown = json!({ "command": cause.command, "plan": cause.plan, "fleet": cause.fleet });
    if let Some(decision) = &cause.decision {
        shown["decision"] = json!(text::quote(decision));
    }
    shown
}
