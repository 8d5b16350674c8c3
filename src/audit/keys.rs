//! The available HMAC keys: which of them signed a record, and how one key succeeds another.

use serde_json::json;

use super::chain::{Head, Record};
use super::entry::Entry;
use super::key::{Key, KeyId, is_same};
use super::note::LogNote;

/// The `act` of the record with which signing begins.
const KEY_ADDED: &str = "audit key added";
/// The `act` of the record after which another key signs.
const KEY_CHANGED: &str = "audit key changed";

/// The `act`s of the records about keys.
pub(super) const ACTS: [&str; 2] = [KEY_ADDED, KEY_CHANGED];

/// The key that signs new records, and the keys that signed earlier ones.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    signing: Option<Key>,
    earlier: Vec<Key>,
}

/// The signer of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// The record has no HMAC.
    Unsigned,
    /// An available key.
    Known(KeyId),
    /// A key that is not available, with its id if the log gives it.
    Unknown(Option<KeyId>),
}

impl Keys {
    /// Keys for writing: `signing` signs new records; without it they are not signed.
    pub fn new(signing: Option<Key>, earlier: Vec<Key>) -> Self {
        Self { signing, earlier }
    }

    /// Keys for checking records, in any order.
    pub fn checking(keys: Vec<Key>) -> Self {
        Self { signing: None, earlier: keys }
    }

    /// The key that signs new records.
    pub fn signing(&self) -> Option<&Key> {
        self.signing.as_ref()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        self.signing.iter().chain(&self.earlier)
    }

    pub(super) fn find(&self, id: &KeyId) -> Option<&Key> {
        self.all().find(|key| key.id() == id)
    }

    /// The key that must sign the next record of a log, if it is available.
    pub fn due(&self, signer: &Signer) -> Option<&Key> {
        match signer {
            Signer::Known(id) => self.find(id),
            Signer::Unsigned | Signer::Unknown(_) => None,
        }
    }

    /// Finds the key that signed a record.
    pub(super) fn signer(&self, record: &Record<'_>) -> Signer {
        let Some((signed, mac)) = record.signed else { return Signer::Unsigned };
        let found = self.all().find(|key| is_same(&key.mac(signed), mac));
        found.map_or(Signer::Unknown(None), |key| Signer::Known(key.id().clone()))
    }

    /// Whether one of these keys signed the record; always `true` if there are no keys.
    pub fn vouch_for(&self, record: &Record<'_>) -> bool {
        self.is_empty() || matches!(self.signer(record), Signer::Known(_))
    }

    /// The signer of the next record: the signer of this one, or the key that this one names.
    pub(super) fn signer_after(&self, record: &Record<'_>) -> Signer {
        match (self.signer(record), Succession::of(record)) {
            (Signer::Known(_), Some(Succession::To { id, proof })) => {
                let is_proven = |key: &&Key| is_same(&key.proof(&record.previous), &proof);
                match self.find(&id).filter(is_proven) {
                    Some(_) => Signer::Known(id),
                    None => Signer::Unknown(Some(id)),
                }
            }
            (signer, _) => signer,
        }
    }

    /// The record that announces the change from `current` to the signing key, and the key that
    /// must sign that record; `None` if no change is needed. `previous` is the head before the
    /// record. Errors if the log is signed and these keys cannot continue it.
    pub fn succession(
        &self,
        current: &Signer,
        previous: &Head,
        note: &LogNote,
    ) -> Result<Option<(Entry, &Key)>, KeyError> {
        match (&self.signing, current) {
            (None, Signer::Unsigned) => Ok(None),
            (None, Signer::Known(_) | Signer::Unknown(_)) => Err(KeyError::Unsigned),
            (Some(_), Signer::Unknown(_)) => Err(KeyError::UnknownKey),
            // In an empty log, the first record shows by its HMAC that the log is signed.
            (Some(_), Signer::Unsigned) if previous.seq == 0 => Ok(None),
            (Some(key), Signer::Unsigned) => {
                let after = json!({ "key": key.id().to_string() });
                let detail = "the records from here on have an HMAC, made with this key";
                Ok(Some((Entry { after: Some(after), ..note.event(KEY_ADDED, detail) }, key)))
            }
            (Some(key), Signer::Known(id)) if key.id() == id => Ok(None),
            (Some(key), Signer::Known(id)) => {
                let old = self.find(id).expect("the key of a known signer is available");
                let proof = key.proof(&previous.hash);
                let entry = Entry {
                    before: Some(json!({ "key": id.to_string() })),
                    after: Some(json!({ "key": key.id().to_string(), "proof": proof })),
                    ..note.event(
                        KEY_CHANGED,
                        "signed with the old key; the new one signs from here on",
                    )
                };
                Ok(Some((entry, old)))
            }
        }
    }
}

/// Why the available keys cannot continue a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// The log is signed, but there is no key to sign new records.
    Unsigned,
    /// The log is signed with a key that is not available.
    UnknownKey,
}

/// A change of the signing key, as a record announces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Succession {
    /// Signing begins with this record, by the key that signs it.
    Begins,
    /// Another key signs from the next record on.
    To {
        id: KeyId,
        /// [`Key::proof`], which only the holder of that key can compute.
        proof: String,
    },
}

impl Succession {
    /// The change that a record announces, if any.
    pub(super) fn of(record: &Record<'_>) -> Option<Self> {
        let text = |key: &str| record.members["after"][key].as_str().unwrap_or_default().to_owned();
        match record.members["act"].as_str()? {
            KEY_ADDED => Some(Self::Begins),
            KEY_CHANGED => Some(Self::To { id: KeyId(text("key")), proof: text("proof") }),
            _ => None,
        }
    }
}
