//! The keys of the HMACs: which of them signed a record, and how one follows another.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::Sha256;

use super::chain::{Head, Record};
use super::entry::{Entry, hex};
use super::note::LogNote;

/// Fewest bytes of a key that signs: as many as the hash has.
pub const KEY_MIN: usize = 32;

/// `act` of the record that begins the signing of a log.
const KEY_ADDED: &str = "audit key added";
/// `act` of the record after which another key signs.
const KEY_CHANGED: &str = "audit key changed";

/// A key of the HMACs: without it the file alone is not enough to write a chain that verifies.
#[derive(Debug, Clone)]
pub struct Key {
    secret: SecretString,
    id: KeyId,
}

/// What a key is called in the log. It tells keys apart and gives none away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyId(String);

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key that is too short to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the audit key has {0} bytes, and at least {KEY_MIN} are needed so that it cannot be guessed"
)]
pub struct ShortKey(pub usize);

impl Key {
    /// A key to check records with, of any length: earlier versions took every key.
    pub fn new(secret: SecretString) -> Self {
        let id = KeyId(mac(&secret, &["runnerctl audit key id"])[..16].to_owned());
        Self { secret, id }
    }

    /// A key to sign records with.
    pub fn signing(secret: SecretString) -> Result<Self, ShortKey> {
        match secret.expose_secret().len() {
            short @ ..KEY_MIN => Err(ShortKey(short)),
            KEY_MIN.. => Ok(Self::new(secret)),
        }
    }

    /// What it is called in the log.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The HMAC of a record's bytes.
    pub(super) fn mac(&self, body: &str) -> String {
        mac(&self.secret, &[body])
    }

    /// What only the holder of this key can say about a change to it after `previous`.
    fn proof(&self, previous: &str) -> String {
        mac(&self.secret, &["runnerctl audit key after ", previous])
    }
}

fn mac(secret: &SecretString, parts: &[&str]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    parts.iter().for_each(|it| mac.update(it.as_bytes()));
    hex(&mac.finalize().into_bytes())
}

/// Equality in a time that does not tell where two texts of one length differ.
fn is_same(one: &str, other: &str) -> bool {
    let differing = one.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differing == 0
}

/// The keys at hand: the one that signs new records, and those that signed earlier ones.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    signing: Option<Key>,
    earlier: Vec<Key>,
}

/// Who signed a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// No key: the record has no HMAC.
    Unsigned,
    /// The holder of this key, which is at hand.
    Known(KeyId),
    /// The holder of another key; its name, where the log tells it.
    Unknown(Option<KeyId>),
}

impl Keys {
    /// New records are signed with `signing`, if there is one.
    pub fn new(signing: Option<Key>, earlier: Vec<Key>) -> Self {
        Self { signing, earlier }
    }

    /// Keys to check records with, in any order.
    pub fn checking(keys: Vec<Key>) -> Self {
        Self { signing: None, earlier: keys }
    }

    /// The key of new records.
    pub fn signing(&self) -> Option<&Key> {
        self.signing.as_ref()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        self.signing.iter().chain(&self.earlier)
    }

    /// The key of this name.
    pub(super) fn find(&self, id: &KeyId) -> Option<&Key> {
        self.all().find(|it| it.id == *id)
    }

    /// The key that signs the next record of a log, if it is at hand.
    pub fn due(&self, signer: &Signer) -> Option<&Key> {
        match signer {
            Signer::Known(id) => self.find(id),
            Signer::Unsigned | Signer::Unknown(_) => None,
        }
    }

    /// Who signed a record.
    pub(super) fn signer(&self, record: &Record<'_>) -> Signer {
        let Some((signed, mac)) = record.signed else { return Signer::Unsigned };
        let found = self.all().find(|it| is_same(&it.mac(signed), mac));
        found.map_or(Signer::Unknown(None), |it| Signer::Known(it.id.clone()))
    }

    /// Whether a record has an HMAC that is made with one of these keys; of any, where there is none.
    pub fn vouch_for(&self, record: &Record<'_>) -> bool {
        self.is_empty() || matches!(self.signer(record), Signer::Known(_))
    }

    /// The signer of the records after this one: its own signer, or the key that it names.
    pub(super) fn signer_after(&self, record: &Record<'_>) -> Signer {
        match (self.signer(record), Succession::of(record)) {
            (Signer::Known(_), Some(Succession::To { id, proof })) => {
                let is_proven = |it: &&Key| is_same(&it.proof(&record.previous), &proof);
                match self.find(&id).filter(is_proven) {
                    Some(_) => Signer::Known(id),
                    None => Signer::Unknown(Some(id)),
                }
            }
            (signer, _) => signer,
        }
    }

    /// The record that makes the signing key follow `standing`, and the key that signs it; nothing
    /// where it follows already. Errors when the log is signed and no key is at hand that could
    /// follow. `previous` is the head that the record comes after.
    pub fn succession(
        &self,
        standing: &Signer,
        previous: &Head,
        note: &LogNote,
    ) -> Result<Option<(Entry, &Key)>, KeyError> {
        match (&self.signing, standing) {
            (None, Signer::Unsigned) => Ok(None),
            (None, Signer::Known(_) | Signer::Unknown(_)) => Err(KeyError::Unsigned),
            (Some(_), Signer::Unknown(_)) => Err(KeyError::UnknownKey),
            // The first record of a log tells by itself that it is signed.
            (Some(_), Signer::Unsigned) if previous.seq == 0 => Ok(None),
            (Some(key), Signer::Unsigned) => {
                let after = json!({ "key": key.id.to_string() });
                let detail = "the records from here on have an HMAC, made with this key";
                Ok(Some((Entry { after: Some(after), ..note.event(KEY_ADDED, detail) }, key)))
            }
            (Some(key), Signer::Known(id)) if key.id == *id => Ok(None),
            (Some(key), Signer::Known(id)) => {
                let old = self.find(id).expect("a known signer's key is at hand");
                let proof = key.proof(&previous.hash);
                let entry = Entry {
                    before: Some(json!({ "key": id.to_string() })),
                    after: Some(json!({ "key": key.id.to_string(), "proof": proof })),
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

/// Why nothing can be added to a log with the keys at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// It is signed, and new records would not be.
    Unsigned,
    /// It is signed with a key that is not at hand.
    UnknownKey,
}

/// What a record says about the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Succession {
    /// The signing begins, with the key that signs this record.
    Begins,
    /// From the next record on the key of this name signs.
    To {
        /// The name.
        id: KeyId,
        /// What only the holder of that key can say.
        proof: String,
    },
}

impl Succession {
    /// What a record says about the keys, if that is what it is about.
    pub(super) fn of(record: &Record<'_>) -> Option<Self> {
        let text = |key: &str| record.members["after"][key].as_str().unwrap_or_default().to_owned();
        match record.members["act"].as_str()? {
            KEY_ADDED => Some(Self::Begins),
            KEY_CHANGED => Some(Self::To { id: KeyId(text("key")), proof: text("proof") }),
            _ => None,
        }
    }
}
