//! A key that signs records with HMACs.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::entry::hex;

/// The minimum length of a signing key, in bytes: the length of the hash.
pub const KEY_MIN: usize = 32;

/// An HMAC key. A user who can write to the file but does not have the key cannot forge a chain
/// that verifies.
#[derive(Debug, Clone)]
pub struct Key {
    secret: SecretString,
    id: KeyId,
}

/// The id of a key in the log, 16 hexadecimal digits. It does not reveal the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyId(pub(super) String);

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key is shorter than [`KEY_MIN`]; its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit key has {0} bytes; it needs at least {KEY_MIN}, so that it cannot be guessed")]
pub struct ShortKey(pub usize);

impl Key {
    /// A key for checking records. Any length is accepted, because earlier versions signed with any.
    pub fn new(secret: SecretString) -> Self {
        let id = KeyId(mac(&secret, &["runnerctl audit key id"])[..16].to_owned());
        Self { secret, id }
    }

    /// A key for signing records. Errors if it is shorter than [`KEY_MIN`].
    pub fn signing(secret: SecretString) -> Result<Self, ShortKey> {
        match secret.expose_secret().len() {
            short @ ..KEY_MIN => Err(ShortKey(short)),
            KEY_MIN.. => Ok(Self::new(secret)),
        }
    }

    /// The id of the key in the log.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The HMAC of the bytes of a record, as hexadecimal digits.
    pub(super) fn mac(&self, body: &str) -> String {
        mac(&self.secret, &[body])
    }

    /// Proves that the holder of this key agreed to sign the records after the hash `previous`.
    pub(super) fn proof(&self, previous: &str) -> String {
        mac(&self.secret, &["runnerctl audit key after ", previous])
    }
}

fn mac(secret: &SecretString, parts: &[&str]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    hex(&mac.finalize().into_bytes())
}

/// Compares two texts in constant time, so that timing does not reveal where they differ.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let differing = one.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differing == 0
}
