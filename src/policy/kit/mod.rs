//! The runner kit (DESIGN §7): one entry of `pre_install_scripts`, merged into the `extra_specs` of
//! every pool. It gives a runner the certificate with which it connects to GARM. From the runner's
//! own network, it checks that GARM accepts no connection without a certificate and that forbidden
//! addresses are unreachable. It removes the certificate before the first step of a job.
//!
//! Decides what the script does and which pools cannot have it. Never reads a file or resolves a
//! secret. The kit contains a private key, which nothing here prints.

mod objections;
mod script;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

pub use objections::{agent_mode, objections};
pub use script::{KitTarget, script};

use crate::config::{FleetFile, HostPort};

/// The key of `extra_specs` with a map from names to scripts in base64. They run as root, in the
/// order of their names (GARM.md §i).
pub const SCRIPTS: &str = "pre_install_scripts";

/// The name of our script, which sorts before all others.
pub const ENTRY: &str = "00-runnerctl";

/// The certificate that all runners share, its key and the CA of GARM's reverse proxy, each as PEM
/// without other text.
#[derive(Debug, Clone)]
pub struct RunnerIdentity {
    pub cert: String,
    pub key: SecretString,
    /// The CA of GARM's reverse proxy.
    pub ca: String,
    /// When the certificate expires.
    pub holds_until: Timestamp,
}

/// The signer that issues a certificate to each runner, for a key that is generated on the runner's
/// machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSigner {
    /// The URL for signing requests.
    pub url: String,
    /// The CA of GARM's reverse proxy and of the signer.
    pub ca: String,
}

/// The contents of a kit.
#[derive(Debug, Clone, Default)]
pub struct KitParts {
    /// `runner_mtls` with one certificate for the fleet.
    pub identity: Option<RunnerIdentity>,
    /// `runner_mtls` with a certificate for each runner. If neither this nor `identity` is set,
    /// runners connect to GARM without a certificate.
    pub signer: Option<CertificateSigner>,
    /// The hosts and ports of `policy.networks.must_not_reach`.
    pub must_not_reach: Vec<HostPort>,
}

/// What a fleet file requires of the kit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KitContents {
    Nothing,
    /// Only the check of forbidden addresses. Such a kit contains no secret.
    ReachCheck,
    /// The certificate, and the check if it is configured.
    Certificate,
}

impl KitContents {
    /// What a fleet file requires. Its policy must be the combination of all policies.
    pub fn by(file: &FleetFile) -> Self {
        match (&file.runner_mtls, file.policy.must_not_reach.as_slice()) {
            (Some(_), _) => Self::Certificate,
            (None, []) => Self::Nothing,
            (None, _) => Self::ReachCheck,
        }
    }
}

/// A kit, ready to be merged.
#[derive(Clone, PartialEq, Eq)]
pub struct Kit {
    entry: Zeroizing<String>,
    /// Size of the script, in bytes.
    size: usize,
    holds_until: Option<Timestamp>,
    wanted: KitContents,
}

impl fmt::Debug for Kit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kit").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Kit {
    /// Builds the kit for runners. Equal parts result in identical bytes.
    pub fn new(parts: &KitParts) -> Self {
        let text = script(parts, &KitTarget::runner());
        Self {
            entry: Zeroizing::new(STANDARD.encode(text.as_bytes())),
            size: text.len(),
            holds_until: parts.identity.as_ref().map(|identity| identity.holds_until),
            wanted: match (&parts.identity, &parts.signer) {
                (None, None) => KitContents::ReachCheck,
                (Some(_), _) | (None, Some(_)) => KitContents::Certificate,
            },
        }
    }

    /// The size of the script, in bytes. In the user data of a VM, base64 makes it a third larger.
    pub fn size(&self) -> usize {
        self.size
    }

    pub fn gives(&self) -> KitContents {
        self.wanted
    }

    /// When the shared certificate of the runners expires; `None` if there is none.
    pub fn holds_until(&self) -> Option<Timestamp> {
        self.holds_until
    }

    /// Merges the kit into `extra_specs`. All other keys and scripts are kept.
    pub fn merged(&self, specs: &Map<String, Value>) -> Map<String, Value> {
        put(specs, Value::from(self.entry.as_str()))
    }
}

