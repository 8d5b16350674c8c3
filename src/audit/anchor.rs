//! Anchors: signed statements about the head of a log, to be kept outside the machine that writes it.
//!
//! A statement says that the log had a given head at a given time. It is signed with Ed25519, so
//! that checking it needs only the public key, and a party that checks statements cannot forge
//! them. Because of the chain, a head determines every record before it.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::chain::Head;
use super::entry::hex;
use crate::domain::text;

/// The longest statement, in bytes.
pub const STATEMENT_MAX: usize = 4 * 1024;

const START: &str = r#"{"v":1,"anchor":"runnerctl audit","#;
const SIGNATURE: &str = r#","signature":""#;

/// The first bytes of the DER of an Ed25519 public key; 32 bytes follow.
const PUBLIC_START: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// A private key that signs statements.
pub struct AnchorKey {
    pair: Ed25519KeyPair,
    id: String,
}

impl std::fmt::Debug for AnchorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AnchorKey({}, …)", self.id)
    }
}

impl AnchorKey {
    /// Reads a PKCS #8 key in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    pub fn from_pem(pem: &SecretString) -> Result<Self, &'static str> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose_secret().as_bytes())
            .map_err(|_| "it is not a PEM private key (`-----BEGIN PRIVATE KEY-----`)")?;
        let pair = Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der())
            .map_err(|_| "it is not an Ed25519 key")?;
        let id = key_id(pair.public_key().as_ref());
        Ok(Self { pair, id })
    }

    /// Signs a statement that the log `about` had this head at `time`. Returns one line of JSON,
    /// without a newline.
    pub fn state(&self, about: &LogIdentity, head: &Head, time: Timestamp) -> String {
        let members = json!({
            "fleet": about.fleet,
            "host": text::quote(&about.host),
            "log": text::quote(&about.log),
            "seq": head.seq,
            "hash": head.hash,
            "time": time.to_string(),
            "key": self.id,
        });
        let members = text::escape_json(&members.to_string()).into_owned();
        let members = members.trim_start_matches('{').trim_end_matches('}');
        let body = format!("{START}{members}");
        let signature = BASE64.encode(self.pair.sign(body.as_bytes()));
        format!("{body}{SIGNATURE}{signature}\"}}")
    }
}

/// The log that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogIdentity {
    /// The name of the fleet.
    pub fleet: String,
    /// The name of the machine.
    pub host: String,
    /// The path of the audit file.
    pub log: String,
}

/// A public key for checking statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: Vec<u8>,
    id: String,
}

impl PublicKey {
    /// Reads a public key in PEM, as `openssl pkey -pubout` writes it.
    pub fn from_pem(pem: &str) -> Result<Self, &'static str> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| "it is not a public key in PEM (`-----BEGIN PUBLIC KEY-----`)")?;
        let key = der.strip_prefix(&PUBLIC_START).filter(|key| key.len() == 32);
        let key = key.ok_or("it is not an Ed25519 key")?.to_vec();
        Ok(Self { id: key_id(&key), key })
    }

    fn is_signer(&self, body: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.key).verify(body.as_bytes(), signature).is_ok()
    }
}

/// The id of a key: the first 16 hexadecimal digits of the SHA-256 of its public half.
fn key_id(public: &[u8]) -> String {
    hex(&Sha256::digest(public))[..16].to_owned()
}

/// A statement with a valid signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The head of the log at that time.
    pub head: Head,
    /// The time of the signature, as the statement gives it.
    pub time: String,
}

impl Statement {
    /// Parses one line and checks its signature against `keys`. Errors with a clause that can
    /// follow the name of the file.
    pub fn open(line: &str, keys: &[PublicKey]) -> Result<Self, String> {
        let parts =
            line.trim_end().strip_suffix("\"}").and_then(|line| line.rsplit_once(SIGNATURE));
        let (body, signature) = parts
            .filter(|(body, _)| body.starts_with(START))
            .ok_or("it is not a statement about an audit log")?;
        let members: Value = serde_json::from_str(&format!("{body}}}"))
            .map_err(|_| "it is not a statement about an audit log")?;
        let signature = BASE64.decode(signature).unwrap_or_default();
        if !keys.iter().any(|key| key.is_signer(body, &signature)) {
            let id = text::quote(members["key"].as_str().unwrap_or_default());
            let given: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
            let given = given.join("`, `");
            return Err(match keys.iter().any(|key| key.id == id) {
                true => "its signature is invalid: it was changed or forged".to_owned(),
                false => format!("it is signed with the key `{id}`, but `{given}` was given"),
            });
        }
        let text = |key: &str| members[key].as_str().unwrap_or_default();
        let seq = members["seq"].as_u64().unwrap_or_default();
        let head = Head::parse(&format!("{seq}:{}", text("hash")));
        let head = head.ok_or("it contains no head")?;
        Ok(Self { head, time: text::quote(text("time")) })
    }
}

