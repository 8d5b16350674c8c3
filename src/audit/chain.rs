//! The chain: sealing an entry, opening a line, finding the end of a file.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::entry::{Actor, Cause, Entry, Kind, Subject, hex};
use crate::domain::text;

/// Longest line, in bytes: [`super::entry`] bounds every part so that none comes near.
pub const RECORD_MAX: usize = 64 * 1024;

const START: &str = r#"{"v":1,"seq":"#;
/// `,"hash":"` + 64 digits + `"}`
const HASH_LEN: usize = 9 + 64 + 2;
/// `,"mac":"` + 64 digits + `"`
const MAC_LEN: usize = 8 + 64 + 1;

/// A place in the chain: the last record that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its sequence number; the first record has 1.
    pub seq: u64,
    /// Its hash, 64 hexadecimal digits.
    pub hash: String,
}

impl Head {
    /// Before the first record.
    pub fn start() -> Self {
        Self { seq: 0, hash: "0".repeat(64) }
    }

    /// Reads `SEQ:HASH`, as it is logged.
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, hash) = text.split_once(':')?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|it| it.is_ascii_hexdigit());
        Some(Self { seq: seq.parse().ok()?, hash: hash.to_ascii_lowercase() }).filter(|_| is_hash)
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// The key of the HMAC: whoever has only the file cannot write a chain that verifies with it.
#[derive(Debug, Clone)]
pub struct Key(SecretString);

impl Key {
    /// Any text; a good one is long and random.
    pub fn new(secret: SecretString) -> Self {
        Self(secret)
    }

    fn mac(&self, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes())
            .expect("HMAC takes a key of any length");
        mac.update(body.as_bytes());
        hex(&mac.finalize().into_bytes())
    }
}

/// A line that has been opened and is sound by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its place.
    pub head: Head,
    /// Hash of the record before.
    pub previous: String,
    /// The whole of it.
    pub members: Value,
}

/// Why a line is not a sound record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It is not a whole record: a write was cut off, or it never was one.
    Torn,
    /// It has the form of a record, and its hash is not that of its bytes.
    Altered,
    /// Its HMAC is missing or not that of its bytes.
    Forged,
}

/// Ties an entry to the record before it: the line, with its newline, and the new head.
pub fn seal(entry: &Entry, previous: &Head, key: Option<&Key>) -> (String, Head) {
    seal_members(entry.members(), previous, key)
}