fn put(specs: &Map<String, Value>, entry: Value) -> Map<String, Value> {
    let mut merged = specs.clone();
    let scripts = merged.entry(SCRIPTS).or_insert(Value::Null);
    // `objections` refuses any other value, so only an absent one or `null` is replaced.
    if !scripts.is_object() {
        *scripts = Value::Object(Map::new());
    }
    if let Some(scripts) = scripts.as_object_mut() {
        scripts.insert(ENTRY.to_owned(), entry);
    }
    merged
}

/// `specs` with the kit from `from`, if it contains one.
pub fn carried(from: &Map<String, Value>, specs: &Map<String, Value>) -> Map<String, Value> {
    entry(from).map_or_else(|| specs.clone(), |original| put(specs, original.clone()))
}

/// `extra_specs` without the kit; everything else is kept.
pub fn without(specs: &Map<String, Value>) -> Map<String, Value> {
    let mut rest = specs.clone();
    if let Some(scripts) = rest.get_mut(SCRIPTS).and_then(Value::as_object_mut)
        && scripts.remove(ENTRY).is_some()
        && scripts.is_empty()
    {
        rest.remove(SCRIPTS);
    }
    rest
}

/// The kit in `extra_specs`, if there is one.
pub fn entry(specs: &Map<String, Value>) -> Option<&Value> {
    specs.get(SCRIPTS)?.get(ENTRY)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const CANARY: &str = "canary-key-2c61";

    fn parts() -> KitParts {
        let pem = |body: &str| format!("-----BEGIN X-----\n{body}\n-----END X-----\n");
        KitParts {
            identity: Some(RunnerIdentity {
                cert: pem("cert"),
                key: SecretString::from(pem(CANARY)),
                ca: pem("ca"),
                holds_until: Timestamp::UNIX_EPOCH,
            }),
            signer: None,
            must_not_reach: vec![
                HostPort { host: "db.example.com".into(), port: 5432 },
                HostPort { host: "fd00::1".into(), port: 443 },
            ],
        }
    }

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is not an object"),
        }
    }

    /// Possible `extra_specs` of users, including scripts of their own.
    fn some_specs() -> impl Strategy<Value = Map<String, Value>> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..3)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        });
        let scripts = prop::collection::btree_map("[0-9a-z.-]{1,9}", "[A-Za-z0-9+/]{0,8}", 1..4);
        let scripts = scripts.prop_map(|scripts| {
            Value::Object(
                scripts.into_iter().map(|(name, text)| (name, Value::from(text))).collect(),
            )
        });
        let specs = prop::collection::btree_map("[a-z_]{1,9}|.{1,4}", value, 0..5);
        (specs, prop::option::of(scripts)).prop_map(|(specs, scripts)| {
            let own = scripts.map(|scripts| (SCRIPTS.to_owned(), scripts));
            specs.into_iter().filter(|(key, _)| key != SCRIPTS).chain(own).collect()
        })
    }

    proptest! {
        #[test]
        fn merging_a_kit_and_removing_it_restores_the_original(specs in some_specs()) {
            let kit = Kit::new(&parts());
            let merged = kit.merged(&specs);
            prop_assert_eq!(entry(&merged).and_then(Value::as_str), Some(kit.entry.as_str()));
            let text = |specs: &Map<String, Value>| serde_json::to_string(specs).unwrap();
            prop_assert_eq!(text(&without(&merged)), text(&specs));
            // Merging is idempotent, a newer kit replaces an older one, and `carried` copies a kit
            // unchanged.
            prop_assert_eq!(kit.merged(&merged), merged.clone());
            let newer = Kit::new(&KitParts { must_not_reach: Vec::new(), ..parts() });
            prop_assert_eq!(newer.merged(&merged), newer.merged(&specs));
            prop_assert_eq!(carried(&merged, &specs), merged);
            prop_assert_eq!(carried(&specs, &specs), specs);
        }
    }

    #[test]
    fn a_kit_is_merged_beside_the_pools_own_scripts() {
        let kit = Kit::new(&KitParts { identity: None, ..parts() });
        let specs = map(json!({ "disk_gb": 20, "pre_install_scripts": { "10-proxy": "eA==" } }));
        let merged = kit.merged(&specs);
        assert_eq!(merged["disk_gb"], json!(20));
        let names: Vec<_> = merged[SCRIPTS].as_object().unwrap().keys().collect();
        assert_eq!(names, [ENTRY, "10-proxy"]);
        let text = STANDARD.decode(merged[SCRIPTS][ENTRY].as_str().unwrap()).unwrap();
        assert!(text.starts_with(b"#!/bin/bash\n"));
    }

    #[test]
    fn no_output_shows_the_key() {
        let parts = parts();
        let kit = Kit::new(&parts);
        assert!(script(&parts, &KitTarget::runner()).contains(CANARY));
        for shown in [format!("{parts:?}"), format!("{kit:?}"), format!("{kit:#?}")] {
            assert!(!shown.contains(CANARY) && !shown.contains("Y2FuYXJ5"), "{shown}");
        }
    }

    #[test]
    fn the_kit_of_a_runner_is_unchanged() {
        insta::assert_snapshot!(script(&parts(), &KitTarget::runner()).as_str());
    }

    /// Older shells write here-documents to a temporary file.
    #[test]
    fn no_here_document_contains_the_key() {
        let text = script(&parts(), &KitTarget::runner());
        let key = text.find(CANARY).unwrap();
        let command = text[..key].rfind("printf '%s\\n' '").unwrap();
        assert!(!text[command..key].contains("<<"), "{}", *text);
        assert!(text[key..].contains("' >\"$kit/key.pem\"\n"), "{}", *text);
    }

    #[test]
    fn without_a_certificate_the_kit_contains_only_the_check() {
        let check = script(&KitParts { identity: None, ..parts() }, &KitTarget::runner());
        assert!(check.contains("'db.example.com/5432' 'fd00::1/443'"), "{}", *check);
        assert!(!check.contains("PEM") && !check.contains("@CERT@"), "{}", *check);
        let certificate =
            script(&KitParts { must_not_reach: Vec::new(), ..parts() }, &KitTarget::runner());
        assert!(
            !certificate.contains("/dev/tcp") && !certificate.contains('@'),
            "{}",
            *certificate
        );
    }

    #[test]
    fn with_a_signer_the_kit_contains_no_key() {
        let signer = CertificateSigner {
            url: "https://garm.test/it's".into(),
            ca: "-----BEGIN X-----".into(),
        };
        let parts = KitParts { identity: None, signer: Some(signer), must_not_reach: Vec::new() };
        let text = script(&parts, &KitTarget::runner());
        assert!(!text.contains(CANARY) && !text.contains("@"), "{}", *text);
        assert!(text.contains(r"'https://garm.test/it'\''s'"), "{}", *text);
        assert_eq!(
            (Kit::new(&parts).holds_until(), Kit::new(&parts).gives()),
            (None, KitContents::Certificate)
        );
    }

    #[test]
    fn a_typical_kit_fits_into_16_kib_of_user_data() {
        // The sizes of RSA with 2048 bits: a certificate of 1,300 bytes, a key of 1,704 and a CA of
        // 1,300.
        let pem = |bytes: usize| "x".repeat(bytes);
        let identity = RunnerIdentity {
            cert: pem(1300),
            key: SecretString::from(pem(1704)),
            ca: pem(1300),
            holds_until: Timestamp::UNIX_EPOCH,
        };
        let kit = Kit::new(&KitParts { identity: Some(identity), ..parts() });
        assert!(kit.entry.len() + 4096 < 16 << 10, "{}", kit.entry.len());
    }
}