/// The statements about one log, by the sequence number of the record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statements(BTreeMap<u64, Vec<Statement>>);

impl Statements {
    pub fn add(&mut self, statement: Statement) {
        self.0.entry(statement.head.seq).or_default().push(statement);
    }

    /// Whether there are no statements.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The statements about the record `seq`.
    pub(super) fn about(&self, seq: u64) -> &[Statement] {
        self.0.get(&seq).map_or(&[], Vec::as_slice)
    }

    /// Whether at least one statement confirms this head.
    pub(super) fn has(&self, head: &Head) -> bool {
        self.about(head.seq).iter().any(|statement| statement.head == *head)
    }

    /// The number of statements about records before `seq`.
    pub(super) fn before(&self, seq: u64) -> u64 {
        self.0.range(..seq).map(|(_, statements)| statements.len() as u64).sum()
    }

    /// The statement about the highest sequence number; of several, the one that was added last.
    pub(super) fn last(&self) -> Option<&Statement> {
        self.0.last_key_value()?.1.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8410, section 10.3.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";

    /// Its public half, section 10.1.
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";

    fn statement() -> String {
        let about =
            LogIdentity { fleet: "acme".into(), host: "box".into(), log: "a\u{1b}.jsonl".into() };
        let head = Head { seq: 7, hash: "ab".repeat(32) };
        let key = AnchorKey::from_pem(&SecretString::from(PRIVATE)).unwrap();
        key.state(&about, &head, "2026-01-02T03:04:05Z".parse().unwrap())
    }

    #[test]
    fn a_statement_is_a_line_of_json_that_the_public_key_verifies() {
        let line = statement();
        insta::assert_snapshot!(line);
        let keys = [PublicKey::from_pem(PUBLIC).unwrap()];
        let opened = Statement::open(&format!("{line}\n"), &keys).unwrap();
        assert_eq!((opened.head.seq, opened.time.as_str()), (7, "2026-01-02T03:04:05Z"));
    }

    #[test]
    fn changed_statements_other_keys_and_garbage_are_refused() {
        let line = statement();
        let keys = [PublicKey::from_pem(PUBLIC).unwrap()];
        for at in 0..line.len() {
            let mut bytes = line.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(Statement::open(&changed, &keys).is_err(), "byte {at}: {changed}");
        }
        let moved = line.replace("\"seq\":7", "\"seq\":8");
        let error = Statement::open(&moved, &keys).unwrap_err();
        assert_eq!(error, "its signature is invalid: it was changed or forged");
        let keys = [PublicKey { key: vec![1; 32], id: "another".into() }];
        let error = Statement::open(&line, &keys).unwrap_err();
        assert!(error.starts_with("it is signed with the key `"), "{error}");
        assert!(Statement::open("{}", &keys).is_err());
    }

    #[test]
    fn only_ed25519_keys_in_pem_are_accepted() {
        let error = |pem: &str| AnchorKey::from_pem(&SecretString::from(pem)).unwrap_err();
        assert_eq!(error("secret"), "it is not a PEM private key (`-----BEGIN PRIVATE KEY-----`)");
        assert_eq!(error(&PRIVATE.replace("K2Vw", "K2Vv")), "it is not an Ed25519 key");
        let error = PublicKey::from_pem(PRIVATE).unwrap_err();
        assert_eq!(error, "it is not a public key in PEM (`-----BEGIN PUBLIC KEY-----`)");
        let error = PublicKey::from_pem(&PUBLIC.replace("K2Vw", "K2Vv")).unwrap_err();
        assert_eq!(error, "it is not an Ed25519 key");
    }
}