fn seal_members(
    members: serde_json::Map<String, Value>,
    previous: &Head,
    key: Option<&Key>,
) -> (String, Head) {
    let seq = previous.seq + 1;
    let rest = Value::Object(members).to_string();
    // It still means the same, and does nothing to the terminal that shows the file.
    let rest = text::escape_json(&rest);
    let rest = rest.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    let rest = rest.expect("the JSON of an object stands in braces");
    let mut line = format!(r#"{START}{seq},"prev":"{}",{rest}"#, previous.hash);
    if let Some(key) = key {
        let mac = key.mac(&line);
        line.push_str(&format!(r#","mac":"{mac}""#));
    }
    let hash = hex(&Sha256::digest(line.as_bytes()));
    line.push_str(&format!(",\"hash\":\"{hash}\"}}\n"));
    (line, Head { seq, hash })
}

/// Opens one line (without its newline). With a key, its HMAC is demanded.
pub fn open(line: &[u8], key: Option<&Key>) -> Result<Record, Flaw> {
    let line = std::str::from_utf8(line).map_err(|_| Flaw::Torn)?;
    let (body, hash) = split_hash(line).ok_or(Flaw::Torn)?;
    if hex(&Sha256::digest(body.as_bytes())) != hash {
        return Err(Flaw::Altered);
    }
    if let Some(key) = key
        && !has_mac(body, key)
    {
        return Err(Flaw::Forged);
    }
    let members: Value = serde_json::from_str(line).map_err(|_| Flaw::Altered)?;
    let seq = members["seq"].as_u64().ok_or(Flaw::Altered)?;
    let previous = members["prev"].as_str().ok_or(Flaw::Altered)?.to_owned();
    Ok(Record { head: Head { seq, hash: hash.to_owned() }, previous, members })
}

/// What is hashed, and the hash that stands behind it; nothing when the line has not the form of
/// a record.
fn split_hash(line: &str) -> Option<(&str, &str)> {
    if !line.starts_with(START) {
        return None;
    }
    let (body, tail) = line.split_at_checked(line.len().checked_sub(HASH_LEN)?)?;
    let hash = tail.strip_prefix(r#","hash":""#)?.strip_suffix("\"}")?;
    Some((body, hash))
}

fn has_mac(body: &str, key: &Key) -> bool {
    let Some((signed, tail)) =
        body.len().checked_sub(MAC_LEN).and_then(|at| body.split_at_checked(at))
    else {
        return false;
    };
    let mac = tail.strip_prefix(r#","mac":""#).and_then(|it| it.strip_suffix('"'));
    mac.is_some_and(|it| it == key.mac(signed))
}

/// How a file ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// It is empty.
    Empty,
    /// A sound record ends it; its newline may be missing.
    Sound {
        /// That record.
        head: Head,
        /// Whether the newline is there.
        ending: Ending,
    },
    /// Something else ends it, after this record.
    Torn {
        /// The last sound record; [`Head::start`] when the file has none.
        head: Head,
        /// The bytes behind it, the first newline before and the last one after aside.
        bytes: Vec<u8>,
        /// Whether a newline ends them.
        ending: Ending,
    },
    /// No record in what was read: this is not an audit file.
    Foreign,
}

impl Tail {
    /// The last sound record, if there can be one.
    pub fn head(&self) -> Option<&Head> {
        match self {
            Self::Sound { head, .. } | Self::Torn { head, .. } => Some(head),
            Self::Empty | Self::Foreign => None,
        }
    }

    /// The same, when the next record goes into another file: there is no line to be ended.
    #[must_use]
    pub fn in_new_file(self) -> Self {
        let ending = Ending::Newline;
        match self {
            Self::Sound { head, .. } => Self::Sound { head, ending },
            Self::Torn { head, bytes, .. } => Self::Torn { head, bytes, ending },
            Self::Empty | Self::Foreign => self,
        }
    }
}

/// How the last line of a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    Newline,
    /// Without one: the next record must bring it.
    Cut,
}

impl Ending {
    /// What must be written before the next record.
    pub fn repair(self) -> &'static str {
        match self {
            Self::Newline => "",
            Self::Cut => "\n",
        }
    }
}

/// Reads the end of a file from its last bytes. `is_whole` says whether they are all of it. A tail
/// of twice [`RECORD_MAX`] always holds the last record, unless what follows it is garbage.
pub fn read_tail(bytes: &[u8], is_whole: Whole) -> Tail {
    if bytes.is_empty() {
        return Tail::Empty;
    }
    let (text, ending) = match bytes.strip_suffix(b"\n") {
        Some(text) => (text, Ending::Newline),
        None => (bytes, Ending::Cut),
    };
    let mut end = text.len();
    loop {
        let start = text[..end].iter().rposition(|it| *it == b'\n').map_or(0, |at| at + 1);
        if let Ok(record) = open(&text[start..end], None) {
            let head = record.head;
            return if end == text.len() {
                Tail::Sound { head, ending }
            } else {
                Tail::Torn { head, bytes: text[end + 1..].to_vec(), ending }
            };
        }
        if start == 0 {
            break;
        }
        end = start - 1;
    }
    // The very first record, cut off: what is there is the beginning of one.
    let begun = text.len().min(START.len());
    let is_first = is_whole == Whole::Yes
        && !text.is_empty()
        && !text.contains(&b'\n')
        && text.len() <= RECORD_MAX
        && text[..begun] == START.as_bytes()[..begun];
    if is_first {
        Tail::Torn { head: Head::start(), bytes: text.to_vec(), ending }
    } else {
        Tail::Foreign
    }
}

/// Whether bytes are the whole of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// All of it.
    Yes,
    /// Its end only.
    No,
}

/// The gap record that follows a torn end: it keeps the torn bytes' digest, so that
/// [`super::verify`] can tell them from an altered record.
pub fn torn_entry(torn: &[u8], time: Timestamp, actor: Actor, cause: Cause) -> Entry {
    Entry {
        time,
        actor,
        kind: Kind::Gap,
        act: "torn".into(),
        subject: Subject::Log,
        before: Some(torn_digest(torn)),
        after: None,
        cause,
        seen: None,
        intent: None,
        verdict: None,
        detail: "the record before this one was not written whole".into(),
    }
}

/// Size and digest of torn bytes.
pub(super) fn torn_digest(torn: &[u8]) -> Value {
    json!({ "bytes": torn.len(), "sha256": hex(&Sha256::digest(torn)) })
}
